/**
 * The hash chain of each direction: what was said, in which order, with which holes (docs/protocol.md §7).
 *
 * @packageDocumentation
 */
import { concat, equal, lengthPrefixed, uint32, utf8 } from '../bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { HISTORY_HASH_LENGTH, type Range, type Seen } from './body.ts';
import type { Direction } from './ratchet.ts';

/** Messages that have not come, with the hashes that they must fit between. */
export interface Gap extends Range {
  /** H of the message before the gap; unknown beside a message that was given up. */
  readonly before: Uint8Array | undefined;
  /** H of the gap's last message; unknown beside a message that was given up. */
  readonly after: Uint8Array | undefined;
}

/** A receiver's view of one direction. */
export interface History {
  /** Highest number received; 0 when none. */
  readonly m: number;
  /** H at {@link History.m}. */
  readonly hash: Uint8Array;
  readonly gaps: readonly Gap[];
}

/** What a numbered message is to a history. */
export type Placement =
  | { readonly as: 'next' | 'ahead' | 'late'; readonly history: History }
  | { readonly as: 'repeated' }
  | { readonly as: 'fork'; readonly m: number; readonly expected: Uint8Array; readonly got: Uint8Array }
  | { readonly as: 'too-many-gaps' };

const LABEL = utf8('SIMS 1 message');
const NUMBER_AT = LABEL.length + HISTORY_HASH_LENGTH;
const DATA_AT = NUMBER_AT + 12;

/** H_0 of a direction. */
export function firstHash(suite: Suite, finalTranscriptHash: Uint8Array, direction: Direction): Uint8Array {
  const bytes = lengthPrefixed('SIMS 1 history', finalTranscriptHash, Uint8Array.of(direction));
  return suite.provider.hash('SHA-256', bytes).slice(0, HISTORY_HASH_LENGTH);
}

/** H_m from H_{m−1} and the record that carries m. */
export function nextHash(
  suite: Suite,
  previousHash: Uint8Array,
  m: number,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const length = DATA_AT + associatedData.length + sealed.length;
  const bytes = length > MOST_SCRATCH ? new Uint8Array(length) : scratchOf(length);
  bytes.set(LABEL);
  bytes.set(previousHash, LABEL.length);
  writeUint32(bytes, NUMBER_AT, Math.floor(m / 2 ** 32));
  writeUint32(bytes, NUMBER_AT + 4, m);
  writeUint32(bytes, NUMBER_AT + 8, associatedData.length);
  bytes.set(associatedData, DATA_AT);
  bytes.set(sealed, DATA_AT + associatedData.length);
  return suite.provider.hash('SHA-256', bytes).slice(0, HISTORY_HASH_LENGTH);
}

/** Used for every hash up to this length, nothing of which is secret: new memory costs more than the copies into it. */
const MOST_SCRATCH = 65_536;
let scratch: Uint8Array | undefined;

function scratchOf(length: number): Uint8Array {
  if (scratch === undefined || scratch.length < length) {
    scratch = new Uint8Array(Math.min(MOST_SCRATCH, Math.max(1_024, length * 2)));
  }
  return scratch.subarray(0, length);
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

/** A whole number below 2^53 in 8 bytes, big-endian. */
export function uint64(value: number): Uint8Array {
  return concat(uint32(Math.floor(value / 2 ** 32)), uint32(value));
}

/** Where message m belongs, by the hash that it carries and the hash that it has. */
export function place(
  history: History,
  m: number,
  previousHash: Uint8Array,
  ownHash: Uint8Array,
  maxGaps: number,
): Placement {
  if (m === history.m + 1) {
    if (!equal(previousHash, history.hash)) return { as: 'fork', m: m - 1, expected: history.hash, got: previousHash };
    return { as: 'next', history: { m, hash: ownHash, gaps: history.gaps } };
  }
  if (m > history.m) {
    if (history.gaps.length >= maxGaps) return { as: 'too-many-gaps' };
    const gap: Gap = { first: history.m + 1, length: m - history.m - 1, before: history.hash, after: previousHash };
    return { as: 'ahead', history: { m, hash: ownHash, gaps: [...history.gaps, gap] } };
  }
  // The same number twice, with other bytes: two writers have the sender's keys.
  if (m === history.m && !equal(ownHash, history.hash)) return { as: 'fork', m, expected: history.hash, got: ownHash };
  const index = history.gaps.findIndex((gap) => m >= gap.first && m < gap.first + gap.length);
  const gap = history.gaps[index];
  return gap === undefined ? { as: 'repeated' } : fill(history, index, gap, m, previousHash, ownHash, maxGaps);
}

/**
 * The history with the sender's given-up messages no longer awaited; `undefined` when a hole in the middle of a gap
 * would make more than `maxGaps` gaps.
 */
export function closeGaps(history: History, lost: readonly Range[], maxGaps: number): History | undefined {
  let gaps = history.gaps;
  for (const range of lost) {
    const touches = (gap: Gap): boolean =>
      range.first < gap.first + gap.length && gap.first < range.first + range.length;
    if (gaps.some(touches)) gaps = gaps.flatMap((gap) => (touches(gap) ? without(gap, range) : [gap]));
  }
  if (gaps === history.gaps) return history;
  return gaps.length > maxGaps ? undefined : { ...history, gaps };
}

/** `seen` of a history, as it travels. */
export function seenOf(history: History): Seen {
  return { m: history.m, hash: history.hash, gaps: history.gaps };
}

/** Whether `seen` says that message m has come. */
export function hasSeen(seen: Seen, m: number): boolean {
  return m <= seen.m && !seen.gaps.some((gap) => m >= gap.first && m < gap.first + gap.length);
}

function fill(
  history: History,
  index: number,
  gap: Gap,
  m: number,
  previousHash: Uint8Array,
  ownHash: Uint8Array,
  maxGaps: number,
): Placement {
  const end = gap.first + gap.length;
  if (m === gap.first && gap.before !== undefined && !equal(previousHash, gap.before)) {
    return { as: 'fork', m: m - 1, expected: gap.before, got: previousHash };
  }
  if (m === end - 1 && gap.after !== undefined && !equal(ownHash, gap.after)) {
    return { as: 'fork', m, expected: gap.after, got: ownHash };
  }
  const parts: Gap[] = [];
  if (m > gap.first) parts.push({ first: gap.first, length: m - gap.first, before: gap.before, after: previousHash });
  if (m < end - 1) parts.push({ first: m + 1, length: end - m - 1, before: ownHash, after: gap.after });
  const gaps = [...history.gaps.slice(0, index), ...parts, ...history.gaps.slice(index + 1)];
  return gaps.length > maxGaps ? { as: 'too-many-gaps' } : { as: 'late', history: { ...history, gaps } };
}

function without(gap: Gap, range: Range): Gap[] {
  const end = gap.first + gap.length;
  const rangeEnd = range.first + range.length;
  const left: Gap = { first: gap.first, length: range.first - gap.first, before: gap.before, after: undefined };
  const right: Gap = { first: rangeEnd, length: end - rangeEnd, before: undefined, after: gap.after };
  return [left, right].filter((part) => part.length > 0);
}
