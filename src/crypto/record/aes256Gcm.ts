/** AES-256-GCM (NIST SP 800-38D) of records, on every runtime. */
import { gcm } from '@noble/ciphers/aes.js';
import type { RecordCipher } from '../provider.ts';
import { aeadRecordCipher, type Aead } from './aead.ts';

/** The bare AEAD, for vectors. */
export const aes256GcmAead: Aead = {
  seal: (key, nonce, associatedData, plaintext) => gcm(key, nonce, associatedData).encrypt(plaintext),
  open: (key, nonce, associatedData, sealed) => gcm(key, nonce, associatedData).decrypt(sealed),
};

/** AES-256-GCM record cipher. */
export const aes256Gcm: RecordCipher = /* @__PURE__ */ aeadRecordCipher('AES-256-GCM', aes256GcmAead);
