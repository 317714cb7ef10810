/**
 * Why a record would not open: what was expected, what came, what to do. Numbers and hashes only, never a key.
 *
 * @packageDocumentation
 */
import { equal, hex } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import type { RecordMessage } from './conversation.ts';
import { findClone, MAX_AHEAD, peerDirection, receiveRecord } from './receiving.ts';
import { readAnnouncement } from './rekey.ts';
import { decodeSaData, type SaData } from './saData.ts';
import type { ConversationContext, ConversationState, EarlyRecord, ReceiveEpoch } from './state.ts';

/** What hinders a record; `none` when it would be accepted. */
export type RecordProblem =
  | 'none'
  | 'ended'
  | 'not-a-record'
  | 'malformed'
  | 'other-conversation'
  | 'epoch-over'
  | 'epoch-not-announced'
  | 'epoch-too-new'
  | 'announcement-not-authentic'
  | 'announcement-key-gone'
  | 'clone'
  | 'used'
  | 'beyond-epoch'
  | 'too-far-ahead'
  | 'own-record'
  | 'not-authentic'
  | 'not-now'
  | 'history';

/** An explanation for people, with the numbers that it rests on. */
export interface RecordExplanation {
  readonly problem: RecordProblem;
  /** What would have been accepted. */
  readonly expected: string;
  /** What came. */
  readonly got: string;
  /** What to do. */
  readonly advice: string;
}

/**
 * Explains what this state makes of a record, without changing anything. Costs as much as opening it does: for people
 * who look for a fault, not for every record.
 */
export function explainRecord(
  state: ConversationState,
  message: RecordMessage,
  context: ConversationContext,
): RecordExplanation {
  const { saData, data } = message;
  if (saData === undefined || data === undefined) {
    return problem(
      'not-a-record',
      'a message with a sealed record',
      `an ${message.type} of the hop`,
      'Give it to the hop.',
    );
  }
  let fields: SaData;
  try {
    fields = decodeSaData(saData, context.suite.cipher.nonceLength);
  } catch (error) {
    const got = `${saData.length} bytes: ${messageOf(error)}`;
    return problem(
      'malformed',
      `sa-data in the form of ${state.suite}`,
      got,
      'The sender speaks another version, or it was altered.',
    );
  }
  if (!equal(fields.conversationId, state.conversationId)) {
    const expected = `conversation ${hex(state.conversationId)}`;
    const advice = 'It belongs to another conversation with this peer, perhaps one that was replaced.';
    return problem('other-conversation', expected, `conversation ${hex(fields.conversationId)}`, advice);
  }
  if (state.at !== 'open' && state.at !== 'closing') {
    return problem('ended', 'an open conversation', `one that is ${state.at}`, 'Open a new conversation.');
  }
  const id = message.type === 'ack' ? undefined : message.id;
  const record: EarlyRecord = { type: message.type, id, saData, sealed: data };
  return explainEpoch(state, record, fields, context) ?? explainOpening(state, record, fields, context);
}

function explainEpoch(
  state: ConversationState,
  record: EarlyRecord,
  fields: SaData,
  context: ConversationContext,
): RecordExplanation | undefined {
  const { epochs, announced } = state.receive;
  const newest = epochs.at(-1)!;
  const openEpochs = epochs.map((epoch) => epoch.epoch).join(' and ');
  const clone = findClone(state, fields, context);
  if (clone !== undefined) {
    const expected = `the announcement ${hex(clone.expected)} of epoch ${fields.epoch}`;
    const advice = 'Two programs have the keys of the peer: ask it to start anew, and compare safety numbers.';
    return problem('clone', expected, `the authentic announcement ${hex(clone.got)}`, advice);
  }
  const epoch =
    announced?.epoch === fields.epoch ? announced : epochs.find((candidate) => candidate.epoch === fields.epoch);
  if (epoch !== undefined) return explainNumber(state, epoch, record, fields);
  const got = `epoch ${fields.epoch}, record ${fields.number}`;
  if (fields.epoch < newest.epoch) {
    return problem(
      'epoch-over',
      `a record of epoch ${openEpochs}`,
      got,
      'Its keys are gone. If it is new, it was too late.',
    );
  }
  if (fields.epoch > newest.epoch + 1) {
    const advice = 'This state is older than what the peer has seen of it, or was restored: open a new conversation.';
    return problem('epoch-too-new', `epoch ${newest.epoch + 1} at most`, got, advice);
  }
  if (fields.announcement.length === 0) {
    const advice = 'Wait: it is kept until the announcement comes, which every eighth record carries.';
    return problem('epoch-not-announced', `an announcement of epoch ${fields.epoch} first`, got, advice);
  }
  return explainAnnouncement(state, newest, fields, context);
}

function explainAnnouncement(
  state: ConversationState,
  newest: ReceiveEpoch,
  fields: SaData,
  context: ConversationContext,
): RecordExplanation | undefined {
  const { suite } = context;
  const place = { conversationId: state.conversationId, direction: peerDirection(state), epoch: fields.epoch };
  try {
    const { keyNumber } = readAnnouncement(suite, place, newest.announcementKey, fields.announcement);
    const held = state.send.ratchetKeys.map((key) => key.number);
    if (suite.ratchetKem === undefined || held.includes(keyNumber)) return undefined;
    const expected = `ratchet key ${held.join(' or ') || 'none'}`;
    const advice = 'This state is older than what the peer has seen of it: open a new conversation.';
    return problem('announcement-key-gone', expected, `an announcement for key ${keyNumber}`, advice);
  } catch (error) {
    const expected = `an authentic announcement of epoch ${fields.epoch}`;
    const advice = 'It was altered on the way, or the two states have parted. The peer sends it again.';
    return problem('announcement-not-authentic', expected, messageOf(error), advice);
  }
}

function explainNumber(
  state: ConversationState,
  epoch: ReceiveEpoch,
  record: EarlyRecord,
  fields: SaData,
): RecordExplanation | undefined {
  const { number } = fields;
  const got = `record ${number} of epoch ${epoch.epoch}`;
  if (isOwn(state, record)) {
    return problem(
      'own-record',
      'a record of the peer',
      `${got}, sealed by this side`,
      'The relay sent it back: report it.',
    );
  }
  if (number < epoch.next) {
    const isSkipped = state.receive.skipped.some((skip) => skip.epoch === epoch.epoch && skip.number === number);
    if (isSkipped) return undefined;
    const advice = 'Nothing: it was opened before, and its key is gone. An acknowledgement goes out.';
    return problem('used', `record ${epoch.next} or later, or one that was passed over`, got, advice);
  }
  if (epoch.length !== undefined && number >= epoch.length) {
    const advice = 'The sender counts otherwise than it announced: open a new conversation.';
    return problem('beyond-epoch', `record ${epoch.length - 1} at most`, got, advice);
  }
  const most = epoch.next + MAX_AHEAD;
  if (number <= most) return undefined;
  return problem('too-far-ahead', `record ${most} at most`, got, 'Wait for the records before it.');
}

function explainOpening(
  state: ConversationState,
  record: EarlyRecord,
  fields: SaData,
  context: ConversationContext,
): RecordExplanation {
  const got = `record ${fields.number} of epoch ${fields.epoch}, ${record.sealed.length} bytes`;
  try {
    const { evidence } = receiveRecord(state, record, 0, context);
    if (evidence === undefined) return problem('none', got, got, 'Nothing: it opens.');
    const whose = evidence.direction === 'own' ? 'of this side' : 'of the peer';
    const expected = `hash ${hex(evidence.expected)} at message ${evidence.m} ${whose}`;
    const advice = 'The two histories differ: compare safety numbers, and open a new conversation.';
    return problem('history', expected, `hash ${hex(evidence.got)}`, advice);
  } catch (error) {
    const code = error instanceof SimsError ? error.code : undefined;
    if (code === 'session/not-awaited') {
      return problem(
        'not-now',
        'room in the inbox and in the list of gaps',
        messageOf(error),
        'Take messages; it comes again.',
      );
    }
    if (error instanceof SimsError && error.fault === 'peer' && code !== 'session/authentication-failed') {
      return problem('malformed', 'a body of this version', messageOf(error), 'The peer speaks another version.');
    }
    if (code !== 'session/authentication-failed') throw error;
    const { own, peer } = state;
    const expected =
      `a ${record.type} sealed by ${peer.address} (fingerprint ${hex(peer.fingerprint)}, label "${peer.label}") ` +
      `for ${own.address} (fingerprint ${hex(own.fingerprint)}, label "${own.label}")`;
    const advice = 'It was altered on the way, or the peer sees other participants or labels. The peer sends it again.';
    return problem('not-authentic', expected, got, advice);
  }
}

/** Whether it is this side's own record, come back: one that still waits for its acknowledgement, or the last ACK. */
function isOwn(state: ConversationState, record: EarlyRecord): boolean {
  const sent = [...state.outbox, ...(state.send.lastAck === undefined ? [] : [state.send.lastAck])];
  return sent.some(({ saData, sealed }) => equal(saData, record.saData) && equal(sealed, record.sealed));
}

function problem(name: RecordProblem, expected: string, got: string, advice: string): RecordExplanation {
  return { problem: name, expected, got, advice };
}

function messageOf(error: unknown): string {
  if (error instanceof SimsError) return error.message;
  throw error;
}
