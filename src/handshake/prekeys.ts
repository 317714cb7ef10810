/**
 * The start with who is away: runs of its three machines against a host.
 *
 * @packageDocumentation
 */
import type { AnswerHost } from './answer.ts';
import {
  BUNDLE_START,
  bundleTakes,
  stepBundle,
  type BundleContext,
  type BundleInput,
  type BundleMadeOutput,
  type BundleOutput,
  type BundleStartInput,
  type BundleState,
} from './bundle.ts';
import type { ConversationContext } from './context.ts';
import {
  PREKEY_INITIATOR_START,
  prekeyInitiatorTakes,
  stepPrekeyInitiator,
  type PrekeyInitiatorInput,
  type PrekeyInitiatorOutput,
  type PrekeyInitiatorState,
  type PrekeyStartInput,
} from './prekeyInitiator.ts';
import {
  PREKEY_RESPONDER_START,
  prekeyResponderTakes,
  stepPrekeyResponder,
  type PrekeyAnswerInput,
  type PrekeyResponderInput,
  type PrekeyResponderOutput,
  type PrekeyResponderState,
} from './prekeyResponder.ts';
import { runMachine, type RunHooks } from './run.ts';
import type { EstablishedOutput } from './states.ts';

/** What an initiator has when it has answered a bundle. */
export interface StartedFromBundle {
  readonly established: EstablishedOutput;
  /** Body of phase 3, to be sent when the conversation is stored. */
  readonly body: Uint8Array;
}

/** What a bundle's owner has when a start is authentic. */
export interface AnsweredBundle {
  readonly established: EstablishedOutput;
  /** What the initiator calls itself. */
  readonly name: string;
}

/** A bundle and its secret. @throws the host's error, or that of the input */
export function makeBundle(
  input: BundleStartInput,
  context: BundleContext,
  host: AnswerHost,
): Promise<BundleMadeOutput> {
  return new Promise((resolve, reject) => {
    const hooks: RunHooks<BundleInput, BundleOutput> = {
      output: (output) => {
        if (output.type === 'made') resolve(output);
        return undefined;
      },
      failed: reject,
    };
    const machine = { start: BUNDLE_START, step: stepBundle, takes: bundleTakes };
    runMachine<BundleState, BundleInput, BundleOutput, BundleContext>(machine, context, host, hooks).feed(input);
  });
}

/** Begins from a bundle. @throws why the bundle is refused, or the host's error */
export function startFromBundle(
  input: PrekeyStartInput,
  context: ConversationContext,
  host: AnswerHost,
): Promise<StartedFromBundle> {
  return new Promise((resolve, reject) => {
    let established: EstablishedOutput | undefined;
    const hooks: RunHooks<PrekeyInitiatorInput, PrekeyInitiatorOutput> = {
      output: (output) => {
        if (output.type === 'established') established = output;
        else if (output.type === 'send') resolve({ established: established!, body: output.body });
        return undefined;
      },
      failed: reject,
    };
    const machine = { start: PREKEY_INITIATOR_START, step: stepPrekeyInitiator, takes: prekeyInitiatorTakes };
    runMachine<PrekeyInitiatorState, PrekeyInitiatorInput, PrekeyInitiatorOutput, ConversationContext>(
      machine,
      context,
      host,
      hooks,
    ).feed(input);
  });
}

/** Answers a phase 3 that names a bundle. @throws why the start is refused; the bundle is not spent then */
export function answerBundle(
  input: PrekeyAnswerInput,
  context: ConversationContext,
  host: AnswerHost,
): Promise<AnsweredBundle> {
  return new Promise((resolve, reject) => {
    let name = '';
    const hooks: RunHooks<PrekeyResponderInput, PrekeyResponderOutput> = {
      output: (output) => {
        if (output.type === 'authenticated') ({ name } = output);
        else if (output.type === 'established') resolve({ established: output, name });
        return undefined;
      },
      failed: reject,
    };
    const machine = { start: PREKEY_RESPONDER_START, step: stepPrekeyResponder, takes: prekeyResponderTakes };
    runMachine<PrekeyResponderState, PrekeyResponderInput, PrekeyResponderOutput, ConversationContext>(
      machine,
      context,
      host,
      hooks,
    ).feed(input);
  });
}
