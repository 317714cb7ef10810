import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import type { Value } from '../../src/codec/value.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { hex } from '../../src/bytes.ts';
import type { ConversationState } from '../../src/session/state.ts';
import { decodeState, encodeState } from '../../src/session/stateCodec.ts';
import { pair, text, type Pair } from './pair.ts';

const X25519 = suites.X25519_WITH_CHACHA20_POLY1305_SHA256;
const RSA = suites.RSA_WITH_AES_128_CBC_SHA256;

/** Everything that a state holds, but for what is computed again: comparable. */
function facts(state: ConversationState): unknown {
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return hex(value);
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    const { encapsulationKey, decapsulationKey } = value as Record<string, unknown>;
    if (decapsulationKey !== undefined) return [plain(encapsulationKey), plain(decapsulationKey)];
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  };
  return plain({ ...state, send: { ...state.send, lastAck: undefined } });
}

/** Two ends after random actions. */
function reached(suite: Suite, seed: number): Pair {
  const both = pair(suite, { seed, drop: 0.3, reorder: 0.5, repeat: 0.2 });
  both.a.takes = seed % 2 === 0;
  for (let step = 0; step < 6; step += 1) {
    both.a.send(text(step), seed % 3 === 0 ? both.clock.nowMs + 50 : undefined);
    both.b.send(text(step));
    if (step % 2 === 1) both.a.step({ type: 'rekey' });
    both.run(20 + ((seed * 37) % 200));
  }
  if (seed % 5 === 4) both.a.close('client-ended');
  return both;
}

describe('a stored state', () => {
  it.each([X25519, RSA].map((suite) => [suite.name, suite] as const))(
    'is read as it was, wherever a conversation stands, in %s',
    (_name, suite) => {
      fc.assert(
        fc.property(fc.nat(10_000), (seed) => {
          const both = reached(suite, seed);
          for (const { state } of [both.a, both.b]) {
            const bytes = encodeState(state);
            const read = decodeState(bytes, (name) => (name === suite.name ? suite : undefined));
            expect(facts(read)).toEqual(facts(state));
            expect(encodeState(read)).toEqual(bytes);
          }
        }),
        { numRuns: 12 },
      );
    },
  );

  it.each(suites.allSuites.map((suite) => [suite.name, suite] as const))('goes on in %s', (_name, suite) => {
    const both = pair(suite);
    both.a.send(text(0));
    both.b.send(text(0));
    both.settle();
    both.a.step({ type: 'rekey' });
    for (const end of [both.a, both.b]) end.state = end.clone().state;
    both.a.send(text(1));
    both.settle();
    for (const end of [both.a, both.b]) end.state = end.clone().state;
    both.b.step({ type: 'rekey' });
    both.b.send(text(1));
    both.settle();
    expect([both.a.shown.length, both.b.shown.length]).toEqual([2, 2]);
    expect([...both.a.dropped, ...both.b.dropped]).toEqual([]);
  });

  it('is malformed at every length but its own, and with anything behind it', () => {
    const bytes = encodeState(reached(X25519, 3).a.state);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeState(bytes.subarray(0, length), () => X25519)).toThrow(
        expect.objectContaining({ code: 'session/state-malformed' }),
      );
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(() => decodeState(longer, () => X25519)).toThrow(
      expect.objectContaining({ code: 'session/state-malformed' }),
    );
  });

  it('with any byte changed is another state or malformed, never another error', () => {
    const bytes = encodeState(reached(RSA, 2).a.state);
    for (let index = 0; index < bytes.length; index += 1) {
      for (const mask of [0x01, 0x80]) {
        const changed = Uint8Array.from(bytes);
        changed[index]! ^= mask;
        try {
          decodeState(changed, (name) => (name === RSA.name ? RSA : undefined));
        } catch (error) {
          expect(['session/state-malformed', 'session/state-version']).toContain((error as { code: string }).code);
        }
      }
    }
  });

  it('of another version, or of a suite that is not at hand, is refused', () => {
    const bytes = encodeState(pair(X25519).a.state);
    const fields = [...(decodeCbor(bytes) as readonly Value[])];
    const versioned = encodeCbor([2, ...fields.slice(1)]);
    expect(() => decodeState(versioned, () => X25519)).toThrow(
      expect.objectContaining({ code: 'session/state-version' }),
    );
    for (const suiteOf of [() => undefined, () => RSA]) {
      expect(() => decodeState(bytes, suiteOf)).toThrow(expect.objectContaining({ code: 'session/state-malformed' }));
    }
    const more = encodeCbor([...fields, 0]);
    expect(() => decodeState(more, () => X25519)).toThrow(expect.objectContaining({ code: 'session/state-malformed' }));
  });

  it('has at most 512 bytes with X25519 and 2,500 with X-Wing, at rest', () => {
    for (const [suite, most] of [
      [X25519, 512],
      [suites.X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256, 2_500],
    ] as const) {
      const both = pair(suite);
      for (let index = 0; index < 20; index += 1) {
        both.a.send(text(index));
        both.b.send(text(index));
        both.settle();
      }
      // Until the keys of the epoch before are gone, theirs come on top.
      expect(encodeState(both.a.state).length).toBeLessThanOrEqual(most + 70);
      both.run(700_000);
      expect(encodeState(both.a.state).length).toBeLessThanOrEqual(most);
    }
  });
});
