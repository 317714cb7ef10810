import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { messageIdFromBytes } from '../../src/messages/address.ts';
import type { RecordMessage } from '../../src/session/conversation.ts';
import { explainRecord, type RecordProblem } from '../../src/session/explain.ts';
import { encodeSaData } from '../../src/session/saData.ts';
import { encodeState } from '../../src/session/stateCodec.ts';
import { pair, text, type End, type Pair } from './pair.ts';

const SUITE: Suite = {
  ...suites.X25519_WITH_CHACHA20_POLY1305_SHA256,
  rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false },
};

function begun(): Pair {
  const both = pair(SUITE);
  both.a.send(text(0));
  both.b.send(text(0));
  both.settle();
  return both;
}

function expectProblem(end: End, message: RecordMessage, problem: RecordProblem, ...parts: string[]): void {
  const before = encodeState(end.state);
  const explanation = explainRecord(end.state, message, end.context);
  const all = Object.values(explanation).join('\n');
  expect(explanation.problem).toBe(problem);
  for (const part of parts) expect(all).toContain(part);
  expect(explanation.advice).toMatch(/\.$/);
  expect(encodeState(end.state)).toEqual(before);
  const { send, receive } = end.state;
  const secrets = [send.current, ...receive.epochs].flatMap((epoch) => [
    epoch.root,
    epoch.announcementKey,
    epoch.chainKey,
  ]);
  for (const secret of secrets) if (secret.length > 0) expect(all).not.toContain(hex(secret));
}

const flipped = (message: RecordMessage): RecordMessage => {
  const data = Uint8Array.from(message.data!);
  data[0]! ^= 1;
  return { ...message, data } as RecordMessage;
};

function fake(epoch: number, number: number, announcement = 0): RecordMessage {
  const id = messageIdFromBytes(new Uint8Array(8));
  const conversationId = new Uint8Array(8).fill(9);
  const fields = {
    conversationId,
    epoch,
    number,
    nonce: new Uint8Array(6),
    announcement: new Uint8Array(announcement),
  };
  return { type: 'client-com', id, saData: encodeSaData(fields), data: new Uint8Array(64) };
}

describe('explainRecord', () => {
  it('finds nothing wrong with a record that opens', () => {
    expect.hasAssertions();
    const both = begun();
    expectProblem(both.b, both.a.send(text(1)), 'none');
  });

  it('names who should have sealed what does not open', () => {
    expect.hasAssertions();
    const both = begun();
    const record = both.a.send(text(1));
    expectProblem(
      both.b,
      flipped(record),
      'not-authentic',
      both.a.state.own.address,
      'without-card',
      `${record.data!.length} bytes`,
    );
  });

  it('names the conversation that it expected, and the one that came', () => {
    expect.hasAssertions();
    const both = begun();
    const record = both.a.send(text(1));
    const saData = Uint8Array.from(record.saData!);
    saData.fill(1, 0, 8);
    expectProblem(both.b, { ...record, saData } as RecordMessage, 'other-conversation', '09'.repeat(8), '01'.repeat(8));
  });

  it('tells a used number, one beyond the window, and numbers and epochs that cannot be', () => {
    expect.hasAssertions();
    const both = begun();
    const record = both.a.send(text(1));
    both.settle();
    expectProblem(both.b, record, 'used', 'An acknowledgement goes out');
    const { next } = both.b.state.receive.epochs.at(-1)!;
    expectProblem(both.b, fake(0, next + 1_001), 'too-far-ahead', `record ${next + 1_000} at most`);
    expectProblem(both.b, fake(2, 0), 'epoch-too-new', 'epoch 1 at most');
    expectProblem(both.b, fake(1, 1), 'epoch-not-announced', 'every eighth');
    expectProblem(both.b, fake(1, 0, 5), 'announcement-not-authentic');
  });

  it('tells what lies beyond an announced end, before the open epochs, or under a key that is gone', () => {
    expect.hasAssertions();
    const both = begun();
    const old = fake(0, 1);
    for (let turn = 0; turn < 2; turn += 1) {
      both.a.step({ type: 'rekey' });
      both.a.send(text(turn));
      both.settle();
    }
    expectProblem(both.b, old, 'epoch-over', 'epoch 1 and 2');
    expectProblem(both.b, fake(1, 500), 'beyond-epoch');
    const forgetful = both.b.clone();
    forgetful.state = { ...forgetful.state, send: { ...forgetful.state.send, ratchetKeys: [] } };
    both.a.step({ type: 'rekey' });
    expectProblem(forgetful, both.a.send(text(3)), 'announcement-key-gone', 'key 0');
  });

  it('tells a clone and a rollback, with the hashes', () => {
    expect.hasAssertions();
    const both = begun();
    const clone = both.a.clone();
    both.a.step({ type: 'rekey' });
    both.a.send(text(1));
    both.settle();
    clone.step({ type: 'rekey' });
    expectProblem(both.b, clone.send(text(1)), 'clone', 'Two programs');
    const again = begun();
    const restored = again.a.clone();
    again.a.send(text(1));
    again.settle();
    expectProblem(restored, again.b.send(text(2)), 'history', 'at message 2 of this side');
  });

  it('tells its own record, a message of the hop, an ended conversation and malformed bytes', () => {
    expect.hasAssertions();
    const both = begun();
    expectProblem(both.a, both.a.send(text(1)), 'own-record', 'relay sent it back');
    const id = messageIdFromBytes(new Uint8Array(8));
    expectProblem(both.a, { type: 'ack', msgId: id }, 'not-a-record');
    expectProblem(
      both.a,
      { type: 'client-com', id, saData: new Uint8Array(3), data: new Uint8Array(3) },
      'malformed',
      '3 bytes',
    );
    both.a.take();
    both.b.close();
    const record = both.a.send(text(2));
    both.settle();
    both.run(60_000);
    expectProblem(both.b, record, 'ended', 'is closed');
  });
});
