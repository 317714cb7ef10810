/** How often one client may ask for bundles: of one address, and in all. */
import type { Address } from '../messages/address.ts';
import type { RelayLimits } from './limits.ts';
import { TokenBucket } from './tokenBucket.ts';

interface Fetcher {
  readonly all: TokenBucket;
  readonly perPeer: Map<Address, TokenBucket>;
}

const HOUR_S = 3_600;
/** Fetchers that are remembered; beyond it the one that asked longest ago is forgotten. */
const LARGEST_FETCHERS = 20_000;

/** The rates of all fetchers. */
export class FetchRates {
  readonly #limits: RelayLimits;
  readonly #fetchers = new Map<string, Fetcher>();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  /** Fetchers that are remembered. */
  get size(): number {
    return this.#fetchers.size;
  }

  /** Whether a fetcher may ask for a bundle of a peer now. Counts alike whether that peer exists or not. */
  take(fetcher: string, peer: Address, nowMs: number): boolean {
    const { fetchesPerHour, peerFetchesPerHour } = this.#limits;
    const known = this.#fetchers.get(fetcher);
    const { all, perPeer } = known ?? { all: bucket(fetchesPerHour, nowMs), perPeer: new Map<Address, TokenBucket>() };
    this.#fetchers.delete(fetcher);
    this.#fetchers.set(fetcher, { all, perPeer });
    if (this.#fetchers.size > LARGEST_FETCHERS) {
      const [oldest] = this.#fetchers.keys();
      this.#fetchers.delete(oldest!);
    }
    if (!all.tryTake(nowMs)) return false;
    const one = perPeer.get(peer) ?? bucket(peerFetchesPerHour, nowMs);
    perPeer.set(peer, one);
    return one.tryTake(nowMs);
  }

  /** Forgets what has been refilled. */
  sweep(nowMs: number): void {
    for (const [fetcher, { all, perPeer }] of this.#fetchers) {
      for (const [peer, one] of perPeer) if (one.isFull(nowMs)) perPeer.delete(peer);
      if (perPeer.size === 0 && all.isFull(nowMs)) this.#fetchers.delete(fetcher);
    }
  }
}

function bucket(perHour: number, nowMs: number): TokenBucket {
  return new TokenBucket(perHour / HOUR_S, perHour, nowMs);
}
