/**
 * Two connected transports in one process, for tests and for parties that live together.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { checkLength } from './limits.ts';
import { costOf, MessageQueue } from './messageQueue.ts';
import type { CloseReason, Transport, TransportOptions } from './transport.ts';
import { TransportBase } from './transportBase.ts';

/** Options of {@link memoryPair}. */
export interface MemoryOptions extends TransportOptions {
  /** Runs a task later, in order with the others. Default `queueMicrotask`; `setImmediate` lets other work in between. */
  readonly schedule?: (task: () => void) => void;
}

/**
 * The two ends of one connection. Messages are copied, arrive asynchronously and wait at the receiving end; `queuedBytes` of the
 * sender counts them, with 64 bytes for each, until the receiver takes them.
 */
export function memoryPair(options: MemoryOptions = {}): readonly [Transport, Transport] {
  const left = new MemoryTransport(options);
  const right = new MemoryTransport(options);
  left.connect(right);
  right.connect(left);
  return [left, right];
}

class MemoryTransport extends TransportBase {
  readonly #inbox = new MessageQueue();
  readonly #schedule: (task: () => void) => void;
  #peer: MemoryTransport | undefined;
  #onWay = 0;
  #announced = false;

  constructor(options: MemoryOptions) {
    super(options);
    this.#schedule = options.schedule ?? queueMicrotask;
  }

  connect(peer: MemoryTransport): void {
    this.#peer = peer;
  }

  get queuedBytes(): number {
    return this.#onWay;
  }

  protected override next(): Uint8Array | undefined {
    const message = this.#inbox.shift();
    if (message === undefined) return undefined;
    const peer = this.#peer;
    if (peer !== undefined) peer.#taken(costOf(message));
    checkLength(message.length, this.messageLimit);
    return message;
  }

  protected override write(message: Uint8Array): void {
    const peer = this.#peer!;
    peer.#inbox.push(new Uint8Array(message));
    this.#onWay += costOf(message);
    peer.#announce();
  }

  protected override pauseReading(): void {}
  protected override resumeReading(): void {}

  protected override finishWriting(): void {
    this.#inbox.clear();
    const peer = this.#peer;
    this.#schedule(() => peer?.ended({ kind: 'peer' }));
    if (this.#onWay === 0) this.#schedule(() => this.ended({ kind: 'local' }));
  }

  protected override release(reason: CloseReason): void {
    const peer = this.#peer;
    this.#peer = undefined;
    this.#onWay = 0;
    this.#inbox.clear();
    if (peer === undefined || reason.kind === 'peer' || reason.kind === 'local') return;
    const told = farewellFor(reason);
    if (reason.kind === 'aborted' || reason.kind === 'timeout') peer.#inbox.clear();
    this.#schedule(() => peer.ended(told));
  }

  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    this.#schedule(() => {
      this.#announced = false;
      this.arrived();
    });
  }

  #taken(bytes: number): void {
    this.#onWay -= bytes;
    this.progressed();
    if (this.#onWay === 0 && !this.isOpen) this.ended({ kind: 'local' });
  }
}

/** What the other end learns of a reason that is not an orderly end. */
function farewellFor(reason: CloseReason): CloseReason {
  if (reason.kind === 'too-large' || reason.kind === 'malformed') {
    return { kind: 'rejected', error: new SimsError('transport/rejected', `the peer closed: ${reason.kind}`) };
  }
  return { kind: 'network', error: new SimsError('transport/lost', 'the peer ended without a farewell') };
}
