/**
 * Connecting: it succeeds, fails, is given up, or takes too long.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** What every function that connects takes. */
export interface AttemptOptions {
  /** Gives up the attempt. Once connected it has no effect: call `abort` of the transport. */
  readonly signal?: AbortSignal;
  /** Longest time for connecting, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
}

/** Ways to end an attempt; only the first call counts. */
export interface Attempt<Connected> {
  readonly succeed: (connected: Connected) => void;
  readonly fail: (cause: unknown) => void;
}

/**
 * Runs one attempt to connect.
 *
 * @param where - named in messages, such as `tcp://127.0.0.1:4711`
 * @param begin - starts it and returns what undoes it, which is called once unless it succeeded
 * @throws `transport/connect-failed`, `transport/timeout`, `transport/aborted`
 */
export function attempt<Connected>(
  where: string,
  options: AttemptOptions,
  begin: (attempt: Attempt<Connected>) => () => void,
): Promise<Connected> {
  const { signal, timeoutMs = 10_000 } = options;
  if (signal?.aborted === true) return Promise.reject(aborted(where, signal));
  return new Promise((resolve, reject) => {
    let over = false;
    let gaveUp = false;
    let undo: (() => void) | undefined;
    const finish = (): boolean => {
      if (over) return false;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      return true;
    };
    const giveUp = (error: SimsError): void => {
      if (!finish()) return;
      gaveUp = true;
      undo?.();
      reject(error);
    };
    const onAbort = (): void => giveUp(aborted(where, signal));
    const timer = setTimeout(() => {
      giveUp(new SimsError('transport/timeout', `no connection to ${where} within ${timeoutMs} ms`));
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort);
    try {
      undo = begin({
        succeed: (connected) => {
          if (finish()) resolve(connected);
        },
        fail: (cause) => giveUp(failed(where, cause)),
      });
    } catch (cause) {
      giveUp(failed(where, cause));
    }
    // Only now is there something to undo, when it failed before it returned.
    if (gaveUp) undo?.();
  });
}

function aborted(where: string, signal: AbortSignal | undefined): SimsError {
  return new SimsError('transport/aborted', `connecting to ${where} was given up`, { cause: signal?.reason });
}

function failed(where: string, cause: unknown): SimsError {
  if (cause instanceof SimsError) return cause;
  return new SimsError('transport/connect-failed', `no connection to ${where}${detail(cause)}`, { cause });
}

/** `: ECONNREFUSED` and the like, where the runtime says so. */
export function detail(cause: unknown): string {
  if (!(cause instanceof Error)) return '';
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
  return code === '' ? '' : `: ${code}`;
}
