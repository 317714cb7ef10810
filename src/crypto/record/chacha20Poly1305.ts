/** ChaCha20-Poly1305 (RFC 8439) of records, on every runtime. */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { RecordCipher } from '../provider.ts';
import { aeadRecordCipher, type Aead } from './aead.ts';

/** The bare AEAD, for vectors. */
export const chacha20Poly1305Aead: Aead = {
  seal: (key, nonce, associatedData, plaintext) => chacha20poly1305(key, nonce, associatedData).encrypt(plaintext),
  open: (key, nonce, associatedData, sealed) => chacha20poly1305(key, nonce, associatedData).decrypt(sealed),
};

/** ChaCha20-Poly1305 record cipher. */
export const chacha20Poly1305: RecordCipher = /* @__PURE__ */ aeadRecordCipher(
  'ChaCha20-Poly1305',
  chacha20Poly1305Aead,
);
