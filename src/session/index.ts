/**
 * Records, ratchet, rekeying, acknowledgements and history: what a hop or conversation is made of once the handshake
 * is done.
 *
 * @packageDocumentation
 */
export type { Range, RatchetPublicKey, Seen } from './body.ts';
export type { Participant } from './binding.ts';
export {
  CONVERSATION_TRANSITIONS,
  stepConversation,
  type ConversationInput,
  type ConversationOutput,
  type ConversationStep,
  type ConversationTransitions,
  type FailureReason,
  type RecordMessage,
} from './conversation.ts';
export { conversationDigest, digestDigits } from './digest.ts';
export { explainRecord, type RecordExplanation, type RecordProblem } from './explain.ts';
export { HopChannel, type HopStart } from './hop.ts';
export type { Gap, History } from './history.ts';
export { bucketLength, type Padding } from './padding.ts';
export {
  comparePrevious,
  decodePrevious,
  encodePrevious,
  previousOf,
  type Previous,
  type PreviousComparison,
  type PreviousVerdict,
  type Tip,
} from './previous.ts';
export type { Direction, Epoch } from './ratchet.ts';
export type { Evidence } from './receiving.ts';
export type { RatchetKeyPair } from './rekey.ts';
export { conversationIdOf, decodeSaData, type SaData } from './saData.ts';
export {
  DEFAULT_OPTIONS,
  eraseSuperseded,
  startConversation,
  STATE_VERSION,
  type CloseReason,
  type Consistency,
  type ContentKind,
  type ConversationContext,
  type ConversationOptions,
  type ConversationStart,
  type ConversationState,
  type EarlyRecord,
  type InboxEntry,
  type OutboxEntry,
  type ReceiveEpoch,
  type ReceiveState,
  type SendState,
  type SkippedKey,
} from './state.ts';
export { decodeState, encodeState } from './stateCodec.ts';
export type { Store, Stored } from './store.ts';
