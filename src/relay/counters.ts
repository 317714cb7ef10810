/**
 * What a relay counts.
 *
 * @packageDocumentation
 */

/** Counts since the start. They only grow. */
export interface RelayCounters {
  connections: number;
  /** Connections turned away, or closed for another one's sake. */
  refused: number;
  handshakesStarted: number;
  handshakesFailed: number;
  sessions: number;
  sessionsFailed: number;
  takenOver: number;
  slowConsumers: number;
  framesIn: number;
  bytesIn: number;
  framesOut: number;
  bytesOut: number;
  /** Messages handed to another client, or to its mailbox. */
  routed: number;
  /** Messages put into the mailbox of a client that is there, and reads too slowly. */
  spilled: number;
  /** Messages put into the mailbox of a client that is away. */
  kept: number;
  /** Messages that waited too long. */
  expired: number;
  /** Publishes that were taken. */
  published: number;
  bundlesGiven: number;
  /** Acknowledgements and errors of clients that a full queue swallowed. */
  dropped: number;
  unknownPeer: number;
  denied: number;
  malformed: number;
  /** Times that a client was not read because of its rate. */
  slowed: number;
  listParts: number;
}

/** How things are now. */
export interface RelayGauges {
  connectionsNow: number;
  strangersNow: number;
  handshakesNow: number;
  sessionsNow: number;
  /** Addresses in the directory, those in their grace included. */
  addressesNow: number;
  gracesNow: number;
  /** Clients that are away and for whom messages are kept. */
  awayNow: number;
  watchersNow: number;
  timersNow: number;
  /** Bytes in queues above their mark. */
  longQueueBytesNow: number;
}

/** All of it, as plain numbers. */
export type RelayMetrics = Readonly<RelayCounters & RelayGauges>;

/** All zero. */
export function startCounters(): RelayCounters {
  return {
    connections: 0,
    refused: 0,
    handshakesStarted: 0,
    handshakesFailed: 0,
    sessions: 0,
    sessionsFailed: 0,
    takenOver: 0,
    slowConsumers: 0,
    framesIn: 0,
    bytesIn: 0,
    framesOut: 0,
    bytesOut: 0,
    routed: 0,
    spilled: 0,
    kept: 0,
    expired: 0,
    published: 0,
    bundlesGiven: 0,
    dropped: 0,
    unknownPeer: 0,
    denied: 0,
    malformed: 0,
    slowed: 0,
    listParts: 0,
  };
}
