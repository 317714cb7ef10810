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
for (let digit = 0; digit < ALPHABET.length; digit += 1) DIGIT_OF[ALPHABET.charCodeAt(digit)] = digit;

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
  for (const part of parts) {
    const bytes = typeof part === 'string' ? utf8(part) : part;
    pieces.push(uint32(bytes.length), bytes);
  }
  return concat(...pieces);
}

/** Base64url without padding (RFC 4648 §5). */
export function base64url(bytes: Uint8Array): string {
  let text = '';
  let index = 0;
  for (; index + 2 < bytes.length; index += 3) {
    const group = (bytes[index]! << 16) | (bytes[index + 1]! << 8) | bytes[index + 2]!;
    text +=
      ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]! + ALPHABET[(group >> 6) & 63]! + ALPHABET[group & 63]!;
  }
  if (index + 1 === bytes.length) {
    text += ALPHABET[bytes[index]! >> 2]! + ALPHABET[(bytes[index]! << 4) & 63]!;
  } else if (index + 2 === bytes.length) {
    const group = (bytes[index]! << 8) | bytes[index + 1]!;
    text += ALPHABET[group >> 10]! + ALPHABET[(group >> 4) & 63]! + ALPHABET[(group << 2) & 63]!;
  }
  return text;
}

/**
 * Bytes of base64url without padding; the one canonical text of those bytes is accepted and nothing else.
 *
 * @throws `bytes/invalid-base64url`
 */
export function fromBase64url(text: string): Uint8Array {
  if (text.length % 4 === 1) throw new SimsError('bytes/invalid-base64url', `length ${text.length} is impossible`);
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let offset = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const digit = code < 128 ? DIGIT_OF[code]! : NOT_A_DIGIT;
    if (digit === NOT_A_DIGIT)
      throw new SimsError('bytes/invalid-base64url', `character ${index} is not in the alphabet`);
    bits = ((bits << 6) | digit) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[offset] = bits >> held;
      offset += 1;
    }
  }
  if ((bits & ((1 << held) - 1)) !== 0)
    throw new SimsError('bytes/invalid-base64url', 'the last character holds stray bits');
  return bytes;
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
