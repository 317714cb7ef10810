/** RSA-4096 on every runtime that has WebCrypto. */
import { nobleHashes } from '../hashes.ts';
import type { AsyncKem } from '../provider.ts';
import { rsaPublicOperation } from './oaep.ts';
import { rsaKem } from './rsaKem.ts';

/** RSA-4096 with OAEP, SHA-256 and MGF1-SHA-256. */
export const rsa4096: AsyncKem = /* @__PURE__ */ rsaKem(nobleHashes, rsaPublicOperation);
