/**
 * How large a message may be.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** Largest message of the protocol, in bytes; the frame limit once a hop is established. */
export const MESSAGE_LIMIT = 1_048_576;

/** Largest message before a hop is established, in bytes: a stranger may make us hold no more than this. */
export const INITIAL_MESSAGE_LIMIT = 65_536;

/**
 * Refuses a received length that no transport hands on. 0 is refused: no message is empty (its first byte names its
 * encoding), and an empty frame would cost a receiver work for nothing.
 *
 * @throws `codec/length-over-limit`, or `codec/malformed` for 0
 */
export function checkLength(length: number, limit: number): void {
  if (length > limit) throw new SimsError('codec/length-over-limit', `message of ${length} bytes, at most ${limit}`);
  if (length === 0) throw new SimsError('codec/malformed', 'message of 0 bytes');
}
