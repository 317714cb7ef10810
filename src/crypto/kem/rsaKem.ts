/** RSA-4096-OAEP-SHA256 as a KEM: a random secret, encrypted. Private operations run in WebCrypto's threads. */
import { wipe } from '../../bytes.ts';
import { SimsError } from '../../errors.ts';
import { expectLength } from '../check.ts';
import { subtle } from '../platform.ts';
import type { AsyncKem, HashProvider, RandomBytes } from '../provider.ts';
import { rawRsa, type RsaPublicKey } from '../signature/spki.ts';
import { encodeOaep, OAEP_SEED } from './oaep.ts';

const MODULUS_BITS = 4096;
const EXPONENT = 65_537;
const SECRET = 32;
const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' } as const;

/** How a provider computes m^e mod n; `spki` holds the same key. */
export type RsaPublicOperation = (key: RsaPublicKey, message: Uint8Array, spki: Uint8Array) => Uint8Array;

/** RSA-4096 wherever WebCrypto is, over a provider's hash and public operation. */
export function rsaKem(provider: HashProvider, publicOperation: RsaPublicOperation): AsyncKem {
  return {
    name: 'RSA-4096',
    ciphertextLength: 512,
    async generateKeyPair() {
      const parameters = { ...OAEP, modulusLength: MODULUS_BITS, publicExponent: Uint8Array.of(1, 0, 1) };
      const pair = await subtle().generateKey(parameters, true, ['encrypt', 'decrypt']);
      const [spki, pkcs8] = await Promise.all([
        subtle().exportKey('spki', pair.publicKey),
        subtle().exportKey('pkcs8', pair.privateKey),
      ]);
      return { encapsulationKey: new Uint8Array(spki), decapsulationKey: new Uint8Array(pkcs8) };
    },
    // Async, so that what goes wrong is a rejection here as elsewhere; the public operation takes under a millisecond.
    encapsulate: async (encapsulationKey, random) => encapsulate(provider, publicOperation, encapsulationKey, random),
    async decapsulate(keyPair, ciphertext, random) {
      // Drawn in every case, so that a failure takes no other path.
      const secret = random(SECRET);
      expectLength('randomness', secret, SECRET);
      const key = await importDecapsulationKey(keyPair.decapsulationKey);
      try {
        const opened = new Uint8Array(await subtle().decrypt(OAEP, key, ciphertext));
        if (opened.length !== SECRET) return secret;
        wipe(secret);
        return opened;
      } catch {
        return secret;
      }
    },
  };
}

/**
 * RSAES-OAEP of 32 random bytes, drawn first, under a seed of 32 more. The encoding is ours, so that vectors can fix the
 * randomness.
 */
function encapsulate(
  provider: HashProvider,
  publicOperation: RsaPublicOperation,
  encapsulationKey: Uint8Array,
  random: RandomBytes,
): { readonly raw: Uint8Array; readonly ciphertext: Uint8Array } | undefined {
  const key = rawRsa(encapsulationKey);
  if (key?.modulusBits !== MODULUS_BITS || key.exponent !== EXPONENT) return undefined;
  const raw = random(SECRET);
  const seed = random(OAEP_SEED);
  expectLength('randomness', raw, SECRET);
  expectLength('randomness', seed, OAEP_SEED);
  const encoded = encodeOaep(provider, raw, seed, key.modulus.length);
  const ciphertext = publicOperation(key, encoded, encapsulationKey);
  wipe(seed, encoded);
  return { raw, ciphertext };
}

async function importDecapsulationKey(pkcs8: Uint8Array): ReturnType<ReturnType<typeof subtle>['importKey']> {
  try {
    return await subtle().importKey('pkcs8', pkcs8, OAEP, false, ['decrypt']);
  } catch (error) {
    if (error instanceof SimsError) throw error;
    throw new SimsError('crypto/invalid-argument', `RSA decapsulation key of ${pkcs8.length} bytes is no PKCS #8 key`);
  }
}
