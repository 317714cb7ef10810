/**
 * What a conversation that began from a bundle keeps beside its state, in the same stored record.
 *
 * @packageDocumentation
 */
import type { Value } from '../codec/value.ts';
import {
  addressBytes,
  addressFromBytes,
  messageIdBytes,
  messageIdFromBytes,
  type MessageId,
} from '../messages/address.ts';
import type { ClientConnect } from '../messages/clientConnect.ts';
import type { ContentKind, ConversationState } from '../session/state.ts';
import type { Keeper } from './sessionActor.ts';

/** What was sent, until the peer surely holds the keys that it was sealed with. */
export interface KeptContent {
  readonly kind: ContentKind;
  readonly content: Uint8Array;
  readonly expiresAtMs: number | undefined;
}

/** At the side that began. */
export interface OwnStart {
  readonly role: 'initiator';
  readonly bundleId: Uint8Array;
  /** Phase 3, with `dst`: sent again as the same bytes. */
  readonly message: ClientConnect;
  /** End of the bundle. */
  readonly notAfterMs: number;
  /** Id of the conversation whose messages this one took over; empty when there is none. */
  readonly replaces: Uint8Array;
  /** By message id, what may have to be sealed again under other keys. */
  readonly contents: Map<MessageId, KeptContent>;
}

/** At the owner of the bundle. */
export interface PeerStart {
  readonly role: 'responder';
  readonly bundleId: Uint8Array;
  /** SHA-256 of the body of phase 3: the same again is a repeat. */
  readonly digest: Uint8Array;
  /** Ids of messages that came, for as long as the peer might send them again in another start. */
  readonly ids: Set<MessageId>;
}

/** Of either side. */
export type Start = OwnStart | PeerStart;

/** Ids that are kept of one start; whoever is unconfirmed has fewer messages outstanding. */
const MAX_IDS = 1_024;
const KINDS: readonly ContentKind[] = ['text', 'data'];

/** Whether any record of the peer has opened: it holds the keys. */
export function isHeard(state: ConversationState): boolean {
  return state.receive.epochs.some(({ epoch, next }) => epoch > 0 || next > 0);
}

/** Whether the peer has shown that a record of this side opened there: it will not begin anew with the same messages. */
export function knowsOwn(state: ConversationState): boolean {
  return state.send.seenM > 0 || state.receive.epochs.some(({ epoch }) => epoch > 0);
}

/** A keeper that keeps a start in step with the states of its session. */
export function following(keeper: Keeper, start: Start | undefined): Keeper {
  if (start === undefined) return keeper;
  return {
    commit(state) {
      const committing = keeper.commit(state);
      // What is not needed any more goes when that is stored, not before.
      if (committing === undefined) settle(start, state);
      else return committing.then(() => settle(start, state));
      return undefined;
    },
  };
}

/** Remembers that a message of a session was shown to the application; it is stored with the session's next state. */
export function remember(start: Start | undefined, state: ConversationState, id: MessageId): void {
  if (start?.role === 'responder' && start.ids.size < MAX_IDS && !knowsOwn(state)) start.ids.add(id);
}

function settle(start: Start, state: ConversationState): void {
  if (start.role === 'initiator') {
    if (isHeard(state)) start.contents.clear();
  } else if (knowsOwn(state)) start.ids.clear();
}

/** What is stored of a start beside a state; an empty array when nothing is needed any more. */
export function encodeStart(start: Start | undefined, state: ConversationState): Value {
  if (start === undefined) return [];
  if (start.role === 'responder') {
    const ids = knowsOwn(state) ? [] : [...start.ids].map((id) => messageIdBytes(id));
    return [1, start.bundleId, start.digest, ids];
  }
  if (isHeard(state)) return [];
  const { bundleId, message, notAfterMs, replaces, contents } = start;
  const kept: Value[] = [];
  for (const { id } of state.outbox) {
    const entry = contents.get(id);
    if (entry === undefined) continue;
    kept.push([messageIdBytes(id), KINDS.indexOf(entry.kind), entry.content, entry.expiresAtMs ?? null]);
  }
  return [
    0,
    bundleId,
    messageIdBytes(message.id),
    addressBytes(message.dst!),
    message.data,
    notAfterMs,
    replaces,
    kept,
  ];
}

/** The start in what {@link encodeStart} made. @throws TypeError for anything else */
export function decodeStart(value: unknown): Start | undefined {
  const fields = list(value);
  if (fields.length === 0) return undefined;
  if (fields[0] === 1 && fields.length === 4) {
    return {
      role: 'responder',
      bundleId: bytes(fields[1]),
      digest: bytes(fields[2]),
      ids: new Set(list(fields[3]).map((id) => messageIdFromBytes(bytes(id)))),
    };
  }
  if (fields[0] !== 0 || fields.length !== 8) throw new TypeError('not a start');
  return {
    role: 'initiator',
    bundleId: bytes(fields[1]),
    message: {
      type: 'client-connect',
      phase: 3,
      id: messageIdFromBytes(bytes(fields[2])),
      dst: addressFromBytes(bytes(fields[3])),
      data: bytes(fields[4]),
    },
    notAfterMs: number(fields[5]),
    replaces: bytes(fields[6]),
    contents: new Map(list(fields[7]).map(decodeContent)),
  };
}

function decodeContent(value: unknown): [MessageId, KeptContent] {
  const [id, kindNumber, content, expiresAtMs] = list(value);
  const kind = KINDS[number(kindNumber)];
  if (kind === undefined) throw new TypeError('not a kind of content');
  return [
    messageIdFromBytes(bytes(id)),
    { kind, content: bytes(content), expiresAtMs: expiresAtMs === null ? undefined : number(expiresAtMs) },
  ];
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value as readonly unknown[];
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError('not bytes');
  return Uint8Array.from(value);
}

function number(value: unknown): number {
  if (typeof value !== 'number') throw new TypeError('not a number');
  return value;
}
