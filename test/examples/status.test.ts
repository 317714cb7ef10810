/** The chat for programs tells how a history stands, with what shows it. */
import { PassThrough } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { jsonChat } from '../../examples/cli/jsonChat.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { connect, type Client, type Store } from '../../src/index.node.ts';
import { HostileRelay } from '../support/hostileRelay.ts';
import { until } from '../support/relay.ts';

const clients: Client[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close({ endConversations: false })));
});

async function copyOf(store: Store): Promise<Store> {
  const copy = memoryStore();
  for (const name of await store.names()) {
    const stored = (await store.read(name))!;
    for (let version = 0; version < stored.version; version += 1) await copy.write(name, stored.value, version);
  }
  return copy;
}

it('prints the status of a history that does not agree, with evidence in hexadecimal digits', async () => {
  const relay = new HostileRelay();
  const common = { accept: 'all', prekeys: false, conversation: { repeatAfterMs: 30, acknowledgeAfterMs: 2 } } as const;
  const store = memoryStore();
  const rui = await connect(relay.dial, { name: 'Rui', ...common });
  const ana = await connect(relay.dial, { name: 'Ana', store, ...common });
  clients.push(rui, ana);
  await until(() => ana.peers.length === 1);
  const own = await ana.open(rui.address);
  await (
    await own.send('1')
  ).delivered;
  const old = await copyOf(store);
  await (
    await own.send('2')
  ).delivered;
  await ana.close();

  const restored = await connect(relay.dial, { name: 'Ana', store: old, ...common });
  clients.push(restored);
  const [input, output] = [new PassThrough(), new PassThrough()];
  let printed = '';
  output.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const { signal } = new AbortController();
  const chat = jsonChat({ client: restored, input, output, log: () => {}, signal });
  input.write(`${JSON.stringify({ do: 'send', peer: rui.address, text: 'under a number that was used' })}\n`);
  await until(() => printed.includes('"closed"'));
  input.end('{"do":"quit"}\n');
  await chat;
  const events = printed
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string });
  const digits = expect.stringMatching(/^[0-9a-f]{32}$/u);
  expect(events.filter(({ event }) => event === 'status')).toEqual([
    {
      event: 'status',
      peer: rui.address,
      status: 'rollback',
      evidence: { direction: 'own', m: 2, expected: digits, got: digits },
    },
  ]);
  expect(events.at(-1)).toEqual({ event: 'closed', peer: rui.address, reason: 'inconsistent' });
});
