/** What a relay that lies makes a client do: nothing without bounds, and nothing to what was authenticated. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeCbor } from '../../src/codec/cbor.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { connect, type Client, type ConnectOptions, type Conversation } from '../../src/index.node.ts';
import { addressFromBytes, messageIdFromBytes, type Address } from '../../src/messages/address.ts';
import { encodeBody1 } from '../../src/messages/handshakeBodies.ts';
import type { Message } from '../../src/messages/messages.ts';
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
    const [, , , kept] = decodeCbor(stored!.value, { maxBytes: 2 ** 26, maxItems: 2 ** 17, maxDepth: 8 }) as unknown[][];
    expect(kept!.length).toBeLessThanOrEqual(1_000);
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
});
