/**
 * What a side may tell its peer of a handshake that failed.
 *
 * @packageDocumentation
 */
import type { SimsError } from '../errors.ts';
import type { ErrorReason } from '../messages/reason.ts';

/** The code of an `error` message for the error in `failed`. Says no more than the specification's list does. */
export function failureReason(error: SimsError): ErrorReason {
  switch (error.code) {
    case 'handshake/no-common-suite':
      return 'no-common-suite';
    case 'handshake/unsupported-version':
      return 'unsupported-version';
    case 'handshake/unexpected-message':
      return 'unexpected';
    case 'handshake/timeout':
      return 'timeout';
    case 'handshake/rejected':
      return 'rejected';
    default:
      if (error.code.startsWith('codec/') || error.code.startsWith('messages/')) return 'malformed';
      return error.fault === 'peer' ? 'handshake-failed' : 'internal';
  }
}
