/** RSAES-OAEP with SHA-256, MGF1-SHA-256 and no label: encoding and the public operation (RFC 8017 §7.1.1). */
import { concat, uint32 } from '../../bytes.ts';
import type { HashProvider } from '../provider.ts';
import type { RsaPublicKey } from '../signature/spki.ts';

/** Bytes of SHA-256, of the seed, and so of the randomness that encoding takes. */
export const OAEP_SEED = 32;

/** The encoded message EM, `length` bytes long: 00 ‖ masked seed ‖ masked data block. */
export function encodeOaep(provider: HashProvider, message: Uint8Array, seed: Uint8Array, length: number): Uint8Array {
  const dataBlock = new Uint8Array(length - OAEP_SEED - 1);
  dataBlock.set(provider.hash('SHA-256', new Uint8Array(0)));
  dataBlock[dataBlock.length - message.length - 1] = 1;
  dataBlock.set(message, dataBlock.length - message.length);
  xorInto(dataBlock, mgf1(provider, seed, dataBlock.length));
  const maskedSeed = seed.slice();
  xorInto(maskedSeed, mgf1(provider, dataBlock, OAEP_SEED));
  return concat(Uint8Array.of(0), maskedSeed, dataBlock);
}

/**
 * RSAEP (RFC 8017 §5.1.1). BigInt takes time that depends on the numbers; here the base is a fresh OAEP encoding,
 * uniformly masked and used once, and the exponent is public.
 */
export function rsaPublicOperation(key: RsaPublicKey, message: Uint8Array): Uint8Array {
  const modulus = toBigInt(key.modulus);
  let base = toBigInt(message) % modulus;
  let result = 1n;
  for (let exponent = key.exponent; exponent > 0; exponent = Math.floor(exponent / 2)) {
    if (exponent % 2 === 1) result = (result * base) % modulus;
    base = (base * base) % modulus;
  }
  return fromBigInt(result, key.modulus.length);
}

function mgf1(provider: HashProvider, seed: Uint8Array, length: number): Uint8Array {
  const mask = new Uint8Array(length);
  for (let counter = 0, offset = 0; offset < length; counter += 1) {
    const block = provider.hash('SHA-256', concat(seed, uint32(counter)));
    mask.set(block.subarray(0, length - offset), offset);
    offset += block.length;
  }
  return mask;
}

function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let index = 0; index < target.length; index += 1) target[index]! ^= mask[index]!;
}

function toBigInt(bytes: Uint8Array): bigint {
  let digits = '0x0';
  for (const byte of bytes) digits += byte.toString(16).padStart(2, '0');
  return BigInt(digits);
}

function fromBigInt(value: bigint, length: number): Uint8Array {
  const digits = value.toString(16).padStart(length * 2, '0');
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) bytes[index] = parseInt(digits.slice(index * 2, index * 2 + 2), 16);
  return bytes;
}
