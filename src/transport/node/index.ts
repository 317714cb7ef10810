/**
 * Connections of Node: TCP, and WebSocket by the package ws.
 *
 * @packageDocumentation
 */
export type { ConnectionInfo, Listener, ListenOptions } from './listener.ts';
export { connectTcp, listenTcp, type TcpOptions } from './tcp.ts';
export { connectWebSocket, type WebSocketClientOptions } from './webSocketClient.ts';
export { listenWebSocket, type ListenWebSocketOptions } from './webSocketServer.ts';
