/**
 * How both machines step: a table says which inputs a state takes, and what a fault does is decided here once.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import type { HandshakeContext } from './context.ts';
import { assertUnspent, spend } from './secrets.ts';

/** The end of a handshake that did not succeed. It holds no key. */
export interface Failed {
  readonly at: 'failed';
  readonly error: SimsError;
}

/** Next state and what reaching it asks of the host, in order. */
export interface Step<State, Output> {
  readonly state: State;
  readonly outputs: readonly Output[];
}

/** For each state, the inputs it takes and the function that handles each. A missing cell is misuse. */
export type TransitionTable<
  State extends { at: string },
  Input extends { type: string },
  Output,
  Context = HandshakeContext,
> = {
  readonly [At in State['at']]: {
    readonly [Type in Input['type']]?: (
      state: Extract<State, { at: At }>,
      input: Extract<Input, { type: Type }>,
      context: Context,
    ) => Step<State, Output>;
  };
};

type Cell<State, Input, Output, Context> = (state: State, input: Input, context: Context) => Step<State, Output>;

/**
 * Advances a machine by one input. Secrets of a state that is left are wiped, unless the next one holds them.
 *
 * @throws `handshake/unexpected-input` for a missing cell, `handshake/state-spent` for a state that was left before,
 * and whatever a caller's fault in the input is; nothing has changed then
 */
export function advance<State extends { at: string }, Input extends { type: string }, Output, Context>(
  transitions: TransitionTable<State, Input, Output, Context>,
  state: State | Failed,
  input: Input,
  context: Context,
): Step<State | Failed, Output> {
  const row: Partial<Record<string, unknown>> = transitions[state.at as State['at']];
  const cell = Object.hasOwn(row, input.type) ? row[input.type] : undefined;
  if (cell === undefined) {
    const taken = Object.keys(row).join(', ') || 'nothing';
    throw new SimsError('handshake/unexpected-input', `${state.at} takes ${taken}; got ${input.type}`);
  }
  const secrets = secretsOf(state);
  if (secrets !== undefined) assertUnspent(secrets);
  const next = settle(cell as Cell<State | Failed, Input, Output, Context>, state, input, context);
  if (secrets !== undefined && secretsOf(next.state) !== secrets) spend(secrets);
  return next;
}

/** Whether a state takes inputs of a type: for hosts whose answers may come after the end. */
export function takes(
  transitions: Readonly<Record<string, object>>,
  state: { readonly at: string },
  type: string,
): boolean {
  const row = transitions[state.at];
  return row !== undefined && Object.hasOwn(row, type);
}

/** The same state, asking nothing: for repeats, and for what comes after the end. */
export function stay<State>(state: State): Step<State, never> {
  return { state, outputs: [] };
}

/** A handshake that ended, for a reason of this side's own. */
export function failed(error: SimsError): Step<Failed, never> {
  return { state: { at: 'failed', error }, outputs: [] };
}

function settle<State, Input, Output, Context>(
  cell: Cell<State | Failed, Input, Output, Context>,
  state: State | Failed,
  input: Input,
  context: Context,
): Step<State | Failed, Output> {
  try {
    return cell(state, input, context);
  } catch (error) {
    if (error instanceof SimsError && error.fault === 'peer') return failed(error);
    throw error;
  }
}

function secretsOf(state: object): object | undefined {
  return 'secrets' in state && typeof state.secrets === 'object' && state.secrets !== null ? state.secrets : undefined;
}
