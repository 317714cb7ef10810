import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { concat } from '../../../src/bytes.ts';
import type { SimsError } from '../../../src/errors.ts';
import { encodeFrame, MESSAGE_LIMIT, type CloseReason, type Transport } from '../../../src/transport/index.ts';
import { connectTcp, listenTcp, type ListenOptions } from '../../../src/transport/node/index.ts';
import { accepting, type Accepting } from '../../support/accept.ts';
import { chaosProxy, type Faults } from '../../support/chaosProxy.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(options: Omit<ListenOptions, 'onConnection'> = {}): Promise<Accepting> {
  const accepted = await accepting<ListenOptions>(listenTcp, options);
  cleanups.push(() => accepted.listener.close());
  return accepted;
}

/** A raw client and the transport that the listener made of it, collecting. */
async function rawClient(options: Omit<ListenOptions, 'onConnection'> = {}): Promise<{
  socket: Socket;
  transport: Transport;
  received: Uint8Array[];
}> {
  const accepted = await listening(options);
  const socket = connect(accepted.listener.port, '127.0.0.1');
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  const { transport } = await accepted.next();
  cleanups.push(() => transport.abort());
  const received: Uint8Array[] = [];
  transport.start({ message: (message) => void received.push(message) });
  return { socket, transport, received };
}

async function throughProxy(faults: Faults, seed = 1) {
  const accepted = await listening();
  const proxy = await chaosProxy(accepted.listener.port, faults, seed);
  cleanups.push(() => proxy.close());
  const client = await connectTcp({ port: proxy.port });
  const { transport: server } = await accepted.next();
  cleanups.push(
    () => client.abort(),
    () => server.abort(),
  );
  return { proxy, client, server };
}

const codeOf = (reason: CloseReason): string | undefined => ('error' in reason ? reason.error.code : undefined);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a TCP transport', () => {
  it('ends as truncated when the peer ends inside a message, and keeps the whole ones', async () => {
    for (const tail of [[0], [0, 0, 0], [0, 0, 0, 9], [0, 0, 0, 9, 1, 2]]) {
      const { socket, transport, received } = await rawClient();
      socket.end(concat(encodeFrame(Uint8Array.of(1)), Uint8Array.from(tail)));
      const reason = await transport.closed;
      expect([reason.kind, codeOf(reason)]).toEqual(['truncated', 'transport/truncated']);
      expect(received).toEqual([Uint8Array.of(1)]);
    }
  });

  it('ends as too-large at a huge length, without waiting for the message', async () => {
    const { socket, transport } = await rawClient();
    socket.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    expect(await transport.closed).toMatchObject({ kind: 'too-large', error: { code: 'codec/length-over-limit' } });
  });

  it('ends as malformed at an empty message', async () => {
    const { socket, transport } = await rawClient();
    socket.write(new Uint8Array(4));
    expect(await transport.closed).toMatchObject({ kind: 'malformed', error: { code: 'codec/malformed' } });
  });

  it('ends as network when the peer resets', async () => {
    const { socket, transport } = await rawClient();
    await pause(10);
    socket.resetAndDestroy();
    expect(await transport.closed).toMatchObject({ kind: 'network', error: { code: 'transport/lost' } });
  });

  it('does not look like an orderly end to the peer when it is aborted', async () => {
    const accepted = await listening();
    const client = await connectTcp({ port: accepted.listener.port });
    const { transport } = await accepted.next();
    transport.start({ message: () => {} });
    client.abort();
    expect(await transport.closed).toMatchObject({ kind: 'network', error: { code: 'transport/lost' } });
  });

  it('releases who waits for the queue when the peer has gone', async () => {
    const { socket, transport } = await rawClient();
    socket.pause();
    while (transport.send(new Uint8Array(60_000)));
    const waiting = transport.drained();
    socket.resetAndDestroy();
    await waiting;
    expect((await transport.closed).kind).toBe('network');
  });

  it('still sends to a peer that has only ended its own direction', async () => {
    const accepted = await listening();
    const socket = connect({ port: accepted.listener.port, host: '127.0.0.1', allowHalfOpen: true });
    cleanups.push(() => socket.destroy());
    const { transport } = await accepted.next();
    transport.start({ message: (message) => void transport.send(message) });
    const answered = new Promise<Buffer>((resolve) => socket.once('data', resolve));
    socket.end(encodeFrame(Uint8Array.of(1, 2, 3)));
    expect(new Uint8Array(await answered)).toEqual(encodeFrame(Uint8Array.of(1, 2, 3)));
    expect((await transport.closed).kind).toBe('peer');
  });

  it('gives up an orderly end when the peer takes nothing, as timeout', async () => {
    const { socket, transport } = await rawClient({ closeTimeoutMs: 100 });
    socket.pause();
    transport.messageLimit = MESSAGE_LIMIT;
    for (let count = 0; count < 40; count += 1) transport.send(new Uint8Array(MESSAGE_LIMIT));
    transport.close();
    expect(await transport.closed).toMatchObject({ kind: 'timeout', error: { code: 'transport/timeout' } });
    expect(transport.queuedBytes).toBe(0);
  });

  it('reads nothing before it is started, so that the sender is held back', async () => {
    const accepted = await listening();
    const client = await connectTcp({ port: accepted.listener.port });
    cleanups.push(() => client.abort());
    await accepted.next();
    let sent = 0;
    while (sent < 2_000 && client.send(new Uint8Array(50_000))) {
      sent += 1;
      await pause(0);
    }
    expect(sent).toBeLessThan(2_000);
    expect(client.queuedBytes).toBeLessThan(400_000);
  });

  it('holds at most its mark and one message when senders wait as told, at each of many queue levels', async () => {
    const { client, server } = await throughProxy({ bytesPerSecond: 4_000_000 });
    let received = 0;
    server.start({ message: (message) => void (received += message.length) });
    let most = 0;
    for (let count = 0; count < 200; count += 1) {
      if (!client.send(new Uint8Array(10_000))) await client.drained();
      most = Math.max(most, client.queuedBytes);
    }
    client.close();
    expect((await server.closed).kind).toBe('peer');
    expect(received).toBe(2_000_000);
    expect(most).toBeLessThanOrEqual(262_144 + 10_004);
  });

  it('gets messages through a wire that delays and chops them', async () => {
    for (const seed of [1, 2, 3]) {
      const { client, server } = await throughProxy({ chunkBytes: 3, delayMs: 1 }, seed);
      const received: number[] = [];
      server.start({ message: (message) => void received.push(message.length) });
      const lengths = Array.from({ length: 60 }, (_, index) => 1 + ((index * 37 * seed) % 150));
      for (const length of lengths) client.send(new Uint8Array(length));
      client.close();
      expect((await server.closed).kind, `seed ${seed}`).toBe('peer');
      expect(received, `seed ${seed}`).toEqual(lengths);
    }
  });

  it('ends, with a reason, on a wire that flips bits', async () => {
    for (const seed of [4, 5, 6, 7, 8]) {
      const { client, server } = await throughProxy({ flipRate: 0.2 }, seed);
      server.start({ message: () => {} });
      client.start({ message: () => {} });
      for (let count = 0; count < 200; count += 1) client.send(new Uint8Array(7).fill(count));
      client.close();
      expect(['too-large', 'malformed', 'truncated', 'peer'], `seed ${seed}`).toContain((await server.closed).kind);
    }
  });

  it('ends both ends when the wire is cut in the middle', async () => {
    const { proxy, client, server } = await throughProxy({ cutAfterBytes: 1_000 });
    client.start({ message: () => {} });
    server.start({ message: () => {} });
    for (let count = 0; count < 20; count += 1) client.send(new Uint8Array(96));
    expect(['network', 'truncated']).toContain((await server.closed).kind);
    expect((await client.closed).kind).toBe('network');
    await expect.poll(() => proxy.connections).toBe(0);
  });

  it('tells the two directions apart when one half of the wire ends', async () => {
    const { proxy, client, server } = await throughProxy({});
    client.start({ message: () => {} });
    server.start({ message: () => {} });
    proxy.halfClose('client');
    expect((await client.closed).kind).toBe('peer');
    expect((await server.closed).kind).toBe('peer');
  });
});

describe('connectTcp', () => {
  it('rejects when nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await expect(connectTcp({ port })).rejects.toMatchObject({
      code: 'transport/connect-failed',
      message: `no connection to tcp://127.0.0.1:${port}: ECONNREFUSED`,
    });
  });

  it('rejects a port that cannot be', async () => {
    await expect(connectTcp({ port: 70_000 })).rejects.toMatchObject({ code: 'transport/connect-failed' });
  });

  it('rejects when its signal aborts, before and during the attempt', async () => {
    const accepted = await listening();
    const { port } = accepted.listener;
    const reason = new Error('changed my mind');
    await expect(connectTcp({ port, signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
      code: 'transport/aborted',
      cause: reason,
    });
    const controller = new AbortController();
    const attempt = connectTcp({ port, signal: controller.signal });
    controller.abort(reason);
    await expect(attempt).rejects.toMatchObject({ code: 'transport/aborted', cause: reason });
  });

  it('is not ended by its signal once connected', async () => {
    const accepted = await listening();
    const controller = new AbortController();
    const client = await connectTcp({ port: accepted.listener.port, signal: controller.signal });
    cleanups.push(() => client.abort());
    controller.abort();
    expect(client.send(Uint8Array.of(1))).toBe(true);
  });
});

describe('listenTcp', () => {
  it('tells the port that it was given, and the peer’s address', async () => {
    const accepted = await listening();
    expect(accepted.listener.url).toBe(`tcp://127.0.0.1:${accepted.listener.port}`);
    expect(accepted.listener.port).toBeGreaterThan(0);
    const client = await connectTcp({ port: accepted.listener.port });
    cleanups.push(() => client.abort());
    const { info } = await accepted.next();
    expect(info.remoteAddress).toBe('127.0.0.1');
    expect(info.remotePort).toBeGreaterThan(0);
  });

  it('rejects when the port is taken', async () => {
    const { listener } = await listening();
    await expect(listenTcp({ port: listener.port, onConnection: () => {} })).rejects.toMatchObject({
      code: 'transport/listen-failed',
      message: `tcp://127.0.0.1:${listener.port}: EADDRINUSE`,
    });
  });

  it('frees its port on close while connections live on', async () => {
    const accepted = await listening();
    const { port } = accepted.listener;
    const client = await connectTcp({ port });
    const { transport } = await accepted.next();
    cleanups.push(() => client.abort());
    await accepted.listener.close();
    await accepted.listener.close();
    const again = await listenTcp({ port, onConnection: () => {} });
    await again.close();
    const received = new Promise<Uint8Array>((resolve) => transport.start({ message: resolve }));
    client.send(Uint8Array.of(9));
    expect(await received).toEqual(Uint8Array.of(9));
  });

  it('turns connections away at its limits and takes more when some have gone', async () => {
    for (const limits of [{ maxConnections: 2 }, { admit: (_: string, connections: number) => connections < 2 }]) {
      const accepted = await listening(limits);
      const { listener } = accepted;
      const first = await connectTcp({ port: listener.port });
      const second = await connectTcp({ port: listener.port });
      const third = await connectTcp({ port: listener.port });
      third.start({ message: () => {} });
      expect(['peer', 'network']).toContain((await third.closed).kind);
      expect([listener.connections, listener.refused]).toEqual([2, 1]);
      const { transport } = await accepted.next();
      transport.start({ message: () => {} });
      first.abort();
      await transport.closed;
      await pause(20);
      expect(listener.connections).toBe(1);
      const fourth = await connectTcp({ port: listener.port });
      await accepted.next();
      await accepted.next();
      expect(listener.connections).toBe(2);
      second.abort();
      fourth.abort();
    }
  });

  it('keeps descriptors in reserve', async () => {
    const { listener } = await listening({ descriptorShare: 0 });
    const client = await connectTcp({ port: listener.port });
    client.start({ message: () => {} });
    await client.closed;
    expect([listener.connections, listener.refused]).toEqual([0, 1]);
  });

  it('outlives an onConnection that throws', async () => {
    let count = 0;
    const listener = await listenTcp({
      onConnection: (transport) => {
        count += 1;
        if (count === 1) throw new Error('by the test');
        transport.send(Uint8Array.of(1));
      },
    });
    cleanups.push(() => listener.close());
    // The reset may come before or after the client has seen the connection.
    const firstEnd = connectTcp({ port: listener.port }).then(
      (first) => {
        first.start({ message: () => {} });
        return first.closed.then((reason) => reason.kind);
      },
      (error: unknown) => (error as SimsError).code,
    );
    expect(['network', 'transport/connect-failed']).toContain(await firstEnd);
    const second = await connectTcp({ port: listener.port });
    cleanups.push(() => second.abort());
    expect(await new Promise((resolve) => second.start({ message: resolve }))).toEqual(Uint8Array.of(1));
  });
});
