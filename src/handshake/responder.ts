/**
 * The responder's machine: docs/protocol.md §4, phases 2 and 4.
 *
 * @packageDocumentation
 */
import { equal, wipe } from '../bytes.ts';
import type { KemKeyPair } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { MessageId } from '../messages/address.ts';
import { decodeCredential, type Credential } from '../messages/credential.ts';
import * as bodies from '../messages/handshakeBodies.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { contextBytes, type HandshakeContext } from './context.ts';
import { checkEnds, checkIdentity, checkKind, type VerifiedIdentity } from './identity.ts';
import { boxKeyOfInitiator, extractHandshakeSecret, finalKeys, openBox, sealBox } from './keySchedule.ts';
import { advance, failed, stay, takes, type Failed, type Step, type TransitionTable } from './machine.ts';
import { chooseSuite, PROTOCOL_VERSION } from './negotiation.ts';
import { decodeParameters, encodeParameters, type HandshakeParameters } from './parameters.ts';
import { conceal } from './secrets.ts';
import { checkRandomness, encodeOwn, handshakeId, outOfTurn, suitesOf, verificationOf } from './shared.ts';
import { signedContent } from './signing.ts';
import type * as shared from './states.ts';
import * as timing from './timing.ts';
import { absorb, startTranscript } from './transcript.ts';

/** Answers {@link ConsentOutput}: the owner agrees to show a credential to whoever asks. */
export interface AcceptInput {
  readonly type: 'accept';
  /** Suites that can be served now, in the order of preference. */
  readonly suites: readonly SuiteName[];
  /** nonce_R: 32 random bytes. */
  readonly nonce: Uint8Array;
  /** 16 random bytes: the IV of box_R in the Fernet suites. */
  readonly boxRandomness: Uint8Array;
  readonly credential: Credential;
  readonly nowMs: number;
  /** From consent on. Default {@link timing.TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/** The owner does not agree, before or after it knows who asks. */
export interface RejectInput {
  readonly type: 'reject';
  /** What the host will tell the peer. */
  readonly code: ErrorReason;
}

/** Answers {@link AuthenticatedOutput}. */
export interface FinishInput {
  readonly type: 'finish';
  /** At most 128 bytes of UTF-8. */
  readonly name: string;
  /** On a hop the session's label. */
  readonly parameters: HandshakeParameters;
  readonly nowMs: number;
}

/** What the host feeds in. */
export type ResponderInput =
  | shared.MessageInput
  | AcceptInput
  | RejectInput
  | shared.KeyPairInput
  | shared.SignatureInput
  | shared.DecapsulatedInput
  | shared.VerifiedInput
  | shared.RefusedInput
  | FinishInput
  | shared.TimerInput
  | shared.AbortInput;

/** Someone asks for a handshake, and nobody knows yet who; answer `accept` or `reject`. */
export interface ConsentOutput {
  readonly type: 'consent';
  /** First 8 bytes of nonce_I. Refuse a message whose own `id` differs. */
  readonly handshakeId: MessageId;
  readonly versions: readonly number[];
  /** Those of the context's suites that are offered, in the initiator's order. */
  readonly offer: readonly SuiteName[];
  /** On a hop: the host that the client asked for. */
  readonly serverName?: string;
}

/** The initiator is who it says; answer `finish` or `reject`. */
export interface AuthenticatedOutput extends shared.Introduction {
  readonly type: 'authenticated';
  readonly identity: VerifiedIdentity;
}

/** What the host must do, in order. */
export type ResponderOutput =
  | ConsentOutput
  | shared.GenerateKeyPairOutput
  | shared.SignOutput
  | shared.SendOutput
  | shared.DecapsulateOutput
  | shared.VerifyOutput
  | AuthenticatedOutput
  | shared.EstablishedOutput
  | timing.TimerOutput;

interface Asked {
  /** Kept to recognise its repeats. */
  readonly body1: Uint8Array;
}

interface Accepted extends Asked {
  readonly suite: Suite;
  readonly boxRandomness: Uint8Array;
  readonly times: timing.Deadline;
}

interface Keyed extends Accepted {
  readonly secrets: { readonly keyPair: KemKeyPair };
}

interface Opened extends Accepted {
  /** Kept to recognise its repeats. */
  readonly body3: Uint8Array;
  readonly tr4: Uint8Array;
  readonly secrets: { readonly handshakeSecret: Uint8Array };
}

/** Each state holds what the next step needs; a peer is in it from its verification on. Not to be stored. */
export type ResponderState =
  | { readonly at: 'idle' }
  | (Asked & { readonly at: 'deciding'; readonly offer: readonly number[]; readonly tr1: Uint8Array })
  | (Accepted & {
      readonly at: 'generating';
      readonly nonce: Uint8Array;
      readonly credential: Uint8Array;
      readonly tr1: Uint8Array;
    })
  | (Keyed & { readonly at: 'signing'; readonly core: Uint8Array; readonly trR: Uint8Array })
  | (Keyed & { readonly at: 'awaiting-phase-3'; readonly body2: Uint8Array; readonly tr2: Uint8Array })
  | (Keyed & {
      readonly at: 'decapsulating';
      readonly body3: Uint8Array;
      readonly ciphertext: Uint8Array;
      readonly box: Uint8Array;
      readonly tr3: Uint8Array;
    })
  | (Opened & { readonly at: 'verifying'; readonly credential: Credential; readonly introduction: shared.Introduction })
  | (Opened & { readonly at: 'authenticated'; readonly peer: VerifiedIdentity })
  | { readonly at: 'established'; readonly body3: Uint8Array; readonly body4: Uint8Array }
  | Failed;

type At<Name extends ResponderState['at']> = Extract<ResponderState, { at: Name }>;
type ResponderStep = Step<ResponderState, ResponderOutput>;

const BUSY = { message: messageWhileBusy, timer: tick, abort } as const;

/** The whole machine: a missing cell is misuse. The state diagram in docs/ is drawn from this table. */
export const RESPONDER_TRANSITIONS: TransitionTable<ResponderState, ResponderInput, ResponderOutput> = {
  idle: { message: readPhase1, abort },
  deciding: { accept, reject, message: messageWhileBusy, abort },
  generating: { 'key-pair': askSignature, ...BUSY },
  signing: { signature: sendPhase2, ...BUSY },
  'awaiting-phase-3': { message: readPhase3, timer: tick, abort },
  decapsulating: { decapsulated: openPhase3, ...BUSY },
  verifying: { verified: acceptInitiator, refused: refuse, ...BUSY },
  authenticated: { finish, reject, ...BUSY },
  // The handshake is over: phase 4 is said again, and nothing else touches what it made.
  established: { message: repeatPhase4, timer: stay },
  failed: {},
};

/** Where every responder begins. */
export const RESPONDER_START: ResponderState = { at: 'idle' };

/**
 * Advances the responder by one input. The same arguments give the same result; a state is used once, since secrets that
 * the next one does not hold are wiped. A peer's fault ends in `failed`, which holds no key.
 *
 * @throws for a caller's misuse, changing nothing: `handshake/unexpected-input`, `handshake/state-spent`,
 * `handshake/invalid-argument`, `messages/invalid-message`, `codec/lone-surrogate`
 */
export function stepResponder(state: ResponderState, input: ResponderInput, context: HandshakeContext): ResponderStep {
  return advance(RESPONDER_TRANSITIONS, state, input, context);
}

/** Whether a state takes inputs of a type: answers that come after the end are to be dropped. */
export function responderTakes(state: ResponderState, type: ResponderInput['type']): boolean {
  return takes(RESPONDER_TRANSITIONS, state, type);
}

function readPhase1(state: At<'idle'>, input: shared.MessageInput, context: HandshakeContext): ResponderStep {
  if (input.phase !== 1) throw outOfTurn(state.at, input.phase);
  checkEnds(context, 'responder');
  const body1 = input.body.slice();
  const { versions, nonce, suites, serverName } = bodies.decodeBody1(body1);
  if (!versions.includes(PROTOCOL_VERSION)) {
    throw new SimsError(
      'handshake/unsupported-version',
      `the initiator speaks versions ${versions.join(', ') || 'none'}`,
    );
  }
  const known = suites.flatMap((number) => context.suites.find((suite) => suite.number === number)?.name ?? []);
  if (known.length === 0) throw noCommonSuite();
  const tr1 = absorb(context.provider, startTranscript(context.provider, contextBytes(context)), body1);
  const consent: ConsentOutput = {
    type: 'consent',
    handshakeId: handshakeId(nonce),
    versions,
    offer: known,
    ...(serverName === undefined || context.plane !== 'hop' ? {} : { serverName }),
  };
  return { state: { at: 'deciding', body1, offer: suites, tr1 }, outputs: [consent] };
}

function accept(state: At<'deciding'>, input: AcceptInput, context: HandshakeContext): ResponderStep {
  checkRandomness(input.nonce, input.boxRandomness);
  const deadlineMs = timing.deadlineFrom(input.nowMs, input.timeoutMs ?? timing.TIMEOUT_MS[context.plane].responder);
  const credential = encodeOwn(input.credential, context.plane, 'responder');
  const suite = chooseSuite(state.offer, suitesOf(input.suites, context));
  if (suite === undefined) throw noCommonSuite();
  const { body1, tr1 } = state;
  const times = { deadlineMs };
  const nonce = input.nonce.slice();
  const boxRandomness = input.boxRandomness.slice();
  return {
    state: { at: 'generating', body1, suite, boxRandomness, times, nonce, credential, tr1 },
    outputs: [{ type: 'generate-key-pair', suite }, timing.timerFor(times)],
  };
}

function askSignature(state: At<'generating'>, input: shared.KeyPairInput, context: HandshakeContext): ResponderStep {
  const { body1, suite, boxRandomness, times, nonce, credential, tr1 } = state;
  const { encapsulationKey } = input.keyPair;
  const core = bodies.encodeCore({
    version: PROTOCOL_VERSION,
    nonce,
    suite: suite.number,
    encapsulationKey,
    credential,
  });
  const trR = absorb(context.provider, tr1, core);
  const secrets = conceal({ keyPair: input.keyPair });
  return {
    state: { at: 'signing', body1, suite, boxRandomness, times, core, trR, secrets },
    outputs: [{ type: 'sign', purpose: 'phase 2', toBeSigned: signedContent('phase 2', trR) }],
  };
}

function sendPhase2(state: At<'signing'>, input: shared.SignatureInput, context: HandshakeContext): ResponderStep {
  const { body1, suite, boxRandomness, times, core, trR, secrets } = state;
  const body2 = bodies.encodeBody2({ core, signature: input.signature });
  const tr2 = absorb(context.provider, trR, body2);
  return {
    state: { at: 'awaiting-phase-3', body1, suite, boxRandomness, times, body2, tr2, secrets },
    outputs: [{ type: 'send', phase: 2, body: body2 }],
  };
}

function readPhase3(
  state: At<'awaiting-phase-3'>,
  input: shared.MessageInput,
  context: HandshakeContext,
): ResponderStep {
  if (isRepeat(input, 1, state.body1)) return { state, outputs: [{ type: 'send', phase: 2, body: state.body2 }] };
  if (input.phase !== 3) throw outOfTurn(state.at, input.phase);
  const body3 = input.body.slice();
  const { ciphertext, box } = bodies.decodeBody3(body3);
  const { body1, suite, boxRandomness, times, tr2, secrets } = state;
  const tr3 = absorb(context.provider, tr2, ciphertext);
  return {
    state: { at: 'decapsulating', body1, suite, boxRandomness, times, body3, ciphertext, box, tr3, secrets },
    outputs: [conceal({ keyPair: secrets.keyPair }, { type: 'decapsulate', suite, ciphertext } as const)],
  };
}

function openPhase3(
  state: At<'decapsulating'>,
  input: shared.DecapsulatedInput,
  context: HandshakeContext,
): ResponderStep {
  const { body1, suite, boxRandomness, times, body3, ciphertext, box, tr3, secrets } = state;
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
    checkKind(credential.kind, context.plane, 'initiator');
    const parameters = decodeParameters(said.parameters, context.plane, 'initiator');
    const introduction = { name: said.name, parameters };
    const trI = absorb(context.provider, tr3, opened.introduction);
    const tr4 = absorb(context.provider, trI, body3);
    const toVerify = signedContent('phase 3', trI);
    return {
      state: {
        at: 'verifying',
        body1,
        suite,
        boxRandomness,
        times,
        body3,
        tr4,
        credential,
        introduction,
        secrets: conceal({ handshakeSecret }),
      },
      outputs: [verificationOf(context, 'initiator', credential, toVerify, opened.signature, parameters.device)],
    };
  } catch (error) {
    wipe(handshakeSecret);
    throw error;
  }
}

function acceptInitiator(
  state: At<'verifying'>,
  input: shared.VerifiedInput,
  context: HandshakeContext,
): ResponderStep {
  const { identity } = input;
  checkIdentity(identity, state.credential, context, 'responder');
  const { body1, suite, boxRandomness, times, body3, tr4, secrets, introduction } = state;
  return {
    state: { at: 'authenticated', body1, suite, boxRandomness, times, body3, tr4, secrets, peer: identity },
    outputs: [{ type: 'authenticated', identity, ...introduction }],
  };
}

function finish(state: At<'authenticated'>, input: FinishInput, context: HandshakeContext): ResponderStep {
  const { suite, boxRandomness, body3, tr4, secrets, peer } = state;
  timing.checkTime(input.nowMs);
  const parameters = encodeParameters(input.parameters, context.plane, 'responder');
  const plaintext = bodies.encodeBoxResponder({ name: input.name, parameters });
  const { conversationId, boxKey, secrets: directions } = finalKeys(suite, secrets.handshakeSecret, tr4);
  const box = sealBox(suite, boxKey, boxRandomness, tr4, plaintext, input.nowMs);
  wipe(boxKey, plaintext);
  const body4 = bodies.encodeBody4({ box });
  return {
    state: { at: 'established', body3, body4 },
    outputs: [
      { type: 'send', phase: 4, body: body4 },
      { type: 'established', suite, conversationId, finalTranscriptHash: tr4, secrets: directions, peer },
    ],
  };
}

function repeatPhase4(state: At<'established'>, input: shared.MessageInput): ResponderStep {
  if (!isRepeat(input, 3, state.body3)) return stay(state);
  return { state, outputs: [{ type: 'send', phase: 4, body: state.body4 }] };
}

function messageWhileBusy(state: Asked & ResponderState, input: shared.MessageInput): ResponderStep {
  if (isRepeat(input, 1, state.body1)) return stay(state);
  if ('body3' in state && isRepeat(input, 3, state.body3)) return stay(state);
  throw outOfTurn(state.at, input.phase);
}

function tick(state: Accepted & ResponderState, input: shared.TimerInput): ResponderStep {
  timing.checkDeadline(state.times, input.nowMs);
  return { state, outputs: [timing.timerFor(state.times)] };
}

function isRepeat(input: shared.MessageInput, phase: 1 | 3, body: Uint8Array): boolean {
  return input.phase === phase && equal(input.body, body);
}

function reject(_state: ResponderState, input: RejectInput): ResponderStep {
  return failed(new SimsError('handshake/rejected', `the responder's owner refused: ${input.code}`));
}

function refuse(_state: ResponderState, input: shared.RefusedInput): ResponderStep {
  return failed(input.error);
}

function abort(_state: ResponderState, input: shared.AbortInput): ResponderStep {
  return failed(input.error ?? new SimsError('handshake/aborted', 'the responder gave up'));
}

function noCommonSuite(): SimsError {
  return new SimsError('handshake/no-common-suite', 'nothing that is offered can be served');
}
