/** What a record is bound to, what a receiver accepts, and when things are sent again. */
import { describe, expect, it } from 'vitest';
import { fromUtf8 } from '../../src/bytes.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { addressFromBytes, messageIdFromBytes, type MessageId } from '../../src/messages/address.ts';
import { conversationBinding, hopBinding, type Participant } from '../../src/session/binding.ts';
import {
  CONVERSATION_TRANSITIONS,
  stepConversation,
  type ConversationInput,
  type RecordMessage,
} from '../../src/session/conversation.ts';
import type { ConversationState } from '../../src/session/state.ts';
import { encodeState } from '../../src/session/stateCodec.ts';
import { pair, text, type End, type Pair } from './pair.ts';

const byHand = (suite: Suite): Suite => ({
  ...suite,
  rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false },
});
const X25519 = byHand(suites.X25519_WITH_CHACHA20_POLY1305_SHA256);
const FERNET = byHand(suites.RSA_WITH_AES_128_CBC_SHA256);
const ID: MessageId = messageIdFromBytes(new Uint8Array(8).fill(7));
const texts = (end: End): string[] => end.shown.map((message) => fromUtf8(message.content));

function begun(suite: Suite = X25519, options = {}): Pair {
  const both = pair(suite, { options });
  both.a.send(text(0));
  both.b.send(text(0));
  both.settle();
  return both;
}

function expectRefused(end: End, record: RecordMessage): void {
  const before = encodeState(end.state);
  const shown = end.shown.length;
  end.dropped.length = 0;
  end.receive(record);
  expect(end.dropped).toHaveLength(1);
  expect([
    'session/authentication-failed',
    'session/malformed-record',
    'session/not-awaited',
    'session/repeated',
  ]).toContain(end.dropped[0]);
  expect(end.shown).toHaveLength(shown);
  if (end.dropped[0] !== 'session/repeated') expect(encodeState(end.state)).toEqual(before);
}

describe.each([X25519, FERNET].map((suite) => [suite.name, suite] as const))('a record in %s', (_name, suite) => {
  it('is refused with any byte of its sa-data or its sealed bytes changed, and then opens as it was', () => {
    const both = begun(suite);
    const record = both.a.send(text(1));
    for (const field of ['saData', 'data'] as const) {
      for (let index = 0; index < record[field]!.length; index += 1) {
        const bytes = Uint8Array.from(record[field]!);
        bytes[index]! ^= 1 << (index % 8);
        const other = both.b.clone();
        other.receive({ ...record, [field]: bytes });
        // A lower number is one that was used; a higher epoch waits. Nothing of it is shown or acknowledged.
        expect(other.shown).toHaveLength(0);
        expect(other.state.receive.history).toEqual(both.b.state.receive.history);
        expect(other.state.receive.epochs).toEqual(both.b.state.receive.epochs);
      }
      expectRefused(both.b, { ...record, [field]: record[field]!.subarray(1) });
    }
    both.b.receive(record);
    expect(texts(both.b)).toEqual(['0', '1']);
  });

  it('is refused under another id, type, address, fingerprint or label', () => {
    const both = begun(suite);
    const record = both.a.send(text(1)) as Extract<RecordMessage, { type: 'client-com' }>;
    expectRefused(both.b, { ...record, id: ID });
    expectRefused(both.b, { ...record, type: 'client-disconnect' });
    expectRefused(both.b, { type: 'ack', saData: record.saData, data: record.data });
    const bindWith = (own: Participant, peer: Participant): End => {
      const end = both.b.clone();
      const peerBinding = conversationBinding(suite, end.state.conversationId, 0, peer, own);
      end.state = { ...end.state, own, peer, peerBinding };
      return end;
    };
    const { own, peer } = both.b.state;
    const address = addressFromBytes(new Uint8Array(28).fill(3));
    const fingerprint = new Uint8Array(32).fill(3);
    for (const change of [{ address }, { fingerprint }, { label: 'strong' }]) {
      expectRefused(bindWith({ ...own, ...change }, peer), record);
      expectRefused(bindWith(own, { ...peer, ...change }), record);
    }
    const same = bindWith(own, peer);
    same.receive(record);
    expect(same.shown).toHaveLength(1);
  });

  it('is refused when it is reflected, of another conversation, or of the other plane', () => {
    expect.hasAssertions();
    const both = begun(suite);
    const record = both.a.send(text(1));
    expectRefused(both.a, record);
    const strange = both.b.clone();
    strange.state = { ...strange.state, conversationId: new Uint8Array(8) };
    expectRefused(strange, record);
    const plane = both.b.clone();
    const peerBinding = hopBinding(suite, plane.state.conversationId, 0, plane.state.peer, plane.state.relayIdentity);
    plane.state = { ...plane.state, peerBinding };
    expectRefused(plane, record);
    const { own, peer } = both.b.state;
    const reversed = both.b.clone();
    reversed.state = {
      ...reversed.state,
      peerBinding: conversationBinding(suite, reversed.state.conversationId, 1, peer, own),
    };
    expectRefused(reversed, record);
  });
});

describe('a receiver', () => {
  it('opens a record 1,000 ahead, and none further; those between open later', () => {
    const both = begun(X25519, { window: 2_000 });
    const records: RecordMessage[] = [];
    for (let index = 0; index <= 1_001; index += 1) records.push(both.a.send(text(index)));
    expectRefused(both.b, records[1_001]!);
    both.b.receive(records[1_000]!);
    expect(both.b.state.receive.skipped).toHaveLength(1_000);
    expect(both.b.state.consistency).toBe('gap');
    both.b.receive(records[1_001]!);
    both.b.receive(records[999]!);
    expect(both.b.state.receive.skipped).toHaveLength(999);
    expectRefused(both.b, records[999]!);
  });

  it('keeps at most 2,000 keys of skipped records', () => {
    const both = begun(X25519, { window: 4_000 });
    let last: RecordMessage | undefined;
    for (let index = 0; index < 3_000; index += 1) {
      last = both.a.send(text(index));
      if (index % 1_000 === 999) both.b.receive(last);
    }
    expect(both.b.state.receive.skipped).toHaveLength(2_000);
  });

  it('keeps at most 64 records of an epoch that is not announced yet, and opens them when it is', () => {
    const both = begun();
    both.a.step({ type: 'rekey' });
    const first = both.a.send(text(1));
    const records = Array.from({ length: 7 }, (_, index) => both.a.send(text(2 + index)));
    for (const record of records) both.b.receive(record);
    expect(both.b.state.receive.early).toHaveLength(7);
    for (const record of records) both.b.receive(record);
    expect(both.b.state.receive.early).toHaveLength(7);
    both.b.receive(first);
    expect(both.b.state.receive.early).toEqual([]);
    expect(texts(both.b)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8']);
  });

  it('derives an authentic announcement once, though its record does not open', () => {
    const both = begun();
    both.a.step({ type: 'rekey' });
    const record = both.a.send(text(1));
    let decapsulations = 0;
    const kem = X25519.ratchetKem!;
    const counting: Suite = {
      ...X25519,
      ratchetKem: { ...kem, decapsulate: (...given) => ((decapsulations += 1), kem.decapsulate(...given)) },
    };
    let state = both.b.state;
    const feed = (message: RecordMessage): void => {
      ({ state } = stepConversation(
        state,
        { type: 'receive', message, nowMs: both.clock.nowMs },
        { ...both.b.context, suite: counting },
      ));
    };
    const altered = { ...record, data: new Uint8Array(64) } as RecordMessage;
    for (let time = 0; time < 5; time += 1) feed(altered);
    expect(state.receive.epochs.at(-1)!.epoch).toBe(0);
    expect(state.receive.epochs.at(-1)!.root).toHaveLength(0);
    feed(record);
    expect(state.receive.epochs.map((epoch) => epoch.epoch)).toEqual([0, 1]);
    expect(decapsulations).toBe(1);
  });

  it('does not decapsulate or derive for an announcement that is not authentic', () => {
    const both = begun();
    both.a.step({ type: 'rekey' });
    const record = both.a.send(text(1));
    const kem = { ...X25519.ratchetKem!, decapsulate: () => expect.unreachable() };
    for (let index = 16; index < record.saData!.length; index += 1) {
      const saData = Uint8Array.from(record.saData!);
      saData[index]! ^= 1;
      const message = { ...record, saData } as RecordMessage;
      const context = { ...both.b.context, suite: { ...X25519, ratchetKem: kem } };
      const { state, outputs } = stepConversation(both.b.state, { type: 'receive', message, nowMs: 0 }, context);
      expect(state).toBe(both.b.state);
      expect(outputs[0]).toMatchObject({ type: 'dropped' });
    }
  });

  it('holds later messages back for a missing one, and then no longer', () => {
    const both = begun();
    both.a.send(text(1));
    const [missing] = both.a.take();
    both.b.receive(both.a.send(text(2)));
    expect(texts(both.b)).toEqual(['0']);
    both.wait(29_999);
    both.b.wake();
    expect(texts(both.b)).toEqual(['0']);
    both.wait(1);
    both.b.wake();
    expect(texts(both.b)).toEqual(['0', '2']);
    both.b.receive(missing!);
    expect(texts(both.b)).toEqual(['0', '2', '1']);
    expect(both.b.state.consistency).toBe('consistent');
  });
});

describe('a sender', () => {
  it('repeats the same bytes after 2, 4, 8 s, up to 60 s apart, and at once over a new hop', () => {
    const both = pair(X25519);
    const record = both.a.send(text(1));
    both.a.take();
    const startMs = both.clock.nowMs;
    const times: number[] = [];
    while (times.length < 8) {
      both.clock.nowMs = both.a.wakeAtMs!;
      both.a.wake();
      for (const again of both.a.take()) {
        expect(again).toEqual(record);
        times.push((both.clock.nowMs - startMs) / 1_000);
      }
    }
    expect(times).toEqual([2, 6, 14, 30, 62, 122, 182, 242]);
    both.a.step({ type: 'reconnected', nowMs: both.clock.nowMs });
    expect(both.a.take()).toEqual([record]);
    expect(both.a.wakeAtMs).toBe(both.clock.nowMs + 2_000);
  });

  it('repeats at once, and once, what a later message has overtaken', () => {
    const both = begun();
    both.a.send(text(1));
    both.a.take();
    both.b.receive(both.a.send(text(2)));
    both.a.take();
    both.wait(30);
    both.b.wake();
    for (const ack of both.b.take()) both.a.receive(ack);
    both.a.wake();
    expect(both.a.take()).toHaveLength(1);
    both.b.step({ type: 'reconnected', nowMs: both.clock.nowMs });
    for (const ack of both.b.take()) both.a.receive(ack);
    both.a.wake();
    expect(both.a.take()).toEqual([]);
  });

  it('gives up what the relay calls unreachable for 60 s', () => {
    const both = pair(X25519);
    const record = both.a.send(text(1)) as { readonly id: MessageId };
    both.a.step({ type: 'unreachable', id: record.id, nowMs: both.clock.nowMs });
    both.wait(59_999);
    both.a.wake();
    expect(both.a.state.outbox).toHaveLength(1);
    both.wait(1);
    both.a.wake();
    expect(both.a.states.at(-1)).toMatchObject({ state: 'failed', reason: 'unreachable' });
    expect(both.a.state.send.lost).toEqual([{ first: 1, length: 1 }]);
  });

  it('takes no more than its window', () => {
    const both = pair(X25519, { options: { window: 3 } });
    for (let index = 0; index < 3; index += 1) both.a.send(text(index));
    expect(() => both.a.send(text(3))).toThrow(expect.objectContaining({ code: 'session/outbox-full' }));
    both.settle();
    both.a.send(text(3));
  });

  it('coalesces acknowledgements, and answers repeats with one an interval', () => {
    const both = begun();
    const records = [1, 2, 3].map((index) => both.a.send(text(index)));
    for (const record of [...records, ...records, ...records]) both.b.receive(record);
    expect(both.b.take()).toEqual([]);
    both.wait(20);
    both.b.wake();
    expect(both.b.take()).toHaveLength(1);
  });
});

describe('the table of transitions', () => {
  const nowMs = 2_000_000;
  const message: RecordMessage = { type: 'ack', saData: new Uint8Array(20), data: new Uint8Array(40) };
  const inputs: { readonly [T in ConversationInput['type']]: Extract<ConversationInput, { type: T }> } = {
    send: { type: 'send', id: ID, kind: 'text', content: text(1), nowMs },
    receive: { type: 'receive', message, nowMs },
    accepted: { type: 'accepted', id: ID },
    unreachable: { type: 'unreachable', id: ID, nowMs },
    expired: { type: 'expired', id: ID, nowMs },
    reconnected: { type: 'reconnected', nowMs },
    timer: { type: 'timer', nowMs },
    taken: { type: 'taken', m: 1 },
    rekey: { type: 'rekey' },
    close: { type: 'close', id: ID, reason: 'closed', nowMs },
  };

  function inState(at: ConversationState['at']): End {
    const both = begun();
    if (at === 'open') return both.a;
    if (at === 'broken') {
      const restored = both.a.clone();
      both.a.send(text(1));
      both.settle();
      restored.receive(both.b.send(text(2)));
      return restored;
    }
    both.a.close();
    if (at === 'closing') return both.a;
    both.settle();
    return at === 'closed' ? both.a : both.b;
  }

  const cells = (['open', 'closing', 'peer-closed', 'closed', 'broken'] as const).flatMap((at) =>
    (Object.keys(inputs) as ConversationInput['type'][]).map(
      (type) => [at, type, type in CONVERSATION_TRANSITIONS[at]] as const,
    ),
  );
  it.each(cells)('%s × %s: %s', (at, type, isLegal) => {
    const end = inState(at);
    expect(end.state.at).toBe(at);
    const before = encodeState(end.state);
    const step = (): unknown => stepConversation(end.state, inputs[type], end.context);
    if (isLegal) expect(step).not.toThrow();
    else expect(step).toThrow(expect.objectContaining({ code: 'session/unexpected-input', fault: 'caller' }));
    expect(encodeState(end.state)).toEqual(before);
  });

  it('takes what comes from outside in every state', () => {
    for (const at of Object.keys(CONVERSATION_TRANSITIONS) as ConversationState['at'][]) {
      expect(Object.keys(CONVERSATION_TRANSITIONS[at])).toEqual(
        expect.arrayContaining(['receive', 'accepted', 'unreachable', 'reconnected', 'timer', 'taken']),
      );
    }
  });
});
