import { createServer as createHttpServer, get } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { utf8 } from '../../../src/bytes.ts';
import { connectWebSocket as connectStandard, MESSAGE_LIMIT, type Transport } from '../../../src/transport/index.ts';
import {
  connectWebSocket,
  listenWebSocket,
  type ConnectionInfo,
  type ListenWebSocketOptions,
} from '../../../src/transport/node/index.ts';
import { loadWs } from '../../../src/transport/node/ws.ts';
import { accepting, type Accepting } from '../../support/accept.ts';
import { chaosProxy } from '../../support/chaosProxy.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(options: Omit<ListenWebSocketOptions, 'onConnection'> = {}): Promise<Accepting> {
  const accepted = await accepting<ListenWebSocketOptions>(listenWebSocket, options);
  cleanups.push(() => accepted.listener.close());
  return accepted;
}

/** A client of the package ws, not of ours, and the transport that the listener made of it. */
async function foreignClient(): Promise<{
  webSocket: WebSocket;
  transport: Transport;
  received: Uint8Array[];
  info: ConnectionInfo;
  closeCode: Promise<number>;
}> {
  const accepted = await listening();
  const webSocket = new WebSocket(accepted.listener.url, { origin: 'https://chat.example' });
  webSocket.on('error', () => {});
  const closeCode = new Promise<number>((resolve) => webSocket.once('close', resolve));
  cleanups.push(() => webSocket.terminate());
  const opened = new Promise((resolve) => webSocket.once('open', resolve));
  const { transport, info } = await accepted.next();
  cleanups.push(() => transport.abort());
  await opened;
  const received: Uint8Array[] = [];
  transport.start({ message: (message) => void received.push(message) });
  return { webSocket, transport, received, info, closeCode };
}

/** A server of the package ws that does to its first client what it is told. */
async function foreignServer(act: (webSocket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((resolve) => server.once('listening', resolve));
  cleanups.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', act);
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const CLIENTS: Record<
  string,
  (url: string, options?: { signal?: AbortSignal; timeoutMs?: number }) => Promise<Transport>
> = {
  'the client of Node': connectWebSocket,
  'the standard client over the class of ws': (url, options) => connectStandard(url, { ...options, WebSocket }),
  'the standard client over the global class (needs Node 22)': connectStandard,
};

describe('the WebSocket listener', () => {
  it('takes text frames as UTF-8', async () => {
    const { webSocket, received } = await foreignClient();
    webSocket.send('{"type":"ack"} ✓');
    webSocket.send(Uint8Array.of(0xa1));
    await expect.poll(() => received).toEqual([utf8('{"type":"ack"} ✓'), Uint8Array.of(0xa1)]);
  });

  it('tells the origin', async () => {
    expect((await foreignClient()).info.origin).toBe('https://chat.example');
  });

  it('ends as too-large, without waiting for the message, at a frame above the protocol’s limit', async () => {
    const { webSocket, transport, closeCode } = await foreignClient();
    transport.messageLimit = MESSAGE_LIMIT;
    webSocket.send(new Uint8Array(MESSAGE_LIMIT + 1));
    expect(await transport.closed).toMatchObject({ kind: 'too-large', error: { code: 'codec/length-over-limit' } });
    expect([1006, 1009]).toContain(await closeCode);
  });

  it('ends as too-large before the handshake’s limit is passed by much, though the message never ends', async () => {
    const accepted = await listening();
    const socket = connect(accepted.listener.port, '127.0.0.1');
    socket.on('error', () => {});
    cleanups.push(() => socket.destroy());
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    const { transport } = await accepted.next();
    transport.start({ message: () => expect.unreachable() });
    // A masked binary frame that promises 1,000,000 bytes.
    socket.write(Uint8Array.of(0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0));
    socket.write(new Uint8Array(400_000));
    expect(await transport.closed).toMatchObject({ kind: 'too-large', error: { code: 'codec/length-over-limit' } });
  });

  it('ends as malformed on an empty message, bad UTF-8 and bytes that are not WebSocket', async () => {
    const empty = await foreignClient();
    empty.webSocket.send(new Uint8Array(0));
    expect((await empty.transport.closed).kind).toBe('malformed');
    expect(await empty.closeCode).toBe(4007);

    const text = await foreignClient();
    text.webSocket.send(Uint8Array.of(0xff, 0xfe), { binary: false });
    expect(await text.transport.closed).toMatchObject({ kind: 'malformed', error: { code: 'codec/malformed' } });

    const accepted = await listening();
    const proxy = await chaosProxy(accepted.listener.port);
    cleanups.push(() => proxy.close());
    const client = await connectWebSocket(`ws://127.0.0.1:${proxy.port}`);
    cleanups.push(() => client.abort());
    const { transport } = await accepted.next();
    transport.start({ message: () => {} });
    proxy.set({ flipRate: 0.5 });
    for (let count = 0; count < 50; count += 1) client.send(new Uint8Array(100));
    expect(['malformed', 'too-large', 'network', 'rejected']).toContain((await transport.closed).kind);
  });

  it('ends as network when the wire is cut', async () => {
    const accepted = await listening();
    const proxy = await chaosProxy(accepted.listener.port);
    cleanups.push(() => proxy.close());
    const client = await connectWebSocket(`ws://127.0.0.1:${proxy.port}`);
    const { transport } = await accepted.next();
    client.start({ message: () => {} });
    transport.start({ message: () => {} });
    proxy.cut();
    for (const end of [client, transport])
      expect(await end.closed).toMatchObject({ kind: 'network', error: { code: 'transport/lost' } });
  });

  it('refuses an origin that is not allowed, and another path', async () => {
    const accepted = await listening({
      path: '/sims',
      allowOrigin: (origin) => origin === undefined || origin === 'https://a.example',
    });
    const statusOf = (path: string, origin?: string): Promise<number | undefined> =>
      new Promise((resolve) => {
        const webSocket = new WebSocket(accepted.listener.url + path, origin === undefined ? {} : { origin });
        webSocket.on('unexpected-response', (_request, response) => {
          resolve(response.statusCode);
          webSocket.terminate();
        });
        webSocket.on('open', () => {
          resolve(101);
          webSocket.terminate();
        });
        webSocket.on('error', () => {});
      });
    expect(await statusOf('/sims', 'https://a.example')).toBe(101);
    expect(await statusOf('/sims?x=1')).toBe(101);
    expect(await statusOf('/sims', 'https://evil.example')).toBe(403);
    expect(await statusOf('/other')).toBe(404);
    await expect.poll(() => accepted.listener.connections).toBe(0);
  });

  it('answers a plain request, and turns connections away at its limit', async () => {
    const { listener } = await listening({ maxConnections: 0 });
    await expect(connectWebSocket(listener.url)).rejects.toMatchObject({ code: 'transport/connect-failed' });
    expect(listener.refused).toBe(1);
    const open = await listening();
    const status = await new Promise((resolve) => {
      get(open.listener.url.replace('ws:', 'http:'), (response) => {
        response.resume();
        resolve(response.statusCode);
      });
    });
    expect(status).toBe(426);
  });

  it('shares a server with pages of its own', async () => {
    const server = createHttpServer((_request, response) => response.end('page'));
    const accepted = await listening({ server });
    const client = await connectWebSocket(accepted.listener.url);
    cleanups.push(() => client.abort());
    await accepted.next();
    const page = await new Promise((resolve) => {
      get(accepted.listener.url.replace('ws:', 'http:'), (response) =>
        response.on('data', (chunk) => resolve(String(chunk))),
      );
    });
    expect(page).toBe('page');
  });

  it('takes no upgrade on a connection that was opened before it was closed', async () => {
    const { listener } = await listening();
    const socket = connect(listener.port, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n');
    await expect.poll(() => listener.connections).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await listener.close();
    const answer = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString('latin1'))));
    socket.write(
      'Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 503 /);
  });

  it('rejects when the port is taken, and frees its own', async () => {
    const { listener } = await listening();
    await expect(listenWebSocket({ port: listener.port, onConnection: () => {} })).rejects.toMatchObject({
      code: 'transport/listen-failed',
    });
    await listener.close();
    await (await listenWebSocket({ port: listener.port, onConnection: () => {} })).close();
  });
});

for (const [kind, connectClient] of Object.entries(CLIENTS)) {
  describe.skipIf(kind.includes('global') && !('WebSocket' in globalThis))(kind, () => {
    it('takes text frames as UTF-8 and binary frames as they are', async () => {
      const url = await foreignServer((webSocket) => {
        webSocket.send('{"é":1}');
        webSocket.send(Uint8Array.of(1, 2));
      });
      const client = await connectClient(url);
      cleanups.push(() => client.abort());
      const received: Uint8Array[] = [];
      client.start({ message: (message) => void received.push(message) });
      await expect.poll(() => received).toEqual([utf8('{"é":1}'), Uint8Array.of(1, 2)]);
    });

    it('ends as too-large on a binary or text message above the limit, and says so', async () => {
      for (const message of [
        new Uint8Array(65_537),
        'x'.repeat(65_537),
        new Uint8Array(MESSAGE_LIMIT + 1),
        'x'.repeat(MESSAGE_LIMIT + 1),
      ]) {
        let tell: (code: number) => void;
        const code = new Promise<number>((resolve) => {
          tell = resolve;
        });
        const url = await foreignServer((webSocket) => {
          webSocket.on('close', (closeCode) => tell(closeCode));
          webSocket.send(message);
        });
        const client = await connectClient(url);
        client.start({ message: () => expect.unreachable() });
        expect(await client.closed).toMatchObject({ kind: 'too-large', error: { code: 'codec/length-over-limit' } });
        expect([1006, 1009, 4009]).toContain(await code);
      }
    });

    it('tells an orderly end, a breach that was named and a lost connection apart', async () => {
      const expected: [code: number, kind: string][] = [
        [1000, 'peer'],
        [1001, 'peer'],
        [1012, 'peer'],
        [1008, 'rejected'],
        [1009, 'rejected'],
        [4009, 'rejected'],
        [1011, 'network'],
        [4000, 'network'],
      ];
      for (const [code, reason] of expected) {
        const client = await connectClient(await foreignServer((webSocket) => webSocket.close(code, 'so it is')));
        client.start({ message: () => {} });
        expect((await client.closed).kind, `code ${code}`).toBe(reason);
      }
      const dropped = await connectClient(await foreignServer((webSocket) => webSocket.terminate()));
      dropped.start({ message: () => {} });
      expect((await dropped.closed).kind).toBe('network');
    });

    it('rejects when nobody listens, and at an address that is none', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const { port } = server.address() as AddressInfo;
      await new Promise((resolve) => server.close(resolve));
      await expect(connectClient(`ws://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'transport/connect-failed' });
      await expect(connectClient('nonsense')).rejects.toMatchObject({ code: 'transport/connect-failed' });
    });

    it('rejects when the server does not answer in time, or its signal aborts', async () => {
      const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      cleanups.push(() => server.close());
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
      await expect(connectClient(url, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'transport/timeout' });
      const controller = new AbortController();
      const attempt = connectClient(url, { signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await expect(attempt).rejects.toMatchObject({ code: 'transport/aborted' });
    });
  });
}

describe('the standard client', () => {
  it('says when the runtime has no WebSocket', async () => {
    const { WebSocket: own } = globalThis;
    try {
      Reflect.deleteProperty(globalThis, 'WebSocket');
      await expect(connectStandard('ws://127.0.0.1:1')).rejects.toMatchObject({ code: 'transport/unsupported' });
    } finally {
      if (own !== undefined)
        Object.defineProperty(globalThis, 'WebSocket', { value: own, configurable: true, writable: true });
    }
  });

  it('ends as overrun when a peer that it cannot slow sends more than may wait', async () => {
    const url = await foreignServer((webSocket) => {
      for (let count = 0; count < 50; count += 1) webSocket.send(new Uint8Array(1_000));
    });
    const client = await connectStandard(url, { WebSocket, inboxLimitBytes: 10_000 });
    let taken = 0;
    client.start({
      message: async () => {
        taken += 1;
        await new Promise((resolve) => setTimeout(resolve, 10));
      },
    });
    expect(await client.closed).toMatchObject({ kind: 'overrun', error: { code: 'transport/overrun' } });
    expect(taken).toBeLessThanOrEqual(11);
  });
});

describe('loadWs', () => {
  it('says what to install when the package is missing', async () => {
    await expect(loadWs(() => Promise.reject(new Error('Cannot find package')))).rejects.toMatchObject({
      code: 'transport/ws-missing',
      message: expect.stringContaining('npm install ws'),
    });
  });
});
