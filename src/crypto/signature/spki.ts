/** Public keys as canonical DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): builders, and strict parsers. */
import { concat, equal } from '../../bytes.ts';
import { expectLength } from '../check.ts';

/** Everything before the key itself, byte for byte: these structures have one canonical form of fixed length. */
const ED25519_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
const P256_PREFIX = Uint8Array.of(
  0x30,
  0x59,
  0x30,
  0x13,
  0x06,
  0x07,
  0x2a,
  0x86,
  0x48,
  0xce,
  0x3d,
  0x02,
  0x01,
  0x06,
  0x08,
  0x2a,
  0x86,
  0x48,
  0xce,
  0x3d,
  0x03,
  0x01,
  0x07,
  0x03,
  0x42,
  0x00,
);
const P384_PREFIX = Uint8Array.of(
  0x30,
  0x76,
  0x30,
  0x10,
  0x06,
  0x07,
  0x2a,
  0x86,
  0x48,
  0xce,
  0x3d,
  0x02,
  0x01,
  0x06,
  0x05,
  0x2b,
  0x81,
  0x04,
  0x00,
  0x22,
  0x03,
  0x62,
  0x00,
);
/** AlgorithmIdentifier of rsaEncryption with NULL parameters (RFC 3279 §2.3.1). */
const RSA_ALGORITHM = Uint8Array.of(
  0x30,
  0x0d,
  0x06,
  0x09,
  0x2a,
  0x86,
  0x48,
  0x86,
  0xf7,
  0x0d,
  0x01,
  0x01,
  0x01,
  0x05,
  0x00,
);

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const LARGEST_EXPONENT = 2 ** 32;

/** SubjectPublicKeyInfo, 44 bytes, of a raw Ed25519 key of 32 (RFC 8410 §4). */
export function ed25519Spki(publicKey: Uint8Array): Uint8Array {
  expectLength('Ed25519 public key', publicKey, 32);
  return concat(ED25519_PREFIX, publicKey);
}

/** SubjectPublicKeyInfo, 91 bytes, of an uncompressed P-256 point of 65 (RFC 5480 §2). */
export function p256Spki(point: Uint8Array): Uint8Array {
  expectLength('P-256 point', point, 65);
  return concat(P256_PREFIX, point);
}

/** SubjectPublicKeyInfo, 120 bytes, of an uncompressed P-384 point of 97 (RFC 5480 §2). */
export function p384Spki(point: Uint8Array): Uint8Array {
  expectLength('P-384 point', point, 97);
  return concat(P384_PREFIX, point);
}

/** SubjectPublicKeyInfo of an RSA key; modulus and exponent unsigned, big-endian. */
export function rsaSpki(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const key = der(SEQUENCE, der(INTEGER, unsigned(modulus)), der(INTEGER, unsigned(exponent)));
  return der(SEQUENCE, RSA_ALGORITHM, der(BIT_STRING, Uint8Array.of(0), key));
}

/** Raw key of 32 bytes; `undefined` unless `spki` is an Ed25519 key in its one form. The point is not looked at. */
export function rawEd25519(spki: Uint8Array): Uint8Array | undefined {
  return after(ED25519_PREFIX, spki, 32);
}

/** Point of 65 bytes that starts with 04; `undefined` for anything else. Not yet checked to be on the curve. */
export function rawP256(spki: Uint8Array): Uint8Array | undefined {
  const point = after(P256_PREFIX, spki, 65);
  return point?.[0] === 4 ? point : undefined;
}

/** Point of 97 bytes that starts with 04; `undefined` for anything else. Not yet checked to be on the curve. */
export function rawP384(spki: Uint8Array): Uint8Array | undefined {
  const point = after(P384_PREFIX, spki, 97);
  return point?.[0] === 4 ? point : undefined;
}

/** What a key of RSA is made of. */
export interface RsaPublicKey {
  /** Big-endian, without leading zeros. */
  readonly modulus: Uint8Array;
  readonly modulusBits: number;
  readonly exponent: number;
}

/**
 * The RSA key in `spki`; `undefined` unless it is canonical DER with rsaEncryption and NULL parameters, an odd
 * modulus, and an odd exponent from 3 to 2^32. The size of the modulus is for the caller to judge.
 */
export function rawRsa(spki: Uint8Array): RsaPublicKey | undefined {
  const outer = whole(spki, SEQUENCE);
  const bits = outer && after(RSA_ALGORITHM, outer);
  const bitString = bits && whole(bits, BIT_STRING);
  if (bitString?.[0] !== 0) return undefined;
  const inner = whole(bitString.subarray(1), SEQUENCE);
  const first = inner && element(inner, INTEGER);
  const second = first && whole(first.rest, INTEGER);
  const modulus = first && positive(first.content);
  const exponentBytes = second && positive(second);
  if (modulus === undefined || exponentBytes === undefined || exponentBytes.length > 5) return undefined;
  let exponent = 0;
  for (const byte of exponentBytes) exponent = exponent * 256 + byte;
  const odd = modulus[modulus.length - 1]! % 2 === 1 && exponent % 2 === 1;
  if (!odd || exponent < 3 || exponent > LARGEST_EXPONENT) return undefined;
  return { modulus, modulusBits: modulus.length * 8 - Math.clz32(modulus[0]!) + 24, exponent };
}

function after(prefix: Uint8Array, bytes: Uint8Array, length?: number): Uint8Array | undefined {
  if (bytes.length < prefix.length || (length !== undefined && bytes.length !== prefix.length + length))
    return undefined;
  return equal(bytes.subarray(0, prefix.length), prefix) ? bytes.subarray(prefix.length) : undefined;
}

interface Element {
  readonly content: Uint8Array;
  readonly rest: Uint8Array;
}

/** One element with a definite length in its shortest form, at most 65,535 bytes (X.690 §10.1). */
function element(bytes: Uint8Array, tag: number): Element | undefined {
  const first = bytes[1];
  if (bytes[0] !== tag || first === undefined) return undefined;
  let start = 2;
  let length = first;
  if (first === 0x81) {
    length = bytes[2] ?? 0;
    start = 3;
    if (length < 0x80) return undefined;
  } else if (first === 0x82) {
    length = (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0);
    start = 4;
    if (length < 0x100) return undefined;
  } else if (first >= 0x80) {
    return undefined;
  }
  const end = start + length;
  return end > bytes.length ? undefined : { content: bytes.subarray(start, end), rest: bytes.subarray(end) };
}

function whole(bytes: Uint8Array, tag: number): Uint8Array | undefined {
  const found = element(bytes, tag);
  return found?.rest.length === 0 ? found.content : undefined;
}

/** Magnitude of a DER INTEGER above zero in its shortest form. */
function positive(content: Uint8Array): Uint8Array | undefined {
  const [first, second] = content;
  if (first === undefined || first >= 0x80) return undefined;
  if (first > 0) return content;
  return second !== undefined && second >= 0x80 ? content.subarray(1) : undefined;
}

function unsigned(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const magnitude = bytes.subarray(start);
  return (magnitude[0] ?? 0) >= 0x80 ? concat(Uint8Array.of(0), magnitude) : magnitude;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const { length } = content;
  if (length < 0x80) return concat(Uint8Array.of(tag, length), content);
  if (length < 0x100) return concat(Uint8Array.of(tag, 0x81, length), content);
  return concat(Uint8Array.of(tag, 0x82, length >> 8, length & 255), content);
}
