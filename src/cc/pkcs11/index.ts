/**
 * Signers on smart cards and PKCS #11 tokens, for Node.js. Needs the optional package pkcs11js.
 *
 * @packageDocumentation
 */
export {
  listTokens,
  openCard,
  watchTokens,
  type Card,
  type CardModuleOptions,
  type OpenCardOptions,
  type TokenDescription,
} from './card.ts';
export { findModule, type FoundModule, type ModuleOptions } from './modules.ts';
export {
  citizenCard,
  citizenCardOpenSc,
  generic,
  type CardProfile,
  type ModulePlatform,
  type ObjectNames,
} from './profiles.ts';
export type { Token, TokenCertificate } from './tokens.ts';
