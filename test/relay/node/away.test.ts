/** Conversations with who is away, over sockets, with the real client and the real relay. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryStore } from '../../../src/client/memoryStore.ts';
import { connect, type Client, type ConnectOptions, type Conversation, type Store } from '../../../src/index.node.ts';
import type { Address } from '../../../src/messages/address.ts';
import type { RelayServer, RelayServerOptions } from '../../../src/relay/node/index.ts';
import { testRelay, until, Wire } from '../../support/relay.ts';

const X25519 = ['X25519_WITH_CHACHA20_POLY1305_SHA256'] as const;
const clients = new Set<Client>();
const relays = new Set<RelayServer>();

afterEach(async () => {
  await Promise.all([...clients].map((client) => client.close({ endConversations: false })));
  clients.clear();
  await Promise.all([...relays].map((relay) => relay.close()));
  relays.clear();
});

async function started(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
  const relay = await testRelay(options);
  relays.add(relay);
  return relay;
}

async function enter(
  wire: Pick<Wire, 'dial'>,
  name: string,
  store: Store,
  options: ConnectOptions = {},
): Promise<Client> {
  const client = await connect(wire.dial, {
    name,
    store,
    suites: X25519,
    peerSuites: X25519,
    prekeys: { count: 6 },
    accept: 'all',
    ...options,
  });
  clients.add(client);
  return client;
}

async function leave(client: Client): Promise<void> {
  await client.close({ endConversations: false });
  clients.delete(client);
}

/** Somebody who was here once, has published and left. */
async function once(relay: RelayServer, wire: Wire, name: string, store: Store): Promise<Address> {
  const { published } = relay.metrics();
  const here = await enter(wire, name, store);
  await until(() => relay.metrics().published > published);
  await leave(here);
  return here.address;
}

async function read(conversation: Conversation, count: number): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const { text } of conversation) {
    texts.push(text);
    if (texts.length >= count) break;
  }
  return texts;
}

describe('a hundred messages to who was here once', () => {
  for (const encoding of ['cbor', 'json'] as const) {
    it(`wait in order, are read, answered and delivered, across the restarts of both, in ${encoding}`, async () => {
      const relay = await started();
      const wire = new Wire(relay.urls[0]!);
      const [anaStore, ruiStore] = [memoryStore(), memoryStore()];
      const address = await once(relay, wire, 'Rui', ruiStore);
      const ana = await enter(wire, 'Ana', anaStore, { encoding });
      expect(ana.peers).toMatchObject([{ address, name: 'Rui', online: false }]);
      const own = await ana.open(address);
      const texts = Array.from({ length: 100 }, (_, index) => `message ${index}`);
      const receipts = await Promise.all(texts.map((text) => own.send(text)));
      await Promise.all(receipts.map(({ accepted }) => accepted));
      expect(own.confirmed).toBe(false);
      await leave(ana);
      expect(relay.metrics().awayNow).toBe(2);

      const rui = await enter(wire, 'Rui', ruiStore, { encoding });
      const { value } = await rui.incoming.next();
      const peer = value as Conversation;
      expect(await read(peer, 100)).toEqual(texts);
      await (
        await peer.send('back')
      ).accepted;
      await leave(rui);

      const again = await enter(wire, 'Ana', anaStore, { encoding });
      const [resumed] = again.conversations;
      expect(await read(resumed!, 1)).toEqual(['back']);
      expect(resumed!.confirmed).toBe(true);
      // Rui is there once more: everything that waited is stored, and nothing comes again.
      const last = await enter(wire, 'Rui', ruiStore, { encoding });
      const receipt = await resumed!.send('and on');
      expect(await receipt.delivered).toMatchObject({ ok: true });
      expect(await read(last.conversations[0]!, 1)).toEqual(['and on']);
      expect(resumed!.digest).toBe(last.conversations[0]!.digest);
      expect(relay.metrics()).toMatchObject({ unknownPeer: 0, dropped: 0, expired: 0, bundlesGiven: 1 });
    });
  }

  it('arrive once each although the connection breaks while they are handed over', async () => {
    const relay = await started();
    const calm = new Wire(relay.urls[0]!);
    const ruiStore = memoryStore();
    const address = await once(relay, calm, 'Rui', ruiStore);
    const ana = await enter(calm, 'Ana', memoryStore());
    const own = await ana.open(address);
    const texts = Array.from({ length: 60 }, (_, index) => `message ${index}`);
    const receipts = await Promise.all(texts.map((text) => own.send(text)));
    await Promise.all(receipts.map(({ accepted }) => accepted));
    const rough = new Wire(relay.urls[0]!, [20, 30, 45, 60]);
    const rui = await enter(rough, 'Rui', ruiStore);
    const { value } = await rui.incoming.next();
    expect(await read(value as Conversation, 60)).toEqual(texts);
    expect((await Promise.all(receipts.map(({ delivered }) => delivered))).every(({ ok }) => ok)).toBe(true);
    expect(rough.connections).toBeGreaterThan(3);
    expect(rui.conversations).toHaveLength(1);
  });
});

describe('a relay that was restarted', () => {
  it('has forgotten all bundles, and is given new ones with the next hop', async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), 'sims-away-'));
    try {
      const first = await started({ stateDirectory });
      const wires = [new Wire(first.urls[0]!)];
      const moving = { dial: (signal: AbortSignal) => wires.at(-1)!.dial(signal) };
      const rui = await enter(moving, 'Rui', memoryStore());
      await until(() => first.metrics().published === 1);
      await first.close();
      const second = await started({ stateDirectory });
      wires.push(new Wire(second.urls[0]!));
      await until(() => second.metrics().published === 1);
      await leave(rui);
      const ana = await enter(moving, 'Ana', memoryStore());
      expect((await ana.open(rui.address)).confirmed).toBe(false);
    } finally {
      await rm(stateDirectory, { recursive: true, force: true });
    }
  });
});
