/**
 * What is kept for who is away: messages into its mailbox, and word to senders whose messages waited too long.
 *
 * @packageDocumentation
 */
import { decodeMessage, encodeMessage } from '../messages/messages.ts';
import type { BundleStore } from './bundles.ts';
import type { RelayCounters } from './counters.ts';
import type { Directory, Presence } from './directory.ts';
import type { RelayLimits } from './limits.ts';
import { ownerOf, type Mailbox, type MailboxEntry } from './mailbox.ts';
import { largestMessage, type Delivery, type Session } from './sessions.ts';
import { mayWait, waitingEntry, type Kept } from './waiting.ts';

/** What keeping needs. */
export interface KeepingParts {
  readonly bundles: BundleStore;
  readonly mailbox: Mailbox;
  readonly directory: Directory<Session>;
  readonly limits: RelayLimits;
  readonly counters: RelayCounters;
  readonly now: () => number;
}

/** Keeps messages for clients that are away. */
export class Keeping {
  readonly #parts: KeepingParts;

  constructor(parts: KeepingParts) {
    this.#parts = parts;
  }

  /** Whether messages are kept for who is away from a place. */
  keepsFor({ item, label, where }: Presence<Session>): boolean {
    return where === undefined && this.#parts.bundles.keeps(ownerOf(item.address, label.text));
  }

  /**
   * Puts a message into a mailbox; `gone` where it may not wait, or the mailbox is full: how full it is depends on what
   * others send, so that this has no answer of its own.
   */
  keep({ item, label }: Presence<Session>, message: Kept, sender: Session): Delivery {
    if (!mayWait(message)) return 'gone';
    const { mailbox, limits, counters, now } = this.#parts;
    const entry = waitingEntry(message, sender.address, sender.item.label);
    if (!fitsAnyFrame(entry.bytes, limits)) return 'too-large';
    const outcome = mailbox.append(ownerOf(item.address, label.text), entry, now());
    if (outcome === 'full') return 'gone';
    if (outcome === 'stored') counters.kept += 1;
    return 'delivered';
  }

  /** Deletes what is too old, and tells the senders that are there. */
  sweep(): void {
    const { mailbox, bundles, counters, now } = this.#parts;
    bundles.sweep(now());
    for (const entry of mailbox.sweep(now())) {
      counters.expired += 1;
      this.#tell(entry);
    }
  }

  #tell({ src, srcLabel, id }: MailboxEntry): void {
    if (id === undefined) return;
    const sender = this.#parts.directory.at(src).find(({ label }) => label.text === srcLabel);
    sender?.where?.send({ type: 'error', code: 'expired', msgId: id });
  }
}

/** Whether a message fits into a frame whatever its receiver will speak. */
function fitsAnyFrame(cbor: Uint8Array, limits: RelayLimits): boolean {
  // Most do, by far: JSON is less than twice as long, and once more when it is sealed.
  if (cbor.length < limits.frameBytes / 4) return true;
  if (cbor.length > largestMessage(limits, 'cbor')) return false;
  return encodeMessage(decodeMessage(cbor).message, 'json').length <= largestMessage(limits, 'json');
}
