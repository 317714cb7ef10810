/**
 * The receiving half of a conversation: finding a record's key, opening it, and what it changes.
 *
 * @packageDocumentation
 */
import { concat, equal, wipe } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { messageIdBytes, type MessageId } from '../messages/address.ts';
import { associatedData, NO_ID } from './binding.ts';
import { decodeBody, MAX_RANGES, type RecordBody, type Seen } from './body.ts';
import { closeGaps, hasSeen, nextHash, place } from './history.ts';
import { stepChain, type Direction } from './ratchet.ts';
import { acceptEpoch, readAnnouncement } from './rekey.ts';
import { decodeSaData, type SaData } from './saData.ts';
import type {
  Consistency,
  ConversationContext,
  ConversationState,
  EarlyRecord,
  InboxEntry,
  OutboxEntry,
  ReceiveEpoch,
  ReceiveState,
  SkippedKey,
} from './state.ts';

/** What a record did. */
export interface Received {
  readonly state: ConversationState;
  /** Own messages that it acknowledges. */
  readonly delivered: readonly OutboxEntry[];
  /** A history that does not agree, with what shows it. */
  readonly evidence: Evidence | undefined;
  readonly outcome: 'opened' | 'repeated' | 'early';
}

/** What shows that two histories differ; hashes only, no content. */
export interface Evidence {
  readonly consistency: Exclude<Consistency, 'consistent' | 'gap'>;
  /** Whose messages are in question. */
  readonly direction: 'own' | 'peer';
  readonly m: number;
  readonly expected: Uint8Array;
  readonly got: Uint8Array;
}

const MAX_AHEAD = 1_000;
const MAX_SKIPPED = 2_000;
const MAX_EARLY = 64;

/** Direction of the peer's records. */
export function peerDirection(state: ConversationState): Direction {
  return state.role === 'initiator' ? 1 : 0;
}

/**
 * Opens one record and takes in all that it says.
 *
 * @throws `session/*` of fault `peer` when it is not accepted; the state is then as before
 */
export function receiveRecord(
  before: ConversationState,
  record: EarlyRecord,
  nowMs: number,
  context: ConversationContext,
): Received {
  const { suite } = context;
  const fields = decodeSaData(record.saData, suite.cipher.nonceLength);
  if (!equal(fields.conversationId, before.conversationId)) {
    throw new SimsError('session/malformed-record', 'a record of another conversation');
  }
  const clone = findClone(before, fields, context);
  if (clone !== undefined) return { state: before, delivered: [], evidence: clone, outcome: 'opened' };

  const announced = epochOf(before, fields, context);
  if (announced === 'early') return { ...nothing(keepEarly(before, record)), outcome: 'early' };
  const state = announced.state;
  const found = keyOf(state.receive, announced.epoch, state, fields, context);
  if (found === 'used') return { ...nothing(state), outcome: 'repeated' };

  const id = record.id === undefined ? NO_ID : messageIdBytes(record.id);
  const bound = associatedData(state.peerBinding, record.type, id, record.saData);
  const plaintext = suite.cipher.open(found.key, fields.nonce, bound, record.sealed);
  if (found.derived) wipe(found.key);
  if (plaintext === undefined) {
    throw new UnopenedRecord(state, `epoch ${fields.epoch}, record ${fields.number} does not open`);
  }
  const body = decodeBody(plaintext, suite.ratchetKem?.encapsulationKeyLength ?? 0);
  if ((record.type === 'ack') !== (body.numbered === undefined)) {
    throw new SimsError('session/malformed-record', `a number does not fit a record of type ${record.type}`);
  }
  return takeIn({ ...state, receive: commitEpoch(found.receive, announced.epoch, nowMs, context) }, record, body, bound, nowMs, context);
}

/** A record that does not open, with the state that remembers an authentic announcement: it is not derived twice. */
export class UnopenedRecord extends SimsError {
  readonly #state: ConversationState;

  constructor(state: ConversationState, message: string) {
    super('session/authentication-failed', message);
    this.#state = state;
  }

  /** The state to go on with. */
  get state(): ConversationState {
    return this.#state;
  }
}

/** The state without keys whose time is over. */
export function dropOldKeys(state: ConversationState, nowMs: number): ConversationState {
  const closed = state.receive.epochs.filter((epoch) => epoch.closesAtMs !== undefined && epoch.closesAtMs <= nowMs);
  if (closed.length === 0) return state;
  const gone = new Set(closed.map((epoch) => epoch.epoch));
  return {
    ...state,
    receive: {
      ...state.receive,
      epochs: state.receive.epochs.filter((epoch) => !gone.has(epoch.epoch)),
      skipped: state.receive.skipped.filter((skipped) => !gone.has(skipped.epoch)),
    },
  };
}

/** Two authentic announcements of one epoch: a second writer has the peer's keys. */
function findClone(state: ConversationState, fields: SaData, context: ConversationContext): Evidence | undefined {
  if (fields.announcement.length === 0) return undefined;
  const { epochs, announced } = state.receive;
  const opened = announced?.epoch === fields.epoch ? announced : epochs.find((epoch) => epoch.epoch === fields.epoch);
  const previous = epochs.find((epoch) => epoch.epoch === fields.epoch - 1);
  if (opened === undefined || previous === undefined) return undefined;
  const at = { conversationId: state.conversationId, direction: peerDirection(state), epoch: fields.epoch };
  const announcement = quietly(() => readAnnouncement(context.suite, at, previous.announcementKey, fields.announcement));
  if (announcement === undefined || equal(announcement.hash, opened.announcementHash)) return undefined;
  return {
    consistency: 'clone',
    direction: 'peer',
    m: state.receive.history.m,
    expected: opened.announcementHash,
    got: announcement.hash,
  };
}

function epochOf(
  state: ConversationState,
  fields: SaData,
  context: ConversationContext,
): { readonly state: ConversationState; readonly epoch: ReceiveEpoch | undefined } | 'early' {
  const { epochs, announced } = state.receive;
  const newest = epochs.at(-1)!;
  if (fields.epoch <= newest.epoch) return { state, epoch: epochs.find((epoch) => epoch.epoch === fields.epoch) };
  if (announced?.epoch === fields.epoch) return { state, epoch: announced };
  if (fields.epoch > newest.epoch + 1) throw notAwaited(`epoch ${fields.epoch}, newest is ${newest.epoch}`);
  if (fields.announcement.length === 0) return 'early';
  const at = { conversationId: state.conversationId, direction: peerDirection(state), epoch: fields.epoch };
  const announcement = readAnnouncement(context.suite, at, newest.announcementKey, fields.announcement);
  const keys = acceptEpoch(context.suite, at, newest, state.send.ratchetKeys, announcement);
  const epoch: ReceiveEpoch = {
    ...keys,
    length: undefined,
    closesAtMs: undefined,
    announcementHash: announcement.hash,
  };
  const ratchetKeys = state.send.ratchetKeys.filter((key) => key.number >= announcement.keyNumber);
  const usedNewest = ratchetKeys.length === 1 && ratchetKeys[0]?.number === announcement.keyNumber;
  return {
    state: {
      ...state,
      send: { ...state.send, ratchetKeys, ...(usedNewest ? { acknowledged: true } : {}) },
      receive: {
        ...state.receive,
        announced: epoch,
        epochs: [...epochs.slice(0, -1), { ...newest, length: announcement.previousLength }],
      },
    },
    epoch,
  };
}

type FoundKey =
  | { readonly key: Uint8Array; readonly derived: boolean; readonly receive: ReceiveState }
  | 'used';

function keyOf(
  receive: ReceiveState,
  epoch: ReceiveEpoch | undefined,
  state: ConversationState,
  fields: SaData,
  context: ConversationContext,
): FoundKey {
  if (epoch === undefined) return 'used';
  if (fields.number < epoch.next) {
    const index = receive.skipped.findIndex((skip) => skip.epoch === fields.epoch && skip.number === fields.number);
    const skipped = receive.skipped[index];
    if (skipped === undefined) return 'used';
    return { key: skipped.key, derived: false, receive: { ...receive, skipped: receive.skipped.toSpliced(index, 1) } };
  }
  if (epoch.length !== undefined && fields.number >= epoch.length) {
    throw notAwaited(`record ${fields.number} of an epoch that has ${epoch.length}`);
  }
  const ahead = fields.number - epoch.next;
  if (ahead > MAX_AHEAD) throw notAwaited(`record ${fields.number} is ${ahead} ahead, at most ${MAX_AHEAD}`);
  const skipped: SkippedKey[] = [];
  let { chainKey } = epoch;
  let key: Uint8Array = chainKey;
  for (let number = epoch.next; number <= fields.number; number += 1) {
    const keys = stepChain(context.suite, chainKey, state.conversationId, peerDirection(state), epoch.epoch, number);
    if (chainKey !== epoch.chainKey) wipe(chainKey);
    chainKey = keys.subarray(0, 32);
    key = keys.subarray(32);
    if (number < fields.number) skipped.push({ epoch: epoch.epoch, number, key });
  }
  const moved: ReceiveEpoch = { ...epoch, chainKey, next: fields.number + 1 };
  const all = skipped.length === 0 ? receive.skipped : [...receive.skipped, ...skipped].slice(-MAX_SKIPPED);
  const moving = { ...receive, skipped: all };
  if (receive.announced === epoch) return { key, derived: true, receive: { ...moving, announced: moved } };
  const epochs = receive.epochs.map((other) => (other === epoch ? moved : other));
  return { key, derived: true, receive: { ...moving, epochs } };
}

/** Opens the announced epoch for good, now that a record of it opened, and closes the one before. */
function commitEpoch(
  receive: ReceiveState,
  epoch: ReceiveEpoch | undefined,
  nowMs: number,
  context: ConversationContext,
): ReceiveState {
  const { announced } = receive;
  if (announced === undefined || epoch === undefined || announced.epoch !== epoch.epoch) return receive;
  const newest = receive.epochs.at(-1)!;
  // Its root made the new epoch and serves nothing else; the announcement key stays, to tell a clone's announcement.
  const complete = newest.length !== undefined && newest.next >= newest.length;
  const closing: ReceiveEpoch = {
    ...newest,
    root: NOTHING,
    chainKey: complete ? NOTHING : newest.chainKey,
    closesAtMs: nowMs + context.options.keepKeysMs,
  };
  return { ...receive, announced: undefined, epochs: [closing, announced] };
}

function takeIn(
  opened: ConversationState,
  record: EarlyRecord,
  body: RecordBody,
  bound: Uint8Array,
  nowMs: number,
  context: ConversationContext,
): Received {
  let state = opened;
  if (body.ratchetKey !== undefined && body.ratchetKey.number > (state.receive.ratchetKey?.number ?? -1)) {
    const { number, encapsulationKey } = body.ratchetKey;
    const ratchetKey = { number, encapsulationKey: encapsulationKey.slice() };
    state = { ...state, receive: { ...state.receive, ratchetKey } };
  }
  if (body.lost.length > 0) {
    state = { ...state, receive: { ...state.receive, history: closeGaps(state.receive.history, body.lost) } };
  }
  let repeated = false;
  if (body.numbered !== undefined && record.type !== 'ack') {
    const { m, previousHash } = body.numbered;
    const hash = nextHash(context.suite, previousHash, m, bound, record.sealed);
    const placed = place(state.receive.history, m, previousHash.slice(), hash, MAX_RANGES);
    if (placed.as === 'too-many-gaps') throw notAwaited(`message ${m} would make more than ${MAX_RANGES} gaps`);
    if (placed.as === 'fork') {
      const { expected, got } = placed;
      const evidence: Evidence = { consistency: 'fork', direction: 'peer', m: placed.m, expected, got };
      return { state, delivered: [], evidence, outcome: 'opened' };
    }
    repeated = placed.as === 'repeated';
    if (placed.as !== 'repeated') {
      const entry = inboxEntry(record.type, record.id!, body, nowMs);
      state = {
        ...state,
        send: state.send.peerSpoke ? state.send : { ...state.send, peerSpoke: true },
        receive: { ...state.receive, history: placed.history },
        inbox: insert(state.inbox, entry),
      };
    }
  }
  const acknowledged = acknowledge(state, body.seen);
  return { ...acknowledged, outcome: repeated ? 'repeated' : 'opened' };
}

function inboxEntry(type: 'client-com' | 'client-disconnect', id: MessageId, body: RecordBody, nowMs: number): InboxEntry {
  const m = body.numbered!.m;
  const base = { m, id, inSightOf: body.seen.m, receivedAtMs: nowMs, shown: false };
  if (body.content.length === 0) throw new SimsError('session/malformed-record', `message ${m} has no content`);
  if (type === 'client-disconnect') return { ...base, kind: 'close', content: body.content };
  const kind = body.content[0];
  if (kind !== 0 && kind !== 1) throw new SimsError('session/malformed-record', `unknown kind of content ${kind}`);
  return { ...base, kind: kind === 0 ? 'text' : 'data', content: body.content.subarray(1) };
}

/** Takes `seen` of the peer as an acknowledgement, if it agrees. */
function acknowledge(state: ConversationState, seen: Seen): Omit<Received, 'outcome'> {
  const { send } = state;
  const disagrees = (expected: Uint8Array): Omit<Received, 'outcome'> => ({
    state,
    delivered: [],
    evidence: { consistency: 'rollback', direction: 'own', m: seen.m, expected, got: seen.hash.slice() },
  });
  if (seen.m > send.m) return disagrees(send.hash);
  const entry = state.outbox.find((candidate) => candidate.m === seen.m);
  const known = seen.m === send.seenM ? send.seenHash : seen.m === send.m ? send.hash : entry?.hash;
  if (known !== undefined && !equal(known, seen.hash)) return disagrees(known);
  // An older `seen` whose messages are all known to be delivered says nothing new.
  if (known === undefined) return { state, delivered: [], evidence: undefined };
  const delivered = state.outbox.filter((candidate) => hasSeen(seen, candidate.m));
  const carried = delivered.some((candidate) => candidate.carries && candidate.epoch === send.current.epoch);
  const acknowledged = send.acknowledged || carried;
  const newestKey = send.ratchetKeys.at(-1);
  const told = send.lostToldAt !== undefined && hasSeen(seen, send.lostToldAt);
  if (delivered.length === 0 && seen.m <= send.seenM && !told) return { state, delivered, evidence: undefined };
  const ratchetKeys = carried && newestKey !== undefined ? [newestKey] : send.ratchetKeys;
  return {
    state: {
      ...state,
      outbox: outstanding(state.outbox, seen),
      send: {
        ...send,
        acknowledged,
        announcement: acknowledged ? NOTHING : send.announcement,
        ratchetKeys,
        ...(seen.m > send.seenM ? { seenM: seen.m, seenHash: known } : {}),
        ...(told ? { lost: send.lost.slice(MAX_RANGES), lostToldAt: undefined } : {}),
      },
    },
    delivered,
    evidence: undefined,
  };
}

/** What `seen` does not hold. What a later message overtook is likely lost: it goes again at once, the first time. */
function outstanding(outbox: readonly OutboxEntry[], seen: Seen): OutboxEntry[] {
  const left = outbox.filter((entry) => !hasSeen(seen, entry.m));
  return left.map((entry) => (entry.m < seen.m && entry.attempts === 1 ? { ...entry, sendAgainAtMs: 0 } : entry));
}

function keepEarly(state: ConversationState, record: EarlyRecord): ConversationState {
  const { early } = state.receive;
  if (early.length >= MAX_EARLY) throw notAwaited(`${early.length} records wait for an announcement`);
  if (early.some((other) => equal(other.saData, record.saData) && equal(other.sealed, record.sealed))) return state;
  const kept = { ...record, saData: concat(record.saData), sealed: concat(record.sealed) };
  return { ...state, receive: { ...state.receive, early: [...early, kept] } };
}

function insert(inbox: readonly InboxEntry[], entry: InboxEntry): InboxEntry[] {
  let index = inbox.length;
  while (index > 0 && inbox[index - 1]!.m > entry.m) index -= 1;
  return inbox.toSpliced(index, 0, entry);
}

function nothing(state: ConversationState): Omit<Received, 'outcome'> {
  return { state, delivered: [], evidence: undefined };
}

function notAwaited(message: string): SimsError {
  return new SimsError('session/not-awaited', message);
}

function quietly<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch (error) {
    if (error instanceof SimsError) return undefined;
    throw error;
  }
}

const NOTHING = new Uint8Array(0);
