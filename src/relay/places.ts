/**
 * Who takes which place in the directory, and for how long a place is kept for whose connection broke, or who is away.
 *
 * @packageDocumentation
 */
import type { Label } from '../ifc/index.ts';
import type { BundleStore } from './bundles.ts';
import type { Directory, PlaceItem, Presence } from './directory.ts';
import type { RelayLimits } from './limits.ts';
import type { Lists } from './list.ts';
import { ownerOf } from './mailbox.ts';
import type { Session } from './sessions.ts';
import type { Timers } from './timers.ts';

/** What places need. */
export interface PlacesParts {
  readonly directory: Directory<Session>;
  readonly bundles: BundleStore;
  readonly lists: Lists;
  readonly limits: RelayLimits;
  readonly timers: Timers;
  readonly now: () => number;
}

/** The places of all clients. */
export class Places {
  readonly #parts: PlacesParts;
  /** By label, so that none is cut short for another label's sake: what ends each grace, the oldest first. */
  readonly #graces = new Map<string, Map<Presence<Session>, () => void>>();

  /** Who is away and has messages kept, by owner, with the time since when; the first to leave first. */
  readonly #away = new Map<string, { readonly presence: Presence<Session>; readonly sinceMs: number }>();

  constructor(parts: PlacesParts) {
    this.#parts = parts;
  }

  /** Places of whom are expected back. */
  get graces(): number {
    let count = 0;
    for (const graces of this.#graces.values()) count += graces.size;
    return count;
  }

  /** Places of who is away and has messages kept. */
  get away(): number {
    return this.#away.size;
  }

  /** Enters a session, in place of an older one of the same address and label, which `takenOver` ends. */
  take(session: Session, takenOver: (older: Session) => void): void {
    const { directory, lists } = this.#parts;
    const { address, item, subject } = session;
    const label = subject.current;
    const before = directory.at(address);
    const older = before.find((presence) => presence.label.text === label.text);
    directory.enter({ item, label, where: session });
    this.#away.delete(ownerOf(address, label.text));
    if (older !== undefined) this.#endGrace(older);
    if (older?.where !== undefined) takenOver(older.where);
    lists.changed(address, label, before);
  }

  /**
   * Takes a session out, at once or when it has not come back in time. `isKept` false: nothing is kept for it, and its
   * bundles are given to nobody any more.
   */
  leave(session: Session, atOnce: boolean, isKept = true): void {
    const { directory, limits, timers, now } = this.#parts;
    const { address, subject } = session;
    const label = subject.current;
    const presence = directory.at(address).find(({ where }) => where === session);
    if (presence === undefined) return;
    if (!isKept) this.#parts.bundles.forget(ownerOf(address, label.text));
    if (atOnce || limits.graceMs === 0 || limits.graces === 0) {
      this.#giveUp(presence);
      return;
    }
    const away: Presence<Session> = { item: presence.item, label, where: undefined };
    directory.enter(away);
    const graces = this.#graces.get(label.text) ?? new Map<Presence<Session>, () => void>();
    this.#graces.set(label.text, graces);
    graces.set(
      away,
      timers.set(now() + limits.graceMs, () => this.#giveUp(away)),
    );
    if (graces.size <= limits.graces) return;
    const [oldest] = graces.keys();
    this.#giveUp(oldest!);
  }

  /** Gives a session's place the label that it has under a new policy; its text is the same. */
  relabel(session: Session): void {
    const { directory } = this.#parts;
    const { address, subject } = session;
    const presence = directory.at(address).find(({ where }) => where === session);
    if (presence !== undefined) directory.enter({ ...presence, label: subject.current });
  }

  /**
   * The policy has changed: `labelOf` gives the label of the same text. Where there is none, nobody can come back to it.
   */
  relabelAway(labelOf: (text: string) => Label | undefined): void {
    for (const [owner, { presence, sinceMs }] of this.#away) {
      const label = labelOf(presence.label.text);
      if (label === undefined) this.#forget(owner, presence);
      else {
        const same: Presence<Session> = { ...presence, label };
        this.#parts.directory.enter(same);
        this.#away.set(owner, { presence: same, sinceMs });
      }
    }
  }

  /** Forgets who has been away for too long. */
  sweep(): void {
    const { limits, now } = this.#parts;
    for (const [owner, { presence, sinceMs }] of this.#away) {
      if (now() - sinceMs < limits.keptAgeMs) return;
      this.#forget(owner, presence);
    }
  }

  #forget(owner: string, presence: Presence<Session>): void {
    this.#away.delete(owner);
    this.#parts.bundles.forget(owner);
    this.#giveUp(presence);
  }

  /** Expects nobody back any more. */
  endGraces(): void {
    for (const graces of this.#graces.values()) for (const presence of graces.keys()) this.#giveUp(presence);
  }

  /** Nobody is expected back soon: who has published bundles is away, everyone else is gone. */
  #giveUp(presence: Presence<Session>): void {
    const { directory, bundles, lists, now } = this.#parts;
    this.#endGrace(presence);
    const { item, label } = presence;
    const { address } = item;
    const owner = ownerOf(address, label.text);
    const before = directory.at(address);
    if (bundles.keeps(owner)) {
      const away: Presence<Session> = { item: awayItem(item), label, where: undefined };
      directory.enter(away);
      this.#away.set(owner, { presence: away, sinceMs: now() });
    } else {
      bundles.forget(owner);
      directory.leave(address, label);
    }
    lists.changed(address, label, before);
  }

  #endGrace(presence: Presence<Session>): void {
    const { text } = presence.label;
    const graces = this.#graces.get(text);
    graces?.get(presence)?.();
    graces?.delete(presence);
    if (graces?.size === 0) this.#graces.delete(text);
  }
}

function awayItem({ address, name, label, kind, fingerprint }: PlaceItem): PlaceItem {
  return { address, online: false, name, label, kind, fingerprint };
}
