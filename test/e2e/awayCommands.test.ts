/** Chats as processes, of which one is away when the other writes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import {
  endAll,
  startChatProcess,
  startRelayProcess,
  type ChatProcess,
  type Event,
  type RelayProcess,
} from '../support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sims-away-'));

afterAll(async () => {
  await endAll();
  rmSync(folder, { recursive: true });
});

/** The same name is the same person again. */
function come(relay: RelayProcess, name: string): Promise<ChatProcess> {
  return startChatProcess(relay.tcp, name, ['--pin', relay.fingerprint, '--state', join(folder, name)]);
}

async function leave({ process }: ChatProcess): Promise<void> {
  await process.send({ do: 'quit' });
  expect(await process.ended, process.log).toBe(0);
}

/** Waits until somebody is in the list so. */
async function listed(chat: ChatProcess, id: string, online: boolean): Promise<Event> {
  for (;;) {
    await chat.process.send({ do: 'list' });
    const { clients } = await chat.process.next('list');
    const found = (clients as readonly Event[]).find((each) => each['id'] === id && each['online'] === online);
    if (found !== undefined) return found;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

const eventsOf = ({ process }: ChatProcess, name: string): readonly Event[] =>
  process.events.filter(({ event }) => event === name);

it('a chat writes to who was here once and left; each leaves and comes back, and sees what it waits for', async () => {
  const relay = await startRelayProcess();
  const before = await come(relay, 'Rui');
  const rui = before.id;
  const watcher = await startChatProcess(relay.tcp, 'Eva');
  await listed(watcher, rui, true);
  await leave(before);
  // Away, and not gone: its bundles are at the relay.
  expect(await listed(watcher, rui, false)).toMatchObject({ name: 'Rui', identity: { kind: 'key', verified: false } });
  await leave(watcher);

  const ana = await come(relay, 'Ana');
  await listed(ana, rui, false);
  await ana.process.send({ do: 'open', peer: rui });
  const opened = await ana.process.next('opened', { peer: rui });
  expect(opened).toMatchObject({ confirmed: false });
  for (const ref of [1, 2, 3]) await ana.process.send({ do: 'send', peer: rui, text: `text ${ref}`, ref });
  await ana.process.next('state', { ref: 3, state: 'accepted' });
  const ids = eventsOf(ana, 'state')
    .filter(({ state }) => state === 'pending')
    .map(({ id }) => id);
  const leavingAtMs = Date.now();
  await leave(ana);
  // Nothing is waited for that only the one who is away can give.
  expect(Date.now() - leavingAtMs).toBeLessThan(5_000);
  expect(ana.process.events.at(-1)).toEqual({ event: 'closed', peer: rui, reason: 'suspended' });
  expect(eventsOf(ana, 'state').filter(({ state }) => state === 'failed')).toEqual([]);
  expect(eventsOf(ana, 'confirmed')).toEqual([]);

  const back = await come(relay, 'Rui');
  const told = await back.process.next('opened', { peer: ana.id });
  expect(told).toMatchObject({ safetyNumber: opened['safetyNumber'] });
  expect(told).not.toHaveProperty('confirmed');
  await back.process.next('message', { text: 'text 3' });
  expect(eventsOf(back, 'message').map(({ text }) => text)).toEqual(['text 1', 'text 2', 'text 3']);
  await listed(back, ana.id, false);
  await back.process.send({ do: 'send', peer: ana.id, text: 'back again', ref: 'answer' });
  await back.process.next('state', { ref: 'answer', state: 'accepted' });
  await leave(back);

  const again = await come(relay, 'Ana');
  expect(await again.process.next('opened', { peer: rui })).toMatchObject({ confirmed: false });
  await again.process.next('message', { text: 'back again' });
  await again.process.send({ do: 'list' });
  await again.process.next('list');
  expect(eventsOf(again, 'confirmed')).toEqual([{ event: 'confirmed', peer: rui }]);
  const delivered = eventsOf(again, 'state').filter(({ state }) => state === 'delivered');
  expect(delivered.map(({ id }) => id)).toEqual(ids);

  const last = await come(relay, 'Rui');
  await last.process.next('opened', { peer: ana.id });
  await listed(again, rui, true);
  await leave(again);
  // Who is there is told that the other has left.
  expect(await last.process.next('closed', { peer: ana.id })).toMatchObject({ reason: 'client-ended' });
  await leave(last);
});
