import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { connect, type Client, type ConnectOptions, type Conversation, type Store } from '../../src/index.node.ts';
import type { Address } from '../../src/messages/address.ts';
import { decodeCbor } from '../../src/codec/cbor.ts';
import { decodeBundle, decodeBundleBody3, decodeBundleCore } from '../../src/messages/bundle.ts';
import { FaultStore, type StoreFault } from '../support/faultStore.ts';
import { until } from '../support/relay.ts';
import { AwayRelay } from './awayRelay.ts';

let relay: AwayRelay;
const clients = new Set<Client>();
const X25519 = ['X25519_WITH_CHACHA20_POLY1305_SHA256'] as const;
const QUICK: ConnectOptions = { suites: X25519, peerSuites: X25519, prekeys: { count: 6 } };

beforeEach(() => {
  relay = new AwayRelay();
});

afterEach(async () => {
  await Promise.all([...clients].map((client) => client.close({ endConversations: false })));
  clients.clear();
});

async function join(name: string, store: Store | undefined, options: ConnectOptions = {}): Promise<Client> {
  const connected = await connect(relay.dial, {
    name,
    ...QUICK,
    ...(store === undefined ? {} : { store }),
    ...options,
  });
  clients.add(connected);
  return connected;
}

async function leave(which: Client): Promise<void> {
  await which.close({ endConversations: false });
  clients.delete(which);
}

/** Somebody who was here once, has published and left. */
async function once(name: string, store: Store, options: ConnectOptions = {}): Promise<Address> {
  const here = await join(name, store, options);
  await until(() => relay.account(here.address).bundles.length >= 6);
  await leave(here);
  return here.address;
}

async function sees(who: Client, address: Address, online: boolean): Promise<void> {
  await until(() => who.peers.some((peer) => peer.address === address && peer.online === online));
}

async function read(conversation: Conversation, count: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of conversation) {
    texts.push(text);
    if (texts.length >= count) break;
  }
  return texts;
}

async function arrival(who: Client): Promise<Conversation> {
  const { value } = await who.incoming.next();
  return value as Conversation;
}

describe('a client that may be away', () => {
  it('publishes as many bundles as it is told, once, and again when few are left', async () => {
    const store = memoryStore();
    const rui = await once('Rui', store);
    const account = relay.account(rui);
    expect([account.bundles.length, account.publishes]).toEqual([6, 1]);
    await join('Rui', store);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([account.bundles.length, account.publishes]).toEqual([6, 1]);
    account.bundles.splice(0, 3);
    relay.cut();
    await until(() => account.bundles.length === 6);
    expect(account.publishes).toBe(2);
  });

  it.each<[string, ConnectOptions]>([
    ['without a store', {}],
    ['that does not want to', { store: memoryStore(), prekeys: false }],
    ['that accepts nobody', { store: memoryStore(), accept: 'none' }],
  ])('publishes nothing %s', async (_what, options) => {
    const rui = await join('Rui', undefined, options);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(relay.account(rui.address)).toMatchObject({ bundles: [], publishes: 0 });
    expect(relay.seen.filter(({ message }) => message.type === 'prekeys')).toEqual([]);
  });

  it.each<[string, ConnectOptions['prekeys']]>([
    ['no bundles', { count: 0 }],
    ['too many', { count: 101 }],
    ['bundles of RSA', { suites: ['RSA_WITH_AES_128_CBC_SHA256'] }],
    ['bundles for more than 30 days', { lifetimeMs: 31 * 86_400_000 }],
  ])('is refused with %s', async (_what, prekeys) => {
    await expect(join('Rui', memoryStore(), { prekeys: prekeys! })).rejects.toMatchObject({
      code: 'client/invalid-argument',
    });
  });

  it('is in the lists of others as away, then there, then away again', async () => {
    const store = memoryStore();
    const rui = await once('Rui', store);
    const ana = await join('Ana', memoryStore());
    const told: string[] = [];
    ana.on('peers', ({ joined, away, left }) => told.push(`${joined.length} ${away.length} ${left.length}`));
    expect(ana.peers).toMatchObject([{ address: rui, name: 'Rui', kind: 'key', online: false }]);
    const back = await join('Rui', store);
    await sees(ana, rui, true);
    await leave(back);
    await sees(ana, rui, false);
    expect(told).toEqual(['1 0 0', '0 1 0']);
  });

  it('discards its secrets when its store is older than what the relay took last', async () => {
    const inner = memoryStore();
    const rui = await once('Rui', inner);
    const old = await copyOf(inner);
    const account = relay.account(rui);
    account.bundles.splice(0, 4);
    await leave(
      await (async () => {
        const here = await join('Rui', inner);
        await until(() => account.publishes === 2);
        return here;
      })(),
    );
    const [kept] = account.bundles;
    await join('Rui', old);
    await until(() => account.publishes === 3 && account.bundles.length === 6);
    expect(account.bundles).not.toContain(kept);
  });

  it('answers no start with a secret of an older store, whatever waits at the relay', async () => {
    const inner = memoryStore();
    const address = await once('Rui', inner);
    const old = await copyOf(inner);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    await (
      await own.send('secret')
    ).accepted;
    const replayed = [...relay.account(address).mailbox];
    const rui = await join('Rui', inner);
    expect(await read(await arrival(rui), 1)).toEqual(['secret']);
    await until(() => relay.account(address).publishes === 2);
    await leave(rui);
    relay.account(address).mailbox.push(...replayed);
    // What the relay holds is told late: the start has to wait for it.
    let isLate = false;
    relay.tamper = (message, dst) => {
      if (isLate || message.type !== 'prekeys' || message.count === undefined) return [message];
      isLate = true;
      setTimeout(() => relay.account(dst).deliver?.(message), 40);
      return [];
    };
    const restored = await join('Rui', old);
    await until(() => relay.account(address).mailbox.length === 0 && relay.account(address).publishes === 3);
    expect(restored.conversations).toEqual([]);
    const spent = relay.seen.filter(({ message }) => message.type === 'error' && message.code === 'spent');
    expect(spent).toHaveLength(1);
  });

  it('discards its secrets when the relay has forgotten it', async () => {
    const store = memoryStore();
    const rui = await once('Rui', store);
    relay.accounts.delete(rui);
    await join('Rui', store);
    await until(() => relay.account(rui).bundles.length === 6);
    expect(relay.account(rui).publishes).toBe(1);
  });
});

describe('a conversation with who is away', () => {
  it('begins at once, is read in order, and is confirmed by the answer', async () => {
    const [anaStore, ruiStore] = [memoryStore(), memoryStore()];
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', anaStore);
    const own = await ana.open(address);
    expect([own.status, own.confirmed, own.identity.name]).toEqual(['open', false, 'Rui']);
    const sent = Array.from({ length: 30 }, (_, index) => `message ${index}`);
    const receipts = await Promise.all(sent.map((text) => own.send(text)));
    await Promise.all(receipts.map(({ accepted }) => accepted));
    const confirmed = new Promise((resolve) => own.on('confirmed', resolve));
    const rui = await join('Rui', ruiStore);
    const peer = await arrival(rui);
    expect([peer.confirmed, peer.initiatedBy, peer.identity.name]).toEqual([true, 'peer', 'Ana']);
    expect(await read(peer, 30)).toEqual(sent);
    await confirmed;
    expect(own.confirmed).toBe(true);
    expect((await Promise.all(receipts.map(({ delivered }) => delivered))).every(({ ok }) => ok)).toBe(true);
    expect(peer.safetyNumber).toBe(own.safetyNumber);
    await (
      await peer.send('back')
    ).delivered;
    expect(await read(own, 1)).toEqual(['back']);
    expect(relay.account(address).mailbox).toEqual([]);
  });

  it('outlives the clients of both sides', async () => {
    const [anaStore, ruiStore] = [memoryStore(), memoryStore()];
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', anaStore);
    const own = await ana.open(address);
    for (const text of ['one', 'two']) await (await own.send(text)).accepted;
    await leave(ana);
    const again = await join('Ana', anaStore);
    const [resumed] = again.conversations;
    expect(resumed!.confirmed).toBe(false);
    await (
      await resumed!.send('three')
    ).accepted;
    await leave(again);
    const rui = await join('Rui', ruiStore);
    const peer = await arrival(rui);
    expect(await read(peer, 3)).toEqual(['one', 'two', 'three']);
    await (
      await peer.send('back')
    ).accepted;
    await leave(rui);
    const last = await join('Ana', anaStore);
    expect(await read(last.conversations[0]!, 1)).toEqual(['back']);
    expect(last.conversations[0]!.confirmed).toBe(true);
  });

  it('begins from a bundle when a peer that is listed has just left', async () => {
    const [anaStore, ruiStore] = [memoryStore(), memoryStore()];
    const ana = await join('Ana', anaStore);
    const rui = await join('Rui', ruiStore);
    await sees(ana, rui.address, true);
    await until(() => relay.account(rui.address).bundles.length === 6);
    relay.tamper = (message, dst) => (message.type === 'list' && dst === ana.address ? [] : [message]);
    await leave(rui);
    const own = await ana.open(rui.address);
    expect(own.confirmed).toBe(false);
  });

  it('is answered by "later" when no bundle is left', async () => {
    const address = await once('Rui', memoryStore());
    relay.account(address).bundles.length = 0;
    const ana = await join('Ana', memoryStore());
    await expect(ana.open(address)).rejects.toMatchObject({ code: 'client/later', action: 'retry' });
    expect(ana.conversations).toEqual([]);
  });

  it('is refused with a bundle of somebody else, or of nobody', async () => {
    const [rui, eva] = [await once('Rui', memoryStore()), await once('Eva', memoryStore())];
    const ana = await join('Ana', memoryStore());
    const [foreign] = relay.account(eva).bundles;
    const swap = (data: Uint8Array): void => {
      relay.tamper = (message) =>
        message.type === 'prekeys' && message.src === rui ? [{ ...message, data: [data] }] : [message];
    };
    swap(foreign!);
    await expect(ana.open(rui)).rejects.toMatchObject({ code: 'handshake/bundle-mismatch' });
    swap(new Uint8Array(40));
    await expect(ana.open(rui)).rejects.toMatchObject({
      code: expect.stringMatching(/^(codec|messages)\//u) as string,
    });
    relay.tamper = (message) => [message];
    expect((await ana.open(rui)).status).toBe('open');
  });

  it('can be aborted, and gives up a relay that says nothing', async () => {
    const address = await once('Rui', memoryStore());
    const ana = await join('Ana', memoryStore());
    relay.tamper = (message) => (message.type === 'prekeys' ? [] : [message]);
    await expect(ana.open(address, { timeoutMs: 20 })).rejects.toMatchObject({ code: 'handshake/timeout' });
    const aborting = new AbortController();
    const opening = ana.open(address, { signal: aborting.signal });
    aborting.abort();
    await expect(opening).rejects.toMatchObject({ code: 'client/aborted' });
    expect(ana.conversations).toEqual([]);
  });

  it('tells a message that the relay gave up as failed, and no other', async () => {
    const address = await once('Rui', memoryStore());
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    const [first, second] = [await own.send('one'), await own.send('two')];
    await second.accepted;
    relay.account(ana.address).deliver?.({ type: 'error', code: 'expired', msgId: first.id });
    expect(await first.delivered).toEqual({ ok: false, reason: 'expired' });
    expect(second.state).toBe('accepted');
  });

  it('is declined by a policy, and spends nothing', async () => {
    const store = memoryStore();
    const address = await once('Rui', store);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    await (
      await own.send('hello')
    ).accepted;
    const before = await store.read('prekeys');
    await join('Rui', store, { accept: () => false });
    expect(await own.closed).toEqual({ by: 'fault', reason: 'rejected' });
    expect((await store.read('prekeys'))!.value).toEqual(before!.value);
  });
});

describe('a start that comes again', () => {
  it('as the same bytes is a repeat, and shows nothing twice', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    await (
      await own.send('once')
    ).accepted;
    const replayed = [...relay.account(address).mailbox];
    const rui = await join('Rui', ruiStore);
    const peer = await arrival(rui);
    expect(await read(peer, 1)).toEqual(['once']);
    for (const message of replayed) relay.account(address).deliver?.(message);
    await (
      await own.send('twice')
    ).delivered;
    expect(await read(peer, 1)).toEqual(['twice']);
    expect(rui.conversations).toHaveLength(1);
    // And once more when the conversation has long ended.
    await leave(rui);
    for (const name of await ruiStore.names()) {
      if (name.startsWith('conversation/')) await ruiStore.write(name, undefined, (await ruiStore.read(name))!.version);
    }
    relay.account(address).mailbox.push(...replayed);
    const last = await join('Rui', ruiStore);
    await until(() => relay.account(address).mailbox.length === 0);
    expect(last.conversations).toEqual([]);
    expect(relay.seen.filter(({ message }) => message.type === 'error' && message.code === 'spent')).toHaveLength(1);
  });

  it('with a bundle that was handed out twice begins anew, with the same messages', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const account = relay.account(address);
    const [twice] = account.bundles;
    account.bundles.splice(1, 0, twice!);
    const [ana, eva] = [await join('Ana', memoryStore()), await join('Eva', memoryStore())];
    const fromAna = await ana.open(address);
    const anaReceipt = await fromAna.send('from Ana');
    const fromEva = await eva.open(address);
    const evaReceipts = [await fromEva.send('from Eva'), await fromEva.send('and more')];
    const ids = evaReceipts.map(({ id }) => id);
    const rui = await join('Rui', ruiStore);
    const [first, second] = [await arrival(rui), await arrival(rui)];
    expect(await read(first, 1)).toEqual(['from Ana']);
    const texts: string[] = [];
    const seenIds: string[] = [];
    for await (const { id, text } of second) {
      texts.push(text);
      seenIds.push(id);
      if (texts.length === 2) break;
    }
    expect([texts, seenIds]).toEqual([['from Eva', 'and more'], ids]);
    expect(await anaReceipt.delivered).toEqual({ ok: true });
    for (const receipt of evaReceipts) expect(await receipt.delivered).toEqual({ ok: true });
    expect(fromEva.confirmed).toBe(true);
    // The start that was spent left nothing behind.
    expect(eva.conversations).toHaveLength(1);
  });

  it('because somebody forged "spent" shows each message once', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    for (const text of ['one', 'two']) await (await own.send(text)).accepted;
    const start = relay.account(address).mailbox.find((message) => message.type === 'client-connect');
    relay.account(ana.address).deliver?.({ type: 'error', code: 'spent', msgId: start!.id, src: address });
    await until(() => relay.account(address).mailbox.filter(({ type }) => type === 'client-connect').length === 2);
    await (
      await own.send('three')
    ).accepted;
    const rui = await join('Rui', ruiStore);
    const peer = await arrival(rui);
    expect(await read(peer, 3)).toEqual(['one', 'two', 'three']);
    await (
      await own.send('four')
    ).delivered;
    expect(await read(peer, 1)).toEqual(['four']);
  });

  it('is not begun anew once the peer was heard, whoever says "spent"', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    const start = relay.account(address).mailbox.find((message) => message.type === 'client-connect');
    const rui = await join('Rui', ruiStore);
    await until(() => own.confirmed);
    const fetches = relay.seen.length;
    relay.account(ana.address).deliver?.({ type: 'error', code: 'spent', msgId: start!.id, src: rui.address });
    await (
      await own.send('on')
    ).delivered;
    expect(relay.seen.slice(fetches).some(({ message }) => message.type === 'prekeys' && message.dst)).toBe(false);
  });

  it('whose phase 3 was lost is begun by the repeat', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    const receipt = await own.send('hello');
    await receipt.accepted;
    relay.account(address).mailbox = relay.account(address).mailbox.filter(({ type }) => type !== 'client-connect');
    const rui = await join('Rui', ruiStore);
    await until(() => relay.seen.some(({ message }) => message.type === 'error'));
    relay.cut();
    const peer = await arrival(rui);
    expect(await read(peer, 1)).toEqual(['hello']);
    expect(await receipt.delivered).toEqual({ ok: true });
  });

  it('that is garbage is answered, acknowledged, and spends nothing', async () => {
    const ruiStore = memoryStore();
    const address = await once('Rui', ruiStore);
    const ana = await join('Ana', memoryStore());
    const own = await ana.open(address);
    await (
      await own.send('good')
    ).accepted;
    const { mailbox } = relay.account(address);
    const start = mailbox.find((message) => message.type === 'client-connect')!;
    const garbage = { ...start, data: start.data.slice() };
    garbage.data[start.data.length - 60]! ^= 1;
    const label = { ...start, label: 'other' };
    mailbox.unshift(garbage, label);
    const rui = await join('Rui', ruiStore);
    const peer = await arrival(rui);
    expect(await read(peer, 1)).toEqual(['good']);
    await until(() => relay.account(address).mailbox.length === 0);
    expect(rui.conversations).toHaveLength(1);
  });
});

describe('a process that ends at any write', () => {
  it('of the answering side loses and shows nothing twice, and leaves no secret that was used', async () => {
    // Where it ends: the n-th write after the client is back.
    let crashes = 0;
    for (let crashAt = 0; crashAt < 8; crashAt += 1) {
      relay = new AwayRelay();
      const inner = memoryStore();
      const address = await once('Rui', inner);
      const ana = await join('Ana', memoryStore());
      const own = await ana.open(address);
      const receipts = [await own.send('one'), await own.send('two')];
      await receipts[1]!.accepted;
      const used = relay.account(address).mailbox.find((message) => message.type === 'client-connect');
      const faults = crashing(crashAt);
      const first = await join('Rui', new FaultStore(inner, faults.next)).catch(() => undefined);
      await until(() => faults.hasCrashed() || receipts.every(({ state }) => state === 'delivered'));
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (first !== undefined) clients.delete(first);
      relay.cut();
      await first?.close({ endConversations: false }).catch(() => {});
      const ownStore = await copyOf(inner);
      const rui = await join('Rui', ownStore);
      await until(() => rui.conversations.length === 1);
      expect([crashAt, await read(rui.conversations[0]!, 2)]).toEqual([crashAt, ['one', 'two']]);
      await until(() => receipts.every(({ state }) => state === 'delivered'));
      const spentBefore = relay.seen.filter(
        ({ message }) => message.type === 'error' && message.code === 'spent',
      ).length;
      expect([crashAt, spentBefore]).toEqual([crashAt, 0]);
      crashes += faults.hasCrashed() ? 1 : 0;
      await leave(rui);
      // The secret of the bundle that was used is in the store no more.
      const kept = await bundlesIn(ownStore);
      expect(kept.length).toBeGreaterThanOrEqual(6);
      expect(kept).not.toContain(hex(decodeBundleBody3(used!.data).bundleId));
      await leave(ana);
    }
    // The start, the spent bundle, its acknowledgement and both messages are each written.
    expect(crashes).toBeGreaterThanOrEqual(4);
  });

  it('leaves no used secret to a client that wants no more bundles', async () => {
    relay = new AwayRelay();
    const store = memoryStore();
    const address = await once('Rui', store);
    const before = (await store.read('prekeys'))!.value;
    const ana = await join('Ana', memoryStore());
    const receipt = await (await ana.open(address)).send('one');
    await receipt.accepted;
    const used = relay.account(address).mailbox.find((message) => message.type === 'client-connect');
    const rui = await join('Rui', store);
    expect((await receipt.delivered).ok).toBe(true);
    await leave(rui);
    // As if the process had ended between storing the conversation and erasing the secret.
    await store.write('prekeys', before, (await store.read('prekeys'))!.version);
    const id = hex(decodeBundleBody3(used!.data).bundleId);
    expect(await bundlesIn(store)).toContain(id);
    await leave(await join('Rui', store, { prekeys: false }));
    expect(await bundlesIn(store)).not.toContain(id);
    await leave(ana);
  });

  it('of the beginning side sends all that was promised', async () => {
    for (let crashAt = 0; crashAt < 8; crashAt += 1) {
      relay = new AwayRelay();
      const ruiStore = memoryStore();
      const address = await once('Rui', ruiStore);
      const inner = memoryStore();
      await leave(await join('Ana', inner, { prekeys: false }));
      const faults = crashing(crashAt);
      const ana = await join('Ana', new FaultStore(inner, faults.next), { prekeys: false });
      const promised: string[] = [];
      try {
        const own = await ana.open(address);
        for (const text of ['one', 'two', 'three']) {
          await own.send(text);
          promised.push(text);
        }
        await until(() => relay.account(address).mailbox.length >= 4);
      } catch {
        // The process has ended.
      }
      clients.delete(ana);
      relay.cut();
      await ana.close({ endConversations: false }).catch(() => {});
      const again = await join('Ana', await copyOf(inner), { prekeys: false });
      const own = again.conversations[0] ?? (await again.open(address));
      await own.send('last');
      const rui = await join('Rui', ruiStore);
      const peer = await arrival(rui);
      const texts: string[] = [];
      for await (const { text } of peer) {
        texts.push(text);
        if (text === 'last') break;
      }
      // What was being written when the process ended may have been stored.
      expect([crashAt, texts.slice(0, promised.length)]).toEqual([crashAt, promised]);
      expect(new Set(texts).size).toBe(texts.length);
      await leave(rui);
      await leave(again);
    }
  });
});

/** Ids of the bundles whose secrets a store holds. */
async function bundlesIn(store: Store): Promise<string[]> {
  const fields = decodeCbor((await store.read('prekeys'))!.value) as readonly unknown[];
  const bundles = fields[3] as readonly (readonly Uint8Array[])[];
  return bundles.map(([bundle]) => hex(decodeBundleCore(decodeBundle(bundle!).core).id));
}

function crashing(at: number): { readonly next: () => StoreFault; readonly hasCrashed: () => boolean } {
  let writes = 0;
  let hasCrashed = false;
  return {
    next: () => {
      const fault = writes === at ? 'torn' : 'none';
      hasCrashed ||= fault === 'torn';
      writes += 1;
      return fault;
    },
    hasCrashed: () => hasCrashed,
  };
}

/** What a disk holds: the same values and versions under a lock of its own. */
async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore();
  for (const name of await store.names()) {
    const { value, version } = (await store.read(name))!;
    for (let written = 0; written < version; written += 1) await copy.write(name, value, written);
  }
  return copy;
}
