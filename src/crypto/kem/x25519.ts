/** X25519 as a KEM (RFC 7748): the ciphertext is the other side's ephemeral public key. */
import { x25519 as curve } from '@noble/curves/ed25519.js';
import { wipe } from '../../bytes.ts';
import { expectLength } from '../check.ts';
import type { Kem } from '../provider.ts';
import { X25519_LENGTH } from './lengths.ts';

/** X25519 on every runtime. raw is the shared x, 32 bytes; an all-zero one fails (RFC 7748 §6.1). */
export const x25519: Kem = {
  name: 'X25519',
  encapsulationKeyLength: X25519_LENGTH,
  decapsulationKeyLength: X25519_LENGTH,
  ciphertextLength: X25519_LENGTH,
  generateKeyPair(random) {
    const decapsulationKey = random(X25519_LENGTH);
    expectLength('randomness', decapsulationKey, X25519_LENGTH);
    return { encapsulationKey: curve.getPublicKey(decapsulationKey), decapsulationKey };
  },
  encapsulate(encapsulationKey, random) {
    const ephemeral = random(X25519_LENGTH);
    expectLength('randomness', ephemeral, X25519_LENGTH);
    const raw = sharedX(ephemeral, encapsulationKey);
    const encapsulation = raw && { raw, ciphertext: curve.getPublicKey(ephemeral) };
    wipe(ephemeral);
    return encapsulation;
  },
  decapsulate(keyPair, ciphertext) {
    expectLength('X25519 decapsulation key', keyPair.decapsulationKey, X25519_LENGTH);
    return sharedX(keyPair.decapsulationKey, ciphertext);
  },
};

function sharedX(privateKey: Uint8Array, peerPublicKey: Uint8Array): Uint8Array | undefined {
  if (peerPublicKey.length !== X25519_LENGTH) return undefined;
  try {
    return curve.getSharedSecret(privateKey, peerPublicKey);
  } catch {
    // The library throws for exactly the points whose shared x would be zero.
    return undefined;
  }
}
