/**
 * BER made DER. PKCS #12 files come in BER: browsers and Windows write indefinite lengths and strings in pieces.
 *
 * @packageDocumentation
 */
import { concat } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { element } from './createDer.ts';

const MAXIMUM_DEPTH = 32;
const CONSTRUCTED = 0x20;
const END_OF_CONTENTS = 0;
const OCTET_STRING_IN_PIECES = 0x24;

/**
 * The first element of the bytes with definite, minimal lengths and octet strings in one piece. Other values are left
 * as they are.
 *
 * @throws `cc/pkcs12-malformed`
 */
export function derFromBer(ber: Uint8Array): Uint8Array {
  return convert(ber, 0, ber.length, 0).der;
}

interface Converted {
  readonly identifier: number;
  readonly der: Uint8Array;
  /** The contents alone. */
  readonly contents: Uint8Array;
  readonly next: number;
}

function convert(ber: Uint8Array, start: number, end: number, depth: number): Converted {
  const identifier = ber[start];
  const first = ber[start + 1];
  if (identifier === undefined || first === undefined || start + 2 > end) throw malformed(start);
  if (depth > MAXIMUM_DEPTH || (identifier & 0x1f) === 0x1f) throw malformed(start);
  const isIndefinite = first === 0x80;
  const isConstructed = (identifier & CONSTRUCTED) !== 0;
  if (isIndefinite && !isConstructed) throw malformed(start);
  const { contentsAt, length } = isIndefinite ? { contentsAt: start + 2, length: 0 } : readLength(ber, start + 1);
  const contentsEnd = isIndefinite ? end : contentsAt + length;
  if (contentsEnd > end) throw malformed(start);
  if (!isConstructed) {
    const contents = ber.subarray(contentsAt, contentsEnd);
    return { identifier, der: element(identifier, contents), contents, next: contentsEnd };
  }
  const parts: Converted[] = [];
  let at = contentsAt;
  while (at < contentsEnd) {
    if (isIndefinite && ber[at] === END_OF_CONTENTS && ber[at + 1] === 0) break;
    const part = convert(ber, at, contentsEnd, depth + 1);
    parts.push(part);
    at = part.next;
  }
  if (isIndefinite && at + 2 > contentsEnd) throw malformed(start);
  const next = isIndefinite ? at + 2 : contentsEnd;
  const isInPieces = identifier === OCTET_STRING_IN_PIECES;
  const contents = concat(...parts.map((part) => (isInPieces ? part.contents : part.der)));
  const derIdentifier = isInPieces ? identifier & ~CONSTRUCTED : identifier;
  return { identifier: derIdentifier, der: element(derIdentifier, contents), contents, next };
}

function readLength(ber: Uint8Array, at: number): { contentsAt: number; length: number } {
  const first = ber[at]!;
  if (first < 0x80) return { contentsAt: at + 1, length: first };
  const count = first & 0x7f;
  let length = 0;
  for (let index = 1; index <= count; index += 1) {
    length = length * 256 + (ber[at + index] ?? 0);
    if (length > ber.length) throw malformed(at);
  }
  return { contentsAt: at + 1 + count, length };
}

function malformed(at: number): SimsError {
  return new SimsError('cc/pkcs12-malformed', `the bytes are not BER at octet ${at}`);
}
