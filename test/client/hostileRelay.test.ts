/** What a relay that lies makes a client do: nothing without bounds, and nothing to what was authenticated. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { systemClock } from '../../src/client/clock.ts';
import { createConnect } from '../../src/client/index.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { defaultSuites, nodeProvider } from '../../src/crypto/node/index.ts';
import { connect, type Client, type ConnectOptions, type Conversation } from '../../src/index.node.ts';
import { addressFromBytes, messageIdFromBytes, type Address, type MessageId } from '../../src/messages/address.ts';
import { encodeBundleBody3 } from '../../src/messages/bundle.ts';
import { encodeBody1 } from '../../src/messages/handshakeBodies.ts';
import type { Message } from '../../src/messages/messages.ts';
import { memoryPair } from '../../src/transport/index.ts';
import { until } from '../support/relay.ts';
import { AwayRelay } from './awayRelay.ts';

let relay: AwayRelay;
const clients = new Set<Client>();
const X25519 = ['X25519_WITH_CHACHA20_POLY1305_SHA256'] as const;

beforeEach(() => {
  relay = new AwayRelay();
});

afterEach(async () => {
  await Promise.all([...clients].map((client) => client.close({ endConversations: false })));
  clients.clear();
});

async function join(name: string, options: ConnectOptions = {}): Promise<Client> {
  const connected = await connect(relay.dial, { name, suites: X25519, peerSuites: X25519, ...options });
  clients.add(connected);
  return connected;
}

function tell(who: Client, message: Message): void {
  relay.account(who.address).deliver!(message);
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Phase 1 of nobody in particular. */
function knock(src: Address): Message {
  const nonce = nodeProvider.random(32);
  const data = encodeBody1({ versions: [1], nonce, suites: [3] });
  return { type: 'client-connect', phase: 1, id: messageIdFromBytes(nonce.subarray(0, 8)), src, label: 'open', data };
}

async function talk(own: Client, peer: Client): Promise<[Conversation, Conversation]> {
  await until(() => own.peers.some(({ address }) => address === peer.address));
  const [opened, offered] = await Promise.all([own.open(peer.address), peer.incoming.next()]);
  return [opened, offered.value as Conversation];
}

describe('a relay that lies', () => {
  it('about how few bundles are left fills no store', async () => {
    const store = memoryStore();
    const rui = await join('Rui', { store, prekeys: { count: 20 } });
    const account = relay.account(rui.address);
    await until(() => account.bundles.length === 20);
    for (let round = 0; round < 120; round += 1) {
      const before = account.publishId;
      tell(rui, { type: 'prekeys', count: 0, id: before! });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await settle();
    const stored = await store.read('prekeys');
    const [, , , kept] = decodeCbor(stored!.value, {
      maxBytes: 2 ** 26,
      maxItems: 2 ** 17,
      maxDepth: 8,
    }) as unknown[][];
    expect(kept!.length).toBeLessThanOrEqual(1_000);
  });

  it('or is slow has one publish at a time to answer, so that none of them makes the others unknown', async () => {
    const rui = await join('Rui', { store: memoryStore(), prekeys: { count: 6 }, reconnect: true });
    const account = relay.account(rui.address);
    await until(() => account.bundles.length === 6);
    await settle();
    const id = account.publishId!;
    const isStock = (message: Message): boolean => message.type === 'prekeys' && message.count === 1;
    relay.tamper = (message) => (message.type !== 'prekeys' || isStock(message) ? [message] : []);
    tell(rui, { type: 'prekeys', count: 1, id });
    tell(rui, { type: 'prekeys', count: 1, id });
    await settle();
    // The relay took the first publish of these, its answer and any later one were lost.
    account.publishId = relay.seen
      .map(({ message }) => message)
      .filter((message) => message.type === 'prekeys' && 'data' in message && message.data.length > 0)
      .map((message) => ('id' in message ? message.id : undefined))[1];
    relay.tamper = (message) => [message];
    const before = relay.seen.length;
    relay.cut();
    await until(() => relay.seen.slice(before).some(({ message }) => message.type === 'prekeys'));
    await settle();
    const discards = relay.seen
      .slice(before)
      .filter(({ message }) => message.type === 'prekeys' && 'complete' in message && message.complete);
    expect(discards).toEqual([]);
  });

  it('about strangers leaves room for who really asks', async () => {
    const [ana, rui] = [await join('Ana'), await join('Rui', { accept: 'ask' })];
    const stranger = addressFromBytes(nodeProvider.random(28));
    for (let count = 0; count < 100; count += 1) tell(rui, knock(stranger));
    await settle();
    const first = (await rui.incoming.next()).value as Conversation;
    expect(first.peer).toBe(stranger);
    await until(() => ana.peers.some(({ address }) => address === rui.address));
    const opening = ana.open(rui.address, { timeoutMs: 1_000 });
    opening.catch(() => {});
    const offered = (await Promise.race([rui.incoming.next(), opening.then(undefined, () => undefined)])) as
      | IteratorResult<Conversation>
      | undefined;
    expect(offered?.value?.peer).toBe(ana.address);
  });

  it('about the kind of a peer ends no conversation with the owner of a key that is kept', async () => {
    const [ana, rui] = [
      await join('Ana', { store: memoryStore(), prekeys: false }),
      await join('Rui', { accept: 'all', store: memoryStore(), prekeys: false }),
    ];
    const [own] = await talk(ana, rui);
    expect(own.identity.kind).toBe('key');
    const item = relay.account(rui.address).item!;
    tell(ana, { type: 'list', complete: false, data: [{ ...item, kind: 'none', name: 'x' } as const] });
    tell(ana, { type: 'list', complete: false, data: [{ address: rui.address, online: false }] });
    await settle();
    expect(own.status).toBe('open');
  });

  it('about starts keeps no more records waiting than fit', async () => {
    relay.tamper = (message) => (message.type === 'prekeys' && message.count !== undefined ? [] : [message]);
    const rui = await join('Rui', { store: memoryStore(), prekeys: { count: 1 } });
    const own = relay.account(rui.address);
    const data = new Uint8Array(900_000);
    for (let peer = 0; peer < 6; peer += 1) {
      const src = addressFromBytes(nodeProvider.random(28));
      const hello = encodeBody1({ versions: [1], nonce: nodeProvider.random(32), suites: [3] });
      const bytes = Uint8Array.of(1);
      const start = encodeBundleBody3({ ciphertext: bytes, box: bytes, bundleId: nodeProvider.random(8), hello });
      const id = (): MessageId => messageIdFromBytes(nodeProvider.random(8));
      tell(rui, { type: 'client-connect', phase: 3, id: id(), src, label: 'open', data: start });
      for (let record = 0; record < 18; record += 1) {
        tell(rui, { type: 'client-com', id: id(), src, saData: nodeProvider.random(16), data });
      }
    }
    await settle();
    relay.tamper = (message) => [message];
    own.deliver!({ type: 'prekeys', count: 0 });
    // What was kept is judged now: no such conversation.
    const judged = (): number =>
      relay.seen.filter(({ message }) => message.type === 'error' && message.code === 'unknown-conversation').length;
    await until(() => judged() > 0);
    await settle();
    expect(judged() * data.length).toBeLessThanOrEqual(32 * 1_048_576);
  });

  it('about a stranger who never comes back does not keep its question open for ever', async () => {
    const waiting: { readonly inMs: number; readonly callback: () => void }[] = [];
    const clock = {
      now: () => systemClock.now(),
      setTimer: (atMs: number, callback: () => void) => {
        waiting.push({ inMs: atMs - systemClock.now(), callback });
        return systemClock.setTimer(atMs, callback);
      },
    };
    const connectLater = createConnect({ provider: nodeProvider, suites: defaultSuites, dial: relay.dial, clock });
    const rui = await connectLater(relay.dial, { name: 'Rui', suites: X25519, accept: 'ask' });
    clients.add(rui);
    tell(rui, knock(addressFromBytes(nodeProvider.random(28))));
    const asked = (await rui.incoming.next()).value as Conversation;
    for (const { inMs, callback } of waiting) if (inMs > 300_000) callback();
    expect(await asked.closed).toMatchObject({ by: 'fault' });
    expect(rui.conversations).toEqual([]);
  });

  it('in the clear is read with the limits of a stranger', async () => {
    const [own, theirs] = memoryPair();
    own.start({
      message: () => {
        const items = new Map<number, unknown>([
          [0, 9],
          [12, 'busy'],
          [99, Array.from({ length: 9_000 }, () => 0)],
        ]);
        own.send(encodeCbor(items));
      },
    });
    const connecting = connect(() => Promise.resolve(theirs), { name: 'Ana', reconnect: false });
    await expect(connecting).rejects.toMatchObject({ code: 'codec/items-over-limit' });
  });

  it("in an old list of a peer's label is put right by phase 2", async () => {
    relay.tamper = (message) => {
      if (message.type !== 'list' || message.complete === undefined) return [message];
      return [{ ...message, data: message.data.map((item) => ('label' in item ? { ...item, label: 'old' } : item)) }];
    };
    const [own, peer] = await talk(await join('Ana'), await join('Rui', { accept: 'all' }));
    expect([own.label, peer.label]).toEqual(['open', 'open']);
    await (
      await own.send('olá')
    ).delivered;
  });
});
