/** RSA-4096 key pairs made ahead of time: generating one takes a second, far too long for a handshake. */
import { wipe } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import type { KemKeyPair } from './provider.ts';

/** How a pool is made. */
export interface RsaPoolOptions {
  /** Makes one pair without blocking the event loop: `rsa4096.generateKeyPair`. */
  readonly generate: () => Promise<KemKeyPair>;
  /** Pairs kept ready: 1 to 64, 2 by default. */
  readonly size?: number;
  /** Told when a generation fails. The pool goes on; the next `take` starts another attempt. */
  readonly onError?: (error: unknown) => void;
}

/** A bounded stock of single-use key pairs. */
export interface RsaPool {
  /** Pairs ready now. */
  readonly available: number;
  /**
   * A pair that nobody else gets; `undefined` when none is ready, so that the caller picks another suite. Either
   * way the stock is refilled in the background, one generation at a time.
   */
  take(): KemKeyPair | undefined;
  /** Wipes the stock and makes no more; a generation that is under way is wiped when it ends. Later takes give `undefined`. */
  close(): void;
}

const DEFAULT_SIZE = 2;
const LARGEST_SIZE = 64;

/**
 * A pool that begins to fill at once.
 *
 * @throws `crypto/invalid-argument` for a size outside 1 to 64
 */
export function createRsaPool(options: RsaPoolOptions): RsaPool {
  const { generate, size = DEFAULT_SIZE, onError } = options;
  if (!Number.isInteger(size) || size < 1 || size > LARGEST_SIZE) {
    throw new SimsError('crypto/invalid-argument', `a pool holds 1 to ${LARGEST_SIZE} pairs, not ${size}`);
  }
  const ready: KemKeyPair[] = [];
  let generating = false;
  let closed = false;

  async function refill(): Promise<void> {
    if (generating) return;
    generating = true;
    try {
      while (!closed && ready.length < size) {
        const pair = await generate();
        if (closed) wipe(pair.decapsulationKey);
        else ready.push(pair);
      }
    } catch (error) {
      report(error);
    } finally {
      generating = false;
    }
  }

  function report(error: unknown): void {
    try {
      onError?.(error);
    } catch {
      // An observer's failure is its own: it must not become an unhandled rejection here.
    }
  }

  void refill();
  return {
    get available() {
      return ready.length;
    },
    take() {
      const pair = ready.shift();
      if (!closed) void refill();
      return pair;
    },
    close() {
      closed = true;
      for (const pair of ready.splice(0)) wipe(pair.decapsulationKey);
    },
  };
}
