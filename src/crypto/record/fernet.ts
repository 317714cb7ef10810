/** Fernet on every runtime. */
import { cbc } from '@noble/ciphers/aes.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { RecordCipher } from '../provider.ts';
import { fernetOver, fernetRecordCipher, type Fernet, type FernetPrimitives } from './fernetToken.ts';

const noblePrimitives: FernetPrimitives = {
  encryptCbc: (key, iv, plaintext) => cbc(key, iv).encrypt(plaintext),
  decryptCbc: (key, iv, ciphertext) => cbc(key, iv).decrypt(ciphertext),
  hmacSha256: (key, bytes) => hmac(sha256, key, bytes),
  sha256,
};

/** AES-128-CBC with PKCS #7 on every runtime, for vectors; unauthenticated, so of no use by itself. */
export const aesCbcForTesting: Pick<FernetPrimitives, 'encryptCbc' | 'decryptCbc'> = noblePrimitives;

/** Seals a token on every runtime; the IV is 16 random bytes. */
export const sealFernet: Fernet['seal'] = (key, iv, plaintext, nowMs) =>
  fernetOver(noblePrimitives).seal(key, iv, plaintext, nowMs);

/** Opens a token on every runtime; `undefined` for every failure alike. */
export const openFernet: Fernet['open'] = (key, token) => fernetOver(noblePrimitives).open(key, token);

/** Fernet record cipher on every runtime. What is encrypted is SHA-256(associated data) ‖ plaintext. */
export const fernet: RecordCipher = /* @__PURE__ */ fernetRecordCipher(noblePrimitives);
