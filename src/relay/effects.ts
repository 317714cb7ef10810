/**
 * What a relay's core asks of whoever runs it, and what it tells.
 *
 * @packageDocumentation
 */
import type { AuditEntry } from '../ifc/index.ts';
import type { ErrorReason } from '../messages/reason.ts';

/** What the core does. Connections are numbers that the host gave. None of these may call the core before it returns. */
export interface RelayEffects {
  /**
   * Queues bytes for a connection and gives the bytes that are queued now. When that is above `queueMarkBytes`, the host calls
   * `drained` once the queue is below the mark again. 0 for a connection that has closed.
   */
  readonly send: (connection: number, bytes: Uint8Array) => number;
  /** Bytes queued for a connection now. */
  readonly queuedBytes: (connection: number) => number;
  /** From now on frames of this length are taken from the connection. */
  readonly setMessageLimit: (connection: number, bytes: number) => void;
  /** Goes on reading from a connection for which `received` gave `false`. */
  readonly resume: (connection: number) => void;
  /** Ends a connection once what is queued has left, or soon after. */
  readonly close: (connection: number) => void;
  /** Calls `wake` at, or soon after, that time, in milliseconds since 1970. A later call replaces it. */
  readonly wake: (atMs: number) => void;
  /** Takes one line of the log. It never holds a name, an address or content. */
  readonly log?: (event: RelayEvent) => void;
  /** Takes an entry for the audit log: a denial or an exemption. It names client ids. */
  readonly audit?: (entry: AuditEntry) => void;
}

/** One line of the log. */
export interface RelayEvent {
  readonly event:
    | 'session-opened'
    | 'session-ended'
    | 'session-failed'
    | 'handshake-failed'
    | 'recheck-failed'
    | 'connection-refused'
    | 'shutting-down'
    | 'listener-failed'
    | 'key-pool-failed'
    | 'policy-loaded'
    | 'policy-rejected'
    | 'audit-failed';
  readonly connection?: number;
  /** Code of the error or the end: one of the SDK's, or one of the protocol's. */
  readonly code?: string;
  readonly suite?: string;
  readonly label?: string;
  /** Kind of the credential. */
  readonly kind?: string;
  /** What went wrong, without anything that a client said. */
  readonly error?: unknown;
}

/** How a session ended. */
export type SessionEnd =
  /** The client said goodbye. */
  | 'goodbye'
  /** The connection broke; the client may be back. */
  | 'dropped'
  /** The relay ended it, and said why where that was possible. */
  | ErrorReason;
