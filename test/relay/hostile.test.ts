import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordCipher } from '../../src/crypto/provider.ts';
import { bindSuite } from '../../src/crypto/index.ts';
import { RSA_WITH_AES_128_CBC_SHA256 } from '../../src/crypto/node/index.ts';
import { addressFromBytes, type MessageId } from '../../src/messages/address.ts';
import { encodeMessage } from '../../src/messages/messages.ts';
import { messageId, QUICK, seeded, World, type Client } from './world.ts';

const NOBODY = addressFromBytes(new Uint8Array(28));
const BYTES = new Uint8Array(30);

/** Nothing is left of a connection but, for a while, a place in the list. */
function expectClean(world: World): void {
  expect(world.relay.metrics()).toMatchObject({
    connectionsNow: 0,
    strangersNow: 0,
    handshakesNow: 0,
    sessionsNow: 0,
    watchersNow: 0,
    longQueueBytesNow: 0,
  });
}

describe('a stranger', () => {
  it('that sends garbage is told so once and closed', () => {
    for (const bytes of [Uint8Array.of(0), Uint8Array.of(0xa1, 0, 1), new Uint8Array(1000).fill(0x7b), BYTES]) {
      const world = new World();
      const mallory = world.connect('mallory', { encoding: bytes[0] === 0x7b ? 'json' : 'cbor' });
      mallory.sendBytes(bytes);
      mallory.sendBytes(bytes);
      world.settle();
      expect(mallory.errors).toEqual(['malformed']);
      expect(mallory.isClosed).toBe(true);
      expectClean(world);
    }
  });

  it('is told of an unknown type in its own encoding', () => {
    const world = new World();
    const mallory = world.connect('mallory', { encoding: 'json' });
    mallory.sendBytes(Buffer.from(`{"type":"dance","id":"${messageId('x')}"}`));
    world.settle();
    expect(mallory.errors).toEqual(['unknown-type']);
  });

  it('gets nothing by messages that belong inside a hop', () => {
    for (const type of ['client-com', 'list', 'client-connect', 'ack'] as const) {
      const world = new World();
      const victim = world.join('victim');
      const mallory = world.connect('mallory');
      const common = { id: messageId('x'), dst: victim.address, saData: BYTES, data: BYTES };
      if (type === 'client-com') mallory.sendClear({ type, ...common });
      else if (type === 'client-connect') mallory.sendClear({ type, phase: 1, ...common });
      else if (type === 'list') mallory.sendClear({ type, id: messageId('x') });
      else mallory.sendClear({ type, dst: victim.address, saData: BYTES, data: BYTES });
      world.settle();
      expect(mallory.errors).toEqual(['unexpected']);
      expect(mallory.isClosed).toBe(true);
      expect(victim.take()).toEqual([]);
    }
  });

  it('may send records early: they are dropped, and it may still come in', () => {
    const world = new World();
    const mallory = world.connect('mallory');
    mallory.sendClear({ type: 'secure', saData: BYTES, payload: BYTES });
    mallory.start();
    world.settle();
    expect(mallory.isEstablished).toBe(true);
  });

  it('that says nothing, or stops half way, is closed after 10 s', () => {
    for (const phases of [0, 1, 2]) {
      const world = new World();
      const slow = world.connect('slow');
      if (phases > 0) slow.start();
      slow.isStalled = true;
      world.settle();
      if (phases === 2) slow.sendClear({ type: 'connect', phase: 3, id: slow.handshakeId, data: Uint8Array.of(0xa0) });
      world.settle();
      world.pass(9_999);
      if (phases < 2) expect(slow.isClosed).toBe(false);
      world.pass(1);
      slow.isStalled = false;
      world.settle();
      expect(slow.errors.at(-1)).toBe(phases === 2 ? 'malformed' : 'timeout');
      expect(slow.isClosed).toBe(true);
      expectClean(world);
      expect(world.relay.metrics().timersNow).toBe(1);
    }
  });

  it('that was quick is not touched by that time', () => {
    const world = new World();
    const alice = world.join('alice');
    world.pass(3_600_000);
    expect(alice.isClosed).toBe(false);
  });

  it('cannot begin a second handshake, nor name its first by a false id', () => {
    for (const phase of [1, 3] as const) {
      const world = new World();
      const mallory = world.connect('mallory');
      if (phase === 3) mallory.start();
      mallory.isStalled = true;
      world.settle();
      const body = encodeMessage({ type: 'disconnect' }, 'cbor');
      mallory.sendClear({ type: 'connect', phase, id: messageId('other'), data: body });
      mallory.isStalled = false;
      world.settle();
      expect(mallory.errors).toHaveLength(1);
      expect(mallory.isClosed).toBe(true);
      expectClean(world);
    }
  });

  it('whose bytes are arbitrary costs nobody but itself', () => {
    const world = new World();
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 4 }), (frames) => {
        const mallory = world.connect('mallory');
        mallory.isStalled = true;
        for (const frame of frames) mallory.sendBytes(frame);
        world.settle();
        mallory.drop();
      }),
      { numRuns: 200 },
    );
    alice.say(bob.address, 'still here');
    expect(bob.take()).toHaveLength(1);
    expect(world.relay.metrics()).toMatchObject({ connectionsNow: 2, strangersNow: 0, sessionsFailed: 0 });
  });

  it('whose known messages are mutated costs nobody but itself', () => {
    const world = new World();
    const sample = world.connect('sample');
    sample.start();
    const random = seeded('mutations');
    for (let round = 0; round < 100; round += 1) {
      const mallory = world.connect('mallory');
      mallory.start();
      if (round % 2 === 0) world.settle();
      const message = mallory.isEstablished
        ? mallory.sealed({ type: 'list', id: messageId('x') })
        : encodeMessage({ type: 'connect', phase: 1, id: mallory.handshakeId, data: BYTES }, 'cbor');
      const [at, bit] = [random(2), random(1)];
      const index = ((at[0]! << 8) | at[1]!) % message.length;
      message[index]! ^= 1 << (bit[0]! & 7);
      mallory.sendBytes(message);
      world.settle();
      mallory.drop();
    }
    sample.drop();
    expectClean(world);
    expect(world.relay.metrics().sessionsFailed).toBe(0);
  });
});

describe('many strangers', () => {
  it('that begin no handshake make room for who does', () => {
    const world = new World({ limits: { strangers: 100 } });
    const silent = Array.from({ length: 3_000 }, (_, index) => {
      const client = world.connect('silent');
      if (index % 10 === 0) client.sendClear({ type: 'secure', saData: BYTES, payload: BYTES });
      world.settle();
      return client;
    });
    expect(world.relay.metrics()).toMatchObject({ strangersNow: 100, connectionsNow: 100, refused: 2_900 });
    expect(silent.filter((client) => !client.isClosed)).toEqual(silent.slice(-100));
    expect(world.join('alice').isEstablished).toBe(true);
  }, 20_000);

  it('in the midst of handshakes are bounded; more are told busy, and closed', () => {
    const world = new World({ limits: { handshakes: 5 } });
    const half = Array.from({ length: 8 }, (_, index) => {
      const client = world.connect(`half ${index}`);
      client.isStalled = true;
      client.start();
      return client;
    });
    world.settle();
    expect(world.relay.metrics()).toMatchObject({ handshakesNow: 5, strangersNow: 5 });
    for (const client of half) client.isStalled = false;
    world.settle();
    expect(half.map((client) => client.errors)).toEqual([[], [], [], [], [], ['busy'], ['busy'], ['busy']]);
    expect(half.filter((client) => client.isEstablished)).toHaveLength(5);
    expect(world.relay.metrics().handshakesNow).toBe(0);
    expect(world.join('later').isEstablished).toBe(true);
  });

  it('with half-done handshakes give their place to others after 2 s', () => {
    const world = new World({ limits: { handshakes: 3 } });
    const half = [1, 2, 3].map((index) => {
      const client = world.connect(`half ${index}`);
      client.isStalled = true;
      client.start();
      world.settle();
      world.pass(10);
      return client;
    });
    const early = world.connect('early');
    early.start();
    world.settle();
    expect(early.errors).toEqual(['busy']);
    world.pass(1_990);
    expect(world.join('late').isEstablished).toBe(true);
    for (const client of half) client.isStalled = false;
    world.settle();
    expect(half.map((client) => client.errors)).toEqual([['busy'], [], []]);
    expect(half.map((client) => client.isClosed)).toEqual([true, false, false]);
    expect(world.relay.metrics()).toMatchObject({ handshakesNow: 0, strangersNow: 0 });
  });

  it('are turned away beyond the limit of connections', () => {
    const world = new World({ limits: { connections: 3 } });
    const clients = [1, 2, 3, 4].map((index) => world.join.bind(world, `${index}`));
    for (const join of clients.slice(0, 3)) join();
    expect(world.connect('4').isClosed).toBe(true);
    expect(world.relay.metrics()).toMatchObject({ connectionsNow: 3, refused: 1 });
  });
});

describe('RSA', () => {
  const suites = [RSA_WITH_AES_128_CBC_SHA256, QUICK];
  const rsaPool = { available: 0, take: () => undefined };

  it('is left out while no key pair is ready and the client offers something else', () => {
    const world = new World({ suites, rsaPool });
    expect(world.join('alice', { suites }).established?.suite.name).toBe(QUICK.name);
  });

  it('is busy for who offers nothing else, beyond its own limit', () => {
    const world = new World({ suites, rsaPool, limits: { rsaHandshakes: 0 } });
    const alice = world.connect('alice', { suites: [RSA_WITH_AES_128_CBC_SHA256] });
    alice.start();
    world.settle();
    expect(alice.errors).toEqual(['busy']);
    expectClean(world);
  });

  it('handshakes wait without being read, are counted, and hold nothing when their client is gone', async () => {
    const world = new World({ suites, limits: { rsaHandshakes: 1 } });
    const alice = world.connect('alice', { suites: [RSA_WITH_AES_128_CBC_SHA256] });
    alice.start();
    world.settle();
    expect(alice.isHeldUp).toBe(true);
    const second = world.connect('second', { suites: [RSA_WITH_AES_128_CBC_SHA256] });
    second.start();
    world.settle();
    expect(second.errors).toEqual(['busy']);
    expect(world.join('third', { suites }).established?.suite.name).toBe(QUICK.name);
    alice.drop();
    expect(world.relay.metrics()).toMatchObject({ handshakesNow: 0, strangersNow: 0 });
    // The pair that is being made comes to nobody.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(world.relay.metrics()).toMatchObject({ sessionsNow: 1, sessionsFailed: 0 });
  });
});

describe('a client', () => {
  it('that sends what does not parse inside its hop is told why, and its hop goes on', () => {
    const world = new World();
    const alice = world.join('alice');
    const id = messageId('x');
    alice.sendInside(Buffer.from(`{"type":"dance","id":"${id}"}`));
    alice.sendInside(Buffer.from([0xa2, 0, 7, 3]));
    alice.sendInside(Buffer.from([0xff]));
    alice.send({ type: 'secure', saData: BYTES, payload: BYTES });
    alice.send({ type: 'connect', phase: 1, id, data: BYTES });
    alice.send({ type: 'list', id, complete: true, data: [] });
    const answers = alice.take();
    expect(answers).toEqual([
      { type: 'error', code: 'unknown-type', msgId: id },
      { type: 'error', code: 'malformed' },
      { type: 'error', code: 'malformed' },
      { type: 'error', code: 'unexpected' },
      { type: 'error', code: 'unexpected', msgId: id },
      { type: 'error', code: 'unexpected', msgId: id },
    ]);
    expect(alice.isClosed).toBe(false);
  });

  it('whose record is repeated, lost, reordered, changed or in the clear loses its hop, and nobody else does', () => {
    const faults: Record<string, (alice: Client, first: Uint8Array, second: Uint8Array) => readonly Uint8Array[]> = {
      repeated: (_alice, first) => [first, first],
      lost: (_alice, _first, second) => [second],
      reordered: (_alice, first, second) => [second, first],
      changed: (_alice, first) => [first.with(first.length - 1, first.at(-1)! ^ 1)],
      garbage: () => [Uint8Array.of(0xa0, 0)],
    };
    for (const [fault, make] of Object.entries(faults)) {
      const world = new World();
      const [alice, bob] = [world.join('alice'), world.join('bob')];
      const message = { type: 'client-com', dst: bob.address, saData: BYTES, data: BYTES } as const;
      const frames = make(
        alice,
        alice.sealed({ ...message, id: messageId('1') }),
        alice.sealed({ ...message, id: messageId('2') }),
      );
      for (const frame of frames) alice.sendBytes(frame);
      const got = bob.take();
      expect(got.length, fault).toBe(fault === 'repeated' ? 1 : 0);
      expect(alice.isClosed, fault).toBe(true);
      expect(bob.isClosed, fault).toBe(false);
      expect(world.relay.metrics(), fault).toMatchObject({ sessionsNow: 1, sessionsFailed: 0, gracesNow: 1 });
    }
  });

  it('is not touched by hints in the clear', () => {
    const world = new World();
    const alice = world.join('alice');
    alice.sendClear({ type: 'disconnect' });
    alice.sendClear({ type: 'error', code: 'internal' });
    alice.sendClear({ type: 'list', id: messageId('x') });
    alice.sendClear({ type: 'connect', phase: 3, id: messageId('x'), data: BYTES });
    alice.say(alice.address, 'myself');
    expect(alice.take()).toHaveLength(2);
    expect(alice.isClosed).toBe(false);
  });

  it('that repeats phase 3 gets phase 4 again, until its first record', () => {
    const world = new World();
    const frames: Uint8Array[] = [];
    const alice = world.connect('alice');
    const { sendClear } = alice;
    alice.sendClear = (message) => {
      frames.push(encodeMessage(message, 'cbor'));
      sendClear.call(alice, message);
    };
    alice.start();
    world.settle();
    const { framesOut } = world.relay.metrics();
    alice.sendBytes(frames[1]!);
    world.settle();
    expect(world.relay.metrics().framesOut).toBe(framesOut + 1);
    alice.say(NOBODY, 'x');
    alice.sendBytes(frames[1]!);
    expect(alice.take()).toHaveLength(1);
    expect(world.relay.metrics().framesOut).toBe(framesOut + 2);
  });

  it('over its rate is slowed by not being read, without an error or a loss', () => {
    const world = new World({ limits: { messagesPerSecond: 200, messageBurst: 1_000 } });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    for (let index = 0; index < 2_000; index += 1) alice.say(bob.address, `${index}`);
    world.settle();
    expect(alice.isHeldUp).toBe(true);
    expect(alice.unread).toBe(2_000 - 1_001);
    expect(world.relay.metrics().timersNow).toBeLessThan(10);
    world.pass(1_000);
    expect(alice.unread).toBeLessThanOrEqual(2_000 - 1_180);
    expect(alice.unread).toBeGreaterThanOrEqual(2_000 - 1_222);
    world.pass(5_000);
    expect(bob.take()).toHaveLength(2_000);
    const answers = alice.take();
    expect(answers).toHaveLength(2_000);
    expect(answers.every((answer) => answer.type === 'ack')).toBe(true);
    expect(world.relay.metrics().slowed).toBeLessThan(60);
  });

  it('over its rate in bytes is slowed alike', () => {
    const world = new World({ limits: { bytesPerSecond: 10_000, byteBurst: 50_000 } });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    for (let index = 0; index < 10; index += 1) alice.say(bob.address, `${index}`, 10_000);
    world.settle();
    expect(alice.unread).toBe(5);
    world.pass(20_000);
    expect(bob.take()).toHaveLength(10);
  });

  it('pays for whole lists by its rate', () => {
    const world = new World();
    for (let index = 0; index < 20; index += 1) world.join(`client ${index}`);
    const alice = world.join('alice');
    for (let index = 0; index < 1_000; index += 1) alice.send({ type: 'list', id: messageId(`${index}`) });
    world.settle();
    expect(alice.unread).toBeGreaterThan(700);
  });

  it('that reads nothing is not read either, once its answers have piled up', () => {
    const world = new World({ limits: { queueMarkBytes: 5_000 } });
    const alice = world.join('alice');
    alice.isStalled = true;
    for (let index = 0; index < 500; index += 1) alice.say(NOBODY, `${index}`);
    world.settle();
    expect(alice.isHeldUp).toBe(true);
    expect(alice.queuedBytes).toBeLessThan(5_200);
    alice.unstall();
    expect(alice.take()).toHaveLength(500);
  });
});

describe('a slow reader', () => {
  const limits = { queueMarkBytes: 2_000, queueBytes: 10_000, mailboxMessages: 20 };

  it('gets by way of the mailbox, in order and marked, what its queue could not hold', () => {
    const world = new World({ limits });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    bob.isStalled = true;
    for (let index = 0; index < 25; index += 1) alice.say(bob.address, `${index}`, 500);
    expect(alice.take().every((answer) => answer.type === 'ack')).toBe(true);
    expect(bob.queuedBytes).toBeLessThan(11_000);
    const { spilled } = world.relay.metrics();
    expect(spilled).toBeGreaterThan(5);
    bob.unstall();
    const got = bob.take();
    expect(got.map((message) => 'id' in message && message.id)).toEqual(
      Array.from({ length: 25 }, (_, index) => messageId(`${index}`)),
    );
    expect(got.filter((message) => message.type === 'client-com' && message.stored === true)).toHaveLength(spilled);
    alice.say(bob.address, 'live again');
    expect(bob.take()).not.toHaveProperty('0.stored');
  });

  it('is closed when its mailbox is full; the rest waits for its next session, repeats but once', () => {
    const world = new World({ limits });
    const [alice, bob] = [world.join('alice'), world.join('bob', { encoding: 'json' })];
    bob.isStalled = true;
    for (let index = 0; index < 60; index += 1) alice.say(bob.address, `${index}`, 500);
    world.settle();
    expect(bob.isClosed).toBe(true);
    const answers = alice.take();
    const accepted = answers.filter((answer) => answer.type === 'ack').length;
    expect(answers.slice(accepted).every((answer) => answer.type === 'error' && answer.code === 'unknown-peer')).toBe(
      true,
    );
    expect(answers).toHaveLength(60);
    expect(world.relay.metrics()).toMatchObject({ slowConsumers: 1, sessionsNow: 1, longQueueBytesNow: 0 });
    bob.isStalled = false;
    const before = bob.take();
    expect(before.at(-1)).toEqual({ type: 'disconnect', code: 'slow-consumer' });
    const again = world.watch('bob', { encoding: 'json' });
    const stored = again.take().filter((message) => message.type !== 'list');
    expect(stored).toHaveLength(20);
    expect(stored.every((message) => message.type === 'client-com' && message.stored === true)).toBe(true);
    expect(before.length - 1 + stored.length).toBe(accepted);
    for (const message of stored)
      again.send({ type: 'ack', src: alice.address, msgId: (message as { id: MessageId }).id });
    expect(again.take()).toEqual([]);
    expect(world.watch('bob', { encoding: 'json' }).take()).toMatchObject([{ type: 'list' }]);
  });

  it('keeps a repeat in its mailbox once', () => {
    const world = new World({ limits });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    bob.isStalled = true;
    for (let index = 0; index < 20; index += 1) alice.say(bob.address, `${index}`, 500);
    world.settle();
    const { spilled } = world.relay.metrics();
    for (let index = 0; index < 50; index += 1) alice.say(bob.address, '19', 500);
    expect(alice.take().every((answer) => answer.type === 'ack')).toBe(true);
    expect(world.relay.metrics().spilled).toBe(spilled);
  });

  it('is closed when it stays slow for 30 s', () => {
    const world = new World({ limits });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    bob.isStalled = true;
    for (let index = 0; index < 25; index += 1) alice.say(bob.address, `${index}`, 500);
    world.settle();
    world.pass(29_999);
    expect(bob.isClosed).toBe(false);
    world.pass(1);
    expect(bob.isClosed).toBe(true);
    expect(world.relay.metrics()).toMatchObject({ slowConsumers: 1, longQueueBytesNow: 0 });
  });

  it('loses acknowledgements and errors of others, which are not waited for', () => {
    const world = new World({ limits });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    bob.isStalled = true;
    for (let index = 0; index < 200; index += 1)
      alice.send({ type: 'ack', dst: bob.address, saData: BYTES, data: BYTES });
    world.settle();
    expect(bob.queuedBytes).toBeLessThan(10_500);
    expect(bob.isClosed).toBe(false);
    expect(world.relay.metrics().dropped).toBeGreaterThan(0);
  });

  it('in company counts as slow sooner, so that all together stay bounded', () => {
    const total = 30_000;
    const world = new World({ limits: { ...limits, totalQueueBytes: total, totalMailboxBytes: 20_000 } });
    const alice = world.join('alice');
    const slow = Array.from({ length: 20 }, (_, index) => world.join(`slow ${index}`));
    for (const client of slow) client.isStalled = true;
    for (let index = 0; index < 30; index += 1) {
      for (const client of slow) alice.say(client.address, `${index} ${client.connection}`, 500);
    }
    world.settle();
    world.pass(5_000);
    const queued = slow.filter((client) => !client.isClosed).reduce((sum, client) => sum + client.queuedBytes, 0);
    expect(queued).toBeLessThan(total + 20 * 3_000);
    expect(world.relay.metrics().longQueueBytesNow).toBeLessThan(total + 1_000);
    expect(alice.isClosed).toBe(false);
  });
});

describe('a fault of the relay in one session', () => {
  const marker = Buffer.from('make this session fail');
  const broken: RecordCipher = {
    ...QUICK.cipher,
    open: (...args) => {
      const plaintext = QUICK.cipher.open(...args);
      if (plaintext !== undefined && Buffer.from(plaintext).includes(marker)) throw new TypeError('a fault');
      return plaintext;
    },
    seal: (key, randomness, associatedData, plaintext, nowMs) => {
      if (Buffer.from(plaintext).includes('to the one who fails')) throw new TypeError('a fault');
      return QUICK.cipher.seal(key, randomness, associatedData, plaintext, nowMs);
    },
  };
  const suite = bindSuite(QUICK.name, { kem: QUICK.kem, cipher: broken, provider: QUICK.provider });

  it('while it reads ends that session alone', () => {
    const world = new World({ suites: [suite] });
    const [alice, bob, carol] = [world.join('alice'), world.join('bob'), world.join('carol')];
    alice.sendInside(marker);
    world.settle();
    expect(alice.take()).toEqual([]);
    expect(alice.isClosed).toBe(true);
    bob.say(carol.address, 'still here');
    expect(carol.take()).toHaveLength(1);
    expect(world.relay.metrics()).toMatchObject({ sessionsNow: 2, sessionsFailed: 1 });
    expect(world.events.find(({ event }) => event === 'session-failed')).toMatchObject({ code: 'internal' });
    expect(world.join('alice').isEstablished).toBe(true);
  });

  it('while it is written to ends that session, not the sender’s', () => {
    const world = new World({ suites: [suite] });
    const [alice, bob] = [world.join('alice'), world.join('bob')];
    alice.send({
      type: 'client-com',
      id: messageId('x'),
      dst: bob.address,
      saData: BYTES,
      data: Buffer.from('to the one who fails'),
    });
    expect(alice.take()).toEqual([{ type: 'error', code: 'unknown-peer', msgId: messageId('x') }]);
    expect([alice.isClosed, bob.isClosed]).toEqual([false, true]);
    expect(world.relay.metrics()).toMatchObject({ sessionsNow: 1, sessionsFailed: 1, gracesNow: 1 });
  });

  it('while it comes in ends that handshake alone', () => {
    const world = new World({
      describeCredential: ({ id, kind }) => {
        if (kind === 'none') throw new TypeError('a fault');
        return { kind: 'key', id, verified: false };
      },
    });
    const alice = world.join('alice');
    const mallory = world.connect('mallory', { kind: 'none' });
    mallory.start();
    world.settle();
    expect(mallory.isClosed).toBe(true);
    expect(alice.isClosed).toBe(false);
    expect(world.relay.metrics()).toMatchObject({ sessionsNow: 1, handshakesNow: 0, strangersNow: 0 });
  });
});

describe('the log', () => {
  it('holds no name, no address and nothing that was said', () => {
    const world = new World();
    const [alice, bob] = [world.join('alice', { name: 'Alice Liddell' }), world.join('bob')];
    alice.say(bob.address, 'secret');
    alice.sendBytes(Uint8Array.of(1));
    world.settle();
    bob.drop();
    world.relay.shutDown();
    const text = JSON.stringify(world.events);
    expect(world.events.length).toBeGreaterThan(4);
    for (const word of ['Liddell', alice.address, alice.address.slice(0, 27), bob.address, messageId('secret')]) {
      expect(text).not.toContain(word);
    }
  });
});

describe('a relay', () => {
  it('that knows its names takes nobody who asked for another', () => {
    const world = new World({ serverNames: ['relay.example'] });
    const stray = world.connect('stray', { serverName: 'other.example' });
    stray.start();
    world.settle();
    expect(stray.errors).toEqual(['rejected']);
    expect(world.join('alice', { serverName: 'relay.example' }).relayName).toBe('the relay');
  });

  it('refuses options that make no sense', () => {
    const cases = [
      { limits: { handshakes: 0 } },
      { limits: { frameBytes: 2 ** 21 } },
      { limits: { queueBytes: 1.5 } },
      { limits: { noSuchLimit: 1 } as object },
      { suites: [] },
      { name: 'x'.repeat(129) },
    ];
    for (const options of cases) {
      expect(() => new World(options)).toThrow(expect.objectContaining({ code: 'relay/invalid-option' }));
    }
  });
});
