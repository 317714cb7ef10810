import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, uint32 } from '../../src/bytes.ts';
import { X25519_WITH_CHACHA20_POLY1305_SHA256 as SUITE } from '../../src/crypto/suites.ts';
import { closeGaps, firstHash, hasSeen, nextHash, place, seenOf, type History } from '../../src/session/history.ts';

const TR4 = new Uint8Array(64).fill(8);
const AD = new Uint8Array(40).fill(1);
const LENGTH = 40;
const H0 = firstHash(SUITE, TR4, 0);
/** The sender's chain: `chain[m]` is H_m. */
const chain = [H0];
for (let m = 1; m <= LENGTH; m += 1) chain.push(nextHash(SUITE, chain[m - 1]!, m, AD, uint32(m)));
const empty: History = { m: 0, hash: H0, gaps: [] };
const arrive = (history: History, m: number, maxGaps = 32) => place(history, m, chain[m - 1]!, chain[m]!, maxGaps);

const missing = (history: History): number[] =>
  history.gaps.flatMap((gap) => Array.from({ length: gap.length }, (_, index) => gap.first + index));

describe('a history', () => {
  it('has another first hash for each direction and transcript', () => {
    expect(firstHash(SUITE, TR4, 1)).not.toEqual(H0);
    expect(firstHash(SUITE, concat(TR4.subarray(1), uint32(0)), 0)).not.toEqual(H0);
    expect(H0).toHaveLength(16);
  });

  it('knows what has come, in any order and with losses, as a set of numbers does', () => {
    const event = fc.record({ m: fc.integer({ min: 1, max: LENGTH }), lost: fc.boolean() });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let history = empty;
        const came = new Set<number>();
        const lost = new Set<number>();
        for (const { m, lost: isLost } of events) {
          const top = Math.max(0, ...came);
          if (isLost) {
            if (m < top && !came.has(m)) lost.add(m);
            history = closeGaps(history, [{ first: m, length: 1 }], 32)!;
          } else {
            const placed = arrive(history, m);
            const isNew = m > top || (!came.has(m) && !lost.has(m));
            expect(placed.as).toBe(!isNew ? 'repeated' : m === top + 1 ? 'next' : m > top ? 'ahead' : 'late');
            if (isNew) came.add(m);
            if ('history' in placed) history = placed.history;
          }
          const highest = Math.max(0, ...came);
          expect(history.m).toBe(highest);
          expect(history.hash).toEqual(chain[highest]);
          const expected = Array.from({ length: highest }, (_, index) => index + 1).filter(
            (n) => !came.has(n) && !lost.has(n),
          );
          expect(missing(history)).toEqual(expected);
          const seen = seenOf(history);
          for (let n = 1; n <= LENGTH; n += 1) expect(hasSeen(seen, n)).toBe(n <= highest && !expected.includes(n));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('finds a message that does not fit its neighbours', () => {
    let history = empty;
    for (const m of [1, 5]) history = (arrive(history, m) as { history: History }).history;
    const other = new Uint8Array(16);
    expect(place(history, 6, other, chain[6]!, 32)).toMatchObject({ as: 'fork', m: 5, expected: chain[5], got: other });
    expect(place(history, 2, other, chain[2]!, 32)).toMatchObject({ as: 'fork', m: 1, expected: chain[1] });
    expect(place(history, 4, chain[3]!, other, 32)).toMatchObject({ as: 'fork', m: 4, expected: chain[4], got: other });
    expect(place(history, 5, chain[4]!, other, 32)).toMatchObject({ as: 'fork', m: 5 });
    const middle = place(history, 3, chain[2]!, chain[3]!, 32) as { history: History };
    expect(place(middle.history, 2, chain[1]!, other, 32)).toMatchObject({ as: 'fork', m: 2, expected: chain[2] });
    expect(place(middle.history, 4, other, chain[4]!, 32)).toMatchObject({ as: 'fork', m: 3, expected: chain[3] });
  });

  it('takes no more gaps than it may', () => {
    let history = empty;
    for (let m = 2; m <= 6; m += 2) history = (arrive(history, m, 3) as { history: History }).history;
    expect(arrive(history, 8, 3).as).toBe('too-many-gaps');
    expect(arrive(history, 7, 3).as).toBe('next');
    const wide = (arrive(empty, 9) as { history: History }).history;
    expect(arrive(wide, 4, 1).as).toBe('too-many-gaps');
    expect(arrive(wide, 1, 1).as).toBe('late');
    expect(closeGaps(wide, [{ first: 4, length: 1 }], 1)).toBeUndefined();
    expect(missing(closeGaps(wide, [{ first: 1, length: 4 }], 1)!)).toEqual([5, 6, 7, 8]);
    expect(closeGaps(wide, [{ first: 20, length: 4 }], 1)).toBe(wide);
  });
});
