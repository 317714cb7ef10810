/**
 * The WebSocket client of Node, over the package ws: unlike the global one it bounds a message before it is in memory, and can stop reading.
 *
 * @packageDocumentation
 */
import type { Socket } from 'node:net';
import { SimsError } from '../../errors.ts';
import { attempt, type AttemptOptions } from '../attempt.ts';
import type { Transport, TransportOptions } from '../transport.ts';
import { loadWs } from './ws.ts';
import { WS_OPTIONS, WsTransport } from './webSocketTransport.ts';

/** Options of {@link connectWebSocket}. */
export interface WebSocketClientOptions extends TransportOptions, AttemptOptions {
  /** Certificates, PEM, that a `wss:` server's may chain to, beside none of the system's when given. */
  readonly ca?: string | Uint8Array;
}

/**
 * Connects to `ws:` or `wss:`.
 *
 * @throws `transport/connect-failed`, `transport/timeout`, `transport/aborted`, `transport/ws-missing`
 */
export async function connectWebSocket(url: string, options: WebSocketClientOptions = {}): Promise<Transport> {
  const { WebSocket } = await loadWs();
  const ca =
    options.ca === undefined ? {} : { ca: typeof options.ca === 'string' ? options.ca : Buffer.from(options.ca) };
  return attempt<Transport>(url, options, (attempted) => {
    const webSocket = new WebSocket(url, { ...WS_OPTIONS, ...ca });
    let socket: Socket | undefined;
    webSocket.once('upgrade', (response) => {
      socket = response.socket;
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
    });
    webSocket.on('error', attempted.fail);
    webSocket.once('open', () => {
      if (socket === undefined)
        return attempted.fail(new SimsError('transport/connect-failed', `${url}: opened without a socket`));
      const transport = new WsTransport(webSocket, socket, options);
      webSocket.off('error', attempted.fail);
      attempted.succeed(transport);
    });
    return () => webSocket.terminate();
  });
}
