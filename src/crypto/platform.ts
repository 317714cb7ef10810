/** The part of WebCrypto that is used, declared without any platform's library. Node, Deno, Bun and browsers have it. */
import { SimsError } from '../errors.ts';
import type { RandomBytes } from './provider.ts';

/** A key that WebCrypto holds. */
export interface WebCryptoKey {
  readonly type: string;
}

/** The operations of `SubtleCrypto` used here (W3C Web Cryptography API). */
export interface Subtle {
  generateKey(
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<{ readonly publicKey: WebCryptoKey; readonly privateKey: WebCryptoKey }>;
  importKey(
    format: 'spki' | 'pkcs8',
    key: Uint8Array,
    algorithm: object,
    extractable: boolean,
    usages: readonly string[],
  ): Promise<WebCryptoKey>;
  exportKey(format: 'spki' | 'pkcs8', key: WebCryptoKey): Promise<ArrayBuffer>;
  decrypt(algorithm: object, key: WebCryptoKey, bytes: Uint8Array): Promise<ArrayBuffer>;
  verify(algorithm: object, key: WebCryptoKey, signature: Uint8Array, message: Uint8Array): Promise<boolean>;
}

interface Platform {
  readonly crypto?: { readonly subtle?: Subtle; getRandomValues(bytes: Uint8Array): Uint8Array };
}

const MAXIMUM_DRAW = 65_536;

/**
 * The platform's CSPRNG, up to any length.
 *
 * @throws `crypto/unavailable` where there is none
 */
export const platformRandom: RandomBytes = (length) => {
  const source = (globalThis as Platform).crypto;
  if (source === undefined) throw new SimsError('crypto/unavailable', 'this platform has no crypto.getRandomValues');
  const bytes = new Uint8Array(length);
  for (let offset = 0; offset < length; offset += MAXIMUM_DRAW) {
    source.getRandomValues(bytes.subarray(offset, offset + MAXIMUM_DRAW));
  }
  return bytes;
};

/**
 * WebCrypto.
 *
 * @throws `crypto/unavailable` where there is none, as in a page that did not come over https
 */
export function subtle(): Subtle {
  const found = (globalThis as Platform).crypto?.subtle;
  if (found === undefined)
    throw new SimsError('crypto/unavailable', 'no WebCrypto here: RSA needs a secure context (https)');
  return found;
}
