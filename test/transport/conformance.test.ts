import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { WebSocket as WsWebSocket } from 'ws';
import { transportConformance, type TransportPair } from '../../src/testing/transportConformance.ts';
import {
  connectWebSocket as connectStandard,
  memoryPair,
  messagePortTransport,
  type Transport,
} from '../../src/transport/index.ts';
import {
  connectTcp,
  connectWebSocket,
  listenTcp,
  listenWebSocket,
  type Listener,
  type ListenOptions,
} from '../../src/transport/node/index.ts';

async function overListener(
  listen: (options: ListenOptions) => Promise<Listener>,
  connect: (listener: Listener) => Promise<Transport>,
  slowEnd: 'server' | 'client' = 'server',
): Promise<TransportPair> {
  let accept: (transport: Transport) => void;
  const accepted = new Promise<Transport>((resolve) => {
    accept = resolve;
  });
  const listener = await listen({ onConnection: (transport) => accept(transport) });
  const [client, server] = await Promise.all([connect(listener), accepted]);
  const ends = slowEnd === 'server' ? { quick: client, slow: server } : { quick: server, slow: client };
  return { ...ends, dispose: () => listener.close() };
}

const tcp = ({ port }: Listener): Promise<Transport> => connectTcp({ port });
const ws = ({ url }: Listener): Promise<Transport> => connectWebSocket(url);

const KINDS: Record<string, () => Promise<TransportPair>> = {
  memory: async () => {
    const [quick, slow] = memoryPair();
    return { quick, slow };
  },
  'memory, a task a turn': async () => {
    const [quick, slow] = memoryPair({ schedule: setImmediate });
    return { quick, slow };
  },
  'message port': async () => {
    const { port1, port2 } = new MessageChannel();
    return { quick: messagePortTransport(port1), slow: messagePortTransport(port2) };
  },
  'TCP, client to server': () => overListener(listenTcp, tcp),
  'TCP, server to client': () => overListener(listenTcp, tcp, 'client'),
  'WebSocket, client to server': () => overListener(listenWebSocket, ws),
  'WebSocket, server to client': () => overListener(listenWebSocket, ws, 'client'),
  'standard WebSocket (the class of ws) to server': () =>
    overListener(listenWebSocket, ({ url }) => connectStandard(url, { WebSocket: WsWebSocket })),
};

for (const [kind, makePair] of Object.entries(KINDS)) {
  describe(`${kind} keeps the contract: it`, () => {
    for (const { name, run } of transportConformance(makePair)) it(name, () => expect(run()).resolves.toBeUndefined());
  });
}

describe.skipIf(!('WebSocket' in globalThis))('the global WebSocket keeps the contract (needs Node 22): it', () => {
  const makePair = (): Promise<TransportPair> => overListener(listenWebSocket, ({ url }) => connectStandard(url));
  for (const { name, run } of transportConformance(makePair)) it(name, () => expect(run()).resolves.toBeUndefined());
});
