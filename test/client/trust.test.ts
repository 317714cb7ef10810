/** Who is who from one life to the next: known names under other keys, pins, and what was compared in person. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { connect, type Client, type ClientEvents, type ConnectOptions, type Store } from '../../src/index.node.ts';
import type { RelayServer } from '../../src/relay/node/index.ts';
import { testRelay, until } from '../support/relay.ts';

let relay: RelayServer;
const clients: Client[] = [];

beforeEach(async () => {
  relay = await testRelay();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close({ endConversations: false })));
  await relay.close();
});

async function client(name: string, options: ConnectOptions = {}): Promise<Client> {
  const connected = await connect(relay.urls[0]!, { name, accept: 'all', prekeys: false, ...options });
  clients.push(connected);
  return connected;
}

async function open(from: Client, to: Client): ReturnType<Client['open']> {
  await until(() => from.peers.some(({ address }) => address === to.address));
  return from.open(to.address);
}

function changes(of: Client): ClientEvents['key-changed'][] {
  const told: ClientEvents['key-changed'][] = [];
  of.on('key-changed', (event) => told.push(event));
  return told;
}

describe('a known name', () => {
  it('under another key is told of, once, before anything is sent, and also in the next life', async () => {
    const store = memoryStore();
    const before = await client('Rui', { store });
    const ana = await client('Ana', { store: memoryStore() });
    expect((await open(before, ana)).identity).toMatchObject({ trust: 'first-use' });
    expect((await open(before, ana)).keyChange).toBeUndefined();
    await before.close();

    const rui = await client('Rui', { store });
    const told = changes(rui);
    const other = await client(' ANA', { store: memoryStore() });
    const atOther: string[] = [];
    void (async () => {
      for await (const asked of other.incoming) for await (const { text } of asked) atOther.push(text);
    })();
    const conversation = await open(rui, other);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({
      peer: other.address,
      name: ' ANA',
      fingerprint: other.identity.fingerprint,
      known: [{ id: ana.address.split('.')[0], name: 'Ana', trust: 'first-use' }],
    });
    expect(told[0]!.conversation).toBe(conversation);
    expect(conversation.keyChange).toMatchObject({ name: ' ANA' });
    expect(atOther).toEqual([]);
    await conversation.close();
    await open(rui, other);
    expect(told).toHaveLength(1);
  });

  it('whose conversation the listener closes gets nothing', async () => {
    const rui = await client('Rui', { store: memoryStore() });
    await open(rui, await client('Ana', { store: memoryStore() }));
    rui.on('key-changed', ({ conversation }) => void conversation.close());
    const conversation = await open(rui, await client('Ana', { store: memoryStore() }));
    expect(conversation.status).toBe('closed');
    await expect(conversation.send('x')).rejects.toMatchObject({ code: 'client/conversation-closed' });
    expect(rui.conversations).toHaveLength(1);
  });

  it('is no name where a key lives with its client, unless an impostor takes that of somebody known', async () => {
    const rui = await client('Rui', { store: memoryStore() });
    const told = changes(rui);
    await open(rui, await client('Guest'));
    await open(rui, await client('Guest'));
    await open(rui, await client(''));
    await open(rui, await client('', { store: memoryStore() }));
    expect(told).toEqual([]);
    await open(rui, await client('Ana', { store: memoryStore() }));
    await open(rui, await client('Ana'));
    expect(told).toHaveLength(1);
  });
});

describe('a pin', () => {
  it('of an option or a call is trust, by address or fingerprint, and keeps its name against all others', async () => {
    const store = memoryStore();
    const [ana, eva] = [await client('Ana', { store: memoryStore() }), await client('Eva', { store: memoryStore() })];
    const options = { store, pins: [{ peer: ana.identity.fingerprint, name: 'Boss' }] };
    const before = await client('Rui', options);
    await before.pin(eva.address);
    expect((await open(before, ana)).identity.trust).toBe('pinned');
    expect((await open(before, eva)).identity.trust).toBe('pinned');
    await before.close();

    const rui = await client('Rui', options);
    const told = changes(rui);
    expect((await open(rui, eva)).identity.trust).toBe('pinned');
    const boss = await client('boss', { store: memoryStore() });
    for (let time = 1; time <= 2; time += 1) {
      const conversation = await open(rui, boss);
      expect(told).toHaveLength(time);
      expect(told.at(-1)!.known).toMatchObject([{ trust: 'pinned', name: 'Boss' }]);
      await conversation.close();
    }
  });

  it('of nobody is refused', async () => {
    await expect(client('Rui', { pins: [{ peer: 'Ana' }] })).rejects.toMatchObject({ code: 'client/invalid-argument' });
    const rui = await client('Rui');
    await expect(rui.pin('sha256:00')).rejects.toMatchObject({ code: 'client/invalid-argument' });
  });
});

describe('what was compared in person', () => {
  it('is remembered for the key, and outweighs a pin', async () => {
    const store = memoryStore();
    const ana = await client('Ana', { store: memoryStore() });
    const before = await client('Rui', { store });
    const conversation = await open(before, ana);
    await (
      await conversation.send('x')
    ).delivered;
    await conversation.markVerified();
    await before.pin(ana.address);
    expect(conversation.identity.trust).toBe('verified-in-person');
    await before.close();
    const rui = await client('Rui', { store });
    expect(rui.conversations[0]?.identity.trust).toBe('verified-in-person');
  });

  it('is not remembered when the store fails, and says so', async () => {
    const inner = memoryStore();
    let fails = false;
    const store: Store = {
      ...inner,
      write: (name, value, version) =>
        fails && name.startsWith('peer/') ? Promise.reject(new Error('full')) : inner.write(name, value, version),
    };
    const rui = await client('Rui', { store });
    const told: ClientEvents['store-failed'][] = [];
    rui.on('store-failed', (event) => told.push(event));
    fails = true;
    const conversation = await open(rui, await client('Ana', { store: memoryStore() }));
    await until(() => told.length > 0);
    expect(told[0]?.error).toMatchObject({ code: 'store/failed' });
    await expect(conversation.markVerified()).rejects.toMatchObject({ code: 'store/failed' });
    expect(conversation.identity.trust).toBe('first-use');
  });
});
