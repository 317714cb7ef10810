/** What goes wrong: bad lines, a relay that is started again, a peer that is killed, an end that cannot wait. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startRelay } from '../../src/relay/node/index.ts';
import {
  endAll,
  openBetween,
  run,
  SIMS,
  startChatProcess,
  startRelayProcess,
  type ChatProcess,
  type RelayProcess,
} from '../support/processes.ts';

const folders: string[] = [];

afterEach(async () => {
  await endAll();
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

function folder(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'sims-e2e-')));
  return folders.at(-1)!;
}

async function twoChats(relay: RelayProcess): Promise<readonly [ChatProcess, ChatProcess]> {
  const parameters = ['--pin', relay.fingerprint];
  const both = [startChatProcess(relay.tcp, 'Ana', parameters), startChatProcess(relay.ws, 'Rui', parameters)] as const;
  const [ana, rui] = await Promise.all(both);
  await openBetween(ana, rui);
  return [ana, rui];
}

describe('sims', () => {
  it.each([
    [[]],
    [['talk']],
    [['chat']],
    [['chat', 'http://x', '--name', 'Ana']],
    [['chat', 'tcp://127.0.0.1:99999', '--name', 'Ana']],
    [['chat', 'tcp://127.0.0.1:1']],
    [['chat', 'tcp://127.0.0.1:1', '--name', 'é'.repeat(65)]],
    [['chat', 'tcp://127.0.0.1:1', '--name', 'Ana', '--pin', 'sha256:00']],
    [['chat', 'tcp://127.0.0.1:1', '--name', 'Ana', '--suite', 'NULL']],
    [['chat', 'tcp://127.0.0.1:1', '--name', 'Ana', '--colour']],
    [['relay', 'tcp://127.0.0.1:1']],
    [['relay', '--listen', 'udp://127.0.0.1:1']],
    [['relay', '--suite', 'constructor']],
  ])('exits 2 and says how it is used for %j', async (parameters) => {
    const process = run(SIMS, parameters);
    expect(await process.ended).toBe(2);
    expect(process.events).toEqual([]);
    expect(process.log).toContain('sims relay [--listen');
  });

  it('exits 1 with an error event when there is no relay', async () => {
    const process = run(SIMS, ['chat', 'tcp://127.0.0.1:1', '--name', 'Ana']);
    expect(await process.ended).toBe(1);
    expect(process.events).toMatchObject([{ event: 'error', code: 'transport/connect-failed' }]);
  });

  it('exits 1 when the relay has another fingerprint, and warns when nothing tells which it should have', async () => {
    const relay = await startRelayProcess();
    const pinned = run(SIMS, ['chat', relay.tcp, '--name', 'Ana', '--json', '--pin', `sha256:${'0'.repeat(64)}`]);
    expect(await pinned.ended).toBe(1);
    expect(pinned.events).toMatchObject([{ event: 'error' }]);
    const first = await startChatProcess(relay.tcp, 'Ana');
    first.process.endInput();
    expect(await first.process.ended).toBe(0);
    expect(first.process.log).toContain(relay.fingerprint);
    expect(first.process.log).toContain('--pin');
    expect(await relay.process.kill('SIGTERM')).toBe(0);
  });
});

describe('a bad line', () => {
  it('answers an error and changes nothing', async () => {
    const [ana, rui] = await twoChats(await startRelayProcess());
    const bad: readonly (readonly [string, string])[] = [
      ['{', 'client/invalid-argument'],
      ['[]', 'client/invalid-argument'],
      ['null', 'client/invalid-argument'],
      ['{"do":"dance"}', 'client/invalid-argument'],
      [`{"do":"send","peer":"${rui.id}"}`, 'client/invalid-argument'],
      ['{"do":"open","peer":"Rui"}', 'messages/invalid-address'],
      [`{"do":"open","peer":"${ana.id}"}`, 'client/unknown-peer'],
      [`{"do":"send","peer":"${ana.id}","text":"to myself"}`, 'client/not-open'],
      [`{"do":"close","peer":"${ana.id}"}`, 'client/not-open'],
      [`{"do":"send","peer":"${rui.id}","text":"\\ud800"}`, 'codec/lone-surrogate'],
      [JSON.stringify({ do: 'send', peer: rui.id, text: 'x'.repeat(524_289) }), 'client/text-too-long'],
      ['x'.repeat(5_000_000), 'client/invalid-argument'],
    ];
    for (const [line, code] of bad) {
      await ana.process.send(line);
      expect(await ana.process.next('error'), line.slice(0, 60)).toMatchObject({ code });
    }
    await ana.process.send({ do: 'send', peer: rui.id, text: 'still here', ref: { any: ['json'] }, more: 1 });
    expect(await rui.process.next('message')).toMatchObject({ peer: ana.id, text: 'still here' });
    expect(await ana.process.next('state', { state: 'delivered' })).toMatchObject({ ref: { any: ['json'] } });
    expect(rui.process.events.filter(({ event }) => event === 'error')).toEqual([]);
  });
});

describe('leaving', () => {
  it('takes along what was read, whole, in one go: open, send and end of input', async () => {
    const relay = await startRelayProcess();
    const rui = await startChatProcess(relay.tcp, 'Rui');
    const ana = await startChatProcess(relay.tcp, 'Ana');
    const requests = [
      { do: 'open', peer: rui.id },
      ...Array.from({ length: 300 }, (_, ref) => ({ do: 'send', peer: rui.id, text: `${ref}`, ref })),
    ];
    ana.process.child.stdin!.end(requests.map((request) => JSON.stringify(request)).join('\n'));
    expect(await ana.process.ended).toBe(0);
    expect(await rui.process.next('closed')).toMatchObject({ peer: ana.id, reason: 'client-ended' });
    const texts = rui.process.events.filter(({ event }) => event === 'message').map(({ text }) => text);
    expect(texts).toEqual(Array.from({ length: 300 }, (_, ref) => `${ref}`));
    const delivered = ana.process.events.filter(({ state }) => state === 'delivered');
    expect(delivered.length).toBe(300);
    expect(ana.process.events.at(-1)).toMatchObject({ event: 'closed', peer: rui.id });
  });

  it('waits five seconds for a peer that is silent, and no longer', async () => {
    const [ana, rui] = await twoChats(await startRelayProcess());
    rui.process.child.kill('SIGSTOP');
    await ana.process.send({ do: 'send', peer: rui.id, text: 'anybody?', ref: 1 });
    await ana.process.next('state', { state: 'pending' });
    const startedAtMs = performance.now();
    await ana.process.send({ do: 'quit' });
    expect(await ana.process.ended).toBe(0);
    const tookMs = performance.now() - startedAtMs;
    expect(tookMs).toBeGreaterThan(4_000);
    expect(tookMs).toBeLessThan(9_000);
    expect(ana.process.events.filter(({ state }) => state === 'failed')).toMatchObject([{ ref: 1 }]);
    expect(ana.process.events.at(-1)).toMatchObject({ event: 'closed', peer: rui.id });
  });

  it('is what SIGTERM does too', async () => {
    const [ana, rui] = await twoChats(await startRelayProcess());
    expect(await ana.process.kill('SIGTERM')).toBe(0);
    expect(await rui.process.next('closed', { peer: ana.id })).toMatchObject({ reason: 'client-ended' });
  });
});

describe('a relay that is killed and started again in the middle', () => {
  it('loses and repeats nothing, with its certificate kept', async () => {
    const parameters = ['--state', folder()];
    const relay = await startRelayProcess(parameters);
    const [ana, rui] = await twoChats(relay);
    const sendSome = async (from: number): Promise<void> => {
      for (let ref = from; ref < from + 200; ref += 1) {
        await ana.process.send({ do: 'send', peer: rui.id, text: `a${ref}`, ref });
        await rui.process.send({ do: 'send', peer: ana.id, text: `r${ref}`, ref });
      }
    };
    await sendSome(0);
    await rui.process.next('message', { text: 'a50' });
    await relay.process.kill('SIGKILL');
    await sendSome(200);
    const portOf = (url: string): number => Number(new URL(url.replace('tcp:', 'ws:')).port);
    const again = await startRelayProcess(parameters, { tcp: portOf(relay.tcp), ws: portOf(relay.ws) });
    expect(again.fingerprint).toBe(relay.fingerprint);
    await ana.process.next('state', { ref: 399, state: 'delivered' }, 50_000);
    await rui.process.next('state', { ref: 399, state: 'delivered' }, 50_000);
    const textsAt = (chat: ChatProcess): unknown[] =>
      chat.process.events.filter(({ event }) => event === 'message').map(({ text }) => text);
    await ana.process.send({ do: 'quit' });
    await rui.process.next('closed');
    expect(textsAt(rui)).toEqual(Array.from({ length: 400 }, (_, ref) => `a${ref}`));
    expect(textsAt(ana)).toEqual(Array.from({ length: 400 }, (_, ref) => `r${ref}`));
  });
});

describe('a chat whose key and device appear a second time', () => {
  it('gives way: an error, then exit 1', async () => {
    const relay = await startRelayProcess();
    const state = folder();
    const first = await startChatProcess(relay.tcp, 'Ana', ['--state', state]);
    // A copy of the directory: the lock of the first is not in its way.
    const copy = folder();
    cpSync(state, copy, { recursive: true, filter: (path) => !path.includes('lock') });
    const second = await startChatProcess(relay.tcp, 'Ana', ['--state', copy]);
    expect(second.id).toBe(first.id);
    expect(await first.process.next('error')).toMatchObject({ code: 'client/relay-refused' });
    expect(await first.process.ended).toBe(1);
    second.process.endInput();
    expect(await second.process.ended).toBe(0);
  });
});

describe('a chat that is killed', () => {
  it('is gone for the other side when its grace at the relay is over', async () => {
    const relay = await startRelay({ listen: [{ scheme: 'tcp' }], limits: { graceMs: 500 } });
    const [ana, rui] = await Promise.all([
      startChatProcess(relay.urls[0]!, 'Ana'),
      startChatProcess(relay.urls[0]!, 'Rui'),
    ]);
    await openBetween(ana, rui);
    await rui.process.kill('SIGKILL');
    await ana.process.send({ do: 'send', peer: rui.id, text: 'too late', ref: 1 });
    expect(await ana.process.next('state', { state: 'failed' })).toMatchObject({ ref: 1, reason: 'unreachable' });
    expect(await ana.process.next('closed', { peer: rui.id })).toMatchObject({ reason: 'gone' });
    await ana.process.send({ do: 'quit' });
    expect(await ana.process.ended).toBe(0);
    await relay.close();
  });

  it('goes on with its conversation when its state was kept', async () => {
    const relay = await startRelayProcess();
    const state = ['--state', folder()];
    const rui = await startChatProcess(relay.tcp, 'Rui', state);
    const ana = await startChatProcess(relay.tcp, 'Ana');
    await openBetween(ana, rui);
    await ana.process.send({ do: 'send', peer: rui.id, text: 'before' });
    await rui.process.next('message', { text: 'before' });
    await rui.process.kill('SIGKILL');
    await ana.process.send({ do: 'send', peer: rui.id, text: 'meanwhile', ref: 2 });
    const again = await startChatProcess(relay.tcp, 'Rui', state);
    expect(again.id).toBe(rui.id);
    expect(again.process.log).not.toContain('warning');
    await again.process.next('opened', { peer: ana.id });
    await again.process.next('message', { text: 'meanwhile' });
    await ana.process.next('state', { ref: 2, state: 'delivered' });
    await again.process.send({ do: 'send', peer: ana.id, text: 'here again' });
    await ana.process.next('message', { text: 'here again' });
  });
});
