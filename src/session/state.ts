/**
 * The whole state of one end of a conversation, as a pure value.
 *
 * @packageDocumentation
 */
import { wipe } from '../bytes.ts';
import type { RandomBytes } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import type { MessageId } from '../messages/address.ts';
import type { Range, RatchetPublicKey } from './body.ts';
import { conversationBinding, type Participant } from './binding.ts';
import { firstHash, type History } from './history.ts';
import type { Padding } from './padding.ts';
import { deriveEpoch, type Epoch } from './ratchet.ts';
import type { RatchetKeyPair } from './rekey.ts';

/** Version of {@link ConversationState}; a stored state of another version is not read. */
export const STATE_VERSION = 1;

/** How one history stands; anything but `consistent` and `gap` stops sending for good. */
export type Consistency = 'consistent' | 'gap' | 'fork' | 'clone' | 'rollback';

/** Kind of a message's content: UTF-8 text, or application data in CBOR. */
export type ContentKind = 'text' | 'data';

/** Why a conversation ends, as its peer is told. */
export type CloseReason = 'closed' | 'replaced' | 'client-ended' | 'error';

/** A sealed message that waits for its acknowledgement; sent again as the same bytes. */
export interface OutboxEntry {
  readonly id: MessageId;
  readonly type: 'client-com' | 'client-disconnect';
  readonly m: number;
  /** H_m. */
  readonly hash: Uint8Array;
  readonly epoch: number;
  /** Whether it carries the announcement and ratchet key of its epoch. */
  readonly carries: boolean;
  readonly saData: Uint8Array;
  readonly sealed: Uint8Array;
  /** The relay has it. */
  readonly accepted: boolean;
  readonly attempts: number;
  readonly sendAgainAtMs: number;
  /** Since when the relay says that the peer cannot be reached, or the peer that it does not know the conversation. */
  readonly unreachableSinceMs: number | undefined;
  /** Whether the peer said so: then it does not count that the relay takes the message. */
  readonly disowned: boolean;
  readonly expiresAtMs: number | undefined;
}

/** An opened message, kept until the application has taken it. */
export interface InboxEntry {
  readonly m: number;
  readonly id: MessageId;
  readonly kind: ContentKind | 'close';
  readonly content: Uint8Array;
  /** Highest own message that the peer had when it wrote this. */
  readonly inSightOf: number;
  /** When it came. */
  readonly receivedAtMs: number;
  /** Whether it was given to the application already. */
  readonly shown: boolean;
}

/** This side's direction. */
export interface SendState {
  readonly current: Epoch;
  readonly bytesSealed: number;
  readonly epochStartedAtMs: number;
  /** Announcement of the current epoch; empty in epoch 0 and once it is acknowledged. */
  readonly announcement: Uint8Array;
  /** Whether the peer surely has what the epoch's first record carries; no further epoch starts before. */
  readonly acknowledged: boolean;
  /** Whether a numbered message of the epoch has carried it. */
  readonly messageCarried: boolean;
  /** The last ACK, as long as another would say no more; `undefined` when it carried an announcement or key. */
  readonly lastAck: { readonly saData: Uint8Array; readonly sealed: Uint8Array } | undefined;
  /**
   * Own ratchet keys that the peer may still use, oldest first; the last is the one that this epoch carries. None until
   * a record has carried the first.
   */
  readonly ratchetKeys: readonly RatchetKeyPair[];
  /** Number of the last message, and H there. */
  readonly m: number;
  readonly hash: Uint8Array;
  /** Own messages given up and not yet known to be so by the peer; told from message {@link SendState.lostToldAt} on. */
  readonly lost: readonly Range[];
  readonly lostToldAt: number | undefined;
  /** Highest m that the peer has acknowledged, and the hash that both agree on there. */
  readonly seenM: number;
  readonly seenHash: Uint8Array;
  /** Whether the peer has spoken since the last rekey of this side. */
  readonly peerSpoke: boolean;
  readonly rekeyAsked: boolean;
}

/** Key of a record that was passed over. */
export interface SkippedKey {
  readonly epoch: number;
  readonly number: number;
  readonly key: Uint8Array;
}

/** An epoch of the peer's that is open, with what closes it. */
export interface ReceiveEpoch extends Epoch {
  /** How many records the peer sealed in it, once announced. */
  readonly length: number | undefined;
  /** When its keys go, once a newer epoch is open. */
  readonly closesAtMs: number | undefined;
  /** First 16 bytes of the hash of the announcement that opened it, as long as the epoch before is open; else empty. */
  readonly announcementHash: Uint8Array;
}

/** A record of an epoch whose announcement has not come. */
export interface EarlyRecord {
  readonly type: 'client-com' | 'client-disconnect' | 'ack';
  readonly id: MessageId | undefined;
  readonly saData: Uint8Array;
  readonly sealed: Uint8Array;
}

/** The peer's direction. */
export interface ReceiveState {
  /** One or two, oldest first. */
  readonly epochs: readonly ReceiveEpoch[];
  readonly skipped: readonly SkippedKey[];
  readonly early: readonly EarlyRecord[];
  /** An authentic announcement, already derived, of which no record has opened yet. */
  readonly announced: ReceiveEpoch | undefined;
  readonly history: History;
  /** Messages before this number are not waited for: the policy let later ones pass. */
  readonly passedBelow: number;
  readonly ratchetKey: RatchetPublicKey | undefined;
}

/** Everything that one end of a conversation has to keep. Holds keys: store it encrypted, print it never. */
export interface ConversationState {
  readonly version: typeof STATE_VERSION;
  readonly at: 'open' | 'closing' | 'peer-closed' | 'closed' | 'broken';
  readonly suite: SuiteName;
  readonly conversationId: Uint8Array;
  readonly role: 'initiator' | 'responder';
  readonly own: Participant;
  readonly peer: Participant;
  /** Relay identity that both ends agreed on. */
  readonly relayIdentity: Uint8Array;
  readonly ownBinding: Uint8Array;
  readonly peerBinding: Uint8Array;
  readonly consistency: Consistency;
  readonly send: SendState;
  readonly receive: ReceiveState;
  readonly outbox: readonly OutboxEntry[];
  readonly inbox: readonly InboxEntry[];
  /** When an ACK is due at the latest. */
  readonly acknowledgeAtMs: number | undefined;
  /** When a state that is ending ends. */
  readonly endsAtMs: number | undefined;
  /** Why this side closed it, once it has. */
  readonly closeReason: CloseReason | undefined;
}

/** Bounds and delays, with their defaults in {@link DEFAULT_OPTIONS}. */
export interface ConversationOptions {
  /** How lengths are hidden: `padme`, or `none`, which shows them to the relay; default `padme`. */
  readonly padding: Padding;
  /** An ACK waits this long for others to join it; default 20. */
  readonly acknowledgeAfterMs: number;
  /** First repeat of an unacknowledged message; doubles each time; default 2,000. */
  readonly repeatAfterMs: number;
  /** Longest time between repeats; default 60,000. */
  readonly repeatAtMostMs: number;
  /** A message fails when the relay has called the peer unreachable for this long; default 60,000. */
  readonly unreachableAfterMs: number;
  /** A gap holds later messages back for this long; default 30,000. */
  readonly holdBackMs: number;
  /** How long an ending conversation waits for what is outstanding; default 5,000. */
  readonly closeAfterMs: number;
  /** How long keys outlive their epoch; default 600,000. */
  readonly keepKeysMs: number;
  /** Unacknowledged messages at most; default 256. */
  readonly window: number;
  /**
   * Messages at most that wait in the inbox, to be taken or for an earlier one; default 1,000. What comes beyond is not
   * acknowledged, and comes again.
   */
  readonly inboxWindow: number;
  /** Bytes at most that wait in the inbox; default 16 MiB. One message always has a place. */
  readonly inboxBytes: number;
}

/** Defaults of {@link ConversationOptions}. */
export const DEFAULT_OPTIONS: ConversationOptions = {
  padding: 'padme',
  acknowledgeAfterMs: 20,
  repeatAfterMs: 2_000,
  repeatAtMostMs: 60_000,
  unreachableAfterMs: 60_000,
  holdBackMs: 30_000,
  closeAfterMs: 5_000,
  keepKeysMs: 600_000,
  window: 256,
  inboxWindow: 1_000,
  inboxBytes: 16_777_216,
};

/** What a step needs besides state and input. */
export interface ConversationContext {
  /** The suite that the state names. */
  readonly suite: Suite;
  readonly random: RandomBytes;
  readonly options: ConversationOptions;
}

/** What a conversation starts from: the handshake's result. The secrets are erased. */
export interface ConversationStart {
  readonly role: 'initiator' | 'responder';
  readonly conversationId: Uint8Array;
  readonly finalTranscriptHash: Uint8Array;
  readonly secrets: { readonly initiator: Uint8Array; readonly responder: Uint8Array };
  readonly own: Participant;
  readonly peer: Participant;
  readonly relayIdentity: Uint8Array;
  readonly nowMs: number;
}

/** The state of a conversation in which nothing has been said. */
export function startConversation(start: ConversationStart, context: ConversationContext): ConversationState {
  const { suite } = context;
  const { role, conversationId, finalTranscriptHash, own, peer } = start;
  const [sending, receiving] = role === 'initiator' ? ([0, 1] as const) : ([1, 0] as const);
  const { initiator, responder } = start.secrets;
  const [ownSecret, peerSecret] = role === 'initiator' ? [initiator, responder] : [responder, initiator];
  const epochOf = (x: Uint8Array, direction: 0 | 1): Epoch =>
    deriveEpoch(suite, x, conversationId, direction, 0, finalTranscriptHash);
  const peerEpoch = epochOf(peerSecret, receiving);
  const ownHash = firstHash(suite, finalTranscriptHash, sending);
  return {
    version: STATE_VERSION,
    at: 'open',
    suite: suite.name,
    conversationId,
    role,
    own,
    peer,
    relayIdentity: start.relayIdentity,
    ownBinding: conversationBinding(suite, conversationId, sending, own, peer),
    peerBinding: conversationBinding(suite, conversationId, receiving, peer, own),
    consistency: 'consistent',
    send: {
      current: epochOf(ownSecret, sending),
      bytesSealed: 0,
      epochStartedAtMs: start.nowMs,
      announcement: NOTHING,
      acknowledged: false,
      messageCarried: false,
      lastAck: undefined,
      ratchetKeys: [],
      m: 0,
      hash: ownHash,
      lost: [],
      lostToldAt: undefined,
      seenM: 0,
      seenHash: ownHash,
      peerSpoke: false,
      rekeyAsked: false,
    },
    receive: {
      epochs: [{ ...peerEpoch, length: undefined, closesAtMs: undefined, announcementHash: NOTHING }],
      skipped: [],
      early: [],
      announced: undefined,
      history: { m: 0, hash: firstHash(suite, finalTranscriptHash, receiving), gaps: [] },
      passedBelow: 0,
      ratchetKey: undefined,
    },
    outbox: [],
    inbox: [],
    acknowledgeAtMs: undefined,
    endsAtMs: undefined,
    closeReason: undefined,
  };
}

/**
 * Overwrites the keys of a state that has been replaced: those that the newer state does not hold, nor `other`. Call it
 * when the newer state is stored, never before.
 */
export function eraseSuperseded(
  older: ConversationState,
  newer: ConversationState | undefined,
  other?: ConversationState,
): void {
  if (newer !== undefined && older.send === newer.send && older.receive === newer.receive) return;
  // No lists are made of this: it is done with every record.
  const erase = (key: Uint8Array): void => {
    if (!(newer !== undefined && holds(newer, key)) && !(other !== undefined && holds(other, key))) wipe(key);
  };
  eachKey(older, erase);
  const { skipped } = older.receive;
  if (skipped.length === 0 || skipped === newer?.receive.skipped) return;
  // Skipped keys can be thousands, all else is a dozen.
  const kept = new Set<Uint8Array>();
  for (const { key } of newer?.receive.skipped ?? []) kept.add(key);
  for (const { key } of other?.receive.skipped ?? []) kept.add(key);
  for (const { key } of skipped) if (!kept.has(key)) wipe(key);
}

/** All keys but those of records that were passed over. */
function eachKey({ send, receive }: ConversationState, act: (key: Uint8Array) => void): void {
  const ofEpoch = (epoch: Epoch): void => {
    act(epoch.root);
    act(epoch.announcementKey);
    act(epoch.chainKey);
  };
  ofEpoch(send.current);
  for (const epoch of receive.epochs) ofEpoch(epoch);
  if (receive.announced !== undefined) ofEpoch(receive.announced);
  for (const key of send.ratchetKeys) act(key.pair.decapsulationKey);
}

function holds({ send, receive }: ConversationState, key: Uint8Array): boolean {
  if (epochHolds(send.current, key)) return true;
  for (const epoch of receive.epochs) if (epochHolds(epoch, key)) return true;
  if (receive.announced !== undefined && epochHolds(receive.announced, key)) return true;
  for (const { pair } of send.ratchetKeys) if (pair.decapsulationKey === key) return true;
  return false;
}

function epochHolds(epoch: Epoch, key: Uint8Array): boolean {
  return epoch.chainKey === key || epoch.root === key || epoch.announcementKey === key;
}

const NOTHING = new Uint8Array(0);
