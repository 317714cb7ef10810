/** Fernet (github.com/fernet/spec): tokens, and the record cipher that binds associated data to them. */
import { concat, equal } from '../../bytes.ts';
import { SimsError } from '../../errors.ts';
import { expectLength } from '../check.ts';
import type { RecordCipher } from '../provider.ts';

/** What a token is made of; keys are 16 bytes each, the other half being the HMAC's. */
export interface FernetPrimitives {
  /** AES-128-CBC with PKCS #7. */
  encryptCbc(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Throws when the padding is wrong. */
  decryptCbc(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array;
  hmacSha256(key: Uint8Array, bytes: Uint8Array): Uint8Array;
  sha256(bytes: Uint8Array): Uint8Array;
}

/** Fernet over one set of primitives. */
export interface Fernet {
  /**
   * A token's bytes: 80 ‖ seconds since 1970 as u64 ‖ IV ‖ AES-128-CBC ‖ HMAC-SHA-256 of all before. Its usual text is
   * the base64url of these, with padding.
   *
   * @param key signing key (16) ‖ encryption key (16)
   * @param iv 16 random bytes, never used before
   * @throws `crypto/invalid-argument` for another length of key or iv, or a time before 1970
   */
  seal(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array, nowMs: number): Uint8Array;
  /** The plaintext; `undefined` for every failure alike. The timestamp is never judged. */
  open(key: Uint8Array, token: Uint8Array): Uint8Array | undefined;
}

const VERSION = 0x80;
const HALF_KEY = 16;
const IV = 16;
const BLOCK = 16;
const HEADER = 1 + 8 + IV;
const MAC = 32;
const HASH = 32;

/** Fernet over these primitives. */
export function fernetOver(primitives: FernetPrimitives): Fernet {
  return {
    seal: (key, iv, plaintext, nowMs) => sealWith(primitives, key, iv, plaintext, nowMs),
    open: (key, token) => openWith(primitives, key, token),
  };
}

/** The record cipher over these primitives. What is encrypted is SHA-256(associated data) ‖ plaintext. */
export function fernetRecordCipher(primitives: FernetPrimitives): RecordCipher {
  return {
    name: 'Fernet',
    randomnessLength: IV,
    nonceLength: 0,
    seal: (key, randomness, associatedData, plaintext, nowMs) =>
      sealWith(primitives, key, randomness, concat(primitives.sha256(associatedData), plaintext), nowMs),
    open(key, nonce, associatedData, sealed) {
      const opened = openWith(primitives, key, sealed);
      if (nonce.length !== 0 || opened === undefined || opened.length < HASH) return undefined;
      return equal(opened.subarray(0, HASH), primitives.sha256(associatedData)) ? opened.subarray(HASH) : undefined;
    },
  };
}

function sealWith(
  primitives: FernetPrimitives,
  key: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
  nowMs: number,
): Uint8Array {
  expectLength('Fernet key', key, 2 * HALF_KEY);
  expectLength('Fernet IV', iv, IV);
  const seconds = Math.floor(nowMs / 1000);
  if (!Number.isSafeInteger(seconds) || seconds < 0) {
    throw new SimsError('crypto/invalid-argument', `Fernet cannot write the time ${nowMs} ms`);
  }
  const ciphertext = primitives.encryptCbc(key.subarray(HALF_KEY), iv, plaintext);
  const end = HEADER + ciphertext.length;
  const token = new Uint8Array(end + MAC);
  token[0] = VERSION;
  for (let index = 8, rest = seconds; index > 0; index -= 1, rest = Math.floor(rest / 256)) token[index] = rest % 256;
  token.set(iv, 9);
  token.set(ciphertext, HEADER);
  token.set(primitives.hmacSha256(key.subarray(0, HALF_KEY), token.subarray(0, end)), end);
  return token;
}

function openWith(primitives: FernetPrimitives, key: Uint8Array, token: Uint8Array): Uint8Array | undefined {
  expectLength('Fernet key', key, 2 * HALF_KEY);
  const end = token.length - MAC;
  const blocks = (end - HEADER) / BLOCK;
  if (token[0] !== VERSION || blocks < 1 || !Number.isInteger(blocks)) return undefined;
  const mac = primitives.hmacSha256(key.subarray(0, HALF_KEY), token.subarray(0, end));
  if (!equal(mac, token.subarray(end))) return undefined;
  try {
    return primitives.decryptCbc(key.subarray(HALF_KEY), token.subarray(9, HEADER), token.subarray(HEADER, end));
  } catch {
    return undefined;
  }
}
