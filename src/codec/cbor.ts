/**
 * CBOR in the deterministic form of RFC 8949 §4.2.1, restricted to what the protocol uses: integers below 2^53,
 * byte strings, text, arrays, maps with integer or text keys, booleans and null. One pass checks and reads: a library
 * would need a pass before it (depth, UTF-8, order of keys) and took three times as long alone.
 *
 * @packageDocumentation
 */
import { fromUtf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { checkLength, DEFAULT_LIMITS, type Limits } from './limits.ts';
import type { Key, Value } from './value.ts';

export { encodeCbor } from './cborEncode.ts';

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
