/** Two processes and a relay, over real sockets: every message arrives, in order, once, whatever the suite. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SUITE_TABLE } from '../../src/crypto/index.ts';
import { chaosProxy, type ChaosProxy } from '../support/chaosProxy.ts';
import {
  endAll,
  openBetween,
  startChatProcess,
  startRelayProcess,
  type ChatProcess,
  type Event,
  type RelayProcess,
} from '../support/processes.ts';

const COUNT = 1_000;
const LONG_BYTES = 262_144;
const SUITES = Object.keys(SUITE_TABLE);

let relay: RelayProcess;

beforeAll(async () => {
  relay = await startRelayProcess();
});

afterAll(endAll);

describe.each(['tcp', 'ws'] as const)('two chats over %s', (scheme) => {
  it.each(SUITES)("exchange 1,000 messages both ways with %s, one's connection cut three times", async (suite) => {
    const url = new URL(relay[scheme]);
    const proxy = await chaosProxy(Number(url.port));
    url.port = String(proxy.port);
    const parameters = ['--pin', relay.fingerprint, '--suite', suite, '--peer-suite', suite];
    const [ana, rui] = await Promise.all([
      startChatProcess(url.href, 'Ana', parameters),
      startChatProcess(relay[scheme], 'Rui', parameters),
    ]);
    await openBetween(ana, rui);
    const cuts = cutWhileSending(proxy, ana);
    await exchange(ana, rui);
    expect(cuts.count).toBe(3);
    expect(ana.process.events.filter(({ event }) => event === 'error')).toEqual([]);
    await Promise.all([ana, rui].map(({ process }) => process.send({ do: 'quit' })));
    expect(await Promise.all([ana.process.ended, rui.process.ended])).toEqual([0, 0]);
    await proxy.close();
  });

  it.each(SUITES)('exchange 1,000 messages both ways with %s', async (suite) => {
    const parameters = ['--pin', relay.fingerprint, '--suite', suite, '--peer-suite', suite];
    const [ana, rui] = await Promise.all([
      startChatProcess(relay[scheme], 'Ana', parameters),
      startChatProcess(relay[scheme], 'Rui', parameters),
    ]);
    const [here, there] = await openBetween(ana, rui);
    expect(here).toMatchObject({ suite, safetyNumber: there['safetyNumber'] });
    expect(there).toMatchObject({ suite });
    expect(here['safetyNumber']).toMatch(/^(\d{5} ){11}\d{5}$/u);

    await exchange(ana, rui);

    await ana.process.send({ do: 'quit' });
    expect(await ana.process.ended).toBe(0);
    expect(await rui.process.next('closed', { peer: ana.id })).toMatchObject({ reason: 'client-ended' });
    rui.process.endInput();
    expect(await rui.process.ended).toBe(0);
    expect(rui.process.events.filter(({ event }) => event === 'error')).toEqual([]);
  });
});

/** Sends a thousand messages each way at once; all must arrive, in order, once. */
async function exchange(ana: ChatProcess, rui: ChatProcess): Promise<void> {
  const texts = { ana: textsOf('ana'), rui: textsOf('rui') };
  await Promise.all([sendAll(ana, rui.id, texts.ana), sendAll(rui, ana.id, texts.rui)]);
  await Promise.all([allDone(ana), allDone(rui)]);
  expectAllDelivered(ana, texts.ana);
  expectAllDelivered(rui, texts.rui);
  expectReceived(rui, ana, texts.ana);
  expectReceived(ana, rui, texts.rui);
}

/** Cuts its connection whenever so many messages more have come to it. */
function cutWhileSending(proxy: ChaosProxy, chat: ChatProcess): { readonly count: number } {
  const cuts = { count: 0 };
  let received = 0;
  chat.process.onEvent(({ event }) => {
    if (event !== 'message') return;
    received += 1;
    if (![150, 400, 700].includes(received)) return;
    cuts.count += 1;
    proxy.cut();
  });
  return cuts;
}

/** A thousand texts, none the same; empty ones, others' scripts and long ones among them. */
function textsOf(who: string): readonly string[] {
  return Array.from({ length: COUNT }, (_, index) => {
    if (index % 100 === 7) return '';
    if (index % 100 === 19) return `${who} ${index} Olá, мир, 世界, \u2028 שלום 👩‍👩‍👧 \u0000\u001b[31m "\\\n`;
    if (index % 250 === 31) return `${who} ${index} `.padEnd(LONG_BYTES, 'long ');
    return `${who} ${index}`;
  });
}

async function sendAll(from: ChatProcess, peer: string, texts: readonly string[]): Promise<void> {
  for (const [ref, text] of texts.entries()) await from.process.send({ do: 'send', peer, text, ref });
}

/** Resolves when its messages are delivered and those of the other have come. */
async function allDone(chat: ChatProcess): Promise<void> {
  const left = { state: COUNT, message: COUNT };
  await new Promise<void>((resolve, reject) => {
    void chat.process.ended.then(() => reject(new Error(`${chat.name} ended: ${chat.process.log}`)));
    chat.process.onEvent(({ event, state }) => {
      if (event === 'message') left.message -= 1;
      else if (event === 'state' && (state === 'delivered' || state === 'failed')) left.state -= 1;
      if (left.state <= 0 && left.message <= 0) resolve();
    });
  });
}

function expectAllDelivered(from: ChatProcess, texts: readonly string[]): void {
  const states: string[][] = texts.map(() => []);
  for (const { event, ref, state } of from.process.events) {
    if (event === 'state') states[ref as number]!.push(state as string);
  }
  for (const [ref, seen] of states.entries()) {
    expect(seen[0], `message ${ref}`).toBe('pending');
    expect(seen.at(-1), `message ${ref}`).toBe('delivered');
    expect(new Set(seen).size, `message ${ref}`).toBe(seen.length);
  }
}

function expectReceived(by: ChatProcess, from: ChatProcess, texts: readonly string[]): void {
  const messages = by.process.events.filter((event): event is Event & { text: string } => event.event === 'message');
  expect(messages.map(({ peer }) => peer).every((peer) => peer === from.id)).toBe(true);
  expect(messages.length).toBe(texts.length);
  expect(new Set(messages.map(({ id }) => id)).size).toBe(texts.length);
  // Not `toEqual` on all of it: a difference would print megabytes.
  for (const [index, { text }] of messages.entries()) expect(text === texts[index], `message ${index}`).toBe(true);
}
