/** X-Wing from ML-KEM-768 and X25519 of Node (draft-connolly-cfrg-xwing-kem §5). */
import { createHash, createPublicKey, hash, type KeyObject } from 'node:crypto';
import { concat, wipe } from '../../bytes.ts';
import { expectLength } from '../check.ts';
import { X_WING } from '../kem/lengths.ts';
import { platformRandom } from '../platform.ts';
import type { Kem, RandomBytes } from '../provider.ts';
import { exportJwk, plain, x25519PrivateKey } from './keys.ts';
import { mlKem768, type MlKemKey } from './mlKem.ts';
import { encapsulateX25519, sharedX } from './x25519.ts';

/** "\.//^\", the draft's label. */
const LABEL = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);

interface ExpandedKey {
  readonly mlKem: MlKemKey;
  readonly x25519: KeyObject;
  readonly x25519PublicKey: Uint8Array;
}

/** Expanded keys by the identity of the seed's bytes: they live as long as these. */
const expandedOf = new WeakMap<Uint8Array, ExpandedKey>();

/** X-Wing of Node. With the platform's randomness Node draws what an encapsulation takes. */
export const nodeXWing: Kem = {
  name: 'X-Wing',
  encapsulationKeyLength: X_WING.encapsulationKey,
  decapsulationKeyLength: X_WING.seed,
  ciphertextLength: X_WING.ciphertext,
  generateKeyPair(random) {
    const decapsulationKey = random(X_WING.seed);
    expectLength('randomness', decapsulationKey, X_WING.seed);
    const key = expand(decapsulationKey);
    return { encapsulationKey: concat(key.mlKem.encapsulationKey, key.x25519PublicKey), decapsulationKey };
  },
  encapsulate(encapsulationKey, random) {
    const source = random === platformRandom ? undefined : split(random);
    if (encapsulationKey.length !== X_WING.encapsulationKey) return undefined;
    const x25519PublicKey = encapsulationKey.subarray(X_WING.mlKemEncapsulationKey);
    const postQuantum = mlKem768().encapsulate(
      encapsulationKey.subarray(0, X_WING.mlKemEncapsulationKey),
      source?.mlKem,
    );
    const classical = postQuantum && encapsulateX25519(x25519PublicKey, source?.x25519 ?? platformRandom);
    if (postQuantum === undefined || classical === undefined) return undefined;
    return {
      raw: combine(postQuantum.raw, classical.raw, classical.ciphertext, x25519PublicKey),
      ciphertext: concat(postQuantum.ciphertext, classical.ciphertext),
    };
  },
  decapsulate(keyPair, ciphertext) {
    expectLength('X-Wing decapsulation key', keyPair.decapsulationKey, X_WING.seed);
    if (ciphertext.length !== X_WING.ciphertext) return undefined;
    const key = expand(keyPair.decapsulationKey);
    const share = ciphertext.subarray(X_WING.mlKemCiphertext);
    const classical = sharedX(key.x25519, share);
    if (classical === undefined) return undefined;
    const postQuantum = key.mlKem.decapsulate(ciphertext.subarray(0, X_WING.mlKemCiphertext));
    return combine(postQuantum, classical, share, key.x25519PublicKey);
  },
};

/** The 64 bytes that an encapsulation draws: ML-KEM's message, and the X25519 key that the second drawing gets. */
function split(random: RandomBytes): { readonly mlKem: Uint8Array; readonly x25519: RandomBytes } {
  const drawn = random(X_WING.encapsulationRandomness);
  expectLength('randomness', drawn, X_WING.encapsulationRandomness);
  return { mlKem: drawn.subarray(0, 32), x25519: () => drawn.subarray(32) };
}

function expand(seed: Uint8Array): ExpandedKey {
  const kept = expandedOf.get(seed);
  if (kept !== undefined) return kept;
  const expanded = plain(createHash('shake256', { outputLength: 96 }).update(seed).digest());
  const x25519 = x25519PrivateKey(expanded.subarray(64));
  const [x25519PublicKey] = exportJwk(createPublicKey(x25519), 32, 'x') as [Uint8Array];
  const key: ExpandedKey = { mlKem: mlKem768().fromSeed(expanded.subarray(0, 64)), x25519, x25519PublicKey };
  wipe(expanded);
  expandedOf.set(seed, key);
  return key;
}

/** SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label). */
function combine(postQuantum: Uint8Array, classical: Uint8Array, share: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const input = concat(postQuantum, classical, share, publicKey, LABEL);
  const raw = plain(hash('sha3-256', input, 'buffer'));
  wipe(postQuantum, classical, input);
  return raw;
}
