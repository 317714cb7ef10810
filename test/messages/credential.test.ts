import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex } from '../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import type { Value, ValueMap } from '../../src/codec/value.ts';
import { decodeCredential, encodeCredential, type Credential } from '../../src/messages/credential.ts';
import { codeOf } from '../codec/support.ts';
import { credentials } from './arbitraries.ts';

const RELAY: Credential = { kind: 'relay', spki: Uint8Array.of(1), chain: [Uint8Array.of(2)] };
const CERTIFICATE: Credential = {
  kind: 'certificate',
  chain: [Uint8Array.of(2)],
  delegation: Uint8Array.of(3),
  delegationSignature: Uint8Array.of(4),
};

function withKey(credential: Credential, key: number, value: Value | undefined): Uint8Array {
  const map = new Map(decodeCbor(encodeCredential(credential)) as ValueMap);
  if (value === undefined) map.delete(key);
  else map.set(key, value);
  return encodeCbor(map);
}

describe('credential', () => {
  it('round-trips, and refuses truncations and trailing bytes', () => {
    fc.assert(
      fc.property(credentials, (credential) => {
        const bytes = encodeCredential(credential);
        expect(decodeCredential(bytes)).toEqual(credential);
        for (let length = 0; length < bytes.length; length += 1) {
          expect(codeOf(() => decodeCredential(bytes.subarray(0, length)))).toBe('codec/truncated');
        }
        expect(codeOf(() => decodeCredential(concat(bytes, Uint8Array.of(0))))).toBe('codec/trailing-bytes');
      }),
      { numRuns: 30 },
    );
  });

  it('is this on the wire', () => {
    expect(hex(encodeCredential({ kind: 'none', spki: Uint8Array.of(9) }))).toBe('a20000014109');
    expect(hex(encodeCredential({ kind: 'key', spki: Uint8Array.of(9) }))).toBe('a20001014109');
    expect(hex(encodeCredential(CERTIFICATE))).toBe('a4000202814102034103044104');
    expect(hex(encodeCredential(RELAY))).toBe('a3000301410102814102');
  });

  it('needs each field of its kind', () => {
    for (const [credential, keys] of [
      [{ kind: 'key', spki: Uint8Array.of(1) }, [0, 1]],
      [RELAY, [1, 2]],
      [CERTIFICATE, [2, 3, 4]],
    ] as const) {
      for (const key of keys) {
        expect(codeOf(() => decodeCredential(withKey(credential, key, undefined)))).toBe('messages/field-missing');
        expect(codeOf(() => decodeCredential(withKey(credential, key, 'text')))).toBe('messages/field-invalid');
      }
    }
  });

  it('holds 1 to 8 certificates of at most 16 KiB', () => {
    const certificate = (length: number): Uint8Array => new Uint8Array(length);
    const chainOf = (count: number, length: number): Value => Array.from({ length: count }, () => certificate(length));
    const decode = (chain: Value): unknown => decodeCredential(withKey(RELAY, 2, chain));
    expect(codeOf(() => decode(chainOf(8, 1_000)))).toBeUndefined();
    expect(codeOf(() => decode(chainOf(1, 16_384)))).toBeUndefined();
    expect(codeOf(() => decode(chainOf(0, 0)))).toBe('messages/field-invalid');
    expect(codeOf(() => decode(chainOf(9, 1)))).toBe('messages/field-over-limit');
    expect(codeOf(() => decode(chainOf(1, 16_385)))).toBe('messages/field-over-limit');
    expect(codeOf(() => decode(chainOf(8, 16_384)))).toBe('codec/length-over-limit');
    expect(codeOf(() => decode([Uint8Array.of(1), 'text']))).toBe('messages/field-invalid');
    expect(codeOf(() => encodeCredential({ ...RELAY, chain: [] }))).toBe('messages/invalid-message');
    expect(codeOf(() => encodeCredential({ ...RELAY, chain: [certificate(16_385)] }))).toBe('messages/invalid-message');
    expect(codeOf(() => encodeCredential({ ...RELAY, spki: certificate(2_049) }))).toBe('messages/invalid-message');
  });

  it('has a kind of the four', () => {
    for (const kind of [4, 23, 1_000, -1, null, 'key', Uint8Array.of(1)]) {
      expect(codeOf(() => decodeCredential(withKey(RELAY, 0, kind)))).toBe('messages/field-invalid');
    }
    const odd = { kind: 'toString', spki: new Uint8Array() } as unknown as Credential;
    expect(codeOf(() => encodeCredential(odd))).toBe('messages/invalid-message');
  });

  it('keeps nothing of the fields of other kinds', () => {
    expect(decodeCredential(withKey({ kind: 'none', spki: Uint8Array.of(1) }, 2, [Uint8Array.of(1)]))).toEqual({
      kind: 'none',
      spki: Uint8Array.of(1),
    });
  });
});
