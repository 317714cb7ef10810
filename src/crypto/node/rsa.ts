/** RSA-4096 by node:crypto. */
import { constants, publicEncrypt } from 'node:crypto';
import { encapsulateRsa, rsa4096 } from '../kem/rsa.ts';
import type { AsyncKem } from '../provider.ts';
import { plain, spkiPublicKey } from './keys.ts';

/**
 * RSA-4096 of Node. Key generation and decapsulation stay with WebCrypto, which runs them in the thread pool:
 * `privateDecrypt` blocks the event loop for milliseconds.
 */
export const nodeRsa4096: AsyncKem = {
  name: 'RSA-4096',
  ciphertextLength: 512,
  generateKeyPair: () => rsa4096.generateKeyPair(),
  encapsulate: async (encapsulationKey, random) =>
    encapsulateRsa(encapsulationKey, random, (_key, message, spki) =>
      plain(publicEncrypt({ key: spkiPublicKey(spki), padding: constants.RSA_NO_PADDING }, message)),
    ),
  decapsulate: (keyPair, ciphertext, random) => rsa4096.decapsulate(keyPair, ciphertext, random),
};
