/**
 * DER as it is read (X.690): strict, without a tree. A reader walks over the bytes it was given and copies nothing, so
 * that a revocation list of any size costs one pass. Nesting follows the schema of who reads, never the input.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** Identifier octets of the universal types in use. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Identifier octet of `[number]`, primitive. */
export function context(number: number): number {
  return 0x80 | number;
}

/** Identifier octet of `[number]`, constructed. */
export function contextConstructed(number: number): number {
  return 0xa0 | number;
}

/**
 * Walks over the elements of `bytes` from `at` to `end`. Lengths are definite, minimal and inside their parent;
 * everything else is `cc/malformed`. Element values are views of the input.
 */
export class DerReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Where the next element begins. */
  at: number;
  /** Of the last element: identifier octet, first octet, first content octet, octet after the last. */
  tag = 0;
  start = 0;
  content = 0;
  stop = 0;

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.at >= this.end;
  }

  /** Identifier octet of the next element; -1 at the end. */
  peek(): number {
    return this.at < this.end ? this.bytes[this.at]! : -1;
  }

  /** Steps over the next element, whose place is then in the fields. */
  next(): void {
    const { bytes, end } = this;
    const start = this.at;
    if (start + 2 > end) throw malformed('element cut short', start);
    const tag = bytes[start]!;
    if ((tag & 0x1f) === 0x1f) throw malformed('tag number above 30', start);
    let content = start + 2;
    let length = bytes[start + 1]!;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 4) throw malformed('indefinite or huge length', start);
      if (content + octets > end) throw malformed('length cut short', start);
      length = 0;
      for (let index = 0; index < octets; index += 1) length = length * 256 + bytes[content + index]!;
      if (length < 0x80 || length < 256 ** (octets - 1)) throw malformed('length not minimal', start);
      content += octets;
    }
    const stop = content + length;
    if (stop > end) throw malformed('element longer than what holds it', start);
    this.tag = tag;
    this.start = start;
    this.content = content;
    this.stop = stop;
    this.at = stop;
  }

  /** Steps over the next element, which has to have this identifier octet. */
  expect(tag: number): void {
    const found = this.peek();
    if (found !== tag) throw malformed(`expected tag ${tag}, found ${found}`, this.at);
    this.next();
  }

  /** Contents of the next element. */
  take(tag: number): Uint8Array {
    this.expect(tag);
    return this.bytes.subarray(this.content, this.stop);
  }

  /** The next element whole, identifier and length included. */
  raw(tag?: number): Uint8Array {
    if (tag === undefined) this.next();
    else this.expect(tag);
    return this.bytes.subarray(this.start, this.stop);
  }

  /** Reader of the contents of the next element. */
  enter(tag: number): DerReader {
    this.expect(tag);
    return new DerReader(this.bytes, this.content, this.stop);
  }

  /** Reader of the contents of the next element if it has this identifier octet. */
  enterOptional(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.enter(tag) : undefined;
  }

  /** Contents of the next element if it has this identifier octet. */
  takeOptional(tag: number): Uint8Array | undefined {
    return this.peek() === tag ? this.take(tag) : undefined;
  }

  /** Contents of an INTEGER, minimal two's complement. */
  integer(tag: number = TAG.integer): Uint8Array {
    const value = this.take(tag);
    checkMinimal(value, this.start);
    return value;
  }

  /** An INTEGER from 0 to 2^31 - 1. */
  natural(tag: number = TAG.integer): number {
    const value = this.integer(tag);
    if (value[0]! >= 0x80 || value.length > 4) throw malformed('number out of range', this.start);
    let number = 0;
    for (const octet of value) number = number * 256 + octet;
    return number;
  }

  /** A BOOLEAN; `fallback` where the element is absent. An encoded default is let pass: signers of old wrote it. */
  boolean(fallback: boolean, tag: number = TAG.boolean): boolean {
    const value = this.takeOptional(tag);
    if (value === undefined) return fallback;
    if (value.length !== 1 || (value[0] !== 0 && value[0] !== 0xff)) throw malformed('not a BOOLEAN', this.start);
    return value[0] === 0xff;
  }

  /** Dotted text of an OBJECT IDENTIFIER. */
  objectIdentifier(tag: number = TAG.objectIdentifier): string {
    return dotted(this.take(tag), this.start);
  }

  /** Octets of a BIT STRING that has no unused bits. */
  bitString(tag: number = TAG.bitString): Uint8Array {
    const value = this.take(tag);
    if (value.length === 0 || value[0] !== 0) throw malformed('BIT STRING of whole octets expected', this.start);
    return value.subarray(1);
  }

  /** BIT STRING of up to 16 named bits; bit n of the string is bit n of the number. */
  namedBits(tag: number = TAG.bitString): number {
    const value = this.take(tag);
    const unused = value[0];
    if (unused === undefined || unused > 7 || value.length > 3 || (value.length === 1 && unused !== 0)) {
      throw malformed('not a BIT STRING of named bits', this.start);
    }
    if (value.length > 1 && (value.at(-1)! & ((1 << unused) - 1)) !== 0) throw malformed('unused bits set', this.start);
    let bits = 0;
    for (let bit = 0; bit < (value.length - 1) * 8; bit += 1) {
      if ((value[1 + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0) bits |= 1 << bit;
    }
    return bits;
  }

  /** Milliseconds since 1970 of a UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5. */
  time(): number {
    const tag = this.peek();
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw malformed('time expected', this.at);
    this.next();
    return timeAt(this.bytes, this.content, this.stop, tag);
  }

  /** Call last: nothing may follow. */
  finish(): void {
    if (this.at < this.end) throw malformed(`${this.end - this.at} octets after the last element`, this.at);
  }
}

/** Reader of the contents of the one element that `bytes` has to be. */
export function enterWhole(bytes: Uint8Array, tag: number): DerReader {
  const outer = new DerReader(bytes);
  const inner = outer.enter(tag);
  outer.finish();
  return inner;
}

/** The error of every reader here. */
export function malformed(what: string, at: number): SimsError {
  return new SimsError('cc/malformed', `${what} at octet ${at}`);
}

/** A time of `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`; years from 50 are of the 20th century. */
export function timeAt(bytes: Uint8Array, content: number, stop: number, tag: number): number {
  const isUtc = tag === TAG.utcTime;
  if (stop - content !== (isUtc ? 13 : 15) || bytes[stop - 1] !== 0x5a)
    throw malformed('time not in DER form', content);
  let at = content;
  const pair = (): number => {
    const high = bytes[at]! - 48;
    const low = bytes[at + 1]! - 48;
    if (high < 0 || high > 9 || low < 0 || low > 9) throw malformed('digit expected in time', at);
    at += 2;
    return high * 10 + low;
  };
  let year = pair();
  if (isUtc) year += year < 50 ? 2000 : 1900;
  else year = year * 100 + pair();
  const month = pair();
  const day = pair();
  const hour = pair();
  const minute = pair();
  const second = pair();
  if (month < 1 || month > 12 || day < 1 || day > daysOf(month, year) || hour > 23 || minute > 59 || second > 59) {
    throw malformed('no such time', content);
  }
  const atMs = Date.UTC(year < 100 ? year + 400 : year, month - 1, day, hour, minute, second);
  // Date.UTC takes years below 100 for those of the 20th century; the calendar repeats after 400 years.
  return year < 100 ? atMs - 146_097 * 86_400_000 : atMs;
}

function daysOf(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function checkMinimal(value: Uint8Array, at: number): void {
  const first = value[0];
  if (first === undefined) throw malformed('empty INTEGER', at);
  const second = value[1];
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw malformed('INTEGER not minimal', at);
  }
}

const LONGEST_OBJECT_IDENTIFIER = 64;

function dotted(value: Uint8Array, at: number): string {
  if (value.length === 0 || value.length > LONGEST_OBJECT_IDENTIFIER || value.at(-1)! >= 0x80) {
    throw malformed('not an OBJECT IDENTIFIER', at);
  }
  const arcs: string[] = [];
  let start = 0;
  for (let index = 0; index < value.length; index += 1) {
    if (value[index]! >= 0x80) continue;
    if (value[start] === 0x80) throw malformed('arc not minimal', at);
    const arc = arcOf(value, start, index);
    if (arcs.length === 0) {
      const first = arc < 40n ? 0n : arc < 80n ? 1n : 2n;
      arcs.push(first.toString(), (BigInt(arc) - first * 40n).toString());
    } else {
      arcs.push(arc.toString());
    }
    start = index + 1;
  }
  return arcs.join('.');
}

/** A number as long as it is exact, a bigint beyond. */
function arcOf(value: Uint8Array, first: number, last: number): number | bigint {
  let arc = 0;
  if (last - first < 7) {
    for (let at = first; at <= last; at += 1) arc = arc * 128 + (value[at]! & 0x7f);
    return arc;
  }
  let large = 0n;
  for (let at = first; at <= last; at += 1) large = large * 128n + BigInt(value[at]! & 0x7f);
  return large;
}
