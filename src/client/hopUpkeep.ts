/**
 * Keeps a client connected: the first hop, and another whenever one is lost.
 *
 * @packageDocumentation
 */
import type { SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { establishHop, type Hop, type HopEnd } from './hop.ts';
import { verifierOf, type ClientParts } from './parts.ts';

/** What the upkeep tells its client. */
export interface UpkeepHooks {
  readonly message: (message: Message) => void;
  readonly up: (hop: Hop) => void;
  readonly down: (event: { readonly reason?: ErrorReason; readonly error?: SimsError }) => void;
  /** There will be no further hop. */
  readonly lost: () => void;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 15_000;

/** One hop at a time, until stopped. */
export class HopUpkeep {
  readonly #parts: ClientParts;
  readonly #hooks: UpkeepHooks;
  readonly #stopping = new AbortController();
  #hop: Hop | undefined;
  #suite: SuiteName;
  #relayIdentity: Uint8Array | undefined;
  #isClosed = false;
  #cancelRetry: () => void = () => {};

  constructor(parts: ClientParts, hooks: UpkeepHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
    this.#suite = parts.hopSuites[0]!;
    this.#relayIdentity = parts.relayIdentity;
  }

  /** The hop that is up now. */
  get hop(): Hop | undefined {
    return this.#hop;
  }

  /** Suite of the last hop. */
  get suite(): SuiteName {
    return this.#suite;
  }

  /** SHA-256 of the relay's key: the same for every hop of one client. */
  get relayIdentity(): Uint8Array {
    return this.#relayIdentity ?? new Uint8Array(32);
  }

  /** Connects once. */
  async connect(): Promise<void> {
    const { signal } = this.#stopping;
    const transport = await this.#parts.dial(signal);
    const stop = (): void => transport.abort();
    if (this.#isClosed) stop();
    signal.addEventListener('abort', stop, { once: true });
    const { provider, clock, identity, address, device, name, suites, hopSuites, encoding, serverName, label } =
      this.#parts;
    let established: Hop | undefined;
    let early: HopEnd | undefined;
    try {
      established = await establishHop(
        transport,
        {
          provider,
          clock,
          verifyCredential: verifierOf(this.#parts),
          identity,
          address,
          device,
          name,
          suites,
          offer: hopSuites,
          encoding,
          serverName,
          ...(label === undefined ? {} : { label }),
          ...(this.#relayIdentity === undefined ? {} : { relayIdentity: this.#relayIdentity }),
        },
        {
          message: this.#hooks.message,
          ended: (end) => {
            signal.removeEventListener('abort', stop);
            // It may end before this function goes on.
            if (established === undefined) early = end;
            else if (this.#hop === established) this.#ended(end);
          },
        },
      );
    } catch (error) {
      signal.removeEventListener('abort', stop);
      throw error;
    }
    if (early !== undefined) throw new SimsError('client/connection-lost', 'the hop ended as soon as it was up');
    this.#hop = established;
    this.#suite = established.suite;
    this.#relayIdentity ??= established.relayIdentity;
    this.#hooks.up(established);
  }

  /** No more hops. Says goodbye on the present one; resolves when its connection has ended. */
  async close(): Promise<void> {
    const hop = this.#hop;
    this.#hop = undefined;
    this.#isClosed = true;
    this.#cancelRetry();
    if (hop === undefined) this.#stopping.abort();
    else await hop.close();
  }

  /** No more hops, and the present one ends at once. */
  stop(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelRetry();
    this.#stopping.abort();
  }

  #ended(end: HopEnd): void {
    this.#hop = undefined;
    if (this.#isClosed) return;
    const reason = end.by === 'relay' ? end.code : undefined;
    this.#hooks.down({
      ...(reason === undefined ? {} : { reason }),
      ...(end.by === 'fault' ? { error: end.error } : {}),
    });
    // Whoever took this address over has it: fighting for it would only alternate.
    if (!this.#parts.reconnect || reason === 'taken-over') this.#hooks.lost();
    else this.#retry(FIRST_RETRY_MS);
  }

  /** Full-jitter back-off: a relay that restarts is not met by everyone at once. */
  #retry(ceilingMs: number): void {
    const { clock, provider } = this.#parts;
    const [high = 0, low = 0] = provider.random(2);
    const waitMs = Math.floor((ceilingMs * (high * 256 + low)) / 65_536);
    this.#cancelRetry = clock.setTimer(clock.now() + waitMs, () => {
      this.connect().catch((error: unknown) => {
        if (this.#isClosed) return;
        if (error instanceof SimsError && error.code === 'handshake/identity-mismatch') {
          this.#hooks.down({ error: new SimsError('client/relay-changed', 'another relay answers', { cause: error }) });
          this.#hooks.lost();
        } else this.#retry(Math.min(ceilingMs * 2, LONGEST_RETRY_MS));
      });
    });
  }
}
