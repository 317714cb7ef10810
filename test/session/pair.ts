import { concat, utf8 } from '../../src/bytes.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { addressFromBytes, messageIdFromBytes } from '../../src/messages/address.ts';
import {
  CONVERSATION_TRANSITIONS,
  stepConversation,
  type ConversationInput,
  type ConversationOutput,
  type RecordMessage,
} from '../../src/session/conversation.ts';
import {
  DEFAULT_OPTIONS,
  startConversation,
  type CloseReason,
  type ConversationContext,
  type ConversationOptions,
  type ConversationState,
  type InboxEntry,
} from '../../src/session/state.ts';
import { decodeState, encodeState } from '../../src/session/stateCodec.ts';

/** A generator of numbers in [0, 1) that a seed fixes (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Faults {
  readonly seed?: number;
  readonly drop?: number;
  readonly repeat?: number;
  readonly reorder?: number;
  readonly options?: Partial<ConversationOptions>;
}

export const text = (value: number): Uint8Array => utf8(String(value));

/** One end with a memory of what it put out. */
export class End {
  state: ConversationState;
  readonly context: ConversationContext;
  readonly out: RecordMessage[] = [];
  readonly shown: InboxEntry[] = [];
  readonly states: Extract<ConversationOutput, { type: 'state' }>[] = [];
  readonly dropped: string[] = [];
  readonly outputs: ConversationOutput[] = [];
  readonly clock: { nowMs: number };
  readonly closed: Extract<ConversationOutput, { type: 'closed' }>[] = [];
  readonly consistency: Extract<ConversationOutput, { type: 'consistency' }>[] = [];
  wakeAtMs: number | undefined;
  /** Whether messages are taken as soon as they are shown. */
  takes = true;
  #ids = 0;

  constructor(state: ConversationState, context: ConversationContext, clock: { nowMs: number }) {
    this.state = state;
    this.context = context;
    this.clock = clock;
  }

  step(input: ConversationInput): void {
    const { state, outputs } = stepConversation(this.state, input, this.context);
    this.state = state;
    for (const output of outputs) {
      this.outputs.push(output);
      if (output.type === 'send') this.out.push(output.message);
      else if (output.type === 'message') {
        this.shown.push(output.message);
        if (this.takes) this.step({ type: 'taken', m: output.message.m });
      } else if (output.type === 'state') this.states.push(output);
      else if (output.type === 'dropped') this.dropped.push(output.code);
      else if (output.type === 'closed') this.closed.push(output);
      else if (output.type === 'consistency') this.consistency.push(output);
      else if (output.type === 'timer') this.wakeAtMs = output.atMs;
    }
  }

  /** Sends, and gives back the record. */
  send(content: Uint8Array, expiresAtMs?: number): RecordMessage {
    const expiry = expiresAtMs === undefined ? {} : { expiresAtMs };
    this.step({ type: 'send', id: this.#id(), kind: 'text', content, nowMs: this.clock.nowMs, ...expiry });
    return this.out.at(-1)!;
  }

  /** What came out since it was asked last. */
  take(): RecordMessage[] {
    return this.out.splice(0);
  }

  /** Another end with the same state: a copy of the store, or the machine of a thief. */
  clone(): End {
    const bytes = encodeState(this.state);
    return new End(
      decodeState(bytes, () => this.context.suite),
      this.context,
      this.clock,
    );
  }

  receive(message: RecordMessage): void {
    this.step({ type: 'receive', message, nowMs: this.clock.nowMs });
  }

  wake(): void {
    if (this.wakeAtMs === undefined || this.wakeAtMs > this.clock.nowMs) return;
    this.wakeAtMs = undefined;
    if ('timer' in CONVERSATION_TRANSITIONS[this.state.at]) this.step({ type: 'timer', nowMs: this.clock.nowMs });
  }

  close(reason: CloseReason = 'closed'): void {
    this.step({ type: 'close', id: this.#id(), reason, nowMs: this.clock.nowMs });
  }

  #id(): ReturnType<typeof messageIdFromBytes> {
    this.#ids += 1;
    return messageIdFromBytes(
      Uint8Array.of(this.state.role === 'initiator' ? 1 : 2, 0, 0, 0, 0, 0, this.#ids >> 8, this.#ids),
    );
  }
}

/** Two ends in memory, a virtual clock, and a wire that misbehaves as told. */
export function pair(suite: Suite, faults: Faults = {}): Pair {
  const chance = seeded(faults.seed ?? 1);
  const clock = { nowMs: 1_000_000 };
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(chance() * 256));
  const context: ConversationContext = { suite, random, options: { ...DEFAULT_OPTIONS, ...faults.options } };
  const participant = (tag: number) => ({
    address: addressFromBytes(new Uint8Array(28).fill(tag)),
    fingerprint: new Uint8Array(32).fill(tag),
    label: 'without-card',
  });
  const [own, peer] = [participant(1), participant(2)];
  const end = (role: 'initiator' | 'responder'): End => {
    const start = {
      role,
      conversationId: new Uint8Array(8).fill(9),
      finalTranscriptHash: new Uint8Array(64).fill(8),
      secrets: {
        initiator: new Uint8Array(hashLength(suite)).fill(3),
        responder: new Uint8Array(hashLength(suite)).fill(4),
      },
      own: role === 'initiator' ? own : peer,
      peer: role === 'initiator' ? peer : own,
      relayIdentity: new Uint8Array(32).fill(5),
      nowMs: clock.nowMs,
    };
    return new End(startConversation(start, context), context, clock);
  };
  return new Pair(end('initiator'), end('responder'), clock, chance, faults);
}

const hashLength = (suite: Suite): number => (suite.hash === 'SHA-384' ? 48 : 32);

export class Pair {
  readonly a: End;
  readonly b: End;
  readonly clock: { nowMs: number };
  readonly #chance: () => number;
  #faults: Faults;

  constructor(a: End, b: End, clock: { nowMs: number }, chance: () => number, faults: Faults) {
    this.a = a;
    this.b = b;
    this.clock = clock;
    this.#chance = chance;
    this.#faults = faults;
  }

  /** Lets that time pass without delivering or waking. */
  wait(forMs: number): void {
    this.clock.nowMs += forMs;
  }

  /** Exchanges what is due until both are quiet, without faults and without time passing beyond the ACK interval. */
  settle(): void {
    this.calm();
    this.run(100);
  }

  /** No faults from now on. */
  calm(): void {
    this.#faults = {};
  }

  /** Lets `forMs` pass, delivering and waking as it goes. */
  run(forMs: number): void {
    const untilMs = this.clock.nowMs + forMs;
    for (;;) {
      this.#deliver(this.a, this.b);
      this.#deliver(this.b, this.a);
      if (this.a.out.length > 0 || this.b.out.length > 0) continue;
      const wakes = [this.a.wakeAtMs, this.b.wakeAtMs].filter((at) => at !== undefined);
      const next = wakes.length === 0 ? untilMs : Math.min(...wakes);
      if (next >= untilMs) break;
      this.clock.nowMs = Math.max(this.clock.nowMs, next);
      this.a.wake();
      this.b.wake();
    }
    this.clock.nowMs = untilMs;
  }

  #deliver(from: End, to: End): void {
    const { drop = 0, repeat = 0, reorder = 0 } = this.#faults;
    const messages = from.out.splice(0);
    if (messages.length > 1 && this.#chance() < reorder) messages.reverse();
    for (const message of messages) {
      if (this.#chance() < drop) continue;
      to.receive(message);
      if (this.#chance() < repeat) to.receive({ ...message, data: concat(message.data!) } as RecordMessage);
    }
  }
}
