/**
 * The running transcript hash: SHA-512 in every suite (docs/protocol.md §4.1).
 *
 * @packageDocumentation
 */
import { lengthPrefixed } from '../bytes.ts';
import type { HashProvider } from '../crypto/provider.ts';

/** tr0, 64 bytes: the transcript of a context before any body. */
export function startTranscript(provider: HashProvider, context: Uint8Array): Uint8Array {
  return provider.hash('SHA-512', lengthPrefixed('SIMS 1 transcript', context));
}

/** The transcript, 64 bytes, that ends with `bytes`, taken as they were received. */
export function absorb(provider: HashProvider, transcript: Uint8Array, bytes: Uint8Array): Uint8Array {
  return provider.hash('SHA-512', lengthPrefixed('SIMS 1 absorb', transcript, bytes));
}
