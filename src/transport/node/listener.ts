/**
 * What the listeners of this folder have in common: how many connections they take, and how they report and end.
 *
 * @packageDocumentation
 */
import { readFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { SimsError } from '../../errors.ts';
import { detail } from '../attempt.ts';
import type { Transport, TransportOptions } from '../transport.ts';

/** What is known of who connected, before anything is verified. */
export interface ConnectionInfo {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The `Origin` header of a browser's WebSocket; a program that is not a browser may send what it likes, or none. */
  readonly origin?: string;
}

/** Options of every listener. */
export interface ListenOptions extends TransportOptions {
  /** Default `127.0.0.1`: reaching further is a decision. */
  readonly host?: string;
  /** Default 0: the system picks a free one, told by {@link Listener.port}. */
  readonly port?: number;
  /** Takes each connection and starts it. A throw ends that connection alone. */
  readonly onConnection: (transport: Transport, info: ConnectionInfo) => void;
  /** Whether to take one more from this address: the place for limits by source. Called before anything is read. */
  readonly admit?: (remoteAddress: string, connections: number) => boolean;
  /** Connections of this listener at once. Default: as many as descriptors allow. */
  readonly maxConnections?: number;
  /**
   * Share of the process's file descriptors that connections of all listeners may use; beyond it new ones are closed at once, so
   * that files and outgoing connections still work. Default 0.95. The limit is read from `/proc/self/limits`; where
   * that is missing, this option has no effect.
   */
  readonly descriptorShare?: number;
  /** Told of what goes wrong with the listener itself after it has begun. */
  readonly onError?: (error: SimsError) => void;
}

/** A listening socket. */
export interface Listener {
  /** With the real port: `tcp://127.0.0.1:4711`, `ws://[::1]:4712`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Connections open now. */
  readonly connections: number;
  /** Connections turned away because of a limit. */
  readonly refused: number;
  /** Stops listening; resolves when the port is free. Open connections live on: they belong to who took them. */
  close(): Promise<void>;
}

// All listeners of a process draw on the same descriptors.
let openInProcess = 0;

/** Counts the connections of one listener and turns away what is too much. */
export class Admission {
  connections = 0;
  refused = 0;
  readonly #options: ListenOptions;
  readonly #descriptorBudget: number;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#descriptorBudget = Math.floor(descriptorLimit() * (options.descriptorShare ?? 0.95));
  }

  /** Whether one more is taken; if so, the function that gives its place back, to be called once. */
  take(remoteAddress: string): (() => void) | undefined {
    const { admit, maxConnections = Infinity } = this.#options;
    if (
      this.connections >= maxConnections ||
      openInProcess >= this.#descriptorBudget ||
      (admit !== undefined && !admit(remoteAddress, this.connections))
    ) {
      this.refused += 1;
      return undefined;
    }
    this.connections += 1;
    openInProcess += 1;
    return () => {
      this.connections -= 1;
      openInProcess -= 1;
    };
  }
}

/**
 * Makes a server listen.
 *
 * @throws `transport/listen-failed`
 */
export function listen(
  scheme: 'tcp' | 'ws' | 'wss',
  server: Server,
  admission: Admission,
  options: ListenOptions,
): Promise<Listener> {
  const { host = '127.0.0.1', port = 0, onError } = options;
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown): SimsError =>
      new SimsError('transport/listen-failed', `${urlOf(scheme, host, port)}${detail(cause)}`, { cause });
    const onRefused = (cause: unknown): void => reject(failed(cause));
    server.once('error', onRefused);
    server.listen({ host, port, backlog: 1_024 }, () => {
      server.off('error', onRefused);
      server.on('error', (cause) => onError?.(failed(cause)));
      const address = server.address() as AddressInfo;
      resolve({
        url: urlOf(scheme, host, address.port),
        host,
        port: address.port,
        get connections() {
          return admission.connections;
        },
        get refused() {
          return admission.refused;
        },
        close: () => stopListening(server),
      });
    });
  });
}

/** `scheme://host:port`, an IPv6 host in brackets. */
export function urlOf(scheme: string, host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Soft limit of open files of this process; infinite where it is not told. */
function descriptorLimit(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity;
  }
}

/** The server's own callback would wait for every connection; the port is free one turn after. */
function stopListening(server: Server): Promise<void> {
  if (server.listening) server.close();
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
