import { generateKeyPairSync, sign } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRelayCertificate } from '../../src/cc/create.ts';
import {
  CITIZEN_CARD_AUTHENTICATION,
  createTrustStore,
  RELAY_CERTIFICATE,
  verifyCertificate,
  type Verification,
} from '../../src/cc/index.ts';
import {
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  testAuthorities,
  type TestPerson,
  type TestPki,
} from '../../src/cc/testPki.ts';

const atMs = Date.UTC(2026, 5, 1);

describe('what is created here, before the verification of this package', () => {
  let pki: TestPki;

  beforeAll(async () => {
    pki = await createTestPki({ atMs, authorityRsaBits: 2048 });
  });

  const verify = async (person: TestPerson, revoked: readonly Uint8Array[] = []): Promise<Verification> =>
    verifyCertificate({
      certificate: person.certificate,
      trust: createTrustStore({ purpose: 'person', anchors: pki.anchors, intermediates: pki.intermediates }),
      profile: CITIZEN_CARD_AUTHENTICATION,
      atMs,
      crls: await Promise.all(
        testAuthorities(pki).map((authority) =>
          createTestPkiCrl(
            pki,
            authority,
            authority === person.issuer ? revoked.map((serial) => ({ serial, atMs: atMs - 1000, reason: 1 })) : [],
          ),
        ),
      ),
    });

  it('people of both generations hold by the citizen card\u2019s profile, with revocation, until they are revoked', async () => {
    for (const generation of ['v1', 'v2'] as const) {
      const person = await createTestPerson(pki, { generation, givenName: 'Ana', surname: 'Sá', civilNumber: '1' });
      const good = await verify(person);
      expect(good.valid ? good.verified.revocation : good.reasons, generation).toBe('good');
      expect(await verify(person, [Uint8Array.of(9)])).toMatchObject({ valid: true });
      expect(await verify(person, [person.serial])).toMatchObject({ valid: false });
    }
  });

  it('people with a signature certificate, one that has ended, or one of another authority do not', async () => {
    const ana = { generation: 'v2', givenName: 'Ana', surname: 'Sá', civilNumber: '1' } as const;
    const changes = [
      { ...ana, use: 'signature' as const },
      { ...ana, changes: { notAfterMs: atMs - 1 } },
      { ...ana, changes: { issuer: pki.hierarchies.get('v1')!.signature } },
    ];
    for (const person of changes) {
      expect(await verify(await createTestPerson(pki, person))).toMatchObject({ valid: false });
    }
  });

  it('a relay holds as its own anchor, under its names alone', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = await createRelayCertificate({
      keyPair: { algorithm: 'ECDSA-P256-SHA256', spki: publicKey.export({ type: 'spki', format: 'der' }) },
      names: ['relay.example', '::1'],
      notBeforeMs: atMs - 1000,
      notAfterMs: atMs + 1000,
      sign: (bytes) => sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    });
    const trust = createTrustStore({ purpose: 'relay', anchors: [certificate] });
    const as = async (kind: 'dns' | 'ip', value: string, when = atMs): Promise<boolean> => {
      const options = { certificate, trust, profile: RELAY_CERTIFICATE, names: [{ kind, value }], atMs: when };
      return (await verifyCertificate({ ...options, revocation: 'none' })).valid;
    };
    expect(await as('dns', 'relay.example')).toBe(true);
    expect(await as('ip', '0:0::1')).toBe(true);
    expect(await as('dns', 'other.example')).toBe(false);
    expect(await as('ip', '::2')).toBe(false);
    expect(await as('dns', 'relay.example', atMs + 2000)).toBe(false);
  });
});
