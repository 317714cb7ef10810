/** What applications learn of histories: digests, why records are not accepted, and what the next handshake shows. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import {
  connect,
  type Client,
  type ConnectOptions,
  type Conversation,
  type ConversationEvents,
  type Store,
} from '../../src/index.node.ts';
import { HostileRelay } from '../support/hostileRelay.ts';
import { until } from '../support/relay.ts';

let relay: HostileRelay;
const clients: Client[] = [];
const quick = { repeatAfterMs: 30, repeatAtMostMs: 100, acknowledgeAfterMs: 2 };

beforeEach(() => {
  relay = new HostileRelay();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close({ endConversations: false })));
});

async function client(name: string, options: ConnectOptions = {}): Promise<Client> {
  const connected = await connect(relay.dial, { name, accept: 'all', conversation: quick, prekeys: false, ...options });
  clients.push(connected);
  return connected;
}

async function talk(ana: Client, rui: Client): Promise<[Conversation, Conversation]> {
  await until(() => ana.peers.some(({ address }) => address === rui.address));
  const own = await ana.open(rui.address);
  await until(() => rui.conversations.length > 0);
  return [own, rui.conversations[0]!];
}

async function say(conversation: Conversation, ...texts: readonly string[]): Promise<void> {
  for (const text of texts) expect(await (await conversation.send(text)).delivered).toEqual({ ok: true });
}

async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore();
  for (const name of await store.names()) {
    const stored = (await store.read(name))!;
    for (let version = 0; version < stored.version; version += 1) await copy.write(name, stored.value, version);
  }
  return copy;
}

describe('the digest', () => {
  it('is sixty digits that are the same on both sides when nothing is on its way', async () => {
    const [own, peer] = await talk(await client('Ana'), await client('Rui'));
    const first = own.digest;
    expect(first).toMatch(/^(\d{5} ){11}\d{5}$/u);
    await say(own, 'a', 'b');
    await say(peer, 'c');
    await until(() => own.digest === peer.digest);
    expect(own.digest).not.toBe(first);
  });
});

describe('a record that is not accepted', () => {
  it('is explained to whoever listens, without a key or a word of the content', async () => {
    const [own, peer] = await talk(await client('Ana'), await client('Rui'));
    const told: ConversationEvents['dropped'][] = [];
    const stop = peer.on('dropped', (event) => told.push(event));
    let altered = false;
    relay.tamper = (passing) => {
      const { message } = passing;
      if (message.type !== 'client-com' || altered) return [passing];
      altered = true;
      const data = concat(message.data);
      data[data.length - 1]! ^= 1;
      return [{ ...passing, message: { ...message, data } }];
    };
    await say(own, 'what nobody should read');
    stop();
    expect(told[0]).toMatchObject({
      code: 'session/authentication-failed',
      explanation: {
        problem: 'not-authentic',
        expected: expect.stringContaining(own.peer),
        advice: expect.any(String),
      },
    });
    expect(JSON.stringify(told)).not.toContain('nobody');
  });
});

describe('a peer that was restored from an old copy of its store', () => {
  it('is found out, and the next handshake tells both sides what happened, also after a restart', async () => {
    const ruiStore = memoryStore();
    const rui = await client('Rui', { store: ruiStore });
    const store = memoryStore();
    const ana = await client('Ana', { store });
    const [own] = await talk(ana, rui);
    await say(own, '1', '2');
    await say(rui.conversations[0]!, '3');
    const old = await copyOf(store);
    await say(own, '4');
    await ana.close();

    const atRui = rui.conversations[0]!;
    const told: ConversationEvents['consistency'][] = [];
    atRui.on('consistency', (event) => told.push(event));
    const restored = await client('Ana', { store: old });
    const again = restored.conversations[0]!;
    await again.send('under a number that was used');
    expect(await atRui.closed).toEqual({ by: 'fault', reason: 'inconsistent' });
    // A fork, or a clone where its next message began another epoch.
    expect(['fork', 'clone']).toContain(told[0]?.consistency);
    expect(told).toMatchObject([
      {
        evidence: { direction: 'peer', m: 3 },
        explanation: {
          problem: expect.stringMatching(/^(history|clone)$/u),
          advice: expect.stringContaining('safety'),
        },
      },
    ]);
    expect(rui.conversations).toEqual([]);
    await rui.close();

    const next = await client('Rui', { store: ruiStore });
    // What was not read can still be read.
    expect(next.conversations.map(({ consistency }) => consistency)).toEqual([told[0]?.consistency]);
    await expect(next.conversations[0]!.send('x')).rejects.toMatchObject({ code: 'client/conversation-closed' });
    const atAna: ConversationEvents['previous'][] = [];
    again.on('previous', (event) => atAna.push(event));
    const [fresh] = await talk(next, restored);
    expect(fresh.previous).toMatchObject({
      verdict: 'rollback',
      evidence: { direction: 'peer', expected: { m: 3 }, got: { m: 3 } },
    });
    expect(atAna).toMatchObject([
      { verdict: 'rollback', evidence: { direction: 'own', expected: { m: 3 }, got: { m: 3 } } },
    ]);
    expect(again.previous).toEqual(atAna[0]);
    await say(fresh, 'from now on');
    await until(() => fresh.digest === again.digest);
    const texts: string[] = [];
    for await (const { text } of fresh) if (texts.push(text) === 3) break;
    expect(texts).toEqual(['1', '2', '4']);
    await say(again, 'and back');
    await next.close();
    const [last] = (await client('Rui', { store: ruiStore })).conversations;
    expect(last?.consistency).toBe('consistent');
    await say(last!, 'and so on');
  });
});

describe('a peer that has lost its conversation, but not its key', () => {
  it('is told as such, and one that has lost nothing agrees', async () => {
    const rui = await client('Rui', { store: memoryStore() });
    const store = memoryStore();
    const ana = await client('Ana', { store });
    const [own, peer] = await talk(ana, rui);
    expect([own.previous, peer.previous]).toEqual([undefined, undefined]);
    await say(own, '1');
    await ana.close();
    for (const name of await store.names()) {
      if (!name.startsWith('conversation/')) continue;
      await store.write(name, undefined, (await store.read(name))!.version);
    }
    const [fresh] = await talk(await client('Ana', { store }), rui);
    expect(rui.conversations[0]!.previous).toMatchObject({ verdict: 'lost-state' });
    expect(fresh.previous).toBeUndefined();
  });
});

describe('a store that another client has written to', () => {
  it('ends the conversation here, and says so', async () => {
    const store = memoryStore();
    const [own] = await talk(await client('Ana', { store }), await client('Rui'));
    await say(own, '1');
    const failures: ConversationEvents['store-failed'][] = [];
    own.on('store-failed', (event) => failures.push(event));
    const name = (await store.names()).find((candidate) => candidate.startsWith('conversation/'))!;
    const { value, version } = (await store.read(name))!;
    await store.write(name, value, version);
    await expect(own.send('2')).rejects.toMatchObject({ code: 'store/conflict' });
    expect(await own.closed).toEqual({ by: 'fault', reason: 'failed' });
    expect(failures).toMatchObject([{ error: { code: 'store/conflict' } }]);
  });
});
