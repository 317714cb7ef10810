/**
 * The client without a choice of suites or platform: `createConnect` takes both, so that a bundle holds only what it uses.
 *
 * @packageDocumentation
 */
export type { Client, ClientEvents, ClientStatus } from './client.ts';
export { systemClock, type Clock } from './clock.ts';
export {
  createConnect,
  type ClientEnvironment,
  type Connect,
  type ConnectOptions,
  type RelayTarget,
} from './connect.ts';
export { type Conversation, type ConversationEnd, type ConversationEvents, type SendOptions } from './conversation.ts';
export {
  MAX_CONTENT_BYTES,
  type Content,
  type ContentSchema,
  type ReceivedMessage,
  type SchemaResult,
} from './content.ts';
export type { KeyChange, KnownPeer, PeerPin, PeerTrust } from './knownPeers.ts';
export type { Events } from './emitter.ts';
export type { SessionKeyAlgorithm } from './sessionKey.ts';
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
export {
  fingerprintText,
  parseFingerprint,
  printableName,
  type Peer,
  type PeerIdentity,
  type PeersEvent,
} from './peers.ts';
export type { DeliveryState, Outcome, Receipt } from './receipt.ts';
export { sealedStore, STORE_KEY_LENGTH, type SealedStoreParts } from './sealedStore.ts';
