/** One connection, and how far it has come. */
import type { Encoding } from '../messages/wire.ts';
import type { Entrant, HopHandshake } from './hopHandshake.ts';
import type { Session } from './sessions.ts';

/** A connection that has not ended. */
export interface Connection {
  readonly id: number;
  encoding: Encoding;
  handshake: HopHandshake | undefined;
  session: Session | undefined;
  /** Who came in, for as long as there is a session. */
  entrant: Entrant | undefined;
  /** Why it is not read: it is over its rate, its queue is long, its handshake waits. */
  readonly paused: { rate: boolean; queue: boolean; handshake: boolean };
  isWaiting: boolean;
  hasSpoken: boolean;
  cancelTimer: () => void;
}

/** A connection that has said nothing yet. */
export function newConnection(id: number): Connection {
  return {
    id,
    encoding: 'cbor',
    handshake: undefined,
    session: undefined,
    entrant: undefined,
    paused: { rate: false, queue: false, handshake: false },
    isWaiting: false,
    hasSpoken: false,
    cancelTimer: () => {},
  };
}
