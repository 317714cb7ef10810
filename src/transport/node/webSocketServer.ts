/**
 * Listens for WebSockets, with the package ws.
 *
 * @packageDocumentation
 */
import { createServer, STATUS_CODES, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SimsError } from '../../errors.ts';
import { Admission, listen, type Listener, type ListenOptions } from './listener.ts';
import { loadWs } from './ws.ts';
import { WS_OPTIONS, WsTransport } from './webSocketTransport.ts';

/** Options of {@link listenWebSocket}. */
export interface ListenWebSocketOptions extends ListenOptions {
  /**
   * Whether pages of this origin may connect; `undefined` is a client that is not a browser. Default: all, since a hop is
   * authenticated by its own handshake and never by cookies.
   */
  readonly allowOrigin?: (origin: string | undefined) => boolean;
  /** The only path that is answered, such as `/sims`. Default: any. */
  readonly path?: string;
  /** A server that does not listen yet, of `node:https` for `wss:`, or one with pages of its own. Default: a new one without pages. */
  readonly server?: HttpServer | HttpsServer;
}

/**
 * Listens for WebSocket connections.
 *
 * @throws `transport/listen-failed`, `transport/ws-missing`
 */
export async function listenWebSocket(options: ListenWebSocketOptions): Promise<Listener> {
  const { WebSocketServer } = await loadWs();
  const upgrades = new WebSocketServer({ noServer: true, clientTracking: false, ...WS_OPTIONS });
  const admission = new Admission(options);
  const server = options.server ?? withoutPages();

  server.on('connection', (socket: Socket) => {
    const leave = admission.take(socket.remoteAddress ?? '');
    if (leave === undefined) socket.destroy();
    else socket.once('close', leave);
  });
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const socket = stream as Socket;
    const ignoreError = (): void => {};
    socket.on('error', ignoreError);
    const refusal = server.listening ? refuse(request, options) : 503;
    if (refusal !== undefined) {
      socket.once('finish', () => socket.destroy());
      socket.end(`HTTP/1.1 ${refusal} ${STATUS_CODES[refusal]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    upgrades.handleUpgrade(request, socket, head, (webSocket) => {
      socket.off('error', ignoreError);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      const transport = new WsTransport(webSocket, socket, options);
      const { origin } = request.headers;
      const { remoteAddress = '', remotePort = 0 } = socket;
      try {
        options.onConnection(transport, { remoteAddress, remotePort, ...(origin === undefined ? {} : { origin }) });
      } catch (cause) {
        transport.abort(new SimsError('transport/receiver-failed', 'onConnection failed', { cause }));
      }
    });
  });
  return listen('setSecureContext' in server ? 'wss' : 'ws', server, admission, options);
}

function refuse(request: IncomingMessage, { allowOrigin, path }: ListenWebSocketOptions): 403 | 404 | undefined {
  if (path !== undefined && request.url?.split('?', 1)[0] !== path) return 404;
  if (allowOrigin !== undefined && !allowOrigin(request.headers.origin)) return 403;
  return undefined;
}

/** Answers everything but an upgrade by 426, and does not wait long for anyone's headers. */
function withoutPages(): HttpServer {
  return createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 10_000,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 1_000,
      maxHeaderSize: 8_192,
    },
    (_request, response) => {
      response.writeHead(426, { connection: 'close', 'content-type': 'text/plain' }).end('WebSocket only\n');
    },
  );
}
