/**
 * The client without a choice of suites or platform: `createConnect` takes both, so that a bundle holds only what it uses.
 *
 * @packageDocumentation
 */
export type { AcceptPolicy, Client, ClientEvents, ClientStatus, OpenOptions, Request } from './client.ts';
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
export { anonymousIdentity, keyIdentity, type OwnIdentity } from './identity.ts';
export { fingerprintText, printableName, type Peer, type PeerIdentity, type PeersEvent } from './peers.ts';
export type { DeliveryState, Outcome, Receipt } from './receipt.ts';
