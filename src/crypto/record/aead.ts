/** What the two AEADs have in common: a one-time key, and a nonce of 6 random bytes and 6 zeros. */
import { expectLength } from '../check.ts';
import type { RecordCipher } from '../provider.ts';

/** Bytes of a record's key. */
export const KEY_LENGTH = 32;
/** Random bytes of the nonce; they travel. */
export const NONCE_RANDOMNESS = 6;
/** Bytes of the authentication tag, at the end of what is sealed. */
export const TAG_LENGTH = 16;

/** Used again for each record: libraries copy it before they return, and new memory costs more than the copy. */
const nonce = new Uint8Array(12);

/** Encryption and decryption under a 12-byte nonce; `open` throws when the tag is wrong. */
export interface Aead {
  seal(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, plaintext: Uint8Array): Uint8Array;
  open(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array;
}

/** A {@link RecordCipher} from an AEAD. */
export function aeadRecordCipher(name: 'ChaCha20-Poly1305' | 'AES-256-GCM', aead: Aead): RecordCipher {
  return {
    name,
    randomnessLength: NONCE_RANDOMNESS,
    nonceLength: NONCE_RANDOMNESS,
    seal(key, randomness, associatedData, plaintext) {
      expectLength(`${name} key`, key, KEY_LENGTH);
      expectLength(`${name} randomness`, randomness, NONCE_RANDOMNESS);
      return aead.seal(key, padNonce(randomness), associatedData, plaintext);
    },
    open(key, randomness, associatedData, sealed) {
      expectLength(`${name} key`, key, KEY_LENGTH);
      if (randomness.length !== NONCE_RANDOMNESS || sealed.length < TAG_LENGTH) return undefined;
      try {
        return aead.open(key, padNonce(randomness), associatedData, sealed);
      } catch {
        return undefined;
      }
    },
  };
}

function padNonce(randomness: Uint8Array): Uint8Array {
  nonce.set(randomness);
  return nonce;
}
