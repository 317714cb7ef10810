/** ECDSA on P-256 with SHA-256 and on P-384 with SHA-384 (FIPS 186-5 §6); signatures are raw r ‖ s. */
import { p256 as curve256, p384 as curve384 } from '@noble/curves/nist.js';
import { drawScalar, expectScalar } from '../nistScalar.ts';
import type { SignatureScheme } from '../provider.ts';
import { parseP256, parseP384 } from './nistPublicKey.ts';
import { p256Spki, rawP256, rawP384 } from './spki.ts';

// Larger s is accepted, as FIPS does: the protocol gives no meaning to a signature's bytes.
const OPTIONS = { prehash: true, lowS: false, format: 'compact' } as const;

/** ECDSA P-256 on every runtime; what it signs is deterministic (RFC 6979). */
export const ecdsaP256: SignatureScheme = {
  algorithm: 'ECDSA-P256-SHA256',
  parsePublicKey: parseP256,
  verify(publicKey, message, signature) {
    const point = rawP256(publicKey.spki);
    if (point === undefined || signature.length !== 64) return false;
    try {
      return curve256.verify(signature, message, point, OPTIONS);
    } catch {
      return false;
    }
  },
  generateKeyPair(random) {
    const privateKey = drawScalar('P-256', random);
    return { algorithm: 'ECDSA-P256-SHA256', spki: p256Spki(curve256.getPublicKey(privateKey, false)), privateKey };
  },
  sign(keyPair, message) {
    expectScalar('P-256', 'P-256 private key', keyPair.privateKey);
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
