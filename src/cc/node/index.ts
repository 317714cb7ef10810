/**
 * Certificates in Node: trust stores and lists from files, and a fetcher.
 *
 * @packageDocumentation
 */
export { createNodeFetcher, type NodeFetcherOptions } from './fetch.ts';
export { loadCrls, loadTrustStore, type SkippedFile, type TrustFiles } from './trust.ts';
