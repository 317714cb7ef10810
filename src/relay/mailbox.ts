/**
 * Messages that wait at the relay: for a client that is away, or reads too slowly.
 *
 * @packageDocumentation
 */
import type { Address, MessageId } from '../messages/address.ts';
import type { RelayLimits } from './limits.ts';
import { Shares } from './shares.ts';

/** One message that waits. */
export interface MailboxEntry {
  /** Names it within its mailbox: by sender and `id`, so that a repeat is known. */
  readonly key: string;
  readonly src: Address;
  /** Label of the sender's session: where it is told that the message expired. */
  readonly srcLabel: string;
  /** The message's own; absent for an acknowledgement between clients. */
  readonly id?: MessageId;
  /** The message for the owner, in CBOR. */
  readonly bytes: Uint8Array;
}

/** A message that waits, and its place in the order of its mailbox. */
export interface WaitingEntry extends MailboxEntry {
  /** Grows with every message of the mailbox. At least 1. */
  readonly place: number;
}

/** How full a mailbox is. */
export interface MailboxQuota {
  readonly messages: number;
  readonly bytes: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Where messages wait. An owner is an address at a label. Nothing here reads a message. */
export interface Mailbox {
  /** Appends a message: `stored`, `repeat` when it waits already, `full` when it does not fit. */
  append(owner: string, entry: MailboxEntry, nowMs: number): 'stored' | 'repeat' | 'full';
  /**
   * The oldest behind a place (0 for the beginning), at most `limit`, in order; none that is too old. They stay until
   * {@link Mailbox.ack}.
   */
  read(owner: string, after: number, limit: number, nowMs: number): readonly WaitingEntry[];
  /** Deletes one, and what has no id of the same sender before it; whether it was there. */
  ack(owner: string, key: string): boolean;
  /** How full the owner's mailbox is. */
  quota(owner: string): MailboxQuota;
  /** Deletes everything that is too old, and gives it. */
  sweep(nowMs: number): readonly MailboxEntry[];
}

interface Stored extends WaitingEntry {
  readonly atMs: number;
}

interface Box {
  readonly entries: Map<string, Stored>;
  bytes: number;
  /** Entries without an id. */
  nameless: number;
}

/** What an entry costs beside its bytes and its key. */
const ENTRY_BYTES = 256;

/** A mailbox in memory, bounded for each owner and for each label; it does not outlive the process. */
export class MemoryMailbox implements Mailbox {
  readonly #limits: RelayLimits;
  readonly #boxes = new Map<string, Box>();
  readonly #bytes = new Shares();
  #next = 1;

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  /** Bytes in all mailboxes, with the key and 256 for each message. */
  get bytes(): number {
    return this.#bytes.total;
  }

  append(owner: string, entry: MailboxEntry, nowMs: number): 'stored' | 'repeat' | 'full' {
    const box = this.#boxes.get(owner) ?? { entries: new Map<string, Stored>(), bytes: 0, nameless: 0 };
    if (box.entries.has(entry.key)) return 'repeat';
    const { mailboxMessages, mailboxBytes, totalMailboxBytes } = this.#limits;
    const cost = costOf(entry);
    const isFull = box.entries.size >= mailboxMessages || box.bytes + cost > mailboxBytes;
    if (isFull || this.#bytes.of(labelOf(owner)) + cost > totalMailboxBytes) return 'full';
    // A copy: what was handed over may be a view of a larger buffer.
    box.entries.set(entry.key, { ...entry, bytes: entry.bytes.slice(), atMs: nowMs, place: this.#next });
    this.#next += 1;
    box.bytes += cost;
    if (entry.id === undefined) box.nameless += 1;
    this.#bytes.add(labelOf(owner), cost);
    this.#boxes.set(owner, box);
    return 'stored';
  }

  read(owner: string, after: number, limit: number, nowMs: number): readonly WaitingEntry[] {
    const found: WaitingEntry[] = [];
    for (const entry of this.#boxes.get(owner)?.entries.values() ?? []) {
      if (found.length === limit) break;
      if (entry.place > after && !this.#isOld(entry, nowMs)) found.push(entry);
    }
    return found;
  }

  ack(owner: string, key: string): boolean {
    const box = this.#boxes.get(owner);
    const entry = box?.entries.get(key);
    if (box === undefined || entry === undefined) return false;
    this.#remove(owner, box, entry);
    if (box.nameless === 0) return true;
    for (const earlier of box.entries.values()) {
      if (earlier.place > entry.place) break;
      if (earlier.id === undefined && earlier.src === entry.src) this.#remove(owner, box, earlier);
    }
    return true;
  }

  quota(owner: string): MailboxQuota {
    const box = this.#boxes.get(owner);
    const { mailboxMessages: maxMessages, mailboxBytes: maxBytes } = this.#limits;
    return { messages: box?.entries.size ?? 0, bytes: box?.bytes ?? 0, maxMessages, maxBytes };
  }

  sweep(nowMs: number): readonly MailboxEntry[] {
    const old: MailboxEntry[] = [];
    for (const [owner, box] of this.#boxes) {
      for (const entry of box.entries.values()) {
        if (!this.#isOld(entry, nowMs)) break;
        this.#remove(owner, box, entry);
        old.push(entry);
      }
    }
    return old;
  }

  #isOld(entry: Stored, nowMs: number): boolean {
    return nowMs - entry.atMs >= this.#limits.mailboxAgeMs;
  }

  #remove(owner: string, box: Box, entry: Stored): void {
    const cost = costOf(entry);
    box.entries.delete(entry.key);
    box.bytes -= cost;
    if (entry.id === undefined) box.nameless -= 1;
    this.#bytes.add(labelOf(owner), -cost);
    if (box.entries.size === 0) this.#boxes.delete(owner);
  }
}

/** The name of an owner: an address at a label. */
export function ownerOf(address: Address, label: string): string {
  return `${address}|${label}`;
}

/** The label in the name of an owner. */
export function labelOf(owner: string): string {
  return owner.slice(owner.indexOf('|') + 1);
}

function costOf(entry: MailboxEntry): number {
  return entry.bytes.length + entry.key.length + ENTRY_BYTES;
}
