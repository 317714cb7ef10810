import { describe, expect, it } from 'vitest';
import { decodeCbor } from '../../src/codec/cbor.ts';
import type { ValueMap } from '../../src/codec/value.ts';
import { addressFromBytes } from '../../src/messages/address.ts';
import {
  decodeBundle,
  decodeBundleBody3,
  decodeBundleCore,
  encodeBundle,
  encodeBundleBody3,
  encodeBundleCore,
  type BundleCore,
} from '../../src/messages/bundle.ts';
import { codeOf } from '../codec/support.ts';

const CORE: BundleCore = {
  version: 1,
  id: new Uint8Array(8).fill(1),
  relayIdentity: new Uint8Array(32).fill(2),
  address: addressFromBytes(new Uint8Array(28).fill(3)),
  label: 'open',
  suites: [1, 3],
  suite: 1,
  encapsulationKey: Uint8Array.of(7),
  notAfter: 1_800_000_000,
  credential: Uint8Array.of(9),
};
const BUNDLE = { core: Uint8Array.of(1, 2), signature: Uint8Array.of(3) };
const BODY_3 = {
  ciphertext: Uint8Array.of(1),
  box: Uint8Array.of(2),
  bundleId: new Uint8Array(8).fill(3),
  hello: Uint8Array.of(4),
};

describe('a bundle', () => {
  it('has the keys of the specification, the address as 28 bytes', () => {
    const map = decodeCbor(encodeBundleCore(CORE)) as ValueMap;
    expect([...map]).toEqual([
      [0, 1],
      [1, CORE.id],
      [2, CORE.relayIdentity],
      [3, new Uint8Array(28).fill(3)],
      [4, 'open'],
      [5, [1, 3]],
      [6, 1],
      [7, CORE.encapsulationKey],
      [8, 1_800_000_000],
      [9, CORE.credential],
    ]);
    expect([...(decodeCbor(encodeBundle(BUNDLE)) as ValueMap).keys()]).toEqual([0, 1]);
    expect([...(decodeCbor(encodeBundleBody3(BODY_3)) as ValueMap).keys()]).toEqual([0, 1, 2, 3]);
  });

  it('and the phase 3 that answers it come back as they were', () => {
    expect(decodeBundleCore(encodeBundleCore(CORE))).toEqual(CORE);
    expect(decodeBundle(encodeBundle(BUNDLE))).toEqual(BUNDLE);
    expect(decodeBundleBody3(encodeBundleBody3(BODY_3))).toEqual(BODY_3);
  });

  it.each([
    ['core', encodeBundleCore(CORE), decodeBundleCore],
    ['bundle', encodeBundle(BUNDLE), decodeBundle],
    ['body 3', encodeBundleBody3(BODY_3), decodeBundleBody3],
  ])('is refused at every truncation: %s', (_what, bytes, decode) => {
    for (let length = 0; length < bytes.length; length += 1) {
      expect(codeOf(() => decode(bytes.subarray(0, length)))).toMatch(/^codec\//u);
    }
  });

  it.each<[string, Partial<Record<keyof BundleCore, unknown>>]>([
    ['an id of 7 bytes', { id: new Uint8Array(7) }],
    ['a relay identity of 31', { relayIdentity: new Uint8Array(31) }],
    ['a suite twice', { suites: [1, 1] }],
    ['a label over its limit', { label: 'x'.repeat(256) }],
    ['a negative time', { notAfter: -1 }],
    ['a key over its limit', { encapsulationKey: new Uint8Array(4_097) }],
  ])('is not made with %s', (_what, change) => {
    expect(codeOf(() => encodeBundleCore({ ...CORE, ...change } as BundleCore))).toBe('messages/invalid-message');
  });
});
