/** Bytes of the KEMs' keys and ciphertexts, for every implementation. */

/** X25519 keys, ciphertexts and secrets. */
export const X25519_LENGTH = 32;

/** A P-384 scalar or coordinate. */
export const P384_SCALAR = 48;
/** An uncompressed P-384 point: 04 ‖ x ‖ y. */
export const P384_POINT = 97;

/** Parts of X-Wing. Keys and ciphertexts are the ML-KEM part, then the X25519 part. */
export const X_WING = {
  seed: 32,
  encapsulationKey: 1216,
  ciphertext: 1120,
  mlKemEncapsulationKey: 1184,
  mlKemCiphertext: 1088,
  encapsulationRandomness: 64,
} as const;
