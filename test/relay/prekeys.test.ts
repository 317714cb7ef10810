import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { defaultPolicy, type CredentialDescription } from '../../src/ifc/index.ts';
import type { VerifiedIdentity } from '../../src/handshake/index.ts';
import { addressFromBytes, clientIdOf } from '../../src/messages/address.ts';
import { decodeBundle, decodeBundleCore, encodeBundle } from '../../src/messages/bundle.ts';
import { limitsFrom, MemoryBundles, type HeldBundle } from '../../src/relay/index.ts';
import { bundleOf, fetchOf, publish } from './bundles.ts';
import { messageId, World, type Client } from './world.ts';

const NOBODY = addressFromBytes(new Uint8Array(28).fill(7));
const DAY = 86_400_000;

function stocked(count: number, options: ConstructorParameters<typeof World>[0] = {}): [World, Client, Client] {
  const world = new World(options);
  const [alice, bob] = [world.join('alice'), world.join('bob')];
  publish(
    bob,
    'first',
    Array.from({ length: count }, () => bundleOf(world, bob)),
  );
  bob.take();
  return [world, alice, bob];
}

function suitesGiven(client: Client, of: Client, ciphers: readonly number[]): number | string {
  const answer = fetchOf(client, of, ciphers) as { code?: string; data?: readonly Uint8Array[] };
  return answer.code ?? decodeBundleCore(decodeBundle(answer.data![0]!).core).suite;
}

describe('a publish', () => {
  it('adds, replaces when it is complete, and only asks when it is empty', () => {
    const world = new World();
    const bob = world.join('bob');
    const make = (suite = 3): Uint8Array => bundleOf(world, bob, { suites: [3, 2], suite });
    publish(bob, 'ask', []);
    expect(bob.take()).toEqual([{ type: 'prekeys', count: 0 }]);
    const first = publish(bob, 'first', [make(3), make(3), make(2)]);
    expect(bob.take()).toEqual([{ type: 'prekeys', count: 1, id: first }]);
    const second = publish(bob, 'second', [make(2)]);
    publish(bob, 'ask again', []);
    const told = { type: 'prekeys', count: 2, id: second };
    expect(bob.take()).toEqual([told, told]);
    const third = publish(bob, 'third', [make(3), make(2)], { complete: true });
    expect(bob.take()).toEqual([{ type: 'prekeys', count: 1, id: third }]);
    // A suite of the list without bundles is one that has none left.
    const fourth = publish(bob, 'fourth', [make(3)], { complete: true });
    expect(bob.take()).toEqual([{ type: 'prekeys', count: 0, id: fourth }]);
    expect(world.relay.metrics().published).toBe(4);
  });

  it('that comes again is answered again, and gives nothing twice', () => {
    const [world, alice, bob] = stocked(0);
    const bundles = [bundleOf(world, bob), bundleOf(world, bob)];
    for (const id of ['a', 'a', 'b']) publish(bob, id, bundles);
    expect(bob.take().map((message) => 'count' in message && message.count)).toEqual([2, 2, 2]);
    expect(fetchOf(alice, bob)).toMatchObject({ data: [bundles[0]] });
    expect(fetchOf(alice, bob)).toMatchObject({ data: [bundles[1]] });
    for (const [id, complete] of [
      ['c', false],
      ['d', true],
    ] as const) {
      publish(bob, id, bundles, { complete });
      expect(bob.take().at(-1)).toEqual({ type: 'prekeys', count: 0, id: messageId(id) });
      expect(fetchOf(alice, bob)).toMatchObject({ code: 'later' });
    }
  });

  it('drops older bundles of another list: whoever was given one would refuse it', () => {
    const [world, alice, bob] = stocked(3);
    publish(bob, 'other list', [bundleOf(world, bob, { suites: [2, 3], suite: 3 })]);
    expect(bob.take()).toMatchObject([{ count: 0 }]);
    expect(suitesGiven(alice, bob, [2, 3])).toBe('later');
    expect(suitesGiven(alice, bob, [3])).toBe(3);
    expect(suitesGiven(alice, bob, [3])).toBe('later');
  });

  it('of anything but bundles of this address, label and relay is refused whole', () => {
    const world = new World();
    const [bob, carol] = [world.join('bob'), world.join('carol')];
    const good = bundleOf(world, bob);
    const refused: readonly [string, Uint8Array][] = [
      ['not-authorised', bundleOf(world, bob, { address: carol.address })],
      ['not-authorised', bundleOf(world, bob, { label: 'card-holders' })],
      ['not-authorised', bundleOf(world, bob, { relayIdentity: new Uint8Array(32) })],
      ['malformed', bundleOf(world, bob, { version: 2 })],
      ['malformed', bundleOf(world, bob, { suite: 5 })],
      ['malformed', bundleOf(world, bob, { suites: [2] })],
      ['malformed', new Uint8Array(0)],
      ['malformed', good.subarray(0, -1)],
      ['malformed', new Uint8Array([...good, 0])],
      ['malformed', encodeBundle({ core: new Uint8Array(60_000), signature: new Uint8Array(64) })],
    ];
    for (const [code, bytes] of refused) {
      const id = publish(bob, 'x', [good, bytes]);
      expect(bob.take()).toEqual([{ type: 'error', code, msgId: id }]);
    }
    publish(bob, 'ask', []);
    expect(bob.take()).toEqual([{ type: 'prekeys', count: 0 }]);
  });

  it('of any bytes is refused, and the hop goes on', () => {
    const world = new World();
    const bob = world.join('bob');
    const good = bundleOf(world, bob);
    const core = Buffer.from(good).indexOf(Buffer.from(decodeBundle(good).core));
    fc.assert(
      fc.property(fc.nat(Math.min(good.length, core + 80) - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = good.slice();
        bytes[at]! ^= change;
        publish(bob, 'x', [bytes], { complete: true });
        const [answer] = bob.take();
        expect(answer!.type === 'prekeys' || (answer!.type === 'error' && answer!.code !== 'internal')).toBe(true);
        expect(bob.isClosed).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it('of a client that nobody vouches for is refused', () => {
    const world = new World();
    const bob = world.join('bob', { kind: 'none' });
    const id = publish(bob, 'x', [bundleOf(world, bob)]);
    publish(bob, 'ask', []);
    expect(bob.take()).toEqual([
      { type: 'error', code: 'not-authorised', msgId: id },
      { type: 'prekeys', count: 0 },
    ]);
  });

  it('is bounded for one address, and for all of a label', () => {
    const world = new World({ limits: { bundles: 3, bundleBytes: 8_000, totalBundleBytes: 12_000, keptAddresses: 2 } });
    const [bob, carol, dave] = [world.join('bob'), world.join('carol'), world.join('dave')];
    const large = (client: Client, bytes: number): Uint8Array =>
      bundleOf(world, client, { credential: new Uint8Array(bytes) });
    const outcome = (client: Client, data: readonly Uint8Array[]): unknown => {
      publish(client, `${Math.random()}`, data);
      const [answer] = client.take();
      return answer?.type === 'error' ? answer.code : answer?.type === 'prekeys' && answer.count;
    };
    expect(outcome(bob, [large(bob, 7_000), large(bob, 1_000)])).toBe('too-large');
    expect(
      outcome(
        bob,
        Array.from({ length: 4 }, () => bundleOf(world, bob)),
      ),
    ).toBe('too-large');
    expect(outcome(bob, [large(bob, 6_500)])).toBe(1);
    expect(outcome(carol, [large(carol, 6_500)])).toBe('busy');
    expect(outcome(carol, [large(carol, 2_000)])).toBe(1);
    expect(outcome(dave, [bundleOf(world, dave)])).toBe('busy');
    carol.send({ type: 'disconnect' });
    world.settle();
    expect(outcome(dave, [bundleOf(world, dave)])).toBe('busy');
  });

  it('in a direction that is not a client’s is unexpected', () => {
    const world = new World();
    const bob = world.join('bob');
    const id = messageId('x');
    bob.send({ type: 'prekeys', count: 3, id });
    bob.send({ type: 'prekeys', id, src: NOBODY, label: 'everyone', data: [new Uint8Array(3)] });
    const refused = { type: 'error', code: 'unexpected', msgId: id };
    expect(bob.take()).toEqual([refused, refused]);
  });
});

describe('a fetch', () => {
  it('gives each bundle once, in the order in which they were published, until there is none', () => {
    const [world, alice, bob] = stocked(0);
    const carol = world.join('carol', { encoding: 'json' });
    const bundles = Array.from({ length: 8 }, () => bundleOf(world, bob));
    publish(bob, 'x', bundles);
    bob.take();
    const given = bundles.map((_, index) => fetchOf(index % 2 === 0 ? alice : carol, bob));
    expect(given).toEqual(
      bundles.map((bundle) => ({
        type: 'prekeys',
        id: messageId('fetch'),
        src: bob.address,
        label: 'everyone',
        data: [bundle],
      })),
    );
    expect(fetchOf(alice, bob)).toEqual({ type: 'error', code: 'later', msgId: messageId('fetch') });
    expect(world.relay.metrics().bundlesGiven).toBe(8);
    // Their owner is told when few are left.
    expect(bob.take().map((message) => 'count' in message && message.count)).toEqual([4, 3, 2, 1, 0]);
  });

  it('is answered with the first suite of the owner’s list, and no other', () => {
    const [world, alice, bob] = stocked(0);
    publish(bob, 'x', [
      bundleOf(world, bob, { suites: [3, 2], suite: 2 }),
      bundleOf(world, bob, { suites: [3, 2], suite: 3 }),
      bundleOf(world, bob, { suites: [3, 2], suite: 2 }),
    ]);
    bob.take();
    expect(suitesGiven(alice, bob, [2, 3])).toBe(3);
    expect(suitesGiven(alice, bob, [2, 3])).toBe('later');
    expect(suitesGiven(alice, bob, [4, 2])).toBe(2);
    expect(suitesGiven(alice, bob, [1, 4])).toBe('no-common-suite');
    expect(suitesGiven(alice, bob, [])).toBe('no-common-suite');
  });

  it('gives none that has ended, however far ahead it claims to end', () => {
    const [world, alice, bob] = stocked(0);
    const seconds = Math.floor(world.now / 1_000);
    publish(bob, 'x', [
      bundleOf(world, bob, { notAfter: seconds }),
      bundleOf(world, bob, { notAfter: seconds + 60 }),
      bundleOf(world, bob, { notAfter: seconds + 60 }),
      ...Array.from({ length: 2 }, () => bundleOf(world, bob, { notAfter: Number.MAX_SAFE_INTEGER })),
    ]);
    expect(bob.take()).toMatchObject([{ count: 4 }]);
    expect(suitesGiven(alice, bob, [3])).toBe(3);
    world.pass(59_000);
    publish(bob, 'ask', []);
    expect(bob.take()).toMatchObject([{ count: 3 }, { count: 3 }]);
    world.pass(1_000);
    publish(bob, 'ask', []);
    expect(bob.take()).toMatchObject([{ count: 2 }]);
    expect(suitesGiven(alice, bob, [3])).toBe(3);
    publish(bob, 'three', [bundleOf(world, bob, { notAfter: Math.floor(world.now / 1_000) + 30 })], { complete: true });
    world.settle();
    world.pass(31_000);
    expect(suitesGiven(alice, bob, [3])).toBe('later');
    publish(bob, 'four', [bundleOf(world, bob, { notAfter: Number.MAX_SAFE_INTEGER })]);
    world.settle();
    world.pass(31 * DAY);
    expect(suitesGiven(alice, bob, [3])).toBe('later');
  });

  it('is slowed by later: for one peer, and for all of them', () => {
    const [world, alice, bob] = stocked(100, { limits: { fetchesPerHour: 30, peerFetchesPerHour: 10 } });
    const codes = (count: number): readonly unknown[] =>
      Array.from({ length: count }, () => (fetchOf(alice, bob) as { code?: string }).code);
    expect(codes(10).filter((code) => code !== undefined)).toEqual([]);
    expect(codes(5)).toEqual(Array(5).fill('later'));
    // Another connection and another device of the same person are no way around it, nobody else suffers.
    expect(fetchOf(world.join('alice', { device: 'desk' }), bob)).toMatchObject({ code: 'later' });
    expect(fetchOf(world.join('carol'), bob)).toMatchObject({ type: 'prekeys' });
    for (let index = 0; index < 14; index += 1) fetchOf(alice, { address: NOBODY } as Client);
    expect(fetchOf(alice, { address: NOBODY } as Client)).toMatchObject({ code: 'later' });
    world.pass(6 * 60_000);
    expect(codes(2)).toEqual([undefined, 'later']);
    world.pass(3 * 3_600_000);
    expect(codes(1)).toEqual([undefined]);
  });

  it('of who does not exist, is away with nothing kept, or must not be reached is answered with the same bytes', () => {
    const probe = new World();
    const card = clientIdOf(probe.connect('card').address);
    const world = new World({
      policy: defaultPolicy(),
      describeCredential: ({ id, kind }: VerifiedIdentity): CredentialDescription =>
        id === card ? { kind: 'certificate', id, verified: true } : { kind: kind as 'key', id, verified: false },
    });
    const [high, low, away] = [world.join('card'), world.join('plain'), world.join('away')];
    for (const client of [high, low]) publish(client, 'x', [bundleOf(world, client), bundleOf(world, client)]);
    for (const client of [high, low]) expect(client.take()).toMatchObject([{ count: 2 }]);
    away.drop();
    for (const [fetcher, denied] of [
      [high, low],
      [low, high],
    ] as const) {
      const answers = [NOBODY, away.address, denied.address].map((dst) => {
        fetcher.take();
        fetcher.send({ type: 'prekeys', id: messageId('same'), dst, ciphers: [3] });
        while (fetcher.step());
        return fetcher.bytes.splice(0).map(hex);
      });
      expect(answers[0]).toHaveLength(1);
      expect(answers[1]).toEqual(answers[0]);
      expect(answers[2]).toEqual(answers[0]);
      fetcher.take();
      expect(denied.take()).toEqual([]);
    }
    const third = world.join('third');
    expect(fetchOf(third, low)).toMatchObject({ type: 'prekeys' });
    expect(fetchOf(third, third)).toMatchObject({ code: 'later' });
    expect(world.audited.some((entry) => JSON.stringify(entry).includes('prekeys'))).toBe(true);
  });
});

describe('a restart of the relay', () => {
  it('loses what was in memory, which the next ask tells', () => {
    const [, , bob] = stocked(10);
    expect(bob.isClosed).toBe(false);
    const world = new World();
    const again = world.join('bob');
    publish(again, 'ask', []);
    expect(again.take()).toEqual([{ type: 'prekeys', count: 0 }]);
    expect(fetchOf(world.join('alice'), again)).toMatchObject({ code: 'later' });
  });
});

describe('the bundles in memory', () => {
  it('count their bytes to the last', () => {
    const owners = ['a|low', 'b|low', 'c|high'];
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(4), fc.nat(9)), { maxLength: 60 }), (steps) => {
        const bundles = new MemoryBundles(limitsFrom({ bundles: 5, bundleBytes: 3_000, totalBundleBytes: 5_000 }));
        for (const [index, [owner, action, size]] of steps.entries()) {
          const name = owners[owner]!;
          const held = (suite: number): HeldBundle => ({
            id: hex(randomBytes(8)),
            suite,
            notAfterMs: index + 10,
            bytes: new Uint8Array(size * 100),
          });
          const id = messageId(`${index}`);
          if (action <= 1) {
            const both = { id, suites: [1, 2], bundles: [held(1), held(2)], complete: action === 1 };
            bundles.publish(name, both, index);
          } else if (action === 2) bundles.take(name, [2], index);
          else if (action === 3) bundles.sweep(index);
          else bundles.forget(name);
          expect(bundles.bytes).toBeLessThanOrEqual(10_000);
        }
        bundles.sweep(1_000);
        expect(bundles.bytes).toBe(0);
        for (const owner of owners) bundles.forget(owner);
        expect(bundles.size).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('keep a withdrawn owner’s last id, and expect nothing of it', () => {
    const bundles = new MemoryBundles(limitsFrom());
    const held = { id: '01', suite: 1, notAfterMs: DAY, bytes: new Uint8Array(5) };
    const first = { id: messageId('1'), suites: [1], bundles: [held], complete: false };
    expect(bundles.publish('a|low', first, 0)).toBe('taken');
    expect(bundles.keeps('a|low')).toBe(true);
    bundles.publish('a|low', { id: messageId('2'), suites: [], bundles: [], complete: true }, 0);
    expect(bundles.keeps('a|low')).toBe(false);
    expect(bundles.stock('a|low', 0)).toEqual({ count: 0, id: messageId('2') });
    expect(bundles.take('a|low', [1], 0)).toBeUndefined();
  });
});
