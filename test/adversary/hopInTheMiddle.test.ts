import { createServer, connect as connectSocket, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { connect, type Conversation } from '../../src/index.node.ts';
import type { RelayServer } from '../../src/relay/node/index.ts';
import { encodeFrame, FrameReader } from '../../src/transport/index.ts';
import { testRelay, until } from '../support/relay.ts';
import { seeded } from '../support/seeded.ts';

/** Frames on their way between a client and the relay; what is returned goes on instead. */
type TamperFrame = (frame: Uint8Array, index: number, way: 'up' | 'down') => readonly Uint8Array[];

let relay: RelayServer;
let middle: Server;
let url: string;
let tamper: TamperFrame;
let connections: number;

beforeEach(async () => {
  relay = await testRelay();
  tamper = (frame) => [frame];
  connections = 0;
  const target = new URL(relay.urls[0]!.replace('tcp:', 'ws:'));
  middle = createServer((client) => {
    connections += 1;
    const upstream = connectSocket(Number(target.port), target.hostname);
    forward(client, upstream, 'up');
    forward(upstream, client, 'down');
  });
  await new Promise<void>((resolve) => middle.listen(0, '127.0.0.1', resolve));
  url = `tcp://127.0.0.1:${(middle.address() as { port: number }).port}`;
});

afterEach(async () => {
  tamper = (frame) => [frame];
  middle.close();
  await relay.close();
});

function forward(from: Socket, to: Socket, way: 'up' | 'down'): void {
  const reader = new FrameReader();
  let index = 0;
  from.on('data', (chunk) => {
    reader.push(chunk);
    for (let frame = reader.next(2 ** 20); frame !== undefined; frame = reader.next(2 ** 20)) {
      for (const next of tamper(concat(frame), index, way)) to.write(encodeFrame(next));
      index += 1;
    }
  });
  from.on('close', () => to.destroy());
  from.on('error', () => to.destroy());
}

async function exchange(own: Conversation, peer: Conversation, count: number): Promise<void> {
  const texts = Array.from({ length: count }, (_, index) => `${index}`);
  const read = async (): Promise<string[]> => {
    const got: string[] = [];
    for await (const { text } of peer) {
      got.push(text);
      if (got.length === count) break;
    }
    return got;
  };
  const sends = Promise.all(texts.map(async (text) => (await (await own.send(text)).delivered).ok));
  expect(await read()).toEqual(texts);
  expect((await sends).every(Boolean)).toBe(true);
}

function flip(frame: Uint8Array, chance: () => number): Uint8Array {
  frame[Math.floor(chance() * frame.length)]! ^= 1 << Math.floor(chance() * 8);
  return frame;
}

const FAULTS: Readonly<Record<string, (frame: Uint8Array, chance: () => number) => readonly Uint8Array[]>> = {
  'a flipped bit': (frame, chance) => [flip(frame, chance)],
  'a lost frame': () => [],
  'a frame twice': (frame) => [frame, frame],
  'a cut frame': (frame) => [frame.subarray(0, Math.max(1, frame.length >> 1))],
  'a longer frame': (frame) => [concat(frame, Uint8Array.of(0))],
  'a frame of noise': (frame, chance) => [Uint8Array.from(frame, () => Math.floor(chance() * 256)), frame],
};

describe.each(Object.entries(FAULTS))('a man in the middle of the hop with %s', (_name, fault) => {
  it.each([
    [0, 'up'],
    [0, 'down'],
    [1, 'up'],
    [1, 'down'],
  ] as const)(
    'in frame %i of the handshake, on its way %s, makes it fail with a typed error, in time',
    async (at, way) => {
      const chance = seeded(at + 1);
      tamper = (frame, index, direction) => (index === at && direction === way ? fault(frame, chance) : [frame]);
      const outcome = await connect(url, { name: 'Ana' }).catch((error: unknown) => error as Error);
      // A repeat of a phase is answered again and harmless; anything else ends the connection.
      expect(outcome instanceof Error ? outcome.name : 'connected').toMatch(/^(?:SimsError|connected)$/u);
      if (!(outcome instanceof Error)) await outcome.close();
    },
  );

  it('in the stream breaks the hop, and the next one goes on without loss or repeats', async () => {
    const ana = await connect(url, { name: 'Ana', conversation: { repeatAfterMs: 100, repeatAtMostMs: 400 } });
    const rui = await connect(relay.urls[0]!, { name: 'Rui', accept: 'all', conversation: { repeatAfterMs: 100 } });
    await until(() => ana.peers.length === 1);
    const [own, { value: peer }] = await Promise.all([ana.open(rui.address), rui.incoming.next()]);
    const chance = seeded(5);
    let left = 4;
    tamper = (frame, index) => {
      if (index < 6 || left === 0 || chance() > 0.1) return [frame];
      left -= 1;
      return fault(frame, chance);
    };
    await exchange(own, peer as Conversation, 60);
    expect(left).toBeLessThan(4);
    expect(connections).toBeGreaterThan(1);
    await Promise.all([ana.close(), rui.close()]);
  }, 60_000);
});

describe('a man in the middle of the hop', () => {
  it('who swaps frames breaks it, and the next one goes on', async () => {
    const ana = await connect(url, { name: 'Ana', conversation: { repeatAfterMs: 100, repeatAtMostMs: 400 } });
    const rui = await connect(relay.urls[0]!, { name: 'Rui', accept: 'all', conversation: { repeatAfterMs: 100 } });
    await until(() => ana.peers.length === 1);
    const [own, { value: peer }] = await Promise.all([ana.open(rui.address), rui.incoming.next()]);
    let held: Uint8Array | undefined;
    let left = 3;
    tamper = (frame, index, way) => {
      if (way === 'down' || index < 6 || left === 0) return [frame];
      if (held === undefined) {
        held = frame;
        return [];
      }
      const out = [frame, held];
      held = undefined;
      left -= 1;
      return out;
    };
    await exchange(own, peer as Conversation, 60);
    expect(connections).toBeGreaterThan(1);
    await Promise.all([ana.close(), rui.close()]);
  }, 60_000);

  it('who answers as another relay is not believed', async () => {
    const other = await testRelay();
    await expect(connect(other.urls[0]!, { pin: relay.fingerprint })).rejects.toMatchObject({
      code: 'handshake/identity-mismatch',
    });
    await other.close();
  });

  it('who replays a recorded session to the relay gets no further than its first answer', async () => {
    const recorded: Uint8Array[] = [];
    tamper = (frame, _index, way) => {
      if (way === 'up') recorded.push(concat(frame));
      return [frame];
    };
    const ana = await connect(url, { name: 'Ana' });
    await ana.close();
    const before = relay.metrics();
    const target = new URL(relay.urls[0]!.replace('tcp:', 'ws:'));
    const socket = connectSocket(Number(target.port), target.hostname);
    for (const frame of recorded) socket.write(encodeFrame(frame));
    const answers: Buffer[] = [];
    socket.on('data', (chunk) => answers.push(chunk));
    await new Promise((resolve) => socket.on('close', resolve));
    expect(relay.metrics().sessions).toBe(before.sessions);
    expect(Buffer.concat(answers).includes(Buffer.from('Ana'))).toBe(false);
  });
});
