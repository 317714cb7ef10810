/** The way to a relay's URL in Node: `tcp:`, `ws:` and `wss:`. */
import { SimsError } from '../../errors.ts';
import { connectTcp, connectWebSocket } from '../../transport/node/index.ts';
import type { Transport } from '../../transport/transport.ts';

/**
 * Connects to `tcp://HOST:PORT`, `ws://…` or `wss://…`.
 *
 * @throws `client/invalid-argument` for another URL, `transport/*`
 */
export function dial(url: string, options: { readonly signal: AbortSignal }): Promise<Transport> {
  const { signal } = options;
  if (/^wss?:/u.test(url)) return connectWebSocket(url, { signal });
  const match = /^tcp:\/\/(?:\[(?<v6>[^\]]+)\]|(?<host>[^:/]+)):(?<port>\d{1,5})\/?$/u.exec(url);
  const { v6, host, port } = match?.groups ?? {};
  if (port === undefined || Number(port) > 65_535) {
    return Promise.reject(new SimsError('client/invalid-argument', 'a relay is tcp://HOST:PORT, ws://… or wss://…'));
  }
  return connectTcp({ host: v6 ?? host!, port: Number(port), signal });
}
