/** Bytes that were cut, altered or made up on the way: a peer's fault, and no key left. */
// oxlint-disable vitest/expect-expect -- expectFailed is what asserts
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SendOutput } from '../../src/handshake/states.ts';
import * as parties from './parties.ts';

const { bytesWithin, copyOf, until } = parties;
const PHASES = [1, 2, 3, 4] as const;
/** Codes that altered bytes may lead to; anything else is a defect. */
const CODES =
  /^(codec\/.+|messages\/field-.+|handshake\/(authentication-failed|peer-key-invalid|identity-mismatch|credential-kind|unsupported-version|suite-not-offered|no-common-suite))$/;

function expectFailed(party: parties.Party): void {
  expect(party.state.at).toBe('failed');
  expect(party.error).toMatchObject({ fault: 'peer' });
  expect(party.error!.code).toMatch(CODES);
  expect(Object.keys(party.state).toSorted()).toEqual(['at', 'error']);
  expect(bytesWithin(party.state)).toEqual([]);
}

/** A function that delivers a body to the party that waits for it, again and again from the same state. */
function deliveries(phase: 1 | 2 | 3 | 4): { last: SendOutput; deliver(body: Uint8Array): parties.Pair } {
  const { own, peer, last } = until(phase);
  const receiver = phase % 2 === 1 ? peer : own;
  const [ownState, peerState] = [copyOf(own.state), copyOf(peer.state)];
  return {
    last,
    deliver(body) {
      own.state = copyOf(ownState);
      peer.state = copyOf(peerState);
      const replies = receiver.message({ ...last, body });
      for (const reply of replies) (receiver === peer ? own : peer).message(reply);
      return { own, peer };
    },
  };
}

describe.each(PHASES)('body %i', (phase) => {
  const { last, deliver } = deliveries(phase);
  const receiverOf = ({ own, peer }: parties.Pair): parties.Party => (phase % 2 === 1 ? peer : own);

  it('goes through as it is', () => {
    expect(receiverOf(deliver(last.body)).error).toBeUndefined();
  });

  it('fails when it is cut anywhere', () => {
    for (let length = 0; length < last.body.length; length += 1) {
      expectFailed(receiverOf(deliver(last.body.subarray(0, length))));
    }
  });

  it('fails with a byte more', () => {
    expectFailed(receiverOf(deliver(Uint8Array.of(...last.body, 0))));
  });

  it('fails with any bit flipped, at the latest at the initiator that checks the transcript', () => {
    // Every byte, one bit each, another one at each.
    for (let at = 0; at < last.body.length; at += phase === 2 ? 2 : 1) {
      const body = last.body.slice();
      body[at]! ^= 1 << (at % 8);
      const both = deliver(body);
      if (phase === 1 && both.peer.state.at !== 'failed') expectFailed(both.own);
      else expectFailed(receiverOf(both));
    }
  });

  it('fails when it is any other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => expectFailed(receiverOf(deliver(body)))),
      { numRuns: 50 },
    );
  });
});

describe('a box', () => {
  it('fails alike for a wrong key, altered bytes, and altered ciphertext', () => {
    const messages = new Set<string>();
    const attack = (alter: (peer: parties.Party, body: Uint8Array) => void): void => {
      const { peer, last } = until(3, 'conversation', 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256');
      const body = last.body.slice();
      alter(peer, body);
      peer.message({ ...last, body });
      expect(peer.error).toMatchObject({ code: 'handshake/authentication-failed', fault: 'peer' });
      messages.add(peer.error!.message);
    };
    // The last byte is in the tag; byte 10 is in the ML-KEM part, which rejects implicitly.
    attack((_peer, body) => (body[body.length - 1]! ^= 1));
    attack((_peer, body) => (body[10]! ^= 1));
    attack((peer) => {
      const answer = peer.answer.bind(peer);
      peer.answer = (output) =>
        output.type === 'decapsulate' ? { type: 'decapsulated', raw: new Uint8Array(32).fill(7) } : answer(output);
    });
    expect(messages).toEqual(new Set(['the box does not open']));
  });

  it('of phase 4 fails alike too', () => {
    const { own, last } = until(4);
    const body = last.body.slice();
    body[body.length - 1]! ^= 1;
    own.message({ ...last, body });
    expect(own.error).toMatchObject({ code: 'handshake/authentication-failed', message: 'the box does not open' });
  });
});
