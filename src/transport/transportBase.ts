/**
 * The part of the contract of {@link Transport} that is the same everywhere.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { INITIAL_MESSAGE_LIMIT, MESSAGE_LIMIT } from './limits.ts';
import type { CloseReason, Receiver, Transport, TransportOptions } from './transport.ts';

/**
 * A transport but for its wire. A subclass gives the abstract members, calls {@link TransportBase.arrived} when
 * something came, {@link TransportBase.progressed} when something left, and {@link TransportBase.ended} when the wire has
 * ended. Extending it is a convenience: any object that keeps the contract of {@link Transport} will do.
 */
export abstract class TransportBase implements Transport {
  messageLimit: number;
  readonly closed: Promise<CloseReason>;
  abstract readonly queuedBytes: number;

  readonly #highWaterBytes: number;
  readonly #closeTimeoutMs: number;
  readonly #resolveClosed: (reason: CloseReason) => void;
  #phase: 'open' | 'closing' | 'closed' = 'open';
  #receiver: Receiver | undefined;
  #busy = false;
  #stopped = true;
  #ending: CloseReason | undefined;
  #drain: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #closeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TransportOptions = {}) {
    this.messageLimit = options.messageLimit ?? INITIAL_MESSAGE_LIMIT;
    this.#highWaterBytes = options.highWaterBytes ?? 262_144;
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5_000;
    let resolveClosed: (reason: CloseReason) => void;
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    this.#resolveClosed = resolveClosed!;
  }

  /**
   * The next message that has come whole, if any. Throws `codec/*` when the peer's bytes are bad, `transport/truncated` or
   * `transport/overrun` when that is how the wire ended.
   */
  protected abstract next(): Uint8Array | undefined;
  /** Puts one message on its way; its size is right and the transport is open. */
  protected abstract write(message: Uint8Array): void;
  /** Stops reading from the wire as far as it can be stopped. */
  protected abstract pauseReading(): void;
  /** Reads on. Not called before {@link Transport.start}. */
  protected abstract resumeReading(): void;
  /** Sends what is queued, then the farewell; what comes meanwhile is thrown away. Calls `ended` when done. */
  protected abstract finishWriting(): void;
  /** Frees the wire. Called once, when the reason is known. */
  protected abstract release(reason: CloseReason): void;

  start(receiver: Receiver): void {
    if (this.#receiver !== undefined) throw new SimsError('transport/started', 'a transport has one receiver');
    this.#receiver = receiver;
    queueMicrotask(() => this.#pump());
  }

  send(message: Uint8Array): boolean {
    if (this.#phase !== 'open') throw new SimsError('transport/closed', `the transport is ${this.#phase}`);
    const { length } = message;
    if (length === 0 || (length > MESSAGE_LIMIT && length > this.messageLimit)) {
      throw new SimsError('transport/message-size', `${length} bytes`);
    }
    this.write(message);
    return this.queuedBytes <= this.#highWaterBytes;
  }

  drained(): Promise<void> {
    // Once the wire has ended nothing may shrink the queue any more.
    if (this.#phase === 'closed' || this.#ending !== undefined || this.queuedBytes <= this.#highWaterBytes) {
      return Promise.resolve();
    }
    if (this.#drain === undefined) {
      let resolve: () => void;
      const promise = new Promise<void>((resolveDrain) => {
        resolve = resolveDrain;
      });
      this.#drain = { promise, resolve: resolve! };
      this.drainWanted();
    }
    return this.#drain.promise;
  }

  close(): void {
    if (this.#phase !== 'open') return;
    if (this.#ending !== undefined) return this.#settle(this.#ending);
    this.#phase = 'closing';
    this.#closeTimer = setTimeout(() => {
      this.ended({ kind: 'timeout', error: timedOut(this.#closeTimeoutMs, this.queuedBytes) });
    }, this.#closeTimeoutMs);
    this.finishWriting();
  }

  abort(error?: SimsError): void {
    if (this.#phase === 'closed') return;
    this.#settle({
      kind: 'aborted',
      error: error ?? new SimsError('transport/aborted', 'the connection was aborted here'),
    });
  }

  /** Whether messages are still taken, either way. */
  protected get isOpen(): boolean {
    return this.#phase === 'open';
  }

  /** Whether the receiver is not ready for a message: it has not been given, or is at work on the last one. */
  protected get isBusy(): boolean {
    return this.#busy || this.#receiver === undefined;
  }

  /** Whether someone waits in {@link Transport.drained}. */
  protected get isDrainWanted(): boolean {
    return this.#drain !== undefined;
  }

  /** Called when someone begins to wait for the queue; for wires that must be asked, not listened to. */
  protected drainWanted(): void {}

  /** To be called when `next` may have something. */
  protected arrived(): void {
    if (this.isBusy) {
      this.#stopped = true;
      this.pauseReading();
    } else {
      this.#pump();
    }
  }

  /** To be called when `queuedBytes` has shrunk. */
  protected progressed(): void {
    if (this.#drain !== undefined && this.queuedBytes <= this.#highWaterBytes / 2) this.#releaseDrain();
  }

  /** To be called when the wire has ended, for whatever cause but `close` and `abort`; the first cause counts. */
  protected ended(reason: CloseReason): void {
    if (this.#phase === 'closed' || this.#ending !== undefined) return;
    if (this.#phase === 'closing') {
      this.#settle(this.queuedBytes === 0 ? { kind: 'local' } : reason);
    } else {
      this.#ending = reason;
      this.#releaseDrain();
      this.#pump();
    }
  }

  #pump(): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.#busy) return;
    while (this.#phase === 'open') {
      let message: Uint8Array | undefined;
      try {
        message = this.next();
      } catch (error) {
        return this.#settle(badInput(error));
      }
      if (message === undefined) break;
      // Guards against a wire that reports arrivals while the receiver runs.
      this.#busy = true;
      try {
        const taken = receiver.message(message);
        if (taken !== undefined && typeof taken.then === 'function') return this.#wait(taken);
      } catch (error) {
        return this.#failed(error);
      }
      this.#busy = false;
    }
    if (this.#phase !== 'open') return;
    if (this.#ending !== undefined) return this.#settle(this.#ending);
    if (this.#stopped) {
      this.#stopped = false;
      this.resumeReading();
    }
  }

  #wait(taken: Promise<void>): void {
    taken.then(
      () => {
        this.#busy = false;
        this.#pump();
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #failed(cause: unknown): void {
    if (this.#phase !== 'open') return;
    this.#settle({
      kind: 'receiver-failed',
      error: new SimsError('transport/receiver-failed', 'the receiver failed', { cause }),
    });
  }

  #settle(reason: CloseReason): void {
    this.#phase = 'closed';
    clearTimeout(this.#closeTimer);
    this.release(reason);
    this.#releaseDrain();
    this.#resolveClosed(reason);
  }

  #releaseDrain(): void {
    const drain = this.#drain;
    this.#drain = undefined;
    drain?.resolve();
  }
}

function badInput(error: unknown): CloseReason {
  if (!(error instanceof SimsError))
    return { kind: 'malformed', error: new SimsError('codec/malformed', 'unreadable input', { cause: error }) };
  switch (error.code) {
    case 'codec/length-over-limit':
      return { kind: 'too-large', error };
    case 'transport/truncated':
      return { kind: 'truncated', error };
    case 'transport/overrun':
      return { kind: 'overrun', error };
    default:
      return { kind: 'malformed', error };
  }
}

function timedOut(limitMs: number, queuedBytes: number): SimsError {
  return new SimsError('transport/timeout', `not closed within ${limitMs} ms, ${queuedBytes} bytes queued`);
}
