/**
 * Certificates and revocation lists of a test PKI, from their parts.
 *
 * @packageDocumentation
 */
import { utf8 } from '../bytes.ts';
import { extension, keyIdentifierOf, randomSerialNumber, serialNumber } from './create.ts';
import {
  bitString,
  booleanTrue,
  enumerated,
  integer,
  namedBits,
  nullValue,
  objectIdentifier,
  octetString,
  printableString,
  sequence,
  setOf,
  tagged,
  taggedPrimitive,
  time,
  utf8String,
} from './createDer.ts';
import { generalName } from './createNames.ts';
import { signWithTestKey, testSignatureAlgorithm, type TestKey } from './testPkiKeys.ts';

/** Attribute types of distinguished names in use here. */
export type NameAttribute = 'C' | 'O' | 'OU' | 'CN' | 'serialNumber' | 'givenName' | 'surname';

/** A distinguished name, in order. */
export type TestName = readonly (readonly [NameAttribute, string])[];

/** Who signs: a name and a key. */
export interface TestIssuer {
  readonly name: TestName;
  readonly key: TestKey;
}

/** What a certificate says. */
export interface TestCertificateContents {
  readonly issuer: TestIssuer;
  readonly subject: TestName;
  readonly spki: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Default 16 random bytes. */
  readonly serial?: Uint8Array;
  /** Basic constraints: absent for nobody's issuer; `pathLen` absent for no limit. */
  readonly ca?: { readonly pathLen?: number };
  /** Bits of keyUsage: 0 digitalSignature, 1 nonRepudiation, 4 keyAgreement, 5 keyCertSign, 6 cRLSign. */
  readonly keyUsage: readonly number[];
  readonly extendedKeyUsage?: readonly string[];
  readonly policies?: readonly string[];
  /** DNS names and IP addresses, as subjectAltName. */
  readonly names?: readonly string[];
  readonly crlUrl?: string;
  readonly deltaCrlUrl?: string;
  readonly ocspUrl?: string;
  readonly issuerUrl?: string;
  /** id-pkix-ocsp-nocheck, for OCSP responders. */
  readonly noCheck?: boolean;
}

/** DER certificate. */
export async function createTestCertificate(contents: TestCertificateContents): Promise<Uint8Array> {
  const { issuer } = contents;
  const algorithm = testSignatureAlgorithm(issuer.key);
  const toBeSigned = sequence(
    tagged(0, integer(2)),
    integer(contents.serial === undefined ? randomSerialNumber() : serialNumber(contents.serial)),
    algorithm,
    testName(issuer.name),
    sequence(time(contents.notBeforeMs), time(contents.notAfterMs)),
    testName(contents.subject),
    contents.spki,
    tagged(3, sequence(...(await extensionsOf(contents)))),
  );
  return sequence(toBeSigned, algorithm, bitString(await signWithTestKey(issuer.key, toBeSigned)));
}

/** One entry of a revocation list. */
export interface TestRevocation {
  readonly serial: Uint8Array;
  readonly atMs: number;
  /** CRLReason by number (RFC 5280 §5.3.1): 1 keyCompromise, 4 superseded, 6 certificateHold, 8 removeFromCRL … */
  readonly reason?: number;
}

/** What a revocation list says. */
export interface TestCrlContents {
  readonly issuer: TestIssuer;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly number: number;
  /** Makes a delta list over the full one of that number. */
  readonly baseNumber?: number;
  /** Critical issuing distribution point with this URL: a partition. */
  readonly distributionPoint?: string;
  readonly revoked: readonly TestRevocation[];
}

/** DER revocation list. */
export async function createTestCrl(contents: TestCrlContents): Promise<Uint8Array> {
  const { issuer } = contents;
  const algorithm = testSignatureAlgorithm(issuer.key);
  const entries = contents.revoked.map(({ serial, atMs, reason }) =>
    sequence(
      integer(serialNumber(serial)),
      time(atMs),
      ...(reason === undefined ? [] : [sequence(extension('2.5.29.21', false, enumerated(reason)))]),
    ),
  );
  const keyIdentifier = await keyIdentifierOf(issuer.key.spki);
  const extensions = [
    extension('2.5.29.35', false, sequence(taggedPrimitive(0, keyIdentifier))),
    extension('2.5.29.20', false, integer(contents.number)),
  ];
  if (contents.baseNumber !== undefined) extensions.push(extension('2.5.29.27', true, integer(contents.baseNumber)));
  if (contents.distributionPoint !== undefined) {
    extensions.push(extension('2.5.29.28', true, sequence(distributionPointName(contents.distributionPoint))));
  }
  const toBeSigned = sequence(
    integer(1),
    algorithm,
    testName(issuer.name),
    time(contents.thisUpdateMs),
    time(contents.nextUpdateMs),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    tagged(0, sequence(...extensions)),
  );
  return sequence(toBeSigned, algorithm, bitString(await signWithTestKey(issuer.key, toBeSigned)));
}

/** DER Name. Countries and serial numbers are PrintableString, all else UTF8String (RFC 5280 appendix A.1). */
export function testName(name: TestName): Uint8Array {
  return sequence(
    ...name.map(([attribute, text]) => {
      const value = attribute === 'C' || attribute === 'serialNumber' ? printableString(text) : utf8String(text);
      return setOf(sequence(objectIdentifier(ATTRIBUTES[attribute]), value));
    }),
  );
}

const ATTRIBUTES: Readonly<Record<NameAttribute, string>> = {
  C: '2.5.4.6',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  CN: '2.5.4.3',
  serialNumber: '2.5.4.5',
  givenName: '2.5.4.42',
  surname: '2.5.4.4',
};

async function extensionsOf(contents: TestCertificateContents): Promise<Uint8Array[]> {
  const { ca, extendedKeyUsage, policies, crlUrl, deltaCrlUrl, ocspUrl, issuerUrl } = contents;
  const constraints =
    ca === undefined ? sequence() : sequence(booleanTrue(), ...(ca.pathLen === undefined ? [] : [integer(ca.pathLen)]));
  const issuerKeyIdentifier = await keyIdentifierOf(contents.issuer.key.spki);
  const extensions = [
    extension('2.5.29.19', true, constraints),
    extension('2.5.29.15', true, namedBits(contents.keyUsage)),
    extension('2.5.29.14', false, octetString(await keyIdentifierOf(contents.spki))),
    extension('2.5.29.35', false, sequence(taggedPrimitive(0, issuerKeyIdentifier))),
  ];
  if (extendedKeyUsage !== undefined) {
    extensions.push(extension('2.5.29.37', false, sequence(...extendedKeyUsage.map(objectIdentifier))));
  }
  if (contents.names !== undefined) {
    extensions.push(extension('2.5.29.17', false, sequence(...contents.names.map(generalName))));
  }
  if (policies !== undefined) {
    const list = policies.map((policy) => sequence(objectIdentifier(policy)));
    extensions.push(extension('2.5.29.32', false, sequence(...list)));
  }
  if (crlUrl !== undefined) {
    extensions.push(extension('2.5.29.31', false, sequence(sequence(distributionPointName(crlUrl)))));
  }
  if (deltaCrlUrl !== undefined) {
    extensions.push(extension('2.5.29.46', false, sequence(sequence(distributionPointName(deltaCrlUrl)))));
  }
  const access = [
    ...(ocspUrl === undefined ? [] : [sequence(objectIdentifier('1.3.6.1.5.5.7.48.1'), uri(ocspUrl))]),
    ...(issuerUrl === undefined ? [] : [sequence(objectIdentifier('1.3.6.1.5.5.7.48.2'), uri(issuerUrl))]),
  ];
  if (access.length > 0) extensions.push(extension('1.3.6.1.5.5.7.1.1', false, sequence(...access)));
  if (contents.noCheck === true) extensions.push(extension('1.3.6.1.5.5.7.48.1.5', false, nullValue()));
  return extensions;
}

function distributionPointName(url: string): Uint8Array {
  return tagged(0, tagged(0, uri(url)));
}

function uri(url: string): Uint8Array {
  return taggedPrimitive(6, utf8(url));
}
