import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  endAll,
  run,
  startChatProcess,
  startRelayProcess,
  type ChatProcess,
  type LineProcess,
  type RelayProcess,
} from '../support/processes.ts';

// Debian's python3-cryptography belongs to Debian's Python, whatever other python3 is first on PATH.
const PYTHON = '/usr/bin/python3';
const PEER = join(import.meta.dirname, 'python/peer.py');
const available = spawnSync(PYTHON, ['-c', 'import cryptography.fernet']).status === 0;
const limitMs = 40_000;

const suites = [
  { suite: 'X25519_WITH_CHACHA20_POLY1305_SHA256', credential: 'none' },
  { suite: 'ECDHE_WITH_AES_256_GCM_SHA384', credential: 'key' },
  { suite: 'ECDHE_WITH_AES_128_CBC_SHA256', credential: 'none' },
  { suite: 'RSA_WITH_AES_128_CBC_SHA256', credential: 'key' },
] as const;

/** The other implementation, which was written from docs/protocol.md alone. */
interface Python {
  readonly process: LineProcess;
  readonly id: string;
}

let relay: RelayProcess;

async function startPython(suite: string, credential: string, more: readonly string[] = []): Promise<Python> {
  const options = ['--pin', relay.fingerprint, '--name', 'Piet', '--suite', suite, '--peer-suite', suite];
  const process = run([PYTHON, '-Bu', PEER, relay.tcp], [...options, '--credential', credential, ...more]);
  const { id } = await process.next('ready', { suite });
  return { process, id: id as string };
}

/** Resolves when the one has the other in its list. */
async function listed(process: LineProcess, id: string): Promise<void> {
  for (;;) {
    await process.send({ do: 'list' });
    const { clients } = await process.next('list');
    if ((clients as readonly { readonly id: string }[]).some((each) => each.id === id)) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

async function opened(chat: ChatProcess, python: Python, suite: string, role: number): Promise<void> {
  const [here, there] = await Promise.all([
    chat.process.next('opened', { peer: python.id }, limitMs),
    python.process.next('opened', { peer: chat.id }, limitMs),
  ]);
  expect([here.suite, there.suite, there.role]).toEqual([suite, suite, role]);
  expect(here.safetyNumber).toMatch(/^(\d{5} ){11}\d{5}$/u);
  expect(there.safetyNumber).toBe(here.safetyNumber);
}

/** Messages both ways, each of them delivered, and two new epochs of each direction. */
async function exchange(chat: ChatProcess, python: Python): Promise<void> {
  for (const epoch of [1, 2]) {
    for (const text of [`before epoch ${epoch}`, `Grüße, ${epoch} 👋`]) {
      await python.process.send({ do: 'send', peer: chat.id, text, ref: text });
      await chat.process.next('message', { peer: python.id, text });
      await python.process.next('delivered', { ref: text });
      await python.process.send({ do: 'rekey', peer: chat.id });
    }
    await untilEpochIn(chat, python);
  }
  const { conversation } = python.process.events.findLast(({ event }) => event === 'epoch')!;
  for (const direction of ['in', 'out']) {
    const epochs = python.process.events.filter((each) => each.event === 'epoch' && each.direction === direction);
    expect(epochs.filter((each) => each.conversation === conversation).length).toBeGreaterThanOrEqual(2);
  }
}

/** The client has no order to rekey: it sends until its own policy begins an epoch. */
async function untilEpochIn(chat: ChatProcess, python: Python): Promise<void> {
  const since = python.process.events.length;
  const follows = (): boolean =>
    python.process.events.slice(since).some(({ event, direction }) => event === 'epoch' && direction === 'in');
  for (let burst = 0; burst < 30 && !follows(); burst += 1) {
    const texts = Array.from({ length: 10 }, (_, at) => `${since}.${burst}.${at} ${'x'.repeat(burst * at)}`);
    for (const text of texts) await chat.process.send({ do: 'send', peer: python.id, text, ref: text });
    for (const text of texts) await python.process.next('message', { peer: chat.id, text });
    await chat.process.next('state', { ref: texts.at(-1)!, state: 'delivered' });
  }
  expect(follows()).toBe(true);
}

/** Resolves when that many messages of each side are delivered. */
async function settled(chat: ChatProcess, python: Python, count: number): Promise<void> {
  const delivered = (): number[] => [
    python.process.events.filter(({ event }) => event === 'delivered').length,
    chat.process.events.filter(({ event, state }) => event === 'state' && state === 'delivered').length,
  ];
  while (delivered().some((each) => each < count)) {
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

describe.skipIf(!available)(
  'holds conversations with an implementation in Python of the protocol page alone (needs python3-cryptography)',
  () => {
    beforeAll(async () => {
      relay = await startRelayProcess();
    });
    afterAll(endAll);

    it.each(suites)(
      '$suite, credential $credential, opened by either side',
      async ({ suite, credential }) => {
        const parameters = ['--pin', relay.fingerprint, '--suite', suite, '--peer-suite', suite];
        const [chat, python] = await Promise.all([
          startChatProcess(relay.tcp, 'Tess', parameters),
          startPython(suite, credential),
        ]);

        await listed(python.process, chat.id);
        await python.process.send({ do: 'open', peer: chat.id });
        await opened(chat, python, suite, 0);
        await exchange(chat, python);
        await python.process.send({ do: 'close', peer: chat.id });
        await chat.process.next('closed', { peer: python.id, reason: 'closed' });
        await python.process.next('closed', { peer: chat.id, by: 'me' });

        await listed(chat.process, python.id);
        await chat.process.send({ do: 'open', peer: python.id });
        await opened(chat, python, suite, 1);
        await exchange(chat, python);
        await chat.process.send({ do: 'close', peer: python.id });
        await python.process.next('closed', { peer: chat.id, by: 'peer', reason: 'closed' });
        await chat.process.next('closed', { peer: python.id });

        for (const { process } of [chat, python]) await process.send({ do: 'quit' });
        expect(await Promise.all([chat.process.ended, python.process.ended])).toEqual([0, 0]);
        const faults = [...chat.process.events, ...python.process.events].filter(({ event }) =>
          ['error', 'dropped', 'history', 'hint'].includes(event),
        );
        expect(faults).toEqual([]);
      },
      limitMs,
    );

    it(
      'which refuses every change of a handshake or record, and notices forks, rollbacks and clones',
      async () => {
        const check = run([PYTHON, '-Bu', join(import.meta.dirname, 'python/selfcheck.py')], []);
        expect([await check.ended, check.log]).toEqual([0, '']);
        expect(check.events.map(({ suite, missed }) => ({ suite, missed }))).toEqual(
          suites.map(({ suite }) => ({ suite, missed: [] })),
        );
        for (const { changes } of check.events) expect(changes).toBeGreaterThan(100);
      },
      limitMs,
    );

    it('which does not tell who it is to a relay that is not the pinned one', async () => {
      const options = ['--pin', `sha256:${'00'.repeat(32)}`, '--name', 'Piet'];
      const python = run([PYTHON, '-Bu', PEER, relay.tcp], options);
      expect(await python.ended).toBe(1);
      expect(python.log).toContain('the relay is not the pinned one');
    });

    it(
      'loses nothing and keeps the order where a tenth of the records is lost, and finds the history again later',
      async () => {
        const { suite } = suites[0];
        const chat = await startChatProcess(relay.tcp, 'Tess', ['--pin', relay.fingerprint, '--peer-suite', suite]);
        const python = await startPython(suite, 'key', ['--lose', '0.1']);
        await python.process.send({ do: 'open', peer: chat.id });
        await opened(chat, python, suite, 0);
        const texts = Array.from({ length: 60 }, (_, at) => `message ${at}`);
        for (const [at, text] of texts.entries()) {
          await python.process.send({ do: 'send', peer: chat.id, text, ref: text });
          await chat.process.send({ do: 'send', peer: python.id, text, ref: text });
          if (at % 20 === 10) await python.process.send({ do: 'rekey', peer: chat.id });
          if (at % 20 === 19) await settled(chat, python, at + 1);
        }
        for (const { events } of [chat.process, python.process]) {
          expect(events.filter(({ event }) => event === 'message').map(({ text }) => text)).toEqual(texts);
          expect(events.filter(({ event }) => ['closed', 'dropped', 'history'].includes(event))).toEqual([]);
        }
        for (const direction of ['in', 'out']) {
          const since = python.process.events.filter((each) => each.event === 'epoch' && each.direction === direction);
          expect(since.length).toBeGreaterThan(0);
        }
        await python.process.send({ do: 'open', peer: chat.id });
        await python.process.next('opened', { peer: chat.id, previous: 'agreement' });
      },
      limitMs,
    );

    it(
      'outlives content that is not what it says it is',
      async () => {
        const { suite } = suites[0];
        const chat = await startChatProcess(relay.tcp, 'Tess', ['--pin', relay.fingerprint, '--peer-suite', suite]);
        const python = await startPython(suite, 'none');
        await python.process.send({ do: 'open', peer: chat.id });
        await opened(chat, python, suite, 0);
        for (const hex of ['0061fffe62', '00eda080', '01ff', '01a20102']) {
          await python.process.send({ do: 'content', peer: chat.id, hex, ref: hex });
          await python.process.next('delivered', { ref: hex });
        }
        await python.process.send({ do: 'send', peer: chat.id, text: 'still here?' });
        await chat.process.next('message', { text: 'still here?' });
        expect(chat.process.events.filter(({ event }) => event === 'message').length).toBe(1);
        await chat.process.send({ do: 'send', peer: python.id, text: 'yes' });
        await python.process.next('message', { text: 'yes' });
      },
      limitMs,
    );
  },
);
