/** The parts of ws and socket.io that the relays and their clients use. */

/** ws, both sides. */
export interface WsServer {
  readonly WebSocketServer: new (options: object) => {
    on(event: 'connection', listener: (socket: WsSocket) => void): void;
  };
  readonly WebSocket: new (url: string, options: object) => WsSocket;
}

/** One end of a ws connection. */
export interface WsSocket {
  on(event: 'error' | 'open', listener: () => void): void;
  on(event: 'message', listener: (data: Buffer) => void): void;
  send(data: Uint8Array): void;
  terminate(): void;
}

/** The server of socket.io. */
export interface SocketIoServer {
  readonly Server: new (
    http: object,
    options: object,
  ) => {
    on(event: 'connection', listener: (socket: IoServerSocket) => void): void;
  };
}

interface IoServerSocket {
  on(event: 'm', listener: (data: Buffer) => void): void;
  readonly broadcast: { emit(event: 'm', data: Buffer): void };
}

/** The client of socket.io. */
export interface SocketIoClient {
  readonly io: (url: string, options: object) => IoSocket;
}

/** One client of socket.io. */
export interface IoSocket {
  on(event: 'connect' | 'm', listener: () => void): void;
  emit(event: 'm', data: Uint8Array): void;
  disconnect(): void;
}
