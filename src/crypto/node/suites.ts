/**
 * The six cipher suites by node:crypto. The names are those of the portable ones: where you import from decides.
 *
 * @packageDocumentation
 */
import type { Suite } from '../suite.ts';
import { bindSuite } from '../suiteTable.ts';
import { nodeHashes } from './hashes.ts';
import { nodeP384, nodeP384WithConcatenationKdf } from './p384.ts';
import { nodeAes256Gcm, nodeChacha20Poly1305, nodeFernet } from './records.ts';
import { nodeRsa4096 } from './rsa.ts';
import { nodeX25519 } from './x25519.ts';
import { nodeXWing } from './xWing.ts';

/** The default: X-Wing and ChaCha20-Poly1305, safe against a later quantum computer. */
export const X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256: Suite = /* @__PURE__ */ bindSuite(
  'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256',
  { kem: nodeXWing, cipher: nodeChacha20Poly1305, provider: nodeHashes },
);

/** X-Wing and AES-256-GCM, for AES hardware. */
export const X25519MLKEM768_WITH_AES_256_GCM_SHA384: Suite = /* @__PURE__ */ bindSuite(
  'X25519MLKEM768_WITH_AES_256_GCM_SHA384',
  { kem: nodeXWing, cipher: nodeAes256Gcm, provider: nodeHashes },
);

/** X25519 and ChaCha20-Poly1305: small messages. */
export const X25519_WITH_CHACHA20_POLY1305_SHA256: Suite = /* @__PURE__ */ bindSuite(
  'X25519_WITH_CHACHA20_POLY1305_SHA256',
  { kem: nodeX25519, cipher: nodeChacha20Poly1305, provider: nodeHashes },
);

/** Ephemeral P-384 and AES-256-GCM: NIST curves only. */
export const ECDHE_WITH_AES_256_GCM_SHA384: Suite = /* @__PURE__ */ bindSuite('ECDHE_WITH_AES_256_GCM_SHA384', {
  kem: nodeP384,
  cipher: nodeAes256Gcm,
  provider: nodeHashes,
});

/** Ephemeral P-384 with the concatenation KDF, and Fernet: the reference's first suite. */
export const ECDHE_WITH_AES_128_CBC_SHA256: Suite = /* @__PURE__ */ bindSuite('ECDHE_WITH_AES_128_CBC_SHA256', {
  kem: nodeP384WithConcatenationKdf,
  cipher: nodeFernet,
  provider: nodeHashes,
});

/** RSA-4096 with OAEP, and Fernet: the reference's second suite. Its rekeys do not heal; off unless chosen. */
export const RSA_WITH_AES_128_CBC_SHA256: Suite = /* @__PURE__ */ bindSuite('RSA_WITH_AES_128_CBC_SHA256', {
  kem: nodeRsa4096,
  cipher: nodeFernet,
  provider: nodeHashes,
});

/** What an initiator offers that was told nothing: all but RSA, in the table's order. */
export const defaultSuites: readonly Suite[] = [
  X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256,
  X25519MLKEM768_WITH_AES_256_GCM_SHA384,
  X25519_WITH_CHACHA20_POLY1305_SHA256,
  ECDHE_WITH_AES_256_GCM_SHA384,
  ECDHE_WITH_AES_128_CBC_SHA256,
];

/** What a responder accepts that was told nothing: all six, in the table's order. */
export const allSuites: readonly Suite[] = [
  X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256,
  X25519MLKEM768_WITH_AES_256_GCM_SHA384,
  X25519_WITH_CHACHA20_POLY1305_SHA256,
  ECDHE_WITH_AES_256_GCM_SHA384,
  ECDHE_WITH_AES_128_CBC_SHA256,
  RSA_WITH_AES_128_CBC_SHA256,
];
