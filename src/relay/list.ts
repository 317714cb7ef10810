/**
 * Who is there, as far as each client may know: whole on request, then as changes that are gathered.
 *
 * @packageDocumentation
 */
import { auditEntry, type AuditEntry, type FlowKind, type Label, type Policy, type Subject } from '../ifc/index.ts';
import { clientIdOf, type Address, type MessageId } from '../messages/address.ts';
import type { ListItem, ListUpdate } from '../messages/list.ts';
import { encodeMessage } from '../messages/messages.ts';
import type { Encoding } from '../messages/wire.ts';
import type { RelayCounters } from './counters.ts';
import type { Directory, PlaceItem, Presence } from './directory.ts';
import type { RelayLimits } from './limits.ts';
import type { Session } from './sessions.ts';
import type { Timers } from './timers.ts';

/** What lists need. */
export interface ListParts {
  readonly directory: Directory<Session>;
  readonly policy: Policy;
  readonly limits: RelayLimits;
  readonly counters: RelayCounters;
  readonly timers: Timers;
  readonly now: () => number;
  readonly audit: (entry: AuditEntry) => void;
}

/** Watchers to whom the policy shows the same. */
interface Group {
  readonly key: string;
  readonly subject: Subject;
  readonly watchers: Map<Session, Watch>;
  /** Decisions so far, by kind and label. */
  readonly shows: Map<string, boolean>;
  /** Addresses that changed, and what was told of them last. */
  readonly changed: Map<Address, PlaceItem | undefined>;
  cancelFlush: (() => void) | undefined;
}

/** How far one client's list has come. */
interface Watch {
  readonly group: Group;
  /** The request that the next message answers. */
  id: MessageId | undefined;
  /** Whether the next message begins the list anew. */
  isFirst: boolean;
  /** Where the whole list goes on; gone when all of it has been sent. */
  cursor: Iterator<Presence<Session>> | undefined;
  /** Changes that wait because the client's queue is long. */
  readonly behind: Set<Address>;
}

/** Items of one message: far below the frame limit, whatever names and labels they have. */
const ITEMS_PER_PART = 256;
/** Beyond it a slow client's list is begun anew instead: the whole is no longer than its changes. */
const LARGEST_BEHIND = 4_096;
/** What a part costs of the client's rate, in messages. */
const PART_COST = 4;

/** The lists of all clients that asked. */
export class Lists {
  readonly #parts: ListParts;
  readonly #groups = new Map<string, Group>();
  readonly #watches = new Map<Session, Watch>();
  #trusted: ReadonlySet<string>;

  constructor(parts: ListParts) {
    this.#parts = parts;
    this.#trusted = trustedBy(parts.policy);
  }

  /** Clients that watch. */
  get watchers(): number {
    return this.#watches.size;
  }

  /** Begins, or begins anew, a client's list. */
  request(session: Session, id: MessageId | undefined): void {
    let watch = this.#watches.get(session);
    if (watch === undefined) {
      const group = this.#groupOf(session);
      watch = { group, id, isFirst: true, cursor: undefined, behind: new Set() };
      group.watchers.set(session, watch);
      this.#watches.set(session, watch);
    }
    watch.id = id;
    this.#beginAnew(watch);
    this.#goOn(session, watch);
  }

  /** The policy has changed: `relabel` gives sessions their new labels or ends them, then every list begins anew. */
  renew(relabel: () => void): void {
    const watches = [...this.#watches];
    for (const group of this.#groups.values()) group.cancelFlush?.();
    this.#groups.clear();
    this.#watches.clear();
    this.#trusted = trustedBy(this.#parts.policy);
    relabel();
    for (const [session, { id }] of watches) if (session.isOpen) this.request(session, id);
  }

  /** The client's queue is short again. */
  drained(session: Session): void {
    const watch = this.#watches.get(session);
    if (watch !== undefined) this.#goOn(session, watch);
  }

  /** The client is gone. */
  forget(session: Session): void {
    const watch = this.#watches.get(session);
    if (watch === undefined) return;
    const { group } = watch;
    this.#watches.delete(session);
    group.watchers.delete(session);
    if (group.watchers.size > 0) return;
    group.cancelFlush?.();
    this.#groups.delete(group.key);
  }

  /** Someone came, went or changed at an address and label; `before` is who was there. */
  changed(address: Address, label: Label, before: readonly Presence<Session>[]): void {
    const { timers, now, limits } = this.#parts;
    for (const group of this.#groups.values()) {
      // Nothing of it may show, not even the time at which other changes are told.
      if (!this.#shows(group, 'presence', label)) continue;
      if (!group.changed.has(address)) group.changed.set(address, this.#shown(group, 'presence', before));
      group.cancelFlush ??= timers.set(now() + limits.listIntervalMs, () => this.#flush(group));
    }
  }

  #flush(group: Group): void {
    group.cancelFlush?.();
    group.cancelFlush = undefined;
    const items: ListItem[] = [];
    for (const [address, told] of group.changed) {
      const item = this.#shown(group, 'presence', this.#parts.directory.at(address));
      if (item === undefined) {
        if (told !== undefined) items.push({ address, online: false });
      } else if (told === undefined || !sameItem(item, told)) items.push(item);
    }
    group.changed.clear();
    for (let start = 0; start < items.length; start += ITEMS_PER_PART) {
      this.#tell(group, items.slice(start, start + ITEMS_PER_PART));
    }
  }

  /** Sends one part to a whole group; it is encoded once for each encoding. */
  #tell(group: Group, data: readonly ListItem[]): void {
    const addresses = new Set(data.map((item) => item.address));
    const encoded = new Map<Encoding, Uint8Array>();
    for (const [session, watch] of group.watchers) {
      if (!session.isOpen) continue;
      if (session.isAbove) this.#fallBehind(watch, addresses);
      else if (addresses.has(session.address)) {
        const others = data.filter((item) => item.address !== session.address);
        if (others.length > 0) this.#send(session, { type: 'list', complete: false, data: others });
      } else {
        let bytes = encoded.get(session.encoding);
        if (bytes === undefined) {
          bytes = encodeMessage({ type: 'list', complete: false, data }, session.encoding);
          encoded.set(session.encoding, bytes);
        }
        this.#parts.counters.listParts += 1;
        session.sendEncoded(bytes);
      }
    }
  }

  #fallBehind(watch: Watch, addresses: Iterable<Address>): void {
    for (const address of addresses) watch.behind.add(address);
    if (watch.behind.size > LARGEST_BEHIND) this.#beginAnew(watch);
  }

  #beginAnew(watch: Watch): void {
    watch.isFirst = true;
    watch.behind.clear();
    watch.cursor = this.#parts.directory.presences();
  }

  /** Sends what is due as far as the client's queue has room. */
  #goOn(session: Session, watch: Watch): void {
    if (watch.cursor === undefined && watch.behind.size === 0) return;
    // What is read from the directory now must not be older than the changes that are told later.
    this.#flush(watch.group);
    while (session.isOpen && !session.isAbove) {
      const data = watch.cursor === undefined ? this.#nextChanges(session, watch) : this.#nextPart(session, watch);
      if (data.length > 0 || watch.isFirst) {
        const { id, isFirst } = watch;
        watch.id = undefined;
        watch.isFirst = false;
        if (id !== undefined || watch.cursor !== undefined) session.messageRate.take(PART_COST, this.#parts.now());
        this.#send(session, { type: 'list', ...(id === undefined ? {} : { id }), complete: isFirst, data });
      }
      if (watch.cursor === undefined && watch.behind.size === 0) return;
    }
  }

  #nextPart(session: Session, watch: Watch): readonly ListItem[] {
    const data: ListItem[] = [];
    while (data.length < ITEMS_PER_PART) {
      const next = watch.cursor!.next();
      if (next.done === true) {
        watch.cursor = undefined;
        break;
      }
      const { address } = next.value.item;
      if (address === session.address) continue;
      // An address has its turn with the presence that is shown of it.
      const item = this.#shown(watch.group, 'list', this.#parts.directory.at(address));
      if (item === next.value.item) data.push(item);
    }
    return data;
  }

  #nextChanges(session: Session, watch: Watch): readonly ListItem[] {
    const data: ListItem[] = [];
    for (const address of watch.behind) {
      if (data.length === ITEMS_PER_PART) break;
      watch.behind.delete(address);
      if (address === session.address) continue;
      const item = this.#shown(watch.group, 'presence', this.#parts.directory.at(address));
      data.push(item ?? { address, online: false });
    }
    return data;
  }

  #send(session: Session, update: ListUpdate): void {
    this.#parts.counters.listParts += 1;
    session.send(update);
  }

  /** What a group is shown of an address: what is at its own label before any other, then who is there. */
  #shown(group: Group, kind: FlowKind, presences: readonly Presence<Session>[]): PlaceItem | undefined {
    let found: PlaceItem | undefined;
    for (const { label, item } of presences) {
      if (!this.#shows(group, kind, label)) continue;
      if (label.text === group.subject.current.text) return item;
      if (found === undefined || (item.online && !found.online)) found = item;
    }
    return found;
  }

  #shows(group: Group, kind: FlowKind, label: Label): boolean {
    const key = `${kind} ${label.text}`;
    const known = group.shows.get(key);
    if (known !== undefined) return known;
    const { subject } = group;
    const decision = this.#parts.policy.decide({ subject, object: label, kind });
    // Once for each pair of labels: a line for every entry that is not shown would drown the log.
    const entry = auditEntry(decision, subject.id === undefined ? {} : { subject: subject.id });
    if (entry !== undefined) this.#parts.audit(entry);
    group.shows.set(key, decision.permit);
    return decision.permit;
  }

  #groupOf(session: Session): Group {
    const { current, clearance } = session.subject;
    const id = clientIdOf(session.address);
    const isTrusted = this.#trusted.has(id);
    const key = `${current.text} ${clearance.text} ${isTrusted ? id : ''}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      const subject: Subject = isTrusted ? { current, clearance, id } : { current, clearance };
      group = { key, subject, watchers: new Map(), shows: new Map(), changed: new Map(), cancelFlush: undefined };
      this.#groups.set(key, group);
    }
    return group;
  }
}

/** A trusted subject may see more than others at its label. */
function trustedBy({ models }: Policy): ReadonlySet<string> {
  return new Set(models.flatMap((model) => model.exemptions.flatMap((exemption) => exemption.subjects)));
}

function sameItem(left: PlaceItem, right: PlaceItem): boolean {
  if (left.online !== right.online) return false;
  // The fingerprint follows from the address, but for its kind.
  return left.name === right.name && left.label === right.label && left.kind === right.kind;
}
