/** Ephemeral P-384 as a KEM: keys and ciphertexts are uncompressed points, checked. */
import { p384 as curve } from '@noble/curves/nist.js';
import { wipe } from '../../bytes.ts';
import { SimsError } from '../../errors.ts';
import { expectLength } from '../check.ts';
import { concatenationKdf } from '../kdf.ts';
import type { HashProvider, Kem, KemKeyPair, RandomBytes } from '../provider.ts';

/** Bytes of a P-384 scalar or coordinate. */
export const P384_SCALAR = 48;
/** Bytes of an uncompressed point: 04 ‖ x ‖ y. */
export const P384_POINT = 97;

const MAXIMUM_DRAWS = 64;

/** P-384 on every runtime. raw is the x of the shared point, 48 bytes (NIST SP 800-56A §5.7.1.2). */
export const p384: Kem = {
  name: 'P-384',
  encapsulationKeyLength: P384_POINT,
  decapsulationKeyLength: P384_SCALAR,
  ciphertextLength: P384_POINT,
  generateKeyPair: (random) => generateP384KeyPair(random),
  encapsulate(encapsulationKey, random) {
    const ephemeral = drawP384Scalar(random);
    const raw = sharedX(ephemeral, encapsulationKey);
    const encapsulation = raw && { raw, ciphertext: curve.getPublicKey(ephemeral, false) };
    wipe(ephemeral);
    return encapsulation;
  },
  decapsulate(keyPair, ciphertext) {
    expectP384Scalar(keyPair.decapsulationKey);
    return sharedX(keyPair.decapsulationKey, ciphertext);
  },
};

/** The same with the reference's concatenation KDF: raw = SHA-256(00000001 ‖ x ‖ ciphertext ‖ encapsulation key). */
export function withConcatenationKdf(kem: Kem, provider: HashProvider): Kem {
  return {
    name: 'P-384-ConcatenationKDF',
    encapsulationKeyLength: kem.encapsulationKeyLength,
    decapsulationKeyLength: kem.decapsulationKeyLength,
    ciphertextLength: kem.ciphertextLength,
    generateKeyPair: (random) => kem.generateKeyPair(random),
    encapsulate(encapsulationKey, random) {
      const inner = kem.encapsulate(encapsulationKey, random);
      if (inner === undefined) return undefined;
      const raw = concatenationKdf(provider, inner.raw, inner.ciphertext, encapsulationKey);
      wipe(inner.raw);
      return { raw, ciphertext: inner.ciphertext };
    },
    decapsulate(keyPair, ciphertext) {
      const x = kem.decapsulate(keyPair, ciphertext);
      if (x === undefined) return undefined;
      const raw = concatenationKdf(provider, x, ciphertext, keyPair.encapsulationKey);
      wipe(x);
      return raw;
    },
  };
}

/** A key pair from 48 bytes of `random`, drawn again while they are no scalar in [1, n − 1]. */
export function generateP384KeyPair(random: RandomBytes): KemKeyPair {
  const decapsulationKey = drawP384Scalar(random);
  return { encapsulationKey: curve.getPublicKey(decapsulationKey, false), decapsulationKey };
}

/** @throws `crypto/invalid-argument` unless the key is a scalar in [1, n − 1]. */
export function expectP384Scalar(key: Uint8Array): void {
  expectLength('P-384 decapsulation key', key, P384_SCALAR);
  if (!curve.utils.isValidSecretKey(key)) {
    throw new SimsError('crypto/invalid-argument', 'P-384 decapsulation key is not in the range of the group');
  }
}

function drawP384Scalar(random: RandomBytes): Uint8Array {
  for (let draw = 0; draw < MAXIMUM_DRAWS; draw += 1) {
    const scalar = random(P384_SCALAR);
    expectLength('randomness', scalar, P384_SCALAR);
    if (curve.utils.isValidSecretKey(scalar)) return scalar;
  }
  // Chance below 2^-12000 for honest bytes.
  throw new SimsError('crypto/random-failed', `no P-384 scalar in ${MAXIMUM_DRAWS} draws`);
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
