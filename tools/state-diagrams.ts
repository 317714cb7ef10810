/**
 * The state machines as docs/architecture.md shows them: for each a table of the inputs that a state takes, from the
 * transition table itself, and a Mermaid diagram. Where the handshake's arrows lead is data that a test holds against the
 * machines; where a conversation's lead is recorded here, by running two ends through each way that one can end.
 */
import { INITIATOR_ARROWS, INITIATOR_TRANSITIONS } from '../src/handshake/index.ts';
import { RESPONDER_ARROWS, RESPONDER_TRANSITIONS, stateDiagram } from '../src/handshake/index.ts';
import { X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../src/crypto/suites.ts';
import { addressFromBytes, messageIdFromBytes } from '../src/messages/address.ts';
import {
  CONVERSATION_TRANSITIONS,
  DEFAULT_OPTIONS,
  startConversation,
  stepConversation,
} from '../src/session/index.ts';
import type { ConversationContext, ConversationInput, ConversationState, RecordMessage } from '../src/session/index.ts';

/** For each state and input, the states after. */
type Arrows = Record<string, Record<string, readonly string[]>>;

/** Table and diagram of `initiator`, `responder` or `conversation`. */
export function stateMachine(name: string): string {
  switch (name) {
    case 'initiator':
      return tableAndDiagram(INITIATOR_TRANSITIONS, INITIATOR_ARROWS, stateDiagram(INITIATOR_ARROWS));
    case 'responder':
      return tableAndDiagram(RESPONDER_TRANSITIONS, RESPONDER_ARROWS, stateDiagram(RESPONDER_ARROWS));
    case 'conversation': {
      const arrows = conversationArrows();
      return tableAndDiagram(CONVERSATION_TRANSITIONS, arrows, diagramOf(arrows, 'open'));
    }
    default:
      throw new Error(`no machine "${name}": initiator, responder or conversation`);
  }
}

function tableAndDiagram(transitions: object, arrows: Arrows, diagram: string): string {
  const rows = Object.entries(transitions).map(([state, row]) => {
    const inputs = Object.keys(row as object).map((input) => {
      const targets = (arrows[state]?.[input] ?? []).filter((target) => target !== state);
      return targets.length === 0 ? input : `${input} → ${targets.join(' or ')}`;
    });
    return `| \`${state}\` | ${inputs.join(', ') || 'nothing'} |`;
  });
  return ['| state | takes |', '|---|---|', ...rows, '', '```mermaid', diagram.trimEnd(), '```'].join('\n');
}

function diagramOf(arrows: Arrows, start: string): string {
  const lines = ['stateDiagram-v2', `  [*] --> ${start}`];
  for (const [from, row] of Object.entries(arrows)) {
    for (const [input, targets] of Object.entries(row)) {
      for (const to of targets) lines.push(`  ${from.replaceAll('-', '_')} --> ${to.replaceAll('-', '_')}: ${input}`);
    }
  }
  return [...lines, '  closed --> [*]'].join('\n');
}

/** Every change of state that the scenarios below bring about. */
function conversationArrows(): Arrows {
  const seen = new Map<string, Map<string, Set<string>>>();
  const note = (from: string, input: string, to: string): void => {
    if (from === to) return;
    const row = seen.get(from) ?? new Map<string, Set<string>>();
    seen.set(from, row.set(input, (row.get(input) ?? new Set()).add(to)));
  };
  for (const scenario of SCENARIOS) scenario(new End('initiator', note), new End('responder', note));
  const states = Object.keys(CONVERSATION_TRANSITIONS);
  return Object.fromEntries(
    states.map((state) => [
      state,
      Object.fromEntries([...(seen.get(state) ?? [])].map(([input, targets]) => [input, [...targets]])),
    ]),
  );
}

/** Ways to end: in order, unanswered, from both sides, beyond a gap, and by histories that do not agree. */
const SCENARIOS: readonly ((a: End, b: End) => void)[] = [
  (a, b) => {
    b.receive(a.close());
    a.receive(b.put('ack'));
    b.wake();
  },
  (a) => {
    a.close();
    a.wake();
  },
  (a, b) => {
    const goodbye = a.close();
    a.receive(b.close());
    b.receive(goodbye);
  },
  (a, b) => {
    a.send();
    b.receive(a.close());
    b.wake(DEFAULT_OPTIONS.holdBackMs);
  },
  // A state of long ago, written back: the peer acknowledges what it never sent.
  (a, b) => {
    const old = a.state;
    b.receive(a.send());
    b.wake(DEFAULT_OPTIONS.acknowledgeAfterMs);
    a.state = old;
    a.receive(b.put('ack'));
    a.end();
  },
  (a, b) => {
    const old = a.state;
    b.receive(a.send());
    b.wake(DEFAULT_OPTIONS.acknowledgeAfterMs);
    a.state = old;
    a.close();
    a.receive(b.put('ack'));
  },
];

const START_MS = 1_000_000;

class End {
  state: ConversationState;
  readonly #context: ConversationContext;
  readonly #note: (from: string, input: string, to: string) => void;
  readonly #put = new Map<string, RecordMessage>();
  #ids = 0;

  constructor(role: 'initiator' | 'responder', note: (from: string, input: string, to: string) => void) {
    let filler = role === 'initiator' ? 0 : 100;
    const suite = X25519_WITH_CHACHA20_POLY1305_SHA256;
    const random = (length: number): Uint8Array => new Uint8Array(length).fill((filler += 1));
    this.#context = { suite, random, options: DEFAULT_OPTIONS };
    this.#note = note;
    const participant = (tag: number) => ({
      address: addressFromBytes(new Uint8Array(28).fill(tag)),
      fingerprint: new Uint8Array(32).fill(tag),
      label: 'everyone',
    });
    this.state = startConversation(
      {
        role,
        conversationId: new Uint8Array(8),
        finalTranscriptHash: new Uint8Array(64),
        secrets: { initiator: new Uint8Array(32).fill(1), responder: new Uint8Array(32).fill(2) },
        own: participant(role === 'initiator' ? 1 : 2),
        peer: participant(role === 'initiator' ? 2 : 1),
        relayIdentity: new Uint8Array(32),
        nowMs: START_MS,
      },
      this.#context,
    );
  }

  send(): RecordMessage {
    this.#step({ type: 'send', id: this.#id(), kind: 'text', content: new Uint8Array(this.#ids), nowMs: START_MS });
    return this.put('client-com');
  }

  close(): RecordMessage {
    this.end();
    return this.put('client-disconnect');
  }

  /** Closes, with or without a goodbye. */
  end(): void {
    this.#step({ type: 'close', id: this.#id(), reason: 'closed', nowMs: START_MS });
  }

  receive(message: RecordMessage): void {
    this.#step({ type: 'receive', message, nowMs: START_MS });
  }

  /** Lets time pass: by default long enough for every ending to be over. */
  wake(afterMs = 3_600_000): void {
    this.#step({ type: 'timer', nowMs: START_MS + afterMs });
  }

  /** The last message of that type that was to be sent. */
  put(type: RecordMessage['type']): RecordMessage {
    const message = this.#put.get(type);
    if (message === undefined) throw new Error(`no ${type} was sent`);
    return message;
  }

  #step(input: ConversationInput): void {
    const before = this.state.at;
    const { state, outputs } = stepConversation(this.state, input, this.#context);
    this.state = state;
    this.#note(before, input.type, state.at);
    for (const output of outputs) if (output.type === 'send') this.#put.set(output.message.type, output.message);
  }

  #id(): ReturnType<typeof messageIdFromBytes> {
    this.#ids += 1;
    return messageIdFromBytes(new Uint8Array(8).fill(this.#ids));
  }
}
