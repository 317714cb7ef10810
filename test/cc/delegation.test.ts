import { createPrivateKey, sign as nodeSign } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import {
  createTestPerson,
  createTestPki,
  decodeDelegation,
  delegationToBeSigned,
  encodeDelegation,
  parseCertificate,
  verifyDelegation,
  type Delegation,
  type Signer,
  type TestPerson,
  type VerifyDelegationOptions,
} from '../../src/cc/index.ts';
import { nobleProvider } from '../../src/crypto/noble.ts';
import { ed25519Spki } from '../../src/crypto/signature/spki.ts';
import { signedContent } from '../../src/handshake/signing.ts';
import { codeOf, delegate, DEVICE, RELAY, signerOf, type Delegated } from './people.ts';

const NOW = Math.floor(Date.now() / 1000) * 1000;
const HOUR = 3_600_000;
let ana: TestPerson;
let rui: TestPerson;
let signer: Signer;

beforeAll(async () => {
  const pki = await createTestPki({ atMs: NOW, authorityRsaBits: 2048 });
  ana = await createTestPerson(pki, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '11111111' });
  rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
  signer = await signerOf(rui);
}, 30_000);

const good = (made: Delegated, changes: Partial<VerifyDelegationOptions> = {}): VerifyDelegationOptions => ({
  delegation: made.delegation,
  signature: made.signature,
  leaf: parseCertificate(made.credential.chain[0]!),
  purpose: 'hop',
  device: DEVICE,
  relayIdentity: RELAY,
  nowMs: NOW,
  ...changes,
});

const content = (changes: Partial<Delegation> = {}): Delegation => ({
  sessionSpki: ed25519Spki(new Uint8Array(32).fill(9)),
  device: DEVICE,
  leafHash: new Uint8Array(32).fill(5),
  relayIdentity: RELAY,
  notAfterMs: { hop: NOW + HOUR },
  notBeforeMs: NOW,
  algorithm: 'ES256',
  random: new Uint8Array(16).fill(1),
  ...changes,
});

describe('a delegation', () => {
  it('has the bytes of section 1.3', () => {
    const bytes = encodeDelegation(
      content({ notBeforeMs: 1_000, notAfterMs: { hop: 2_000, conversation: 3_000 }, highestLabel: 'open' }),
    );
    const spki = `302a300506032b6570032100${'09'.repeat(32)}`;
    expect(hex(bytes)).toBe(
      `a900646f70656e01582c${spki}0248${'03'.repeat(8)}035820${'05'.repeat(32)}045820${'07'.repeat(32)}` +
        `05a2000201030601076545533235360850${'01'.repeat(16)}`,
    );
    expect(decodeDelegation(bytes)).toEqual(
      content({ notBeforeMs: 1_000, notAfterMs: { hop: 2_000, conversation: 3_000 }, highestLabel: 'open' }),
    );
  });

  it('is signed under the handshake’s purpose of that name', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(delegationToBeSigned(bytes)).toEqual(signedContent('delegation', bytes));
  });

  it('takes one signature of the card, in each algorithm that cards have', async () => {
    const seen: string[] = [];
    for (const each of [signer, await signerOf(ana), await signerOf(ana, 'RSASSA-PKCS1-v1_5')]) {
      let count = 0;
      const counting: Signer = {
        ...each,
        sign: (bytes, options) => {
          count += 1;
          return each.sign(bytes, options);
        },
      };
      const made = await delegate(counting, { nowMs: NOW });
      expect(count).toBe(1);
      const { untilMs, content: said } = await verifyDelegation(good(made));
      expect(untilMs).toBe(NOW + 12 * HOUR);
      expect(said.sessionSpki).toEqual(made.sessionKey.spki);
      seen.push(said.algorithm);
    }
    expect(seen).toEqual(['ES256', 'PS256', 'RS256']);
  });

  it('holds from 5 minutes before it begins to its last second, and no longer than verifiers allow', async () => {
    const made = await delegate(signer, { nowMs: NOW, lifetimesMs: { hop: 48 * HOUR, prekey: 90 * 24 * HOUR } });
    const code = (changes: Partial<VerifyDelegationOptions>): Promise<string> =>
      codeOf(verifyDelegation(good(made, changes)));
    expect(await code({ nowMs: NOW - 300_000 })).toBe('no error');
    expect(await code({ nowMs: NOW - 300_001 })).toBe('cc/delegation-expired');
    expect(await code({ nowMs: NOW + 12 * HOUR })).toBe('no error');
    expect(await code({ nowMs: NOW + 12 * HOUR + 1 })).toBe('cc/delegation-expired');
    expect(await code({ nowMs: NOW + 2 * HOUR, maxLifetimesMs: { hop: HOUR } })).toBe('cc/delegation-expired');
    expect(await code({ nowMs: NOW + 13 * HOUR, maxLifetimesMs: { hop: 48 * HOUR } })).toBe('cc/delegation-expired');
    expect(await code({ purpose: 'prekey', nowMs: NOW + 30 * 24 * HOUR })).toBe('no error');
    expect(await code({ purpose: 'prekey', nowMs: NOW + 30 * 24 * HOUR + 1 })).toBe('cc/delegation-expired');
    const short = await delegate(signer, { nowMs: NOW, lifetimesMs: { hop: HOUR } });
    expect((await verifyDelegation(good(short))).untilMs).toBe(NOW + HOUR);
    expect(await codeOf(verifyDelegation(good(short, { nowMs: NOW + HOUR + 1 })))).toBe('cc/delegation-expired');
  });

  it('is refused for another purpose, device, relay or certificate, each with its code', async () => {
    const made = await delegate(signer, { nowMs: NOW, lifetimesMs: { hop: HOUR } });
    const cases: readonly (readonly [string, Partial<VerifyDelegationOptions>])[] = [
      ['cc/delegation-purpose', { purpose: 'conversation' }],
      ['cc/delegation-device', { device: new Uint8Array(8) }],
      ['cc/delegation-device', { device: new Uint8Array() }],
      ['cc/delegation-relay', { relayIdentity: new Uint8Array(32) }],
      ['cc/delegation-relay', { relayIdentity: new Uint8Array() }],
      ['cc/delegation-certificate', { leaf: parseCertificate(ana.certificate) }],
    ];
    for (const [code, changes] of cases) expect(await codeOf(verifyDelegation(good(made, changes)))).toBe(code);
  });

  it('is refused when a bit of it or of its signature is another', async () => {
    const made = await delegate(signer, { nowMs: NOW });
    for (let at = 0; at < made.signature.length; at += 7) {
      const signature = made.signature.with(at, made.signature[at]! ^ 1);
      expect(await codeOf(verifyDelegation(good(made, { signature })))).toBe('cc/delegation-signature');
    }
    for (const signature of [new Uint8Array(), new Uint8Array(64), made.signature.subarray(1), new Uint8Array(65)]) {
      expect(await codeOf(verifyDelegation(good(made, { signature })))).toBe('cc/delegation-signature');
    }
    for (let at = 0; at < made.delegation.length; at += 3) {
      const delegation = made.delegation.with(at, made.delegation[at]! ^ 1);
      expect(await codeOf(verifyDelegation(good(made, { delegation })))).toMatch(/^cc\/delegation-/u);
    }
  });

  it('is not signed for by an algorithm that the leaf’s key does not have', async () => {
    for (const algorithm of ['ES384', 'PS256', 'RS256', 'EdDSA'] as const) {
      const made = await delegate(signer, { nowMs: NOW });
      const delegation = encodeDelegation({ ...made.content, algorithm });
      const { signature } = await signer.sign(delegationToBeSigned(delegation));
      expect(await codeOf(verifyDelegation(good(made, { delegation, signature })))).toBe('cc/delegation-signature');
    }
  });

  it('with SHA-1 of an old card verifies only where that is asked for', async () => {
    const made = await delegate(await signerOf(ana), { nowMs: NOW });
    const delegation = encodeDelegation({ ...made.content, algorithm: 'RS1' });
    const key = createPrivateKey({ key: Buffer.from(ana.key.privateKey), format: 'der', type: 'pkcs8' });
    const signature = new Uint8Array(nodeSign('sha1', delegationToBeSigned(delegation), key));
    expect(await codeOf(verifyDelegation(good(made, { delegation, signature })))).toBe('cc/sha1-not-allowed');
    expect(await codeOf(verifyDelegation(good(made, { delegation, signature, allowSha1: true })))).toBe('no error');
    const wrong = signature.with(9, signature[9]! ^ 1);
    expect(await codeOf(verifyDelegation(good(made, { delegation, signature: wrong, allowSha1: true })))).toBe(
      'cc/delegation-signature',
    );
  });

  it('takes session keys of three kinds only', async () => {
    const p256 = nobleProvider.generateSignatureKeyPair('ECDSA-P256-SHA256', nobleProvider.random);
    for (const sessionSpki of [p256.spki, ana.key.spki]) {
      expect(decodeDelegation(encodeDelegation(content({ sessionSpki }))).sessionSpki).toEqual(sessionSpki);
    }
    const p384 = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify']);
    const rsa1024 = await crypto.subtle.generateKey(
      { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 1024, publicExponent: Uint8Array.of(1, 0, 1) },
      true,
      ['sign', 'verify'],
    );
    for (const { publicKey } of [p384, rsa1024]) {
      const sessionSpki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
      expect(() => encodeDelegation(content({ sessionSpki }))).toThrow(
        expect.objectContaining({ code: 'cc/invalid-argument' }),
      );
      const map = decodeCbor(encodeDelegation(content())) as Map<number, unknown>;
      expect(() => decodeDelegation(encodeCbor(new Map([...map, [1, sessionSpki]])))).toThrow(
        expect.objectContaining({ code: 'cc/delegation-key' }),
      );
    }
  });

  it('is refused with any field missing, of another form, or unknown', () => {
    const map = decodeCbor(encodeDelegation(content({ highestLabel: 'open' }))) as Map<number, unknown>;
    const wrong = (entries: Iterable<readonly [unknown, unknown]>): void => {
      expect(() => decodeDelegation(encodeCbor(new Map(entries)))).toThrow(
        expect.objectContaining({ code: 'cc/delegation-malformed', fault: 'peer' }),
      );
    };
    for (const field of [1, 2, 3, 4, 5, 6, 7, 8]) wrong([...map].filter(([key]) => key !== field));
    for (const field of map.keys())
      for (const value of [null, -1, new Uint8Array(7)]) {
        if (field !== 1 || !(value instanceof Uint8Array)) wrong([...map, [field, value]]);
      }
    for (const more of [
      [9, 1],
      [-1, 1],
      ['x', 1],
    ])
      wrong([...map, more as [unknown, unknown]]);
    for (const algorithm of ['ES512', 'none', 'toString', '']) wrong([...map, [7, algorithm]]);
    const seconds = NOW / 1000;
    for (const purposes of [[], [[0, seconds - 1]], [['0', seconds]], [[0, 2 ** 52]], [[0, -1]]]) {
      wrong([...map, [5, new Map(purposes as [unknown, unknown][])]]);
    }
    wrong([...map, [5, new Map(Array.from({ length: 17 }, (_, purpose) => [purpose, seconds]))]]);
    wrong([...map, [0, 'é'.repeat(128)]]);
    const later = new Map([
      ...map,
      [
        5,
        new Map([
          [0, seconds],
          [7, seconds],
        ]),
      ],
    ]);
    expect(decodeDelegation(encodeCbor(later)).notAfterMs).toEqual({ hop: NOW });
  });

  it('that is truncated, extended, or any bytes at all gives a listed code', () => {
    const bytes = encodeDelegation(content());
    const malformed = expect.objectContaining({ code: 'cc/delegation-malformed' });
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeDelegation(bytes.subarray(0, length))).toThrow(malformed);
    }
    expect(() => decodeDelegation(Uint8Array.of(...bytes, 0))).toThrow(malformed);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (any) => {
        expect(() => decodeDelegation(any)).toThrow(malformed);
      }),
      { numRuns: 300 },
    );
  });

  it('does not leave a card that answers with another algorithm, or has none that fits', async () => {
    const other: Signer = { ...signer, sign: async (bytes) => ({ ...(await signer.sign(bytes)), algorithm: 'RS256' }) };
    expect(await codeOf(delegate(other))).toBe('card/mechanism');
    expect(await codeOf(delegate({ ...signer, algorithms: ['ES512'] }))).toBe('card/mechanism');
    expect(await codeOf(delegate({ ...signer, chain: [] }))).toBe('cc/invalid-argument');
    expect(await codeOf(delegate(signer, { device: new Uint8Array(7) }))).toBe('cc/invalid-argument');
    expect(await codeOf(delegate(signer, { lifetimesMs: {} }))).toBe('cc/invalid-argument');
    expect(await codeOf(delegate(signer, { lifetimesMs: { hop: -1 } }))).toBe('cc/invalid-argument');
  });
});
