/**
 * One PKCS #11 module at work: its process, started when needed and again after it was killed; one operation at a time,
 * each with a limit of time.
 *
 * @packageDocumentation
 */
import { SimsError } from '../../errors.ts';
import { abortError, untilAborted } from '../signer.ts';
import type { Cryptoki, StartCryptoki } from './cryptoki.ts';

/** Serialises operations on a module. */
export class Device {
  readonly #start: StartCryptoki;
  #cryptoki: Cryptoki | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #current: AbortController | undefined;

  constructor(start: StartCryptoki) {
    this.#start = start;
  }

  /**
   * Runs an operation after those before it. When the signal is aborted or time is over (counted from when its turn
   * comes), the module's process is killed, since nothing else ends a call that waits for a person.
   *
   * @throws `card/closed`, `card/cancelled`, `card/timeout`, and what the operation throws
   */
  run<Value>(
    operation: (cryptoki: Cryptoki, signal: AbortSignal) => Promise<Value>,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Value> {
    const turn = this.#last.then(() => this.#runNow(operation, options.timeoutMs, options.signal));
    this.#last = turn.catch(() => undefined);
    return untilAborted(turn, options.signal);
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Ends what is under way, with `card/closed`, and the module. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#current?.abort(new SimsError('card/closed', 'this card was closed'));
    await this.#last;
    await this.#cryptoki?.close();
    this.#cryptoki = undefined;
  }

  async #runNow<Value>(
    operation: (cryptoki: Cryptoki, signal: AbortSignal) => Promise<Value>,
    timeoutMs: number,
    outer: AbortSignal | undefined,
  ): Promise<Value> {
    if (this.#isClosed) throw new SimsError('card/closed', 'this card was closed');
    if (outer?.aborted === true) throw abortError(outer);
    const limit = new AbortController();
    this.#current = limit;
    const forward = (): void => limit.abort(abortError(outer!));
    outer?.addEventListener('abort', forward, { once: true });
    const timer = setTimeout(
      () => limit.abort(new SimsError('card/timeout', `the card did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    limit.signal.addEventListener('abort', () => this.#cryptoki?.stop(abortError(limit.signal)), { once: true });
    try {
      if (this.#cryptoki === undefined || this.#cryptoki.isStopped) this.#cryptoki = await this.#start(limit.signal);
      return await untilAborted(operation(this.#cryptoki, limit.signal), limit.signal);
    } finally {
      this.#current = undefined;
      clearTimeout(timer);
      outer?.removeEventListener('abort', forward);
    }
  }
}
