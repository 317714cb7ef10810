/**
 * The six cipher suites, on every runtime. Each is a value of its own: a bundle holds only those that it names.
 *
 * @packageDocumentation
 */
import { nobleHashes } from './hashes.ts';
import { withConcatenationKdf } from './kem/concatenation.ts';
import { p384 } from './kem/p384.ts';
import { rsa4096 } from './kem/rsa.ts';
import { x25519 } from './kem/x25519.ts';
import { xWing } from './kem/xWing.ts';
import { aes256Gcm } from './record/aes256Gcm.ts';
import { chacha20Poly1305 } from './record/chacha20Poly1305.ts';
import { fernet } from './record/fernet.ts';
import type { Suite } from './suite.ts';
import { bindSuite } from './suiteTable.ts';

/** The default: X-Wing and ChaCha20-Poly1305, safe against a later quantum computer. */
export const X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256: Suite = /* @__PURE__ */ bindSuite(
  'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256',
  { kem: xWing, cipher: chacha20Poly1305, provider: nobleHashes },
);

/** X-Wing and AES-256-GCM, for AES hardware. */
export const X25519MLKEM768_WITH_AES_256_GCM_SHA384: Suite = /* @__PURE__ */ bindSuite(
  'X25519MLKEM768_WITH_AES_256_GCM_SHA384',
  { kem: xWing, cipher: aes256Gcm, provider: nobleHashes },
);

/** X25519 and ChaCha20-Poly1305: small messages. */
export const X25519_WITH_CHACHA20_POLY1305_SHA256: Suite = /* @__PURE__ */ bindSuite(
  'X25519_WITH_CHACHA20_POLY1305_SHA256',
  { kem: x25519, cipher: chacha20Poly1305, provider: nobleHashes },
);

/** Ephemeral P-384 and AES-256-GCM: NIST curves only. */
export const ECDHE_WITH_AES_256_GCM_SHA384: Suite = /* @__PURE__ */ bindSuite('ECDHE_WITH_AES_256_GCM_SHA384', {
  kem: p384,
  cipher: aes256Gcm,
  provider: nobleHashes,
});

/** Ephemeral P-384 with the concatenation KDF, and Fernet: the reference's first suite. */
export const ECDHE_WITH_AES_128_CBC_SHA256: Suite = /* @__PURE__ */ bindSuite('ECDHE_WITH_AES_128_CBC_SHA256', {
  kem: /* @__PURE__ */ withConcatenationKdf(p384, nobleHashes),
  cipher: fernet,
  provider: nobleHashes,
});

/** RSA-4096 with OAEP, and Fernet: the reference's second suite. Its rekeys do not heal; off unless chosen. */
export const RSA_WITH_AES_128_CBC_SHA256: Suite = /* @__PURE__ */ bindSuite('RSA_WITH_AES_128_CBC_SHA256', {
  kem: rsa4096,
  cipher: fernet,
  provider: nobleHashes,
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
