/**
 * Who takes which place in the directory, and for how long a place is kept for whose connection broke.
 *
 * @packageDocumentation
 */
import type { Directory, Presence } from './directory.ts';
import type { RelayLimits } from './limits.ts';
import type { Lists } from './list.ts';
import type { Session } from './sessions.ts';
import type { Timers } from './timers.ts';

/** What places need. */
export interface PlacesParts {
  readonly directory: Directory<Session>;
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

  constructor(parts: PlacesParts) {
    this.#parts = parts;
  }

  /** Places of whom are expected back. */
  get graces(): number {
    let count = 0;
    for (const graces of this.#graces.values()) count += graces.size;
    return count;
  }

  /** Enters a session, in place of an older one of the same address and label, which `takenOver` ends. */
  take(session: Session, takenOver: (older: Session) => void): void {
    const { directory, lists } = this.#parts;
    const { address, item, subject } = session;
    const label = subject.current;
    const before = directory.at(address);
    const older = before.find((presence) => presence.label.text === label.text);
    directory.enter({ item, label, where: session });
    if (older !== undefined) this.#endGrace(older);
    if (older?.where !== undefined) takenOver(older.where);
    lists.changed(address, label, before);
  }

  /** Takes a session out, at once or when it has not come back in time. */
  leave(session: Session, atOnce: boolean): void {
    const { directory, limits, timers, now } = this.#parts;
    const { address, subject } = session;
    const label = subject.current;
    const presence = directory.at(address).find(({ where }) => where === session);
    if (presence === undefined) return;
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

  /** Expects nobody back any more. */
  endGraces(): void {
    for (const graces of [...this.#graces.values()]) for (const presence of [...graces.keys()]) this.#giveUp(presence);
  }

  #giveUp(presence: Presence<Session>): void {
    const { directory, lists } = this.#parts;
    this.#endGrace(presence);
    const { address } = presence.item;
    const before = directory.at(address);
    directory.leave(address, presence.label);
    lists.changed(address, presence.label, before);
  }

  #endGrace(presence: Presence<Session>): void {
    const { text } = presence.label;
    const graces = this.#graces.get(text);
    graces?.get(presence)?.();
    graces?.delete(presence);
    if (graces?.size === 0) this.#graces.delete(text);
  }
}
