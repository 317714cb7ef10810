/**
 * Time for the one asynchronous layer; tests pass a virtual one.
 *
 * @packageDocumentation
 */

declare const setTimeout: (callback: () => void, ms: number) => unknown;
declare const clearTimeout: (timer: never) => void;

/** Tells the time and wakes. */
export interface Clock {
  /** Whole milliseconds since 1970. */
  now(): number;
  /** Calls back at, or soon after, that time; the returned function cancels. */
  setTimer(atMs: number, callback: () => void): () => void;
}

// Beyond this setTimeout fires at once; a timer that is woken early asks again.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimer(atMs, callback) {
    const timer = setTimeout(callback, Math.min(Math.max(atMs - Date.now(), 0), LONGEST_TIMER_MS));
    return () => {
      clearTimeout(timer as never);
    };
  },
};
