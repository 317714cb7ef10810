/**
 * One session of a conversation and the only way out of it: the next state is stored before anything leaves.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { CONVERSATION_TRANSITIONS, stepConversation } from '../session/conversation.ts';
import type { ConversationInput, ConversationOutput } from '../session/conversation.ts';
import { conversationDigest, digestDigits } from '../session/digest.ts';
import { explainRecord, type RecordExplanation } from '../session/explain.ts';
import { eraseSuperseded, type ConversationContext, type ConversationState } from '../session/state.ts';
import type { Clock } from './clock.ts';

/** Keeps one session's states. */
export interface Keeper {
  /**
   * Stores the state that follows the one stored last. At once where nothing has to be waited for. A throw or a
   * rejection means that the state is as it was before.
   */
  commit(state: ConversationState): void | Promise<void>;
}

/** A keeper that keeps nothing beyond the process. */
export const IN_MEMORY: Keeper = { commit: () => {} };

/** What becomes of a state that could not be stored. */
export interface Retry {
  /** When what does not come again by itself is tried again; absent when there is nothing of that kind. */
  readonly retryAtMs: number | undefined;
  /** Whether another client has written: nothing of this session is stored any more. */
  readonly isFinal: boolean;
}

/** What an actor tells besides outputs. */
export interface ActorHooks {
  /** A state could not be stored. */
  readonly failed?: (error: SimsError, retry: Retry) => void;
  /** Whether somebody wants to know why records are not accepted: it costs as much as opening them. */
  readonly explains?: () => boolean;
}

/** An output, with what explains it where it is about a record that was not accepted. */
export type ReleasedOutput = ConversationOutput & { readonly explanation?: RecordExplanation };

interface Waiting {
  readonly input: ConversationInput;
  /** Whether nobody else brings it again. */
  readonly keeps: boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Inputs that nobody brings again when their commit fails. A record comes again, and a send is its caller's. */
const KEPT: readonly ConversationInput['type'][] = ['timer', 'reconnected', 'taken', 'expired', 'close'];
const RETRY_AFTER_MS = 500;
const RETRY_AT_MOST_MS = 30_000;

/**
 * Steps one conversation: inputs that come while a commit is under way share the next one. Outputs are released in
 * order, after their commit.
 */
export class SessionActor {
  readonly #context: ConversationContext;
  readonly #keeper: Keeper;
  readonly #clock: Clock;
  readonly #release: (output: ReleasedOutput) => void;
  readonly #hooks: ActorHooks;
  #state: ConversationState;
  #waiting: Waiting[] = [];
  #isRunning = false;
  #idling: (() => void)[] = [];
  #cancelTimer: () => void = () => {};
  #timerAtMs = Infinity;
  /** What is stored as soon as the store works again. */
  #kept: ConversationInput[] = [];
  #failures = 0;
  #retryAtMs: number | undefined;
  #cancelRetry: () => void = () => {};
  #isStopped = false;

  constructor(
    state: ConversationState,
    context: ConversationContext,
    keeper: Keeper,
    clock: Clock,
    release: (output: ReleasedOutput) => void,
    hooks: ActorHooks = {},
  ) {
    this.#state = state;
    this.#context = context;
    this.#keeper = keeper;
    this.#clock = clock;
    this.#release = release;
    this.#hooks = hooks;
  }

  /** The state that was committed last. */
  get state(): ConversationState {
    return this.#state;
  }

  /** Sixty digits of what was said so far. */
  get digest(): string {
    const { provider } = this.#context.suite;
    return digestDigits(provider, conversationDigest(provider, this.#state));
  }

  /** Whether the machine takes inputs of this type now. */
  takes(type: ConversationInput['type']): boolean {
    return type in CONVERSATION_TRANSITIONS[this.#state.at];
  }

  /**
   * Feeds one input; resolves when its outputs are released.
   *
   * @throws what {@link stepConversation} throws for misuse, `store/failed` when the state could not be stored
   */
  submit(input: ConversationInput): Promise<void> {
    return new Promise((resolve, reject) => this.#feed({ input, keeps: false, resolve, reject }));
  }

  /**
   * Feeds an input that the state may have outlived: then it is dropped. When the store fails, what would not come again
   * by itself is tried again.
   */
  offer(input: ConversationInput): void {
    if (!this.takes(input.type)) return;
    this.#feed({ input, keeps: KEPT.includes(input.type), resolve: () => {}, reject: () => {} });
  }

  /** Resolves when every input so far has been stepped and stored, or refused. */
  idle(): Promise<void> {
    if (!this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => this.#idling.push(resolve));
  }

  /** No more timers, and nothing more is tried again. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTimer();
    this.#cancelRetry();
    this.#kept = [];
  }

  #feed(waiting: Waiting): void {
    this.#waiting.push(waiting);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      const { done, outputs, states } = this.#stepAll(batch);
      const next = states.at(-1)!;
      if (next !== this.#state) {
        try {
          const committing = this.#keeper.commit(next);
          // No turn of the event loop for a keeper that is done already.
          if (committing !== undefined) await committing;
        } catch (error) {
          const failure =
            error instanceof SimsError ? error : new SimsError('store/failed', 'not stored', { cause: error });
          this.#failed(failure, done);
          for (const { reject } of done) reject(failure);
          // What was derived for them is in no state that goes on.
          for (const given of states.slice(1)) eraseSuperseded(given, this.#state);
          continue;
        }
        this.#failures = 0;
        for (let index = 1; index < states.length; index += 1) eraseSuperseded(states[index - 1]!, states[index]);
        this.#state = next;
      }
      for (const output of outputs) this.#actSafely(output);
      for (const { resolve } of done) resolve();
    }
    this.#isRunning = false;
    for (const resolve of this.#idling.splice(0)) resolve();
  }

  #stepAll(batch: readonly Waiting[]): {
    readonly done: Waiting[];
    readonly outputs: ReleasedOutput[];
    /** From the state stored last to the one to store. */
    readonly states: readonly ConversationState[];
  } {
    let next = this.#state;
    const states = [next];
    const done: Waiting[] = [];
    const outputs: ReleasedOutput[] = [];
    for (const waiting of batch) {
      try {
        const before = next;
        const step = stepConversation(before, waiting.input, this.#context);
        if (step.state !== next) states.push(step.state);
        next = step.state;
        outputs.push(...this.#explained(before, waiting.input, step.outputs));
        done.push(waiting);
      } catch (error) {
        const isMisuse = error instanceof SimsError && error.code === 'session/unexpected-input';
        if (!isMisuse) this.#keep([waiting]);
        waiting.reject(error);
      }
    }
    return { done, outputs, states };
  }

  #failed(error: SimsError, done: readonly Waiting[]): void {
    if (this.#isStopped) return;
    this.#failures += 1;
    const isFinal = error.code === 'store/conflict';
    if (isFinal) this.stop();
    else this.#keep(done);
    this.#hooks.failed?.(error, { retryAtMs: isFinal ? undefined : this.#retryAtMs, isFinal });
  }

  /** Keeps inputs that were not stored, until the next try. */
  #keep(failed: readonly Waiting[]): void {
    if (this.#isStopped) return;
    for (const { input, keeps } of failed) {
      if (keeps && !this.#kept.some((other) => isSame(other, input))) this.#kept.push(input);
    }
    if (this.#kept.length === 0 || this.#retryAtMs !== undefined) return;
    const waitMs = Math.min(RETRY_AFTER_MS * 2 ** Math.min(this.#failures, 16), RETRY_AT_MOST_MS);
    const retryAtMs = this.#clock.now() + waitMs;
    this.#retryAtMs = retryAtMs;
    this.#cancelRetry = this.#clock.setTimer(retryAtMs, () => {
      this.#retryAtMs = undefined;
      const nowMs = this.#clock.now();
      for (const kept of this.#kept.splice(0)) this.offer('nowMs' in kept ? { ...kept, nowMs } : kept);
    });
  }

  /** Adds why a record was not accepted, by the state as it was before. */
  #explained(
    before: ConversationState,
    input: ConversationInput,
    outputs: readonly ConversationOutput[],
  ): readonly ReleasedOutput[] {
    const isAbout = ({ type }: ConversationOutput): boolean => type === 'dropped' || type === 'consistency';
    if (input.type !== 'receive' || !outputs.some(isAbout) || this.#hooks.explains?.() !== true) return outputs;
    const explanation = explainRecord(before, input.message, this.#context);
    if (explanation.problem === 'none') return outputs;
    return outputs.map((output) => (isAbout(output) ? { ...output, explanation } : output));
  }

  /** What goes wrong at one output, such as a transport that refuses a message, does not hold up the rest. */
  #actSafely(output: ReleasedOutput): void {
    try {
      this.#act(output);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #act(output: ReleasedOutput): void {
    if (output.type !== 'timer') {
      this.#release(output);
      return;
    }
    if (this.#isStopped) return;
    if (output.atMs >= this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = output.atMs;
    this.#cancelTimer = this.#clock.setTimer(output.atMs, () => {
      this.#timerAtMs = Infinity;
      this.offer({ type: 'timer', nowMs: this.#clock.now() });
    });
  }
}

/** Whether one of two kept inputs is enough. */
function isSame(one: ConversationInput, other: ConversationInput): boolean {
  if (one.type === 'taken' && other.type === 'taken') return one.m === other.m;
  if (one.type === 'expired' && other.type === 'expired') return one.id === other.id;
  return one.type === other.type;
}
