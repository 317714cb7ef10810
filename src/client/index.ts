/**
 * The client without a choice of suites or platform: `createConnect` takes both, so that a bundle holds only what it uses.
 *
 * @packageDocumentation
 */
export type { Client, ClientEvents, ClientStatus } from './client.ts';
export { systemClock, type Clock } from './clock.ts';
export {
  createConnect,
  parseFingerprint,
  type ClientEnvironment,
  type Connect,
  type ConnectOptions,
  type RelayTarget,
} from './connect.ts';
export {
  MAX_CONTENT_BYTES,
  type Content,
  type Conversation,
  type ConversationEnd,
  type ConversationEvents,
  type ReceivedMessage,
  type SendOptions,
} from './conversation.ts';
export type { Events } from './emitter.ts';
export {
  certificateIdentity,
  type CertificateIdentityEvent,
  type CertificateIdentityOptions,
} from './certificateIdentity.ts';
export {
  anonymousIdentity,
  keyIdentity,
  type IdentityRequest,
  type MakeIdentity,
  type OwnIdentity,
  type RelayTrust,
} from './identity.ts';
export { memoryStore } from './memoryStore.ts';
export type { OpenOptions } from './openings.ts';
export type { AcceptPolicy, Request } from './parts.ts';
export type { PrekeyOptions } from './prekeys.ts';
export { fingerprintText, printableName, type Peer, type PeerIdentity, type PeersEvent } from './peers.ts';
export type { DeliveryState, Outcome, Receipt } from './receipt.ts';
export { sealedStore, STORE_KEY_LENGTH, type SealedStoreParts } from './sealedStore.ts';
