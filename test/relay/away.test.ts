import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { defaultPolicy, loadPolicy } from '../../src/ifc/index.ts';
import { addressFromBytes, type MessageId } from '../../src/messages/address.ts';
import type { Message } from '../../src/messages/messages.ts';
import { bundleOf, fetchOf, publish } from './bundles.ts';
import { listed, messageId, World, type Client, type ClientOptions } from './world.ts';

const NOBODY = addressFromBytes(new Uint8Array(28).fill(7));
const BYTES = new Uint8Array(30);
const DAY = 86_400_000;

function leave(world: World, client: Client): void {
  client.send({ type: 'disconnect' });
  world.settle();
}

/** Alice, and Bob who has published bundles and left. */
function withAway(
  options: ConstructorParameters<typeof World>[0] = {},
  encoding: ClientOptions = {},
): [World, Client, Client] {
  const world = new World(options);
  const [alice, bob] = [world.join('alice'), world.join('bob', encoding)];
  publish(
    bob,
    'x',
    Array.from({ length: 10 }, () => bundleOf(world, bob)),
  );
  leave(world, bob);
  return [world, alice, bob];
}

function ids(messages: readonly Message[]): readonly MessageId[] {
  return messages.flatMap((message) => (message.type === 'client-com' ? [message.id] : []));
}

function store(client: Client, src: Client, id: MessageId): void {
  client.send({ type: 'ack', src: src.address, msgId: id });
}

describe('who is away and has published bundles', () => {
  it('is listed as away, with all that a list says of it, and given bundles of', () => {
    const world = new World();
    const watcher = world.watch('watcher');
    const bob = world.join('bob', { name: 'Bob' });
    publish(bob, 'x', [bundleOf(world, bob)]);
    world.pass(200);
    watcher.take();
    leave(world, bob);
    world.pass(200);
    const fields = { address: bob.address, name: 'Bob', label: 'everyone', kind: 'key', fingerprint: bob.fingerprint };
    expect(watcher.take()).toEqual([{ type: 'list', complete: false, data: [{ ...fields, online: false }] }]);
    expect(world.watch('late').take()).toMatchObject([{ data: [{}, { ...fields, online: false }] }]);
    expect(world.relay.metrics()).toMatchObject({ awayNow: 1 });
    expect(fetchOf(watcher, bob)).toMatchObject({ type: 'prekeys', src: bob.address });
    world.pass(200);
    watcher.take();
    world.join('bob', { name: 'Bob' });
    world.pass(200);
    expect(watcher.take().map(listed)).toEqual([{ [bob.address]: 'Bob' }]);
    expect(world.relay.metrics()).toMatchObject({ awayNow: 0 });
  });

  it('is away after the grace, and messages are kept meanwhile', () => {
    const world = new World();
    const [alice, bob] = [world.watch('alice'), world.join('bob')];
    publish(bob, 'x', [bundleOf(world, bob)]);
    world.pass(200);
    alice.take();
    bob.drop();
    const id = alice.say(bob.address, 'in the grace');
    expect(alice.take()).toEqual([{ type: 'ack', msgId: id }]);
    world.pass(60_200);
    expect(alice.take().map(listed)).toEqual([{ [bob.address]: false }]);
    expect(ids(world.watch('bob').take())).toEqual([id]);
  });

  it('is gone after 30 days, with its bundles', () => {
    const [world, alice, bob] = withAway();
    alice.send({ type: 'list', id: messageId('list') });
    alice.take();
    world.pass(30 * DAY - 60_000);
    expect(alice.take()).toEqual([]);
    world.pass(120_000);
    expect(alice.take()).toEqual([{ type: 'list', complete: false, data: [{ address: bob.address, online: false }] }]);
    expect(fetchOf(alice, bob)).toMatchObject({ code: 'unknown-peer' });
    expect(world.relay.metrics()).toMatchObject({ awayNow: 0, addressesNow: 1 });
  });

  it('that took its bundles back is gone at once', () => {
    const world = new World();
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    publish(bob, 'x', [bundleOf(world, bob)]);
    publish(bob, 'none', [], { complete: true });
    leave(world, bob);
    const id = alice.say(bob.address, 'one');
    expect(alice.take()).toEqual([{ type: 'error', code: 'unknown-peer', msgId: id }]);
    expect(world.relay.metrics()).toMatchObject({ awayNow: 0, addressesNow: 1 });
  });

  it('is not one that was sent away for want of clearance: its bundles are given to nobody', () => {
    const policyFor = (label: string): ReturnType<typeof loadPolicy> =>
      loadPolicy(`{ "levels": ["low", "high"], "clearance": [{ "label": "${label}" }] }`);
    const world = new World({ policy: policyFor('high') });
    const bob = world.join('bob');
    publish(bob, 'x', [bundleOf(world, bob)]);
    world.settle();
    world.relay.setPolicy(policyFor('low'));
    expect(bob.isClosed).toBe(true);
    expect(world.relay.metrics()).toMatchObject({ published: 1, awayNow: 0, addressesNow: 0 });
  });

  it('is kept in mind when the policy changes, unless its label is gone', () => {
    const [world, alice, bob] = withAway();
    world.relay.setPolicy(defaultPolicy());
    const id = alice.say(bob.address, 'one');
    expect(alice.take()).toEqual([{ type: 'ack', msgId: id }]);
    world.relay.setPolicy(loadPolicy(`{ "levels": ["staff"], "clearance": [{ "label": "staff" }] }`));
    expect(world.relay.metrics()).toMatchObject({ awayNow: 0, addressesNow: 0 });
  });
});

describe('messages for who is away', () => {
  it('are accepted, and handed over in order after its list, with stored true', () => {
    const [world, alice, bob] = withAway();
    const connect = { type: 'client-connect', phase: 3, id: messageId('start'), data: BYTES } as const;
    alice.send({ ...connect, dst: bob.address });
    const sent = Array.from({ length: 100 }, (_, index) => alice.say(bob.address, `${index}`));
    alice.send({ type: 'ack', dst: bob.address, saData: BYTES, data: BYTES });
    const end = messageId('end');
    alice.send({ type: 'client-disconnect', id: end, dst: bob.address, saData: BYTES, data: BYTES });
    expect(alice.take()).toEqual([connect.id, ...sent, end].map((msgId) => ({ type: 'ack', msgId })));
    const back = world.join('bob');
    back.unstall();
    expect(back.take()).toEqual([]);
    back.send({ type: 'list', id: messageId('list') });
    const [list, start, ...others] = back.take();
    expect(list).toMatchObject({ type: 'list', complete: true });
    expect(start).toEqual({ ...connect, src: alice.address, label: 'everyone', stored: true });
    expect(ids(others)).toEqual(sent);
    expect(others.slice(-2)).toEqual([
      { type: 'ack', src: alice.address, saData: BYTES, data: BYTES, stored: true },
      { type: 'client-disconnect', id: end, src: alice.address, saData: BYTES, data: BYTES, stored: true },
    ]);
    expect(others.every((message) => 'stored' in message && message.stored === true)).toBe(true);
    expect(world.relay.metrics()).toMatchObject({ kept: 103 });
  });

  it('in JSON are what they are in CBOR', () => {
    const [world, alice, bob] = withAway({}, { encoding: 'json' });
    const large = alice.say(bob.address, 'large', 580_000);
    const larger = alice.say(bob.address, 'larger', 700_000);
    expect(alice.take()).toEqual([
      { type: 'ack', msgId: large },
      { type: 'error', code: 'too-large', msgId: larger },
    ]);
    expect(ids(world.watch('bob', { encoding: 'json' }).take())).toEqual([large]);
  });

  it('stay until the client has stored them, however often its hop breaks', () => {
    const [world, alice, bob] = withAway();
    const sent = Array.from({ length: 60 }, (_, index) => alice.say(bob.address, `${index}`));
    const start = messageId('start');
    alice.send({ type: 'client-connect', phase: 3, id: start, dst: bob.address, data: BYTES });
    world.settle();
    let stored = 0;
    while (stored < sent.length) {
      const back = world.watch('bob');
      expect(ids(back.take())).toEqual(sent.slice(stored));
      for (const id of sent.slice(stored, stored + 25)) store(back, alice, id);
      stored += 25;
      world.settle();
      back.drop();
    }
    const last = world.watch('bob');
    expect(last.take()).toMatchObject([{ type: 'list' }, { type: 'client-connect', id: start }]);
    store(last, alice, start);
    // What is not there, or another's, is nothing.
    store(last, last, start);
    expect(last.take()).toEqual([]);
    last.drop();
    expect(world.watch('bob').take()).toHaveLength(1);
  });

  it('keep their order with what comes while they are handed over', () => {
    const [world, alice, bob] = withAway({ limits: { queueMarkBytes: 2_000 } });
    const carol = world.join('carol');
    const early = Array.from({ length: 40 }, (_, index) => alice.say(bob.address, `early ${index}`, 200));
    world.settle();
    const back = world.join('bob');
    const before = alice.say(back.address, 'before the list', 200);
    world.settle();
    expect(back.take()).toEqual([]);
    back.isStalled = true;
    back.send({ type: 'list', id: messageId('list') });
    world.settle();
    const late = Array.from({ length: 20 }, (_, index) => alice.say(bob.address, `late ${index}`, 200));
    const others = Array.from({ length: 20 }, (_, index) => carol.say(bob.address, `carol ${index}`, 200));
    alice.send({ type: 'ack', dst: bob.address, saData: BYTES, data: BYTES });
    world.settle();
    back.isStalled = false;
    const got: Message[] = [];
    for (let turn = 0; turn < 40; turn += 1) {
      back.unstall();
      got.push(...back.take());
    }
    const of = (client: Client): readonly MessageId[] =>
      ids(got.filter((message) => 'src' in message && message.src === client.address));
    expect(of(alice)).toEqual([...early, before, ...late]);
    expect(of(carol)).toEqual(others);
    expect(got.filter((message) => message.type === 'ack')).toHaveLength(1);
    const live = alice.say(bob.address, 'live');
    expect(back.take()).toEqual([
      { type: 'client-com', id: live, src: alice.address, saData: new Uint8Array(20), data: new Uint8Array(5) },
    ]);
  });

  it('are kept once, whatever is repeated', () => {
    const [world, alice, bob] = withAway();
    for (let turn = 0; turn < 5; turn += 1) {
      alice.send({ type: 'client-connect', phase: 3, id: messageId('s'), dst: bob.address, data: BYTES });
      for (const id of ['1', '2']) alice.say(bob.address, id);
      alice.send({ type: 'ack', dst: bob.address, saData: BYTES, data: BYTES });
    }
    expect(alice.take().every((answer) => answer.type === 'ack')).toBe(true);
    expect(world.watch('bob').take()).toHaveLength(5);
    expect(world.relay.metrics().kept).toBe(4);
  });

  it('that acknowledge go with the next stored message of their sender, or with a goodbye', () => {
    const [world, alice, bob] = withAway();
    const carol = world.join('carol');
    const acknowledge = (client: Client, first: number): void =>
      client.send({ type: 'ack', dst: bob.address, saData: BYTES.with(0, first), data: BYTES });
    acknowledge(alice, 1);
    acknowledge(carol, 2);
    const id = alice.say(bob.address, 'one');
    acknowledge(alice, 3);
    world.settle();
    const first = world.watch('bob');
    const acks = (client: Client): readonly number[] =>
      client.take().flatMap((message) => (message.type === 'ack' && message.saData ? [message.saData[0]!] : []));
    expect(acks(first)).toEqual([1, 2, 3]);
    store(first, alice, id);
    world.settle();
    first.drop();
    const second = world.watch('bob');
    expect(acks(second)).toEqual([2, 3]);
    leave(world, second);
    expect(acks(world.watch('bob'))).toEqual([]);
  });

  it('are none of the phases 1, 2 and 4, nor errors', () => {
    const [world, alice, bob] = withAway();
    for (const phase of [1, 2, 4] as const) {
      const id = messageId(`${phase}`);
      alice.send({ type: 'client-connect', phase, id, dst: bob.address, data: BYTES });
      expect(alice.take()).toEqual([{ type: 'error', code: 'unknown-peer', msgId: id }]);
    }
    alice.send({ type: 'error', code: 'spent', msgId: messageId('1'), dst: bob.address });
    expect(alice.take()).toEqual([]);
    expect(world.watch('bob').take()).toMatchObject([{ type: 'list' }]);
  });

  it('that wait in a queue for phases 1, 2 and 4 end with the session', () => {
    const world = new World({ limits: { queueMarkBytes: 500, queueBytes: 1_000 } });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    bob.isStalled = true;
    for (let index = 0; index < 5; index += 1) alice.say(bob.address, `${index}`, 400);
    alice.send({ type: 'client-connect', phase: 1, id: messageId('p1'), dst: bob.address, data: BYTES });
    expect(alice.take().every((answer) => answer.type === 'ack')).toBe(true);
    bob.drop();
    const back = world.watch('bob').take();
    expect(back.map((message) => message.type)).not.toContain('client-connect');
    expect(ids(back).length).toBeGreaterThan(0);
  });

  it('expire after 14 days, which a sender that is there is told', () => {
    const [world, alice, bob] = withAway();
    const carol = world.join('carol');
    const old = alice.say(bob.address, 'old');
    alice.send({ type: 'ack', dst: bob.address, saData: BYTES, data: BYTES });
    carol.say(bob.address, 'of carol');
    world.settle();
    leave(world, carol);
    world.pass(DAY);
    const younger = alice.say(bob.address, 'younger');
    alice.take();
    world.pass(13 * DAY - 120_000);
    expect(alice.take()).toEqual([]);
    world.pass(240_000);
    expect(alice.take()).toEqual([{ type: 'error', code: 'expired', msgId: old }]);
    expect(world.relay.metrics()).toMatchObject({ expired: 3 });
    expect(ids(world.watch('bob').take())).toEqual([younger]);
  });

  it('beyond a mailbox are answered as for nobody, and closes nobody', () => {
    const limits = { mailboxMessages: 10, mailboxBytes: 6_000 };
    const [world, alice, bob] = withAway({ limits });
    const answers = (count: number, length: number): readonly string[] => {
      for (let index = 0; index < count; index += 1) alice.say(bob.address, `${length} ${index}`, length);
      return alice.take().map((answer) => (answer.type === 'error' ? answer.code : answer.type));
    };
    expect(answers(12, 10)).toEqual([...Array(10).fill('ack'), 'unknown-peer', 'unknown-peer']);
    const back = world.join('bob');
    expect(answers(1, 11)).toEqual(['unknown-peer']);
    expect(back.isClosed).toBe(false);
    back.send({ type: 'list', id: messageId('list') });
    const [, ...got] = back.take();
    expect(got).toHaveLength(10);
    for (const id of ids(got)) store(back, alice, id);
    world.settle();
    leave(world, back);
    expect(answers(3, 4_000)).toEqual(['ack', 'unknown-peer', 'unknown-peer']);
  });

  it('are kept for nobody where the relay keeps nothing, and do not outlive it', () => {
    const [, alice, bob] = withAway({ limits: { keptAddresses: 0 } });
    const id = alice.say(bob.address, 'one');
    expect(alice.take()).toEqual([{ type: 'error', code: 'unknown-peer', msgId: id }]);
    const [, first] = withAway();
    first.say(bob.address, 'lost');
    expect(new World().watch('bob').take()).toHaveLength(1);
  });

  it('stay within their label: nobody else can tell whether any are kept', () => {
    const policy = loadPolicy(`{
      "levels": ["low", "high"],
      "clearance": [{ "label": "high" }]
    }`);
    const world = new World({ policy });
    const [low, high] = [world.watch('alice', { label: 'low' }), world.watch('carol', { label: 'high' })];
    const bob = world.join('bob', { label: 'high' });
    publish(bob, 'x', [bundleOf(world, bob)]);
    leave(world, bob);
    world.pass(200);
    high.take();
    low.take();
    const answer = (sender: Client, dst: Client['address']): string => {
      sender.say(dst, 'same');
      sender.inbox.length = 0;
      sender.bytes.length = 0;
      while (sender.step());
      return sender.bytes.map(hex).join();
    };
    expect(answer(low, bob.address)).toBe(answer(low, NOBODY));
    expect(answer(high, bob.address)).not.toBe(answer(high, NOBODY));
    low.take();
    world.pass(1_000);
    expect(low.take()).toEqual([]);
    // At another level there is another mailbox.
    expect(ids(world.watch('bob', { label: 'low' }).take())).toEqual([]);
    expect(ids(world.watch('bob', { label: 'high' }).take())).toHaveLength(1);
  });
});
