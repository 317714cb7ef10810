/**
 * Every message of the protocol: types, schemas, and the way to bytes and back.
 *
 * @packageDocumentation
 */
export { ackSchema, type Ack, type ConversationAck, type HopAck } from './ack.ts';
export {
  ADDRESS_BYTES,
  addressBytes,
  addressFromBytes,
  CLIENT_ID_BYTES,
  clientIdOf,
  DEVICE_BYTES,
  isAddress,
  isMessageId,
  MESSAGE_ID_BYTES,
  messageIdBytes,
  messageIdFromBytes,
  parseAddress,
  parseMessageId,
  type Address,
  type ClientId,
  type MessageId,
} from './address.ts';
export {
  BUNDLE_ID_BYTES,
  decodeBundle,
  decodeBundleBody3,
  decodeBundleCore,
  encodeBundle,
  encodeBundleBody3,
  encodeBundleCore,
  type Bundle,
  type BundleBody3,
  type BundleCore,
} from './bundle.ts';
export { clientComSchema, type ClientCom } from './clientCom.ts';
export { clientConnectSchema, type ClientConnect } from './clientConnect.ts';
export { clientDisconnectSchema, type ClientDisconnect } from './clientDisconnect.ts';
export { connectSchema, type Connect } from './connect.ts';
export {
  CREDENTIAL_KIND_NUMBERS,
  credentialSchema,
  decodeCredential,
  encodeCredential,
  type CertificateCredential,
  type Credential,
  type KeyCredential,
  type RelayCredential,
} from './credential.ts';
export { disconnectSchema, type Disconnect } from './disconnect.ts';
export { errorSchema, type ErrorMessage } from './error.ts';
export {
  decodeBody1,
  decodeBody2,
  decodeBody3,
  decodeBody4,
  decodeBoxInitiator,
  decodeInitiatorIntroduction,
  decodeBoxResponder,
  decodeCore,
  encodeBody1,
  encodeBody2,
  encodeBody3,
  encodeBody4,
  encodeBoxInitiator,
  encodeInitiatorIntroduction,
  encodeBoxResponder,
  encodeCore,
  NONCE_BYTES,
  type Body1,
  type Body2,
  type Body3,
  type Body4,
  type BoxInitiator,
  type InitiatorIntroduction,
  type BoxParameters,
  type BoxResponder,
  type Core,
} from './handshakeBodies.ts';
export {
  listItemSchema,
  listSchema,
  type AwayItem,
  type List,
  type ListItem,
  type ListRequest,
  type ListUpdate,
  type OfflineItem,
  type OnlineItem,
  type PersonKind,
} from './list.ts';
export {
  decodeMessage,
  encodeMessage,
  encodingOf,
  MESSAGE_SCHEMAS,
  messageIdOf,
  type Decoded,
  type Message,
} from './messages.ts';
export {
  MAX_BUNDLES,
  prekeysSchema,
  type Prekeys,
  type PrekeysBundle,
  type PrekeysFetch,
  type PrekeysPublish,
  type PrekeysStock,
} from './prekeys.ts';
export { ERROR_REASONS, type ErrorReason } from './reason.ts';
export { MESSAGE_FIELDS, TYPE_FIELD, TYPE_NUMBERS, type MessageType } from './registry.ts';
export { MAX_CODE_BYTES, MAX_LABEL_BYTES, MAX_NAME_BYTES, type Phase, type Schema } from './schema.ts';
export { secureSchema, type Secure } from './secure.ts';
export type { Encoding, Field, Wire } from './wire.ts';
