/**
 * What carries messages between two parties: the one interface that a network, a worker or a test implements.
 *
 * @packageDocumentation
 */
import type { SimsError } from '../errors.ts';

/**
 * A connection to one peer that carries whole messages, each a non-empty `Uint8Array`.
 *
 * The contract, checked by `transportConformance` of `sims-protocol/testing`:
 *
 * - **Order.** Messages arrive in the order of {@link Transport.send}, each whole and once. When the connection ends,
 *   some of the last ones may be missing, never one in the middle: acknowledgement is the protocol's job, not the transport's.
 * - **Ownership.** The sender does not change a message's bytes after `send`; it may read them and send them again. The receiver
 *   owns the bytes it gets. They may be a part of a larger buffer: copy what is kept for long.
 * - **Re-entrancy.** `send`, `start`, `close` and `abort` return at once and never call the receiver before they return.
 *   All of them may be called from inside the receiver.
 * - **One end.** `closed` resolves once; the first cause of the end is the reason. When the wire ends, what came whole before is still
 *   handed over, and `closed` resolves after the last call of the receiver has settled. After `close` or `abort` no call begins, and
 *   `closed` does not wait for one that is running.
 */
export interface Transport {
  /**
   * Largest message taken from the peer, in bytes; 64 KiB at first. May be changed at any time and holds
   * for the next message that is handed to the receiver. A larger one ends the connection as `too-large`. A kind of transport may
   * have an upper bound of its own, not below 1 MiB; WebSockets have that.
   */
  messageLimit: number;

  /** Bytes handed to `send` that the network, or the peer in memory, has not taken yet. 0 once closed. */
  readonly queuedBytes: number;

  /** How and why the connection ended. Never rejects. Stays pending on a transport that is neither started nor closed. */
  readonly closed: Promise<CloseReason>;

  /**
   * Begins to hand over messages, those included that came before. Until then little or nothing is read from the peer.
   * On a transport that has closed it does nothing.
   *
   * @throws `transport/started` when called twice
   */
  start(receiver: Receiver): void;

  /**
   * Queues one message. It is always taken; `false` means that the queue is above its mark, and that the caller should wait
   * for {@link Transport.drained} before the next: `if (!transport.send(message)) await transport.drained();`.
   *
   * @throws `transport/closed` when closing or closed, `transport/message-size` when empty, or above both
   * 1 MiB and `messageLimit`
   */
  send(message: Uint8Array): boolean;

  /** Resolves when more should be sent, at once when that is now, and when the wire ends. Never rejects. */
  drained(): Promise<void>;

  /**
   * Ends in order: takes no more messages either way, sends what is queued, then tells the peer. After a time limit the rest is
   * dropped, and the reason is `timeout`. Without effect when closing or closed.
   */
  close(): void;

  /** Ends at once: queued messages are dropped, and the peer is told if that takes no time. Without effect when closed. */
  abort(error?: SimsError): void;
}

/** Takes what a transport delivers. */
export interface Receiver {
  /**
   * Takes one message. While a returned promise is pending, no other call begins and, where the transport can, the
   * peer is slowed down: this is how a reader limits what it must hold. While reading is stopped, the end of
   * the connection may go unnoticed. A throw or a rejection ends the connection as `receiver-failed`.
   */
  message(message: Uint8Array): void | Promise<void>;
}

/**
 * Why a connection ended.
 *
 * - `local`: `close` was called here, and what was queued has left.
 * - `peer`: the peer ended in order, between two messages.
 * - `aborted`: `abort` was called here.
 * - `timeout`: `close` was called here, and the peer did not take what was queued in time.
 * - `truncated`: a byte stream ended inside a message.
 * - `too-large`: the peer's message was above `messageLimit`.
 * - `malformed`: the peer broke the framing, an empty message included.
 * - `rejected`: the peer closed and named a breach of ours, such as a message above its own limit.
 * - `network`: reset, unreachable, or ended without the farewell that this kind of transport has.
 * - `receiver-failed`: the receiver here threw or rejected; its error is the cause.
 * - `overrun`: the receiver here was too slow for a peer that cannot be slowed down.
 */
export type CloseReason =
  | { readonly kind: 'local' | 'peer' }
  | {
      readonly kind:
        | 'aborted'
        | 'timeout'
        | 'truncated'
        | 'too-large'
        | 'malformed'
        | 'rejected'
        | 'network'
        | 'receiver-failed'
        | 'overrun';
      readonly error: SimsError;
    };

/** Limits that every transport of this package takes. */
export interface TransportOptions {
  /** First {@link Transport.messageLimit}, in bytes. Default 64 KiB. */
  readonly messageLimit?: number;
  /** Mark above which `send` returns `false`, in bytes. `drained` waits for half of it. Default 256 KiB. */
  readonly highWaterBytes?: number;
  /** How long `close` waits for what is queued and for the peer's farewell, in milliseconds. Default 5,000. */
  readonly closeTimeoutMs?: number;
}
