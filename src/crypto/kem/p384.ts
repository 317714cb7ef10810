/** Ephemeral P-384 as a KEM: keys and ciphertexts are uncompressed points, checked. */
import { p384 as curve } from '@noble/curves/nist.js';
import { wipe } from '../../bytes.ts';
import { drawScalar, expectScalar } from '../nistScalar.ts';
import type { Kem, KemKeyPair, RandomBytes } from '../provider.ts';
import { P384_POINT, P384_SCALAR } from './lengths.ts';

/** P-384 on every runtime. raw is the x of the shared point, 48 bytes (NIST SP 800-56A §5.7.1.2). */
export const p384: Kem = {
  name: 'P-384',
  encapsulationKeyLength: P384_POINT,
  decapsulationKeyLength: P384_SCALAR,
  ciphertextLength: P384_POINT,
  generateKeyPair: (random) => generateP384KeyPair(random),
  encapsulate(encapsulationKey, random) {
    const ephemeral = drawScalar('P-384', random);
    const raw = sharedX(ephemeral, encapsulationKey);
    const encapsulation = raw && { raw, ciphertext: curve.getPublicKey(ephemeral, false) };
    wipe(ephemeral);
    return encapsulation;
  },
  decapsulate(keyPair, ciphertext) {
    expectScalar('P-384', 'P-384 decapsulation key', keyPair.decapsulationKey);
    return sharedX(keyPair.decapsulationKey, ciphertext);
  },
};

/** A key pair from 48 bytes of `random`, drawn again while they are no scalar in [1, n − 1]. */
export function generateP384KeyPair(random: RandomBytes): KemKeyPair {
  const decapsulationKey = drawScalar('P-384', random);
  return { encapsulationKey: curve.getPublicKey(decapsulationKey, false), decapsulationKey };
}

function sharedX(scalar: Uint8Array, peerPoint: Uint8Array): Uint8Array | undefined {
  if (peerPoint.length !== P384_POINT || peerPoint[0] !== 4) return undefined;
  try {
    const shared = curve.getSharedSecret(scalar, peerPoint, false);
    const x = shared.slice(1, 1 + P384_SCALAR);
    wipe(shared);
    return x;
  } catch {
    // Scalars were checked before: the point is not on the curve.
    return undefined;
  }
}
