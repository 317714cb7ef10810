/**
 * One session of a conversation and the only way out of it: the next state is stored before anything leaves.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { CONVERSATION_TRANSITIONS, stepConversation } from '../session/conversation.ts';
import type { ConversationInput, ConversationOutput } from '../session/conversation.ts';
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

interface Waiting {
  readonly input: ConversationInput;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Steps one conversation: inputs that come while a commit is under way share the next one. Outputs are released in
 * order, after their commit.
 */
export class SessionActor {
  readonly #context: ConversationContext;
  readonly #keeper: Keeper;
  readonly #clock: Clock;
  readonly #release: (output: ConversationOutput) => void;
  #state: ConversationState;
  #waiting: Waiting[] = [];
  #isRunning = false;
  #cancelTimer: () => void = () => {};
  #timerAtMs = Infinity;

  constructor(
    state: ConversationState,
    context: ConversationContext,
    keeper: Keeper,
    clock: Clock,
    release: (output: ConversationOutput) => void,
  ) {
    this.#state = state;
    this.#context = context;
    this.#keeper = keeper;
    this.#clock = clock;
    this.#release = release;
  }

  /** The state that was committed last. */
  get state(): ConversationState {
    return this.#state;
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
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Feeds an input that the state may have outlived: then it is dropped, and so is a failure of the store. */
  offer(input: ConversationInput): void {
    if (this.takes(input.type)) this.submit(input).catch(() => {});
  }

  /** No more timers. */
  stop(): void {
    this.#cancelTimer();
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
          for (const { reject } of done) reject(failure);
          continue;
        }
        for (let index = 1; index < states.length; index += 1) eraseSuperseded(states[index - 1]!, states[index]);
        this.#state = next;
      }
      for (const output of outputs) this.#act(output);
      for (const { resolve } of done) resolve();
    }
    this.#isRunning = false;
  }

  #stepAll(batch: readonly Waiting[]): {
    readonly done: Waiting[];
    readonly outputs: ConversationOutput[];
    /** From the state stored last to the one to store. */
    readonly states: readonly ConversationState[];
  } {
    let next = this.#state;
    const states = [next];
    const done: Waiting[] = [];
    const outputs: ConversationOutput[] = [];
    for (const waiting of batch) {
      try {
        const step = stepConversation(next, waiting.input, this.#context);
        if (step.state !== next) states.push(step.state);
        next = step.state;
        outputs.push(...step.outputs);
        done.push(waiting);
      } catch (error) {
        waiting.reject(error);
      }
    }
    return { done, outputs, states };
  }

  #act(output: ConversationOutput): void {
    if (output.type !== 'timer') {
      this.#release(output);
      return;
    }
    if (output.atMs >= this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = output.atMs;
    this.#cancelTimer = this.#clock.setTimer(output.atMs, () => {
      this.#timerAtMs = Infinity;
      this.offer({ type: 'timer', nowMs: this.#clock.now() });
    });
  }
}
