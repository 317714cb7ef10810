/**
 * The codes that `error` and `disconnect` carry (docs/protocol.md section 2.1).
 *
 * @packageDocumentation
 */
import * as v from 'valibot';
import { MAX_CODE_BYTES, text, type Schema } from './schema.ts';

/** Every code, in the order of the specification. */
export const ERROR_REASONS = [
  'malformed',
  'unknown-type',
  'unexpected',
  'too-large',
  'unknown-peer',
  'unknown-conversation',
  'rejected',
  'no-common-suite',
  'unsupported-version',
  'handshake-failed',
  'later',
  'spent',
  'expired',
  'not-authorised',
  'busy',
  'taken-over',
  'slow-consumer',
  'timeout',
  'shutting-down',
  'internal',
] as const;

/** A code on the wire: why a message was refused, or why a hop ends. */
export type ErrorReason = (typeof ERROR_REASONS)[number];

/** A code; one that this version does not know becomes `internal`. */
export const errorReason: Schema<ErrorReason> = v.pipe(
  text(MAX_CODE_BYTES),
  v.transform((code) => ERROR_REASONS.find((known) => known === code) ?? 'internal'),
);
