/**
 * A conversation's state as bytes, to be stored encrypted: compact CBOR, with its version first.
 *
 * @packageDocumentation
 */
import { concat, equal } from '../bytes.ts';
import type { KemKeyPair } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SUITE_TABLE } from '../crypto/suiteTable.ts';
import { SimsError } from '../errors.ts';
import { encodeCbor, decodeCbor } from '../codec/cbor.ts';
import { DEFAULT_LIMITS, type Limits } from '../codec/limits.ts';
import type { Value } from '../codec/value.ts';
import {
  addressBytes,
  addressFromBytes,
  CLIENT_ID_BYTES,
  DEVICE_BYTES,
  messageIdBytes,
  messageIdFromBytes,
} from '../messages/address.ts';
import type { Range } from './body.ts';
import { secretBytes, storedKeyPair } from './secretBytes.ts';
import { conversationBinding, type Participant } from './binding.ts';
import type { Gap } from './history.ts';
import type { Epoch } from './ratchet.ts';
import {
  STATE_VERSION,
  type CloseReason,
  type Consistency,
  type ConversationState,
  type EarlyRecord,
  type InboxEntry,
  type OutboxEntry,
  type ReceiveEpoch,
  type ReceiveState,
  type SendState,
} from './state.ts';

const STATES: readonly ConversationState['at'][] = ['open', 'closing', 'peer-closed', 'closed', 'broken'];
const CONSISTENCIES: readonly Consistency[] = ['consistent', 'gap', 'fork', 'clone', 'rollback'];
const KINDS: readonly InboxEntry['kind'][] = ['text', 'data', 'close'];
const TYPES: readonly EarlyRecord['type'][] = ['client-com', 'client-disconnect', 'ack'];
const CLOSE_REASONS: readonly CloseReason[] = ['closed', 'replaced', 'client-ended', 'error'];
const SUITE_NAMES = Object.keys(SUITE_TABLE) as SuiteName[];
const STATE_LIMITS: Limits = { ...DEFAULT_LIMITS, maxBytes: 2 ** 30, maxItems: 2 ** 20 };

/** The state as bytes. They hold keys. */
export function encodeState(state: ConversationState): Uint8Array {
  return encodeCbor([
    STATE_VERSION,
    STATES.indexOf(state.at),
    SUITE_TABLE[state.suite].number,
    state.conversationId,
    state.role === 'initiator' ? 0 : 1,
    encodeParticipant(state.own, undefined),
    encodeParticipant(state.peer, state.own.label),
    state.relayIdentity,
    CONSISTENCIES.indexOf(state.consistency),
    encodeSend(state.send),
    encodeReceive(state.receive),
    state.outbox.map(encodeOutboxEntry),
    state.inbox.map(encodeInboxEntry),
    optional(state.acknowledgeAtMs),
    optional(state.endsAtMs),
    state.closeReason === undefined ? 0 : CLOSE_REASONS.indexOf(state.closeReason) + 1,
  ]);
}

/**
 * The state in bytes that {@link encodeState} made.
 *
 * @param suiteOf - the suite of a name; it has to be the one that the state names
 * @throws `session/state-version` for another version, `session/state-malformed` for anything else
 */
export function decodeState(bytes: Uint8Array, suiteOf: (name: SuiteName) => Suite | undefined): ConversationState {
  try {
    const fields = new Fields(decodeCbor(bytes, STATE_LIMITS));
    const version = fields.number();
    if (version !== STATE_VERSION) throw new SimsError('session/state-version', `state version ${version}`);
    return readState(fields, suiteOf);
  } catch (error) {
    if (error instanceof SimsError && error.code === 'session/state-version') throw error;
    throw new SimsError('session/state-malformed', 'these bytes are not the state of a conversation', { cause: error });
  }
}

function readState(fields: Fields, suiteOf: (name: SuiteName) => Suite | undefined): ConversationState {
  const at = fields.oneOf(STATES);
  const number = fields.number();
  const name = SUITE_NAMES.find((candidate) => SUITE_TABLE[candidate].number === number);
  const suite = name && suiteOf(name);
  if (suite === undefined || suite.name !== name) throw new TypeError(`suite ${number} is not at hand`);
  const conversationId = fields.bytes();
  const role = fields.upTo(1) === 0 ? 'initiator' : 'responder';
  const own = fields.array((participant) => readParticipant(participant, undefined));
  const peer = fields.array((participant) => readParticipant(participant, own.label));
  const [sending, receiving] = role === 'initiator' ? ([0, 1] as const) : ([1, 0] as const);
  const state: ConversationState = {
    version: STATE_VERSION,
    at,
    suite: suite.name,
    conversationId,
    role,
    own,
    peer,
    relayIdentity: fields.bytes(),
    ownBinding: conversationBinding(suite, conversationId, sending, own, peer),
    peerBinding: conversationBinding(suite, conversationId, receiving, peer, own),
    consistency: fields.oneOf(CONSISTENCIES),
    send: fields.array((send) => readSend(send, suite)),
    receive: fields.array(readReceive),
    outbox: fields.list(readOutboxEntry),
    inbox: fields.list(readInboxEntry),
    acknowledgeAtMs: fields.optional(),
    endsAtMs: fields.optional(),
    closeReason: CLOSE_REASONS[fields.upTo(CLOSE_REASONS.length) - 1],
  };
  fields.end();
  return state;
}

/** `ownLabel` is not repeated: both are often of one level. */
function encodeParticipant(participant: Participant, ownLabel: string | undefined): Value {
  const { fingerprint, label } = participant;
  const address = addressBytes(participant.address);
  const id = address.subarray(0, CLIENT_ID_BYTES);
  const isOfFingerprint = equal(id, fingerprint.subarray(0, CLIENT_ID_BYTES));
  return [
    isOfFingerprint ? address.subarray(CLIENT_ID_BYTES) : address,
    fingerprint,
    label === ownLabel ? [] : [label],
  ];
}

function readParticipant(fields: Fields, ownLabel: string | undefined): Participant {
  const ending = fields.bytes();
  const fingerprint = fields.bytes();
  const bytes = ending.length === DEVICE_BYTES ? concat(fingerprint.subarray(0, CLIENT_ID_BYTES), ending) : ending;
  const label = fields.array((labels) => labels.textOr(ownLabel));
  return { address: addressFromBytes(bytes), fingerprint, label };
}

function encodeEpoch(epoch: Epoch): Value[] {
  return [epoch.epoch, epoch.root, epoch.announcementKey, epoch.chainKey, epoch.next];
}

function readEpoch(fields: Fields): Epoch {
  return {
    epoch: fields.number(),
    root: fields.secret(),
    announcementKey: fields.secret(),
    chainKey: fields.secret(),
    next: fields.number(),
  };
}

function encodeSend(send: SendState): Value {
  return [
    encodeEpoch(send.current),
    send.bytesSealed,
    send.epochStartedAtMs,
    send.announcement,
    flags(send.acknowledged, send.messageCarried, send.peerSpoke, send.rekeyAsked),
    send.ratchetKeys.map(({ number, pair }) => [number, pair.decapsulationKey]),
    send.m,
    send.hash,
    encodeRanges(send.lost),
    optional(send.lostToldAt),
    send.seenM,
    send.seenM === send.m ? NOTHING : send.seenHash,
  ];
}

function readSend(fields: Fields, suite: Suite): SendState {
  const current = fields.array(readEpoch);
  const bytesSealed = fields.number();
  const epochStartedAtMs = fields.number();
  const announcement = fields.bytes();
  const bits = fields.number();
  const ratchetKeys = fields.list((key) => ({ number: key.number(), pair: readKeyPair(key, suite) }));
  const m = fields.number();
  const hash = fields.bytes();
  return {
    current,
    bytesSealed,
    epochStartedAtMs,
    announcement,
    acknowledged: (bits & 1) !== 0,
    messageCarried: (bits & 2) !== 0,
    peerSpoke: (bits & 4) !== 0,
    rekeyAsked: (bits & 8) !== 0,
    ratchetKeys,
    m,
    hash,
    lost: fields.list(readRange),
    lostToldAt: fields.optional(),
    seenM: fields.number(),
    seenHash: fields.bytesOr(hash),
    // Another one is sealed when it is needed: not worth its bytes.
    lastAck: undefined,
  };
}

function readKeyPair(fields: Fields, suite: Suite): KemKeyPair {
  const kem = suite.ratchetKem;
  const key = fields.bytes();
  if (kem === undefined || key.length !== kem.decapsulationKeyLength) throw new TypeError('a key of another KEM');
  return storedKeyPair(kem, key);
}

function encodeReceiveEpoch(epoch: ReceiveEpoch): Value {
  return [...encodeEpoch(epoch), optional(epoch.length), optional(epoch.closesAtMs), epoch.announcementHash];
}

function readReceiveEpoch(fields: Fields): ReceiveEpoch {
  const epoch = readEpoch(fields);
  const length = fields.optional();
  const closesAtMs = fields.optional();
  return { ...epoch, length, closesAtMs, announcementHash: fields.bytes() };
}

function encodeReceive(receive: ReceiveState): Value {
  const { history, ratchetKey } = receive;
  return [
    receive.epochs.map(encodeReceiveEpoch),
    receive.skipped.map(({ epoch, number, key }) => [epoch, number, key]),
    receive.early.map((record) => [
      TYPES.indexOf(record.type),
      record.id === undefined ? NOTHING : messageIdBytes(record.id),
      record.saData,
      record.sealed,
    ]),
    receive.announced === undefined ? [] : [encodeReceiveEpoch(receive.announced)],
    history.m,
    history.hash,
    history.gaps.map((gap) => [gap.first, gap.length, gap.before ?? NOTHING, gap.after ?? NOTHING]),
    receive.passedBelow,
    ratchetKey === undefined ? [] : [[ratchetKey.number, ratchetKey.encapsulationKey]],
  ];
}

function readReceive(fields: Fields): ReceiveState {
  const epochs = fields.list(readReceiveEpoch);
  if (epochs.length === 0 || epochs.length > 2) throw new TypeError(`${epochs.length} open epochs`);
  return {
    epochs,
    skipped: fields.list((skipped) => ({ epoch: skipped.number(), number: skipped.number(), key: skipped.secret() })),
    early: fields.list(readEarlyRecord),
    announced: fields.list(readReceiveEpoch)[0],
    history: { m: fields.number(), hash: fields.bytes(), gaps: fields.list(readGap) },
    passedBelow: fields.number(),
    ratchetKey: fields.list((key) => ({ number: key.number(), encapsulationKey: key.bytes() }))[0],
  };
}

function readEarlyRecord(fields: Fields): EarlyRecord {
  const type = fields.oneOf(TYPES);
  const id = fields.bytes();
  return {
    type,
    id: id.length === 0 ? undefined : messageIdFromBytes(id),
    saData: fields.bytes(),
    sealed: fields.bytes(),
  };
}

function readGap(fields: Fields): Gap {
  const range = readRange(fields);
  const before = fields.bytes();
  const after = fields.bytes();
  return {
    ...range,
    before: before.length === 0 ? undefined : before,
    after: after.length === 0 ? undefined : after,
  };
}

function encodeOutboxEntry(entry: OutboxEntry): Value {
  return [
    messageIdBytes(entry.id),
    TYPES.indexOf(entry.type),
    entry.m,
    entry.hash,
    entry.epoch,
    flags(entry.carries, entry.accepted, entry.disowned),
    entry.saData,
    entry.sealed,
    entry.attempts,
    entry.sendAgainAtMs,
    optional(entry.unreachableSinceMs),
    optional(entry.expiresAtMs),
  ];
}

function readOutboxEntry(fields: Fields): OutboxEntry {
  const id = messageIdFromBytes(fields.bytes());
  const type = fields.oneOf(TYPES);
  if (type === 'ack') throw new TypeError('an ACK in the outbox');
  const m = fields.number();
  const hash = fields.bytes();
  const epoch = fields.number();
  const bits = fields.number();
  return {
    id,
    type,
    m,
    hash,
    epoch,
    carries: (bits & 1) !== 0,
    accepted: (bits & 2) !== 0,
    disowned: (bits & 4) !== 0,
    saData: fields.bytes(),
    sealed: fields.bytes(),
    attempts: fields.number(),
    sendAgainAtMs: fields.number(),
    unreachableSinceMs: fields.optional(),
    expiresAtMs: fields.optional(),
  };
}

function encodeInboxEntry(entry: InboxEntry): Value {
  return [
    entry.m,
    messageIdBytes(entry.id),
    KINDS.indexOf(entry.kind),
    entry.content,
    entry.inSightOf,
    entry.receivedAtMs,
    flags(entry.shown),
  ];
}

function readInboxEntry(fields: Fields): InboxEntry {
  return {
    m: fields.number(),
    id: messageIdFromBytes(fields.bytes()),
    kind: fields.oneOf(KINDS),
    content: fields.bytes(),
    inSightOf: fields.number(),
    receivedAtMs: fields.number(),
    shown: fields.number() !== 0,
  };
}

function encodeRanges(ranges: readonly Range[]): Value {
  return ranges.map((range) => [range.first, range.length]);
}

function readRange(fields: Fields): Range {
  return { first: fields.number(), length: fields.number() };
}

/** The first is the lowest bit. */
function flags(...values: readonly boolean[]): number {
  let bits = 0;
  for (const [index, value] of values.entries()) if (value) bits |= 1 << index;
  return bits;
}

/** 0 is nothing: every optional number is stored one above itself. */
function optional(value: number | undefined): number {
  return value === undefined ? 0 : value + 1;
}

/** Reads the items of an array one after the other; anything unexpected throws. */
class Fields {
  readonly #items: readonly Value[];
  #next = 0;

  constructor(value: Value) {
    if (!Array.isArray(value)) throw new TypeError('not an array');
    this.#items = value as readonly Value[];
  }

  number(): number {
    const value = this.#take();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new TypeError('not a number');
    return value;
  }

  optional(): number | undefined {
    const value = this.number();
    return value === 0 ? undefined : value - 1;
  }

  upTo(most: number): number {
    const value = this.number();
    if (value > most) throw new TypeError(`${value} is more than ${most}`);
    return value;
  }

  /** A copy of a key, which does not print. */
  secret(): Uint8Array {
    return secretBytes(this.bytes());
  }

  /** The bytes, or `other` where there are none. */
  bytesOr(other: Uint8Array): Uint8Array {
    const value = this.bytes();
    return value.length === 0 ? other : value;
  }

  end(): void {
    if (this.#next < this.#items.length) throw new TypeError(`${this.#items.length - this.#next} items too many`);
  }

  /** A copy, so that the caller may wipe what it decoded. */
  bytes(): Uint8Array {
    const value = this.#take();
    if (!(value instanceof Uint8Array)) throw new TypeError('not bytes');
    return Uint8Array.from(value);
  }

  /** The text, or `other` where nothing is left. */
  textOr(other: string | undefined): string {
    if (other !== undefined && this.#items.length === this.#next) return other;
    const value = this.#take();
    if (typeof value !== 'string') throw new TypeError('not a text');
    return value;
  }

  oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.number()];
    if (choice === undefined) throw new TypeError('not one of the choices');
    return choice;
  }

  array<T>(read: (fields: Fields) => T): T {
    return readAll(this.#take(), read);
  }

  list<T>(read: (item: Fields) => T): T[] {
    const value = this.#take();
    if (!Array.isArray(value)) throw new TypeError('not a list');
    return (value as readonly Value[]).map((item) => readAll(item, read));
  }

  #take(): Value {
    const value = this.#items[this.#next];
    if (value === undefined) throw new TypeError('too short');
    this.#next += 1;
    return value;
  }
}

function readAll<T>(value: Value, read: (fields: Fields) => T): T {
  const fields = new Fields(value);
  const result = read(fields);
  fields.end();
  return result;
}

const NOTHING = new Uint8Array(0);
