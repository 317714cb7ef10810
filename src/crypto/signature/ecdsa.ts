/** ECDSA on P-256 with SHA-256 and on P-384 with SHA-384 (FIPS 186-5 §6); signatures are raw r ‖ s. */
import { p256 as curve256, p384 as curve384 } from '@noble/curves/nist.js';
import { SimsError } from '../../errors.ts';
import { expectLength } from '../check.ts';
import type { SignatureScheme } from '../provider.ts';
import { parseP256, parseP384 } from './nistPublicKey.ts';
import { p256Spki, rawP256, rawP384 } from './spki.ts';

/** Bytes of a P-256 scalar, and half of a signature's. */
export const P256_SCALAR = 32;

const MAXIMUM_DRAWS = 64;
// Larger s is accepted, as FIPS does: the protocol gives no meaning to a signature's bytes.
const OPTIONS = { prehash: true, lowS: false, format: 'compact' } as const;

/** ECDSA P-256 on every runtime; what it signs is deterministic (RFC 6979). */
export const ecdsaP256: SignatureScheme = {
  algorithm: 'ECDSA-P256-SHA256',
  parsePublicKey: parseP256,
  verify(publicKey, message, signature) {
    const point = rawP256(publicKey.spki);
    if (point === undefined || signature.length !== 2 * P256_SCALAR) return false;
    try {
      return curve256.verify(signature, message, point, OPTIONS);
    } catch {
      return false;
    }
  },
  generateKeyPair(random) {
    for (let draw = 0; draw < MAXIMUM_DRAWS; draw += 1) {
      const privateKey = random(P256_SCALAR);
      expectLength('randomness', privateKey, P256_SCALAR);
      if (!curve256.utils.isValidSecretKey(privateKey)) continue;
      return { algorithm: 'ECDSA-P256-SHA256', spki: p256Spki(curve256.getPublicKey(privateKey, false)), privateKey };
    }
    throw new SimsError('crypto/random-failed', `no P-256 scalar in ${MAXIMUM_DRAWS} draws`);
  },
  sign(keyPair, message) {
    expectP256Scalar(keyPair.privateKey);
    return curve256.sign(message, keyPair.privateKey, OPTIONS);
  },
};

/** ECDSA P-384 on every runtime; verification only. */
export const ecdsaP384: SignatureScheme = {
  algorithm: 'ECDSA-P384-SHA384',
  parsePublicKey: parseP384,
  verify(publicKey, message, signature) {
    const point = rawP384(publicKey.spki);
    if (point === undefined || signature.length !== 96) return false;
    try {
      return curve384.verify(signature, message, point, OPTIONS);
    } catch {
      return false;
    }
  },
};

/** @throws `crypto/invalid-argument` unless the key is a scalar in [1, n − 1]. */
export function expectP256Scalar(key: Uint8Array): void {
  expectLength('P-256 private key', key, P256_SCALAR);
  if (!curve256.utils.isValidSecretKey(key)) {
    throw new SimsError('crypto/invalid-argument', 'P-256 private key is not in the range of the group');
  }
}
