/** Ed25519, strictly (RFC 8032 §5.1): every provider accepts exactly the same keys and signatures. */
import { ed25519 as curve } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, equal } from '../../bytes.ts';
import { expectLength } from '../check.ts';
import type { SignaturePublicKey, SignatureScheme } from '../provider.ts';
import { ED25519_SEED, ED25519_SIGNATURE } from './ed25519Point.ts';
import { ed25519Spki, rawEd25519 } from './spki.ts';

type Point = InstanceType<typeof curve.Point>;

const pointOf = new WeakMap<SignaturePublicKey, Point>();

/** Ed25519 on every runtime. */
export const ed25519: SignatureScheme = {
  algorithm: 'Ed25519',
  parsePublicKey: parseEd25519,
  verify(publicKey, message, signature) {
    const point = pointOf.get(publicKey) ?? decode(rawEd25519(publicKey.spki));
    const raw = rawEd25519(publicKey.spki);
    if (point === undefined || raw === undefined || signature.length !== ED25519_SIGNATURE) return false;
    const s = littleEndian(signature.subarray(32));
    const { ORDER } = curve.Point.Fn;
    if (s >= ORDER) return false;
    const k = littleEndian(sha512(concat(signature.subarray(0, 32), raw, message))) % ORDER;
    // The equation without the cofactor, its result compared as bytes: so R is canonical, and so does OpenSSL.
    const expected = curve.Point.BASE.multiplyUnsafe(s).subtract(point.multiplyUnsafe(k));
    return equal(expected.toBytes(), signature.subarray(0, 32));
  },
  generateKeyPair(random) {
    const privateKey = random(ED25519_SEED);
    expectLength('randomness', privateKey, ED25519_SEED);
    return { algorithm: 'Ed25519', spki: ed25519Spki(curve.getPublicKey(privateKey)), privateKey };
  },
  sign(keyPair, message) {
    expectLength('Ed25519 private key', keyPair.privateKey, ED25519_SEED);
    return curve.sign(message, keyPair.privateKey);
  },
};

/** A key whose encoding is canonical, whose point is on the curve and whose order is large; else `undefined`. */
export function parseEd25519(spki: Uint8Array): SignaturePublicKey | undefined {
  const point = decode(rawEd25519(spki));
  if (point === undefined) return undefined;
  const publicKey: SignaturePublicKey = { algorithm: 'Ed25519', spki: spki.slice() };
  pointOf.set(publicKey, point);
  return publicKey;
}

function decode(raw: Uint8Array | undefined): Point | undefined {
  if (raw === undefined) return undefined;
  try {
    const point = curve.Point.fromBytes(raw);
    return point.isSmallOrder() ? undefined : point;
  } catch {
    return undefined;
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let digits = '';
  for (const byte of bytes) digits = byte.toString(16).padStart(2, '0') + digits;
  return BigInt(`0x${digits}`);
}
