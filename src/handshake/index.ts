/**
 * The handshake of hops and conversations: two machines without I/O, and what they are made of.
 *
 * @packageDocumentation
 */
export { answerOutput, type AnswerHost, type AnswerTo } from './answer.ts';
export {
  contextBytes,
  type ConversationContext,
  type HandshakeContext,
  type HopContext,
  type Plane,
  type Role,
} from './context.ts';
export {
  BUNDLE_START,
  BUNDLE_TRANSITIONS,
  bundleTakes,
  hasBundles,
  LATE_START_MS,
  MAX_BUNDLE_LIFETIME_MS,
  stepBundle,
  type BundleContext,
  type BundleInput,
  type BundleMadeOutput,
  type BundleOutput,
  type BundleStartInput,
  type BundleState,
} from './bundle.ts';
export { INITIATOR_ARROWS, RESPONDER_ARROWS, stateDiagram, type Arrows } from './diagram.ts';
export { failureReason } from './failureReason.ts';
export {
  clientId,
  fingerprint,
  relayIdentityOf,
  safetyNumber,
  type CredentialKind,
  type Expectation,
  type PersonDescription,
  type VerifiedIdentity,
} from './identity.ts';
export {
  initiatorTakes,
  INITIATOR_START,
  INITIATOR_TRANSITIONS,
  stepInitiator,
  type ConfirmedOutput,
  type InitiatorInput,
  type InitiatorOutput,
  type InitiatorState,
  type StartInput,
} from './initiator.ts';
export type { DirectionSecrets } from './keySchedule.ts';
export type { Failed, Step, TransitionTable } from './machine.ts';
export type { MaybePromise } from './maybePromise.ts';
export { chooseSuite, PROTOCOL_VERSION } from './negotiation.ts';
export type { HandshakeParameters } from './parameters.ts';
export {
  PREKEY_INITIATOR_START,
  PREKEY_INITIATOR_TRANSITIONS,
  prekeyInitiatorTakes,
  stepPrekeyInitiator,
  type PrekeyInitiatorInput,
  type PrekeyInitiatorOutput,
  type PrekeyInitiatorState,
  type PrekeyStartInput,
} from './prekeyInitiator.ts';
export {
  PREKEY_RESPONDER_START,
  PREKEY_RESPONDER_TRANSITIONS,
  prekeyResponderTakes,
  readBundleBody3,
  stepPrekeyResponder,
  type PrekeyAnswerInput,
  type PrekeyResponderInput,
  type PrekeyResponderOutput,
  type PrekeyResponderState,
} from './prekeyResponder.ts';
export { answerBundle, makeBundle, startFromBundle, type AnsweredBundle, type StartedFromBundle } from './prekeys.ts';
export {
  RESPONDER_START,
  RESPONDER_TRANSITIONS,
  responderTakes,
  stepResponder,
  type AcceptInput,
  type AuthenticatedOutput,
  type ConsentOutput,
  type FinishInput,
  type RejectInput,
  type ResponderInput,
  type ResponderOutput,
  type ResponderState,
} from './responder.ts';
export { runInitiator, runResponder, type HandshakeRun, type RunHooks } from './run.ts';
export { conceal } from './secrets.ts';
export { handshakeId } from './shared.ts';
export { signedContent, type SigningPurpose } from './signing.ts';
export type {
  AbortInput,
  DecapsulatedInput,
  DecapsulateOutput,
  EncapsulatedInput,
  EncapsulateOutput,
  EstablishedOutput,
  GenerateKeyPairOutput,
  Introduction,
  KeyPairInput,
  MessageInput,
  RefusedInput,
  SendOutput,
  SignatureInput,
  SignOutput,
  TimerInput,
  VerifiedInput,
  VerifyOutput,
} from './states.ts';
export { FIRST_REPEAT_MS, TIMEOUT_MS, type TimerOutput } from './timing.ts';
export { absorb, startTranscript } from './transcript.ts';
export {
  createCredentialVerifier,
  type CertificateFacts,
  type CredentialVerifierOptions,
  type RelayFacts,
  type VerifyCertificate,
  type VerifyCredential,
  type VerifyRelay,
} from './verification.ts';
