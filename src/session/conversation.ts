/**
 * One end of a conversation as a machine: what the application and the hop bring goes in, what to store, send and show
 * comes out. Pure: commit the next state before the outputs are acted upon.
 *
 * @packageDocumentation
 */
import { SimsError, type ErrorCode } from '../errors.ts';
import type { Ack } from '../messages/ack.ts';
import type { MessageId } from '../messages/address.ts';
import type { ClientCom } from '../messages/clientCom.ts';
import type { ClientDisconnect } from '../messages/clientDisconnect.ts';
import {
  dropOldKeys,
  isUsed,
  keysCloseAt,
  newestEpoch,
  receiveRecord,
  RefusedRecord,
  type Evidence,
  type Received,
} from './receiving.ts';
import { giveUp, nextSendTime, repeated, sealAcknowledgement, sealMessage } from './sending.ts';
import { eraseSuperseded } from './state.ts';
import type {
  CloseReason,
  Consistency,
  ContentKind,
  ConversationContext,
  ConversationState,
  EarlyRecord,
  InboxEntry,
  OutboxEntry,
} from './state.ts';

/** Messages that carry a conversation's records. */
export type RecordMessage = ClientCom | ClientDisconnect | Ack;

/** What the host feeds in. */
export type ConversationInput =
  /** A message of the application. `expiresAtMs`: when to give it up; by default never. */
  | {
      readonly type: 'send';
      readonly id: MessageId;
      readonly kind: ContentKind;
      readonly content: Uint8Array;
      readonly nowMs: number;
      readonly expiresAtMs?: number;
    }
  /** A record that the relay handed over, whatever its origin. */
  | { readonly type: 'receive'; readonly message: RecordMessage; readonly nowMs: number }
  /** The relay has accepted the message. */
  | { readonly type: 'accepted'; readonly id: MessageId }
  /** The relay cannot reach the peer with the message, or the peer (its word in the clear) does not know the conversation. */
  | {
      readonly type: 'unreachable';
      readonly id: MessageId;
      readonly nowMs: number;
      /** Default `relay`. */
      readonly by?: 'relay' | 'peer';
    }
  /** The relay kept the message for the peer, and gave it up. */
  | { readonly type: 'expired'; readonly id: MessageId; readonly nowMs: number }
  /** A new hop is there: everything outstanding is sent again. */
  | { readonly type: 'reconnected'; readonly nowMs: number }
  /** A time that an output asked for has come. Early or late does no harm. */
  | { readonly type: 'timer'; readonly nowMs: number }
  /** The application has taken the message with this number: the state forgets its content. */
  | { readonly type: 'taken'; readonly m: number }
  /** Renew the sending keys with the next record. */
  | { readonly type: 'rekey' }
  | { readonly type: 'close'; readonly id: MessageId; readonly reason: CloseReason; readonly nowMs: number };

/** What the host must do once the next state is stored, in order. */
export type ConversationOutput =
  | { readonly type: 'send'; readonly message: RecordMessage }
  /** A message to show. It stays in the inbox until `taken`. */
  | { readonly type: 'message'; readonly message: InboxEntry }
  | {
      readonly type: 'state';
      readonly id: MessageId;
      readonly state: 'pending' | 'accepted' | 'delivered' | 'failed';
      readonly reason?: FailureReason;
    }
  | { readonly type: 'consistency'; readonly consistency: Consistency; readonly evidence?: Evidence }
  /** A record that changed nothing, and why. */
  | { readonly type: 'dropped'; readonly code: ErrorCode; readonly detail: string }
  | { readonly type: 'closed'; readonly by: 'own' | 'peer'; readonly reason: CloseReason }
  | { readonly type: 'timer'; readonly atMs: number };

/** Why a message failed. */
export type FailureReason = 'closed' | 'expired' | 'unreachable' | 'inconsistent';

/** Next state and what reaching it asks of the host. */
export interface ConversationStep {
  readonly state: ConversationState;
  readonly outputs: readonly ConversationOutput[];
}

type Of<T extends ConversationInput['type']> = Extract<ConversationInput, { type: T }>;
type Handler<T extends ConversationInput['type']> = (
  state: ConversationState,
  input: Of<T>,
  context: ConversationContext,
) => ConversationStep;
/** For each state, the inputs that it takes and the function that handles each. */
export type ConversationTransitions = {
  readonly [A in ConversationState['at']]: { readonly [T in ConversationInput['type']]?: Handler<T> };
};

/** The whole machine: a missing cell is an error of the caller. */
export const CONVERSATION_TRANSITIONS: ConversationTransitions = {
  open: { send, receive, accepted, unreachable, expired, reconnected, timer, taken, rekey, close },
  closing: { receive, accepted, unreachable, expired, reconnected, timer, taken },
  'peer-closed': {
    receive: linger,
    accepted: ignore,
    unreachable: ignore,
    reconnected: acknowledgeAgain,
    timer,
    taken,
  },
  closed: { receive: ignore, accepted: ignore, unreachable: ignore, reconnected: ignore, timer: ignore, taken },
  broken: {
    receive: ignore,
    accepted: ignore,
    unreachable: ignore,
    reconnected: ignore,
    timer: ignore,
    taken,
    close: end,
  },
};

/**
 * Advances a conversation by one input.
 *
 * @throws `session/unexpected-input` when the state takes no such input, `session/outbox-full` when too much is
 *   unacknowledged; nothing has changed then
 */
export function stepConversation(
  state: ConversationState,
  input: ConversationInput,
  context: ConversationContext,
): ConversationStep {
  const handler = CONVERSATION_TRANSITIONS[state.at][input.type] as Handler<ConversationInput['type']> | undefined;
  if (handler === undefined) {
    throw new SimsError('session/unexpected-input', `a conversation that is ${state.at} takes no ${input.type}`);
  }
  return handler(state, input, context);
}

function send(before: ConversationState, input: Of<'send'>, context: ConversationContext): ConversationStep {
  if (before.outbox.length >= context.options.window) {
    throw new SimsError('session/outbox-full', `${before.outbox.length} messages wait for their acknowledgement`);
  }
  const kind = input.kind === 'text' ? 0 : 1;
  const message = { id: input.id, type: 'client-com', kind, content: input.content } as const;
  const { state, entry } = sealMessage(before, message, input.nowMs, expiryOf(input), context);
  return timed(state, context, [
    { type: 'state', id: entry.id, state: 'pending' },
    { type: 'send', message: messageOf(state, entry) },
  ]);
}

/** A time that can be stored; none for what lies beyond all time. */
function expiryOf(input: Of<'send'>): number | undefined {
  const atMs = input.expiresAtMs ?? Infinity;
  if (Number.isNaN(atMs)) throw new SimsError('session/unexpected-input', 'a message expires at no time: NaN');
  return atMs > Number.MAX_SAFE_INTEGER - 1 ? undefined : Math.max(0, Math.ceil(atMs));
}

function receive(before: ConversationState, input: Of<'receive'>, context: ConversationContext): ConversationStep {
  const { message, nowMs } = input;
  if (message.type === 'ack' && (message.saData === undefined || message.data === undefined)) {
    return { state: before, outputs: [dropped('session/malformed-record', 'an ack without a record')] };
  }
  const record: EarlyRecord = {
    type: message.type,
    id: message.type === 'ack' ? undefined : message.id,
    saData: message.saData,
    sealed: message.data,
  };
  const outputs: ConversationOutput[] = [];
  let state = take(dropOldKeys(before, nowMs), record, nowMs, context, outputs);
  // The record may have brought the announcement that earlier ones waited for.
  if (state.receive.early.length > 0 && newestEpoch(state) > newestEpoch(before)) {
    const { early } = state.receive;
    state = { ...state, receive: { ...state.receive, early: [] } };
    for (const waiting of early) {
      const next = take(state, waiting, nowMs, context, outputs);
      eraseSuperseded(state, next, before);
      state = next;
    }
  }
  return show(state, nowMs, context, outputs);
}

/** The peer has said its last: nothing new is taken in, and a repeat shows that the acknowledgement was lost. */
function linger(before: ConversationState, input: Of<'receive'>, context: ConversationContext): ConversationStep {
  const { message, nowMs } = input;
  const drop = (code: ErrorCode, detail: string): ConversationStep => ({
    state: before,
    outputs: [dropped(code, detail)],
  });
  if (message.type === 'ack') return drop('session/ended', 'an ACK after the end');
  try {
    if (!isUsed(before, message.saData, context)) return drop('session/ended', 'a message after the last');
  } catch (error) {
    if (!(error instanceof SimsError)) throw error;
    return drop(error.code, error.message);
  }
  const acknowledgeAtMs = before.acknowledgeAtMs ?? nowMs + context.options.acknowledgeAfterMs;
  const outputs = [dropped('session/repeated', 'a record that was opened before')];
  return timed({ ...before, acknowledgeAtMs }, context, outputs);
}

/** Takes in one record, or drops it with a reason. */
function take(
  state: ConversationState,
  record: EarlyRecord,
  nowMs: number,
  context: ConversationContext,
  outputs: ConversationOutput[],
): ConversationState {
  if (state.at === 'broken') return state;
  let received: Received;
  try {
    received = receiveRecord(state, record, nowMs, context);
  } catch (error) {
    if (!(error instanceof SimsError) || error.fault !== 'peer') throw error;
    outputs.push(dropped(error.code, error.message));
    return error instanceof RefusedRecord ? error.state : state;
  }
  for (const entry of received.delivered) outputs.push({ type: 'state', id: entry.id, state: 'delivered' });
  if (received.evidence !== undefined) return breakOff(received.state, received.evidence, outputs);
  if (received.outcome === 'repeated') outputs.push(dropped('session/repeated', 'a record that was opened before'));
  const owesAck = record.type !== 'ack' && received.outcome !== 'early';
  const after = received.state;
  if (!owesAck || after.acknowledgeAtMs !== undefined) return after;
  return { ...after, acknowledgeAtMs: nowMs + context.options.acknowledgeAfterMs };
}

/** Shows what the order allows, follows the peer's end, and tells when to come back. */
function show(
  before: ConversationState,
  nowMs: number,
  context: ConversationContext,
  outputs: ConversationOutput[],
): ConversationStep {
  let state = before;
  if (state.at === 'broken') return { state, outputs };
  const heldBack = firstHeldBack(state);
  let closedBy: InboxEntry | undefined;
  const inbox: InboxEntry[] = [];
  // Nothing to show, nothing changed: what a relay makes up must not cost a write.
  const shows = state.inbox.some((entry) => !entry.shown && entry.m <= heldBack);
  for (const entry of shows ? state.inbox : []) {
    // Nothing comes after the last message: its direction's end.
    if (closedBy !== undefined) break;
    if (entry.shown || entry.m > heldBack) {
      inbox.push(entry);
    } else if (entry.kind === 'close') {
      closedBy = entry;
    } else {
      const shown: InboxEntry = { ...entry, shown: true };
      inbox.push(shown);
      outputs.push({ type: 'message', message: shown });
    }
  }
  if (shows) state = { ...state, inbox };
  const consistency: Consistency = state.receive.history.gaps.length > 0 ? 'gap' : 'consistent';
  if (consistency !== state.consistency) {
    state = { ...state, consistency };
    outputs.push({ type: 'consistency', consistency });
  }
  if (closedBy !== undefined) state = peerClosed(state, closedBy, nowMs, context, outputs);
  if (state.at === 'closing' && state.outbox.length === 0) {
    // The ACK that is still due has to go before the keys do.
    if (state.acknowledgeAtMs !== undefined) state = sendAck(state, nowMs, context, outputs);
    outputs.push(closedByOwn(state));
    return { state: forget(state, 'closed'), outputs };
  }
  return timed(state, context, outputs);
}

/** Number of the last message that may be shown now. */
function firstHeldBack(state: ConversationState): number {
  const gap = state.receive.history.gaps.find(
    (candidate) => candidate.first + candidate.length > state.receive.passedBelow,
  );
  return gap === undefined ? Infinity : gap.first - 1;
}

function peerClosed(
  before: ConversationState,
  entry: InboxEntry,
  nowMs: number,
  context: ConversationContext,
  outputs: ConversationOutput[],
): ConversationState {
  const state = sendAck(before, nowMs, context, outputs);
  failAll(state, 'closed', outputs);
  outputs.push({ type: 'closed', by: 'peer', reason: CLOSE_REASONS[entry.content[0] ?? 0] ?? 'error' });
  const endsAtMs = nowMs + context.options.closeAfterMs * LINGER;
  return { ...state, at: 'peer-closed', outbox: [], endsAtMs };
}

function accepted(before: ConversationState, input: Of<'accepted'>): ConversationStep {
  const entry = before.outbox.find((candidate) => candidate.id === input.id);
  if (entry === undefined || (entry.accepted && (entry.disowned || entry.unreachableSinceMs === undefined))) {
    return { state: before, outputs: [] };
  }
  const state = replaceEntry(before, { ...entry, accepted: true, unreachableSinceMs: sinceAfterSign(entry) });
  return { state, outputs: entry.accepted ? [] : [{ type: 'state', id: entry.id, state: 'accepted' }] };
}

function unreachable(
  before: ConversationState,
  input: Of<'unreachable'>,
  context: ConversationContext,
): ConversationStep {
  const entry = before.outbox.find((candidate) => candidate.id === input.id);
  if (entry === undefined) return { state: before, outputs: [] };
  const unreachableSinceMs = entry.unreachableSinceMs ?? input.nowMs;
  const disowned = entry.disowned || input.by === 'peer';
  const state = replaceEntry(before, { ...entry, unreachableSinceMs, disowned });
  return timer(state, { type: 'timer', nowMs: input.nowMs }, context);
}

/** Since when a message is unreachable once the relay takes it: what its peer does not know stays so. */
function sinceAfterSign(entry: OutboxEntry): number | undefined {
  return entry.disowned ? entry.unreachableSinceMs : undefined;
}

/** Gives up what the relay does not hold any more, unless the peer has acknowledged it. */
function expired(before: ConversationState, input: Of<'expired'>, context: ConversationContext): ConversationStep {
  const entry = before.outbox.find((candidate) => candidate.id === input.id);
  if (entry === undefined) return { state: before, outputs: [] };
  const state = replaceEntry(before, { ...entry, expiresAtMs: input.nowMs });
  return timer(state, { type: 'timer', nowMs: input.nowMs }, context);
}

function reconnected(
  before: ConversationState,
  input: Of<'reconnected'>,
  context: ConversationContext,
): ConversationStep {
  const outputs: ConversationOutput[] = [];
  const outbox = before.outbox.map((entry) => {
    outputs.push({ type: 'send', message: messageOf(before, entry) });
    const again = repeated({ ...entry, attempts: 0 }, input.nowMs, context);
    return { ...again, unreachableSinceMs: sinceAfterSign(entry) };
  });
  const state = before.receive.history.m > 0 ? sendAck(before, input.nowMs, context, outputs) : before;
  return timed({ ...state, outbox }, context, outputs);
}

function acknowledgeAgain(
  before: ConversationState,
  input: Of<'reconnected'>,
  context: ConversationContext,
): ConversationStep {
  const outputs: ConversationOutput[] = [];
  return timed(sendAck(before, input.nowMs, context, outputs), context, outputs);
}

function timer(before: ConversationState, input: Of<'timer'>, context: ConversationContext): ConversationStep {
  const { nowMs } = input;
  const outputs: ConversationOutput[] = [];
  let state = dropOldKeys(before, nowMs);
  if (state.endsAtMs !== undefined && state.endsAtMs <= nowMs) {
    failAll(state, 'closed', outputs);
    if (state.at === 'closing') outputs.push(closedByOwn(state));
    return { state: forget(state, 'closed'), outputs };
  }
  state = giveUpOverdue(state, nowMs, context, outputs);
  if (state.outbox.some((entry) => entry.sendAgainAtMs <= nowMs)) {
    const outbox = state.outbox.map((entry) => {
      if (entry.sendAgainAtMs > nowMs) return entry;
      outputs.push({ type: 'send', message: messageOf(state, entry) });
      return repeated(entry, nowMs, context);
    });
    state = { ...state, outbox };
  }
  if (state.acknowledgeAtMs !== undefined && state.acknowledgeAtMs <= nowMs) {
    state = sendAck(state, nowMs, context, outputs);
  }
  const { holdBackMs } = context.options;
  const overdue = state.inbox.findLast((entry) => !entry.shown && entry.receivedAtMs + holdBackMs <= nowMs);
  if (overdue !== undefined) state = { ...state, receive: { ...state.receive, passedBelow: overdue.m } };
  return show(state, nowMs, context, outputs);
}

function giveUpOverdue(
  state: ConversationState,
  nowMs: number,
  context: ConversationContext,
  outputs: ConversationOutput[],
): ConversationState {
  const given: OutboxEntry[] = [];
  const { acknowledged, epochStartedAtMs, current } = state.send;
  // The peer has the present epoch, and drops the keys of the one before after as long.
  const keysGone = acknowledged && nowMs - epochStartedAtMs >= context.options.keepKeysMs;
  for (const entry of state.outbox) {
    const isOver = keysGone && entry.epoch < current.epoch;
    const hasExpired = isOver || (entry.expiresAtMs !== undefined && entry.expiresAtMs <= nowMs);
    const since = entry.unreachableSinceMs;
    const lost = since !== undefined && nowMs - since >= context.options.unreachableAfterMs;
    if (!hasExpired && !lost) continue;
    given.push(entry);
    failed(entry, hasExpired ? 'expired' : 'unreachable', outputs);
  }
  return giveUp(state, given);
}

function taken(before: ConversationState, input: Of<'taken'>): ConversationStep {
  const inbox = before.inbox.filter((entry) => entry.m !== input.m || !entry.shown);
  return { state: inbox.length === before.inbox.length ? before : { ...before, inbox }, outputs: [] };
}

function rekey(before: ConversationState): ConversationStep {
  return { state: { ...before, send: { ...before.send, rekeyAsked: true } }, outputs: [] };
}

function close(before: ConversationState, input: Of<'close'>, context: ConversationContext): ConversationStep {
  const content = Uint8Array.of(CLOSE_REASONS.indexOf(input.reason));
  const message = { id: input.id, type: 'client-disconnect', content } as const;
  const { state, entry } = sealMessage(before, message, input.nowMs, undefined, context);
  const endsAtMs = input.nowMs + context.options.closeAfterMs;
  const closing: ConversationState = { ...state, at: 'closing', endsAtMs, closeReason: input.reason };
  return timed(closing, context, [{ type: 'send', message: messageOf(state, entry) }]);
}

function closedByOwn(state: ConversationState): ConversationOutput {
  return { type: 'closed', by: 'own', reason: state.closeReason ?? 'closed' };
}

function end(before: ConversationState, input: Of<'close'>): ConversationStep {
  return { state: forget(before, 'closed'), outputs: [{ type: 'closed', by: 'own', reason: input.reason }] };
}

function ignore(before: ConversationState): ConversationStep {
  return { state: before, outputs: [] };
}

/** Stops for good: nothing is sent or accepted under a history that does not agree. */
function breakOff(state: ConversationState, evidence: Evidence, outputs: ConversationOutput[]): ConversationState {
  outputs.push({ type: 'consistency', consistency: evidence.consistency, evidence });
  failAll(state, 'inconsistent', outputs);
  return { ...forget(state, 'broken'), consistency: evidence.consistency };
}

/** The state without keys and without anything outstanding; what was opened stays until it is taken. */
function forget(state: ConversationState, at: 'closed' | 'broken'): ConversationState {
  const none = { root: NOTHING, announcementKey: NOTHING, chainKey: NOTHING };
  return {
    ...state,
    at,
    send: {
      ...state.send,
      current: { ...state.send.current, ...none },
      announcement: NOTHING,
      lastAck: undefined,
      ratchetKeys: [],
    },
    receive: {
      ...state.receive,
      epochs: state.receive.epochs.map((epoch) => ({ ...epoch, ...none })),
      skipped: [],
      early: [],
      announced: undefined,
    },
    outbox: [],
    acknowledgeAtMs: undefined,
    endsAtMs: undefined,
  };
}

function sendAck(
  before: ConversationState,
  nowMs: number,
  context: ConversationContext,
  outputs: ConversationOutput[],
): ConversationState {
  const { state, saData, sealed } = sealAcknowledgement(before, nowMs, context);
  outputs.push({ type: 'send', message: { type: 'ack', dst: state.peer.address, saData, data: sealed } });
  return state;
}

function failAll(state: ConversationState, reason: FailureReason, outputs: ConversationOutput[]): void {
  for (const entry of state.outbox) failed(entry, reason, outputs);
}

function failed(entry: OutboxEntry, reason: FailureReason, outputs: ConversationOutput[]): void {
  if (entry.type === 'client-com') outputs.push({ type: 'state', id: entry.id, state: 'failed', reason });
}

function messageOf(state: ConversationState, entry: OutboxEntry): ClientCom | ClientDisconnect {
  return { type: entry.type, id: entry.id, dst: state.peer.address, saData: entry.saData, data: entry.sealed };
}

function replaceEntry(state: ConversationState, entry: OutboxEntry): ConversationState {
  return { ...state, outbox: state.outbox.map((other) => (other.m === entry.m ? entry : other)) };
}

/** Adds when the machine wants to be woken next. */
function timed(
  state: ConversationState,
  context: ConversationContext,
  outputs: ConversationOutput[],
): ConversationStep {
  let releaseAtMs: number | undefined;
  for (const entry of state.inbox) {
    const at = entry.receivedAtMs + context.options.holdBackMs;
    if (!entry.shown && (releaseAtMs === undefined || at < releaseAtMs)) releaseAtMs = at;
  }
  const sendAtMs = nextSendTime(state, context.options);
  let atMs: number | undefined;
  for (const time of [sendAtMs, state.acknowledgeAtMs, state.endsAtMs, releaseAtMs, keysCloseAt(state)]) {
    if (time !== undefined && (atMs === undefined || time < atMs)) atMs = time;
  }
  if (atMs !== undefined) outputs.push({ type: 'timer', atMs });
  return { state, outputs };
}

function dropped(code: ErrorCode, detail: string): ConversationOutput {
  return { type: 'dropped', code, detail };
}

/** In the order of their numbers on the wire. */
const CLOSE_REASONS: readonly CloseReason[] = ['closed', 'replaced', 'client-ended', 'error'];
/** A conversation that the peer closed answers its repeats for this many close time-outs. */
const LINGER = 6;
const NOTHING = new Uint8Array(0);
