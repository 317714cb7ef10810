/**
 * What was said in a conversation so far as one hash, and as digits that people can compare (docs/protocol.md §7).
 *
 * @packageDocumentation
 */
import { lengthPrefixed } from '../bytes.ts';
import type { HashProvider } from '../crypto/provider.ts';
import { sixtyDigits } from '../handshake/digits.ts';
import { uint64 } from './history.ts';
import type { ConversationState } from './state.ts';

/** The digest of a conversation, 32 bytes: the same on both sides when nothing is on its way. */
export function conversationDigest(provider: HashProvider, state: ConversationState): Uint8Array {
  const { role, conversationId, send, receive } = state;
  const own = [uint64(send.m), send.hash] as const;
  const peer = [uint64(receive.history.m), receive.history.hash] as const;
  const both = role === 'initiator' ? [...own, ...peer] : [...peer, ...own];
  return provider.hash('SHA-256', lengthPrefixed('SIMS 1 digest', conversationId, ...both));
}

/** Sixty digits of a digest, in twelve groups. */
export function digestDigits(provider: HashProvider, digest: Uint8Array): string {
  return sixtyDigits(provider.hash('SHA-512', digest));
}
