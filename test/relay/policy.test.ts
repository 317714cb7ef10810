import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { defaultPolicy, loadPolicy, type CredentialDescription } from '../../src/ifc/index.ts';
import type { VerifiedIdentity } from '../../src/handshake/index.ts';
import { addressFromBytes, clientIdOf, type Address, type MessageId } from '../../src/messages/address.ts';
import type { Message } from '../../src/messages/messages.ts';
import { listed, messageId, World, type Client } from './world.ts';

const NOBODY = addressFromBytes(new Uint8Array(28).fill(7));
const BYTES = new Uint8Array(30);

/** A relay for which the client of a seed has shown a verified certificate. */
function worldWithCard(...seeds: string[]): World {
  const probe = new World();
  const verified = new Set(seeds.map((seed) => clientIdOf(probe.connect(seed).address)));
  return new World({
    policy: defaultPolicy(),
    describeCredential: ({ id, kind }: VerifiedIdentity): CredentialDescription =>
      verified.has(id) ? { kind: 'certificate', id, verified: true } : { kind: kind as 'key', id, verified: false },
  });
}

const KINDS: Readonly<Record<string, (dst: Address, id: MessageId) => Message>> = {
  'client-com': (dst, id) => ({ type: 'client-com', id, dst, saData: BYTES, data: BYTES }),
  'client-disconnect': (dst, id) => ({ type: 'client-disconnect', id, dst, saData: BYTES, data: BYTES }),
  'client-connect': (dst, id) => ({ type: 'client-connect', phase: 1, id, dst, data: BYTES }),
};

/** The bytes of the answer, without the id that the sender chose. */
function answerTo(sender: Client, message: Message & { id: MessageId }): string {
  sender.take();
  sender.send(message);
  sender.inbox.length = 0;
  const before = sender.bytes.length;
  // One input of the relay: whatever it answers, it answers in this step.
  while (sender.step());
  expect(sender.bytes).toHaveLength(before + 1);
  const answer = hex(sender.bytes[before]!);
  const id = hex(Buffer.from(message.id, 'base64url'));
  expect(answer).toContain(id);
  return answer.replace(id, '');
}

describe('two levels', () => {
  it('are those of a verified card and of everyone else', () => {
    const world = worldWithCard('card');
    expect(world.join('card').label).toBe('card-holders');
    expect(world.join('plain').label).toBe('everyone');
    expect(world.join('nobody in particular', { kind: 'none' }).label).toBe('everyone');
  });

  for (const [type, make] of Object.entries(KINDS)) {
    it(`let no ${type} through either way, and answer as for an address that does not exist`, () => {
      for (const [from, to] of [
        ['card', 'plain'],
        ['plain', 'card'],
      ] as const) {
        const world = worldWithCard('card');
        const [sender, receiver, away] = [world.join(from), world.join(to), world.join('away')];
        away.drop();
        const answers = [receiver.address, NOBODY, away.address].map((dst, index) =>
          answerTo(sender, make(dst, messageId(`${index}`)) as Message & { id: MessageId }),
        );
        expect(new Set(answers).size).toBe(1);
        expect(receiver.take()).toEqual([]);
      }
    });
  }

  it('let acknowledgements and errors go up and never down', () => {
    const world = worldWithCard('card');
    const [card, plain] = [world.join('card'), world.join('plain')];
    for (const [sender, dst] of [
      [card, plain.address],
      [plain, card.address],
    ] as const) {
      sender.send({ type: 'ack', dst, saData: BYTES, data: BYTES });
      sender.send({ type: 'error', code: 'rejected', msgId: messageId('x'), dst });
    }
    expect(plain.take()).toEqual([]);
    expect(card.take().map((message) => message.type)).toEqual(['ack', 'error']);
  });

  it('let an acknowledgement reach every session of an address that it may, whoever else is there', () => {
    const levels = ['low', 'middle', 'high'];
    const policy = loadPolicy(JSON.stringify({ levels, clearance: [{ label: 'high' }] }));
    for (const first of ['middle', 'high']) {
      const world = new World({ policy });
      const sender = world.join('sender', { label: 'low' });
      const above = [
        world.join('card', { label: first }),
        world.join('card', { label: first === 'high' ? 'middle' : 'high' }),
      ];
      sender.send({ type: 'ack', dst: above[0]!.address, saData: BYTES, data: BYTES });
      expect(above.map((client) => client.take().map((message) => message.type))).toEqual([['ack'], ['ack']]);
    }
  });

  it('show card holders everyone, and everyone no card holder, neither coming nor going', () => {
    const world = worldWithCard('card', 'other card');
    const [card, plain] = [world.watch('card'), world.watch('plain')];
    world.pass(200);
    expect(Object.assign({}, ...card.take().map(listed))).toEqual({ [plain.address]: 'plain' });
    expect(plain.take().map(listed)).toEqual([{}]);
    world.join('other card').drop();
    world.pass(120_000);
    expect(plain.take()).toEqual([]);
    expect(card.take()).toHaveLength(2);
  });

  it('tell lower changes at times that do not depend on higher ones', () => {
    const times = [false, true].map((isBusyAbove) => {
      const world = worldWithCard('card', 'other card');
      const [, plain] = [world.watch('card'), world.watch('plain')];
      world.pass(1_000);
      plain.take();
      if (isBusyAbove) world.join('other card');
      world.pass(60);
      world.join('newcomer');
      for (let ms = 0; ms < 200; ms += 1) {
        world.pass(1);
        if (plain.take().length > 0) return ms;
      }
      return undefined;
    });
    expect(times[0]).toBe(99);
    expect(times[1]).toBe(times[0]);
  });

  it('meet at the lower one when the higher asks for it', () => {
    const world = worldWithCard('card');
    const [card, plain] = [world.join('card', { label: 'everyone' }), world.watch('plain')];
    expect(card.label).toBe('everyone');
    plain.say(card.address, 'hello');
    expect(card.take()).toMatchObject([{ type: 'client-com' }]);
  });

  it('stand beside each other at one address; a message finds the session of its own level', () => {
    const world = worldWithCard('card', 'friend');
    const high = world.join('card');
    const low = world.join('card', { label: 'everyone' });
    expect(high.address).toBe(low.address);
    expect([high.isClosed, low.isClosed]).toEqual([false, false]);
    world.join('plain').say(low.address, 'from below');
    world.join('friend').say(high.address, 'from a friend');
    expect(low.take()).toMatchObject([{ id: messageId('from below') }]);
    expect(high.take()).toMatchObject([{ id: messageId('from a friend') }]);
    const watcher = world.watch('friend');
    expect(watcher.take()).toMatchObject([{ data: [{ address: high.address, label: 'card-holders' }, {}] }]);
    high.send({ type: 'disconnect' });
    world.settle();
    world.pass(200);
    expect(watcher.take()).toMatchObject([{ data: [{ address: low.address, online: true, label: 'everyone' }] }]);
  });

  it('refuse a level above the clearance like one that does not exist', () => {
    for (const label of ['card-holders', 'no such level', 'everyone{x}', '{']) {
      const world = worldWithCard('card');
      const client = world.connect('plain', { label });
      client.start();
      world.settle();
      expect(client.errors).toEqual(['not-authorised']);
      expect(client.isClosed).toBe(true);
      expect(world.relay.metrics()).toMatchObject({ sessionsNow: 0, handshakesNow: 0, connectionsNow: 0 });
    }
  });

  it('leave every denial of a message in the audit log, and of the list one for each pair of levels', () => {
    const world = worldWithCard('card');
    const [card, plain] = [world.join('card'), world.watch('plain')];
    plain.say(card.address, 'up');
    card.say(plain.address, 'down');
    world.settle();
    for (let index = 0; index < 5; index += 1) plain.send({ type: 'list', id: messageId(`${index}`) });
    world.settle();
    const kinds = world.audited.map(({ event, kind, from, to }) => `${event} ${kind} ${from} ${to}`);
    expect(kinds.sort()).toEqual([
      'denied answer card-holders everyone',
      'denied list card-holders everyone',
      'denied message card-holders everyone',
    ]);
    expect(world.audited.every((entry) => entry.object === undefined || entry.messageId !== undefined)).toBe(true);
  });
});

describe('a clearance', () => {
  it('that sinks with the time ends the session', () => {
    const policy = loadPolicy(`{ "levels": ["open", "office"], "clearance": [
      { "time": { "hours": "08:00-18:00" }, "label": "office" },
      { "label": "open" } ] }`);
    const world = new World({ policy });
    const start = Date.UTC(2024, 0, 10, 17, 0);
    world.now = start;
    const alice = world.join('alice');
    const bob = world.join('bob', { label: 'open' });
    expect(alice.label).toBe('office');
    world.pass(60 * 60_000);
    expect(alice.take()).toEqual([{ type: 'disconnect', code: 'not-authorised' }]);
    expect(alice.isClosed).toBe(true);
    expect(bob.take()).toEqual([{ type: 'disconnect', code: 'not-authorised' }]);
    expect(world.join('alice').label).toBe('open');
  });
});

describe('another policy at run time', () => {
  const office = (hours: string): string => `{ "levels": ["open", "office"], "clearance": [
    { "time": { "hours": "${hours}" }, "label": "office" }, { "label": "open" } ] }`;
  const always = '{ "levels": ["open", "office"], "clearance": [{ "label": "office" }] }';

  it('ends whom it does not clear any more, keeps the others, and gives watchers a new list', () => {
    const world = new World({ policy: loadPolicy(always) });
    const high = world.watch('alice');
    const low = world.watch('bob', { label: 'open' });
    world.pass(200);
    high.take();
    low.take();
    expect(high.label).toBe('office');
    world.relay.setPolicy(loadPolicy('{ "levels": ["cellar", "open", "attic"], "clearance": [{ "label": "open" }] }'));
    world.settle();
    expect(high.take()).toEqual([{ type: 'disconnect', code: 'not-authorised' }]);
    expect(low.take()).toEqual([{ type: 'list', complete: true, data: [] }]);
    const carol = world.watch('carol');
    expect(carol.label).toBe('open');
    expect(carol.take().map(listed)).toEqual([{ [low.address]: 'bob' }]);
    low.say(carol.address, 'still here');
    expect(carol.take()).toMatchObject([{ type: 'client-com' }]);
    world.pass(200);
    expect(low.take().map((message) => message.type)).toEqual(['list', 'ack']);
  });

  it('ends who is above its clearance now, though the level is still there', () => {
    const world = new World({ policy: loadPolicy(always) });
    const [alice, bob] = [world.join('alice'), world.join('bob', { label: 'open' })];
    world.relay.setPolicy(loadPolicy('{ "levels": ["open", "office"], "clearance": [{ "label": "open" }] }'));
    expect(alice.take()).toEqual([{ type: 'disconnect', code: 'not-authorised' }]);
    expect(bob.take()).toEqual([]);
    expect([alice.isClosed, bob.isClosed]).toEqual([true, false]);
  });

  it('decides about whoever is coming in at the moment', () => {
    const world = new World({ policy: loadPolicy(always) });
    const late = world.connect('late');
    late.start();
    // Phase 1 has gone; the answer waits.
    late.isStalled = true;
    world.settle();
    world.relay.setPolicy(loadPolicy(office('00:00-00:01')));
    late.unstall();
    expect(late.label).toBe('open');
  });

  it('has its own times, in place of those of the one before', () => {
    const world = new World({ policy: loadPolicy(always) });
    world.now = Date.UTC(2024, 0, 10, 17, 0);
    const alice = world.join('alice');
    world.relay.setPolicy(loadPolicy(office('08:00-18:00')));
    expect(alice.take()).toEqual([]);
    world.pass(60 * 60_000);
    expect(alice.take()).toEqual([{ type: 'disconnect', code: 'not-authorised' }]);
  });

  it('expects nobody back who had gone', () => {
    const world = new World({ policy: loadPolicy(always) });
    const [alice, bob] = [world.watch('alice'), world.join('bob')];
    world.pass(200);
    bob.drop();
    alice.take();
    world.relay.setPolicy(loadPolicy(always));
    expect(alice.take()).toMatchObject([{ type: 'list', complete: true, data: [] }]);
    expect(world.relay.metrics()).toMatchObject({ gracesNow: 0, addressesNow: 1 });
  });
});
