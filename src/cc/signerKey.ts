/**
 * WebCrypto's words for the algorithms of signers.
 *
 * @packageDocumentation
 */
import type { SigningAlgorithm } from './signer.ts';

/** What importKey, sign and verify of WebCrypto take for an algorithm. */
export function webCryptoParameters(algorithm: SigningAlgorithm): WebCryptoParameters {
  return PARAMETERS[algorithm];
}

/** Parameters for `importKey`, and for `sign` and `verify`. */
export interface WebCryptoParameters {
  readonly key: { readonly name: string; readonly namedCurve?: string; readonly hash?: string };
  readonly signature: { readonly name: string; readonly hash?: string; readonly saltLength?: number };
}

/** Whether the signature is the key's over these bytes; false also for a key that does not fit the algorithm. */
export async function isSignatureOf(
  spki: Uint8Array,
  algorithm: SigningAlgorithm,
  toBeSigned: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const parameters = PARAMETERS[algorithm];
  try {
    const key = await crypto.subtle.importKey('spki', spki.slice(), { ...parameters.key }, false, ['verify']);
    return await crypto.subtle.verify(parameters.signature, key, signature.slice(), toBeSigned.slice());
  } catch {
    return false;
  }
}

const PARAMETERS: Readonly<Record<SigningAlgorithm, WebCryptoParameters>> = {
  ES256: { key: { name: 'ECDSA', namedCurve: 'P-256' }, signature: { name: 'ECDSA', hash: 'SHA-256' } },
  ES384: { key: { name: 'ECDSA', namedCurve: 'P-384' }, signature: { name: 'ECDSA', hash: 'SHA-384' } },
  ES512: { key: { name: 'ECDSA', namedCurve: 'P-521' }, signature: { name: 'ECDSA', hash: 'SHA-512' } },
  PS256: { key: { name: 'RSA-PSS', hash: 'SHA-256' }, signature: { name: 'RSA-PSS', saltLength: 32 } },
  RS256: { key: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, signature: { name: 'RSASSA-PKCS1-v1_5' } },
  EdDSA: { key: { name: 'Ed25519' }, signature: { name: 'Ed25519' } },
};
