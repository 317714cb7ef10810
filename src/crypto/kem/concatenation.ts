/** The reference's concatenation KDF (NIST SP 800-56C §4, option 1) behind a KEM of P-384. */
import { wipe } from '../../bytes.ts';
import { concatenationKdf } from '../kdf.ts';
import type { HashProvider, Kem } from '../provider.ts';

/** The KEM with the KDF: raw = SHA-256(00000001 ‖ x ‖ ciphertext ‖ encapsulation key). */
export function withConcatenationKdf(kem: Kem, provider: HashProvider): Kem {
  return {
    name: 'P-384-ConcatenationKDF',
    encapsulationKeyLength: kem.encapsulationKeyLength,
    decapsulationKeyLength: kem.decapsulationKeyLength,
    ciphertextLength: kem.ciphertextLength,
    generateKeyPair: (random) => kem.generateKeyPair(random),
    encapsulate(encapsulationKey, random) {
      const inner = kem.encapsulate(encapsulationKey, random);
      if (inner === undefined) return undefined;
      const raw = concatenationKdf(provider, inner.raw, inner.ciphertext, encapsulationKey);
      wipe(inner.raw);
      return { raw, ciphertext: inner.ciphertext };
    },
    decapsulate(keyPair, ciphertext) {
      const x = kem.decapsulate(keyPair, ciphertext);
      if (x === undefined) return undefined;
      const raw = concatenationKdf(provider, x, ciphertext, keyPair.encapsulationKey);
      wipe(x);
      return raw;
    },
  };
}
