/** Faults that the machine once had, each as the fact that now holds. */
import { describe, expect, it } from 'vitest';
import { concat, fromUtf8, utf8 } from '../../src/bytes.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { messageIdBytes, messageIdFromBytes } from '../../src/messages/address.ts';
import { associatedData } from '../../src/session/binding.ts';
import { encodeBody, type RecordBody } from '../../src/session/body.ts';
import type { RecordMessage } from '../../src/session/conversation.ts';
import { stepChain } from '../../src/session/ratchet.ts';
import { encodeSaData } from '../../src/session/saData.ts';
import { encodeState } from '../../src/session/stateCodec.ts';
import { pair, text, type End } from './pair.ts';

const X25519 = suites.X25519_WITH_CHACHA20_POLY1305_SHA256;
/** Rekeys by hand alone. */
const BY_HAND: Suite = { ...X25519, rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false } };
const texts = (end: End): string[] => end.shown.map((message) => fromUtf8(message.content));

/** A record by whoever has the keys of `end`, with any body; the state of `end` stays. */
function forge(
  end: End,
  body: Partial<RecordBody>,
  n?: number,
  type: RecordMessage['type'] = 'client-com',
): RecordMessage {
  const { state, context } = end;
  const { current, hash, m } = state.send;
  const { suite } = context;
  const direction = state.role === 'initiator' ? 0 : 1;
  const number = n ?? current.next;
  let { chainKey } = current;
  let key = chainKey;
  for (let index = current.next; index <= number; index += 1) {
    const keys = stepChain(suite, chainKey, state.conversationId, direction, current.epoch, index);
    chainKey = keys.subarray(0, 32);
    key = keys.subarray(32);
  }
  const randomness = new Uint8Array(suite.cipher.randomnessLength).fill(number);
  const nonce = randomness.subarray(0, suite.cipher.nonceLength);
  const saData = encodeSaData({
    conversationId: state.conversationId,
    epoch: current.epoch,
    number,
    nonce,
    announcement: new Uint8Array(0),
  });
  const plaintext = encodeBody(
    {
      numbered: type === 'ack' ? undefined : { m: m + 1, previousHash: hash },
      seen: state.receive.history,
      ratchetKey: undefined,
      lost: [],
      content: type === 'ack' ? new Uint8Array(0) : concat(Uint8Array.of(0), utf8('forged')),
      ...body,
    },
    'padme',
  );
  const id = messageIdFromBytes(new Uint8Array(8).fill(number));
  const idBytes = type === 'ack' ? new Uint8Array(8) : messageIdBytes(id);
  const bound = associatedData(state.ownBinding, type === 'ack' ? 'ack' : type, idBytes, saData);
  const data = suite.cipher.seal(key, randomness, bound, plaintext, end.clock.nowMs);
  return type === 'ack' ? { type, saData, data } : { type, id, saData, data };
}

describe('given-up messages', () => {
  it('leave no gap open, also when the next message is the first to show it', () => {
    const both = pair(X25519);
    both.a.send(text(1));
    both.settle();
    both.a.send(text(2), both.clock.nowMs + 1_000);
    both.a.take();
    both.run(3_000);
    both.a.take();
    expect(both.a.states.at(-1)).toMatchObject({ state: 'failed', reason: 'expired' });
    both.a.send(text(3));
    both.settle();
    expect(texts(both.b)).toEqual(['1', '3']);
    expect(both.b.state.receive.history.gaps).toEqual([]);
    expect(both.b.state.consistency).toBe('consistent');
    expect(both.a.state.send.lost).toEqual([]);
  });

  it('make their announcement ride again', () => {
    const both = pair(X25519);
    both.a.send(text(1));
    both.settle();
    both.b.send(text(1));
    both.settle();
    both.a.step({ type: 'rekey' });
    both.a.send(text(2), both.clock.nowMs + 1_000);
    expect(both.a.state.send.current.epoch).toBeGreaterThan(0);
    both.a.take();
    both.wait(1_500);
    both.a.wake();
    both.a.take();
    both.a.send(text(3));
    expect(both.a.state.outbox[0]).toMatchObject({ m: 3, carries: true });
    both.settle();
    expect(texts(both.b)).toEqual(['1', '3']);
    expect(both.a.state.send.acknowledged).toBe(true);
  });

  it('fail when the peer has dropped the keys of their epoch, and rekeys go on', () => {
    const both = pair(BY_HAND);
    both.a.send(text(0));
    both.b.send(text(0));
    both.settle();
    const stuck = both.a.send(text(1));
    both.a.take();
    both.a.step({ type: 'rekey' });
    both.a.send(text(2));
    expect(both.a.state.send.current.epoch).toBeGreaterThan(stuck.saData![8]!);
    for (const record of both.a.take()) both.b.receive(record);
    both.wait(30);
    both.b.wake();
    for (const record of both.b.take()) both.a.receive(record);
    both.wait(600_001);
    both.a.wake();
    both.a.take();
    expect(both.a.states.at(-1)).toMatchObject({ state: 'failed', reason: 'expired' });
    both.a.send(text(3));
    both.settle();
    expect(both.b.state.receive.history.gaps).toEqual([]);
    expect(both.a.state.outbox).toEqual([]);
  });
});

describe('keys', () => {
  it('of skipped records go when the second epoch after theirs opens', () => {
    const both = pair(BY_HAND);
    both.b.send(text(0));
    both.a.send(text(0));
    both.settle();
    // A message that is given up leaves a skipped key behind.
    both.a.send(text(1), both.clock.nowMs + 10);
    both.a.take();
    both.wait(20);
    both.a.wake();
    both.a.take();
    both.a.send(text(1));
    both.settle();
    expect(both.b.state.receive.skipped.length).toBeGreaterThan(0);
    for (let turn = 0; turn < 2; turn += 1) {
      both.a.step({ type: 'rekey' });
      both.a.send(text(2 + turn));
      both.settle();
    }
    const open = both.b.state.receive.epochs.map((epoch) => epoch.epoch);
    expect(both.b.state.receive.skipped.filter((skip) => !open.includes(skip.epoch))).toEqual([]);
  });

  it('of a closed epoch go after their time though nothing happens', () => {
    const both = pair(X25519);
    both.b.send(text(0));
    both.a.send(text(0));
    both.settle();
    both.a.step({ type: 'rekey' });
    both.a.send(text(1));
    both.settle();
    expect(both.b.state.receive.epochs).toHaveLength(2);
    both.run(601_000);
    expect(both.b.state.receive.epochs).toHaveLength(1);
  });

  it('are used up by an authentic record that is malformed', () => {
    const both = pair(X25519);
    both.a.send(text(0));
    both.settle();
    const record = forge(both.a, { content: Uint8Array.of(9) });
    both.b.receive(record);
    both.b.receive(record);
    expect(both.b.dropped).toEqual(['session/malformed-record', 'session/repeated']);
  });

  it('do not print', async () => {
    const { inspect } = await import('node:util');
    const both = pair(X25519);
    both.a.send(text(0));
    both.b.send(text(0));
    both.settle();
    const { state } = both.a.clone();
    for (const one of [both.a.state, state]) {
      const { send, receive } = one;
      const secrets = [send.current, ...receive.epochs].flatMap((epoch) => [
        epoch.root,
        epoch.announcementKey,
        epoch.chainKey,
      ]);
      for (const key of send.ratchetKeys) secrets.push(key.pair.decapsulationKey);
      const printed = `${inspect(one, { depth: 9, maxArrayLength: 99 })} ${JSON.stringify(one)} ${String(send.current.chainKey)}`;
      expect(secrets.length).toBeGreaterThan(6);
      for (const secret of secrets) {
        const bytes = Array.from({ length: 4 }, (_, index) => secret[index]);
        expect(printed).not.toContain(bytes.join(','));
        expect(printed).not.toContain(bytes.join(', '));
      }
      expect(inspect(send.current)).toBe(
        '{\n  epoch: 0,\n  root: [secret, 32 bytes],\n  announcementKey: [secret, 32 bytes],\n' +
          `  chainKey: [secret, 32 bytes],\n  next: ${send.current.next}\n}`,
      );
      expect(JSON.stringify(send.ratchetKeys)).toBe('[{"number":0,"pair":"[secret, 32 bytes]"}]');
    }
  });
});

describe('a hostile peer', () => {
  it('cannot make more than 32 gaps by giving up the middle of one', () => {
    const both = pair(X25519);
    both.a.send(text(0));
    both.settle();
    const lost = Array.from({ length: 32 }, (_, index) => ({ first: 10 + index * 4, length: 1 }));
    const previousHash = new Uint8Array(16).fill(1);
    both.b.receive(forge(both.a, { numbered: { m: 500, previousHash }, lost }));
    expect(both.b.dropped).toEqual(['session/not-awaited']);
    expect(both.b.state.receive.history.gaps.length).toBeLessThanOrEqual(32);
  });

  it('cannot fill the inbox beyond its window while one message is missing', () => {
    const both = pair(X25519, { options: { inboxWindow: 20 } });
    const first = both.a.send(text(0));
    both.a.take();
    for (let index = 1; index < 40; index += 1) both.a.send(text(index));
    for (const record of both.a.take()) both.b.receive(record);
    expect(both.b.state.inbox).toHaveLength(20);
    expect(both.b.dropped).toContain('session/not-awaited');
    both.b.receive(first);
    expect(both.b.shown).toHaveLength(21);
    both.settle();
    both.run(100_000);
    expect(texts(both.b)).toEqual(Array.from({ length: 40 }, (_, index) => `${index}`));
  });

  it('cannot show anything after its last message', () => {
    const both = pair(BY_HAND);
    both.a.send(text(0));
    both.settle();
    const { next } = both.a.state.send.current;
    const missing = both.a.clone().send(text(1));
    const numbered = (m: number) => ({ m, previousHash: new Uint8Array(16) });
    both.b.receive(forge(both.a, { numbered: numbered(3), content: Uint8Array.of(0) }, next + 1, 'client-disconnect'));
    both.b.receive(forge(both.a, { numbered: numbered(4) }, next + 2));
    expect(both.b.dropped).toEqual(['session/malformed-record']);
    both.run(31_000);
    expect(both.b.state.at).toBe('peer-closed');
    both.b.receive(missing);
    expect(both.b.dropped.at(-1)).toBe('session/ended');
    expect(texts(both.b)).toEqual(['0']);
  });

  it('cannot stop us with a ratchet key that is none', () => {
    const both = pair(BY_HAND);
    both.b.send(text(0));
    both.a.send(text(0));
    both.settle();
    both.b.receive(
      forge(both.a, { ratchetKey: { number: 7, encapsulationKey: new Uint8Array(32) } }, undefined, 'ack'),
    );
    both.b.step({ type: 'rekey' });
    both.b.send(text(1));
    expect(both.b.state.send.current.epoch).toBe(0);
    both.settle();
    expect(texts(both.a)).toEqual(['0', '1']);
  });

  it('cannot announce an epoch that the state cannot hold', () => {
    const both = pair(X25519);
    both.b.send(text(0));
    both.a.send(text(0));
    both.settle();
    const hostile = both.a.clone();
    const { send } = hostile.state;
    hostile.state = {
      ...hostile.state,
      send: { ...send, rekeyAsked: true, current: { ...send.current, next: 2 ** 53 - 1 } },
    };
    const record = hostile.send(text(1));
    both.b.receive(record);
    expect(() => encodeState(both.b.state)).not.toThrow();
    expect(both.b.dropped).toEqual(['session/malformed-record']);
  });

  it('that says two things under one number is a fork', () => {
    const both = pair(X25519);
    both.a.send(text(0));
    both.settle();
    const { next } = both.a.state.send.current;
    both.b.receive(forge(both.a, { content: concat(Uint8Array.of(0), utf8('one')) }, next));
    both.b.receive(forge(both.a, { content: concat(Uint8Array.of(0), utf8('two')) }, next + 1));
    expect(both.b.state.at).toBe('broken');
    expect(both.b.consistency.at(-1)?.evidence).toMatchObject({ consistency: 'fork', direction: 'peer', m: 2 });
    expect(() => both.b.send(text(9))).toThrow('takes no send');
  });
});

describe('a hostile relay', () => {
  it('cannot make the state grow with records of an epoch that nobody announced', () => {
    const both = pair(X25519);
    both.a.send(text(0));
    both.settle();
    const { conversationId } = both.a.state;
    for (let number = 0; number < 200; number += 1) {
      const nonce = new Uint8Array(6);
      const saData = encodeSaData({ conversationId, epoch: 1, number, nonce, announcement: new Uint8Array(0) });
      const id = messageIdFromBytes(new Uint8Array(8));
      both.b.receive({ type: 'client-com', id, saData, data: new Uint8Array(100_000) });
    }
    expect(encodeState(both.b.state).length).toBeLessThan(2_200_000);
  });

  it('cannot use up our record numbers by repeating an old record', () => {
    const both = pair(X25519);
    const old = both.a.send(text(0));
    both.settle();
    for (let time = 0; time < 3_000; time += 1) {
      both.b.receive(old);
      both.wait(25);
      both.b.wake();
    }
    expect(both.b.take().length).toBeGreaterThan(1_000);
    both.b.send(text(1));
    both.settle();
    expect(texts(both.a)).toEqual(['1']);
  });
});

describe('closing', () => {
  it('waits for every outstanding message, not for the last alone', () => {
    const both = pair(X25519);
    both.a.send(text(0));
    both.a.take();
    both.a.close();
    both.run(4_000);
    expect(texts(both.b)).toEqual(['0']);
    expect([both.a.state.at, both.b.state.at]).toEqual(['closed', 'peer-closed']);
    expect(both.a.states.at(-1)).toMatchObject({ state: 'delivered' });
  });

  it('tells what failed when nobody answers', () => {
    const both = pair(X25519, { drop: 1 });
    both.a.send(text(0));
    both.a.close('replaced');
    both.run(6_000);
    expect(both.a.states.at(-1)).toMatchObject({ state: 'failed', reason: 'closed' });
    expect(both.a.closed).toEqual([{ type: 'closed', by: 'own', reason: 'replaced' }]);
  });

  it('tells both sides the reason', () => {
    const both = pair(X25519);
    both.a.close('replaced');
    both.settle();
    expect(both.a.closed).toEqual([{ type: 'closed', by: 'own', reason: 'replaced' }]);
    expect(both.b.closed).toEqual([{ type: 'closed', by: 'peer', reason: 'replaced' }]);
  });
});

describe('time', () => {
  it('that the peer was unreachable counts from the last time that the relay took the message', () => {
    const both = pair(X25519);
    const record = both.a.send(text(0)) as { id: ReturnType<typeof messageIdFromBytes> };
    both.a.step({ type: 'accepted', id: record.id });
    both.a.step({ type: 'unreachable', id: record.id, nowMs: both.clock.nowMs });
    both.a.step({ type: 'accepted', id: record.id });
    both.wait(61_000);
    both.a.wake();
    expect(both.a.states.at(-1)).toMatchObject({ state: 'accepted' });
    both.a.step({ type: 'unreachable', id: record.id, nowMs: both.clock.nowMs });
    expect(both.a.wakeAtMs).toBeLessThanOrEqual(both.clock.nowMs + 60_000);
  });

  it('that the peer does not know the conversation counts from the first time, whatever the relay takes', () => {
    const both = pair(X25519);
    const record = both.a.send(text(0)) as { id: ReturnType<typeof messageIdFromBytes> };
    const untilMs = both.clock.nowMs + 200_000;
    while (both.clock.nowMs < untilMs && both.a.state.outbox.length > 0) {
      // Each repeat reaches the relay, and is answered from afar.
      if (both.a.take().length > 0) {
        both.a.step({ type: 'accepted', id: record.id });
        both.wait(50);
        both.a.step({ type: 'unreachable', by: 'peer', id: record.id, nowMs: both.clock.nowMs });
      }
      both.wait(Math.max(0, both.a.wakeAtMs! - both.clock.nowMs));
      both.a.wake();
    }
    expect(both.a.states.at(-1)).toMatchObject({ state: 'failed', reason: 'unreachable' });
    expect(both.a.state.outbox).toEqual([]);
  });

  it('of holding back counts from the first message that waits', () => {
    const both = pair(X25519);
    for (let index = 0; index < 3; index += 1) both.a.send(text(index));
    const [, second, third] = both.a.take() as [RecordMessage, RecordMessage, RecordMessage];
    both.b.receive(third);
    both.wait(29_000);
    both.b.receive(second);
    both.wait(1_001);
    both.b.wake();
    expect(texts(both.b)).toEqual(['1', '2']);
  });

  it('of expiry may be infinite or a fraction, but a number', () => {
    const both = pair(X25519);
    both.a.send(text(0), Infinity);
    both.a.send(text(1), both.clock.nowMs + 0.5);
    expect(() => encodeState(both.a.state)).not.toThrow();
    expect(() => both.a.send(text(2), NaN)).toThrow('expires at no time');
  });
});

describe('a record that', () => {
  const byHand = { ...X25519, rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false } };

  it('goes beyond the length that its epoch was announced with is not awaited', () => {
    const both = pair(byHand);
    both.a.send(text(0));
    both.b.send(text(0));
    both.settle();
    const kept = both.a.send(text(1));
    both.a.take();
    const clone = both.a.clone();
    both.a.step({ type: 'rekey' });
    both.b.receive(both.a.send(text(2)));
    clone.send(text(3));
    both.b.receive(clone.send(text(4)));
    expect(both.b.dropped).toEqual(['session/not-awaited']);
    both.b.receive(kept);
    expect(both.b.dropped).toHaveLength(1);
  });

  it('names another conversation is not looked at', () => {
    const both = pair(byHand);
    const record = both.a.send(text(0));
    const saData = record.saData!.slice();
    saData[0]! ^= 1;
    both.b.receive({ ...record, saData } as RecordMessage);
    expect(both.b.dropped).toEqual(['session/malformed-record']);
  });
});
