/**
 * A transport over a MessagePort: between a page and its workers, or between threads of Node.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { checkLength } from './limits.ts';
import { costOf, MessageQueue } from './messageQueue.ts';
import type { CloseReason, Transport, TransportOptions } from './transport.ts';
import { TransportBase } from './transportBase.ts';

/** The part of a MessagePort that is used; those of browsers and of `node:worker_threads` fit. */
export interface MessagePortLike {
  /** As of the standard, like all that follow. */
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  /** Listens to `message`, `messageerror` and `close`. */
  addEventListener(type: string, listener: (event: object) => void): void;
  /** Listens no more. */
  removeEventListener(type: string, listener: (event: object) => void): void;
  /** Begins to deliver. */
  start(): void;
  /** Ends the port. */
  close(): void;
}

const CLOSE = 'close';

/**
 * One end of a connection over a port; the other end must be of this kind too. The port belongs to the transport from now on.
 *
 * On the port: a `Uint8Array` is a message, a number says how many queued bytes its sender has taken (a port has no
 * back-pressure of its own), the text `close` is the farewell. A peer that ignores the numbers is cut off when
 * four times `highWaterBytes`, and at least 4 MiB, wait here.
 */
export function messagePortTransport(port: MessagePortLike, options: TransportOptions = {}): Transport {
  return new MessagePortTransport(port, options);
}

class MessagePortTransport extends TransportBase {
  readonly #port: MessagePortLike;
  readonly #inbox = new MessageQueue();
  readonly #inboxLimit: number;
  readonly #creditStep: number;
  #onWay = 0;
  #credit = 0;
  #overrun = false;

  constructor(port: MessagePortLike, options: TransportOptions) {
    super(options);
    const highWaterBytes = options.highWaterBytes ?? 262_144;
    this.#inboxLimit = Math.max(4_194_304, highWaterBytes * 4);
    // The two ends may have different marks: the smallest useful step keeps a peer with a low mark going.
    this.#creditStep = Math.min(16_384, highWaterBytes / 4);
    this.#port = port;
    port.addEventListener('message', this.#onMessage);
    port.addEventListener('messageerror', this.#onMessageError);
    port.addEventListener('close', this.#onClose);
    port.start();
  }

  get queuedBytes(): number {
    return this.#onWay;
  }

  protected override next(): Uint8Array | undefined {
    if (this.#overrun) throw new SimsError('transport/overrun', `over ${this.#inboxLimit} bytes wait`);
    const message = this.#inbox.shift();
    if (message === undefined) {
      this.#giveCredit();
      return undefined;
    }
    this.#credit += costOf(message);
    if (this.#credit >= this.#creditStep) this.#giveCredit();
    checkLength(message.length, this.messageLimit);
    return message;
  }

  protected override write(message: Uint8Array): void {
    // A copy of its own: cloning a view would clone the whole buffer behind it, and the sender keeps its bytes.
    const copy = new Uint8Array(message);
    this.#onWay += costOf(message);
    this.#port.postMessage(copy, [copy.buffer]);
  }

  protected override pauseReading(): void {}
  protected override resumeReading(): void {}

  protected override finishWriting(): void {
    this.#port.postMessage(CLOSE, []);
    this.#inbox.clear();
    if (this.#onWay === 0) queueMicrotask(() => this.ended({ kind: 'local' }));
  }

  protected override release(reason: CloseReason): void {
    if (reason.kind !== 'peer' && reason.kind !== 'local') this.#port.postMessage(`${CLOSE} ${reason.kind}`, []);
    this.#port.removeEventListener('message', this.#onMessage);
    this.#port.removeEventListener('messageerror', this.#onMessageError);
    this.#port.removeEventListener('close', this.#onClose);
    this.#port.close();
    this.#onWay = 0;
    this.#inbox.clear();
  }

  readonly #onMessage = (event: object): void => {
    const data = 'data' in event ? event.data : undefined;
    if (data instanceof Uint8Array) {
      if (!this.isOpen || this.#overrun) return;
      if (this.#inbox.bytes + costOf(data) > this.#inboxLimit) this.#overrun = true;
      else this.#inbox.push(data.constructor === Uint8Array ? data : new Uint8Array(data));
      this.arrived();
    } else if (typeof data === 'number' && data > 0 && data <= this.#onWay) {
      this.#onWay -= data;
      this.progressed();
      if (this.#onWay === 0 && !this.isOpen) this.ended({ kind: 'local' });
    } else if (data === CLOSE) {
      this.ended({ kind: 'peer' });
    } else if (typeof data === 'string' && data.startsWith(CLOSE)) {
      this.ended(farewell(data.slice(CLOSE.length + 1)));
    } else {
      this.#onMessageError();
    }
  };

  readonly #onMessageError = (): void => {
    this.ended({
      kind: 'malformed',
      error: new SimsError('codec/malformed', 'the port carried something else than a message'),
    });
  };

  readonly #onClose = (): void => {
    this.ended({ kind: 'network', error: new SimsError('transport/lost', 'the port closed without a farewell') });
  };

  #giveCredit(): void {
    if (this.#credit === 0) return;
    this.#port.postMessage(this.#credit, []);
    this.#credit = 0;
  }
}

function farewell(kind: string): CloseReason {
  if (kind === 'too-large' || kind === 'malformed') {
    return { kind: 'rejected', error: new SimsError('transport/rejected', `the peer closed: ${kind}`) };
  }
  return { kind: 'network', error: new SimsError('transport/lost', 'the peer ended without a farewell') };
}
