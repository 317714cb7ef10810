/** X-Wing: X25519 and ML-KEM-768 together (draft-connolly-cfrg-xwing-kem). */
import { ml_kem768_x25519 as hybrid } from '@noble/post-quantum/hybrid.js';
import { wipe } from '../../bytes.ts';
import { expectLength } from '../check.ts';
import type { Kem } from '../provider.ts';
import { X_WING } from './lengths.ts';

/**
 * X-Wing on every runtime. The decapsulation key is the 32-byte seed. Fails on ML-KEM's modulus check of the
 * encapsulation key (FIPS 203 §7.2) and on an all-zero X25519 share, in either direction.
 */
export const xWing: Kem = {
  name: 'X-Wing',
  encapsulationKeyLength: X_WING.encapsulationKey,
  decapsulationKeyLength: X_WING.seed,
  ciphertextLength: X_WING.ciphertext,
  generateKeyPair(random) {
    const seed = random(X_WING.seed);
    expectLength('randomness', seed, X_WING.seed);
    const pair = hybrid.keygen(seed);
    wipe(pair.secretKey);
    return { encapsulationKey: pair.publicKey, decapsulationKey: seed };
  },
  encapsulate(encapsulationKey, random) {
    const randomness = random(X_WING.encapsulationRandomness);
    expectLength('randomness', randomness, X_WING.encapsulationRandomness);
    if (encapsulationKey.length !== X_WING.encapsulationKey) return undefined;
    try {
      const { sharedSecret, cipherText } = hybrid.encapsulate(encapsulationKey, randomness);
      return { raw: sharedSecret, ciphertext: cipherText };
    } catch {
      // Lengths are right, so it is the modulus check or an X25519 share that contributes nothing.
      return undefined;
    } finally {
      wipe(randomness);
    }
  },
  decapsulate(keyPair, ciphertext) {
    expectLength('X-Wing decapsulation key', keyPair.decapsulationKey, X_WING.seed);
    if (ciphertext.length !== X_WING.ciphertext) return undefined;
    try {
      return hybrid.decapsulate(ciphertext, keyPair.decapsulationKey);
    } catch {
      // ML-KEM rejects implicitly: only an X25519 share of low order throws.
      return undefined;
    }
  },
};
