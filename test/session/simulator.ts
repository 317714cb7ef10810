import { concat, equal, fromUtf8, hex, utf8 } from '../../src/bytes.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { messageIdFromBytes, type MessageId } from '../../src/messages/address.ts';
import {
  CONVERSATION_TRANSITIONS,
  stepConversation,
  type ConversationInput,
  type ConversationOutput,
  type RecordMessage,
} from '../../src/session/conversation.ts';
import { decodeSaData } from '../../src/session/saData.ts';
import { eraseSuperseded, type ConversationContext, type ConversationState } from '../../src/session/state.ts';
import { decodeState, encodeState } from '../../src/session/stateCodec.ts';
import { pair, seeded } from './pair.ts';

/** Chances of each fault, from 0 to 1, and how long a record may take. */
export interface SimulationFaults {
  readonly drop: number;
  readonly repeat: number;
  readonly delayMs: number;
  /** Of a step: the process ends before the commit, or after it and before anything was released. */
  readonly crash: number;
  /** Of a message: it expires soon. */
  readonly expire: number;
  /** Of a record: one byte of it is changed on the way. */
  readonly flip: number;
}

export const NO_FAULTS: SimulationFaults = { drop: 0, repeat: 0, delayMs: 5, crash: 0, expire: 0, flip: 0 };

/** The suite with a record cipher that refuses to seal twice under one key and nonce. */
export function witnessed(suite: Suite, used: Set<string> = new Set()): Suite {
  const { cipher } = suite;
  return {
    ...suite,
    cipher: {
      ...cipher,
      seal(key, randomness, ...rest) {
        const pairOf = `${hex(key)} ${hex(randomness)}`;
        if (used.has(pairOf)) throw new Error('a key and nonce were used twice');
        if (key.every((byte) => byte === 0)) throw new Error('an erased key was used');
        used.add(pairOf);
        return cipher.seal(key, randomness, ...rest);
      },
    },
  };
}

/** One end with a disk: what is not committed is lost in a crash. */
class Party {
  state: ConversationState;
  disk: Uint8Array;
  /** What the application has, by number: never the same twice. */
  readonly read: Map<number, string> = new Map();
  readonly order: number[] = [];
  readonly sent: Map<MessageId, { readonly text: string; readonly m: number }> = new Map();
  readonly ends: Map<MessageId, 'delivered' | 'failed'> = new Map();
  readonly trouble: ConversationOutput[] = [];
  /** Bytes of each record that left, by epoch and number. */
  readonly released: Map<string, Uint8Array> = new Map();
  wakeAtMs: number = Infinity;
  ids = 0;
  /** How often it was started again. */
  life = 0;
  crashes = 0;

  constructor(state: ConversationState) {
    this.state = state;
    this.disk = encodeState(state);
  }
}

/** Two ends, a faulty wire between them, and virtual time; a violated invariant throws with the seed. */
export class Simulation {
  readonly a: Party;
  readonly b: Party;
  readonly seed: number;
  readonly #context: ConversationContext;
  readonly #chance: () => number;
  readonly #wire: { readonly atMs: number; readonly to: Party; readonly message: RecordMessage }[] = [];
  readonly #clock: { nowMs: number };
  #faults: SimulationFaults;

  constructor(suite: Suite, seed: number, faults: SimulationFaults) {
    const both = pair(witnessed(suite), { seed, options: { holdBackMs: 1e9 } });
    this.seed = seed;
    this.#context = both.a.context;
    this.#clock = both.clock;
    this.#chance = seeded(seed ^ 0x5eed);
    this.#faults = faults;
    this.a = new Party(both.a.state);
    this.b = new Party(both.b.state);
  }

  /** Random actions. */
  run(steps: number): void {
    for (let step = 0; step < steps; step += 1) {
      const party = this.#chance() < 0.5 ? this.a : this.b;
      const what = this.#chance();
      if (what < 0.45) this.#send(party);
      else if (what < 0.5) this.#feed(party, { type: 'rekey' });
      else if (what < 0.54) this.#feed(party, { type: 'reconnected', nowMs: this.#clock.nowMs });
      else if (what < 0.56) this.#restart(party);
      this.#pass(this.#chance() < 0.05 ? 20_000 : this.#chance() * 400);
    }
  }

  /** No faults from now on: everything must come to rest, and both histories must agree. */
  settle(): void {
    this.#faults = NO_FAULTS;
    this.#restart(this.a);
    this.#restart(this.b);
    this.#send(this.a);
    this.#send(this.b);
    this.#pass(400_000);
    this.#agree(this.a, this.b);
    this.#agree(this.b, this.a);
  }

  #agree(from: Party, to: Party): void {
    const { send } = from.state;
    const { history } = to.state.receive;
    this.#hold(from.state.outbox.length === 0, `${from.state.outbox.length} messages stay unacknowledged`);
    this.#hold(
      send.m === history.m && equal(send.hash, history.hash),
      `histories differ at ${send.m} and ${history.m}`,
    );
    this.#hold(history.gaps.length === 0, `a gap at ${history.gaps[0]?.first} stays`);
    this.#hold(to.state.consistency === 'consistent', `the end is ${to.state.consistency}`);
    this.#hold(from.trouble.length === 0, JSON.stringify(from.trouble));
    for (const [id, { text, m }] of from.sent) {
      const end = from.ends.get(id);
      const read = to.read.get(m);
      this.#hold(read === undefined || read === text, `message ${m} was read as another`);
      // A process that ends loses what it had to tell.
      this.#hold(end !== undefined || from.crashes > 0, `message ${m} has no end`);
      this.#hold(end !== 'delivered' || read === text, `message ${m} is called delivered and was not read`);
      this.#hold(end === 'failed' || from.crashes > 0 || read !== undefined, `message ${m} is lost without a word`);
    }
  }

  #send(party: Party): void {
    if (party.state.outbox.length >= 60) return;
    party.ids += 1;
    const tag = party === this.a ? 1 : 2;
    const id = messageIdFromBytes(Uint8Array.of(tag, 0, 0, 0, 0, 0, party.ids >> 8, party.ids));
    const text = `${tag}:${party.ids}`;
    const nowMs = this.#clock.nowMs;
    const expiry = this.#chance() < this.#faults.expire ? { expiresAtMs: nowMs + 5_000 } : {};
    if (this.#feed(party, { type: 'send', id, kind: 'text', content: utf8(text), nowMs, ...expiry })) {
      party.sent.set(id, { text, m: party.state.send.m });
    }
  }

  #restart(party: Party): void {
    party.life += 1;
    party.state = decodeState(party.disk, () => this.#context.suite);
    party.wakeAtMs = 0;
    for (const entry of party.state.inbox) if (entry.shown) this.#show(party, entry.m, entry.content, true);
    if (party.state.at === 'open') this.#feed(party, { type: 'reconnected', nowMs: this.#clock.nowMs });
  }

  /** Whether the input was committed. */
  #feed(party: Party, input: ConversationInput): boolean {
    if (!(input.type in CONVERSATION_TRANSITIONS[party.state.at])) return false;
    const before = party.state;
    const bytes = encodeState(before);
    const { state, outputs } = stepConversation(before, input, this.#context);
    this.#hold(equal(encodeState(before), bytes), 'a step changed its argument');
    if (this.#chance() < this.#faults.crash / 2) {
      party.crashes += 1;
      this.#restart(party);
      return false;
    }
    party.state = state;
    party.disk = encodeState(state);
    if (state !== before) eraseSuperseded(before, state);
    if (this.#chance() < this.#faults.crash / 2) {
      party.crashes += 1;
      this.#restart(party);
      return true;
    }
    const { life } = party;
    // Acting on an output may end the process: what was not released then is lost with it.
    for (const output of outputs) if (party.life === life) this.#release(party, output);
    return true;
  }

  #release(party: Party, output: ConversationOutput): void {
    if (output.type === 'send') this.#transmit(party, output.message);
    else if (output.type === 'message') this.#show(party, output.message.m, output.message.content, false);
    else if (output.type === 'timer') party.wakeAtMs = Math.min(party.wakeAtMs, output.atMs);
    else if (output.type === 'state' && (output.state === 'delivered' || output.state === 'failed')) {
      this.#hold(!party.ends.has(output.id), 'a message ended twice');
      party.ends.set(output.id, output.state);
    } else if (output.type === 'closed') party.trouble.push(output);
    else if (output.type === 'consistency' && output.evidence !== undefined) party.trouble.push(output);
  }

  #show(party: Party, m: number, content: Uint8Array, again: boolean): void {
    this.#hold(again || !party.read.has(m), `message ${m} was shown twice`);
    if (!party.read.has(m)) {
      this.#hold(m > (party.order.at(-1) ?? 0), `message ${m} was shown after ${party.order.at(-1)}`);
      party.read.set(m, fromUtf8(content));
      party.order.push(m);
    }
    this.#feed(party, { type: 'taken', m });
  }

  #transmit(from: Party, message: RecordMessage): void {
    const { saData, data } = message as { saData: Uint8Array; data: Uint8Array };
    const { epoch, number } = decodeSaData(saData, this.#context.suite.cipher.nonceLength);
    const before = from.released.get(`${epoch} ${number}`);
    this.#hold(before === undefined || equal(before, data), `record ${number} of epoch ${epoch} left as two`);
    from.released.set(`${epoch} ${number}`, data);
    const to = from === this.a ? this.b : this.a;
    const { drop, repeat, delayMs, flip } = this.#faults;
    for (let copies = 1 + Number(this.#chance() < repeat); copies > 0; copies -= 1) {
      if (this.#chance() < drop) continue;
      const atMs = this.#clock.nowMs + this.#chance() * delayMs;
      this.#wire.push({ atMs, to, message: this.#chance() < flip ? this.#flipped(message) : message });
    }
  }

  #flipped(message: RecordMessage): RecordMessage {
    const field = this.#chance() < 0.5 ? 'saData' : 'data';
    const bytes = concat((message as unknown as Record<string, Uint8Array>)[field]!);
    const index = Math.floor(this.#chance() * bytes.length);
    bytes[index] = bytes[index]! ^ (1 << Math.floor(this.#chance() * 8));
    return { ...message, [field]: bytes };
  }

  #pass(forMs: number): void {
    const untilMs = Math.floor(this.#clock.nowMs + forMs);
    for (;;) {
      let next = -1;
      for (const [index, item] of this.#wire.entries())
        if (next < 0 || item.atMs < this.#wire[next]!.atMs) next = index;
      const wireAtMs = next < 0 ? Infinity : this.#wire[next]!.atMs;
      const wake = this.a.wakeAtMs <= this.b.wakeAtMs ? this.a : this.b;
      const atMs = Math.min(wireAtMs, wake.wakeAtMs);
      if (atMs > untilMs) break;
      this.#clock.nowMs = Math.max(this.#clock.nowMs, Math.ceil(atMs));
      const { nowMs } = this.#clock;
      if (wireAtMs <= wake.wakeAtMs) {
        const [item] = this.#wire.splice(next, 1);
        this.#feed(item!.to, { type: 'receive', message: item!.message, nowMs });
      } else {
        wake.wakeAtMs = Infinity;
        this.#feed(wake, { type: 'timer', nowMs });
      }
    }
    this.#clock.nowMs = untilMs;
  }

  #hold(fact: boolean, message: string): void {
    if (!fact) throw new Error(`seed ${this.seed}: ${message}`);
  }
}
