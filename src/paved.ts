/**
 * Names that the root has on every platform.
 *
 * @packageDocumentation
 */
export {
  MAX_CONTENT_BYTES,
  type AcceptPolicy,
  type Client,
  type ClientEvents,
  type ClientStatus,
  type Connect,
  type ConnectOptions,
  type Content,
  type ContentSchema,
  type Conversation,
  type ConversationEnd,
  type ConversationEvents,
  type DeliveryState,
  type IdentityRequest,
  type KeyChange,
  type KnownPeer,
  type MakeIdentity,
  type OpenOptions,
  type Outcome,
  type OwnIdentity,
  type Peer,
  type PeerIdentity,
  type PeerPin,
  type PeerTrust,
  type PeersEvent,
  type PrekeyOptions,
  type ReceivedMessage,
  type Receipt,
  type RelayTrust,
  type RelayTarget,
  type Request,
  type SendOptions,
} from './client/index.ts';
export type { SuiteName } from './crypto/suite.ts';
export { SimsError, type Action, type ErrorCode, type Fault } from './errors.ts';
export { parseAddress, type Address, type ClientId, type MessageId } from './messages/address.ts';
export type { Store, Stored } from './session/store.ts';
