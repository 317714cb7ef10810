/**
 * The sending half of a conversation: sealing, rekeying when it is time, repeating, giving up.
 *
 * @packageDocumentation
 */
import { wipe } from '../bytes.ts';
import type { RandomBytes } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import type { MessageId } from '../messages/address.ts';
import { messageIdBytes } from '../messages/address.ts';
import { SimsError } from '../errors.ts';
import { MAX_RANGES, encodeBody, type Range } from './body.ts';
import { associatedData, NO_ID, type RecordType } from './binding.ts';
import { nextHash, seenOf } from './history.ts';
import { stepChain, type Direction, type Epoch } from './ratchet.ts';
import { beginEpoch, type RatchetKeyPair } from './rekey.ts';
import { decodeSaData, encodeSaData, NUMBER_LIMIT } from './saData.ts';
import { secretBytes, secretKeyPair } from './secretBytes.ts';
import type { ConversationContext, ConversationOptions, ConversationState, OutboxEntry, SendState } from './state.ts';

/** A record ready to go, and the state without its key. */
export interface SealedRecord {
  readonly state: ConversationState;
  readonly saData: Uint8Array;
  readonly sealed: Uint8Array;
}

/** What sealing a record gives. */
interface Sealed {
  readonly saData: Uint8Array;
  readonly sealed: Uint8Array;
  /** Its associated data. */
  readonly bound: Uint8Array;
  /** The epoch without the record's key. */
  readonly moved: Epoch;
  readonly ratchetKeys: readonly RatchetKeyPair[];
}

/** Every record whose number is divisible by this carries what has not been acknowledged. */
const CARRY_EVERY = 8;

/** Direction of this side's records. */
export function ownDirection(state: ConversationState): Direction {
  return state.role === 'initiator' ? 0 : 1;
}

/** Seals a numbered message and puts it into the outbox. */
export function sealMessage(
  before: ConversationState,
  message: {
    readonly id: MessageId;
    readonly type: OutboxEntry['type'];
    /** The byte before the content, where it has one. */
    readonly kind?: number;
    readonly content: Uint8Array;
  },
  nowMs: number,
  expiresAtMs: number | undefined,
  context: ConversationContext,
): { readonly state: ConversationState; readonly entry: OutboxEntry } {
  const rekeyed = rekeyIfDue(before, 'message', nowMs, context);
  const { send } = rekeyed;
  const m = send.m + 1;
  const carries = !send.acknowledged && (!send.messageCarried || carriesByNumber(send));
  const { kind, content } = message;
  const id = messageIdBytes(message.id);
  const record = sealRecord(rekeyed, message.type, id, { m, carries, kind, content }, nowMs, context);
  // A new epoch's first chain key was in no state that could be replaced.
  if (rekeyed !== before) wipe(send.current.chainKey);
  const hash = nextHash(context.suite, send.hash, m, record.bound, record.sealed);
  const entry: OutboxEntry = {
    id: message.id,
    type: message.type,
    m,
    hash,
    epoch: send.current.epoch,
    carries,
    saData: record.saData,
    sealed: record.sealed,
    accepted: false,
    attempts: 1,
    sendAgainAtMs: nowMs + context.options.repeatAfterMs,
    unreachableSinceMs: undefined,
    disowned: false,
    expiresAtMs,
  };
  const after: SendState = {
    ...send,
    current: record.moved,
    ratchetKeys: record.ratchetKeys,
    bytesSealed: send.bytesSealed + record.sealed.length,
    m,
    hash,
    messageCarried: send.messageCarried || carries,
    lostToldAt: send.lost.length > 0 ? (send.lostToldAt ?? m) : undefined,
  };
  const outbox = [...rekeyed.outbox, entry];
  return { state: { ...rekeyed, acknowledgeAtMs: undefined, send: after, outbox }, entry };
}

/** An ACK: a record without a number. While there is nothing to add to the last one, that one again. */
export function sealAcknowledgement(
  before: ConversationState,
  nowMs: number,
  context: ConversationContext,
): SealedRecord {
  const { lastAck } = before.send;
  // Whoever repeats old records gets no new keys used up: the peer looks only so far ahead.
  if (lastAck !== undefined && opensByItself(before.send, lastAck.saData, context)) {
    return { state: { ...before, acknowledgeAtMs: undefined }, ...lastAck };
  }
  const rekeyed = rekeyIfDue(before, 'ack', nowMs, context);
  // A peer that repeats may lack the announcement, and with it every ACK since.
  const carries = !rekeyed.send.acknowledged && (lastAck !== undefined || carriesByNumber(rekeyed.send));
  const { send } = rekeyed;
  const body = { m: undefined, carries, kind: undefined, content: NOTHING };
  const { saData, sealed, moved, ratchetKeys } = sealRecord(rekeyed, 'ack', NO_ID, body, nowMs, context);
  if (rekeyed !== before) wipe(send.current.chainKey);
  const after: SendState = {
    ...send,
    current: moved,
    ratchetKeys,
    bytesSealed: send.bytesSealed + sealed.length,
    lastAck: carries && lastAck === undefined ? undefined : { saData, sealed },
  };
  return { state: { ...rekeyed, acknowledgeAtMs: undefined, send: after }, saData, sealed };
}

/** Whether the peer can open that record of the present epoch without another that announces it. */
function opensByItself(send: SendState, saData: Uint8Array, context: ConversationContext): boolean {
  if (send.acknowledged || send.announcement.length === 0) return true;
  return decodeSaData(saData, context.suite.cipher.nonceLength).announcement.length > 0;
}

/** The time of the next repeat, expiry or give-up; `undefined` when nothing is outstanding. */
export function nextSendTime(state: ConversationState, options: ConversationOptions): number | undefined {
  let next: number | undefined;
  for (const entry of state.outbox) {
    const unreachableAtMs = (entry.unreachableSinceMs ?? Infinity) + options.unreachableAfterMs;
    const at = Math.min(entry.sendAgainAtMs, entry.expiresAtMs ?? Infinity, unreachableAtMs);
    if (next === undefined || at < next) next = at;
  }
  return next;
}

/** The entry as it is after it was sent once more. */
export function repeated(entry: OutboxEntry, nowMs: number, context: ConversationContext): OutboxEntry {
  const { repeatAfterMs, repeatAtMostMs } = context.options;
  const waitMs = Math.min(repeatAfterMs * 2 ** Math.min(entry.attempts, 16), repeatAtMostMs);
  return { ...entry, attempts: entry.attempts + 1, sendAgainAtMs: nowMs + waitMs };
}

/** The state without `given`, whose numbers are told to the peer as lost. */
export function giveUp(state: ConversationState, given: readonly OutboxEntry[]): ConversationState {
  if (given.length === 0) return state;
  const { send } = state;
  const gone = new Set(given.map((entry) => entry.m));
  const outbox = state.outbox.filter((entry) => !gone.has(entry.m));
  // The announcement has to ride in another message when the one that carried it goes.
  const messageCarried = outbox.some((entry) => entry.carries && entry.epoch === send.current.epoch);
  const lost = mergeRanges([...state.send.lost, ...given.map((entry) => ({ first: entry.m, length: 1 }))]);
  return {
    ...state,
    send: { ...send, lost, lostToldAt: undefined, messageCarried, lastAck: undefined },
    outbox,
  };
}

/**
 * Whether the sender may begin another epoch now: the peer has the present one, and nothing of the one before is
 * outstanding, since the peer keeps two.
 */
export function mayRekey(state: ConversationState, context: ConversationContext): boolean {
  const { send, receive, outbox } = state;
  const hasKey = context.suite.ratchetKem === undefined || receive.ratchetKey !== undefined;
  return send.acknowledged && hasKey && outbox.every((entry) => entry.epoch === send.current.epoch);
}

function rekeyIfDue(
  state: ConversationState,
  cause: 'message' | 'ack',
  nowMs: number,
  context: ConversationContext,
): ConversationState {
  const { send, receive } = state;
  const { suite, random } = context;
  const { rekey } = suite;
  const due =
    send.rekeyAsked ||
    send.current.next >= rekey.records ||
    send.bytesSealed >= rekey.bytes ||
    nowMs - send.epochStartedAtMs >= rekey.milliseconds ||
    (rekey.onTurn && send.peerSpoke && cause === 'message');
  if (!due || !mayRekey(state, context)) return state;
  const epoch = send.current.epoch + 1;
  if (epoch >= NUMBER_LIMIT) return state;
  const place = { conversationId: state.conversationId, direction: ownDirection(state), epoch };
  const begun = beginEpoch(suite, place, send.current, receive.ratchetKey, random);
  // The peer's own key is no key: there is nothing to heal to, and its messages go on under the present epoch.
  if (begun === undefined) return state;
  const ratchetKeys = withNewKey(send.ratchetKeys, suite, random);
  return {
    ...state,
    send: {
      ...send,
      current: begun.epoch,
      bytesSealed: 0,
      epochStartedAtMs: nowMs,
      announcement: begun.announcement,
      acknowledged: false,
      messageCarried: false,
      lastAck: undefined,
      ratchetKeys,
      peerSpoke: false,
      rekeyAsked: false,
    },
  };
}

function carriesByNumber(send: SendState): boolean {
  return send.current.next % CARRY_EVERY === 0;
}

function sealRecord(
  state: ConversationState,
  type: RecordType,
  id: Uint8Array,
  record: {
    readonly m: number | undefined;
    readonly carries: boolean;
    readonly kind: number | undefined;
    readonly content: Uint8Array;
  },
  nowMs: number,
  context: ConversationContext,
): Sealed {
  const { suite, random, options } = context;
  const { send, receive, conversationId } = state;
  const { epoch, next } = send.current;
  if (next >= NUMBER_LIMIT) throw new SimsError('session/exhausted', `${next} records in epoch ${epoch}`);
  // The first key is made for the first record that carries it: who only listens needs none.
  const isFirst = record.carries && send.ratchetKeys.length === 0;
  const ratchetKeys = isFirst ? withNewKey(send.ratchetKeys, suite, random) : send.ratchetKeys;
  const newestKey = ratchetKeys.at(-1);
  const plaintext = encodeBody(
    {
      numbered: record.m === undefined ? undefined : { m: record.m, previousHash: send.hash },
      seen: seenOf(receive.history),
      ratchetKey:
        record.carries && newestKey !== undefined
          ? { number: newestKey.number, encapsulationKey: newestKey.pair.encapsulationKey }
          : undefined,
      lost: send.lost.slice(0, MAX_RANGES),
      content: record.content,
    },
    options.padding,
    record.kind,
  );
  const { nonceLength } = suite.cipher;
  const randomness = random(suite.cipher.randomnessLength);
  const nonce = randomness.length === nonceLength ? randomness : randomness.subarray(0, nonceLength);
  const announcement = record.carries ? send.announcement : NOTHING;
  const saData = encodeSaData({ conversationId, epoch, number: next, nonce, announcement });
  const bound = associatedData(state.ownBinding, type, id, saData);
  const keys = stepChain(suite, send.current.chainKey, conversationId, ownDirection(state), epoch, next);
  const key = keys.subarray(32);
  const sealed = suite.cipher.seal(key, randomness, bound, plaintext, nowMs);
  wipe(key);
  const moved = { ...send.current, chainKey: secretBytes(keys, 0, 32), next: next + 1 };
  return { saData, sealed, bound, moved, ratchetKeys };
}

/** The keys and one more, with the next number; none in a suite without ratchet keys. */
function withNewKey(
  keys: readonly RatchetKeyPair[],
  { ratchetKem }: Suite,
  random: RandomBytes,
): readonly RatchetKeyPair[] {
  if (ratchetKem === undefined) return [];
  const number = (keys.at(-1)?.number ?? -1) + 1;
  return [...keys, { number, pair: secretKeyPair(ratchetKem.generateKeyPair(random)) }];
}

/** Ascending and apart. A record holds the first {@link MAX_RANGES}; the others follow when those are acknowledged. */
function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((left, right) => left.first - right.first)) {
    const last = merged.at(-1);
    if (last !== undefined && range.first <= last.first + last.length) {
      const end = Math.max(last.first + last.length, range.first + range.length);
      merged[merged.length - 1] = { first: last.first, length: end - last.first };
    } else merged.push(range);
  }
  return merged;
}

const NOTHING = new Uint8Array(0);
