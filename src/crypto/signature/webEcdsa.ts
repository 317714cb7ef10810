/** ECDSA verification by WebCrypto: asynchronous, and nothing to load. For bundles without the NIST curves' code. */
import { subtle } from '../platform.ts';
import type { SignatureAlgorithm, SignatureScheme } from '../provider.ts';
import { parseP256, parseP384 } from './nistPublicKey.ts';

/** ECDSA P-256, verification only, where WebCrypto is. */
export const webEcdsaP256: SignatureScheme = {
  algorithm: 'ECDSA-P256-SHA256',
  parsePublicKey: parseP256,
  verify: (publicKey, message, signature) => verify(publicKey, message, signature, 'P-256', 'SHA-256'),
};

/** ECDSA P-384, verification only, where WebCrypto is. */
export const webEcdsaP384: SignatureScheme = {
  algorithm: 'ECDSA-P384-SHA384',
  parsePublicKey: parseP384,
  verify: (publicKey, message, signature) => verify(publicKey, message, signature, 'P-384', 'SHA-384'),
};

async function verify(
  publicKey: { readonly algorithm: SignatureAlgorithm; readonly spki: Uint8Array },
  message: Uint8Array,
  signature: Uint8Array,
  namedCurve: 'P-256' | 'P-384',
  hash: 'SHA-256' | 'SHA-384',
): Promise<boolean> {
  if (signature.length !== (namedCurve === 'P-256' ? 64 : 96)) return false;
  const web = subtle();
  try {
    const key = await web.importKey('spki', publicKey.spki, { name: 'ECDSA', namedCurve }, false, ['verify']);
    return await web.verify({ name: 'ECDSA', hash }, key, signature, message);
  } catch {
    return false;
  }
}
