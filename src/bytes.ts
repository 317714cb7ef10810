/**
 * Small operations on bytes that every layer shares.
 *
 * @packageDocumentation
 */
import { SimsError } from './errors.ts';

// Protocol folders are type-checked without any platform's library; every runtime has these two.
declare const TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> };
declare const TextDecoder: new (
  label: string,
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const NOT_A_DIGIT = 255;
const DIGIT_OF = new Uint8Array(128).fill(NOT_A_DIGIT);
const CODE_OF = new Uint8Array(64);
for (let value = 0; value < ALPHABET.length; value += 1) {
  CODE_OF[value] = ALPHABET.charCodeAt(value);
  DIGIT_OF[ALPHABET.charCodeAt(value)] = value;
}

/** The parts, one after the other, in new memory. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Whether both hold the same bytes. Time depends on the lengths alone, so it is safe for secrets. */
export function equal(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let index = 0; index < left.length; index += 1) difference |= left[index]! ^ right[index]!;
  return difference === 0;
}

/** Overwrites secrets with zeros: the best JavaScript can do, since an engine may have made copies. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** UTF-8 of a text. Half a surrogate pair becomes U+FFFD: check user text with `isWellFormed` first. */
export function utf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/**
 * Text of UTF-8 bytes, a leading U+FEFF kept.
 *
 * @throws `codec/invalid-utf8`
 */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return utf8Decoder.decode(bytes);
  } catch {
    throw new SimsError('codec/invalid-utf8', `not UTF-8: ${bytes.length} bytes`);
  }
}

/** `uint32` big-endian, 4 bytes. */
export function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/**
 * Unambiguous concatenation: each part behind its length as `uint32` big-endian. A text is taken as UTF-8.
 * Protocol labels come first, so that no two uses can produce the same bytes.
 */
export function lengthPrefixed(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (const part of parts) {
    const bytes = typeof part === 'string' ? utf8(part) : part;
    pieces.push(bytes);
    length += 4 + bytes.length;
  }
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const bytes of pieces) {
    joined[offset] = bytes.length >>> 24;
    joined[offset + 1] = bytes.length >>> 16;
    joined[offset + 2] = bytes.length >>> 8;
    joined[offset + 3] = bytes.length;
    joined.set(bytes, offset + 4);
    offset += 4 + bytes.length;
  }
  return joined;
}

/** Base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  const spare = bytes.length % 3;
  const whole = bytes.length - spare;
  const start = bytes.length > SHORT_BYTES ? wholeGroups(bytes, whole) : shortGroups(bytes, whole);
  if (spare === 0) return start;
  const group = (bytes[whole]! << 16) | ((bytes[whole + 1] ?? 0) << 8);
  const end = ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]!;
  return start + (spare === 1 ? end : end + ALPHABET[(group >> 6) & 63]!);
}

/**
 * Bytes of base64url without padding; the one canonical text of those bytes is accepted and nothing else.
 *
 * @throws `bytes/invalid-base64url`
 */
export function fromBase64url(text: string): Uint8Array {
  const rest = text.length % 4;
  if (rest === 1) throw new SimsError('bytes/invalid-base64url', `length ${text.length} is impossible`);
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  const whole = text.length - rest;
  let offset = 0;
  for (let index = 0; index < whole; index += 4) {
    const group =
      (digit(text, index) << 18) |
      (digit(text, index + 1) << 12) |
      (digit(text, index + 2) << 6) |
      digit(text, index + 3);
    bytes[offset] = group >> 16;
    bytes[offset + 1] = group >> 8;
    bytes[offset + 2] = group;
    offset += 3;
  }
  if (rest > 0) {
    const third = rest === 3 ? digit(text, whole + 2) : 0;
    const group = (digit(text, whole) << 18) | (digit(text, whole + 1) << 12) | (third << 6);
    if ((group & (rest === 3 ? 0xff : 0xffff)) !== 0) {
      throw new SimsError('bytes/invalid-base64url', 'the last character holds stray bits');
    }
    bytes[offset] = group >> 16;
    if (rest === 3) bytes[offset + 1] = group >> 8;
  }
  return bytes;
}

/**
 * Whether characters `start` to `end` of a text are the canonical base64url of some bytes; these go to `target` from
 * `offset` on, where one is given. Neither throws nor makes a text: names are looked at with every message.
 */
export function readsBase64url(text: string, start: number, end: number, target?: Uint8Array, offset = 0): boolean {
  if ((end - start) % 4 === 1 || end > text.length) return false;
  let at = offset;
  let bits = 0;
  let held = 0;
  for (let index = start; index < end; index += 1) {
    const code = text.charCodeAt(index);
    const value = code < 128 ? DIGIT_OF[code]! : NOT_A_DIGIT;
    if (value === NOT_A_DIGIT) return false;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    if (target !== undefined) target[at] = held >> bits;
    at += 1;
  }
  return (held & ((1 << bits) - 1)) === 0;
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 1) {
    const high = bytes[index]! >> 4;
    const low = bytes[index]! & 15;
    text += String.fromCharCode(high + (high < 10 ? ZERO : BELOW_A), low + (low < 10 ? ZERO : BELOW_A));
  }
  return text;
}

const ZERO = 0x30;
const BELOW_A = 0x61 - 10;
/** Up to here a call of the platform's decoder costs more than joining characters. */
const SHORT_BYTES = 48;

function shortGroups(bytes: Uint8Array, whole: number): string {
  let text = '';
  for (let index = 0; index < whole; index += 3) {
    const group = (bytes[index]! << 16) | (bytes[index + 1]! << 8) | bytes[index + 2]!;
    text += String.fromCharCode(
      CODE_OF[group >> 18]!,
      CODE_OF[(group >> 12) & 63]!,
      CODE_OF[(group >> 6) & 63]!,
      CODE_OF[group & 63]!,
    );
  }
  return text;
}

function wholeGroups(bytes: Uint8Array, whole: number): string {
  const codes = new Uint8Array((whole / 3) * 4);
  let offset = 0;
  for (let index = 0; index < whole; index += 3) {
    const group = (bytes[index]! << 16) | (bytes[index + 1]! << 8) | bytes[index + 2]!;
    codes[offset] = CODE_OF[group >> 18]!;
    codes[offset + 1] = CODE_OF[(group >> 12) & 63]!;
    codes[offset + 2] = CODE_OF[(group >> 6) & 63]!;
    codes[offset + 3] = CODE_OF[group & 63]!;
    offset += 4;
  }
  return utf8Decoder.decode(codes);
}

function digit(text: string, index: number): number {
  const code = text.charCodeAt(index);
  const value = code < 128 ? DIGIT_OF[code]! : NOT_A_DIGIT;
  if (value === NOT_A_DIGIT)
    throw new SimsError('bytes/invalid-base64url', `character ${index} is not in the alphabet`);
  return value;
}
