/** Two ends of a conversation, or of a hop, in memory, by product code with everything on. */
import { expectSame } from './content.ts';
import { nodeProvider } from '../src/crypto/node/index.ts';
import type { Suite } from '../src/crypto/suite.ts';
import {
  addressFromBytes,
  decodeMessage,
  encodeMessage,
  messageIdFromBytes,
  type Address,
} from '../src/messages/index.ts';
import {
  DEFAULT_OPTIONS,
  encodeState,
  eraseSuperseded,
  HopChannel,
  startConversation,
  stepConversation,
  type ConversationContext,
  type ConversationInput,
  type ConversationStart,
  type ConversationState,
  type RecordMessage,
} from '../src/session/index.ts';

const { random } = nodeProvider;

/** The suite, never rekeying: what a record alone costs. */
export function withoutRekeys(suite: Suite): Suite {
  const never = Number.MAX_SAFE_INTEGER;
  return { ...suite, rekey: { records: never, bytes: never, milliseconds: never, onTurn: false } };
}

/** A conversation whose messages go over the wire as CBOR, one a millisecond, with a client's bookkeeping. */
export class ConversationPair {
  readonly #ends: readonly [End, End];
  #nowMs = 1_700_000_000_000;
  /** Bytes of the last message with content, ACKs aside, on the wire. */
  lastMessageLength = 0;

  constructor(suite: Suite) {
    const hash = suite.hash === 'SHA-384' ? 48 : 32;
    const secrets = [random(hash), random(hash)] as const;
    const common = {
      conversationId: random(8),
      finalTranscriptHash: random(64),
      relayIdentity: random(32),
      nowMs: this.#nowMs,
    };
    const people = [0, 1].map(() => ({
      address: addressFromBytes(random(28)),
      fingerprint: random(32),
      label: 'without-card',
    }));
    const [one, other] = [people[0]!, people[1]!];
    const start = (role: ConversationStart['role']): ConversationStart => ({
      ...common,
      role,
      secrets: { initiator: secrets[0].slice(), responder: secrets[1].slice() },
      own: role === 'initiator' ? one : other,
      peer: role === 'initiator' ? other : one,
    });
    this.#ends = [new End(suite, start('initiator')), new End(suite, start('responder'))];
    // Ratchet keys cross before anything is measured.
    for (const from of [0, 1, 0, 1] as const) this.send(from, Uint8Array.of(1));
    this.acknowledge(0);
    this.acknowledge(1);
  }

  /** One message from end to end; ACKs that are due meanwhile travel too. */
  send(from: 0 | 1, content: Uint8Array): void {
    const [sender, receiver] = [this.#ends[from], this.#ends[1 - from]!];
    this.#nowMs += 1;
    sender.step({ type: 'send', id: messageIdFromBytes(random(8)), kind: 'text', content, nowMs: this.#nowMs });
    this.#deliver(sender, receiver);
    const shown = receiver.takeShown();
    if (shown === undefined) throw new Error('a message did not arrive');
    expectSame(shown, content);
    receiver.wake(this.#nowMs);
    this.#deliver(receiver, sender);
  }

  /** Sends the ACK that `from` owes now, without waiting for others to join it. */
  acknowledge(from: 0 | 1): void {
    const owner = this.#ends[from];
    if (owner.state.acknowledgeAtMs === undefined) return;
    this.#nowMs = Math.max(this.#nowMs, owner.state.acknowledgeAtMs);
    owner.step({ type: 'timer', nowMs: this.#nowMs });
    this.#deliver(owner, this.#ends[1 - from]!);
  }

  /** Forgets what waits for an ACK, on both sides: to measure records without ACKs. */
  forgetAcknowledgements(): void {
    for (const end of this.#ends) end.forgetAcknowledgements();
  }

  /** Bytes of a state as it is stored. */
  stateLength(of: 0 | 1): number {
    return encodeState(this.#ends[of].state).length;
  }

  #deliver(from: End, to: End): void {
    for (let message = from.out.shift(); message !== undefined; message = from.out.shift()) {
      const wire = encodeMessage({ ...message, dst: to.address } as RecordMessage, 'cbor');
      if (message.type === 'client-com') this.lastMessageLength = wire.length;
      const { message: received } = decodeMessage(wire);
      to.step({ type: 'receive', message: received as RecordMessage, nowMs: this.#nowMs });
    }
  }
}

class End {
  state: ConversationState;
  readonly address: Address;
  readonly out: RecordMessage[] = [];
  readonly #context: ConversationContext;
  #shown: Uint8Array | undefined;
  #wakeAtMs = Infinity;

  constructor(suite: Suite, start: ConversationStart) {
    this.#context = { suite, random, options: DEFAULT_OPTIONS };
    this.state = startConversation(start, this.#context);
    this.address = start.own.address;
  }

  step(input: ConversationInput): void {
    const before = this.state;
    const { state, outputs } = stepConversation(before, input, this.#context);
    this.state = state;
    eraseSuperseded(before, state);
    for (const output of outputs) {
      if (output.type === 'send') this.out.push(output.message);
      else if (output.type === 'timer') this.#wakeAtMs = output.atMs;
      else if (output.type === 'dropped') throw new Error(`${output.code}: ${output.detail}`);
      else if (output.type === 'message') {
        this.#shown = output.message.content;
        this.step({ type: 'taken', m: output.message.m });
      }
    }
  }

  wake(nowMs: number): void {
    if (this.#wakeAtMs > nowMs) return;
    this.#wakeAtMs = Infinity;
    this.step({ type: 'timer', nowMs });
  }

  takeShown(): Uint8Array | undefined {
    const shown = this.#shown;
    this.#shown = undefined;
    return shown;
  }

  forgetAcknowledgements(): void {
    this.state = { ...this.state, outbox: [], acknowledgeAtMs: undefined };
    this.#wakeAtMs = Infinity;
  }
}

/** Both ends of a hop; messages go over the wire as CBOR. */
export class HopPair {
  readonly #client: HopChannel;
  readonly #relay: HopChannel;
  constructor(suite: Suite) {
    const hash = suite.hash === 'SHA-384' ? 48 : 32;
    const secrets = [random(hash), random(hash)] as const;
    const client = { address: addressFromBytes(random(28)), fingerprint: random(32) };
    const common = {
      suite,
      conversationId: random(8),
      finalTranscriptHash: random(64),
      client,
      relayIdentity: random(32),
    };
    const channel = (role: 'initiator' | 'responder'): HopChannel =>
      new HopChannel({ ...common, role, secrets: { initiator: secrets[0].slice(), responder: secrets[1].slice() } });
    this.#client = channel('initiator');
    this.#relay = channel('responder');
  }

  /** One record from the client to the relay. */
  send(content: Uint8Array): void {
    const wire = encodeMessage(this.#client.seal(content, random, 1_700_000_000_000), 'cbor');
    const { message } = decodeMessage(wire);
    if (message.type !== 'secure') throw new Error('not a record');
    expectSame(this.#relay.open(message), content);
  }
}
