/** One relay in a process of its own, so that its CPU is measured apart from the clients'. Started by relay.ts. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bottom, defaultPolicy, type PolicyFile } from '../src/ifc/index.ts';
import { startRelay } from '../src/relay/node/index.ts';
import { loadPeer } from './peers.ts';
import type { SocketIoServer, WsServer } from './relayTypes.ts';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

const started: Readonly<Record<string, () => Promise<string>>> = {
  'sims-ws': () => simsRelay('ws'),
  'sims-tcp': () => simsRelay('tcp'),
  'sims-tcp-open': () => simsRelay('tcp', permitAll()),
  ws: bareForwarder,
  'socket.io': socketIo,
};

process.on('message', (asked) => {
  if (asked === 'cpu') process.send?.({ cpu: process.cpuUsage() });
});
process.on('disconnect', () => process.exit());
const kind = process.argv[2] ?? '';
const start = started[kind];
if (start === undefined) throw new Error(`no relay of the kind ${kind}`);
process.send?.({ url: await start() });

/** As if there were no policy: whatever is asked, one answer that is there already. */
function permitAll(): PolicyFile {
  const file = defaultPolicy();
  const label = bottom(file.lattice);
  const permitted = file.policy.decide({
    subject: { current: label, clearance: label },
    object: label,
    kind: 'message',
  });
  return { ...file, policy: { ...file.policy, decide: () => permitted } };
}

async function simsRelay(scheme: 'ws' | 'tcp', policy?: PolicyFile): Promise<string> {
  const limits = {
    messagesPerSecond: UNLIMITED,
    messageBurst: UNLIMITED,
    bytesPerSecond: UNLIMITED,
    byteBurst: UNLIMITED,
  };
  const relay = await startRelay({ listen: [{ scheme }], limits, ...(policy === undefined ? {} : { policy }) });
  return relay.urls[0]!;
}

/** What a relay could not do with less over ws: hands each message to the other side. */
async function bareForwarder(): Promise<string> {
  const { WebSocketServer } = await loadPeer<WsServer>('ws');
  const http = createServer();
  const clients: { send(data: Buffer): void }[] = [];
  new WebSocketServer({ server: http, perMessageDeflate: false }).on('connection', (socket) => {
    clients.push(socket);
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      for (const other of clients) if (other !== socket) other.send(data);
    });
  });
  return `ws://127.0.0.1:${await portOf(http)}`;
}

async function socketIo(): Promise<string> {
  const { Server } = await loadPeer<SocketIoServer>('socket.io');
  const http = createServer();
  const server = new Server(http, { transports: ['websocket'], perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('m', (data) => socket.broadcast.emit('m', data));
  });
  return `http://127.0.0.1:${await portOf(http)}`;
}

function portOf(http: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    http.listen(0, '127.0.0.1', () => resolve((http.address() as AddressInfo).port));
  });
}
