/** The citizen card's public hierarchy, and the acceptance rules of its authentication certificates. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sequence } from '../../src/cc/createDer.ts';
import {
  ANY_CERTIFICATE,
  checkCitizenCardCertificates,
  CITIZEN_CARD_AUTHENTICATION,
  CITIZEN_CARD_AUTHENTICATION_POLICY,
  CITIZEN_CARD_CERTIFICATES,
  createTrustStore,
  readCertificates,
  verifyCertificate,
  type Certificate,
} from '../../src/cc/index.ts';
import { loadTrustStore } from '../../src/cc/node/index.ts';
import * as pki from './makePki.ts';
import { AT } from './makePki.ts';

const data = process.env['SIMS_DATA'];
/** A day on which every CA of the folder is valid but the one that expired before. */
const CHECKED_AT = Date.parse('2026-05-01T00:00:00Z');

describe.skipIf(data === undefined)('the public hierarchy (needs SIMS_DATA)', () => {
  const folder = join(data ?? '', 'cc-ca');
  const file = (name: string): Certificate => readCertificates(new Uint8Array(readFileSync(join(folder, name))))[0]!;
  const names = data === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith('.pem'));
  const anchors = ['ECRaizEstado002.pem', 'Multicert_Root_01.pem'];

  const verify = async (name: string, atMs = CHECKED_AT): Promise<readonly string[]> => {
    const { trust } = await loadTrustStore({
      purpose: 'person',
      anchors: anchors.map((each) => join(folder, each)),
      intermediates: [folder],
    });
    const verdict = await verifyCertificate({
      certificate: file(name),
      trust,
      profile: ANY_CERTIFICATE,
      atMs,
      revocation: 'none',
    });
    return verdict.valid ? ['valid', String(verdict.verified.path.length)] : verdict.reasons;
  };

  it('validates from every issuing CA to an anchor', async () => {
    for (const name of ['CC_Auc0019.pem', 'CC_Auc0020.pem', 'CC_Asc0019.pem', 'CC_Asc0020.pem']) {
      expect(await verify(name), name).toEqual(['valid', '3']);
    }
    for (const name of ['CartaodeCidadao004.pem', 'CartaodeCidadao005.pem'])
      expect(await verify(name), name).toEqual(['valid', '3']);
    for (const number of [6, 7, 8]) expect(await verify(`CartaodeCidadao00${number}.pem`)).toEqual(['valid', '2']);
  });

  it('refuses the CA that expired, after its last second', async () => {
    const last = file('CartaodeCidadao003.pem').notAfterMs;
    expect(await verify('CartaodeCidadao003.pem', last + 1_000)).toEqual(['expired']);
    // Its own issuer of that time is not in the folder; the cross-certificate has the same name and another key or not.
    expect(await verify('CartaodeCidadao003.pem', last)).not.toContain('expired');
  });

  it('has the fingerprints that are published here, and nothing else unknown but issuing CAs', async () => {
    const certificates = names.map(file);
    const { known, others } = await checkCitizenCardCertificates(certificates);
    expect(known.every((each) => each.isPresent)).toBe(true);
    expect(known.length).toBe(9);
    expect(others.length).toBe(names.length - 9);
    const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { subject: string; sha256: string }[];
    for (const each of CITIZEN_CARD_CERTIFICATES) {
      expect(index.find((entry) => entry.sha256 === each.sha256)?.subject).toBe(each.name);
    }
  });
});

describe('the authentication profile', () => {
  const root = pki.root('Raiz');
  const parent = pki.authority('Cartão de Cidadão 006', root);
  const anyPolicy = '2.5.29.32.0';
  const authentication = pki.authority('EC', parent, pki.makeKey(), [
    pki.policies(anyPolicy, CITIZEN_CARD_AUTHENTICATION_POLICY),
  ]);
  const signatureCa = pki.authority('EC2', parent, pki.makeKey(), [
    pki.policies(anyPolicy, '2.16.620.1.1.1.2.4.0.1.2'),
  ]);
  const firstGeneration = pki.authority('EC de Autenticação do Cartão de Cidadão 0007', parent);
  const elsewhere = pki.authority('EC de Autenticação do Cartão de Cidadão 0007', root);
  const trust = createTrustStore({
    purpose: 'person',
    anchors: [root.der],
    intermediates: [parent, authentication, signatureCa, firstGeneration, elsewhere].map((each) => each.der),
  });

  const verdict = async (certificate: Uint8Array): Promise<readonly string[]> => {
    const result = await verifyCertificate({
      certificate,
      trust,
      profile: CITIZEN_CARD_AUTHENTICATION,
      atMs: AT,
      revocation: 'none',
    });
    return result.valid ? ['valid'] : result.reasons;
  };
  const person = (issuer: pki.Authority, ...more: Uint8Array[]): Uint8Array => {
    const key = pki.makeKey();
    const extensions = [pki.authorityKeyId(issuer.key), ...more];
    return pki.certificate({
      subject: pki.name('Pessoa'),
      key,
      issuer: issuer.name,
      issuerKey: issuer.key,
      extensions,
    });
  };

  it('accepts digitalSignature under a CA for authentication, by policy or as one of the first generation', async () => {
    expect(await verdict(person(authentication, pki.keyUsage(0, 4)))).toEqual(['valid']);
    expect(await verdict(person(firstGeneration, pki.keyUsage(0)))).toEqual(['valid']);
  });

  it('refuses a signature certificate', async () => {
    expect(await verdict(person(signatureCa, pki.keyUsage(0)))).toEqual(['issuer-not-allowed']);
    expect(await verdict(person(authentication, pki.keyUsage(1)))).toEqual(['key-usage-missing', 'key-usage-excess']);
    expect(await verdict(person(authentication, pki.keyUsage(0, 1)))).toEqual(['key-usage-excess']);
  });

  it('refuses a certificate without key usage, and a CA', async () => {
    expect(await verdict(person(authentication))).toEqual(['key-usage-missing']);
    const own = pki.authority('X', authentication, pki.makeKey(), []);
    expect(await verdict(own.der)).toContain('ca-as-target');
    expect(
      await verdict(person(authentication, pki.keyUsage(0), pki.extension('2.5.29.19', sequence(), true))),
    ).toEqual(['valid']);
  });

  it('refuses a CA of the right name at the wrong place', async () => {
    expect((await verdict(person(elsewhere, pki.keyUsage(0))))[0]).toBe('issuer-not-allowed');
  });
});
