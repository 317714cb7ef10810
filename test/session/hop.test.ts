import { describe, expect, it } from 'vitest';
import { inspect } from 'node:util';
import { utf8 } from '../../src/bytes.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { addressFromBytes } from '../../src/messages/address.ts';
import type { Secure } from '../../src/messages/secure.ts';
import { HopChannel, type HopStart } from '../../src/session/hop.ts';

const random = (length: number): Uint8Array => new Uint8Array(length).fill(length);
const coded = (code: string): Error => expect.objectContaining({ code }) as Error;

function hop(suite: Suite, change: Partial<HopStart> = {}): { client: HopChannel; relay: HopChannel; start: HopStart } {
  const secrets = () => ({ initiator: new Uint8Array(48).fill(3), responder: new Uint8Array(48).fill(4) });
  const start: HopStart = {
    suite,
    role: 'initiator',
    conversationId: new Uint8Array(8).fill(9),
    finalTranscriptHash: new Uint8Array(64).fill(8),
    secrets: secrets(),
    client: { address: addressFromBytes(new Uint8Array(28).fill(1)), fingerprint: new Uint8Array(32).fill(1) },
    relayIdentity: new Uint8Array(32).fill(5),
  };
  const relay = new HopChannel({ ...start, role: 'responder', secrets: secrets(), ...change });
  return { client: new HopChannel(start), relay, start };
}

describe.each(suites.allSuites.map((suite) => [suite.name, suite] as const))('a hop in %s', (_name, suite) => {
  it('carries messages both ways, in order, and erases what it was made from', () => {
    const { client, relay, start } = hop(suite);
    for (let index = 0; index < 20; index += 1) {
      expect(relay.open(client.seal(utf8(`c${index}`), random, 1_000))).toEqual(utf8(`c${index}`));
      expect(client.open(relay.seal(utf8(`r${index}`), random, 1_000))).toEqual(utf8(`r${index}`));
    }
    expect(start.secrets.initiator.every((byte) => byte === 0)).toBe(true);
    expect(start.secrets.responder.every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a record of another direction, and so a reflection', () => {
    const { client } = hop(suite);
    expect(() => client.open(client.seal(utf8('mine'), random, 1_000))).toThrow(coded('session/authentication-failed'));
  });
});

describe('a hop', () => {
  const SUITE = suites.X25519_WITH_CHACHA20_POLY1305_SHA256;
  const refused: readonly (readonly [string, string, (records: Secure[]) => Secure[]])[] = [
    ['a repeat', 'session/out-of-order', ([first]) => [first!, first!]],
    ['a gap', 'session/out-of-order', ([, second]) => [second!]],
    ['two that changed places', 'session/out-of-order', ([first, , third]) => [first!, third!]],
    [
      'an altered payload',
      'session/authentication-failed',
      ([first]) => [{ ...first!, payload: flip(first!.payload, 0) }],
    ],
    [
      'an altered nonce',
      'session/authentication-failed',
      ([first]) => [{ ...first!, saData: flip(first!.saData, 12) }],
    ],
    ['another conversation', 'session/malformed-record', ([first]) => [{ ...first!, saData: flip(first!.saData, 0) }]],
    ['another epoch', 'session/malformed-record', ([first]) => [{ ...first!, saData: flip(first!.saData, 8) }]],
    [
      'an announcement',
      'session/malformed-record',
      ([first]) => [{ ...first!, saData: Uint8Array.from([...first!.saData, 1]) }],
    ],
    [
      'nothing',
      'session/malformed-record',
      () => [{ type: 'secure', saData: new Uint8Array(0), payload: new Uint8Array(0) }],
    ],
  ];

  it.each(refused)('ends on %s', (_what, code, choose) => {
    const { client, relay } = hop(SUITE);
    const records = choose([0, 1, 2].map((index) => client.seal(utf8(`${index}`), random, 0)));
    const last = records.pop()!;
    for (const record of records) relay.open(record);
    expect(() => relay.open(last)).toThrow(coded(code));
    expect(() => relay.open(client.seal(utf8('x'), random, 0))).toThrow(coded('session/ended'));
    expect(() => relay.seal(utf8('x'), random, 0)).toThrow(coded('session/ended'));
  });

  it.each([
    [
      'client',
      { client: { address: addressFromBytes(new Uint8Array(28).fill(2)), fingerprint: new Uint8Array(32).fill(1) } },
    ],
    [
      'fingerprint',
      { client: { address: addressFromBytes(new Uint8Array(28).fill(1)), fingerprint: new Uint8Array(32).fill(2) } },
    ],
    ['relay', { relayIdentity: new Uint8Array(32).fill(6) }],
    ['transcript', { finalTranscriptHash: new Uint8Array(64) }],
  ] as const)('opens nothing of an end that saw another %s', (_what, change) => {
    const { client, relay } = hop(SUITE, change);
    expect(() => relay.open(client.seal(utf8('x'), random, 0))).toThrow(coded('session/authentication-failed'));
  });

  it('prints no key', () => {
    expect(inspect(hop(SUITE).client, { depth: 9, showHidden: true })).toBe('HopChannel {}');
    expect(JSON.stringify(hop(SUITE).client)).toBe('{}');
  });
});

function flip(bytes: Uint8Array, index: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[index]! ^= 1;
  return changed;
}
