/** Hash, HMAC, HKDF and PBKDF2 by @noble/hashes, on every runtime. */
import { expand, extract } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { pbkdf2 } from '@noble/hashes/pbkdf2.js';
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import type { CHash } from '@noble/hashes/utils.js';
import { checkExpandLength, checkPbkdf2 } from './kdf.ts';
import type { HashName, HashProvider } from './provider.ts';

/** {@link HashProvider} on every runtime. */
export const nobleHashes: HashProvider = {
  name: 'noble',
  hash: (name, bytes) => hashOf(name)(bytes),
  hmac: (name, key, bytes) => hmac(hashOf(name), key, bytes),
  hkdfExtract: (name, salt, inputKeyMaterial) => extract(hashOf(name), inputKeyMaterial, salt),
  hkdfExpand(name, pseudorandomKey, info, length) {
    checkExpandLength(name, length);
    return expand(hashOf(name), pseudorandomKey, info, length);
  },
  pbkdf2(name, password, salt, iterations, length) {
    checkPbkdf2(iterations, length);
    return pbkdf2(hashOf(name), password, salt, { c: iterations, dkLen: length });
  },
};

function hashOf(name: HashName): CHash {
  if (name === 'SHA-256') return sha256;
  return name === 'SHA-384' ? sha384 : sha512;
}
