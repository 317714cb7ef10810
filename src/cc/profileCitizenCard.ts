/**
 * The Portuguese citizen card: the profile of its authentication certificates, and the public facts by which its trust
 * anchors are recognised. The certificates themselves come from the state's own pages (docs/guides/citizen-card.md).
 *
 * @packageDocumentation
 */
import { fingerprint, type Certificate } from './certificate.ts';
import { GENERIC_EID, type Profile } from './profile.ts';

/** Policy of the CAs that issue authentication certificates. Those for qualified signatures have …0.1.2. */
export const CITIZEN_CARD_AUTHENTICATION_POLICY = '2.16.620.1.1.1.2.4.0.1.3';

/** A CA certificate of the card's hierarchy. */
export interface KnownCertificate {
  /** Subject, most specific part first. */
  readonly name: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  readonly role: 'anchor' | 'intermediate';
}

/** Anchors, and the intermediates above the issuing CAs, as published. */
export const CITIZEN_CARD_CERTIFICATES: readonly KnownCertificate[] = [
  {
    name: 'CN=ECRaizEstado,O=SCEE,C=PT',
    sha256: 'a574f9feeb813ab7a1950dd22ffe415f79c9daf0e315a33b729ceae63b851c8e',
    role: 'intermediate',
  },
  {
    name: 'CN=ECRaizEstado 002,O=Sistema de Certificação Eletrónica do Estado,C=PT',
    sha256: '3932e8a2a6f9e422594291c14dd87667bfd0a72e607dfdd2872beab0e4d21a10',
    role: 'anchor',
  },
  {
    name: 'CN=MULTICERT Root Certification Authority 01,O=MULTICERT - Serviços de Certificação Electrónica S.A.,C=PT',
    sha256: '604d32d036895aed3bfefaeb727c009ec0f2b3cdfa42a1c71730e6a72c3be9d4',
    role: 'anchor',
  },
  {
    name: 'CN=Cartão de Cidadão 003,OU=ECEstado,O=SCEE - Sistema de Certificação Electrónica do Estado,C=PT',
    sha256: '24a3f102f0c88e454801ce05ca86a5c0fb528c5452ff0f4cc859b6dfa987f77c',
    role: 'intermediate',
  },
  {
    name: 'CN=Cartão de Cidadão 004,OU=ECEstado,O=SCEE - Sistema de Certificação Electrónica do Estado,C=PT',
    sha256: '28cad66d2c81d77b177a021561f0e34d7899f4331d61336f435107ca220d0aa7',
    role: 'intermediate',
  },
  {
    name: 'CN=Cartão de Cidadão 005,OU=ECEstado,O=SCEE - Sistema de Certificação Electrónica do Estado,C=PT',
    sha256: 'ef9b3db22fe3cfd40f3a0533036a0953e868f1735455acc3b8119833edb7b2f1',
    role: 'intermediate',
  },
  {
    name: 'CN=Cartão de Cidadão 006,OU=ECEstado,O=SCEE - Sistema de Certificação Electrónica do Estado,C=PT',
    sha256: 'ebefabdc96639a5feb3af145afe538d5f146a0cad2c8ec0684dd96b2b3f369e5',
    role: 'intermediate',
  },
  {
    name: 'CN=Cartão de Cidadão 007,OU=ECEstado,O=SCEE - Sistema de Certificação Electrónica do Estado,C=PT',
    sha256: '80d9dd6f17a670902e46b35ebad5c4206a523420b55b99be16ba381f947c1e41',
    role: 'intermediate',
  },
  {
    name: 'CN=Cartão de Cidadão 008,OU=ECEstado,O=SCEE - Sistema de Certificação Electrónica do Estado,C=PT',
    sha256: 'e290db26ae4511a596da70d0ba2d1113fde6fa2c53ffce12e2b129f4ad33f7b5',
    role: 'intermediate',
  },
];

const FIRST_GENERATION_ISSUERS = 18;
const ROOTS_OF_FIRST_GENERATION = 7;

/**
 * An authentication certificate of the citizen card: digitalSignature without nonRepudiation, not a CA, issued by a CA
 * with {@link CITIZEN_CARD_AUTHENTICATION_POLICY}, or (cards before 2024) by one of the numbered authentication CAs
 * directly under a "Cartão de Cidadão" CA. The anchors are those of the store that it is used with.
 */
export const CITIZEN_CARD_AUTHENTICATION: Profile = {
  ...GENERIC_EID,
  name: 'citizen-card-authentication',
  forbiddenKeyUsage: ['nonRepudiation'],
  extendedKeyUsage: [],
  issuer: {
    policies: [CITIZEN_CARD_AUTHENTICATION_POLICY],
    commonNames: /* @__PURE__ */ Array.from(
      { length: FIRST_GENERATION_ISSUERS },
      (_, at) => `EC de Autenticação do Cartão de Cidadão ${String(at + 1).padStart(4, '0')}`,
    ),
    parents: /* @__PURE__ */ Array.from(
      { length: ROOTS_OF_FIRST_GENERATION },
      (_, at) => `Cartão de Cidadão 00${at + 1}`,
    ),
    fingerprints: [],
  },
};

/** What {@link checkCitizenCardCertificates} says of one certificate. */
export interface KnownCertificateCheck {
  readonly known: KnownCertificate;
  /** Whether it is among those given, byte for byte. */
  readonly isPresent: boolean;
}

/**
 * Checks certificates, those of a folder for instance, against the published fingerprints: which known ones are there,
 * and which of the given are none of them.
 */
export async function checkCitizenCardCertificates(certificates: readonly Certificate[]): Promise<{
  readonly known: readonly KnownCertificateCheck[];
  readonly others: readonly Certificate[];
}> {
  const prints = await Promise.all(certificates.map(fingerprint));
  const expected = new Set(CITIZEN_CARD_CERTIFICATES.map((known) => known.sha256));
  return {
    known: CITIZEN_CARD_CERTIFICATES.map((known) => ({ known, isPresent: prints.includes(known.sha256) })),
    others: certificates.filter((_, at) => !expected.has(prints[at]!)),
  };
}
