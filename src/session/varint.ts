/**
 * Variable-length integers of RFC 9000 §16, in their shortest form, below 2^53.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** Bytes that `value` takes: 1, 2, 4 or 8. */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x40000000 ? 4 : 8;
}

/** Writes `value` at `offset`; the offset behind it. `value` is a whole number from 0 to 2^53 − 1. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  const length = varintLength(value);
  let rest = value;
  for (let index = offset + length - 1; index >= offset; index -= 1) {
    target[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  target[offset]! |= length === 1 ? 0x00 : length === 2 ? 0x40 : length === 4 ? 0x80 : 0xc0;
  return offset + length;
}

/** Reads integers and byte strings one after the other; every failure is `session/malformed-record`. */
export class RecordReader {
  readonly #bytes: Uint8Array;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.offset;
  }

  byte(): number {
    if (this.offset >= this.#bytes.length) throw new SimsError('session/malformed-record', 'ends inside a field');
    const value = this.#bytes[this.offset]!;
    this.offset += 1;
    return value;
  }

  /** A view of the next `length` bytes, not a copy. */
  take(length: number): Uint8Array {
    if (length > this.left) throw new SimsError('session/malformed-record', `needs ${length} bytes, has ${this.left}`);
    const view = this.#bytes.subarray(this.offset, this.offset + length);
    this.offset += length;
    return view;
  }

  /** @throws `session/malformed-record` when something is left */
  end(): void {
    if (this.left > 0) throw new SimsError('session/malformed-record', `${this.left} bytes too many`);
  }

  varint(): number {
    const first = this.byte();
    const length = 1 << (first >> 6);
    if (length - 1 > this.left) throw new SimsError('session/malformed-record', 'ends inside a number');
    let value = first & 0x3f;
    for (let index = 1; index < length; index += 1) value = value * 256 + this.byte();
    if (value > Number.MAX_SAFE_INTEGER) throw new SimsError('session/malformed-record', 'a number is above 2^53 - 1');
    if (varintLength(value) !== length)
      throw new SimsError('session/malformed-record', 'a number is not in its shortest form');
    return value;
  }
}
