/**
 * Connections without a hop: how many there may be, for how long, and what they may say.
 *
 * @packageDocumentation
 */
import { LIMITS_BEFORE_HOP } from '../codec/limits.ts';
import { SimsError } from '../errors.ts';
import type { MessageId } from '../messages/address.ts';
import type { Connect } from '../messages/connect.ts';
import { decodeMessage, encodingOf, messageIdOf, type Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { reasonOf } from './answers.ts';
import type { Connection } from './connection.ts';
import type { RelayCounters } from './counters.ts';
import type { RelayEffects } from './effects.ts';
import type { HopHandshake } from './hopHandshake.ts';
import type { RelayLimits } from './limits.ts';
import type { Timers } from './timers.ts';

/** What strangers need of their relay. */
export interface StrangersParts {
  readonly effects: RelayEffects;
  readonly limits: RelayLimits;
  readonly counters: RelayCounters;
  readonly timers: Timers;
  readonly now: () => number;
  readonly beginHandshake: (connection: Connection) => HopHandshake;
  readonly send: (connection: Connection, message: Message) => void;
  readonly close: (connection: Connection) => void;
}

/** All connections without a hop. */
export class Strangers {
  readonly #parts: StrangersParts;
  /** Oldest first; those that have begun no handshake apart. */
  readonly #all = new Set<Connection>();
  readonly #idle = new Set<Connection>();

  constructor(parts: StrangersParts) {
    this.#parts = parts;
  }

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Whether there is room for one more; an idle one may be closed for it. */
  makeRoom(): boolean {
    if (this.#all.size < this.#parts.limits.strangers) return true;
    const [oldest] = this.#idle;
    if (oldest === undefined) return false;
    this.#parts.counters.refused += 1;
    this.#parts.close(oldest);
    return true;
  }

  /** Someone has connected. */
  add(connection: Connection): void {
    const { timers, now, limits, effects } = this.#parts;
    connection.cancelTimer = timers.set(now() + limits.establishMs, () => this.#tooLate(connection));
    this.#all.add(connection);
    this.#idle.add(connection);
    effects.setMessageLimit(connection.id, limits.frameBytesBeforeHop);
  }

  /** It is no stranger any more, or gone. */
  remove(connection: Connection): void {
    connection.cancelTimer();
    connection.cancelTimer = () => {};
    this.#all.delete(connection);
    this.#idle.delete(connection);
  }

  /** Takes one message of a stranger. */
  take(connection: Connection, bytes: Uint8Array): void {
    if (!connection.hasSpoken) {
      connection.hasSpoken = true;
      connection.encoding = encodingOf(bytes) ?? 'cbor';
    }
    let message: Message;
    try {
      message = decodeMessage(bytes, LIMITS_BEFORE_HOP).message;
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#parts.counters.malformed += 1;
      this.#dismiss(connection, reasonOf(error), messageIdOf(bytes, LIMITS_BEFORE_HOP));
      return;
    }
    switch (message.type) {
      case 'connect':
        this.#shakeHands(connection, message);
        return;
      case 'secure':
        // Records that come before their time are dropped.
        return;
      case 'disconnect':
      case 'error':
        this.#parts.close(connection);
        return;
      default:
        this.#dismiss(connection, 'unexpected', 'id' in message ? message.id : undefined);
    }
  }

  /** A handshake is over; `code` is told to the client. */
  failed(connection: Connection, error: SimsError, code: ErrorReason): void {
    const { counters, effects } = this.#parts;
    counters.handshakesFailed += 1;
    const { id, handshake } = connection;
    effects.log?.({
      event: 'handshake-failed',
      connection: id,
      code: code === 'handshake-failed' ? error.code : code,
    });
    this.#dismiss(connection, code, handshake?.id);
  }

  #shakeHands(connection: Connection, message: Connect): void {
    let { handshake } = connection;
    if (handshake === undefined) {
      handshake = this.#parts.beginHandshake(connection);
      connection.handshake = handshake;
      this.#idle.delete(connection);
      this.#parts.counters.handshakesStarted += 1;
    }
    handshake.take(message);
    connection.paused.handshake = handshake.isBusy;
  }

  #dismiss(connection: Connection, code: ErrorReason, msgId: MessageId | undefined): void {
    this.#parts.send(connection, { type: 'error', code, ...(msgId === undefined ? {} : { msgId }) });
    this.#parts.close(connection);
  }

  #tooLate(connection: Connection): void {
    const { establishMs } = this.#parts.limits;
    if (connection.handshake === undefined) this.#dismiss(connection, 'timeout', undefined);
    else connection.handshake.abort(new SimsError('handshake/timeout', `no hop within ${establishMs} ms`));
  }
}
