/** RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes (RFC 8017 §8.1), by WebCrypto. */
import { subtle } from '../platform.ts';
import type { SignaturePublicKey, SignatureScheme } from '../provider.ts';
import { rawRsa } from './spki.ts';

/** Bytes of salt. */
export const PSS_SALT = 32;

const SMALLEST_MODULUS = 2048;
const LARGEST_MODULUS = 8192;

/** RSA-PSS on every runtime that has WebCrypto; verification only, asynchronous. */
export const rsaPss: SignatureScheme = {
  algorithm: 'RSA-PSS-SHA256',
  parsePublicKey: parseRsa,
  async verify(publicKey, message, signature) {
    const key = rawRsa(publicKey.spki);
    if (key === undefined || signature.length !== key.modulus.length) return false;
    const web = subtle();
    try {
      const imported = await web.importKey('spki', publicKey.spki, { name: 'RSA-PSS', hash: 'SHA-256' }, false, [
        'verify',
      ]);
      return await web.verify({ name: 'RSA-PSS', saltLength: PSS_SALT }, imported, signature, message);
    } catch {
      return false;
    }
  },
};

/** An RSA key of 2,048 to 8,192 bits in canonical DER; else `undefined`. */
export function parseRsa(spki: Uint8Array): SignaturePublicKey | undefined {
  const key = rawRsa(spki);
  if (key === undefined || key.modulusBits < SMALLEST_MODULUS || key.modulusBits > LARGEST_MODULUS) return undefined;
  return { algorithm: 'RSA-PSS-SHA256', spki: spki.slice() };
}
