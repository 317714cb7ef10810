/**
 * Runs a machine against its host: relay and client drive their handshakes with it.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { answerOutput, type AnswerHost } from './answer.ts';
import type { HandshakeContext } from './context.ts';
import {
  INITIATOR_START,
  initiatorTakes,
  stepInitiator,
  type InitiatorInput,
  type InitiatorOutput,
  type InitiatorState,
} from './initiator.ts';
import type { Step } from './machine.ts';
import {
  RESPONDER_START,
  responderTakes,
  stepResponder,
  type ResponderInput,
  type ResponderOutput,
  type ResponderState,
} from './responder.ts';

/** What a run tells its owner. */
export interface RunHooks<Input, Output> {
  /** Every output but those that the host answers. An input that it returns is fed next. */
  readonly output: (output: Output) => Input | undefined;
  /** The handshake failed; told once. */
  readonly failed: (error: SimsError) => void;
}

/** One handshake on its way: inputs go in as they come, answers of the host as they are ready. */
export interface HandshakeRun<Input> {
  /** Feeds one input; what the machine does not take any more is dropped. */
  feed(input: Input): void;
  /** Where the machine is. */
  readonly at: string;
}

/** Runs an initiator; feed `start` first. */
export function runInitiator(
  context: HandshakeContext,
  host: AnswerHost,
  hooks: RunHooks<InitiatorInput, InitiatorOutput>,
): HandshakeRun<InitiatorInput> {
  return runMachine<InitiatorState, InitiatorInput, InitiatorOutput>(
    { start: INITIATOR_START, step: stepInitiator, takes: initiatorTakes },
    context,
    host,
    hooks,
  );
}

/** Runs a responder; feed the peer's first message first. */
export function runResponder(
  context: HandshakeContext,
  host: AnswerHost,
  hooks: RunHooks<ResponderInput, ResponderOutput>,
): HandshakeRun<ResponderInput> {
  return runMachine<ResponderState, ResponderInput, ResponderOutput>(
    { start: RESPONDER_START, step: stepResponder, takes: responderTakes },
    context,
    host,
    hooks,
  );
}

/** What {@link runMachine} runs. */
export interface Machine<State, Input extends { type: string }, Output, Context = HandshakeContext> {
  readonly start: State;
  readonly step: (state: State, input: Input, context: Context) => Step<State, Output>;
  readonly takes: (state: State, type: Input['type']) => boolean;
}

/** Runs any machine of this folder from its start; what the host can answer is answered, the rest goes to the hooks. */
export function runMachine<
  State extends { readonly at: string },
  Input extends { type: string },
  Output extends { readonly type: string },
  Context = HandshakeContext,
>(
  machine: Machine<State, Input, Output, Context>,
  context: Context,
  host: AnswerHost,
  hooks: RunHooks<Input, Output>,
): HandshakeRun<Input> {
  let state = machine.start;
  let isStepping = false;
  const waiting: Input[] = [];
  const answers = new WeakSet<Input>();

  const feed = (first: Input): void => {
    waiting.push(first);
    // An output may feed again: inputs are stepped one after the other, never inside one another.
    if (isStepping) return;
    isStepping = true;
    try {
      for (let input = waiting.shift(); input !== undefined; input = waiting.shift()) advance(input);
    } finally {
      isStepping = false;
    }
  };

  const advance = (input: Input): void => {
    if (!machine.takes(state, input.type)) return;
    const next = answers.has(input) ? stepAnswer(input) : machine.step(state, input, context);
    state = next.state;
    for (const output of next.outputs) answer(output);
    if (isFailed(state)) hooks.failed(state.error);
  };

  // What a host answers wrongly ends the handshake: thrown, it would hit whoever fed a message, or nobody.
  const stepAnswer = (input: Input): Step<State, Output> => {
    try {
      return machine.step(state, input, context);
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      return machine.step(state, { type: 'abort', error } as unknown as Input, context);
    }
  };

  const feedAnswer = (input: Input): void => {
    answers.add(input);
    feed(input);
  };

  const answer = (output: Output): void => {
    // What is not asked of the host gets no answer, whatever machine it is of.
    const asked = output as unknown as InitiatorOutput | ResponderOutput;
    const answered = answerOutput(asked, host) as unknown as Input | Promise<Input> | undefined;
    if (answered === undefined) {
      const reply = hooks.output(output);
      if (reply !== undefined) waiting.push(reply);
    } else if (answered instanceof Promise) void answered.then(feedAnswer);
    else feedAnswer(answered);
  };

  return {
    feed,
    get at() {
      return state.at;
    },
  };
}

function isFailed(state: { readonly at: string }): state is { readonly at: 'failed'; readonly error: SimsError } {
  return state.at === 'failed';
}
