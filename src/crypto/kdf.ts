/** Key derivation over any {@link HashProvider}: checks, and the mechanisms that are only composition. */
import { concat, lengthPrefixed, uint32 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import type { HashName, HashProvider } from './provider.ts';

/** Bytes of a hash's output. */
export const HASH_LENGTH: Readonly<Record<HashName, number>> = { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 };

const KEM_SECRET_LENGTH = 32;

/**
 * The secret of an encapsulation, 32 bytes, bound to suite, key and ciphertext: the first half of
 * SHA-512(lengthPrefixed("SIMS KEM", suite, raw, ciphertext, encapsulation key)).
 */
export function bindKemSecret(
  provider: HashProvider,
  suite: string,
  raw: Uint8Array,
  ciphertext: Uint8Array,
  encapsulationKey: Uint8Array,
): Uint8Array {
  const input = lengthPrefixed('SIMS KEM', suite, raw, ciphertext, encapsulationKey);
  const digest = provider.hash('SHA-512', input);
  const secret = digest.slice(0, KEM_SECRET_LENGTH);
  digest.fill(0);
  input.fill(0);
  return secret;
}

/** One block of the concatenation KDF (NIST SP 800-56C §4, option 1): SHA-256(00000001 ‖ secret ‖ other info). */
export function concatenationKdf(
  provider: HashProvider,
  secret: Uint8Array,
  ...otherInfo: readonly Uint8Array[]
): Uint8Array {
  const input = concat(uint32(1), secret, ...otherInfo);
  const derived = provider.hash('SHA-256', input);
  input.fill(0);
  return derived;
}

/** @throws `crypto/invalid-argument` above 255 hashes or for what is no length (RFC 5869 §2.3). */
export function checkExpandLength(name: HashName, length: number): void {
  const most = 255 * HASH_LENGTH[name];
  if (!Number.isInteger(length) || length < 0 || length > most) {
    throw new SimsError('crypto/invalid-argument', `HKDF with ${name} gives at most ${most} bytes, not ${length}`);
  }
}

/** @throws `crypto/invalid-argument` for fewer than one iteration or byte. */
export function checkPbkdf2(iterations: number, length: number): void {
  if (!Number.isInteger(iterations) || iterations < 1 || !Number.isInteger(length) || length < 1) {
    throw new SimsError('crypto/invalid-argument', `PBKDF2 cannot make ${length} bytes in ${iterations} iterations`);
  }
}
