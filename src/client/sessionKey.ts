/**
 * The key that a card delegates to: it signs every handshake of one login.
 *
 * @packageDocumentation
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import { SimsError } from '../errors.ts';
import type { MaybePromise } from '../handshake/index.ts';

/** Which key a card delegates to: Ed25519, or RSA of 3,072 bits with PSS and SHA-256, as in the reference system. */
export type SessionKeyAlgorithm = 'Ed25519' | 'RSA-PSS-SHA256';

/** A fresh key that lives as long as the client. */
export interface SessionKey {
  /** Canonical DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  readonly sign: (toBeSigned: Uint8Array) => MaybePromise<Uint8Array>;
}

const RSA = { name: 'RSA-PSS', hash: 'SHA-256' } as const;
const RSA_BITS = 3_072;
const SALT_LENGTH = 32;

/**
 * Makes one. RSA comes from WebCrypto, and its private key cannot be exported.
 *
 * @throws `crypto/unavailable` for RSA where there is no WebCrypto
 */
export async function makeSessionKey(algorithm: SessionKeyAlgorithm, provider: CryptoProvider): Promise<SessionKey> {
  if (algorithm === 'Ed25519') {
    const keyPair = provider.generateSignatureKeyPair('Ed25519', provider.random);
    return { spki: keyPair.spki, sign: (toBeSigned) => provider.sign(keyPair, toBeSigned) };
  }
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (subtle === undefined) throw new SimsError('crypto/unavailable', 'RSA needs WebCrypto, which is not here');
  const parameters = { ...RSA, modulusLength: RSA_BITS, publicExponent: Uint8Array.of(1, 0, 1) };
  const { publicKey, privateKey } = await subtle.generateKey(parameters, false, ['sign', 'verify']);
  return {
    spki: new Uint8Array(await subtle.exportKey('spki', publicKey)),
    sign: async (toBeSigned) =>
      new Uint8Array(await subtle.sign({ name: RSA.name, saltLength: SALT_LENGTH }, privateKey, toBeSigned.slice())),
  };
}
