import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/client/clock.ts';
import { watchVerification, type Watched } from '../../src/client/verificationWatch.ts';
import { SimsError } from '../../src/errors.ts';

/** A clock that stands still until it is told. */
class VirtualClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Map<object, { readonly atMs: number; readonly callback: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  get timers(): number {
    return this.#timers.size;
  }

  setTimer(atMs: number, callback: () => void): () => void {
    const key = {};
    this.#timers.set(key, { atMs, callback });
    return () => this.#timers.delete(key);
  }

  async advance(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (const [key, { atMs, callback }] of this.#timers) {
      if (atMs > this.#nowMs) continue;
      this.#timers.delete(key);
      callback();
    }
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
}

function watched(what: Watched): { clock: VirtualClock; ends: (string | undefined)[]; stop: () => void } {
  const clock = new VirtualClock();
  const ends: (string | undefined)[] = [];
  const stop = watchVerification(what, clock, 100, (error) => ends.push(error?.code));
  return { clock, ends, stop };
}

describe('the watch over a verification', () => {
  it('tells its end once, and at once where it is over', async () => {
    const { clock, ends } = watched({ verifiedUntilMs: 1_250 });
    await clock.advance(249);
    expect(ends).toEqual([]);
    await clock.advance(1);
    await clock.advance(1_000);
    expect([ends, clock.timers]).toEqual([[undefined], 0]);
    expect(watched({ verifiedUntilMs: 999 }).ends).toEqual([undefined]);
  });

  it('goes on without a timer where there is no end and nothing to look at', () => {
    const { clock, ends } = watched({});
    expect([ends, clock.timers]).toEqual([[], 0]);
  });

  it('asks again in between: a refusal ends it, what cannot be found out does not', async () => {
    const answers = ['', 'cc/revocation-unknown', 'cc/fetch-failed', 'other', 'cc/revoked'] as const;
    let asked = 0;
    const { clock, ends } = watched({
      verifiedUntilMs: 10_000,
      recheck: () => {
        const answer = answers[asked]!;
        asked += 1;
        if (answer === '') return Promise.resolve(10_000);
        return Promise.reject(answer === 'other' ? new TypeError('x') : new SimsError(answer, 'x'));
      },
    });
    for (let look = 1; look < 5; look += 1) {
      await clock.advance(100);
      expect([asked, ends]).toEqual([look, []]);
    }
    await clock.advance(100);
    expect(ends).toEqual(['cc/revoked']);
    await clock.advance(20_000);
    expect([asked, ends.length, clock.timers]).toEqual([5, 1, 0]);
  });

  it('is silent when stopped, also with a look under way', async () => {
    let reject: (error: Error) => void = () => {};
    const { clock, ends, stop } = watched({
      verifiedUntilMs: 5_000,
      recheck: () =>
        new Promise((_, refuse) => {
          reject = refuse;
        }),
    });
    await clock.advance(100);
    stop();
    reject(new SimsError('cc/revoked', 'x'));
    await clock.advance(10_000);
    expect([ends, clock.timers]).toEqual([[], 0]);
  });
});
