/** A transport over a WebSocket of the package ws, for either side. */
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { SimsError } from '../../errors.ts';
import { detail } from '../attempt.ts';
import { checkLength, MESSAGE_LIMIT } from '../limits.ts';
import { MessageQueue } from '../messageQueue.ts';
import type { CloseReason, TransportOptions } from '../transport.ts';
import { TransportBase } from '../transportBase.ts';
import { CLOSE_CODES, closeCodeFor, reasonOfCloseCode } from '../webSocketCodes.ts';

/** Options of the package that decide about speed and memory; compression costs both and leaks lengths. */
export const WS_OPTIONS: { readonly perMessageDeflate: false; readonly maxPayload: number } = {
  perMessageDeflate: false,
  maxPayload: MESSAGE_LIMIT,
};

/** Bytes that may come beyond `messageLimit` without a message: one read of the socket, and headers. */
const SLACK_BYTES = 131_072;
/** How long a peer that broke the rules gets to read why. */
const FAREWELL_MS = 1_000;

/** `socket` is the connection beneath, for corking and for counting what has come. */
export class WsTransport extends TransportBase {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #inbox = new MessageQueue();
  readonly #written = (): void => this.progressed();
  #corked = false;
  #released = false;
  #bytesSinceMessage = 0;
  #failure: CloseReason | undefined;

  constructor(webSocket: WebSocket, socket: Socket, options: TransportOptions) {
    super(options);
    this.#webSocket = webSocket;
    this.#socket = socket;
    webSocket.on('message', (data: Buffer) => {
      this.#bytesSinceMessage = 0;
      if (!this.isOpen) return;
      this.#inbox.push(new Uint8Array(data.buffer, data.byteOffset, data.length));
      this.arrived();
    });
    webSocket.on('error', (cause) => this.#onError(cause));
    webSocket.on('close', (code, reason) => this.ended(this.#failure ?? reasonOfCloseCode(code, reason.toString())));
    // The package takes one limit for the connection's whole life, so the lower one before the handshake is counted here.
    socket.on('data', this.#count);
    webSocket.pause();
  }

  get queuedBytes(): number {
    return this.#released ? 0 : this.#webSocket.bufferedAmount;
  }

  protected override next(): Uint8Array | undefined {
    const message = this.#inbox.shift();
    if (message !== undefined) checkLength(message.length, this.messageLimit);
    return message;
  }

  protected override write(message: Uint8Array): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(this.#uncork);
    }
    this.#webSocket.send(message, SEND_OPTIONS, this.#written);
  }

  protected override pauseReading(): void {
    this.#webSocket.pause();
  }

  protected override resumeReading(): void {
    this.#webSocket.resume();
  }

  protected override finishWriting(): void {
    this.#inbox.clear();
    this.#webSocket.close(CLOSE_CODES.normal);
    this.#webSocket.resume();
  }

  protected override release(reason: CloseReason): void {
    const webSocket = this.#webSocket;
    const dropsQueue = reason.kind === 'aborted' && this.queuedBytes > 0;
    this.#released = true;
    this.#inbox.clear();
    this.#socket.off('data', this.#count);
    if (dropsQueue || WITHOUT_FAREWELL.has(reason.kind)) {
      webSocket.terminate();
      return;
    }
    webSocket.close(closeCodeFor(reason), reason.kind);
    webSocket.resume();
    // Not kept alive by this: a process may end before its hostile peer.
    const timer = setTimeout(() => webSocket.terminate(), FAREWELL_MS).unref();
    webSocket.once('close', () => clearTimeout(timer));
  }

  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket.uncork();
  };

  readonly #count = (chunk: Buffer): void => {
    if (this.messageLimit >= MESSAGE_LIMIT) return;
    this.#bytesSinceMessage += chunk.length;
    if (this.#bytesSinceMessage <= this.messageLimit + SLACK_BYTES) return;
    // The message that the receiver is at work on may be the one that raises the limit.
    if (this.isBusy) return this.arrived();
    const error = new SimsError('codec/length-over-limit', `a message above ${this.messageLimit} bytes is on its way`);
    this.ended({ kind: 'too-large', error });
  };

  #onError(cause: Error): void {
    const code = 'code' in cause ? String(cause.code) : '';
    if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH') {
      const error = new SimsError('codec/length-over-limit', `message above ${MESSAGE_LIMIT} bytes`, { cause });
      this.#failure = { kind: 'too-large', error };
    } else if (code.startsWith('WS_ERR')) {
      this.#failure = {
        kind: 'malformed',
        error: new SimsError('codec/malformed', `not WebSocket${detail(cause)}`, { cause }),
      };
    } else {
      this.#failure = {
        kind: 'network',
        error: new SimsError('transport/lost', `the connection broke${detail(cause)}`, { cause }),
      };
    }
    this.ended(this.#failure);
  }
}

/** The farewell has been said, or nobody would hear it. */
const WITHOUT_FAREWELL: ReadonlySet<CloseReason['kind']> = new Set(['local', 'peer', 'timeout', 'network']);
const SEND_OPTIONS = { binary: true } as const;
