/**
 * CBOR and JSON as the protocol takes them, with limits on what bytes of a peer may cost.
 *
 * @packageDocumentation
 */
export { decodeCbor, encodeCbor } from './cbor.ts';
export { decodeJson, encodeJson } from './json.ts';
export {
  BODY_LIMITS,
  DEFAULT_LIMITS,
  LIMITS_BEFORE_HOP,
  MAX_BODY_BYTES,
  MAX_DEPTH,
  MAX_FRAME_BYTES,
  MAX_FRAME_BYTES_BEFORE_HOP,
  type Limits,
} from './limits.ts';
export type { Key, Value, ValueMap } from './value.ts';
