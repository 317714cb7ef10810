/**
 * Connections that carry whole messages: the interface, and those that every runtime has.
 *
 * @packageDocumentation
 */
export type { AttemptOptions } from './attempt.ts';
export { encodeFrame, FRAME_HEADER_BYTES, FrameReader } from './framing.ts';
export { checkLength, INITIAL_MESSAGE_LIMIT, MESSAGE_LIMIT } from './limits.ts';
export { memoryPair, type MemoryOptions } from './memory.ts';
export { messagePortTransport, type MessagePortLike } from './messagePort.ts';
export type { CloseReason, Receiver, Transport, TransportOptions } from './transport.ts';
export { TransportBase } from './transportBase.ts';
export { connectWebSocket, type WebSocketLike, type WebSocketOptions } from './webSocket.ts';
