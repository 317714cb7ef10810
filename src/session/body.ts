/**
 * What a conversation's record seals: numbers, hashes and content (docs/protocol.md §5.3).
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { bucketLength, unpaddedLength, type Padding } from './padding.ts';
import { RecordReader, varintLength, writeVarint } from './varint.ts';

/** Bytes of a history hash. */
export const HISTORY_HASH_LENGTH = 16;
/** Most ranges in a list of gaps or of given-up messages. */
export const MAX_RANGES = 32;

/** Numbers `first` to `first + length - 1`. */
export interface Range {
  readonly first: number;
  readonly length: number;
}

/** What a side has of its peer's messages: the highest number, the history's hash there, and what is missing below. */
export interface Seen {
  readonly m: number;
  readonly hash: Uint8Array;
  readonly gaps: readonly Range[];
}

/** A sender's numbered public key for the rekeys of its peer. */
export interface RatchetPublicKey {
  readonly number: number;
  readonly encapsulationKey: Uint8Array;
}

/** One record, opened. */
export interface RecordBody {
  /** Absent in ACKs. */
  readonly numbered: { readonly m: number; readonly previousHash: Uint8Array } | undefined;
  readonly seen: Seen;
  readonly ratchetKey: RatchetPublicKey | undefined;
  /** Own messages that the sender has given up. */
  readonly lost: readonly Range[];
  readonly content: Uint8Array;
}

const NUMBERED = 0x01;
const GAPS = 0x02;
const RATCHET_KEY = 0x04;
const LOST = 0x08;
const KNOWN_FLAGS = NUMBERED | GAPS | RATCHET_KEY | LOST;

/** The body, padded, in new memory; `kind` is a byte before the content. */
export function encodeBody(body: RecordBody, padding: Padding, kind?: number): Uint8Array {
  const { numbered, seen, ratchetKey, lost, content } = body;
  let length = 1 + varintLength(seen.m) + HISTORY_HASH_LENGTH + content.length;
  if (numbered !== undefined) length += varintLength(numbered.m) + HISTORY_HASH_LENGTH;
  if (seen.gaps.length > 0) length += rangesLength(seen.gaps);
  if (ratchetKey !== undefined) length += varintLength(ratchetKey.number) + ratchetKey.encapsulationKey.length;
  if (lost.length > 0) length += rangesLength(lost);
  if (kind !== undefined) length += 1;

  const bytes = new Uint8Array(bucketLength(length + 1, padding));
  bytes[0] =
    (numbered === undefined ? 0 : NUMBERED) |
    (seen.gaps.length > 0 ? GAPS : 0) |
    (ratchetKey === undefined ? 0 : RATCHET_KEY) |
    (lost.length > 0 ? LOST : 0);
  let offset = 1;
  if (numbered !== undefined) {
    offset = writeVarint(bytes, offset, numbered.m);
    offset = write(bytes, offset, numbered.previousHash);
  }
  offset = writeVarint(bytes, offset, seen.m);
  offset = write(bytes, offset, seen.hash);
  if (seen.gaps.length > 0) offset = writeRanges(bytes, offset, seen.gaps);
  if (ratchetKey !== undefined) {
    offset = writeVarint(bytes, offset, ratchetKey.number);
    offset = write(bytes, offset, ratchetKey.encapsulationKey);
  }
  if (lost.length > 0) offset = writeRanges(bytes, offset, lost);
  if (kind !== undefined) {
    bytes[offset] = kind;
    offset += 1;
  }
  offset = write(bytes, offset, content);
  bytes[offset] = 0x80;
  return bytes;
}

/**
 * The body of an opened record; its byte fields are views of `bytes`.
 *
 * @param encapsulationKeyLength - length of the suite's ratchet keys; 0 where the suite has none
 * @throws `session/malformed-record`
 */
export function decodeBody(bytes: Uint8Array, encapsulationKeyLength: number): RecordBody {
  const end = unpaddedLength(bytes);
  if (end < 0) throw new SimsError('session/malformed-record', 'the padding has no marker');
  const reader = new RecordReader(bytes.subarray(0, end));
  const flags = reader.byte();
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new SimsError('session/malformed-record', `unknown flags ${flags}`);
  let numbered: RecordBody['numbered'];
  if ((flags & NUMBERED) !== 0) {
    const m = reader.varint();
    if (m === 0) throw new SimsError('session/malformed-record', 'message number 0');
    numbered = { m, previousHash: reader.take(HISTORY_HASH_LENGTH) };
  }
  const seenM = reader.varint();
  const seenHash = reader.take(HISTORY_HASH_LENGTH);
  const gaps = (flags & GAPS) === 0 ? [] : readRanges(reader);
  const lastGap = gaps.at(-1);
  if (lastGap !== undefined && lastGap.first + lastGap.length > seenM) {
    throw new SimsError('session/malformed-record', 'a gap reaches beyond the highest number');
  }
  let ratchetKey: RatchetPublicKey | undefined;
  if ((flags & RATCHET_KEY) !== 0) {
    if (encapsulationKeyLength === 0)
      throw new SimsError('session/malformed-record', 'a ratchet key in a suite without');
    ratchetKey = { number: reader.varint(), encapsulationKey: reader.take(encapsulationKeyLength) };
  }
  const lost = (flags & LOST) === 0 ? [] : readRanges(reader);
  return { numbered, seen: { m: seenM, hash: seenHash, gaps }, ratchetKey, lost, content: reader.take(reader.left) };
}

function write(target: Uint8Array, offset: number, bytes: Uint8Array): number {
  target.set(bytes, offset);
  return offset + bytes.length;
}

function rangesLength(ranges: readonly Range[]): number {
  let length = 1;
  for (const range of ranges) length += varintLength(range.first) + varintLength(range.length);
  return length;
}

function writeRanges(target: Uint8Array, start: number, ranges: readonly Range[]): number {
  target[start] = ranges.length;
  let offset = start + 1;
  for (const range of ranges) {
    offset = writeVarint(target, offset, range.first);
    offset = writeVarint(target, offset, range.length);
  }
  return offset;
}

function readRanges(reader: RecordReader): Range[] {
  const count = reader.byte();
  if (count === 0 || count > MAX_RANGES) throw new SimsError('session/malformed-record', `${count} ranges`);
  const ranges: Range[] = [];
  let free = 1;
  for (let index = 0; index < count; index += 1) {
    const first = reader.varint();
    const length = reader.varint();
    if (first < free || length === 0 || first + length > Number.MAX_SAFE_INTEGER) {
      throw new SimsError('session/malformed-record', 'ranges are not ascending and apart');
    }
    ranges.push({ first, length });
    free = first + length + 1;
  }
  return ranges;
}
