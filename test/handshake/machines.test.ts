import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { equal } from '../../src/bytes.ts';
import { SimsError } from '../../src/errors.ts';
import { INITIATOR_ARROWS, RESPONDER_ARROWS, stateDiagram, type Arrows } from '../../src/handshake/diagram.ts';
import * as initiator from '../../src/handshake/initiator.ts';
import * as responder from '../../src/handshake/responder.ts';
import { decodeBody2, decodeCore } from '../../src/messages/handshakeBodies.ts';
import * as parties from './parties.ts';

const { bytesWithin, copyOf, pair, run, until } = parties;

type State = object & { readonly at: string };
interface Machine {
  readonly transitions: Readonly<Record<string, object>>;
  readonly states: ReadonlyMap<string, State>;
  readonly inputs: readonly { readonly type: string }[];
  readonly takes: (state: State, type: string) => boolean;
  readonly step: (state: State, input: { readonly type: string }) => { readonly state: State };
}

const context = parties.conversationContext();
const aborted = new SimsError('handshake/aborted', 'for the test');

/** One state of each name, with its secrets still in it: each party is stopped there, not passed through. */
function machine(name: 'initiator' | 'responder'): Machine {
  const states = new Map<string, State>();
  const inputs = new Map<string, { readonly type: string }>();
  const both = pair('conversation', [parties.QUICK]);
  const party = name === 'initiator' ? both.own : both.peer;
  const step = party.step.bind(party);
  party.step = (input) => {
    states.set(party.state.at, copyOf(party.state));
    // The fullest of its type: messages differ by phase.
    inputs.set(input.type === 'message' ? `message ${input.phase}` : input.type, copyOf(input));
    return step(input);
  };
  run(both);
  states.set(party.state.at, copyOf(party.state));
  states.set('failed', { at: 'failed', error: aborted } as State);
  const more = [
    { type: 'refused', error: aborted },
    { type: 'timer', nowMs: parties.NOW },
    { type: 'abort' },
    { type: 'reject', code: 'rejected' },
    { type: 'unknown' },
    { type: 'toString' },
    { type: '__proto__' },
  ];
  const all = [...inputs.values(), ...more];
  return name === 'initiator'
    ? {
        transitions: initiator.INITIATOR_TRANSITIONS,
        states,
        inputs: all,
        takes: initiator.initiatorTakes as Machine['takes'],
        step: (state, input) =>
          initiator.stepInitiator(state as initiator.InitiatorState, input as initiator.InitiatorInput, context),
      }
    : {
        transitions: responder.RESPONDER_TRANSITIONS,
        states,
        inputs: all,
        takes: responder.responderTakes as Machine['takes'],
        step: (state, input) =>
          responder.stepResponder(state as responder.ResponderState, input as responder.ResponderInput, context),
      };
}

describe.each(['initiator', 'responder'] as const)('the table of the %s', (name) => {
  const { transitions, states, inputs, takes, step } = machine(name);

  it('has a row for every state, and a run passes through all but the failure', () => {
    expect([...states.keys()].toSorted()).toEqual(Object.keys(transitions).toSorted());
  });

  it('has no input that no test gives', () => {
    const given = new Set(inputs.map(({ type }) => type));
    for (const row of Object.values(transitions)) for (const type of Object.keys(row)) expect(given).toContain(type);
  });

  for (const [at, state] of states) {
    it(`at ${at} takes what it names and throws at everything else, changing nothing`, () => {
      const legal = inputs.filter(({ type }) => Object.hasOwn(transitions[at]!, type));
      const illegal = inputs.filter((input) => !legal.includes(input));
      for (const input of legal) {
        const fresh = copyOf(state);
        expect(takes(fresh, input.type)).toBe(true);
        expect(() => step(fresh, copyOf(input))).not.toThrow();
      }
      for (const input of illegal) {
        const fresh = copyOf(state);
        expect(takes(fresh, input.type)).toBe(false);
        expect(() => step(fresh, input)).toThrow(expect.objectContaining({ code: 'handshake/unexpected-input' }));
        expect(bytesWithin(fresh)).toEqual(bytesWithin(state));
      }
    });
  }

  const unfinished = [...states].filter(([at]) => Object.hasOwn(transitions[at]!, 'abort'));
  it.each(unfinished)('at %s an abort leaves no byte behind', (_at, state) => {
    const next = step(copyOf(state), { type: 'abort' }).state;
    expect(next).toMatchObject({ at: 'failed', error: { code: 'handshake/aborted' } });
    expect(bytesWithin(next)).toEqual([]);
  });

  const secretive = [...states].filter(([, state]) => 'secrets' in state);
  it.each(secretive)('at %s is used once: what it held is wiped, and a second use throws', (_at, state) => {
    const fresh = copyOf(state);
    step(fresh, { type: 'abort' });
    const wiped = bytesWithin((fresh as unknown as { secrets: object }).secrets);
    expect(wiped.length).toBeGreaterThan(0);
    for (const bytes of wiped) expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(() => step(fresh, { type: 'abort' })).toThrow(
      expect.objectContaining({ code: 'handshake/state-spent', fault: 'caller' }),
    );
  });

  it('leads where the diagram says, and nowhere else', () => {
    const arrows: Arrows<string> = name === 'initiator' ? INITIATOR_ARROWS : RESPONDER_ARROWS;
    const seen: Record<string, Record<string, Set<string>>> = {};
    for (const [at, state] of states) {
      const row: Record<string, Set<string>> = (seen[at] = {});
      for (const input of inputs.filter(({ type }) => Object.hasOwn(transitions[at]!, type))) {
        const to = step(copyOf(state), copyOf(input)).state.at;
        row[input.type] ??= new Set();
        if (to !== 'failed') row[input.type]!.add(to);
      }
    }
    const drawn = Object.entries(arrows).map(([at, row]) => [
      at,
      Object.fromEntries(Object.entries(row).map(([type, targets]) => [type, new Set(targets)])),
    ]);
    expect(seen).toEqual(Object.fromEntries(drawn));
    expect(Object.keys(arrows)).toEqual(Object.keys(transitions));
    expect(stateDiagram(arrows)).toMatchSnapshot();
  });

  it('has states to abort, and states that hold secrets', () => {
    expect(unfinished.length).toBe(name === 'initiator' ? 6 : 8);
    expect(secretive.length).toBe(name === 'initiator' ? 2 : 5);
  });
});

describe('what prints', () => {
  it('holds no secret in any state, input or output of either side', () => {
    for (const suite of [parties.QUICK, 'ECDHE_WITH_AES_128_CBC_SHA256'] as const) {
      const both = pair('hop', [suite]);
      const secrets: Uint8Array[] = [];
      const texts: string[] = [];
      for (const party of [both.own, both.peer]) {
        const step = party.step.bind(party);
        party.step = (input) => {
          const outputs = step(input);
          const state = party.state;
          if ('secrets' in state) secrets.push(...bytesWithin(copyOf(state.secrets)));
          if (input.type === 'encapsulated') secrets.push(...bytesWithin(input.result?.raw.slice()));
          for (const output of outputs) {
            if (output.type === 'established') secrets.push(...bytesWithin(copyOf(output.secrets)));
          }
          for (const value of [state, input, outputs]) {
            texts.push(
              JSON.stringify(value),
              inspect(value, { depth: 20, maxArrayLength: null, breakLength: Infinity }),
            );
          }
          return outputs;
        };
      }
      const [, second] = run(both);
      // The public key of a pair is no secret, and is sent.
      const { encapsulationKey } = decodeCore(decodeBody2(second!.body).core);
      const real = secrets.filter((bytes) => !equal(bytes, encapsulationKey) && bytes.some((byte) => byte !== 0));
      expect(real.length).toBeGreaterThan(8);
      const all = texts.join(' ').replaceAll(/\s+/g, ' ');
      // The search finds what does print, so it would find a secret.
      expect(all).toContain([...encapsulationKey.subarray(0, 8)].join(', '));
      for (const bytes of real) {
        const start = [...bytes.subarray(0, 8)];
        expect(all.includes(start.join(', '))).toBe(false);
        expect(all.includes(start.map((byte, index) => `"${index}":${byte}`).join(','))).toBe(false);
      }
    }
  });

  it('looks like this', () => {
    const { own } = until(3);
    const { secrets, suite, ...shown } = own.established;
    expect(secrets).toBeDefined();
    expect(Object.keys(shown)).toEqual(['type', 'conversationId', 'finalTranscriptHash', 'peer']);
    expect(suite.name).toBe(parties.QUICK);
    expect(inspect(secrets)).toBe('{}');
    expect(JSON.stringify(secrets)).toBe('{}');
    expect(inspect((own.state as { secrets: object }).secrets)).toBe('{}');
    expect(inspect(until(2).peer.state, { depth: 1 })).toContain('secrets: {}');
  });
});

describe('wiping', () => {
  it('leaves neither the decapsulation key nor the raw secret once they were used', () => {
    const { peer, last } = until(3);
    const { keyPair } = (peer.state as unknown as { secrets: { keyPair: { decapsulationKey: Uint8Array } } }).secrets;
    const key = keyPair.decapsulationKey;
    expect(key.some((byte) => byte !== 0)).toBe(true);
    peer.message(last);
    expect(peer.state.at).toBe('established');
    expect(key.every((byte) => byte === 0)).toBe(true);
    const decapsulated = peer.inputs.find((input) => input.type === 'decapsulated');
    expect(decapsulated?.raw?.every((byte) => byte === 0)).toBe(true);
  });

  it('leaves nothing of the keys in the last states', () => {
    const both = pair('conversation', [parties.QUICK]);
    const sent = run(both);
    expect(bytesWithin(both.own.state)).toEqual([]);
    expect(bytesWithin(both.peer.state)).toEqual([sent[2]!.body, sent[3]!.body]);
  });
});
