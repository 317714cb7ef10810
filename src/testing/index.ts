/**
 * What tests of applications need: conformance checks for one's own Transport, Store and Signer. Without a test framework.
 *
 * @packageDocumentation
 */
export { signerChecks, testSigner, type SignerCheck } from './signerConformance.ts';
export { storeConformance, type StorePlace } from './storeConformance.ts';
export { transportConformance, type ConformanceCheck, type TransportPair } from './transportConformance.ts';
