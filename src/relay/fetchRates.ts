/** How often one client may ask for bundles: of one address, and in all. */
import type { Address, ClientId } from '../messages/address.ts';
import type { RelayLimits } from './limits.ts';
import { TokenBucket } from './tokenBucket.ts';

interface Fetcher {
  readonly all: TokenBucket;
  readonly perPeer: Map<Address, TokenBucket>;
}

const HOUR_S = 3_600;
/** Fetchers of one label that are remembered; beyond it the one that asked longest ago is forgotten. */
const LARGEST_FETCHERS = 20_000;

/** The rates of all fetchers. */
export class FetchRates {
  readonly #limits: RelayLimits;
  /** By label, so that none feels another: by client. */
  readonly #fetchers = new Map<string, Map<ClientId, Fetcher>>();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  /** Whether a client at a label may ask for a bundle of a peer now. Counts alike whether that peer exists or not. */
  take(client: ClientId, label: string, peer: Address, nowMs: number): boolean {
    const { fetchesPerHour, peerFetchesPerHour } = this.#limits;
    const fetchers = this.#fetchers.get(label) ?? new Map<ClientId, Fetcher>();
    this.#fetchers.set(label, fetchers);
    const known = fetchers.get(client);
    const { all, perPeer } = known ?? { all: bucket(fetchesPerHour, nowMs), perPeer: new Map<Address, TokenBucket>() };
    fetchers.delete(client);
    fetchers.set(client, { all, perPeer });
    if (fetchers.size > LARGEST_FETCHERS) {
      const [oldest] = fetchers.keys();
      fetchers.delete(oldest!);
    }
    if (!all.tryTake(nowMs)) return false;
    const one = perPeer.get(peer) ?? bucket(peerFetchesPerHour, nowMs);
    perPeer.set(peer, one);
    return one.tryTake(nowMs);
  }

  /** Forgets what has been refilled. */
  sweep(nowMs: number): void {
    for (const [label, fetchers] of this.#fetchers) {
      for (const [client, { all, perPeer }] of fetchers) {
        for (const [peer, one] of perPeer) if (one.isFull(nowMs)) perPeer.delete(peer);
        if (perPeer.size === 0 && all.isFull(nowMs)) fetchers.delete(client);
      }
      if (fetchers.size === 0) this.#fetchers.delete(label);
    }
  }
}

function bucket(perHour: number, nowMs: number): TokenBucket {
  return new TokenBucket(perHour / HOUR_S, perHour, nowMs);
}
