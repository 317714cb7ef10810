import { mkdtemp, readFile, readdir, rm, stat, writeFile, chmod } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../../src/cc/index.ts';
import { allSuites } from '../../../src/crypto/node/index.ts';
import { encodeMessage } from '../../../src/messages/messages.ts';
import { keptIdentity, startRelay, type RelayServer, type RelayServerOptions } from '../../../src/relay/node/index.ts';
import type { Transport } from '../../../src/transport/index.ts';
import { dial, newId, Person, QUICK, until } from './people.ts';

const running: RelayServer[] = [];
const directories: string[] = [];

async function start(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
  const relay = await startRelay({ listen: [{ scheme: 'tcp' }, { scheme: 'ws' }], suites: [QUICK], ...options });
  running.push(relay);
  return relay;
}

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sims-relay-'));
  directories.push(path);
  return path;
}

/** A connection whose reader can stop reading for good. */
async function deafable(url: string): Promise<{ readonly transport: Transport; readonly deafen: () => void }> {
  const transport = await dial(url);
  const startReading = transport.start.bind(transport);
  let isDeaf = false;
  transport.start = (receiver) =>
    startReading({ message: (bytes) => (isDeaf ? new Promise<void>(() => {}) : receiver.message(bytes)) });
  return {
    transport,
    deafen: () => {
      isDeaf = true;
    },
  };
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((relay) => relay.close()));
  await Promise.all(directories.splice(0).map((path) => rm(path, { recursive: true })));
});

describe('a relay on real sockets', () => {
  it('carries messages between TCP and WebSocket, JSON and CBOR', async () => {
    const relay = await start();
    const [tcp, ws] = relay.urls as [string, string];
    expect([tcp.slice(0, 16), ws.slice(0, 15)]).toEqual(['tcp://127.0.0.1:', 'ws://127.0.0.1:']);
    const alice = await Person.join(tcp, 'Alice', { encoding: 'json' });
    const bob = await Person.join(ws, 'Bob');
    expect(relay.fingerprint).toBe(`sha256:${Buffer.from(alice.hop.relayIdentity).toString('hex')}`);
    expect(alice.hop.label).toBe('everyone');
    const ids = Array.from({ length: 200 }, (_, index) => [
      alice.say(bob.address, index),
      bob.say(alice.address, index),
    ]);
    await until(() => alice.messages.length === 400 && bob.messages.length === 400);
    expect(alice.of('client-com').map((message) => message.id)).toEqual(ids.map(([, fromBob]) => fromBob));
    expect(bob.of('client-com').map((message) => message.id)).toEqual(ids.map(([fromAlice]) => fromAlice));
    expect(alice.of('ack').map((message) => message.msgId)).toEqual(ids.map(([fromAlice]) => fromAlice));
    expect(bob.of('client-com').every((message) => message.src === alice.address)).toBe(true);
  });

  it('serves each of its suites', async () => {
    const relay = await start({ suites: allSuites });
    const url = relay.urls[0]!;
    for (const suite of allSuites) {
      const [alice, bob] = await Promise.all([
        Person.join(url, 'Alice', { suites: [suite] }),
        Person.join(url, 'Bob', { suites: [QUICK] }),
      ]);
      expect(alice.hop.suite).toBe(suite.name);
      alice.say(bob.address, 1_000);
      await until(() => bob.messages.length === 1, suite.name);
    }
  }, 60_000);

  it('tells who comes, goes and comes back', async () => {
    const relay = await start({ limits: { graceMs: 200, listIntervalMs: 10 } });
    const url = relay.urls[1]!;
    const watcher = await Person.join(url, 'Watcher');
    watcher.hop.send({ type: 'list', id: newId() });
    await until(() => watcher.messages.length === 1);
    const transport = await dial(url);
    const alice = await Person.join(url, 'Alice', { transport });
    await until(() => watcher.messages.length === 2);
    expect(watcher.messages[1]).toMatchObject({ data: [{ address: alice.address, online: true, name: 'Alice' }] });
    transport.abort();
    await until(() => watcher.messages.length === 3);
    expect(watcher.messages[2]).toMatchObject({ data: [{ address: alice.address, online: false }] });
  });

  it('says goodbye when it closes, and is closed by a signal alike', async () => {
    const controller = new AbortController();
    const relay = await start({ signal: controller.signal });
    const people = await Promise.all(relay.urls.map((url) => Person.join(url, 'someone')));
    controller.abort();
    await relay.closed;
    await until(() => people.every((person) => person.end !== undefined));
    for (const person of people) expect(person.end).toEqual({ by: 'relay', code: 'shutting-down' });
    await expect(dial(relay.urls[0]!)).rejects.toMatchObject({ code: 'transport/connect-failed' });
    await relay.close();
    await expect(start({ signal: controller.signal })).rejects.toMatchObject({ code: 'transport/aborted' });
  });

  it('takes another port when one is taken, if it may', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as { port: number };
    const listen = [{ scheme: 'tcp', port }] as const;
    await expect(start({ listen })).rejects.toMatchObject({ code: 'transport/listen-failed' });
    const relay = await start({ listen, fallbackToFreePort: true });
    expect(relay.urls[0]).not.toBe(`tcp://127.0.0.1:${port}`);
    expect((await Person.join(relay.urls[0]!, 'Alice')).hop.label).toBe('everyone');
    blocker.close();
  });

  it('refuses to listen nowhere, and closes what it opened when the rest fails', async () => {
    await expect(start({ listen: [] })).rejects.toMatchObject({ code: 'relay/invalid-option' });
    const first = await start({ listen: [{ scheme: 'tcp' }] });
    const port = Number(new URL(first.urls[0]!).port);
    await expect(start({ listen: [{ scheme: 'tcp' }, { scheme: 'tcp', port }] })).rejects.toMatchObject({
      code: 'transport/listen-failed',
    });
  });
});

describe('hostile connections', () => {
  it('of every kind leave others alone and nothing behind', async () => {
    const relay = await start({ limits: { establishMs: 300, strangers: 200 } });
    const [tcp, ws] = relay.urls as [string, string];
    const [alice, bob] = await Promise.all([Person.join(tcp, 'Alice'), Person.join(ws, 'Bob')]);
    const port = Number(new URL(tcp).port);
    const raw = (bytes: Uint8Array): void => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
    };
    // Half-open, truncated, a length of 4 GiB, garbage, an empty frame, a frame just above the limit of strangers.
    for (const bytes of [
      [],
      [0],
      [0, 0, 1, 0, 1],
      [255, 255, 255, 255, 1],
      [0, 0, 0, 2, 7, 7],
      [0, 0, 0, 0],
      [0, 1, 0, 1],
    ]) {
      for (let count = 0; count < 20; count += 1) raw(Uint8Array.from(bytes));
    }
    const strangers = await Promise.all(Array.from({ length: 20 }, (_, index) => dial(index % 2 === 0 ? tcp : ws)));
    for (const stranger of strangers) {
      stranger.start({ message: () => {} });
      stranger.send(encodeMessage({ type: 'list', id: newId() }, 'cbor'));
    }
    for (let count = 0; count < 50; count += 1) {
      alice.say(bob.address);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => bob.of('client-com').length === 50 && alice.of('ack').length === 50);
    await until(() => relay.metrics().connectionsNow === 2, 'the end of the strangers');
    expect(relay.metrics()).toMatchObject({ sessionsNow: 2, strangersNow: 0, handshakesNow: 0, sessionsFailed: 0 });
  });

  it('that flood without reading the answers are not read, and forgotten when they break off', async () => {
    const relay = await start({
      limits: { queueMarkBytes: 20_000, messagesPerSecond: 1_000_000, messageBurst: 1_000_000 },
    });
    for (const url of relay.urls) {
      const bob = await Person.join(url, 'Bob');
      const { transport, deafen } = await deafable(url);
      const mallory = await Person.join(url, 'Mallory', { transport });
      deafen();
      const sent = 60_000;
      for (let count = 0; count < sent; count += 1) mallory.say(mallory.address, 0);
      await until(() => relay.metrics().longQueueBytesNow > 0);
      bob.say(bob.address);
      await until(() => bob.messages.length === 2);
      expect(relay.metrics().longQueueBytesNow).toBeLessThan(40_000);
      expect(relay.metrics().framesIn).toBeLessThan(sent);
      transport.abort();
      await until(() => relay.metrics().sessionsNow === 1, 'the end of Mallory');
      await bob.hop.close();
      await until(() => relay.metrics().sessionsNow === 0);
    }
  });

  it('that stop reading are closed as slow, and their senders are told no more than that they are away', async () => {
    const relay = await start({
      listen: [{ scheme: 'tcp' }],
      limits: { queueBytes: 300_000, mailboxMessages: 20, messagesPerSecond: 100_000, messageBurst: 100_000 },
    });
    const url = relay.urls[0]!;
    const alice = await Person.join(url, 'Alice');
    const { transport, deafen } = await deafable(url);
    const deaf = await Person.join(url, 'Deaf', { transport });
    const [bob, carol] = [await Person.join(url, 'Bob'), await Person.join(url, 'Carol')];
    deafen();
    let sent = 0;
    while (relay.metrics().slowConsumers === 0) {
      for (let count = 0; count < 20; count += 1) alice.say(deaf.address, 100_000);
      sent += 20;
      await until(() => alice.messages.length === sent);
      bob.say(carol.address);
      await until(() => carol.messages.length * 20 === sent, 'a message past the slow one');
      expect(relay.metrics().longQueueBytesNow).toBeLessThan(300_000 + 101_000);
    }
    const answers = alice.messages.map((message) => (message.type === 'error' ? message.code : message.type));
    const away = answers.indexOf('unknown-peer');
    expect(new Set(answers.slice(0, away))).toEqual(new Set(['ack']));
    expect(new Set(answers.slice(away))).toEqual(new Set(['unknown-peer']));
    expect(relay.metrics()).toMatchObject({ sessionsNow: 3, longQueueBytesNow: 0, spilled: 20 });
    transport.abort();
  });

  it('over their rate are not read, and lose nothing', async () => {
    const relay = await start({ limits: { messagesPerSecond: 1_000, messageBurst: 100 } });
    const [alice, bob] = await Promise.all(relay.urls.map((url) => Person.join(url, 'someone')));
    const begin = Date.now();
    for (let count = 0; count < 600; count += 1) alice!.say(bob!.address);
    await until(() => bob!.messages.length === 600 && alice!.messages.length === 600);
    expect(Date.now() - begin).toBeGreaterThan(400);
    expect(alice!.messages.every((message) => message.type === 'ack')).toBe(true);
  });
});

describe('the relay’s identity', () => {
  it('is kept over restarts, in a file for its owner alone', async () => {
    const stateDirectory = join(await directory(), 'new', 'state');
    const first = await start({ stateDirectory });
    const other = await start();
    await first.close();
    const second = await start({ stateDirectory });
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(other.fingerprint).not.toBe(first.fingerprint);
    expect(await readdir(stateDirectory)).toEqual(['relay-identity.json']);
    expect((await stat(join(stateDirectory, 'relay-identity.json'))).mode & 0o777).toBe(0o600);
    expect((await stat(stateDirectory)).mode & 0o777).toBe(0o700);
    const alice = await Person.join(second.urls[0]!, 'Alice');
    expect(`sha256:${Buffer.from(alice.hop.relayIdentity).toString('hex')}`).toBe(first.fingerprint);
  });

  it('is one, however many start at once', async () => {
    const path = await directory();
    const options = { names: ['localhost'], nowMs: Date.now() };
    const identities = await Promise.all(Array.from({ length: 8 }, () => keptIdentity(path, options)));
    expect(new Set(identities.map(({ credential }) => Buffer.from(credential.spki).toString('hex'))).size).toBe(1);
    expect(await readdir(path)).toHaveLength(1);
  });

  it('has a certificate that names where it listens', async () => {
    const path = await directory();
    const { credential } = await keptIdentity(path, { names: ['localhost', '127.0.0.1'], nowMs: Date.now() });
    const certificate = parseCertificate(credential.chain[0]!);
    expect(Buffer.from(certificate.spki)).toEqual(Buffer.from(credential.spki));
  });

  it('may be Ed25519', async () => {
    const path = await directory();
    const options = { names: ['localhost'], nowMs: Date.now(), algorithm: 'Ed25519' } as const;
    const made = await keptIdentity(path, options);
    const kept = await keptIdentity(path, options);
    expect(kept.credential).toEqual(made.credential);
    const relay = await start({ identity: kept });
    expect((await Person.join(relay.urls[0]!, 'Alice')).hop.label).toBe('everyone');
  });

  it('that is damaged, open to others or of another form is refused, and never told', async () => {
    const path = await directory();
    const file = join(path, 'relay-identity.json');
    await (await start({ stateDirectory: path })).close();
    const text = await readFile(file, 'utf8');
    const { privateKey, spki } = JSON.parse(text) as Record<string, string>;
    const damaged = [
      '',
      'null',
      '{}',
      text.slice(0, -10),
      text.replace('"version":1', '"version":2'),
      text.replace(privateKey!, privateKey!.split('').reverse().join('')),
      text.replace(spki!, `${spki!.slice(0, -4)}AAAA`),
      'x'.repeat(70_000),
    ];
    for (const content of damaged) {
      await writeFile(file, content);
      const error: unknown = await start({ stateDirectory: path }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'relay/identity-unusable' });
      expect(String(error)).not.toContain(privateKey!.slice(0, 8));
    }
    await writeFile(file, text);
    await chmod(file, 0o644);
    await expect(start({ stateDirectory: path })).rejects.toMatchObject({ code: 'relay/identity-unusable' });
    await chmod(file, 0o600);
    await start({ stateDirectory: path });
    await expect(start({ stateDirectory: file })).rejects.toMatchObject({ code: 'relay/identity-unusable' });
  });
});
