/**
 * Who is where: by address, and at each address by label.
 *
 * @packageDocumentation
 */
import type { Label } from '../ifc/index.ts';
import type { Address } from '../messages/address.ts';
import type { AwayItem, OnlineItem } from '../messages/list.ts';

/** What lists say of a client that is there, or for whom messages are kept. */
export type PlaceItem = OnlineItem | AwayItem;

/** One client at one label. */
export interface Presence<Where> {
  /** What lists say of it. */
  readonly item: PlaceItem;
  readonly label: Label;
  /** Where it is reached; `undefined` while it is away, or its connection is broken and it is expected back. */
  readonly where: Where | undefined;
}

/** The directory of a relay; `Where` is a session here, and may be a node of a cluster elsewhere. */
export interface Directory<Where> {
  /** Addresses with somebody at them. */
  readonly size: number;
  /** Everyone at an address, one for each label. The array does not change afterwards. */
  at(address: Address): readonly Presence<Where>[];
  /** Enters a presence in place of the one at that address and label. */
  enter(presence: Presence<Where>): void;
  /** Removes the presence at that address and label. */
  leave(address: Address, label: Label): void;
  /**
   * All presences, in the order of their arrival; one that enters in place of another has its turn. The iterator goes on
   * while presences come and go.
   */
  presences(): IterableIterator<Presence<Where>>;
}

/** The directory of one node. */
export class MemoryDirectory<Where> implements Directory<Where> {
  readonly #presences = new Map<Address, readonly Presence<Where>[]>();
  /** By address and label: the turn of one must not depend on those at other labels. */
  readonly #inOrder = new Map<string, Presence<Where>>();

  get size(): number {
    return this.#presences.size;
  }

  at(address: Address): readonly Presence<Where>[] {
    return this.#presences.get(address) ?? NOBODY;
  }

  enter(presence: Presence<Where>): void {
    const { address } = presence.item;
    const others = this.#others(address, presence.label);
    this.#presences.set(address, others.length === 0 ? [presence] : [...others, presence]);
    this.#inOrder.set(`${address}|${presence.label.text}`, presence);
  }

  leave(address: Address, label: Label): void {
    const others = this.#others(address, label);
    this.#inOrder.delete(`${address}|${label.text}`);
    if (others.length === 0) this.#presences.delete(address);
    else this.#presences.set(address, others);
  }

  presences(): IterableIterator<Presence<Where>> {
    return this.#inOrder.values();
  }

  #others(address: Address, label: Label): readonly Presence<Where>[] {
    return this.at(address).filter((presence) => presence.label.text !== label.text);
  }
}

const NOBODY: readonly never[] = Object.freeze([]);
