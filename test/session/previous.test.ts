import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../src/crypto/suites.ts';
import {
  comparePrevious,
  decodePrevious,
  encodePrevious,
  previousOf,
  type Previous,
} from '../../src/session/previous.ts';
import { pair, text, type End, type Pair } from './pair.ts';

function talked(): Pair {
  const both = pair(X25519_WITH_CHACHA20_POLY1305_SHA256);
  both.a.send(text(1));
  both.a.send(text(2));
  both.b.send(text(3));
  both.settle();
  return both;
}
const offer = (end: End): Previous | undefined => {
  const previous = previousOf(end.state);
  return previous && decodePrevious(encodePrevious(previous));
};

describe('the end of a conversation, as the peer of the next one sees it', () => {
  it('agrees where nothing was lost, also with messages on their way', () => {
    const both = talked();
    expect(comparePrevious(both.a.state, offer(both.b))).toMatchObject({ verdict: 'agrees' });
    expect(comparePrevious(both.b.state, offer(both.a))).toMatchObject({ verdict: 'agrees' });
    both.a.send(text(4));
    both.b.send(text(5));
    expect(comparePrevious(both.a.state, offer(both.b))).toMatchObject({ verdict: 'agrees' });
    expect(comparePrevious(both.b.state, offer(both.a))).toMatchObject({ verdict: 'agrees' });
  });

  it('shows a peer that was restored from an old copy: it has sent more, or had received more', () => {
    const sent = talked();
    const old = sent.a.clone();
    sent.a.send(text(4));
    sent.settle();
    expect(comparePrevious(sent.b.state, offer(old))).toEqual({
      verdict: 'rollback',
      conversationId: sent.a.state.conversationId,
      evidence: {
        direction: 'peer',
        expected: { m: 3, hash: sent.a.state.send.hash },
        got: { m: 2, hash: old.state.send.hash },
      },
    });
    const received = talked();
    const before = received.a.clone();
    received.b.send(text(4));
    received.settle();
    expect(comparePrevious(received.b.state, offer(before))).toMatchObject({
      verdict: 'rollback',
      evidence: { direction: 'own', expected: { m: 2 }, got: { m: 1 } },
    });
  });

  it('shows that this side was restored itself', () => {
    const both = talked();
    const old = both.a.clone();
    both.a.send(text(4));
    both.settle();
    expect(comparePrevious(old.state, offer(both.b))).toMatchObject({
      verdict: 'rollback',
      evidence: { direction: 'own', expected: { m: 2 }, got: { m: 3 } },
    });
  });

  it('shows two histories under the same numbers', () => {
    const both = talked();
    const copy = both.a.clone();
    both.a.send(text(4));
    both.settle();
    copy.send(text(5));
    expect(comparePrevious(both.b.state, offer(copy))).toMatchObject({
      verdict: 'rollback',
      evidence: { direction: 'peer', expected: { m: 3 }, got: { m: 3 } },
    });
  });

  it('is a lost state when the peer that was heard knows nothing', () => {
    const both = talked();
    expect(comparePrevious(both.a.state, undefined)).toMatchObject({ verdict: 'lost-state' });
  });

  it('says nothing of a peer that was never heard, or of another conversation', () => {
    const both = pair(X25519_WITH_CHACHA20_POLY1305_SHA256);
    expect(previousOf(both.a.state)).toBeUndefined();
    both.a.send(text(1));
    expect(comparePrevious(both.a.state, undefined)).toBeUndefined();
    const other = { ...offer(both.a)!, conversationId: new Uint8Array(8).fill(1) };
    expect(comparePrevious(talked().b.state, other)).toBeUndefined();
  });

  it('is read to its last byte and no further', () => {
    const bytes = encodePrevious(previousOf(talked().a.state)!);
    expect(bytes).toHaveLength(8 + 1 + 16 + 1 + 16);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodePrevious(bytes.subarray(0, length))).toThrow(/session|field|bytes|number/u);
    }
    expect(() => decodePrevious(Uint8Array.of(...bytes, 0))).toThrow('1 bytes too many');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (noise) => {
        try {
          expect(encodePrevious(decodePrevious(noise))).toEqual(noise);
        } catch (error) {
          expect(error).toMatchObject({ code: 'session/malformed-record' });
        }
      }),
    );
  });
});
