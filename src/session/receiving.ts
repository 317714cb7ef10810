/**
 * The receiving half of a conversation: finding a record's key, opening it, and what it changes.
 *
 * @packageDocumentation
 */
import { concat, equal, wipe } from '../bytes.ts';
import { SimsError, type ErrorCode } from '../errors.ts';
import { messageIdBytes, type MessageId } from '../messages/address.ts';
import { associatedData, NO_ID } from './binding.ts';
import { decodeBody, MAX_RANGES, type RecordBody, type Seen } from './body.ts';
import { closeGaps, hasSeen, nextHash, place, type History } from './history.ts';
import { stepChain, type Direction } from './ratchet.ts';
import { acceptEpoch, readAnnouncement } from './rekey.ts';
import { decodeSaData, type SaData } from './saData.ts';
import { secretBytes } from './secretBytes.ts';
import type {
  Consistency,
  ConversationContext,
  ConversationState,
  EarlyRecord,
  InboxEntry,
  OutboxEntry,
  ReceiveEpoch,
  ReceiveState,
  SendState,
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

/** Keys that are derived ahead at most. */
export const MAX_AHEAD = 1_000;
const MAX_SKIPPED = 2_000;
const MAX_EARLY = 64;
/** Of an announcement's hash: enough to tell a second one. */
const KEPT_HASH_LENGTH = 16;
const MAX_EARLY_BYTES = 2_097_152;

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
  if (plaintext === undefined) {
    wipe(...found.made);
    const message = `epoch ${fields.epoch}, record ${fields.number} does not open`;
    throw new RefusedRecord(state, 'session/authentication-failed', message);
  }
  const receive = commitEpoch(found.receive, announced.epoch, nowMs, context);
  const body = readBody(state, receive, record, plaintext, context);
  const received = takeIn(state, receive, record, body, bound, nowMs, context);
  if (received === 'later') {
    wipe(...found.made);
    throw new RefusedRecord(state, 'session/not-awaited', `no room for message ${body.numbered?.m} now`);
  }
  if (found.derived) wipe(found.key);
  // The first chain key of an epoch that was announced just now was in no state that could be replaced.
  if (state !== before && announced.epoch !== undefined) wipe(announced.epoch.chainKey);
  return received;
}

/**
 * A record that is not accepted, with the state to go on with: it remembers an authentic announcement, which is then
 * not derived twice, or that the key of an authentic but malformed record is used.
 */
export class RefusedRecord extends SimsError {
  readonly #state: ConversationState;

  constructor(state: ConversationState, code: ErrorCode, message: string) {
    super(code, message);
    this.#state = state;
  }

  /** The state to go on with. */
  get state(): ConversationState {
    return this.#state;
  }
}

/** Whether the key of that record is gone: it was opened, or its epoch is over. */
export function isUsed(state: ConversationState, saData: Uint8Array, context: ConversationContext): boolean {
  const fields = decodeSaData(saData, context.suite.cipher.nonceLength);
  const { epochs, skipped } = state.receive;
  if (!equal(fields.conversationId, state.conversationId) || fields.epoch > epochs.at(-1)!.epoch) return false;
  const epoch = epochs.find((candidate) => candidate.epoch === fields.epoch);
  if (epoch === undefined) return true;
  if (fields.number >= epoch.next) return false;
  return !skipped.some((skip) => skip.epoch === fields.epoch && skip.number === fields.number);
}

/** The newest epoch of which a record could be opened now. */
export function newestEpoch(state: ConversationState): number {
  return (state.receive.announced ?? state.receive.epochs.at(-1)!).epoch;
}

/** When keys of an epoch that is over go. */
export function keysCloseAt(state: ConversationState): number | undefined {
  return state.receive.epochs.find((epoch) => epoch.closesAtMs !== undefined)?.closesAtMs;
}

/** The state without keys whose time is over. */
export function dropOldKeys(state: ConversationState, nowMs: number): ConversationState {
  const closed = state.receive.epochs.filter((epoch) => epoch.closesAtMs !== undefined && epoch.closesAtMs <= nowMs);
  if (closed.length === 0) return state;
  const gone = new Set(closed.map((epoch) => epoch.epoch));
  const left = state.receive.epochs.filter((epoch) => !gone.has(epoch.epoch));
  return {
    ...state,
    receive: {
      ...state.receive,
      // Without the key of the epoch before, no second announcement can be told any more.
      epochs: left.map((epoch) => ({ ...epoch, announcementHash: NOTHING })),
      skipped: state.receive.skipped.filter((skipped) => !gone.has(skipped.epoch)),
    },
  };
}

/** Two authentic announcements of one epoch: a second writer has the peer's keys. */
export function findClone(
  state: ConversationState,
  fields: SaData,
  context: ConversationContext,
): Evidence | undefined {
  if (fields.announcement.length === 0) return undefined;
  const { epochs, announced } = state.receive;
  const opened = announced?.epoch === fields.epoch ? announced : epochs.find((epoch) => epoch.epoch === fields.epoch);
  const previous = epochs.find((epoch) => epoch.epoch === fields.epoch - 1);
  if (opened === undefined || previous === undefined) return undefined;
  const at = { conversationId: state.conversationId, direction: peerDirection(state), epoch: fields.epoch };
  const announcement = quietly(() =>
    readAnnouncement(context.suite, at, previous.announcementKey, fields.announcement),
  );
  if (announcement === undefined || equal(announcement.hash.subarray(0, KEPT_HASH_LENGTH), opened.announcementHash))
    return undefined;
  return {
    consistency: 'clone',
    direction: 'peer',
    m: state.receive.history.m,
    expected: opened.announcementHash,
    got: announcement.hash.slice(0, KEPT_HASH_LENGTH),
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
    announcementHash: announcement.hash.slice(0, KEPT_HASH_LENGTH),
  };
  const ratchetKeys = state.send.ratchetKeys.filter((key) => key.number >= announcement.keyNumber);
  const usedNewest = ratchetKeys.length === 1 && ratchetKeys[0]?.number === announcement.keyNumber;
  return {
    state: {
      ...state,
      send: { ...state.send, ratchetKeys, ...(usedNewest ? { acknowledged: true, announcement: NOTHING } : {}) },
      receive: {
        ...state.receive,
        announced: epoch,
        // Its root has made the new epoch and serves nothing else.
        epochs: [...epochs.slice(0, -1), { ...newest, root: NOTHING, length: announcement.previousLength }],
      },
    },
    epoch,
  };
}

type FoundKey =
  | {
      readonly key: Uint8Array;
      readonly derived: boolean;
      /** What was derived and is of use only if the record is accepted. */
      readonly made: readonly Uint8Array[];
      readonly receive: ReceiveState;
    }
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
    const rest = { ...receive, skipped: receive.skipped.toSpliced(index, 1) };
    return { key: skipped.key, derived: false, made: [], receive: rest };
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
    chainKey = secretBytes(keys, 0, 32);
    key = number < fields.number ? secretBytes(keys, 32) : keys.subarray(32);
    if (number < fields.number) skipped.push({ epoch: epoch.epoch, number, key });
  }
  const made = [key, chainKey];
  for (const skip of skipped) made.push(skip.key);
  const moved = withoutSpentKey({ ...epoch, chainKey, next: fields.number + 1 });
  const all = skipped.length === 0 ? receive.skipped : [...receive.skipped, ...skipped].slice(-MAX_SKIPPED);
  if (receive.announced === epoch) {
    return { key, derived: true, made, receive: { ...receive, skipped: all, announced: moved } };
  }
  const epochs = receive.epochs.map((other) => (other === epoch ? moved : other));
  return { key, derived: true, made, receive: { ...receive, skipped: all, epochs } };
}

/** A closed epoch of which every record was opened or passed over needs no chain key. */
function withoutSpentKey(epoch: ReceiveEpoch): ReceiveEpoch {
  const spent = epoch.closesAtMs !== undefined && epoch.length !== undefined && epoch.next >= epoch.length;
  return spent ? { ...epoch, chainKey: NOTHING } : epoch;
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
  // The announcement key stays, to tell a clone's announcement.
  const closesAtMs = nowMs + context.options.keepKeysMs;
  const closing = withoutSpentKey({ ...newest, closesAtMs, announcementHash: NOTHING });
  const skipped = receive.skipped.filter((skip) => skip.epoch >= newest.epoch);
  return { ...receive, skipped, announced: undefined, epochs: [closing, announced] };
}

function takeIn(
  state: ConversationState,
  opened: ReceiveState,
  record: EarlyRecord,
  body: RecordBody,
  bound: Uint8Array,
  nowMs: number,
  context: ConversationContext,
): Received | 'later' {
  let { history, ratchetKey } = opened;
  let { inbox } = state;
  let { peerSpoke } = state.send;
  if (body.ratchetKey !== undefined && body.ratchetKey.number > (ratchetKey?.number ?? -1)) {
    const { number, encapsulationKey } = body.ratchetKey;
    ratchetKey = { number, encapsulationKey: encapsulationKey.slice() };
  }
  if (body.lost.length > 0) {
    const closed = closeGaps(history, body.lost, MAX_RANGES);
    if (closed === undefined && body.numbered !== undefined) return 'later';
    if (closed !== undefined) history = closed;
  }
  let repeated = false;
  if (body.numbered !== undefined && record.type !== 'ack') {
    const { m, previousHash } = body.numbered;
    const hash = nextHash(context.suite, previousHash, m, bound, record.sealed);
    const placed = place(history, m, previousHash.slice(), hash, MAX_RANGES);
    if (placed.as === 'too-many-gaps') return 'later';
    if (placed.as === 'fork') {
      const { expected, got } = placed;
      const evidence: Evidence = { consistency: 'fork', direction: 'peer', m: placed.m, expected, got };
      const receive = { ...opened, history, ratchetKey };
      return { state: { ...state, receive }, delivered: [], evidence, outcome: 'opened' };
    }
    repeated = placed.as === 'repeated';
    if (placed.as !== 'repeated') {
      // The gap that this message shows may be one that its sender has given up.
      const closed = closeGaps(placed.history, body.lost, MAX_RANGES);
      const awaited = m === firstAwaited(history, opened.passedBelow);
      if (closed === undefined || isInboxFull(inbox, awaited, context)) return 'later';
      history = closed;
      peerSpoke = true;
      inbox = insert(inbox, inboxEntry(record.type, record.id!, body, nowMs));
    }
  }
  let { send } = state;
  const lastAck = history === opened.history ? send.lastAck : undefined;
  if (send.peerSpoke !== peerSpoke || send.lastAck !== lastAck) send = { ...send, peerSpoke, lastAck };
  const moved = history !== opened.history || ratchetKey !== opened.ratchetKey;
  const receive = moved ? { ...opened, history, ratchetKey } : opened;
  const acknowledged = acknowledge(send, state.outbox, body.seen);
  return {
    state: { ...state, send: acknowledged.send, receive, outbox: acknowledged.outbox, inbox },
    delivered: acknowledged.delivered,
    evidence: acknowledged.evidence,
    outcome: repeated ? 'repeated' : 'opened',
  };
}

/** The body of an opened record, or a refusal that leaves its key used. */
function readBody(
  state: ConversationState,
  opened: ReceiveState,
  record: EarlyRecord,
  plaintext: Uint8Array,
  context: ConversationContext,
): RecordBody {
  try {
    const body = decodeBody(plaintext, context.suite.ratchetKem?.encapsulationKeyLength ?? 0);
    checkContent(state.inbox, record.type, body);
    return body;
  } catch (error) {
    if (!(error instanceof SimsError)) throw error;
    throw new RefusedRecord({ ...state, receive: opened }, 'session/malformed-record', error.message);
  }
}

function checkContent(inbox: readonly InboxEntry[], type: EarlyRecord['type'], body: RecordBody): void {
  const { numbered, content } = body;
  if ((type === 'ack') !== (numbered === undefined)) throw malformed(`a number does not fit a record of type ${type}`);
  if (numbered === undefined) {
    if (content.length > 0) throw malformed(`an ACK with ${content.length} bytes of content`);
    return;
  }
  const { m } = numbered;
  if (content.length === 0) throw malformed(`message ${m} has no content`);
  if (type === 'client-com' && content[0]! > 1) throw malformed(`unknown kind of content ${content[0]}`);
  if (inbox.some((entry) => entry.kind === 'close' && entry.m < m)) throw malformed(`message ${m} after the last`);
}

function inboxEntry(
  type: 'client-com' | 'client-disconnect',
  id: MessageId,
  body: RecordBody,
  nowMs: number,
): InboxEntry {
  const base = { m: body.numbered!.m, id, inSightOf: body.seen.m, receivedAtMs: nowMs, shown: false };
  if (type === 'client-disconnect') return { ...base, kind: 'close', content: body.content };
  return { ...base, kind: body.content[0] === 0 ? 'text' : 'data', content: body.content.subarray(1) };
}

/** Whether a message has to come again later. The awaited one, for which others wait, is counted apart from those. */
function isInboxFull(inbox: readonly InboxEntry[], awaited: boolean, context: ConversationContext): boolean {
  const { inboxWindow, inboxBytes } = context.options;
  let count = 0;
  let bytes = 0;
  for (const entry of inbox) {
    if (awaited && !entry.shown) continue;
    count += 1;
    bytes += entry.content.length;
  }
  return count >= inboxWindow || bytes >= inboxBytes;
}

/** The lowest number that has not come and is still waited for. */
function firstAwaited(history: History, passedBelow: number): number {
  return history.gaps.find((gap) => gap.first + gap.length > passedBelow)?.first ?? history.m + 1;
}

interface Acknowledged {
  readonly send: SendState;
  readonly outbox: readonly OutboxEntry[];
  readonly delivered: readonly OutboxEntry[];
  readonly evidence: Evidence | undefined;
}

/** Takes `seen` of the peer as an acknowledgement, if it agrees. */
function acknowledge(send: SendState, outbox: readonly OutboxEntry[], seen: Seen): Acknowledged {
  const disagrees = (expected: Uint8Array): Acknowledged => ({
    send,
    outbox,
    delivered: [],
    evidence: { consistency: 'rollback', direction: 'own', m: seen.m, expected, got: seen.hash.slice() },
  });
  if (seen.m > send.m) return disagrees(send.hash);
  const known =
    seen.m === send.seenM
      ? send.seenHash
      : seen.m === send.m
        ? send.hash
        : outbox.find((candidate) => candidate.m === seen.m)?.hash;
  if (known !== undefined && !equal(known, seen.hash)) return disagrees(known);
  // An older `seen` whose messages are all known to be delivered says nothing new.
  if (known === undefined) return { send, outbox, delivered: [], evidence: undefined };
  const delivered = outbox.filter((candidate) => hasSeen(seen, candidate.m));
  const carried = delivered.some((candidate) => candidate.carries && candidate.epoch === send.current.epoch);
  const acknowledged = send.acknowledged || carried;
  const newestKey = send.ratchetKeys.at(-1);
  const told = send.lostToldAt !== undefined && hasSeen(seen, send.lostToldAt);
  if (delivered.length === 0 && seen.m <= send.seenM && !told) return { send, outbox, delivered, evidence: undefined };
  const ratchetKeys = carried && newestKey !== undefined ? [newestKey] : send.ratchetKeys;
  return {
    outbox: outstanding(outbox, seen),
    send: {
      ...send,
      acknowledged,
      announcement: acknowledged ? NOTHING : send.announcement,
      ratchetKeys,
      ...(seen.m > send.seenM ? { seenM: seen.m, seenHash: known } : {}),
      ...(told ? { lost: send.lost.slice(MAX_RANGES), lostToldAt: undefined } : {}),
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
  let bytes = record.saData.length + record.sealed.length;
  for (const other of early) bytes += other.saData.length + other.sealed.length;
  if (early.length >= MAX_EARLY || bytes > MAX_EARLY_BYTES) {
    throw notAwaited(`${early.length} records wait for an announcement`);
  }
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

function malformed(message: string): SimsError {
  return new SimsError('session/malformed-record', message);
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
