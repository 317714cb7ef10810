/**
 * The provider of Node: node:crypto wherever it was measured to be faster, the portable one elsewhere.
 *
 * @packageDocumentation
 */
import { createProvider } from '../createProvider.ts';
import { platformRandom } from '../platform.ts';
import type { CryptoProvider } from '../provider.ts';
import { nodeHashes } from './hashes.ts';
import { nodeEcdsaP256, nodeEcdsaP384, nodeEd25519, nodeRsaPss } from './signatures.ts';

/** Every signature algorithm, all synchronous. */
export const nodeProvider: CryptoProvider = /* @__PURE__ */ createProvider({
  hashes: nodeHashes,
  random: platformRandom,
  schemes: [nodeEd25519, nodeEcdsaP256, nodeEcdsaP384, nodeRsaPss],
});
