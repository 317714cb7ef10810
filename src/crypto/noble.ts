/**
 * Default providers, on every runtime: @noble, and WebCrypto for RSA.
 *
 * @packageDocumentation
 */
import { createProvider } from './createProvider.ts';
import { nobleHashes } from './hashes.ts';
import { platformRandom } from './platform.ts';
import type { CryptoProvider } from './provider.ts';
import { ecdsaP256, ecdsaP384 } from './signature/ecdsa.ts';
import { ed25519 } from './signature/ed25519.ts';
import { rsaPss } from './signature/rsaPss.ts';
import { webEcdsaP256, webEcdsaP384 } from './signature/webEcdsa.ts';

/** Every signature algorithm. */
export const nobleProvider: CryptoProvider = /* @__PURE__ */ createProvider({
  hashes: nobleHashes,
  random: platformRandom,
  schemes: [ed25519, ecdsaP256, ecdsaP384, rsaPss],
});

/**
 * Every algorithm to verify, Ed25519 alone to sign: 6 kB less in a bundle, since ECDSA is left to WebCrypto and so is
 * asynchronous. Generating and signing with P-256 throw.
 */
export const smallNobleProvider: CryptoProvider = /* @__PURE__ */ createProvider({
  hashes: nobleHashes,
  random: platformRandom,
  schemes: [ed25519, webEcdsaP256, webEcdsaP384, rsaPss],
});
