/** Both implementations with all their parts, for suites of tests that run over each. */
import { nobleHashes } from '../../src/crypto/hashes.ts';
import { withConcatenationKdf } from '../../src/crypto/kem/concatenation.ts';
import { p384 } from '../../src/crypto/kem/p384.ts';
import { rsa4096 } from '../../src/crypto/kem/rsa.ts';
import { x25519 } from '../../src/crypto/kem/x25519.ts';
import { xWing } from '../../src/crypto/kem/xWing.ts';
import { nobleProvider } from '../../src/crypto/noble.ts';
import { mlKem768, nobleMlKem768, type MlKem } from '../../src/crypto/node/mlKem.ts';
import { nodeP384, nodeP384WithConcatenationKdf } from '../../src/crypto/node/p384.ts';
import { nodeProvider } from '../../src/crypto/node/provider.ts';
import {
  nodeAes256Gcm,
  nodeAes256GcmAead,
  nodeAesCbcForTesting,
  nodeChacha20Poly1305,
  nodeChacha20Poly1305Aead,
  nodeFernet,
  nodeFernetTokens,
} from '../../src/crypto/node/records.ts';
import { nodeRsa4096 } from '../../src/crypto/node/rsa.ts';
import * as nodeSuites from '../../src/crypto/node/suites.ts';
import { nodeX25519 } from '../../src/crypto/node/x25519.ts';
import { nodeXWing } from '../../src/crypto/node/xWing.ts';
import type { AsyncKem, CryptoProvider, Kem, RecordCipher } from '../../src/crypto/provider.ts';
import type { Aead } from '../../src/crypto/record/aead.ts';
import { aes256Gcm, aes256GcmAead } from '../../src/crypto/record/aes256Gcm.ts';
import { chacha20Poly1305, chacha20Poly1305Aead } from '../../src/crypto/record/chacha20Poly1305.ts';
import { aesCbcForTesting, fernet, openFernet, sealFernet } from '../../src/crypto/record/fernet.ts';
import type { Fernet } from '../../src/crypto/record/fernetToken.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import * as nobleSuites from '../../src/crypto/suites.ts';

export interface Implementation {
  readonly name: string;
  readonly provider: CryptoProvider;
  readonly x25519: Kem;
  readonly p384: Kem;
  readonly p384WithConcatenationKdf: Kem;
  readonly xWing: Kem;
  readonly rsa4096: AsyncKem;
  readonly mlKem: () => MlKem;
  readonly chacha20Poly1305: RecordCipher;
  readonly aes256Gcm: RecordCipher;
  readonly fernet: RecordCipher;
  readonly chacha20Poly1305Aead: Aead;
  readonly aes256GcmAead: Aead;
  readonly cbc: typeof aesCbcForTesting;
  readonly tokens: Fernet;
  readonly suites: readonly Suite[];
  readonly defaultSuites: readonly Suite[];
}

export const noble: Implementation = {
  name: 'noble',
  provider: nobleProvider,
  x25519,
  p384,
  p384WithConcatenationKdf: withConcatenationKdf(p384, nobleHashes),
  xWing,
  rsa4096,
  mlKem: () => nobleMlKem768,
  chacha20Poly1305,
  aes256Gcm,
  fernet,
  chacha20Poly1305Aead,
  aes256GcmAead,
  cbc: aesCbcForTesting,
  tokens: { seal: sealFernet, open: openFernet },
  suites: nobleSuites.allSuites,
  defaultSuites: nobleSuites.defaultSuites,
};

export const node: Implementation = {
  name: 'node',
  provider: nodeProvider,
  x25519: nodeX25519,
  p384: nodeP384,
  p384WithConcatenationKdf: nodeP384WithConcatenationKdf,
  xWing: nodeXWing,
  rsa4096: nodeRsa4096,
  mlKem: mlKem768,
  chacha20Poly1305: nodeChacha20Poly1305,
  aes256Gcm: nodeAes256Gcm,
  fernet: nodeFernet,
  chacha20Poly1305Aead: nodeChacha20Poly1305Aead,
  aes256GcmAead: nodeAes256GcmAead,
  cbc: nodeAesCbcForTesting,
  tokens: nodeFernetTokens,
  suites: nodeSuites.allSuites,
  defaultSuites: nodeSuites.defaultSuites,
};

export const implementations: readonly Implementation[] = [noble, node];

export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

/** Reproducible bytes, another stream for each seed; not random at all. */
export function seededRandomForTesting(seed: number): (length: number) => Uint8Array {
  let counter = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 32, counter += 1) {
      const block = nobleHashes.hash('SHA-256', new TextEncoder().encode(`${seed}/${counter}`));
      bytes.set(block.subarray(0, Math.min(32, length - offset)), offset);
    }
    return bytes;
  };
}
