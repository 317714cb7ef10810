/** ML-KEM-768 by node:crypto where it has it (Node 24 with OpenSSL 3.5), by noble elsewhere. */
import type { Buffer } from 'node:buffer';
import * as crypto from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createRequire } from 'node:module';
import { SimsError } from '../../errors.ts';
import { plain, view } from './keys.ts';

/** A decapsulation key, ready for use. */
export interface MlKemKey {
  /** 1,184 bytes. */
  readonly encapsulationKey: Uint8Array;
  /** 32 bytes; never fails (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

/** ML-KEM-768 with the platform's randomness. */
export interface MlKem {
  /** The key of a 64-byte seed d ‖ z (FIPS 203 §7.1). */
  fromSeed(seed: Uint8Array): MlKemKey;
  /** `undefined` when the key fails the modulus check (FIPS 203 §7.2). `message`: 32 bytes, for vectors; wiped. */
  encapsulate(
    encapsulationKey: Uint8Array,
    message?: Uint8Array,
  ): { readonly raw: Uint8Array; readonly ciphertext: Uint8Array } | undefined;
}

/** Node's ML-KEM as it is used here; declared, since older Node has none of it. */
interface Native {
  createPrivateKey(key: { key: Buffer; format: 'raw-seed'; asymmetricKeyType: 'ml-kem-768' }): KeyObject;
  createPublicKey(key: KeyObject | { key: Buffer; format: 'raw-public'; asymmetricKeyType: 'ml-kem-768' }): RawKey;
  encapsulate(key: RawKey): { readonly sharedKey: Buffer; readonly ciphertext: Buffer };
  decapsulate(key: KeyObject, ciphertext: Uint8Array): Buffer;
}

interface RawKey {
  export(options: { format: 'raw-public' }): Buffer;
}

let chosen: MlKem | undefined;

/** The faster one that works on this Node; found out at first use. */
export function mlKem768(): MlKem {
  chosen ??= probe();
  return chosen;
}

/** Portable ML-KEM: on Node 24 a key from its seed takes 360 µs, an encapsulation 490, a decapsulation 555. */
export const nobleMlKem768: MlKem = {
  fromSeed(seed) {
    const { publicKey, secretKey } = noble().keygen(seed);
    return { encapsulationKey: publicKey, decapsulate: (ciphertext) => noble().decapsulate(ciphertext, secretKey) };
  },
  encapsulate(encapsulationKey, message) {
    const library = noble();
    try {
      const { sharedSecret, cipherText } = library.encapsulate(encapsulationKey, message);
      return { raw: sharedSecret, ciphertext: cipherText };
    } catch {
      return undefined;
    } finally {
      message?.fill(0);
    }
  },
};

function probe(): MlKem {
  const native = crypto as unknown as Partial<Native>;
  if (typeof native.encapsulate !== 'function' || typeof native.decapsulate !== 'function') return nobleMlKem768;
  const candidate = nativeMlKem768(native as Native);
  try {
    // The raw formats came after the operations: what counts is that all of it works together.
    const key = candidate.fromSeed(new Uint8Array(64));
    const encapsulation = candidate.encapsulate(key.encapsulationKey);
    return encapsulation !== undefined && key.decapsulate(encapsulation.ciphertext).length === 32
      ? candidate
      : nobleMlKem768;
  } catch {
    return nobleMlKem768;
  }
}

/** Native ML-KEM: a key from its seed takes 105 µs, an encapsulation 67, a decapsulation 28. */
function nativeMlKem768(native: Native): MlKem {
  const asymmetricKeyType = 'ml-kem-768';
  return {
    fromSeed(seed) {
      const key = native.createPrivateKey({ key: view(seed), format: 'raw-seed', asymmetricKeyType });
      return {
        encapsulationKey: plain(native.createPublicKey(key).export({ format: 'raw-public' })),
        decapsulate: (ciphertext) => plain(native.decapsulate(key, ciphertext)),
      };
    },
    encapsulate(encapsulationKey, message) {
      // Node takes no message of the caller's.
      if (message !== undefined) return nobleMlKem768.encapsulate(encapsulationKey, message);
      try {
        const key = native.createPublicKey({ key: view(encapsulationKey), format: 'raw-public', asymmetricKeyType });
        const { sharedKey, ciphertext } = native.encapsulate(key);
        return { raw: plain(sharedKey), ciphertext: plain(ciphertext) };
      } catch {
        // OpenSSL makes the modulus check when it imports the key.
        return undefined;
      }
    },
  };
}

type Library = typeof import('@noble/post-quantum/ml-kem.js').ml_kem768;

let loaded: Library | undefined;

/** Loaded when it is needed, which on Node 24 is never: it takes 13 ms. `require` of a module works from 20.19 on. */
function noble(): Library {
  if (loaded === undefined) {
    try {
      const library = createRequire(import.meta.url)('@noble/post-quantum/ml-kem.js') as { ml_kem768: Library };
      loaded = library.ml_kem768;
    } catch (cause) {
      throw new SimsError('crypto/unavailable', 'this Node has no ML-KEM, and @noble/post-quantum does not load', {
        cause,
      });
    }
  }
  return loaded;
}
