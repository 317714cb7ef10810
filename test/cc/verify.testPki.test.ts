/** A test PKI in the shape of the citizen card's: people of both generations, revocation both ways. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CITIZEN_CARD_AUTHENTICATION,
  createTrustStore,
  verifyCertificate,
  type TrustStore,
  type VerifyOptions,
} from '../../src/cc/index.ts';
import {
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  type CardGeneration,
  type TestPerson,
  type TestPki,
} from '../../src/cc/testPki.ts';

const AT = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;
let pki: TestPki;
let trust: TrustStore;
let upper: readonly Uint8Array[];

beforeAll(async () => {
  pki = await createTestPki({ atMs: AT, authorityRsaBits: 2048 });
  trust = createTrustStore({ purpose: 'person', anchors: pki.anchors, intermediates: pki.intermediates });
  const authorities = [pki.root, ...[...pki.hierarchies.values()].map((each) => each.authority)];
  upper = await Promise.all(authorities.map((each) => createTestPkiCrl(pki, each, [])));
});

async function reasonsOf(person: TestPerson, more: Partial<VerifyOptions> = {}): Promise<readonly string[]> {
  const verdict = await verifyCertificate({
    certificate: person.certificate,
    trust,
    profile: CITIZEN_CARD_AUTHENTICATION,
    atMs: AT,
    crls: [...upper, await createTestPkiCrl(pki, person.issuer, [])],
    ...more,
  });
  return verdict.valid ? ['valid'] : verdict.reasons;
}

const makePerson = (
  generation: CardGeneration,
  use: 'authentication' | 'signature' = 'authentication',
): Promise<TestPerson> =>
  createTestPerson(pki, { generation, use, givenName: 'Maria', surname: 'Silva', civilNumber: '12345678' });

describe.each(['v1', 'v2'] as const)('a card of generation %s', (generation) => {
  it('is accepted without its intermediates being sent, and with its chain where the store lacks them', async () => {
    const person = await makePerson(generation);
    expect(await reasonsOf(person)).toEqual(['valid']);
    const bare = createTrustStore({ purpose: 'person', anchors: pki.anchors });
    expect(await reasonsOf(person, { trust: bare })).toEqual(['no-path']);
    expect(await reasonsOf(person, { trust: bare, intermediates: person.chain.slice(1) })).toEqual(['valid']);
  });

  it('is refused when revoked, expired, for signatures, or without revocation data', async () => {
    const person = await makePerson(generation);
    const revoked = await createTestPkiCrl(pki, person.issuer, [{ serial: person.serial, atMs: AT - DAY }]);
    expect(await reasonsOf(person, { crls: [...upper, revoked] })).toEqual(['revoked']);
    expect(await reasonsOf(person, { atMs: AT + 6 * 366 * DAY })).toEqual(['expired']);
    expect(await reasonsOf(await makePerson(generation, 'signature'))).toEqual([
      'key-usage-missing',
      'key-usage-excess',
    ]);
    expect(await reasonsOf(person, { crls: [] })).toEqual(['revocation-unknown']);
  });
});
