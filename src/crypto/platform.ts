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
/** Up to here bytes come from what was drawn ahead: nonces, ids and salts, which are public soon after. Keys are longer. */
const SHORT_DRAW = 16;
const AHEAD = 1_024;

let ahead: Uint8Array | undefined;
let aheadUsed = AHEAD;

/**
 * The platform's CSPRNG, up to any length. A call of it costs as much as sealing a short message, so a few bytes come
 * from a block that is drawn ahead; what is given out is erased there.
 *
 * @throws `crypto/unavailable` where there is none
 */
export const platformRandom: RandomBytes = (length) => {
  const bytes = new Uint8Array(length);
  if (length > SHORT_DRAW) {
    draw(bytes);
    return bytes;
  }
  ahead ??= new Uint8Array(AHEAD);
  if (aheadUsed + length > AHEAD) {
    draw(ahead);
    aheadUsed = 0;
  }
  for (let index = 0; index < length; index += 1) {
    bytes[index] = ahead[aheadUsed + index]!;
    ahead[aheadUsed + index] = 0;
  }
  aheadUsed += length;
  return bytes;
};

function draw(bytes: Uint8Array): void {
  const source = (globalThis as Platform).crypto;
  if (source === undefined) throw new SimsError('crypto/unavailable', 'this platform has no crypto.getRandomValues');
  for (let offset = 0; offset < bytes.length; offset += MAXIMUM_DRAW) {
    source.getRandomValues(bytes.subarray(offset, offset + MAXIMUM_DRAW));
  }
}

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
