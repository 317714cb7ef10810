/**
 * The start from a bundle, at the bundle's owner: docs/protocol.md §4.4.
 *
 * @packageDocumentation
 */
import { equal, wipe } from '../bytes.ts';
import type { KemKeyPair } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { MessageId } from '../messages/address.ts';
import { decodeBundle, decodeBundleBody3, decodeBundleCore, type BundleBody3 } from '../messages/bundle.ts';
import { decodeCredential, type Credential } from '../messages/credential.ts';
import * as bodies from '../messages/handshakeBodies.ts';
import { checkBundlePlace, checkBundleSuite, LATE_START_MS } from './bundle.ts';
import { prekeyContextBytes, type ConversationContext } from './context.ts';
import { checkEnds, checkIdentity, checkKind } from './identity.ts';
import { boxKeyOfInitiator, extractHandshakeSecret, finalKeys, openBox } from './keySchedule.ts';
import { advance, failed, takes, type Failed, type Step, type TransitionTable } from './machine.ts';
import { PROTOCOL_VERSION } from './negotiation.ts';
import { decodeParameters } from './parameters.ts';
import type { AuthenticatedOutput } from './responder.ts';
import { conceal } from './secrets.ts';
import { handshakeId, verificationOf } from './shared.ts';
import { signedContent } from './signing.ts';
import type * as shared from './states.ts';
import { checkTime } from './timing.ts';
import { absorb, startTranscript } from './transcript.ts';

/** A phase 3 that names one of this side's bundles. */
export interface PrekeyAnswerInput {
  readonly type: 'start';
  /** `id` of the message. */
  readonly id: MessageId;
  /** Its body, as received. */
  readonly body: Uint8Array;
  /** The bundle that it names, as it was published. */
  readonly bundle: Uint8Array;
  /** Its secret; copied, since only an authentic start spends it. */
  readonly decapsulationKey: Uint8Array;
  readonly nowMs: number;
}

/** What the host feeds in. */
export type PrekeyResponderInput =
  | PrekeyAnswerInput
  | shared.DecapsulatedInput
  | shared.VerifiedInput
  | shared.RefusedInput
  | shared.AbortInput;

/** What the host must do, in order. With `established` the bundle is spent. */
export type PrekeyResponderOutput =
  | shared.DecapsulateOutput
  | shared.VerifyOutput
  | AuthenticatedOutput
  | shared.EstablishedOutput;

/** Each state holds what the next step needs. Not to be stored. */
export type PrekeyResponderState =
  | { readonly at: 'idle' }
  | {
      readonly at: 'decapsulating';
      readonly suite: Suite;
      readonly body3: Uint8Array;
      readonly ciphertext: Uint8Array;
      readonly box: Uint8Array;
      readonly tr3: Uint8Array;
      readonly secrets: { readonly keyPair: KemKeyPair };
    }
  | {
      readonly at: 'verifying';
      readonly suite: Suite;
      readonly tr4: Uint8Array;
      readonly credential: Credential;
      readonly introduction: shared.Introduction;
      readonly secrets: { readonly handshakeSecret: Uint8Array };
    }
  | { readonly at: 'established' }
  | Failed;

type At<Name extends PrekeyResponderState['at']> = Extract<PrekeyResponderState, { at: Name }>;
type PrekeyStep = Step<PrekeyResponderState, PrekeyResponderOutput>;

/** The whole machine: a missing cell is misuse. */
export const PREKEY_RESPONDER_TRANSITIONS: TransitionTable<
  PrekeyResponderState,
  PrekeyResponderInput,
  PrekeyResponderOutput,
  ConversationContext
> = {
  idle: { start: readPhase3, abort },
  decapsulating: { decapsulated: openPhase3, abort },
  verifying: { verified: acceptInitiator, refused: refuse, abort },
  established: {},
  failed: {},
};

/** Where every answer begins. */
export const PREKEY_RESPONDER_START: PrekeyResponderState = { at: 'idle' };

/**
 * Advances an answer by one input. A fault of the peer ends in `failed`, which holds no key, and leaves the bundle unspent.
 *
 * @throws for a caller's misuse, changing nothing: `handshake/unexpected-input`, `handshake/state-spent`,
 * `handshake/invalid-argument`
 */
export function stepPrekeyResponder(
  state: PrekeyResponderState,
  input: PrekeyResponderInput,
  context: ConversationContext,
): PrekeyStep {
  return advance(PREKEY_RESPONDER_TRANSITIONS, state, input, context);
}

/** Whether a state takes inputs of a type. */
export function prekeyResponderTakes(state: PrekeyResponderState, type: PrekeyResponderInput['type']): boolean {
  return takes(PREKEY_RESPONDER_TRANSITIONS, state, type);
}

/** The phase 3 that a body holds if it answers a bundle; `undefined` for that of a live handshake, or for none at all. */
export function readBundleBody3(body: Uint8Array): BundleBody3 | undefined {
  try {
    return decodeBundleBody3(body);
  } catch (error) {
    if (error instanceof SimsError) return undefined;
    throw error;
  }
}

function readPhase3(_state: At<'idle'>, input: PrekeyAnswerInput, context: ConversationContext): PrekeyStep {
  checkTime(input.nowMs);
  checkEnds(context, 'responder');
  const body3 = input.body.slice();
  const { ciphertext, box, bundleId, hello: helloBytes } = decodeBundleBody3(body3);
  const core = decodeBundleCore(decodeBundle(input.bundle).core);
  if (!equal(core.id, bundleId)) throw new SimsError('handshake/bundle-mismatch', 'the start names another bundle');
  checkBundlePlace(core, context);
  if (core.notAfter * 1_000 + LATE_START_MS <= input.nowMs) {
    throw new SimsError('handshake/bundle-expired', 'the start comes too late for its bundle');
  }
  const hello = bodies.decodeBody1(helloBytes);
  if (!hello.versions.includes(PROTOCOL_VERSION)) {
    throw new SimsError('handshake/unsupported-version', 'the start is of no version that is spoken here');
  }
  if (handshakeId(hello.nonce) !== input.id) {
    throw new SimsError('handshake/unexpected-message', 'the start is not named after its nonce');
  }
  const suite = checkBundleSuite(core, hello.suites, context.suites);
  const { provider } = context;
  const tr1 = absorb(provider, startTranscript(provider, prekeyContextBytes(context)), input.bundle);
  const tr3 = absorb(provider, absorb(provider, tr1, helloBytes), ciphertext);
  const keyPair = {
    encapsulationKey: core.encapsulationKey.slice(),
    decapsulationKey: input.decapsulationKey.slice(),
  };
  const secrets = conceal({ keyPair });
  return {
    state: { at: 'decapsulating', suite, body3, ciphertext, box, tr3, secrets },
    outputs: [conceal({ keyPair }, { type: 'decapsulate', suite, ciphertext } as const)],
  };
}

function openPhase3(
  state: At<'decapsulating'>,
  input: shared.DecapsulatedInput,
  context: ConversationContext,
): PrekeyStep {
  const { suite, body3, ciphertext, box, tr3, secrets } = state;
  if (input.raw === undefined) {
    throw new SimsError('handshake/peer-key-invalid', `the KEM of ${suite.name} refused the ciphertext`);
  }
  const { encapsulationKey } = secrets.keyPair;
  const handshakeSecret = extractHandshakeSecret(suite, tr3, input.raw, ciphertext, encapsulationKey);
  try {
    const key = boxKeyOfInitiator(suite, handshakeSecret, tr3);
    const plaintext = openBox(suite, key, tr3, box);
    wipe(key);
    if (plaintext === undefined) throw new SimsError('handshake/authentication-failed', 'the box does not open');
    const opened = bodies.decodeBoxInitiator(plaintext);
    const said = bodies.decodeInitiatorIntroduction(opened.introduction);
    const credential = decodeCredential(said.credential);
    checkKind(credential.kind, 'conversation', 'initiator');
    const introduction = {
      name: said.name,
      parameters: decodeParameters(said.parameters, 'conversation', 'initiator'),
    };
    const trI = absorb(context.provider, tr3, opened.introduction);
    const tr4 = absorb(context.provider, trI, body3);
    const signed = signedContent('phase 3', trI);
    const verification = verificationOf(context, 'initiator', credential, signed, opened.signature);
    return {
      state: { at: 'verifying', suite, tr4, credential, introduction, secrets: conceal({ handshakeSecret }) },
      outputs: [{ ...verification, purpose: 'prekey' }],
    };
  } catch (error) {
    wipe(handshakeSecret);
    throw error;
  }
}

function acceptInitiator(
  state: At<'verifying'>,
  input: shared.VerifiedInput,
  context: ConversationContext,
): PrekeyStep {
  const { identity } = input;
  checkIdentity(identity, state.credential, context, 'responder');
  const { suite, tr4, introduction, secrets } = state;
  const { conversationId, boxKey, secrets: directions } = finalKeys(suite, secrets.handshakeSecret, tr4);
  // There is no phase 4.
  wipe(boxKey);
  return {
    state: { at: 'established' },
    outputs: [
      { type: 'authenticated', identity, ...introduction },
      { type: 'established', suite, conversationId, finalTranscriptHash: tr4, secrets: directions, peer: identity },
    ],
  };
}

function refuse(_state: At<'verifying'>, input: shared.RefusedInput): PrekeyStep {
  return failed(input.error);
}

function abort(_state: PrekeyResponderState, input: shared.AbortInput): PrekeyStep {
  return failed(input.error ?? new SimsError('handshake/aborted', 'the answer was given up'));
}
