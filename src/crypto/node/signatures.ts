/** Signatures by node:crypto. Public keys are checked in plain BigInt: OpenSSL alone would take more of them. */
import { constants, createPublicKey, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { concat } from '../../bytes.ts';
import { SimsError } from '../../errors.ts';
import { expectLength } from '../check.ts';
import { platformRandom } from '../platform.ts';
import type { RandomBytes, SignatureKeyPair, SignaturePublicKey, SignatureScheme } from '../provider.ts';
import { expectScalar } from '../nistScalar.ts';
import { ED25519_SEED, ED25519_SIGNATURE, isSoundEd25519 } from '../signature/ed25519Point.ts';
import { parseP256, parseP384 } from '../signature/nistPublicKey.ts';
import { parseRsa, PSS_SALT } from '../signature/rsaPss.ts';
import { ed25519Spki, p256Spki, rawEd25519, rawP256, rawRsa } from '../signature/spki.ts';
import { drawnKeyPair } from './drawn.ts';
import {
  ecPrivateKey,
  ed25519PrivateKey,
  exportJwk,
  okpPrivateKey,
  okpPublicKey,
  plain,
  spkiPublicKey,
} from './keys.ts';

const RAW = 'ieee-p1363';
const P256_SCALAR = 32;
const P384_SCALAR = 48;

const publicKeyOf = new WeakMap<SignaturePublicKey, KeyObject>();
const privateKeyOf = new WeakMap<Uint8Array, KeyObject>();

/** Ed25519 of Node: signs in 30 µs, noble 490; verifies in 90, noble 1,100. */
export const nodeEd25519: SignatureScheme = {
  algorithm: 'Ed25519',
  parsePublicKey: parseEd25519,
  verify(publicKey, message, signature) {
    if (signature.length !== ED25519_SIGNATURE) return false;
    // A structure that was not parsed here is checked now: OpenSSL itself would take a key of low order.
    const key = publicKeyFor(publicKey, () => ed25519KeyObject(publicKey.spki));
    return key !== undefined && verify(null, message, key, signature);
  },
  generateKeyPair(random) {
    if (random !== platformRandom) return ed25519KeyPairOf(random);
    const pair = generateKeyPairSync('ed25519');
    const [privateKey, publicKey] = exportJwk(pair.privateKey, ED25519_SEED, 'd', 'x') as [Uint8Array, Uint8Array];
    privateKeyOf.set(privateKey, pair.privateKey);
    return { algorithm: 'Ed25519', spki: ed25519Spki(publicKey), privateKey };
  },
  sign(keyPair, message) {
    expectLength('Ed25519 private key', keyPair.privateKey, ED25519_SEED);
    const key = privateKeyFor(keyPair, (pair) => {
      const publicKey = rawEd25519(pair.spki);
      return publicKey && okpPrivateKey('Ed25519', pair.privateKey, publicKey);
    });
    return plain(sign(null, message, key));
  },
};

/** ECDSA P-256 of Node: signs in 48 µs, noble 505; verifies in 93. Its signatures are randomised. */
export const nodeEcdsaP256: SignatureScheme = {
  algorithm: 'ECDSA-P256-SHA256',
  parsePublicKey: parseP256,
  verify: (publicKey, message, signature) =>
    signature.length === 2 * P256_SCALAR && verifyEcdsa('sha256', parseP256, publicKey, message, signature),
  generateKeyPair(random) {
    if (random !== platformRandom) {
      const { scalar, point } = drawnKeyPair('P-256', random);
      return { algorithm: 'ECDSA-P256-SHA256', spki: p256Spki(point), privateKey: scalar };
    }
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const members = exportJwk(pair.privateKey, P256_SCALAR, 'd', 'x', 'y');
    const [privateKey, x, y] = members as [Uint8Array, Uint8Array, Uint8Array];
    privateKeyOf.set(privateKey, pair.privateKey);
    return { algorithm: 'ECDSA-P256-SHA256', spki: p256Spki(concat(Uint8Array.of(4), x, y)), privateKey };
  },
  sign(keyPair, message) {
    expectScalar('P-256', 'P-256 private key', keyPair.privateKey);
    const key = privateKeyFor(keyPair, (pair) => {
      const point = rawP256(pair.spki);
      return point && ecPrivateKey('P-256', pair.privateKey, point);
    });
    return plain(sign('sha256', message, { key, dsaEncoding: RAW }));
  },
};

/** ECDSA P-384 of Node, verification only. */
export const nodeEcdsaP384: SignatureScheme = {
  algorithm: 'ECDSA-P384-SHA384',
  parsePublicKey: parseP384,
  verify: (publicKey, message, signature) =>
    signature.length === 2 * P384_SCALAR && verifyEcdsa('sha384', parseP384, publicKey, message, signature),
};

/** RSA-PSS of Node, verification only and synchronous: 0.1 ms with 4,096 bits. */
export const nodeRsaPss: SignatureScheme = {
  algorithm: 'RSA-PSS-SHA256',
  parsePublicKey: parseRsa,
  verify(publicKey, message, signature) {
    const key = publicKeyFor(publicKey, () => parseRsa(publicKey.spki) && spkiPublicKey(publicKey.spki));
    if (key === undefined || signature.length !== rawRsa(publicKey.spki)?.modulus.length) return false;
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify('sha256', message, { key, padding, saltLength: PSS_SALT }, signature);
  },
};

function verifyEcdsa(
  hash: 'sha256' | 'sha384',
  parse: SignatureScheme['parsePublicKey'],
  publicKey: SignaturePublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = publicKeyFor(publicKey, () => parse(publicKey.spki) && spkiPublicKey(publicKey.spki));
  return key !== undefined && verify(hash, message, { key, dsaEncoding: RAW }, signature);
}

function publicKeyFor(publicKey: SignaturePublicKey, make: () => KeyObject | undefined): KeyObject | undefined {
  const kept = publicKeyOf.get(publicKey);
  if (kept !== undefined) return kept;
  const key = make();
  if (key !== undefined) publicKeyOf.set(publicKey, key);
  return key;
}

function privateKeyFor(keyPair: SignatureKeyPair, make: (pair: SignatureKeyPair) => KeyObject | undefined): KeyObject {
  const kept = privateKeyOf.get(keyPair.privateKey);
  if (kept !== undefined) return kept;
  let key: KeyObject | undefined;
  try {
    key = make(keyPair);
  } catch {
    key = undefined;
  }
  if (key === undefined) {
    throw new SimsError('crypto/invalid-argument', `${keyPair.algorithm} private key does not fit its public key`);
  }
  privateKeyOf.set(keyPair.privateKey, key);
  return key;
}

/** The key, parsed once: the KeyObject is kept with it. */
function parseEd25519(spki: Uint8Array): SignaturePublicKey | undefined {
  const key = ed25519KeyObject(spki);
  if (key === undefined) return undefined;
  const publicKey: SignaturePublicKey = { algorithm: 'Ed25519', spki: Uint8Array.from(spki) };
  publicKeyOf.set(publicKey, key);
  return publicKey;
}

function ed25519KeyObject(spki: Uint8Array): KeyObject | undefined {
  const raw = rawEd25519(spki);
  return raw !== undefined && isSoundEd25519(raw) ? okpPublicKey('Ed25519', raw) : undefined;
}

function ed25519KeyPairOf(random: RandomBytes): SignatureKeyPair {
  const privateKey = random(ED25519_SEED);
  expectLength('randomness', privateKey, ED25519_SEED);
  const key = ed25519PrivateKey(privateKey);
  const [publicKey] = exportJwk(createPublicKey(key), 32, 'x') as [Uint8Array];
  privateKeyOf.set(privateKey, key);
  return { algorithm: 'Ed25519', spki: ed25519Spki(publicKey), privateKey };
}
