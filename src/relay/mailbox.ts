/**
 * Messages that wait at the relay: for a client that reads too slowly, and later for one that is away.
 *
 * @packageDocumentation
 */
import type { RelayLimits } from './limits.ts';
import { Shares } from './shares.ts';

/** One message that waits. */
export interface MailboxEntry {
  /** Names it within its mailbox: by sender and `id`, so that a repeat is known. */
  readonly key: string;
  /** The message for the owner, in CBOR. */
  readonly bytes: Uint8Array;
}

/** How full a mailbox is. */
export interface MailboxQuota {
  readonly messages: number;
  readonly bytes: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
}

/** Where messages wait. An owner is an address at a label, as in `ADDRESS|LABEL`. Nothing here reads a message. */
export interface Mailbox {
  /** Appends a message: `stored`, `repeat` when it waits already, `full` when it does not fit. */
  append(owner: string, entry: MailboxEntry, nowMs: number): 'stored' | 'repeat' | 'full';
  /** The oldest that wait, at most `limit`, in order. They stay until {@link Mailbox.ack}. */
  read(owner: string, limit: number, nowMs: number): readonly MailboxEntry[];
  /** Deletes one; whether it was there. */
  ack(owner: string, key: string): boolean;
  /** How full the owner's mailbox is. */
  quota(owner: string): MailboxQuota;
}

interface Stored extends MailboxEntry {
  readonly atMs: number;
}

interface Box {
  readonly entries: Map<string, Stored>;
  bytes: number;
}

/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 256;

/** A mailbox in memory, bounded for each owner and for each label; it does not outlive the process. */
export class MemoryMailbox implements Mailbox {
  readonly #limits: RelayLimits;
  readonly #boxes = new Map<string, Box>();
  readonly #bytes = new Shares();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  /** Bytes in all mailboxes, with 256 for each message. */
  get bytes(): number {
    return this.#bytes.total;
  }

  append(owner: string, entry: MailboxEntry, nowMs: number): 'stored' | 'repeat' | 'full' {
    const box = this.#boxes.get(owner) ?? { entries: new Map<string, Stored>(), bytes: 0 };
    this.#dropOld(owner, box, nowMs);
    if (box.entries.has(entry.key)) return 'repeat';
    const { mailboxMessages, mailboxBytes, totalMailboxBytes } = this.#limits;
    const cost = entry.bytes.length + ENTRY_BYTES;
    const isFull = box.entries.size >= mailboxMessages || box.bytes + cost > mailboxBytes;
    if (isFull || this.#bytes.of(labelOf(owner)) + cost > totalMailboxBytes) return 'full';
    // A copy: what was handed over may be a view of a larger buffer.
    box.entries.set(entry.key, { key: entry.key, bytes: entry.bytes.slice(), atMs: nowMs });
    box.bytes += cost;
    this.#bytes.add(labelOf(owner), cost);
    this.#boxes.set(owner, box);
    return 'stored';
  }

  read(owner: string, limit: number, nowMs: number): readonly MailboxEntry[] {
    const box = this.#boxes.get(owner);
    if (box === undefined) return [];
    this.#dropOld(owner, box, nowMs);
    const found: MailboxEntry[] = [];
    for (const entry of box.entries.values()) {
      if (found.length === limit) break;
      found.push(entry);
    }
    return found;
  }

  ack(owner: string, key: string): boolean {
    const box = this.#boxes.get(owner);
    const entry = box?.entries.get(key);
    if (box === undefined || entry === undefined) return false;
    this.#remove(owner, box, entry);
    return true;
  }

  quota(owner: string): MailboxQuota {
    const box = this.#boxes.get(owner);
    const { mailboxMessages: maxMessages, mailboxBytes: maxBytes } = this.#limits;
    return { messages: box?.entries.size ?? 0, bytes: box?.bytes ?? 0, maxMessages, maxBytes };
  }

  /** Drops everything that is too old. */
  sweep(nowMs: number): void {
    for (const [owner, box] of this.#boxes) this.#dropOld(owner, box, nowMs);
  }

  #dropOld(owner: string, box: Box, nowMs: number): void {
    for (const entry of box.entries.values()) {
      if (nowMs - entry.atMs < this.#limits.mailboxAgeMs) return;
      this.#remove(owner, box, entry);
    }
  }

  #remove(owner: string, box: Box, entry: Stored): void {
    const cost = entry.bytes.length + ENTRY_BYTES;
    box.entries.delete(entry.key);
    box.bytes -= cost;
    this.#bytes.add(labelOf(owner), -cost);
    if (box.entries.size === 0) this.#boxes.delete(owner);
  }
}

/** The label in the name of an owner. */
function labelOf(owner: string): string {
  return owner.slice(owner.indexOf('|') + 1);
}
