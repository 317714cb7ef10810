/**
 * The start from a bundle, at the side that begins: docs/protocol.md §4.4.
 *
 * @packageDocumentation
 */
import { wipe } from '../bytes.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import { decodeBundle, decodeBundleCore, encodeBundleBody3 } from '../messages/bundle.ts';
import { decodeCredential, type Credential } from '../messages/credential.ts';
import * as bodies from '../messages/handshakeBodies.ts';
import { checkBundlePlace, checkBundleSuite, CLOCK_SKEW_MS, MAX_BUNDLE_LIFETIME_MS } from './bundle.ts';
import { prekeyContextBytes, type ConversationContext } from './context.ts';
import { checkEnds, checkIdentity, checkKind, type VerifiedIdentity } from './identity.ts';
import { boxKeyOfInitiator, extractHandshakeSecret, finalKeys, sealBox } from './keySchedule.ts';
import { advance, failed, takes, type Failed, type Step, type TransitionTable } from './machine.ts';
import { PROTOCOL_VERSION } from './negotiation.ts';
import { conceal } from './secrets.ts';
import { checkRandomness, encodeOwn, suitesOf, verificationOf } from './shared.ts';
import { signedContent } from './signing.ts';
import type * as shared from './states.ts';
import { checkTime } from './timing.ts';
import { absorb, startTranscript } from './transcript.ts';

/** Begins with a bundle that the relay gave. */
export interface PrekeyStartInput {
  readonly type: 'start';
  readonly bundle: Uint8Array;
  /** nonce_I: 32 random bytes; its first 8 name the start. */
  readonly nonce: Uint8Array;
  /** 16 random bytes: the IV of box_I in the Fernet suite. */
  readonly boxRandomness: Uint8Array;
  /** Suites in the order of preference; the bundle's must be the one that its owner would pick from these. */
  readonly offer: readonly SuiteName[];
  readonly credential: Credential;
  /** At most 128 bytes of UTF-8. */
  readonly name: string;
  readonly nowMs: number;
}

/** What the host feeds in. */
export type PrekeyInitiatorInput =
  | PrekeyStartInput
  | shared.VerifiedInput
  | shared.RefusedInput
  | shared.EncapsulatedInput
  | shared.SignatureInput
  | shared.AbortInput;

/** What the host must do, in order: phase 3 leaves when the conversation is stored. */
export type PrekeyInitiatorOutput =
  | shared.VerifyOutput
  | shared.EncapsulateOutput
  | shared.SignOutput
  | shared.SendOutput
  | shared.EstablishedOutput;

interface Own {
  readonly introduction: Uint8Array;
  readonly boxRandomness: Uint8Array;
  readonly hello: Uint8Array;
}

interface Read {
  readonly own: Own;
  readonly suite: Suite;
  readonly bundleId: Uint8Array;
  readonly encapsulationKey: Uint8Array;
  readonly tr2: Uint8Array;
}

/** Each state holds what the next step needs; a peer is in it from its verification on. Not to be stored. */
export type PrekeyInitiatorState =
  | { readonly at: 'idle' }
  | (Read & { readonly at: 'verifying'; readonly credential: Credential; readonly notAfterMs: number })
  | (Read & { readonly at: 'encapsulating'; readonly peer: VerifiedIdentity })
  | {
      readonly at: 'signing';
      readonly own: Own;
      readonly suite: Suite;
      readonly bundleId: Uint8Array;
      readonly peer: VerifiedIdentity;
      readonly ciphertext: Uint8Array;
      readonly tr3: Uint8Array;
      readonly trI: Uint8Array;
      readonly secrets: { readonly handshakeSecret: Uint8Array };
    }
  | { readonly at: 'established' }
  | Failed;

type At<Name extends PrekeyInitiatorState['at']> = Extract<PrekeyInitiatorState, { at: Name }>;
type PrekeyStep = Step<PrekeyInitiatorState, PrekeyInitiatorOutput>;

/** The whole machine: a missing cell is misuse. */
export const PREKEY_INITIATOR_TRANSITIONS: TransitionTable<
  PrekeyInitiatorState,
  PrekeyInitiatorInput,
  PrekeyInitiatorOutput,
  ConversationContext
> = {
  idle: { start: readBundle, abort },
  verifying: { verified: acceptOwner, refused: refuse, abort },
  encapsulating: { encapsulated: askSignature, abort },
  signing: { signature: sendPhase3, abort },
  established: {},
  failed: {},
};

/** Where every start begins. */
export const PREKEY_INITIATOR_START: PrekeyInitiatorState = { at: 'idle' };

/**
 * Advances a start by one input. A fault of the bundle ends in `failed`, which holds no key.
 *
 * @throws for a caller's misuse, changing nothing: `handshake/unexpected-input`, `handshake/state-spent`,
 * `handshake/invalid-argument`, `messages/invalid-message`, `codec/lone-surrogate`
 */
export function stepPrekeyInitiator(
  state: PrekeyInitiatorState,
  input: PrekeyInitiatorInput,
  context: ConversationContext,
): PrekeyStep {
  return advance(PREKEY_INITIATOR_TRANSITIONS, state, input, context);
}

/** Whether a state takes inputs of a type. */
export function prekeyInitiatorTakes(state: PrekeyInitiatorState, type: PrekeyInitiatorInput['type']): boolean {
  return takes(PREKEY_INITIATOR_TRANSITIONS, state, type);
}

function readBundle(_state: At<'idle'>, input: PrekeyStartInput, context: ConversationContext): PrekeyStep {
  checkRandomness(input.nonce, input.boxRandomness);
  checkTime(input.nowMs);
  checkEnds(context, 'initiator');
  if (input.offer.length === 0) throw new SimsError('handshake/invalid-argument', 'the offer is empty');
  const offer = suitesOf(input.offer, context).map(({ number }) => number);
  const introduction = bodies.encodeInitiatorIntroduction({
    credential: encodeOwn(input.credential, 'conversation', 'initiator'),
    name: input.name,
    parameters: new Map(),
  });
  const hello = bodies.encodeBody1({ versions: [PROTOCOL_VERSION], nonce: input.nonce, suites: offer });
  const bytes = input.bundle.slice();
  const { core: coreBytes, signature } = decodeBundle(bytes);
  const core = decodeBundleCore(coreBytes);
  checkBundlePlace(core, context);
  const notAfterMs = core.notAfter * 1_000;
  if (notAfterMs <= input.nowMs || notAfterMs > input.nowMs + MAX_BUNDLE_LIFETIME_MS + CLOCK_SKEW_MS) {
    throw new SimsError('handshake/bundle-expired', `the bundle ends ${notAfterMs - input.nowMs} ms ahead`);
  }
  const suite = checkBundleSuite(core, offer, context.suites);
  const credential = decodeCredential(core.credential);
  checkKind(credential.kind, 'conversation', 'responder');
  if (credential.kind === 'none') {
    throw new SimsError('handshake/credential-kind', 'the bundle is of someone whose key is not kept');
  }
  const { provider } = context;
  const tr1 = absorb(provider, startTranscript(provider, prekeyContextBytes(context)), bytes);
  const tr2 = absorb(provider, tr1, hello);
  const own: Own = { introduction, boxRandomness: input.boxRandomness.slice(), hello };
  const { id: bundleId, encapsulationKey } = core;
  const verification = verificationOf(context, 'responder', credential, signedContent('bundle', coreBytes), signature);
  return {
    state: { at: 'verifying', own, suite, bundleId, encapsulationKey, tr2, credential, notAfterMs },
    outputs: [{ ...verification, purpose: 'prekey' }],
  };
}

function acceptOwner(state: At<'verifying'>, input: shared.VerifiedInput, context: ConversationContext): PrekeyStep {
  const { own, suite, bundleId, encapsulationKey, tr2, credential, notAfterMs } = state;
  const { identity } = input;
  checkIdentity(identity, credential, context, 'initiator');
  if (identity.verifiedUntilMs !== undefined && notAfterMs > identity.verifiedUntilMs) {
    const beyondMs = notAfterMs - identity.verifiedUntilMs;
    throw new SimsError('handshake/bundle-beyond-credential', `the bundle ends ${beyondMs} ms after its credential`);
  }
  return {
    state: { at: 'encapsulating', own, suite, bundleId, encapsulationKey, tr2, peer: identity },
    outputs: [{ type: 'encapsulate', suite, encapsulationKey }],
  };
}

function askSignature(
  state: At<'encapsulating'>,
  input: shared.EncapsulatedInput,
  context: ConversationContext,
): PrekeyStep {
  const { own, suite, bundleId, encapsulationKey, tr2, peer } = state;
  if (input.result === undefined) {
    throw new SimsError('handshake/peer-key-invalid', `the KEM of ${suite.name} refused the bundle's key`);
  }
  const { raw, ciphertext } = input.result;
  const tr3 = absorb(context.provider, tr2, ciphertext);
  const trI = absorb(context.provider, tr3, own.introduction);
  const handshakeSecret = extractHandshakeSecret(suite, tr3, raw, ciphertext, encapsulationKey);
  const secrets = conceal({ handshakeSecret });
  return {
    state: { at: 'signing', own, suite, bundleId, peer, ciphertext, tr3, trI, secrets },
    outputs: [{ type: 'sign', purpose: 'phase 3', toBeSigned: signedContent('phase 3', trI) }],
  };
}

function sendPhase3(state: At<'signing'>, input: shared.SignatureInput, context: ConversationContext): PrekeyStep {
  const { own, suite, bundleId, peer, ciphertext, tr3, trI, secrets } = state;
  const plaintext = bodies.encodeBoxInitiator({ introduction: own.introduction, signature: input.signature });
  const key = boxKeyOfInitiator(suite, secrets.handshakeSecret, tr3);
  const box = sealBox(suite, key, own.boxRandomness, tr3, plaintext, input.nowMs);
  wipe(key, plaintext);
  const body = encodeBundleBody3({ ciphertext, box, bundleId, hello: own.hello });
  const tr4 = absorb(context.provider, trI, body);
  const { conversationId, boxKey, secrets: directions } = finalKeys(suite, secrets.handshakeSecret, tr4);
  // There is no phase 4.
  wipe(boxKey);
  return {
    state: { at: 'established' },
    outputs: [
      { type: 'established', suite, conversationId, finalTranscriptHash: tr4, secrets: directions, peer },
      { type: 'send', phase: 3, body },
    ],
  };
}

function refuse(_state: At<'verifying'>, input: shared.RefusedInput): PrekeyStep {
  return failed(input.error);
}

function abort(_state: PrekeyInitiatorState, input: shared.AbortInput): PrekeyStep {
  return failed(input.error ?? new SimsError('handshake/aborted', 'the start was given up'));
}
