/**
 * The initiator's machine: docs/protocol.md §4, phases 1 and 3.
 *
 * @packageDocumentation
 */
import { equal, wipe } from '../bytes.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import { decodeCredential, type Credential } from '../messages/credential.ts';
import * as bodies from '../messages/handshakeBodies.ts';
import { contextBytes, type HandshakeContext } from './context.ts';
import { checkEnds, checkIdentity, checkKind, type VerifiedIdentity } from './identity.ts';
import { boxKeyOfInitiator, extractHandshakeSecret, finalKeys, openBox, sealBox } from './keySchedule.ts';
import { advance, failed, stay, takes, type Failed, type Step, type TransitionTable } from './machine.ts';
import { PROTOCOL_VERSION } from './negotiation.ts';
import { decodeParameters, encodeParameters, type HandshakeParameters } from './parameters.ts';
import { conceal } from './secrets.ts';
import { checkRandomness, encodeOwn, outOfTurn, suitesOf, verificationOf } from './shared.ts';
import { signedContent } from './signing.ts';
import type * as shared from './states.ts';
import * as timing from './timing.ts';
import { absorb, startTranscript } from './transcript.ts';

/** Begins the handshake. */
export interface StartInput {
  readonly type: 'start';
  /** nonce_I: 32 random bytes; its first 8 name the handshake. */
  readonly nonce: Uint8Array;
  /** 16 random bytes: the IV of box_I in the Fernet suites. */
  readonly boxRandomness: Uint8Array;
  /** Suites in the order of preference; the responder's choice is refused unless it is one of these. */
  readonly offer: readonly SuiteName[];
  /** On a hop: the host as it was asked for, without a port. */
  readonly serverName?: string;
  /** What this side shows of itself, once the responder is verified. */
  readonly credential: Credential;
  /** At most 128 bytes of UTF-8. */
  readonly name: string;
  /** On a hop the device, and the label asked for. */
  readonly parameters: HandshakeParameters;
  readonly nowMs: number;
  /** Default {@link timing.TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

/** What the host feeds in. */
export type InitiatorInput =
  | StartInput
  | shared.MessageInput
  | shared.VerifiedInput
  | shared.RefusedInput
  | shared.EncapsulatedInput
  | shared.SignatureInput
  | shared.TimerInput
  | shared.AbortInput;

/** Phase 4 came: the responder holds the same keys and transcript. */
export interface ConfirmedOutput extends shared.Introduction {
  readonly type: 'confirmed';
}

/** What the host must do, in order. */
export type InitiatorOutput =
  | shared.SendOutput
  | shared.VerifyOutput
  | shared.EncapsulateOutput
  | shared.SignOutput
  | timing.TimerOutput
  | shared.EstablishedOutput
  | ConfirmedOutput;

/** What this side says in phase 3, encoded; the signature is still to come. */
interface Own {
  readonly introduction: Uint8Array;
  readonly boxRandomness: Uint8Array;
}

interface Answered {
  readonly own: Own;
  readonly suite: Suite;
  /** Kept to recognise its repeats. */
  readonly body2: Uint8Array;
  readonly times: timing.Deadline;
}

interface Encapsulating extends Answered {
  readonly peer: VerifiedIdentity;
  readonly tr2: Uint8Array;
  readonly encapsulationKey: Uint8Array;
}

/** Each state holds what the next step needs; a peer is in it from its verification on. Not to be stored. */
export type InitiatorState =
  | { readonly at: 'idle' }
  | {
      readonly at: 'awaiting-phase-2';
      readonly own: Own;
      readonly offer: readonly Suite[];
      readonly body1: Uint8Array;
      readonly times: timing.Repeats;
    }
  | (Answered & {
      readonly at: 'verifying';
      readonly credential: Credential;
      readonly tr2: Uint8Array;
      readonly encapsulationKey: Uint8Array;
    })
  | (Encapsulating & { readonly at: 'encapsulating' })
  | (Answered & {
      readonly at: 'signing';
      readonly peer: VerifiedIdentity;
      readonly ciphertext: Uint8Array;
      readonly tr3: Uint8Array;
      readonly trI: Uint8Array;
      readonly secrets: { readonly handshakeSecret: Uint8Array };
    })
  | {
      readonly at: 'awaiting-phase-4';
      readonly suite: Suite;
      readonly body2: Uint8Array;
      readonly body3: Uint8Array;
      readonly tr4: Uint8Array;
      readonly times: timing.Repeats;
      readonly secrets: { readonly boxKey: Uint8Array };
    }
  | { readonly at: 'confirmed' }
  | Failed;

type At<Name extends InitiatorState['at']> = Extract<InitiatorState, { at: Name }>;
type InitiatorStep = Step<InitiatorState, InitiatorOutput>;

const BUSY = { message: messageWhileBusy, timer: tickWhileBusy, abort } as const;

/** The whole machine: a missing cell is misuse. The state diagram in docs/ is drawn from this table. */
export const INITIATOR_TRANSITIONS: TransitionTable<InitiatorState, InitiatorInput, InitiatorOutput> = {
  idle: { start, abort },
  'awaiting-phase-2': { message: readPhase2, timer: repeatPhase1, abort },
  verifying: { verified: acceptResponder, refused: refuse, ...BUSY },
  encapsulating: { encapsulated: askSignature, ...BUSY },
  signing: { signature: sendPhase3, ...BUSY },
  'awaiting-phase-4': { message: readPhase4, timer: repeatPhase3, abort },
  // Late repeats and timers: the handshake is over, and nothing touches what it made.
  confirmed: { message: stay, timer: stay },
  failed: {},
};

/** Where every initiator begins. */
export const INITIATOR_START: InitiatorState = { at: 'idle' };

/**
 * Advances the initiator by one input. The same arguments give the same result; a state is used once, since secrets that
 * the next one does not hold are wiped. A peer's fault ends in `failed`, which holds no key.
 *
 * @throws for a caller's misuse, changing nothing: `handshake/unexpected-input`, `handshake/state-spent`,
 * `handshake/invalid-argument`, `messages/invalid-message`, `codec/lone-surrogate`
 */
export function stepInitiator(state: InitiatorState, input: InitiatorInput, context: HandshakeContext): InitiatorStep {
  return advance(INITIATOR_TRANSITIONS, state, input, context);
}

/** Whether a state takes inputs of a type: answers that come after the end are to be dropped. */
export function initiatorTakes(state: InitiatorState, type: InitiatorInput['type']): boolean {
  return takes(INITIATOR_TRANSITIONS, state, type);
}

function start(_state: At<'idle'>, input: StartInput, context: HandshakeContext): InitiatorStep {
  checkRandomness(input.nonce, input.boxRandomness);
  checkEnds(context, 'initiator');
  if (input.offer.length === 0) throw new SimsError('handshake/invalid-argument', 'the offer is empty');
  const offer = suitesOf(input.offer, context);
  const deadlineMs = timing.deadlineFrom(input.nowMs, input.timeoutMs ?? timing.TIMEOUT_MS[context.plane].initiator);
  const introduction = bodies.encodeInitiatorIntroduction({
    credential: encodeOwn(input.credential, context.plane, 'initiator'),
    name: input.name,
    parameters: encodeParameters(input.parameters, context.plane, 'initiator'),
  });
  const own: Own = { introduction, boxRandomness: input.boxRandomness.slice() };
  if (input.serverName !== undefined && context.plane !== 'hop') {
    throw new SimsError('handshake/invalid-argument', 'a conversation has no server name');
  }
  const body1 = bodies.encodeBody1({
    versions: [PROTOCOL_VERSION],
    nonce: input.nonce,
    suites: offer.map((suite) => suite.number),
    ...(input.serverName === undefined ? {} : { serverName: input.serverName }),
  });
  const times = timing.firstRepeat(input.nowMs, deadlineMs);
  return {
    state: { at: 'awaiting-phase-2', own, offer, body1, times },
    outputs: [{ type: 'send', phase: 1, body: body1 }, timing.timerFor(times)],
  };
}

function readPhase2(
  state: At<'awaiting-phase-2'>,
  input: shared.MessageInput,
  context: HandshakeContext,
): InitiatorStep {
  if (input.phase !== 2) throw outOfTurn(state.at, input.phase);
  const body2 = input.body.slice();
  const { core, signature } = bodies.decodeBody2(body2);
  const { version, suite: number, encapsulationKey, credential: credentialBytes } = bodies.decodeCore(core);
  if (version !== PROTOCOL_VERSION) {
    throw new SimsError('handshake/unsupported-version', `the responder chose version ${version}`);
  }
  const suite = state.offer.find((offered) => offered.number === number);
  if (suite === undefined) {
    throw new SimsError('handshake/suite-not-offered', `the responder chose suite ${number}`);
  }
  const credential = decodeCredential(credentialBytes);
  checkKind(credential.kind, context.plane, 'responder');
  // Only now: the responder's label may have come with this very message.
  const tr1 = absorb(context.provider, startTranscript(context.provider, contextBytes(context)), state.body1);
  const trR = absorb(context.provider, tr1, core);
  const tr2 = absorb(context.provider, trR, body2);
  const { own, times } = state;
  return {
    state: {
      at: 'verifying',
      own,
      suite,
      body2,
      times: { deadlineMs: times.deadlineMs },
      credential,
      tr2,
      encapsulationKey,
    },
    outputs: [verificationOf(context, 'responder', credential, signedContent('phase 2', trR), signature)],
  };
}

function acceptResponder(
  state: At<'verifying'>,
  input: shared.VerifiedInput,
  context: HandshakeContext,
): InitiatorStep {
  checkIdentity(input.identity, state.credential, context, 'initiator');
  const { suite, body2, times, tr2, encapsulationKey } = state;
  const { parameters } = input;
  const own =
    parameters === undefined ? state.own : { ...state.own, introduction: saying(parameters, state.own, context) };
  return {
    state: { at: 'encapsulating', own, suite, body2, times, tr2, encapsulationKey, peer: input.identity },
    outputs: [{ type: 'encapsulate', suite, encapsulationKey }],
  };
}

function saying(parameters: HandshakeParameters, { introduction }: Own, context: HandshakeContext): Uint8Array {
  const { credential, name } = bodies.decodeInitiatorIntroduction(introduction);
  const encoded = encodeParameters(parameters, context.plane, 'initiator');
  return bodies.encodeInitiatorIntroduction({ credential, name, parameters: encoded });
}

function askSignature(
  state: At<'encapsulating'>,
  input: shared.EncapsulatedInput,
  context: HandshakeContext,
): InitiatorStep {
  if (input.result === undefined) {
    throw new SimsError('handshake/peer-key-invalid', `the KEM of ${state.suite.name} refused the encapsulation key`);
  }
  const { raw, ciphertext } = input.result;
  const { own, suite, body2, times, peer, tr2, encapsulationKey } = state;
  const tr3 = absorb(context.provider, tr2, ciphertext);
  const trI = absorb(context.provider, tr3, own.introduction);
  const handshakeSecret = extractHandshakeSecret(suite, tr3, raw, ciphertext, encapsulationKey);
  const secrets = conceal({ handshakeSecret });
  return {
    state: { at: 'signing', own, suite, body2, times, peer, ciphertext, tr3, trI, secrets },
    outputs: [{ type: 'sign', purpose: 'phase 3', toBeSigned: signedContent('phase 3', trI) }],
  };
}

function sendPhase3(state: At<'signing'>, input: shared.SignatureInput, context: HandshakeContext): InitiatorStep {
  const { own, suite, body2, peer, ciphertext, tr3, trI, secrets } = state;
  const times = timing.firstRepeat(input.nowMs, state.times.deadlineMs);
  const plaintext = bodies.encodeBoxInitiator({ introduction: own.introduction, signature: input.signature });
  const key = boxKeyOfInitiator(suite, secrets.handshakeSecret, tr3);
  const box = sealBox(suite, key, own.boxRandomness, tr3, plaintext, input.nowMs);
  wipe(key, plaintext);
  const body3 = bodies.encodeBody3({ ciphertext, box });
  const tr4 = absorb(context.provider, trI, body3);
  const { conversationId, boxKey, secrets: directions } = finalKeys(suite, secrets.handshakeSecret, tr4);
  return {
    state: { at: 'awaiting-phase-4', suite, body2, body3, tr4, times, secrets: conceal({ boxKey }) },
    outputs: [
      { type: 'send', phase: 3, body: body3 },
      { type: 'established', suite, conversationId, finalTranscriptHash: tr4, secrets: directions, peer },
      timing.timerFor(times),
    ],
  };
}

function readPhase4(
  state: At<'awaiting-phase-4'>,
  input: shared.MessageInput,
  context: HandshakeContext,
): InitiatorStep {
  // The responder asks again by its repeat: phase 3 was lost.
  if (isRepeat(input, state.body2)) return { state, outputs: [{ type: 'send', phase: 3, body: state.body3 }] };
  if (input.phase !== 4) throw outOfTurn(state.at, input.phase);
  const { box } = bodies.decodeBody4(input.body);
  const plaintext = openBox(state.suite, state.secrets.boxKey, state.tr4, box);
  if (plaintext === undefined) throw new SimsError('handshake/authentication-failed', 'the box does not open');
  const { name, parameters } = bodies.decodeBoxResponder(plaintext);
  return {
    state: { at: 'confirmed' },
    outputs: [{ type: 'confirmed', name, parameters: decodeParameters(parameters, context.plane, 'responder') }],
  };
}

function repeatPhase1(state: At<'awaiting-phase-2'>, input: shared.TimerInput): InitiatorStep {
  return repeat(state, 1, state.body1, input.nowMs);
}

function repeatPhase3(state: At<'awaiting-phase-4'>, input: shared.TimerInput): InitiatorStep {
  return repeat(state, 3, state.body3, input.nowMs);
}

function repeat(
  state: At<'awaiting-phase-2' | 'awaiting-phase-4'>,
  phase: 1 | 3,
  body: Uint8Array,
  nowMs: number,
): InitiatorStep {
  timing.checkDeadline(state.times, nowMs);
  if (nowMs < state.times.repeatAtMs) return { state, outputs: [timing.timerFor(state.times)] };
  const times = timing.nextRepeat(state.times, nowMs);
  return { state: { ...state, times }, outputs: [{ type: 'send', phase, body }, timing.timerFor(times)] };
}

function messageWhileBusy(
  state: At<'verifying' | 'encapsulating' | 'signing'>,
  input: shared.MessageInput,
): InitiatorStep {
  if (!isRepeat(input, state.body2)) throw outOfTurn(state.at, input.phase);
  return stay(state);
}

function tickWhileBusy(state: At<'verifying' | 'encapsulating' | 'signing'>, input: shared.TimerInput): InitiatorStep {
  timing.checkDeadline(state.times, input.nowMs);
  return { state, outputs: [timing.timerFor(state.times)] };
}

function isRepeat(input: shared.MessageInput, body2: Uint8Array): boolean {
  return input.phase === 2 && equal(input.body, body2);
}

function refuse(_state: At<'verifying'>, input: shared.RefusedInput): InitiatorStep {
  return failed(input.error);
}

function abort(_state: InitiatorState, input: shared.AbortInput): InitiatorStep {
  return failed(input.error ?? new SimsError('handshake/aborted', 'the initiator gave up'));
}
