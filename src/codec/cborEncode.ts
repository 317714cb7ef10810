/**
 * The writing half of cbor.ts: lengths first, then one write into memory of exactly that length.
 *
 * @packageDocumentation
 */
import { utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { MAX_DEPTH } from './limits.ts';
import { utf8Length, type Key, type Value, type ValueMap } from './value.ts';

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
