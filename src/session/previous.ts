/**
 * What a side still knows of a conversation that did not end in order, and what its peer makes of it
 * (docs/protocol.md §7, `previous`).
 *
 * @packageDocumentation
 */
import { concat, equal } from '../bytes.ts';
import { HISTORY_HASH_LENGTH } from './body.ts';
import { CONVERSATION_ID_LENGTH } from './saData.ts';
import type { ConversationState } from './state.ts';
import { RecordReader, varintLength, writeVarint } from './varint.ts';

/** Where a direction of a history stands. */
export interface Tip {
  /** Highest number; 0 when none. */
  readonly m: number;
  /** H there. */
  readonly hash: Uint8Array;
}

/** The two ends of a history, as one side has them. */
export interface Previous {
  readonly conversationId: Uint8Array;
  readonly own: Tip;
  readonly peer: Tip;
}

/**
 * What the two tips show. `agrees`: nothing that this side has contradicts the peer's. `rollback`: one side has less than
 * it once had, or something else. `lost-state`: the peer knows nothing of a conversation in which it was heard.
 */
export type PreviousVerdict = 'agrees' | 'rollback' | 'lost-state';

/** A verdict with what it rests on. */
export interface PreviousComparison {
  readonly verdict: PreviousVerdict;
  /** The conversation in question, 8 bytes. */
  readonly conversationId: Uint8Array;
  /** For a rollback: whose messages differ, and both tips; equal hashes with another number are fewer messages. */
  readonly evidence?: { readonly direction: 'own' | 'peer'; readonly expected: Tip; readonly got: Tip };
}

/** What to tell of a state; `undefined` when nothing was said in it. */
export function previousOf(state: ConversationState): Previous | undefined {
  const { conversationId, send, receive } = state;
  if (send.m === 0 && receive.history.m === 0) return undefined;
  return {
    conversationId,
    own: { m: send.m, hash: send.hash },
    peer: { m: receive.history.m, hash: receive.history.hash },
  };
}

/** The parameter's bytes. */
export function encodePrevious({ conversationId, own, peer }: Previous): Uint8Array {
  return concat(conversationId, varint(own.m), own.hash, varint(peer.m), peer.hash);
}

/** The parameter of a peer, whose own direction is then `own`. @throws `session/malformed-record` */
export function decodePrevious(bytes: Uint8Array): Previous {
  const reader = new RecordReader(bytes);
  const tip = (): Tip => ({ m: reader.varint(), hash: reader.take(HISTORY_HASH_LENGTH).slice() });
  const conversationId = reader.take(CONVERSATION_ID_LENGTH).slice();
  const previous = { conversationId, own: tip(), peer: tip() };
  reader.end();
  return previous;
}

/**
 * Compares what the peer offers with what this side has of the last conversation with it; `undefined` when there is nothing
 * to compare: this side knows of none, or the peer was never heard in it.
 */
export function comparePrevious(
  state: ConversationState,
  offered: Previous | undefined,
): PreviousComparison | undefined {
  const { conversationId, send, receive } = state;
  const { m, hash } = receive.history;
  if (offered === undefined || !equal(offered.conversationId, conversationId)) {
    const wasHeard = m > 0 || send.seenM > 0;
    return wasHeard && offered === undefined ? { verdict: 'lost-state', conversationId } : undefined;
  }
  const rollback = (direction: 'own' | 'peer', expected: Tip, got: Tip): PreviousComparison => ({
    verdict: 'rollback',
    conversationId,
    evidence: { direction, expected, got },
  });
  const received: Tip = { m, hash };
  // Its own messages: it has sent all that came here.
  if (offered.own.m < m) return rollback('peer', received, offered.own);
  if (offered.own.m === m && !equal(offered.own.hash, hash)) return rollback('peer', received, offered.own);
  // This side's: it has all that it acknowledged, and nothing that was never sent.
  const seen: Tip = { m: send.seenM, hash: send.seenHash };
  const sent: Tip = { m: send.m, hash: send.hash };
  if (offered.peer.m > send.m) return rollback('own', sent, offered.peer);
  if (offered.peer.m < send.seenM) return rollback('own', seen, offered.peer);
  for (const known of [seen, sent]) {
    if (offered.peer.m === known.m && !equal(offered.peer.hash, known.hash))
      return rollback('own', known, offered.peer);
  }
  return { verdict: 'agrees', conversationId };
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
