/** Runs a relay's core over transports: numbers for connections, promises for reading that waits, one timer. */
import { SimsError } from '../../errors.ts';
import type { AuditEntry } from '../../ifc/index.ts';
import type { Transport } from '../../transport/index.ts';
import type { RelayEffects, RelayEvent } from '../effects.ts';
import type { Relay } from '../relay.ts';

interface Attached {
  readonly transport: Transport;
  /** Ends the wait of the receiver; absent while it reads. */
  readOn: (() => void) | undefined;
  isDraining: boolean;
}

/** What a host tells. */
export interface HostHooks {
  readonly log?: (event: RelayEvent) => void;
  readonly audit?: (entry: AuditEntry) => void;
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The transports of one relay. */
export class RelayHost {
  readonly relay: Relay;
  readonly #attached = new Map<number, Attached>();
  readonly #now: () => number;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(create: (effects: RelayEffects) => Relay, now: () => number, hooks: HostHooks) {
    this.#now = now;
    this.relay = create({
      send: (connection, bytes) => this.#send(connection, bytes),
      queuedBytes: (connection) => this.#attached.get(connection)?.transport.queuedBytes ?? 0,
      setMessageLimit: (connection, bytes) => {
        const attached = this.#attached.get(connection);
        if (attached !== undefined) attached.transport.messageLimit = bytes;
      },
      resume: (connection) => this.#resume(connection),
      close: (connection) => {
        this.#attached.get(connection)?.transport.close();
        // A receiver that waits would hold the transport for ever.
        this.#resume(connection);
      },
      wake: (atMs) => this.#wakeAt(atMs),
      ...hooks,
    });
  }

  /** Connections that have not closed yet. */
  get size(): number {
    return this.#attached.size;
  }

  /** Takes a transport that has not been started. Its mark must be the relay's `queueMarkBytes`. */
  attach(transport: Transport): void {
    const connection = this.#next;
    this.#next += 1;
    const attached: Attached = { transport, readOn: undefined, isDraining: false };
    this.#attached.set(connection, attached);
    // Connections that are being closed hold a descriptor still.
    if (this.#attached.size > this.relay.limits.connections || !this.relay.connected(connection)) {
      this.#attached.delete(connection);
      transport.abort(new SimsError('transport/aborted', 'the relay takes no more connections'));
      return;
    }
    transport.start({
      message: (bytes) => {
        if (this.relay.received(connection, bytes)) return undefined;
        return new Promise<void>((resolve) => {
          attached.readOn = resolve;
        });
      },
    });
    void transport.closed.then(() => {
      this.#attached.delete(connection);
      this.relay.disconnected(connection);
      if (this.#attached.size === 0) this.#whenEmpty?.();
    });
  }

  /** Says goodbye to all, and resolves when the last connection has closed. */
  async close(): Promise<void> {
    this.relay.shutDown();
    if (this.#attached.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenEmpty = resolve;
      });
    }
    clearTimeout(this.#timer);
  }

  #send(connection: number, bytes: Uint8Array): number {
    const attached = this.#attached.get(connection);
    if (attached === undefined) return 0;
    const { transport } = attached;
    try {
      if (!transport.send(bytes)) this.#awaitDrain(connection, attached);
    } catch (error) {
      // It says so by `closed`.
      if (error instanceof SimsError && error.code === 'transport/closed') return 0;
      throw error;
    }
    return transport.queuedBytes;
  }

  #awaitDrain(connection: number, attached: Attached): void {
    if (attached.isDraining) return;
    attached.isDraining = true;
    const { transport } = attached;
    void transport.drained().then(() => {
      attached.isDraining = false;
      this.relay.drained(connection);
      if (transport.queuedBytes <= this.relay.limits.queueMarkBytes) return;
      // Either more was queued meanwhile, or the wire has ended, which shows when the receiver has returned.
      this.#resume(connection);
      setImmediate(() => {
        if (this.#attached.has(connection)) this.#awaitDrain(connection, attached);
      });
    });
  }

  #resume(connection: number): void {
    const attached = this.#attached.get(connection);
    const readOn = attached?.readOn;
    if (attached !== undefined) attached.readOn = undefined;
    readOn?.();
  }

  #wakeAt(atMs: number): void {
    clearTimeout(this.#timer);
    const afterMs = Math.min(Math.max(atMs - this.#now(), 0), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.relay.wake(), afterMs);
    // The listeners keep the process, not what the relay waits for.
    this.#timer.unref();
  }
}
