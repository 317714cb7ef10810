/** KeyObjects from raw keys, and back. Importing costs more than the mathematics, so what lives long is kept. */
import { Buffer } from 'node:buffer';
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { concat, wipe } from '../../bytes.ts';

/** PKCS #8 of an X25519 key up to the key (RFC 8410 §7). */
const X25519_PRIVATE = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);
/** The same of an Ed25519 key. */
const ED25519_PRIVATE = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);
/** PKCS #8 of an EC key up to the scalar, and from there to the public point (RFC 5915, RFC 5208). */
const EC_PRIVATE = {
  'P-256': {
    before: Buffer.from('308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420', 'hex'),
    between: Buffer.from('a144034200', 'hex'),
  },
  'P-384': {
    before: Buffer.from('3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430', 'hex'),
    between: Buffer.from('a164036200', 'hex'),
  },
} as const;

/** SubjectPublicKeyInfo of these keys up to the key (RFC 8410 §4), in base64: 12 bytes, so that the key's own base64 follows. */
const OKP_PUBLIC = { X25519: 'MCowBQYDK2VuAyEA', Ed25519: 'MCowBQYDK2VwAyEA' } as const;

type OkpPublicKey = (crv: 'X25519' | 'Ed25519', publicKey: Uint8Array) => KeyObject;

const fromJwk: OkpPublicKey = (crv, publicKey) =>
  createPublicKey({ key: { kty: 'OKP', crv, x: toBase64url(publicKey) }, format: 'jwk' });
const fromPem: OkpPublicKey = (crv, publicKey) => {
  const text = view(publicKey).toString('base64');
  return createPublicKey(`-----BEGIN PUBLIC KEY-----\n${OKP_PUBLIC[crv]}${text}\n-----END PUBLIC KEY-----\n`);
};

let fasterOkpPublicKey: OkpPublicKey | undefined;

/**
 * Public key of 32 bytes. JWK imports in 5 µs on Node 20 where OpenSSL's decoder takes 69. Node 24.21 spends 13 µs to find
 * that an object is no key, so that JWK and DER take 20 and PEM, a string, 7. Which is faster is measured at first use.
 */
export function okpPublicKey(crv: 'X25519' | 'Ed25519', publicKey: Uint8Array): KeyObject {
  fasterOkpPublicKey ??= fasterOf(fromJwk, fromPem);
  return fasterOkpPublicKey(crv, publicKey);
}

/** The fastest of some rounds counts: whatever else runs on the machine makes some slower. */
function fasterOf(one: OkpPublicKey, other: OkpPublicKey): OkpPublicKey {
  const publicKey = new Uint8Array(32).fill(9);
  const time = (make: OkpPublicKey): number => {
    const start = performance.now();
    for (let index = 0; index < 2; index += 1) make('X25519', publicKey);
    return performance.now() - start;
  };
  let [ofOne, ofOther] = [Infinity, Infinity];
  for (let round = 0; round < 6; round += 1) {
    ofOne = Math.min(ofOne, time(one));
    ofOther = Math.min(ofOther, time(other));
  }
  return ofOne <= ofOther ? one : other;
}

/** Private key of 32 bytes with its public key. JWK imports in 37 µs on Node 20 where DER takes 310. */
export function okpPrivateKey(crv: 'X25519' | 'Ed25519', privateKey: Uint8Array, publicKey: Uint8Array): KeyObject {
  const key = { kty: 'OKP', crv, d: toBase64url(privateKey), x: toBase64url(publicKey) };
  return createPrivateKey({ key, format: 'jwk' });
}

/** X25519 private key of 32 bytes whose public key is not known: OpenSSL computes it, here from DER. */
export function x25519PrivateKey(privateKey: Uint8Array): KeyObject {
  return pkcs8PrivateKey(X25519_PRIVATE, privateKey);
}

/** Ed25519 private key of a seed whose public key is not known. */
export function ed25519PrivateKey(seed: Uint8Array): KeyObject {
  return pkcs8PrivateKey(ED25519_PRIVATE, seed);
}

/** Public key in DER. For EC, DER imports in 102 µs on Node 20 where JWK takes 358; on Node 24 in 39 and 47. */
export function spkiPublicKey(spki: Uint8Array): KeyObject {
  return createPublicKey({ key: view(spki), format: 'der', type: 'spki' });
}

/** EC private key with its point, without which OpenSSL spends a millisecond to compute it. */
export function ecPrivateKey(curve: 'P-256' | 'P-384', scalar: Uint8Array, point: Uint8Array): KeyObject {
  const { before, between } = EC_PRIVATE[curve];
  return pkcs8PrivateKey(before, scalar, between, point);
}

/** Members of a key as JWK, each decoded to `length` bytes in memory of its own. */
export function exportJwk(key: KeyObject, length: number, ...members: readonly ('d' | 'x' | 'y')[]): Uint8Array[] {
  const jwk = key.export({ format: 'jwk' });
  return members.map((member) => {
    const bytes = new Uint8Array(length);
    // Written in place: Buffer.from(text) would leave a copy in Node's shared pool.
    Buffer.from(bytes.buffer).write(jwk[member] ?? '', 'base64url');
    return bytes;
  });
}

/** The same memory as plain bytes: a Buffer's `slice` does not copy, which callers of Uint8Array do not expect. */
export function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** The same memory as a Buffer. */
export function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function toBase64url(bytes: Uint8Array): string {
  return view(bytes).toString('base64url');
}

function pkcs8PrivateKey(...parts: readonly Uint8Array[]): KeyObject {
  const pkcs8 = concat(...parts);
  try {
    return createPrivateKey({ key: view(pkcs8), format: 'der', type: 'pkcs8' });
  } finally {
    wipe(pkcs8);
  }
}
