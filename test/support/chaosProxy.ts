/** A TCP proxy that misbehaves as told, the same way for the same seed. For tests over real sockets. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Faults {
  /** Holds every chunk back for so long, in milliseconds. */
  delayMs?: number;
  /** Cuts what comes into chunks of 1 to this many bytes, each written by itself. */
  chunkBytes?: number;
  /** Bytes a second in each direction. */
  bytesPerSecond?: number;
  /** Chance of each byte to have one bit flipped, 0 to 1. */
  flipRate?: number;
  /** Ends every connection by a reset after this many bytes in one direction. */
  cutAfterBytes?: number;
  /** Swallows everything, without an end: a cable that was pulled. */
  blackHole?: boolean;
}

export interface ChaosProxy {
  readonly port: number;
  readonly connections: number;
  /** Bytes passed on so far, both directions. */
  readonly bytes: number;
  /** Changes what happens from the next chunk on. */
  set(faults: Faults): void;
  /** Cuts every connection by a reset, both sides. */
  cut(): void;
  /** Sends an orderly end to one side of every connection, whatever has been passed on so far. */
  halfClose(side: 'client' | 'server'): void;
  close(): Promise<void>;
}

export async function chaosProxy(targetPort: number, faults: Faults = {}, seed = 1): Promise<ChaosProxy> {
  const random = randomFrom(seed);
  const pairs = new Set<readonly [client: Socket, server: Socket]>();
  let current = faults;
  let bytes = 0;

  const forward = (from: Socket, to: Socket): void => {
    let direction = 0;
    let chain = Promise.resolve();
    from.on('data', (chunk) => {
      from.pause();
      chain = chain.then(async () => {
        await pass(chunk);
        if (!from.destroyed) from.resume();
      });
    });
    from.on('end', () => {
      chain = chain.then(() => {
        if (current.blackHole !== true) to.end();
      });
    });
    const pass = async (chunk: Buffer): Promise<void> => {
      if (current.delayMs !== undefined) await pause(current.delayMs);
      if (current.blackHole === true) return;
      for (let offset = 0; offset < chunk.length && !to.destroyed;) {
        const size = current.chunkBytes === undefined ? chunk.length : 1 + Math.floor(random() * current.chunkBytes);
        const piece = Buffer.from(chunk.subarray(offset, offset + size));
        offset += piece.length;
        flip(piece, current.flipRate ?? 0);
        const left = current.cutAfterBytes === undefined ? Infinity : current.cutAfterBytes - direction;
        to.write(piece.subarray(0, Math.max(0, Math.min(left, piece.length))));
        direction += piece.length;
        bytes += piece.length;
        if (piece.length >= left) {
          // What was written must leave before the reset that discards it.
          await pause(20);
          from.resetAndDestroy();
          to.resetAndDestroy();
          return;
        }
        if (current.bytesPerSecond !== undefined) await pause((piece.length / current.bytesPerSecond) * 1_000);
        else if (current.chunkBytes !== undefined && random() < 0.05) await pause(0);
      }
      if (to.writableNeedDrain) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve));
    };
  };

  const flip = (piece: Buffer, rate: number): void => {
    if (rate === 0) return;
    for (let index = 0; index < piece.length; index += 1) {
      if (random() < rate) piece[index] = piece[index]! ^ (1 << Math.floor(random() * 8));
    }
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        pairs.delete(pair);
        for (const other of pair) if (current.blackHole !== true) other.destroySoon();
      });
    }
    forward(client, upstream);
    forward(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get bytes() {
      return bytes;
    },
    set(next) {
      current = next;
    },
    cut() {
      for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
    },
    halfClose(side) {
      for (const [client, upstream] of pairs) (side === 'client' ? client : upstream).end();
    },
    close() {
      for (const pair of pairs) for (const socket of pair) socket.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
