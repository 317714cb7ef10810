/** X25519 by node:crypto. */
import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { wipe } from '../../bytes.ts';
import { expectLength } from '../check.ts';
import { X25519_LENGTH } from '../kem/lengths.ts';
import { platformRandom } from '../platform.ts';
import type { Kem, KemKeyPair, RandomBytes, RawEncapsulation } from '../provider.ts';
import { exportJwk, okpPrivateKey, okpPublicKey, plain, x25519PrivateKey } from './keys.ts';

/** KeyObjects of decapsulation keys, by the identity of their bytes: they live as long as these. */
const privateKeyOf = new WeakMap<Uint8Array, KeyObject>();

/** X25519 of Node. With the platform's randomness Node draws the keys itself. */
export const nodeX25519: Kem = {
  name: 'X25519',
  encapsulationKeyLength: X25519_LENGTH,
  decapsulationKeyLength: X25519_LENGTH,
  ciphertextLength: X25519_LENGTH,
  generateKeyPair(random) {
    if (random !== platformRandom) return keyPairOf(drawX25519(random));
    // 33 µs, noble 290.
    const { privateKey } = generateKeyPairSync('x25519');
    const [decapsulationKey, encapsulationKey] = exportJwk(privateKey, X25519_LENGTH, 'd', 'x') as [
      Uint8Array,
      Uint8Array,
    ];
    privateKeyOf.set(decapsulationKey, privateKey);
    return { encapsulationKey, decapsulationKey };
  },
  encapsulate(encapsulationKey, random) {
    return encapsulateX25519(encapsulationKey, random);
  },
  decapsulate(keyPair, ciphertext) {
    const { decapsulationKey, encapsulationKey } = keyPair;
    expectLength('X25519 decapsulation key', decapsulationKey, X25519_LENGTH);
    expectLength('X25519 encapsulation key', encapsulationKey, X25519_LENGTH);
    let privateKey = privateKeyOf.get(decapsulationKey);
    if (privateKey === undefined) {
      privateKey = okpPrivateKey('X25519', decapsulationKey, encapsulationKey);
      privateKeyOf.set(decapsulationKey, privateKey);
    }
    return sharedX(privateKey, ciphertext);
  },
};

/** An encapsulation; with the platform's randomness 100 µs, noble 1,240. */
export function encapsulateX25519(encapsulationKey: Uint8Array, random: RandomBytes): RawEncapsulation | undefined {
  if (random !== platformRandom) {
    const drawn = drawX25519(random);
    const raw = sharedX(x25519PrivateKey(drawn), encapsulationKey);
    const encapsulation = raw && { raw, ciphertext: keyPairOf(drawn).encapsulationKey };
    wipe(drawn);
    return encapsulation;
  }
  const ephemeral = generateKeyPairSync('x25519');
  const raw = sharedX(ephemeral.privateKey, encapsulationKey);
  if (raw === undefined) return undefined;
  const [ciphertext] = exportJwk(ephemeral.publicKey, X25519_LENGTH, 'x') as [Uint8Array];
  return { raw, ciphertext };
}

/** Shared x, 32 bytes; `undefined` for a wrong length or if all zero. 55 µs, noble 940. */
export function sharedX(privateKey: KeyObject, peerPublicKey: Uint8Array): Uint8Array | undefined {
  if (peerPublicKey.length !== X25519_LENGTH) return undefined;
  try {
    return plain(diffieHellman({ privateKey, publicKey: okpPublicKey('X25519', peerPublicKey) }));
  } catch {
    // OpenSSL refuses to derive an all-zero secret.
    return undefined;
  }
}

function drawX25519(random: RandomBytes): Uint8Array {
  const drawn = random(X25519_LENGTH);
  expectLength('randomness', drawn, X25519_LENGTH);
  return drawn;
}

function keyPairOf(decapsulationKey: Uint8Array): KemKeyPair {
  const [encapsulationKey] = exportJwk(createPublicKey(x25519PrivateKey(decapsulationKey)), X25519_LENGTH, 'x') as [
    Uint8Array,
  ];
  return { encapsulationKey, decapsulationKey };
}
