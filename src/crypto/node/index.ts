/**
 * The same suites and provider, faster, on Node.
 *
 * @packageDocumentation
 */
export { nodeHashes } from './hashes.ts';
export { nodeProvider } from './provider.ts';
export {
  allSuites,
  defaultSuites,
  ECDHE_WITH_AES_128_CBC_SHA256,
  ECDHE_WITH_AES_256_GCM_SHA384,
  RSA_WITH_AES_128_CBC_SHA256,
  X25519_WITH_CHACHA20_POLY1305_SHA256,
  X25519MLKEM768_WITH_AES_256_GCM_SHA384,
  X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256,
} from './suites.ts';
