/**
 * A relay between two clients in this process: messages a server's CPU-second, 64 on their way at a time. Ours is
 * measured as it is: encrypted hops, policy, ACKs of both kinds, end-to-end encryption at the clients.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect, type Client, type Conversation } from '../src/index.node.ts';
import { contentOf } from './content.ts';
import { median, type Comparison, type Effort } from './harness.ts';
import { loadPeer } from './peers.ts';
import type { SocketIoClient, WsServer } from './relayTypes.ts';

const IN_FLIGHT = 64;
const CONTENT_BYTES = 256;

/** Two clients of one relay. */
interface Pair {
  send(): void;
  /** Called for each message that arrives. */
  arrived: () => void;
  close(): Promise<void>;
}

interface Server {
  readonly url: string;
  /** CPU-seconds so far. */
  cpu(): Promise<number>;
  stop(): void;
}

/** Of one relay: medians of the rounds. */
export interface RelayResult {
  readonly name: string;
  /** Messages a CPU-second of the server. */
  readonly perServerCpu: number;
  /** Messages a CPU-second of both clients together. */
  readonly perClientCpu: number;
  /** Messages a second by the clock: on a shared machine, for orientation alone. */
  readonly perSecond: number;
}

const RELAYS: readonly (readonly [string, string, (url: string) => Promise<Pair>])[] = [
  ['sims over ws', 'sims-ws', simsPair],
  ['sims over tcp', 'sims-tcp', simsPair],
  ['sims over tcp, policy off', 'sims-tcp-open', simsPair],
  ['bare ws forwarder, plaintext', 'ws', wsPair],
  ['socket.io, plaintext', 'socket.io', ioPair],
];

/** All relays, in interleaved rounds. */
export async function relays(
  effort: Effort,
): Promise<{ readonly comparison: Comparison; readonly results: RelayResult[] }> {
  const running: { name: string; server: Server; pair: Pair; rates: Slice[] }[] = [];
  const missing: { name: string; why: string }[] = [];
  for (const [name, kind, open] of RELAYS) {
    try {
      const server = await startServer(kind);
      const pair = await open(server.url);
      await slice(server, pair, effort.sliceMs);
      running.push({ name, server, pair, rates: [] });
    } catch (error) {
      missing.push({ name, why: error instanceof Error ? error.message : String(error) });
    }
  }
  for (let round = 0; round < effort.rounds; round += 1) {
    for (let place = 0; place < running.length; place += 1) {
      const { server, pair, rates } = running[(place + round) % running.length]!;
      rates.push(await slice(server, pair, effort.sliceMs));
    }
  }
  for (const { server, pair } of running) {
    await pair.close();
    server.stop();
  }
  const of = (rates: readonly Slice[], key: keyof Slice): number => median(rates.map((rate) => rate[key]));
  return {
    comparison: {
      group: 'relay 256 B',
      series: running.map(({ name, rates }) => ({ name, rates: rates.map((rate) => rate.perServerCpu) })),
      missing,
    },
    results: running.map(({ name, rates }) => ({
      name,
      perServerCpu: of(rates, 'perServerCpu'),
      perClientCpu: of(rates, 'perClientCpu'),
      perSecond: of(rates, 'perSecond'),
    })),
  };
}

interface Slice {
  readonly perServerCpu: number;
  readonly perClientCpu: number;
  readonly perSecond: number;
}

/** Keeps {@link IN_FLIGHT} messages on their way for that long, then lets them arrive. */
async function slice(server: Server, pair: Pair, forMs: number): Promise<Slice> {
  const serverBefore = await server.cpu();
  const clientBefore = process.cpuUsage();
  const start = performance.now();
  let count = 0;
  await new Promise<void>((resolve, reject) => {
    const stuck = setTimeout(() => reject(new Error(`messages stopped arriving after ${count}`)), forMs + 10_000);
    let onTheirWay = IN_FLIGHT;
    pair.arrived = () => {
      count += 1;
      if (performance.now() - start < forMs) pair.send();
      else {
        onTheirWay -= 1;
        if (onTheirWay > 0) return;
        clearTimeout(stuck);
        resolve();
      }
    };
    for (let sent = 0; sent < IN_FLIGHT; sent += 1) pair.send();
  });
  const seconds = (performance.now() - start) / 1000;
  const client = process.cpuUsage(clientBefore);
  return {
    perServerCpu: count / ((await server.cpu()) - serverBefore),
    perClientCpu: count / ((client.user + client.system) / 1e6),
    perSecond: count / seconds,
  };
}

async function startServer(kind: string): Promise<Server> {
  const child: ChildProcess = fork(fileURLToPath(new URL('relayServer.ts', import.meta.url)), [kind]);
  const ask = async <Answer>(): Promise<Answer> => {
    const abort = new AbortController();
    const gone = once(child, 'exit', { signal: abort.signal }).then(() => {
      throw new Error(`the server ${kind} ended`);
    });
    try {
      const [answer] = (await Promise.race([once(child, 'message', { signal: abort.signal }), gone])) as [Answer];
      return answer;
    } finally {
      gone.catch(() => undefined);
      abort.abort();
    }
  };
  const { url } = await ask<{ url: string }>();
  return {
    url,
    async cpu() {
      const answer = ask<{ cpu: NodeJS.CpuUsage }>();
      child.send('cpu');
      const { cpu } = await answer;
      return (cpu.user + cpu.system) / 1e6;
    },
    stop: () => child.kill(),
  };
}

async function simsPair(url: string): Promise<Pair> {
  const text = Buffer.from(contentOf(CONTENT_BYTES)).toString('latin1');
  const [one, other] = await Promise.all([
    connect(url, { name: 'one' }),
    connect(url, { name: 'other', accept: 'all' }),
  ]);
  while (!one.peers.some((peer) => peer.address === other.address)) await new Promise((done) => setTimeout(done, 5));
  const [own, peer] = await Promise.all([one.open(other.address), firstOf(other)]);
  const pair: Pair = {
    arrived: () => undefined,
    send: () => void own.send(text),
    close: async () => {
      await Promise.all([one.close(), other.close()]);
    },
  };
  void (async () => {
    for await (const message of peer) if (message !== undefined) pair.arrived();
  })();
  return pair;
}

async function firstOf(client: Client): Promise<Conversation> {
  for await (const conversation of client.incoming) {
    await conversation.accept();
    return conversation;
  }
  throw new Error('nobody opened a conversation');
}

async function wsPair(url: string): Promise<Pair> {
  const { WebSocket } = await loadPeer<WsServer>('ws');
  const content = contentOf(CONTENT_BYTES);
  const open = (): Promise<InstanceType<WsServer['WebSocket']>> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { perMessageDeflate: false });
      socket.on('open', () => resolve(socket));
      socket.on('error', () => reject(new Error('ws does not connect')));
    });
  const [one, other] = [await open(), await open()];
  const pair: Pair = {
    arrived: () => undefined,
    send: () => one.send(content),
    close: async () => {
      one.terminate();
      other.terminate();
    },
  };
  other.on('message', () => pair.arrived());
  return pair;
}

async function ioPair(url: string): Promise<Pair> {
  const { io } = await loadPeer<SocketIoClient>('socket.io-client');
  const content = Buffer.from(contentOf(CONTENT_BYTES));
  const open = async (): Promise<ReturnType<SocketIoClient['io']>> => {
    const socket = io(url, { transports: ['websocket'], forceNew: true });
    await new Promise<void>((resolve) => socket.on('connect', resolve));
    return socket;
  };
  const [one, other] = [await open(), await open()];
  const pair: Pair = {
    arrived: () => undefined,
    send: () => one.emit('m', content),
    close: async () => {
      one.disconnect();
      other.disconnect();
    },
  };
  other.on('m', () => pair.arrived());
  return pair;
}
