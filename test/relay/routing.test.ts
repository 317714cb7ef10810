import { describe, expect, it } from 'vitest';
import { addressFromBytes } from '../../src/messages/address.ts';
import { listed, messageId, World } from './world.ts';

const NOBODY = addressFromBytes(new Uint8Array(28));
const UNUSED = new Uint8Array(3);

describe('messages between clients', () => {
  it('arrive from their sender, and are accepted', () => {
    const world = new World();
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    const id = alice.say(bob.address, 'one');
    expect(alice.take()).toEqual([{ type: 'ack', msgId: id }]);
    const [message] = bob.take();
    expect(message).toEqual({
      type: 'client-com',
      id,
      src: alice.address,
      saData: new Uint8Array(20),
      data: new Uint8Array(5),
    });
  });

  it('hold the source that the hop proves, whatever was claimed', () => {
    const world = new World();
    const [alice, bob, carol] = [world.join('alice'), world.join('bob'), world.join('carol')];
    const common = { dst: bob.address, src: carol.address, saData: UNUSED, data: UNUSED };
    alice.send({ type: 'client-com', id: messageId('1'), stored: true, ...common });
    alice.send({ type: 'client-disconnect', id: messageId('2'), ...common });
    alice.send({ type: 'ack', ...common });
    alice.send({ type: 'error', code: 'rejected', msgId: messageId('3'), dst: bob.address, src: carol.address });
    alice.send({
      type: 'client-connect',
      phase: 1,
      id: messageId('4'),
      data: UNUSED,
      dst: bob.address,
      src: carol.address,
      label: 'card-holders',
    });
    const messages = bob.take();
    expect(messages.map((message) => 'src' in message && message.src)).toEqual(Array(5).fill(alice.address));
    expect(messages.some((message) => 'dst' in message)).toBe(false);
    expect(messages[0]).not.toHaveProperty('stored');
    expect(messages[4]).toMatchObject({ label: 'everyone' });
  });

  it('to nobody are answered by unknown-peer; acknowledgements and errors by nothing', () => {
    const world = new World();
    const alice = world.join('alice');
    const id = alice.say(NOBODY, 'one');
    alice.send({ type: 'ack', dst: NOBODY, saData: UNUSED, data: UNUSED });
    alice.send({ type: 'error', code: 'rejected', dst: NOBODY });
    alice.send({ type: 'error', code: 'rejected' });
    alice.send({ type: 'ack', msgId: messageId('x') });
    expect(alice.take()).toEqual([{ type: 'error', code: 'unknown-peer', msgId: id }]);
  });

  it('without a receiver are malformed, and the hop goes on', () => {
    const world = new World();
    const alice = world.join('alice');
    alice.send({ type: 'client-com', id: messageId('one'), saData: UNUSED, data: UNUSED });
    expect(alice.take()).toEqual([{ type: 'error', code: 'malformed', msgId: messageId('one') }]);
    expect(alice.isClosed).toBe(false);
  });

  it('pass between JSON and CBOR, each client answered in its own', () => {
    const world = new World();
    const alice = world.join('alice', { encoding: 'json' });
    const bob = world.join('bob', { encoding: 'cbor' });
    const first = alice.say(bob.address, 'to bob');
    const second = bob.say(alice.address, 'to alice');
    expect(alice.take()).toMatchObject([
      { type: 'ack', msgId: first },
      { id: second, src: bob.address },
    ]);
    expect(bob.take()).toMatchObject([
      { id: first, src: alice.address },
      { type: 'ack', msgId: second },
    ]);
  });

  it('that do not fit the receiver in its encoding are too large, and both hops go on', () => {
    const world = new World();
    const alice = world.join('alice');
    const bob = world.join('bob', { encoding: 'json' });
    const large = alice.say(bob.address, 'large', 900_000);
    const small = alice.say(bob.address, 'small');
    expect(alice.take()).toEqual([
      { type: 'error', code: 'too-large', msgId: large },
      { type: 'ack', msgId: small },
    ]);
    expect(bob.take()).toMatchObject([{ id: small }]);
  });
});

describe('the list', () => {
  it('is whole at first, without the asker, and then told in gathered changes', () => {
    const world = new World();
    const alice = world.join('alice', { name: 'Alice' });
    const bob = world.watch('bob', { name: 'Bob' });
    const [whole] = bob.take();
    expect(whole).toMatchObject({ type: 'list', id: messageId('list'), complete: true });
    expect(listed(whole)).toEqual({ [alice.address]: 'Alice' });
    expect(whole).toMatchObject({ data: [{ kind: 'key', label: 'everyone', fingerprint: alice.fingerprint }] });

    const joined = ['carol', 'dave', 'eve'].map((name) => world.join(name));
    world.pass(99);
    expect(bob.take()).toEqual([]);
    world.pass(1);
    const changes = bob.take();
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({ complete: false });
    expect(changes[0]).not.toHaveProperty('id');
    expect(Object.keys(listed(changes[0]))).toEqual(joined.map((client) => client.address));

    joined[0]!.send({ type: 'disconnect' });
    world.settle();
    world.pass(100);
    expect(bob.take().map(listed)).toEqual([{ [joined[0]!.address]: false }]);
    expect(alice.take()).toEqual([]);
  });

  it('is empty, and complete, when nobody else is there', () => {
    expect(new World().watch('alice').take()).toEqual([
      { type: 'list', id: messageId('list'), complete: true, data: [] },
    ]);
  });

  it('says nothing of who came and went between two tellings', () => {
    const world = new World();
    const alice = world.watch('alice');
    alice.take();
    const bob = world.join('bob');
    bob.send({ type: 'disconnect' });
    world.settle();
    world.pass(1_000);
    expect(alice.take()).toEqual([]);
  });

  it('misses nobody who was away for the moment in which it was asked for', () => {
    const world = new World();
    const first = world.watch('first');
    const bob = world.join('bob', { name: 'Bob' });
    world.pass(200);
    bob.send({ type: 'disconnect' });
    world.settle();
    const late = world.watch('late');
    world.join('bob', { name: 'Bob' });
    world.pass(200);
    const told: Record<string, string | false> = {};
    for (const message of late.take()) Object.assign(told, listed(message));
    expect(told[bob.address]).toBe('Bob');
    expect(Object.assign({}, ...first.take().map(listed))).toMatchObject({ [bob.address]: 'Bob' });
  });

  it('of many comes in parts: the first begins anew, the others add', () => {
    const world = new World();
    for (let index = 0; index < 300; index += 1) world.join(`client ${index}`);
    const alice = world.watch('alice');
    const parts = alice.take();
    expect(parts.map((part) => part.type === 'list' && part.complete)).toEqual([true, false]);
    expect(new Set(parts.flatMap((part) => Object.keys(listed(part)))).size).toBe(300);
  });

  it('is held back from a client that does not read, and whole in the end', () => {
    const world = new World({ limits: { queueMarkBytes: 2_000 } });
    const alice = world.watch('alice');
    const others = Array.from({ length: 30 }, (_, index) => world.join(`client ${index}`));
    world.pass(200);
    alice.take();
    alice.isStalled = true;
    for (let index = 0; index < 30; index += 1) others[0]!.say(alice.address, `m${index}`, 100);
    world.settle();
    const queued = alice.queuedBytes;
    expect(queued).toBeGreaterThan(2_000);
    for (const other of others.slice(1, 11)) other.send({ type: 'disconnect' });
    world.settle();
    world.pass(500);
    for (let index = 0; index < 5; index += 1) world.join(`new ${index}`);
    world.pass(500);
    expect(alice.queuedBytes).toBe(queued);
    alice.unstall();
    const told: Record<string, string | false> = {};
    for (const message of alice.take()) if (message.type === 'list') Object.assign(told, listed(message));
    expect(Object.values(told).filter((name) => name === false)).toHaveLength(10);
    expect(Object.values(told).filter((name) => name !== false)).toHaveLength(5);
  });
});

describe('an address', () => {
  it('is taken over by a newer session at the same label, which the list does not show', () => {
    const world = new World();
    const watcher = world.watch('watcher');
    const old = world.join('alice');
    world.pass(200);
    watcher.take();
    const newer = world.join('alice');
    expect(newer.address).toBe(old.address);
    expect(old.take()).toEqual([{ type: 'disconnect', code: 'taken-over' }]);
    expect(old.isClosed).toBe(true);
    world.relay.disconnected(old.connection);
    world.pass(120_000);
    expect(watcher.take()).toEqual([]);
    watcher.say(newer.address, 'hello');
    expect(newer.take()).toHaveLength(1);
    expect(world.relay.metrics()).toMatchObject({ takenOver: 1, sessionsNow: 2, addressesNow: 2, gracesNow: 0 });
  });

  it('of another device of the same person stands beside it', () => {
    const world = new World();
    const [phone, desk] = [world.join('alice'), world.join('alice', { device: 'desk' })];
    expect(phone.address.slice(0, 27)).toBe(desk.address.slice(0, 27));
    expect(phone.address).not.toBe(desk.address);
    expect(phone.take()).toEqual([]);
    expect(phone.isClosed).toBe(false);
  });

  it('whose connection broke is listed for 60 s, and answered as nobody', () => {
    const world = new World();
    const watcher = world.watch('watcher');
    const alice = world.join('alice');
    world.pass(200);
    watcher.take();
    alice.drop();
    const id = watcher.say(alice.address, 'are you there');
    expect(watcher.take()).toEqual([{ type: 'error', code: 'unknown-peer', msgId: id }]);
    world.pass(59_999);
    expect(watcher.take()).toEqual([]);
    world.pass(101);
    expect(watcher.take().map(listed)).toEqual([{ [alice.address]: false }]);
    expect(world.relay.metrics()).toMatchObject({ addressesNow: 1, gracesNow: 0 });
  });

  it('that is back in time goes on without a word in the list; under another name with one', () => {
    const world = new World();
    const watcher = world.watch('watcher');
    world.join('alice').drop();
    world.pass(30_000);
    watcher.take();
    const back = world.join('alice');
    world.pass(120_000);
    expect(watcher.take()).toEqual([]);
    watcher.say(back.address, 'hello');
    expect(back.take()).toHaveLength(1);
    back.drop();
    world.join('alice', { name: 'Alicia' });
    world.pass(120_000);
    expect(watcher.take().map((message) => message.type)).toEqual(['ack', 'list']);
  });

  it('that said goodbye is gone at once', () => {
    const world = new World();
    const watcher = world.watch('watcher');
    const alice = world.join('alice');
    world.pass(200);
    watcher.take();
    alice.send({ type: 'disconnect' });
    world.settle();
    expect(alice.isClosed).toBe(true);
    world.pass(100);
    expect(watcher.take().map(listed)).toEqual([{ [alice.address]: false }]);
  });

  it('in its grace makes room when there are too many', () => {
    const world = new World({ limits: { graces: 2 } });
    for (const name of ['a', 'b', 'c', 'd']) world.join(name).drop();
    expect(world.relay.metrics()).toMatchObject({ addressesNow: 2, gracesNow: 2 });
    world.pass(60_000);
    expect(world.relay.metrics()).toMatchObject({ addressesNow: 0, gracesNow: 0, timersNow: 1 });
  });
});

describe('the end of the relay', () => {
  it('is told to everyone, and nobody is taken any more', () => {
    const world = new World();
    const [alice, stranger] = [world.join('alice'), world.connect('stranger')];
    world.relay.shutDown();
    world.relay.shutDown();
    expect(alice.take()).toEqual([{ type: 'disconnect', code: 'shutting-down' }]);
    expect(stranger.errors).toEqual(['shutting-down']);
    expect(world.connect('late').isClosed).toBe(true);
    expect(world.relay.metrics()).toMatchObject({ connectionsNow: 0, sessionsNow: 0, timersNow: 0 });
  });
});
