import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { rsa4096 } from '../../src/crypto/kem/rsa.ts';
import type { KemKeyPair } from '../../src/crypto/provider.ts';
import { createRsaPool } from '../../src/crypto/rsaPool.ts';

/** Generations that end when told to, with small keys that are told apart by a number. */
function controlled(): {
  generate: () => Promise<KemKeyPair>;
  running: () => number;
  finish: (error?: Error) => Promise<void>;
  made: KemKeyPair[];
} {
  const waiting: ((error?: Error) => void)[] = [];
  const made: KemKeyPair[] = [];
  return {
    made,
    running: () => waiting.length,
    generate: () =>
      new Promise((resolve, reject) => {
        waiting.push((error) => {
          if (error) return reject(error);
          const number = made.length + 1;
          const pair = { encapsulationKey: Uint8Array.of(number), decapsulationKey: Uint8Array.of(number) };
          made.push(pair);
          return resolve(pair);
        });
      }),
    finish: async (error) => {
      waiting.shift()?.(error);
      await turn();
    },
  };
}

describe('RSA pool', () => {
  it('fills to its size, one generation at a time, and gives each pair once', async () => {
    const { generate, running, finish, made } = controlled();
    const pool = createRsaPool({ generate, size: 3 });
    expect(pool.take()).toBeUndefined();
    for (let count = 1; count <= 3; count += 1) {
      expect(running()).toBe(1);
      await finish();
      expect(pool.available).toBe(count);
    }
    expect(running()).toBe(0);
    expect([pool.take(), pool.take()]).toEqual(made.slice(0, 2));
    expect(running()).toBe(1);
    await finish();
    await finish();
    expect([pool.available, running()]).toEqual([3, 0]);
    expect(new Set([pool.take(), pool.take(), pool.take(), pool.take()])).toEqual(
      new Set([...made.slice(2), undefined]),
    );
  });

  it('contains errors, tells of them, and tries again at the next take', async () => {
    const { generate, running, finish } = controlled();
    const errors: unknown[] = [];
    const pool = createRsaPool({
      generate,
      size: 1,
      onError(error) {
        errors.push(error);
        throw new Error('an observer that fails too');
      },
    });
    const failure = new Error('no entropy');
    await finish(failure);
    expect([errors, running()]).toEqual([[failure], 0]);
    expect(pool.take()).toBeUndefined();
    expect(running()).toBe(1);
    await finish();
    expect(pool.take()).toBeDefined();
  });

  it('contains a generator that throws at once', async () => {
    const errors: unknown[] = [];
    const pool = createRsaPool({
      generate: () => {
        throw new Error('none here');
      },
      onError: (error) => errors.push(error),
    });
    await turn();
    expect(pool.take()).toBeUndefined();
    await turn();
    expect(errors.length).toBe(2);
  });

  it('wipes at close what it holds and what comes later', async () => {
    const { generate, running, finish, made } = controlled();
    const pool = createRsaPool({ generate, size: 2 });
    await finish();
    pool.close();
    await finish();
    expect(made.map((pair) => pair.decapsulationKey[0])).toEqual([0, 0]);
    expect([pool.take(), pool.available, running()]).toEqual([undefined, 0, 0]);
  });

  it('refuses a size that is none', () => {
    for (const size of [0, -1, 1.5, 65, NaN]) {
      expect(() => createRsaPool({ generate: () => rsa4096.generateKeyPair(), size })).toThrow(
        expect.objectContaining({ code: 'crypto/invalid-argument' }),
      );
    }
  });

  it('makes real pairs without holding up the event loop', { timeout: 60_000 }, async () => {
    const pool = createRsaPool({ generate: () => rsa4096.generateKeyPair(), size: 1 });
    let turns = 0;
    while (pool.available === 0) {
      await sleep(5);
      turns += 1;
    }
    expect(turns).toBeGreaterThan(3);
    expect(pool.take()?.encapsulationKey.length).toBe(550);
    pool.close();
  });
});
