/** Starts from bundles: what has to be stored, dropped, waited for or set apart before what. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { connect, type Client, type Conversation, type Store } from '../../src/index.node.ts';
import type { Address } from '../../src/messages/address.ts';
import { FaultStore } from '../support/faultStore.ts';
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

async function join(name: string, store: Store): Promise<Client> {
  const client = await connect(relay.dial, {
    name,
    store,
    suites: X25519,
    peerSuites: X25519,
    accept: 'all',
    prekeys: { count: 6 },
  });
  clients.add(client);
  return client;
}

async function leave(client: Client): Promise<void> {
  await client.close({ endConversations: false });
  clients.delete(client);
}

/** Somebody who was here once, has published and left. */
async function once(name: string, store: Store): Promise<Address> {
  const here = await join(name, store);
  await until(() => relay.account(here.address).bundles.length === 6);
  await leave(here);
  return here.address;
}

async function arrival(client: Client): Promise<Conversation> {
  const { value } = await client.incoming.next();
  return value as Conversation;
}

async function read(conversation: Conversation, count: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of conversation) {
    texts.push(text);
    if (texts.length === count) break;
  }
  return texts;
}

/** A store whose writes of conversations wait to be let through, while `isSlow` says so. */
function slowStore(inner: Store, isSlow: () => boolean): FaultStore {
  return new FaultStore(inner, (_write, name) => (name.startsWith('conversation/') && isSlow() ? 'late' : 'none'));
}

/** Starts that the relay has seen, a repeat counted once. */
const starts = (): number =>
  new Set(relay.seen.flatMap(({ message }) => (message.type === 'client-connect' ? [message.id] : []))).size;
/** Starts that were called spent. */
const spent = (): number =>
  new Set(
    relay.seen.flatMap(({ message }) => (message.type === 'error' && message.code === 'spent' ? [message.msgId] : [])),
  ).size;
const conversationsIn = async (store: Store): Promise<readonly string[]> =>
  (await store.names()).filter((name) => name.startsWith('conversation/'));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a start from a bundle', () => {
  it('is stored before it is sent', async () => {
    const address = await once('Rui', memoryStore());
    const inner = memoryStore();
    let isSlow = true;
    const store = slowStore(inner, () => isSlow);
    const ana = await join('Ana', store);
    const opening = ana.open(address);
    await until(() => relay.account(address).bundles.length === 5);
    await pause(50);
    expect([starts(), await conversationsIn(inner)]).toEqual([0, []]);
    isSlow = false;
    store.letThrough();
    expect((await opening).status).toBe('open');
    await until(() => starts() === 1);
    expect(await conversationsIn(inner)).toHaveLength(1);
  });

  it('is not sent at all when it cannot be stored', async () => {
    const address = await once('Rui', memoryStore());
    const store = new FaultStore(memoryStore(), (_write, name) => (name.startsWith('conversation/') ? 'lost' : 'none'));
    const ana = await join('Ana', store);
    await expect(ana.open(address)).rejects.toMatchObject({ code: 'store/failed' });
    await pause(20);
    expect([starts(), ana.conversations]).toEqual([0, []]);
  });

  it('that took the place of another is the only one when the process ended between both writes', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const anaStore = memoryStore();
    const ana = await join('Ana', anaStore);
    const own = await ana.open(address);
    for (const text of ['one', 'two']) await (await own.send(text)).accepted;
    const [oldName] = await conversationsIn(anaStore);
    const { value: old } = (await anaStore.read(oldName!))!;
    const first = relay.account(address).mailbox.find((message) => message.type === 'client-connect')!;
    relay.account(ana.address).deliver?.({ type: 'error', code: 'spent', msgId: first.id, src: address });
    await until(() => starts() === 2);
    await pause(50);
    await leave(ana);
    const names = await conversationsIn(anaStore);
    expect([names.length, names.includes(oldName!)]).toEqual([1, false]);
    // As the disk was before the record that is no more needed had been deleted.
    await anaStore.write(oldName!, old, 0);
    const before = relay.seen.length;
    const again = await join('Ana', anaStore);
    const sentAgain = (): Set<string> =>
      new Set(
        relay.seen.slice(before).flatMap(({ message }) => (message.type === 'client-connect' ? [message.id] : [])),
      );
    await until(() => sentAgain().size > 0);
    await pause(50);
    expect([again.conversations.length, await conversationsIn(anaStore)]).toEqual([1, names]);
    // The start that was given up is not sent again.
    expect([sentAgain().size, sentAgain().has(first.id)]).toEqual([1, false]);
    const rui = await join('Rui', ruiStore);
    expect(await read(await arrival(rui), 2)).toEqual(['one', 'two']);
  });

  it('waits until what its sender said before is stored: the end of a conversation ends no later one', async () => {
    const ruiStore = memoryStore();
    let isSlow = false;
    const store = slowStore(ruiStore, () => isSlow);
    const rui = await join('Rui', store);
    const ana = await join('Ana', memoryStore());
    await until(() => ana.peers.some(({ address }) => address === rui.address));
    await until(() => relay.account(rui.address).bundles.length === 6);
    const before = await ana.open(rui.address);
    await (
      await before.send('before')
    ).delivered;
    const { address } = rui;
    await leave(rui);
    await until(() => ana.peers.some((peer) => peer.address === address && !peer.online));
    await before.close();
    await until(() => relay.account(address).mailbox.some(({ type }) => type === 'client-disconnect'));
    const anew = await ana.open(address);
    expect(anew).not.toBe(before);
    const receipt = await anew.send('anew');
    await receipt.accepted;

    isSlow = true;
    const back = await join('Rui', store);
    const [resumed] = back.conversations;
    await until(() => relay.seen.some(({ message, src }) => message.type === 'prekeys' && src === address));
    // The end is being stored, and the start is here.
    await pause(50);
    expect(resumed!.status).toBe('open');
    isSlow = false;
    store.letThrough();
    const peer = await arrival(back);
    expect(await read(peer, 1)).toEqual(['anew']);
    expect([peer.status, await resumed!.closed]).toMatchObject(['open', { by: 'peer' }]);
    expect(await receipt.delivered).toEqual({ ok: true });
    expect(spent()).toBe(0);
  });

  it('has its bundle to itself while it is being stored: another of somebody else is told that it is spent', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const { bundles } = relay.account(address);
    bundles.splice(1, 0, bundles[0]!);
    const [ana, eva] = [await join('Ana', memoryStore()), await join('Eva', memoryStore())];
    const receipts = [];
    for (const [client, text] of [
      [ana, 'from Ana'],
      [eva, 'from Eva'],
    ] as const) {
      const conversation = await client.open(address);
      receipts.push(await conversation.send(text));
      await receipts.at(-1)!.accepted;
    }
    let isSlow = true;
    const store = slowStore(ruiStore, () => isSlow);
    const rui = await join('Rui', store);
    await until(() => spent() === 1);
    expect(await conversationsIn(ruiStore)).toEqual([]);
    isSlow = false;
    store.letThrough();
    const texts = [await read(await arrival(rui), 1), await read(await arrival(rui), 1)].flat();
    expect(texts.sort()).toEqual(['from Ana', 'from Eva']);
    for (const { delivered } of receipts) expect(await delivered).toEqual({ ok: true });
    expect(spent()).toBe(1);
  });
});
