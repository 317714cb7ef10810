/** RSA-4096 by node:crypto. */
import { constants, publicEncrypt } from 'node:crypto';
import { rsaKem } from '../kem/rsaKem.ts';
import type { AsyncKem } from '../provider.ts';
import { nodeHashes } from './hashes.ts';
import { plain, spkiPublicKey } from './keys.ts';

/**
 * RSA-4096 of Node. Key generation and decapsulation stay with WebCrypto, which runs them in the thread pool:
 * `privateDecrypt` blocks the event loop for milliseconds.
 */
export const nodeRsa4096: AsyncKem = /* @__PURE__ */ rsaKem(nodeHashes, (_key, message, spki) =>
  plain(publicEncrypt({ key: spkiPublicKey(spki), padding: constants.RSA_NO_PADDING }, message)),
);
