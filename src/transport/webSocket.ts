/**
 * A transport over the WebSocket of browsers, which Node has too from version 22.
 *
 * @packageDocumentation
 */
import { utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { attempt, type AttemptOptions } from './attempt.ts';
import { checkLength, MESSAGE_LIMIT } from './limits.ts';
import { costOf, MessageQueue } from './messageQueue.ts';
import type { CloseReason, Transport, TransportOptions } from './transport.ts';
import { TransportBase } from './transportBase.ts';
import { CLOSE_CODES, closeCodeFor, reasonOfCloseCode } from './webSocketCodes.ts';

/** The part of the standard WebSocket that is used. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  /** As of the standard, like all that follow. */
  send(message: Uint8Array): void;
  /** Begins the farewell. */
  close(code?: number, reason?: string): void;
  /** The connection is there, or failed. */
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  /** A message came. */
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  /** The connection has ended. */
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

/** Options of {@link connectWebSocket}. */
export interface WebSocketOptions extends TransportOptions, AttemptOptions {
  /** The class to use, such as that of a polyfill. Default the global `WebSocket`. */
  readonly WebSocket?: new (url: string) => WebSocketLike;
  /** Bytes that may wait for a slow receiver before the connection ends as `overrun`. Default 4 MiB. */
  readonly inboxLimitBytes?: number;
}

/**
 * Connects to `ws:` or `wss:`. Messages go out as binary frames; what comes in text frames is taken as UTF-8.
 *
 * A standard WebSocket cannot be told to stop reading, so a slow receiver is protected by `inboxLimitBytes` alone, and a message is in
 * memory before its size is known. In Node prefer `connectWebSocket` of `sims-protocol/transport/node`.
 *
 * @throws `transport/connect-failed`, `transport/timeout`, `transport/aborted`, `transport/unsupported`
 */
export function connectWebSocket(url: string, options: WebSocketOptions = {}): Promise<Transport> {
  return attempt<Transport>(url, options, (attempted) => {
    const WebSocketClass =
      options.WebSocket ?? (globalThis as { WebSocket?: new (url: string) => WebSocketLike }).WebSocket;
    if (WebSocketClass === undefined) throw new SimsError('transport/unsupported', 'this runtime has no WebSocket');
    const socket = new WebSocketClass(url);
    socket.binaryType = 'arraybuffer';
    let transport: StandardWebSocketTransport | undefined;
    socket.addEventListener('open', () => {
      transport = new StandardWebSocketTransport(socket, options);
      attempted.succeed(transport);
    });
    socket.addEventListener('message', ({ data }) => transport?.take(data));
    // The standard hides the cause from scripts; `close` always follows.
    socket.addEventListener('error', () => {});
    socket.addEventListener('close', ({ code, reason }) => {
      if (transport === undefined)
        attempted.fail(new SimsError('transport/connect-failed', `no connection to ${url}: code ${code}`));
      else transport.lost(reasonOfCloseCode(code, reason));
    });
    return () => socket.close();
  });
}

const FIRST_POLL_MS = 2;
const LAST_POLL_MS = 64;

class StandardWebSocketTransport extends TransportBase {
  readonly #socket: WebSocketLike;
  readonly #inbox = new MessageQueue();
  readonly #inboxLimit: number;
  #fault: SimsError | undefined;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #released = false;

  constructor(socket: WebSocketLike, options: WebSocketOptions) {
    super(options);
    this.#socket = socket;
    this.#inboxLimit = options.inboxLimitBytes ?? 4 * MESSAGE_LIMIT;
  }

  get queuedBytes(): number {
    return this.#released ? 0 : this.#socket.bufferedAmount;
  }

  /** What a frame held. */
  take(data: unknown): void {
    if (!this.isOpen || this.#fault !== undefined) return;
    try {
      const message = this.#bytesOf(data);
      const waiting = this.#inbox.bytes + costOf(message);
      if (waiting > this.#inboxLimit)
        throw new SimsError('transport/overrun', `${waiting} bytes would wait, at most ${this.#inboxLimit}`);
      this.#inbox.push(message);
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#fault = error;
    }
    this.arrived();
  }

  /** The connection is gone. */
  lost(reason: CloseReason): void {
    this.ended(reason);
  }

  protected override next(): Uint8Array | undefined {
    const message = this.#inbox.shift();
    if (message === undefined) {
      if (this.#fault !== undefined) throw this.#fault;
      return undefined;
    }
    checkLength(message.length, this.messageLimit);
    return message;
  }

  protected override write(message: Uint8Array): void {
    this.#socket.send(message);
  }

  protected override pauseReading(): void {}
  protected override resumeReading(): void {}

  protected override finishWriting(): void {
    this.#inbox.clear();
    this.#socket.close(CLOSE_CODES.normal);
  }

  protected override release(reason: CloseReason): void {
    this.#released = true;
    clearTimeout(this.#pollTimer);
    this.#inbox.clear();
    if (reason.kind !== 'peer' && reason.kind !== 'local') this.#socket.close(closeCodeFor(reason), reason.kind);
  }

  /** Nothing tells when `bufferedAmount` shrinks: look at it, ever more rarely. */
  protected override drainWanted(): void {
    const poll = (delayMs: number): void => {
      this.#pollTimer = setTimeout(() => {
        this.progressed();
        if (this.isDrainWanted) poll(Math.min(delayMs * 2, LAST_POLL_MS));
      }, delayMs);
    };
    poll(FIRST_POLL_MS);
  }

  #bytesOf(data: unknown): Uint8Array {
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    if (typeof data !== 'string') throw new SimsError('codec/malformed', 'a frame holds neither bytes nor text');
    // UTF-8 is never shorter than the text's length: judge before it is encoded.
    if (data.length > Math.max(this.messageLimit, MESSAGE_LIMIT)) checkLength(data.length, this.messageLimit);
    return utf8(data);
  }
}
