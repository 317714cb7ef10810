/**
 * Bundles at the relay: clients publish their own, and are given others' (docs/protocol.md §4.4).
 *
 * @packageDocumentation
 */
import { clientIdOf, type Address, type MessageId } from '../messages/address.ts';
import type { Prekeys as PrekeysMessage, PrekeysFetch, PrekeysPublish } from '../messages/prekeys.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { readBundles, type BundleStore } from './bundles.ts';
import type { RelayCounters } from './counters.ts';
import type { Directory, Presence } from './directory.ts';
import { FetchRates } from './fetchRates.ts';
import type { Flows } from './flows.ts';
import type { RelayLimits } from './limits.ts';
import { ownerOf } from './mailbox.ts';
import type { Session } from './sessions.ts';

/** What bundles need of their relay. */
export interface PrekeysParts {
  readonly bundles: BundleStore;
  readonly directory: Directory<Session>;
  readonly flows: Flows;
  readonly limits: RelayLimits;
  readonly counters: RelayCounters;
  /** SHA-256 of the relay's SPKI, 32 bytes. */
  readonly relayIdentity: Uint8Array;
  readonly now: () => number;
}

/** With fewer left, their owner is told. */
const FEW = 5;

/** Publishing and fetching. */
export class Prekeys {
  readonly #parts: PrekeysParts;
  readonly #rates: FetchRates;

  constructor(parts: PrekeysParts) {
    this.#parts = parts;
    this.#rates = new FetchRates(parts.limits);
  }

  /** Takes a message of a client. */
  take(session: Session, message: PrekeysMessage): void {
    if (message.count !== undefined || message.src !== undefined) {
      const { id } = message;
      session.send({ type: 'error', code: 'unexpected', ...(id === undefined ? {} : { msgId: id }) });
    } else if (message.dst === undefined) this.#publish(session, message);
    else this.#fetch(session, message);
  }

  /** Forgets rates that have been refilled. */
  sweep(): void {
    this.#rates.sweep(this.#parts.now());
  }

  #publish(session: Session, { id, data, complete = false }: PrekeysPublish): void {
    const { bundles, relayIdentity, counters, now } = this.#parts;
    const { address, item } = session;
    if (data.length > 0 || complete) {
      // What nobody vouches for is gone with its client.
      if (item.kind === 'none') return refuse(session, 'not-authorised', id);
      const read = readBundles(data, { address, label: item.label, relayIdentity }, now());
      if (typeof read === 'string') {
        if (read === 'malformed') counters.malformed += 1;
        return refuse(session, read, id);
      }
      const outcome = bundles.publish(ownerOf(address, item.label), { id, complete, ...read }, now());
      if (outcome !== 'taken') return refuse(session, outcome, id);
      counters.published += 1;
    }
    this.#tellStock(session);
  }

  #fetch(session: Session, { id, dst, ciphers }: PrekeysFetch): void {
    const { directory, counters, now } = this.#parts;
    // All devices of a person together; and before anything else: whether somebody is there must not show in it.
    if (!this.#rates.take(clientIdOf(session.address), session.item.label, dst, now()))
      return refuse(session, 'later', id);
    const own = session.subject.current.text;
    const presences = directory.at(dst);
    const same = presences.filter(({ label }) => label.text === own);
    let code: ErrorReason = 'unknown-peer';
    for (const presence of same.length > 0 ? same : presences) {
      // Taking one is felt by its owner: it is a step towards it as well.
      const kinds = ['prekeys', 'connect', 'answer'] as const;
      if (!this.#parts.flows.permits(session, presence.label, dst, kinds, id)) continue;
      const outcome = this.#give(session, presence, dst, id, ciphers);
      if (outcome === undefined) return;
      if (code === 'unknown-peer') code = outcome;
    }
    if (code === 'unknown-peer') counters.unknownPeer += 1;
    refuse(session, code, id);
  }

  /** Gives a bundle, or says why not. */
  #give(
    session: Session,
    { label, where }: Presence<Session>,
    dst: Address,
    id: MessageId,
    ciphers: readonly number[],
  ): ErrorReason | undefined {
    const { bundles, counters, now } = this.#parts;
    const owner = ownerOf(dst, label.text);
    const taken = bundles.take(owner, ciphers, now());
    if (taken === undefined) return where === undefined ? 'unknown-peer' : 'later';
    if (taken === 'none-left') return 'later';
    if (taken === 'no-common-suite') return taken;
    counters.bundlesGiven += 1;
    session.send({ type: 'prekeys', id, src: dst, label: label.text, data: [taken.bytes] });
    const left = bundles.stock(owner, now());
    if (where !== undefined && left !== undefined && left.count < FEW) this.#tellStock(where);
    return undefined;
  }

  #tellStock(session: Session): void {
    const { bundles, now } = this.#parts;
    const stock = bundles.stock(ownerOf(session.address, session.item.label), now());
    session.send({ type: 'prekeys', ...(stock ?? { count: 0 }) });
  }
}

function refuse(session: Session, code: ErrorReason, msgId: MessageId): void {
  session.send({ type: 'error', code, msgId });
}
