/**
 * DER as it is written (X.690): functions from contents to bytes. What was parsed elsewhere, such as a
 * SubjectPublicKeyInfo that peers pin, is embedded byte for byte.
 *
 * @packageDocumentation
 */
import { concat, utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';

/** One element: its identifier octet, the definite length, its contents. */
export function element(identifier: number, ...contents: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of contents) length += part.length;
  return concat(Uint8Array.of(identifier, ...lengthOctets(length)), ...contents);
}

/** SEQUENCE of the elements. */
export function sequence(...elements: readonly Uint8Array[]): Uint8Array {
  return element(0x30, ...elements);
}

/** SET OF, its elements sorted as DER asks (X.690 §11.6). */
export function setOf(...elements: readonly Uint8Array[]): Uint8Array {
  return element(0x31, ...[...elements].sort(compareBytes));
}

/** `[number] EXPLICIT`, or `[number] IMPLICIT` of a constructed type. */
export function tagged(number: number, ...contents: readonly Uint8Array[]): Uint8Array {
  return element(0xa0 | number, ...contents);
}

/** `[number] IMPLICIT` of a primitive type. */
export function taggedPrimitive(number: number, contents: Uint8Array): Uint8Array {
  return element(0x80 | number, contents);
}

/** BOOLEAN TRUE. FALSE is nearly always a default, which DER leaves out. */
export function booleanTrue(): Uint8Array {
  return Uint8Array.of(0x01, 0x01, 0xff);
}

/** NULL. */
export function nullValue(): Uint8Array {
  return Uint8Array.of(0x05, 0x00);
}

/** INTEGER, never negative: a number, or an unsigned big-endian magnitude of any length. */
export function integer(value: number | Uint8Array, identifier = 0x02): Uint8Array {
  const magnitude = typeof value === 'number' ? bigEndian(value) : value;
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const minimal = magnitude.length === 0 ? Uint8Array.of(0) : magnitude.subarray(start);
  const isNegative = minimal[0]! >= 0x80;
  return element(identifier, ...(isNegative ? [Uint8Array.of(0), minimal] : [minimal]));
}

/** ENUMERATED. */
export function enumerated(value: number): Uint8Array {
  return integer(value, 0x0a);
}

/** OBJECT IDENTIFIER from its dotted text. */
export function objectIdentifier(dotted: string): Uint8Array {
  const arcs = dotted.split('.').map(Number);
  const [first, second] = arcs;
  if (first === undefined || second === undefined || arcs.some((arc) => !Number.isSafeInteger(arc) || arc < 0)) {
    throw new SimsError('cc/invalid-argument', `not an object identifier: ${dotted}`);
  }
  return element(0x06, Uint8Array.from([first * 40 + second, ...arcs.slice(2)].flatMap(base128)));
}

/** BIT STRING of whole octets. */
export function bitString(octets: Uint8Array): Uint8Array {
  return element(0x03, Uint8Array.of(0), octets);
}

/** BIT STRING of named bits, without its trailing zeros (X.690 §11.2.2); up to 16 bits. */
export function namedBits(bits: readonly number[], identifier = 0x03): Uint8Array {
  const highest = Math.max(-1, ...bits);
  const octets = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const bit of bits) octets[bit >> 3]! |= 0x80 >> (bit & 7);
  return element(identifier, Uint8Array.of(highest < 0 ? 0 : 7 - (highest & 7)), octets);
}

/** OCTET STRING. */
export function octetString(octets: Uint8Array): Uint8Array {
  return element(0x04, octets);
}

/** UTF8String. */
export function utf8String(text: string): Uint8Array {
  return element(0x0c, utf8(text));
}

/** PrintableString; the caller keeps to its alphabet. */
export function printableString(text: string): Uint8Array {
  return element(0x13, utf8(text));
}

/** Time of RFC 5280 §4.1.2.5: UTCTime until 2049, GeneralizedTime after; whole seconds. */
export function time(atMs: number): Uint8Array {
  const date = new Date(atMs);
  const year = date.getUTCFullYear();
  if (!Number.isFinite(atMs) || year < 1950 || year > 9999) {
    throw new SimsError('cc/invalid-argument', `a certificate cannot hold the time ${atMs} ms`);
  }
  const digits = date.toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '');
  return year < 2050 ? element(0x17, utf8(digits.slice(2))) : element(0x18, utf8(digits));
}

/** GeneralizedTime, whole seconds, as PKCS and OCSP use it for any year. */
export function generalizedTime(atMs: number): Uint8Array {
  return element(0x18, utf8(new Date(atMs).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')));
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets = [...bigEndian(length)];
  return [0x80 | octets.length, ...octets];
}

function bigEndian(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new SimsError('cc/invalid-argument', `not a natural number: ${value}`);
  }
  const octets: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.from(octets.length === 0 ? [0] : octets);
}

function base128(arc: number): number[] {
  const digits = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) digits.unshift(0x80 | (rest % 128));
  return digits;
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shorter = Math.min(left.length, right.length);
  for (let index = 0; index < shorter; index += 1) {
    if (left[index] !== right[index]) return left[index]! - right[index]!;
  }
  return left.length - right.length;
}
