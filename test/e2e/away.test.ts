import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileStore } from '../../src/client/node/index.ts';
import { connect, type Client, type Conversation, type Receipt } from '../../src/index.node.ts';
import type { RelayServer } from '../../src/relay/node/index.ts';
import { testRelay, until, Wire } from '../support/relay.ts';

let relay: RelayServer;
let wire: Wire;
let folder: string;
const clients = new Set<Client>();

beforeEach(async () => {
  relay = await testRelay({ limits: { graceMs: 0 } });
  wire = new Wire(relay.urls[0]!);
  folder = await mkdtemp(join(tmpdir(), 'sims-away-'));
});

afterEach(async () => {
  for (const client of clients) await client.close({ endConversations: false });
  clients.clear();
  await relay.close();
  await rm(folder, { recursive: true });
});

/** Somebody with a folder of their own; the same name is the same person again. */
async function come(name: string): Promise<Client> {
  const client = await connect(wire.dial, { name, store: fileStore(join(folder, name)) });
  clients.add(client);
  return client;
}

async function leave(client: Client): Promise<void> {
  await client.close({ endConversations: false });
  clients.delete(client);
}

async function read(conversation: Conversation, count: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of conversation) {
    texts.push(text);
    if (texts.length === count) break;
  }
  return texts;
}

describe('somebody who was here once and left', () => {
  it('reads a hundred messages in order and answers, and each is told as delivered, across restarts of both', async () => {
    const here = await come('Rui');
    const { address } = here;
    const watcher = await come('Eva');
    await until(() => watcher.peers.some((peer) => peer.address === address));
    await leave(here);
    // Away, and not gone: bundles are at the relay.
    await until(() => watcher.peers.some((peer) => peer.address === address && !peer.online));

    const ana = await come('Ana');
    const own = await ana.open(address);
    expect(own.confirmed).toBe(false);
    const sent = Array.from({ length: 100 }, (_, index) => `message ${index}`);
    const receipts: Receipt[] = [];
    for (const [index, text] of sent.entries()) {
      receipts.push(await own.send(text));
      if (index === 50) wire.cut();
    }
    await until(() => ana.status === 'online');
    await Promise.all(receipts.map(({ accepted }) => accepted));
    await leave(ana);

    const rui = await come('Rui');
    const arrived = await rui.incoming.next();
    const peer = arrived.value as Conversation;
    expect(await read(peer, 40)).toEqual(sent.slice(0, 40));
    await leave(rui);
    const again = await come('Rui');
    wire.cut();
    const [resumed] = again.conversations;
    // The fortieth was not taken when the process ended: it comes again, and no other.
    const rest = await read(resumed!, 60);
    expect(rest).toEqual(sent.slice(40));
    await (
      await resumed!.send('back again')
    ).accepted;
    await leave(again);

    const last = await come('Ana');
    const [conversation] = last.conversations;
    const delivered = new Set<string>();
    conversation!.on('state', ({ id, state }) => {
      if (state === 'delivered') delivered.add(id);
    });
    expect(await read(conversation!, 1)).toEqual(['back again']);
    expect(conversation!.confirmed).toBe(true);
    await until(() => receipts.every(({ id }) => delivered.has(id)));
    expect(delivered.size).toBe(100);
  });
});
