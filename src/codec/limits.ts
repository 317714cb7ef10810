/**
 * Bounds that are checked before, or while, anything is built from bytes of a peer.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** What one decoding may cost. */
export interface Limits {
  /** Length of the input. */
  readonly maxBytes: number;
  /** Maps and arrays inside one another; the outermost counts as 1. */
  readonly maxDepth: number;
  /** Values and keys of the whole input: one byte of CBOR can ask for an object of a hundred. */
  readonly maxItems: number;
}

/** The longest frame (docs/protocol.md section 2.1), in bytes. */
export const MAX_FRAME_BYTES = 1_048_576;
/** The longest frame before the hop is established, in bytes. */
export const MAX_FRAME_BYTES_BEFORE_HOP = 65_536;
/** The longest body of a handshake phase (section 4), in bytes. */
export const MAX_BODY_BYTES = 65_536;
/** The deepest nesting (section 2.1). */
export const MAX_DEPTH = 8;

/** Limits of a message over an established hop. */
export const DEFAULT_LIMITS: Limits = { maxBytes: MAX_FRAME_BYTES, maxDepth: MAX_DEPTH, maxItems: 131_072 };
/** Limits of a message before the hop is established. */
export const LIMITS_BEFORE_HOP: Limits = { ...DEFAULT_LIMITS, maxBytes: MAX_FRAME_BYTES_BEFORE_HOP, maxItems: 8_192 };
/** Limits of a handshake body. */
export const BODY_LIMITS: Limits = { ...DEFAULT_LIMITS, maxBytes: MAX_BODY_BYTES, maxItems: 8_192 };

/**
 * Call before anything else touches the input.
 *
 * @throws `codec/length-over-limit`, `codec/truncated` for no bytes at all
 */
export function checkLength(bytes: Uint8Array, limits: Limits): void {
  if (bytes.length === 0) throw new SimsError('codec/truncated', 'no bytes at all');
  if (bytes.length > limits.maxBytes) {
    throw new SimsError('codec/length-over-limit', `${bytes.length} bytes, the limit is ${limits.maxBytes}`);
  }
}
