/**
 * Cipher suites, and the cryptography they are made of, on every runtime.
 *
 * @packageDocumentation
 */
export { createProvider, type ProviderParts } from './createProvider.ts';
export { nobleHashes } from './hashes.ts';
export { nobleProvider, smallNobleProvider } from './noble.ts';
export type {
  AsyncKem,
  CryptoProvider,
  HashName,
  HashProvider,
  Kem,
  KemKeyPair,
  RandomBytes,
  RawEncapsulation,
  RecordCipher,
  SignatureAlgorithm,
  SignatureKeyPair,
  SignaturePublicKey,
  SignatureScheme,
} from './provider.ts';
export { openFernet, sealFernet } from './record/fernet.ts';
export type { Fernet } from './record/fernetToken.ts';
export { createRsaPool, type RsaPool, type RsaPoolOptions } from './rsaPool.ts';
export { ecdsaP256, ecdsaP384 } from './signature/ecdsa.ts';
export { ed25519 } from './signature/ed25519.ts';
export { rsaPss } from './signature/rsaPss.ts';
export { ed25519Spki, p256Spki, p384Spki, rsaSpki } from './signature/spki.ts';
export { webEcdsaP256, webEcdsaP384 } from './signature/webEcdsa.ts';
export type { RekeyPolicy, Suite, SuiteName } from './suite.ts';
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
export { bindSuite, SUITE_TABLE, type SuiteParts, type SuiteRow } from './suiteTable.ts';
