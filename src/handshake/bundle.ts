/**
 * Bundles: how their owner makes one, and what both sides hold them against (docs/protocol.md §4.4).
 *
 * @packageDocumentation
 */
import { equal } from '../bytes.ts';
import type { HashProvider, KemKeyPair } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { Address } from '../messages/address.ts';
import { BUNDLE_ID_BYTES, encodeBundle, encodeBundleCore, type BundleCore } from '../messages/bundle.ts';
import type { Credential } from '../messages/credential.ts';
import type { ConversationContext } from './context.ts';
import { advance, failed, takes, type Failed, type Step, type TransitionTable } from './machine.ts';
import { PROTOCOL_VERSION } from './negotiation.ts';
import { conceal } from './secrets.ts';
import { encodeOwn } from './shared.ts';
import { signedContent } from './signing.ts';
import type * as shared from './states.ts';
import { checkTime } from './timing.ts';

/** A bundle ends at most so far ahead. */
export const MAX_BUNDLE_LIFETIME_MS: number = 30 * 86_400_000;
/** Clocks may differ by so much. */
export const CLOCK_SKEW_MS = 300_000;
/** How long after its end a bundle's owner still takes a start that waited at the relay. */
export const LATE_START_MS: number = 7 * 86_400_000;

/** Third argument of {@link stepBundle}. */
export interface BundleContext {
  readonly provider: HashProvider;
  readonly suites: readonly Suite[];
}

/** What a new bundle says. */
export interface BundleStartInput {
  readonly type: 'start';
  /** 8 random bytes. */
  readonly id: Uint8Array;
  /** Suite of this bundle; one of `suites`. */
  readonly suite: SuiteName;
  /** All suites that the owner publishes bundles for, in its order; RSA is refused. */
  readonly suites: readonly SuiteName[];
  /** SHA-256 of the relay's SPKI, 32 bytes. */
  readonly relayIdentity: Uint8Array;
  readonly address: Address;
  readonly label: string;
  /** `key` or `certificate`. */
  readonly credential: Credential;
  /** Milliseconds since 1970; at most 30 days ahead, and no later than the credential. Cut to whole seconds. */
  readonly notAfterMs: number;
  readonly nowMs: number;
}

/** What the host feeds in. */
export type BundleInput = BundleStartInput | shared.KeyPairInput | shared.SignatureInput | shared.AbortInput;

/** The bundle is made: store the key pair before the bundle is published. */
export interface BundleMadeOutput {
  readonly type: 'made';
  readonly id: Uint8Array;
  readonly suite: Suite;
  /** To be published. */
  readonly bundle: Uint8Array;
  readonly notAfterMs: number;
  /** The host's from here on; does not print. */
  readonly keyPair: KemKeyPair;
}

/** What the host must do, in order. */
export type BundleOutput = shared.GenerateKeyPairOutput | shared.SignOutput | BundleMadeOutput;

/** Each state holds what the next step needs. */
export type BundleState =
  | { readonly at: 'idle' }
  | { readonly at: 'generating'; readonly suite: Suite; readonly said: Omit<BundleCore, 'encapsulationKey'> }
  | {
      readonly at: 'signing';
      readonly suite: Suite;
      readonly core: Uint8Array;
      readonly said: Omit<BundleCore, 'encapsulationKey'>;
      readonly secrets: { readonly keyPair: KemKeyPair };
    }
  | { readonly at: 'made' }
  | Failed;

type At<Name extends BundleState['at']> = Extract<BundleState, { at: Name }>;
type BundleStep = Step<BundleState, BundleOutput>;

/** The whole machine: a missing cell is misuse. */
export const BUNDLE_TRANSITIONS: TransitionTable<BundleState, BundleInput, BundleOutput, BundleContext> = {
  idle: { start, abort },
  generating: { 'key-pair': askSignature, abort },
  signing: { signature: make, abort },
  made: {},
  failed: {},
};

/** Where every bundle begins. */
export const BUNDLE_START: BundleState = { at: 'idle' };

/**
 * Makes one bundle: `start`, then answers to `generate-key-pair` and `sign`.
 *
 * @throws for a caller's misuse, changing nothing: `handshake/unexpected-input`, `handshake/state-spent`,
 * `handshake/invalid-argument`, `messages/invalid-message`
 */
export function stepBundle(state: BundleState, input: BundleInput, context: BundleContext): BundleStep {
  return advance(BUNDLE_TRANSITIONS, state, input, context);
}

/** Whether a state takes inputs of a type. */
export function bundleTakes(state: BundleState, type: BundleInput['type']): boolean {
  return takes(BUNDLE_TRANSITIONS, state, type);
}

/** Whether bundles of a suite may be published: not of those whose key pairs cost too much to make ahead. */
export function hasBundles(suite: Suite): boolean {
  return suite.kem.name !== 'RSA-4096';
}

/**
 * Holds a bundle against the suites that were offered: it must be of the first of its owner's list that is among them.
 *
 * @throws `handshake/no-common-suite`, `handshake/bundle-suite`
 */
export function checkBundleSuite(core: BundleCore, offer: readonly number[], suites: readonly Suite[]): Suite {
  const picked = core.suites.find((number) => offer.includes(number));
  if (picked === undefined) {
    throw new SimsError('handshake/no-common-suite', 'no suite of the bundle list is among those offered');
  }
  const suite = suites.find(({ number }) => number === picked);
  if (picked !== core.suite || suite === undefined || !hasBundles(suite)) {
    throw new SimsError('handshake/bundle-suite', `the bundle is of suite ${core.suite}, both would pick ${picked}`);
  }
  return suite;
}

/**
 * Holds a bundle against the context.
 *
 * @throws `handshake/unsupported-version`, `handshake/bundle-foreign`, `handshake/bundle-mismatch`
 */
export function checkBundlePlace(core: BundleCore, context: ConversationContext): void {
  if (core.version !== PROTOCOL_VERSION) {
    throw new SimsError('handshake/unsupported-version', `the bundle is of version ${core.version}`);
  }
  if (core.address !== context.responder) {
    throw new SimsError('handshake/bundle-mismatch', `the bundle is of ${core.address}, not of ${context.responder}`);
  }
  if (!equal(core.relayIdentity, context.relayIdentity)) {
    throw new SimsError('handshake/bundle-foreign', 'the bundle was made for another relay');
  }
  if (core.label !== context.responderLabel) {
    throw new SimsError('handshake/bundle-mismatch', 'the bundle is of another label than the relay says');
  }
}

function start(_state: At<'idle'>, input: BundleStartInput, context: BundleContext): BundleStep {
  const { id, suites, relayIdentity, address, label, credential, notAfterMs, nowMs } = input;
  checkTime(nowMs);
  const numbers = suites.map((name) => suiteOf(name, context).number);
  const suite = suiteOf(input.suite, context);
  const problem = problemOf(input, numbers, suite);
  if (problem !== undefined) throw new SimsError('handshake/invalid-argument', `a bundle with ${problem}`);
  const said = {
    version: PROTOCOL_VERSION,
    id: id.slice(),
    relayIdentity,
    address,
    label,
    suites: numbers,
    suite: suite.number,
    notAfter: Math.floor(notAfterMs / 1_000),
    credential: encodeOwn(credential, 'conversation', 'responder'),
  };
  return { state: { at: 'generating', suite, said }, outputs: [{ type: 'generate-key-pair', suite }] };
}

function askSignature(state: At<'generating'>, input: shared.KeyPairInput): BundleStep {
  const { suite, said } = state;
  const core = encodeBundleCore({ ...said, encapsulationKey: input.keyPair.encapsulationKey });
  const secrets = conceal({ keyPair: input.keyPair });
  return {
    state: { at: 'signing', suite, core, said, secrets },
    outputs: [{ type: 'sign', purpose: 'bundle', toBeSigned: signedContent('bundle', core) }],
  };
}

function make(state: At<'signing'>, input: shared.SignatureInput): BundleStep {
  const { suite, core, said, secrets } = state;
  const { encapsulationKey, decapsulationKey } = secrets.keyPair;
  // A copy: the state's own is wiped with it.
  const keyPair = { encapsulationKey: encapsulationKey.slice(), decapsulationKey: decapsulationKey.slice() };
  const bundle = encodeBundle({ core, signature: input.signature });
  const shown = { type: 'made', id: said.id, suite, bundle, notAfterMs: said.notAfter * 1_000 } as const;
  return { state: { at: 'made' }, outputs: [conceal({ keyPair }, shown)] };
}

function abort(_state: BundleState, input: shared.AbortInput): BundleStep {
  return failed(input.error ?? new SimsError('handshake/aborted', 'the bundle was not made'));
}

function suiteOf(name: SuiteName, { suites }: BundleContext): Suite {
  const suite = suites.find((candidate) => candidate.name === name);
  if (suite === undefined) throw new SimsError('handshake/invalid-argument', `the context has no suite ${name}`);
  if (!hasBundles(suite)) throw new SimsError('handshake/invalid-argument', `${name} has no bundles`);
  return suite;
}

function problemOf(input: BundleStartInput, numbers: readonly number[], suite: Suite): string | undefined {
  if (input.id.length !== BUNDLE_ID_BYTES) return `an id of ${input.id.length} bytes`;
  if (input.relayIdentity.length !== 32) return `a relay identity of ${input.relayIdentity.length} bytes`;
  if (new Set(numbers).size !== numbers.length) return 'a suite twice';
  if (!numbers.includes(suite.number)) return 'a suite that is not in its list';
  if (input.credential.kind !== 'key' && input.credential.kind !== 'certificate') {
    return `a credential of kind ${input.credential.kind}`;
  }
  const aheadMs = input.notAfterMs - input.nowMs;
  return aheadMs > 0 && aheadMs <= MAX_BUNDLE_LIFETIME_MS ? undefined : `an end ${aheadMs} ms ahead`;
}
