/**
 * Close codes of WebSocket (RFC 6455 §7.4) and the reasons that they stand for.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import type { CloseReason } from './transport.ts';

/** The codes that this package sends. A script may send 1000 and 3000 to 4999 only, hence the private ones. */
export const CLOSE_CODES = { normal: 1000, aborted: 4000, malformed: 4007, tooLarge: 4009, overrun: 4013 } as const;

/** The code that tells the peer of a reason other than an orderly end. */
export function closeCodeFor(reason: CloseReason): number {
  switch (reason.kind) {
    case 'too-large':
      return CLOSE_CODES.tooLarge;
    case 'malformed':
      return CLOSE_CODES.malformed;
    case 'overrun':
      return CLOSE_CODES.overrun;
    default:
      return CLOSE_CODES.aborted;
  }
}

/**
 * What the peer's code means here: 1000, 1001 (going away), 1005 (none), 1012 (restart) and 1013 (try later) are orderly; 1006 (no
 * close frame), 1011 (failed) and 4000 are a lost connection; every other code names a breach. The peer's text is cut to 80 characters.
 */
export function reasonOfCloseCode(code: number, text: string): CloseReason {
  switch (code) {
    case 1000:
    case 1001:
    case 1005:
    case 1012:
    case 1013:
      return { kind: 'peer' };
    case 1006:
      return { kind: 'network', error: new SimsError('transport/lost', 'no close frame') };
    case 1011:
    case CLOSE_CODES.aborted:
      return { kind: 'network', error: new SimsError('transport/lost', `the peer gave up, code ${code}`) };
    default:
      return {
        kind: 'rejected',
        error: new SimsError('transport/rejected', `code ${code} ${JSON.stringify(text.slice(0, 80))}`),
      };
  }
}
