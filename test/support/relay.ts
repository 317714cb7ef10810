import { startRelay, type RelayServer, type RelayServerOptions } from '../../src/relay/node/index.ts';
import { connectTcp } from '../../src/transport/node/index.ts';
import type { Receiver, Transport } from '../../src/transport/index.ts';

/** A relay on loopback over TCP that slows nobody down. */
export function testRelay(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
  const { limits, ...others } = options;
  return startRelay({
    listen: [{ scheme: 'tcp' }],
    ...others,
    limits: { messagesPerSecond: 100_000, messageBurst: 100_000, listIntervalMs: 0, ...limits },
  });
}

/** Ways to a relay, each connection of which can be watched and cut. */
export class Wire {
  readonly #url: URL;
  readonly #cuts: number[];
  /** Messages that passed, in both directions, on every connection. */
  passed = 0;
  connections = 0;
  #open = new Set<Transport>();

  /** @param cuts - connection i breaks after so many messages; those beyond the list do not */
  constructor(url: string, cuts: readonly number[] = []) {
    this.#url = new URL(url.replace('tcp:', 'ws:'));
    this.#cuts = [...cuts];
  }

  /** For `connect`. */
  readonly dial = async (signal: AbortSignal): Promise<Transport> => {
    const transport = await connectTcp({ host: this.#url.hostname, port: Number(this.#url.port), signal });
    const budget = this.#cuts.shift() ?? Infinity;
    this.connections += 1;
    this.#open.add(transport);
    void transport.closed.then(() => this.#open.delete(transport));
    let left = budget;
    const spend = (): boolean => {
      this.passed += 1;
      left -= 1;
      if (left < 0) transport.abort();
      return left >= 0;
    };
    return {
      get messageLimit() {
        return transport.messageLimit;
      },
      set messageLimit(limit: number) {
        transport.messageLimit = limit;
      },
      get queuedBytes() {
        return transport.queuedBytes;
      },
      closed: transport.closed,
      start: (receiver: Receiver) =>
        transport.start({ message: (bytes) => (spend() ? receiver.message(bytes) : undefined) }),
      send: (message) => (spend() ? transport.send(message) : true),
      drained: () => transport.drained(),
      close: () => transport.close(),
      abort: (error) => transport.abort(error),
    };
  };

  /** Breaks every open connection. */
  cut(): void {
    for (const transport of this.#open) transport.abort();
  }
}

/** Waits until `condition` holds; fails after `timeoutMs`. */
export async function until(condition: () => boolean, timeoutMs = 10_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not so within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
