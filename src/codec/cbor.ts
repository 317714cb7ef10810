/**
 * CBOR in the deterministic form of RFC 8949 §4.2.1, restricted to what the protocol uses: integers below 2^53,
 * byte strings, text, arrays, maps with integer or text keys, booleans and null.
 *
 * @packageDocumentation
 */
import { fromUtf8, utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { checkLength, DEFAULT_LIMITS, MAX_DEPTH, type Limits } from './limits.ts';
import { utf8Length, type Key, type Value, type ValueMap } from './value.ts';

/**
 * The one value that `bytes` hold. Byte strings are views of `bytes`, not copies: do not change `bytes` afterwards.
 *
 * @throws `codec/truncated`, `codec/trailing-bytes`, `codec/malformed`, `codec/not-deterministic`,
 * `codec/unsupported-item`, `codec/duplicate-key`, `codec/depth-over-limit`, `codec/length-over-limit`,
 * `codec/items-over-limit`, `codec/number-over-limit`, `codec/invalid-utf8`
 */
export function decodeCbor(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): Value {
  checkLength(bytes, limits);
  const decoder = new Decoder(bytes, limits);
  const value = decoder.value(1);
  decoder.end();
  return value;
}

/**
 * The deterministic form of a value, in new memory.
 *
 * @throws `codec/invalid-value` for what the protocol's CBOR cannot hold, `codec/lone-surrogate`
 */
export function encodeCbor(value: unknown): Uint8Array {
  const bytes = new Uint8Array(sizeOf(value, 1));
  write(bytes, 0, value as Value);
  return bytes;
}

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;

/** Reads each byte once, and recurses no deeper than the limit. */
class Decoder {
  readonly #bytes: Uint8Array;
  readonly #limits: Limits;
  #offset = 0;
  #items = 0;

  constructor(bytes: Uint8Array, limits: Limits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  end(): void {
    const left = this.#bytes.length - this.#offset;
    if (left > 0) throw new SimsError('codec/trailing-bytes', `${left} bytes after the item`);
  }

  value(depth: number): Value {
    this.#items += 1;
    if (this.#items > this.#limits.maxItems) {
      throw new SimsError('codec/items-over-limit', `more than ${this.#limits.maxItems} items`);
    }
    if (this.#offset >= this.#bytes.length) throw truncated(1, 0);
    const initial = this.#bytes[this.#offset]!;
    this.#offset += 1;
    const major = initial >> 5;
    switch (major) {
      case UNSIGNED:
        return this.#number(initial);
      case NEGATIVE:
        return this.#negative(initial);
      case BYTES:
        return this.#take(this.#length(initial, 1));
      case TEXT:
        return this.#text(initial);
      case ARRAY:
        return this.#array(initial, depth);
      case MAP:
        return this.#map(initial, depth);
      case TAG:
        throw new SimsError('codec/unsupported-item', `a tag at byte ${this.#offset - 1}`);
      default:
        return this.#simple(initial);
    }
  }

  #array(initial: number, depth: number): Value {
    this.#checkDepth(depth);
    const count = this.#length(initial, 1);
    const array: Value[] = [];
    for (let index = 0; index < count; index += 1) array.push(this.value(depth + 1));
    return array;
  }

  #map(initial: number, depth: number): Value {
    this.#checkDepth(depth);
    const count = this.#length(initial, 2);
    const map = new Map<Key, Value>();
    let previousStart = 0;
    let previousEnd = 0;
    for (let index = 0; index < count; index += 1) {
      const start = this.#offset;
      const key = this.value(depth + 1);
      if (typeof key !== 'number' && typeof key !== 'string') {
        throw new SimsError('codec/unsupported-item', `a key that is neither integer nor text at byte ${start}`);
      }
      if (index > 0 && !this.#ascends(previousStart, previousEnd, start)) {
        if (map.has(key)) throw new SimsError('codec/duplicate-key', `a key again at byte ${start}`);
        throw new SimsError('codec/not-deterministic', `keys are not sorted at byte ${start}`);
      }
      previousStart = start;
      previousEnd = this.#offset;
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  /** Whether the key that begins at `start` and ends here sorts after the previous one, byte by byte. */
  #ascends(previousStart: number, previousEnd: number, start: number): boolean {
    const bytes = this.#bytes;
    for (let left = previousStart, right = start; ; left += 1, right += 1) {
      if (left === previousEnd) return right < this.#offset;
      if (right === this.#offset) return false;
      if (bytes[left] !== bytes[right]) return bytes[left]! < bytes[right]!;
    }
  }

  #checkDepth(depth: number): void {
    if (depth > this.#limits.maxDepth) {
      throw new SimsError('codec/depth-over-limit', `nested deeper than ${this.#limits.maxDepth}`);
    }
  }

  #text(initial: number): string {
    const bytes = this.#take(this.#length(initial, 1));
    return bytes.length === 0 ? '' : fromUtf8(bytes);
  }

  #simple(initial: number): boolean | null {
    if (initial === 0xf4) return false;
    if (initial === 0xf5) return true;
    if (initial === 0xf6) return null;
    const what = initial & 31;
    if (what === 31) throw new SimsError('codec/malformed', `a break outside any item at byte ${this.#offset - 1}`);
    if (what > 27) throw new SimsError('codec/malformed', `reserved initial byte ${initial}`);
    throw new SimsError('codec/unsupported-item', `a float, undefined or simple value at byte ${this.#offset - 1}`);
  }

  #negative(initial: number): number {
    const argument = this.#number(initial);
    if (argument === Number.MAX_SAFE_INTEGER) throw numberOverLimit();
    return -1 - argument;
  }

  #number(initial: number): number {
    const number = this.#argument(initial);
    if (number > Number.MAX_SAFE_INTEGER) throw numberOverLimit();
    return number;
  }

  /** The declared number of elements, each of at least `unit` bytes, checked against what is there. */
  #length(initial: number, unit: number): number {
    const length = this.#argument(initial);
    if (length > this.#limits.maxBytes) {
      throw new SimsError(
        'codec/length-over-limit',
        `a length of ${length} is declared, the limit is ${this.#limits.maxBytes}`,
      );
    }
    const left = this.#bytes.length - this.#offset;
    if (length * unit > left) throw truncated(length * unit, left);
    return length;
  }

  #take(length: number): Uint8Array {
    const start = this.#offset;
    this.#offset = start + length;
    // Not subarray: that of a Node Buffer is a Buffer, whose slice shares memory.
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, length);
  }

  /** The argument of an initial byte, in its shortest form; above 2^53 it is inexact. */
  #argument(initial: number): number {
    const short = initial & 31;
    if (short < 24) return short;
    if (short === 31)
      throw new SimsError('codec/not-deterministic', `an indefinite length at byte ${this.#offset - 1}`);
    if (short > 27) throw new SimsError('codec/malformed', `reserved initial byte ${initial}`);
    const width = 1 << (short - 24);
    const left = this.#bytes.length - this.#offset;
    if (left < width) throw truncated(width, left);
    let argument = 0;
    for (let index = 0; index < width; index += 1) argument = argument * 256 + this.#bytes[this.#offset + index]!;
    this.#offset += width;
    if (argument < (width === 1 ? 24 : 2 ** (width * 4))) {
      throw new SimsError('codec/not-deterministic', `${argument} is written in ${width} bytes`);
    }
    return argument;
  }
}

function truncated(needed: number, left: number): SimsError {
  return new SimsError('codec/truncated', `need ${needed} bytes, have ${left}`);
}

function numberOverLimit(): SimsError {
  return new SimsError('codec/number-over-limit', 'an integer of 2^53 or above');
}

/** Length of the encoding; the one place that refuses a value. */
function sizeOf(value: unknown, depth: number): number {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new SimsError('codec/invalid-value', 'a number that is no safe integer');
    return headSize(value < 0 ? -1 - value : value);
  }
  if (typeof value === 'string') {
    const length = utf8Length(value);
    if (length < 0) throw new SimsError('codec/lone-surrogate', `a text of ${value.length} units holds half a pair`);
    return headSize(length) + length;
  }
  if (typeof value === 'boolean' || value === null) return 1;
  if (value instanceof Uint8Array) return headSize(value.length) + value.length;
  if (depth > MAX_DEPTH) throw new SimsError('codec/invalid-value', `nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) {
    let size = headSize(value.length);
    for (const element of value as readonly unknown[]) size += sizeOf(element, depth + 1);
    return size;
  }
  if (value instanceof Map) {
    let size = headSize(value.size);
    for (const [key, element] of value as ReadonlyMap<unknown, unknown>) {
      if (typeof key !== 'number' && typeof key !== 'string') {
        throw new SimsError('codec/invalid-value', `a key of type ${typeof key}`);
      }
      size += sizeOf(key, depth + 1) + sizeOf(element, depth + 1);
    }
    return size;
  }
  throw new SimsError('codec/invalid-value', `a value of type ${typeof value}`);
}

function headSize(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x1_0000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** Writes a value that {@link sizeOf} has passed; gives the offset behind it. */
function write(bytes: Uint8Array, offset: number, value: Value): number {
  if (typeof value === 'number') {
    return value < 0 ? writeHead(bytes, offset, NEGATIVE, -1 - value) : writeHead(bytes, offset, UNSIGNED, value);
  }
  if (typeof value === 'string') return writeText(bytes, offset, value);
  if (value === null || typeof value === 'boolean') {
    bytes[offset] = value === null ? 0xf6 : value ? 0xf5 : 0xf4;
    return offset + 1;
  }
  if (value instanceof Uint8Array) {
    const start = writeHead(bytes, offset, BYTES, value.length);
    bytes.set(value, start);
    return start + value.length;
  }
  if (isArray(value)) {
    let end = writeHead(bytes, offset, ARRAY, value.length);
    for (const element of value) end = write(bytes, end, element);
    return end;
  }
  let end = writeHead(bytes, offset, MAP, value.size);
  for (const [key, element] of sorted(value)) end = write(bytes, write(bytes, end, key), element);
  return end;
}

function isArray(value: readonly Value[] | ValueMap): value is readonly Value[] {
  return Array.isArray(value);
}

function writeText(bytes: Uint8Array, offset: number, text: string): number {
  const length = utf8Length(text);
  const start = writeHead(bytes, offset, TEXT, length);
  if (length !== text.length) bytes.set(utf8(text), start);
  else for (let index = 0; index < length; index += 1) bytes[start + index] = text.charCodeAt(index);
  return start + length;
}

function writeHead(bytes: Uint8Array, offset: number, major: number, argument: number): number {
  const top = major << 5;
  if (argument < 24) {
    bytes[offset] = top | argument;
    return offset + 1;
  }
  if (argument < 0x100) {
    bytes[offset] = top | 24;
    bytes[offset + 1] = argument;
    return offset + 2;
  }
  if (argument < 0x1_0000) {
    bytes[offset] = top | 25;
    bytes[offset + 1] = argument >> 8;
    bytes[offset + 2] = argument;
    return offset + 3;
  }
  const width = headSize(argument) - 1;
  bytes[offset] = top | (width === 4 ? 26 : 27);
  let rest = argument;
  for (let index = offset + width; index > offset; index -= 1) {
    bytes[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return offset + width + 1;
}

/** Entries by the bytes of their keys; as they are if they come in that order. */
function sorted(map: ValueMap): Iterable<readonly [Key, Value]> {
  let previous: Key | undefined;
  for (const key of map.keys()) {
    if (previous !== undefined && compareKeys(previous, key) > 0) {
      return [...map].sort(([left], [right]) => compareKeys(left, right));
    }
    previous = key;
  }
  return map;
}

function compareKeys(left: Key, right: Key): number {
  if (typeof left === 'number' && typeof right === 'number') {
    // Behind all that are not negative come the negative ones, from -1 down.
    if (left < 0 !== right < 0) return left < 0 ? 1 : -1;
    return left < 0 ? right - left : left - right;
  }
  if (typeof left === 'number') return -1;
  if (typeof right === 'number') return 1;
  const leftBytes = utf8(left);
  const rightBytes = utf8(right);
  if (leftBytes.length !== rightBytes.length) return leftBytes.length - rightBytes.length;
  const differs = leftBytes.findIndex((byte, index) => byte !== rightBytes[index]);
  return differs < 0 ? 0 : leftBytes[differs]! - rightBytes[differs]!;
}
