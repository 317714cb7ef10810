/** What handshakes say of the conversation before, and what is made of it (docs/protocol.md §7). */
import { SimsError } from '../errors.ts';
import type { HandshakeParameters } from '../handshake/parameters.ts';
import {
  comparePrevious,
  decodePrevious,
  encodePrevious,
  previousOf,
  type Previous,
  type PreviousComparison,
} from '../session/previous.ts';
import type { ConversationState } from '../session/state.ts';

/** What this side says of the last conversation with a peer. */
export function previousParameters(last: ConversationState | undefined): HandshakeParameters {
  const previous = last && previousOf(last);
  return previous === undefined ? {} : { previous: encodePrevious(previous) };
}

/**
 * What a peer's word shows.
 *
 * @param known - the last state with that peer, as it was before the peer can have made up its word: what came later is no
 *   sign that the peer lacks it
 */
export function judgePrevious(
  known: ConversationState | undefined,
  { previous }: HandshakeParameters,
): PreviousComparison | undefined {
  if (known === undefined) return undefined;
  let offered: Previous | undefined;
  try {
    offered = previous && decodePrevious(previous);
  } catch (error) {
    if (!(error instanceof SimsError)) throw error;
    return undefined;
  }
  return comparePrevious(known, offered);
}
