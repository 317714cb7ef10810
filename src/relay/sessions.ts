/**
 * One client with an established hop, as the relay sees it: what goes to it, and how much of it may wait.
 *
 * @packageDocumentation
 */
import type { RandomBytes } from '../crypto/provider.ts';
import type { Subject } from '../ifc/index.ts';
import type { Address, MessageId } from '../messages/address.ts';
import type { OnlineItem } from '../messages/list.ts';
import { decodeMessage, encodeMessage, type Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import type { Secure } from '../messages/secure.ts';
import type { Encoding } from '../messages/wire.ts';
import type { HopChannel } from '../session/hop.ts';
import type { RelayCounters } from './counters.ts';
import type { RelayEffects } from './effects.ts';
import type { RelayLimits } from './limits.ts';
import { ownerOf, type Mailbox, type WaitingEntry } from './mailbox.ts';
import type { Shares } from './shares.ts';
import type { Timers } from './timers.ts';
import { TokenBucket } from './tokenBucket.ts';
import { mayWait, storedKeys, waitingEntry, type Carried, type Kept } from './waiting.ts';

/** What all sessions share. */
export interface SessionShared {
  readonly effects: RelayEffects;
  readonly limits: RelayLimits;
  readonly counters: RelayCounters;
  readonly mailbox: Mailbox;
  readonly timers: Timers;
  readonly random: RandomBytes;
  readonly now: () => number;
  /** Bytes of all queues above their mark, by label. */
  readonly load: Shares;
  /** A session must end because its client does not read. */
  readonly tooSlow: (session: Session) => void;
  /** Something of a session's own failed: it must end, and nobody else. */
  readonly failed: (session: Session, error: unknown) => void;
}

/** What a session is made of. */
export interface SessionStart {
  readonly connection: number;
  readonly item: OnlineItem;
  readonly subject: Subject;
  readonly channel: HopChannel;
  readonly encoding: Encoding;
}

/** What came of a delivery. `gone`: as if the receiver were away. */
export type Delivery = 'delivered' | 'too-large' | 'gone';

/** Messages read from a mailbox at once. */
const MAILBOX_BATCH = 16;
/** What a record and its message add to what is sealed, generously. */
const RECORD_BYTES = 512;

/** A client's session. It lives as long as its connection. */
export class Session {
  readonly connection: number;
  readonly address: Address;
  readonly item: OnlineItem;
  /** Its labels are of the policy that is in force. */
  subject: Subject;
  readonly messageRate: TokenBucket;
  readonly byteRate: TokenBucket;
  /** How the client writes, and so is answered. */
  encoding: Encoding;
  readonly #shared: SessionShared;
  readonly #channel: HopChannel;
  readonly #owner: string;
  /** Place of what was handed over last. */
  #handedTo = 0;
  /** Keys of acknowledgements that were handed over: the client never says that it has them. */
  readonly #handedAcks: string[] = [];
  /** Keys of messages that wait no longer than this session lasts. */
  readonly #fleeting = new Set<string>();
  #queued = 0;
  #counted = 0;
  #isOpen = true;
  /** What comes goes behind what waits in the mailbox. */
  #isSpilling: boolean;
  /** What waits is held until the client asks for the list. */
  #isHeld: boolean;
  #cancelSlow: () => void = () => {};

  constructor(start: SessionStart, shared: SessionShared) {
    const { limits, now } = shared;
    this.connection = start.connection;
    this.address = start.item.address;
    this.item = start.item;
    this.subject = start.subject;
    this.encoding = start.encoding;
    this.#channel = start.channel;
    this.#shared = shared;
    this.#owner = ownerOf(start.item.address, start.subject.current.text);
    this.messageRate = new TokenBucket(limits.messagesPerSecond, limits.messageBurst, now());
    this.byteRate = new TokenBucket(limits.bytesPerSecond, limits.byteBurst, now());
    this.#isSpilling = shared.mailbox.quota(this.#owner).messages > 0;
    this.#isHeld = this.#isSpilling;
  }

  /** Whether the session is established still. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether more waits for the client than the mark allows: nothing that can wait should be added. */
  get isAbove(): boolean {
    return this.#queued > this.#shared.limits.queueMarkBytes;
  }

  /** Bytes that waited for the client when it was last looked at. */
  get queuedBytes(): number {
    return this.#queued;
  }

  /** The message in a record of the client; a failure ends the hop. */
  open(record: Secure): Uint8Array {
    return this.#channel.open(record);
  }

  /** Sends a message of the relay's own. */
  send(message: Message): void {
    if (this.#isOpen) this.#write(encodeMessage(message, this.encoding));
  }

  /** Sends a message that was encoded in the client's encoding. */
  sendEncoded(bytes: Uint8Array): void {
    if (this.#isOpen) this.#write(bytes);
  }

  /** Hands over a message of another client: at once, or by way of the mailbox. */
  deliver(message: Carried, sender: Session): Delivery {
    if (!this.#isOpen) return 'gone';
    try {
      if (this.#mustWait(message)) return this.#spill(message, sender);
      const bytes = encodeMessage(message, this.encoding);
      if (bytes.length > this.#largest()) return 'too-large';
      this.#write(bytes);
    } catch (error) {
      // The sender is not to suffer for it.
      this.#shared.failed(this, error);
    }
    return this.#isOpen ? 'delivered' : 'gone';
  }

  /** Hands over what is never answered and may be lost: an acknowledgement or an error. */
  deliverIfRoom(message: Message, sender: Session): void {
    if (!this.#isOpen) return;
    // What waits may be what it acknowledges: it comes in order where it can.
    if (this.#isSpilling && message.type === 'ack' && message.saData !== undefined) {
      if (this.#append(message, sender) === 'full') this.#shared.counters.dropped += 1;
      return;
    }
    const bytes = encodeMessage(message, this.encoding);
    if (this.#isSpilling || this.#isFull() || bytes.length > this.#largest()) this.#shared.counters.dropped += 1;
    else this.#write(bytes);
  }

  /** The client says that it has stored a message of its mailbox. */
  stored(src: Address, id: MessageId): void {
    for (const key of storedKeys(src, id)) this.#shared.mailbox.ack(this.#owner, key);
  }

  /** The client is ready for what waited while it was away. */
  handOverWaiting(): void {
    this.#isHeld = false;
    this.drained();
  }

  /** The queue is below its mark, or may be: what waits in the mailbox goes first. */
  drained(): void {
    if (!this.#isOpen) return;
    this.#setQueued(this.#shared.effects.queuedBytes(this.connection));
    if (!this.#isSpilling || this.#isHeld) return;
    this.#cancelSlow();
    while (this.#isOpen && !this.isAbove) {
      const entries = this.#shared.mailbox.read(this.#owner, this.#handedTo, MAILBOX_BATCH, this.#shared.now());
      if (entries.length === 0) {
        this.#isSpilling = false;
        return;
      }
      for (const entry of entries) this.#fromMailbox(entry);
    }
    if (this.#isOpen) this.#startSlow();
  }

  /** Says why, erases the keys and closes. Without effect when it has ended. */
  end(code?: ErrorReason): void {
    if (!this.#isOpen) return;
    try {
      // A channel that has ended cannot say goodbye.
      this.send({ type: 'disconnect', ...(code === undefined ? {} : { code }) });
    } finally {
      this.release(code === undefined);
      this.#shared.effects.close(this.connection);
    }
  }

  /** Erases the keys; for a connection that is closed already. `isOver`: in an orderly way, after all was received. */
  release(isOver = false): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const key of this.#fleeting) this.#shared.mailbox.ack(this.#owner, key);
    if (isOver) for (const key of this.#handedAcks) this.#shared.mailbox.ack(this.#owner, key);
    this.#cancelSlow();
    this.#channel.end();
    this.#setQueued(0);
  }

  #write(bytes: Uint8Array): void {
    const { random, now, effects, counters, failed } = this.#shared;
    try {
      const frame = encodeMessage(this.#channel.seal(bytes, random, now()), this.encoding);
      counters.framesOut += 1;
      counters.bytesOut += frame.length;
      this.#setQueued(effects.send(this.connection, frame));
    } catch (error) {
      // A record may be missing now: not even a goodbye would open. Whoever caused the message is not to suffer for it.
      this.#channel.end();
      failed(this, error);
    }
  }

  /** What may not wait for long goes past what waits, unless the client does not read. */
  #mustWait(message: Carried): boolean {
    return this.#isFull() || (this.#isSpilling && mayWait(message));
  }

  #spill(message: Carried, sender: Session): Delivery {
    if (!this.#isSpilling) {
      this.#isSpilling = true;
      this.#startSlow();
    }
    if (this.#append(message, sender) !== 'full') return 'delivered';
    // A client that reads well, and is handed what waited for it, is not to suffer for its full mailbox.
    if (this.#isFull()) this.#shared.tooSlow(this);
    return 'gone';
  }

  #append(message: Kept, sender: Session): 'stored' | 'repeat' | 'full' {
    const { mailbox, counters, now } = this.#shared;
    const entry = waitingEntry(message, sender.address, sender.item.label);
    const outcome = mailbox.append(this.#owner, entry, now());
    if (outcome === 'stored') {
      counters.spilled += 1;
      if (!mayWait(message)) this.#fleeting.add(entry.key);
    }
    return outcome;
  }

  /** Hands one over. It stays until the client says that it has stored it: the hop may end before that. */
  #fromMailbox({ key, id, place, bytes: stored }: WaitingEntry): void {
    this.#handedTo = place;
    if (id === undefined) this.#handedAcks.push(key);
    if (this.#fleeting.delete(key)) this.#shared.mailbox.ack(this.#owner, key);
    const bytes = this.encoding === 'cbor' ? stored : encodeMessage(decodeMessage(stored).message, this.encoding);
    if (bytes.length <= this.#largest()) {
      this.#write(bytes);
      return;
    }
    this.#shared.counters.dropped += 1;
    this.#shared.mailbox.ack(this.#owner, key);
  }

  #startSlow(): void {
    const { timers, now, limits, tooSlow } = this.#shared;
    this.#cancelSlow();
    this.#cancelSlow = timers.set(now() + limits.slowConsumerMs, () => tooSlow(this));
  }

  #isFull(): boolean {
    if (!this.isAbove) return false;
    const { effects, limits, load } = this.#shared;
    this.#setQueued(effects.queuedBytes(this.connection));
    const limit = load.of(this.item.label) > limits.totalQueueBytes ? limits.queueMarkBytes : limits.queueBytes;
    return this.#queued > limit;
  }

  /** The longest message that fits into a frame for this client. */
  #largest(): number {
    return largestMessage(this.#shared.limits, this.encoding);
  }

  #setQueued(bytes: number): void {
    const { load, limits } = this.#shared;
    const counted = this.#isOpen && bytes > limits.queueMarkBytes ? bytes : 0;
    load.add(this.item.label, counted - this.#counted);
    this.#counted = counted;
    this.#queued = bytes;
  }
}

/** The longest message, as it is in CBOR where it waits and else in its encoding, that fits into a frame of an encoding. */
export function largestMessage(limits: RelayLimits, encoding: Encoding): number {
  const room = limits.frameBytes - RECORD_BYTES;
  return encoding === 'cbor' ? room : Math.floor((room * 3) / 4);
}
