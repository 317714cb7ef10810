import { describe, expect, it } from 'vitest';
import { SimsError } from '../../src/errors.ts';
import { attempt, type Attempt } from '../../src/transport/attempt.ts';

describe('attempt', () => {
  it('ends by time, undoing what was begun once, and ignores what comes later', async () => {
    let undone = 0;
    let late: Attempt<number> | undefined;
    const attempted = attempt<number>('x:', { timeoutMs: 5 }, (given) => {
      late = given;
      return () => void (undone += 1);
    });
    await expect(attempted).rejects.toMatchObject({
      code: 'transport/timeout',
      message: 'no connection to x: within 5 ms',
    });
    late?.succeed(1);
    late?.fail(new Error('late'));
    expect(undone).toBe(1);
  });

  it('undoes a failure that came before it had begun, once', async () => {
    let undone = 0;
    const attempted = attempt<number>('x:', {}, (given) => {
      given.fail(new Error('no'));
      given.fail(new Error('again'));
      return () => void (undone += 1);
    });
    await expect(attempted).rejects.toMatchObject({
      code: 'transport/connect-failed',
      message: 'no connection to x:: no',
    });
    expect(undone).toBe(1);
  });

  it('undoes nothing when it succeeds at once', async () => {
    let undone = 0;
    const attempted = attempt<number>('x:', {}, (given) => {
      given.succeed(7);
      return () => void (undone += 1);
    });
    expect(await attempted).toBe(7);
    expect(undone).toBe(0);
  });

  it('passes on an error of the package as it is', async () => {
    const error = new SimsError('transport/unsupported', 'no');
    await expect(
      attempt<number>('x:', {}, () => {
        throw error;
      }),
    ).rejects.toBe(error);
  });

  it('leaves no listener on a signal', async () => {
    const signal = new AbortController().signal;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    };
    await attempt<number>('x:', { signal }, (given) => {
      given.succeed(1);
      return () => {};
    });
    expect(listeners).toBe(0);
  });
});
