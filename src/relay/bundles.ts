/**
 * Bundles that wait at the relay for who begins a conversation with their owner: each is given once.
 *
 * @packageDocumentation
 */
import { equal, hex } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { CLOCK_SKEW_MS, MAX_BUNDLE_LIFETIME_MS } from '../handshake/bundle.ts';
import type { Address, MessageId } from '../messages/address.ts';
import { decodeBundle, decodeBundleCore } from '../messages/bundle.ts';
import type { RelayLimits } from './limits.ts';
import { labelOf } from './mailbox.ts';
import { Shares } from './shares.ts';

/** A bundle, and the little that a relay reads of it. Nothing of it is verified here: that is for who is given it. */
export interface HeldBundle {
  /** In hexadecimal digits. */
  readonly id: string;
  readonly suite: number;
  /** Milliseconds since 1970. */
  readonly notAfterMs: number;
  readonly bytes: Uint8Array;
}

/** A publish that was read. */
export interface Publish {
  readonly id: MessageId;
  /** The owner's suites, in its order; the same in each bundle. Empty without bundles. */
  readonly suites: readonly number[];
  readonly bundles: readonly HeldBundle[];
  /** Whether these replace all others. */
  readonly complete: boolean;
}

/** What is left of an owner's bundles. */
export interface BundleStock {
  /** Of the suite that has fewest. */
  readonly count: number;
  /** The last publish that was taken. */
  readonly id: MessageId;
}

/** Where bundles wait. An owner is an address at a label, as `ownerOf` names it. */
export interface BundleStore {
  /** Owners that have published. */
  readonly size: number;
  /** Takes all of a publish or nothing: `too-large` beyond what one owner may have, `busy` beyond what a label may. */
  publish(owner: string, publish: Publish, nowMs: number): 'taken' | 'too-large' | 'busy';
  /** What is left; `undefined` for an owner that has published nothing, or is forgotten. */
  stock(owner: string, nowMs: number): BundleStock | undefined;
  /**
   * A bundle of the first of the owner's suites that is among those given, and never again: `none-left` of that suite, or
   * `no-common-suite`. `undefined` for an owner that has no bundles to expect.
   */
  take(
    owner: string,
    suites: readonly number[],
    nowMs: number,
  ): HeldBundle | 'none-left' | 'no-common-suite' | undefined;
  /** Whether messages are kept for the owner while it is away: it has published, and did not withdraw it. */
  keeps(owner: string): boolean;
  /** Forgets everything of an owner. */
  forget(owner: string): void;
  /** Deletes bundles that have ended. */
  sweep(nowMs: number): void;
}

interface Stock {
  publishId: MessageId;
  suites: readonly number[];
  /** By id, oldest first. */
  readonly bundles: Map<string, HeldBundle>;
  /** Ids of bundles that were given: one that is published again is not given again. */
  readonly given: Set<string>;
  bytes: number;
}

/** What a bundle costs beside its bytes. */
const ENTRY_BYTES = 256;
/** Ids that are remembered of an owner's given bundles; beyond it the oldest is forgotten. */
const LARGEST_GIVEN = 1_000;

/** Bundles in memory, bounded for each owner and for each label; they do not outlive the process. */
export class MemoryBundles implements BundleStore {
  readonly #limits: RelayLimits;
  readonly #stocks = new Map<string, Stock>();
  readonly #owners = new Shares();
  readonly #bytes = new Shares();

  constructor(limits: RelayLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#stocks.size;
  }

  /** Bytes of all bundles, with 256 for each. */
  get bytes(): number {
    return this.#bytes.total;
  }

  publish(owner: string, publish: Publish, nowMs: number): 'taken' | 'too-large' | 'busy' {
    const known = this.#stocks.get(owner);
    // The same again: its answer was lost.
    if (known?.publishId === publish.id) return 'taken';
    const suites = publish.bundles.length > 0 || publish.complete ? publish.suites : (known?.suites ?? []);
    // With another list the older ones would be refused by whoever is given them.
    const stays = !publish.complete && known !== undefined && isSameList(known.suites, suites);
    const bundles = new Map<string, HeldBundle>();
    for (const bundle of stays ? known.bundles.values() : []) {
      if (bundle.notAfterMs > nowMs) bundles.set(bundle.id, bundle);
    }
    for (const bundle of publish.bundles) {
      const isNew = !bundles.has(bundle.id) && known?.given.has(bundle.id) !== true;
      // A copy: what was handed over may be a view of a larger buffer.
      if (isNew && bundle.notAfterMs > nowMs) bundles.set(bundle.id, { ...bundle, bytes: bundle.bytes.slice() });
    }
    let bytes = 0;
    for (const bundle of bundles.values()) bytes += bundle.bytes.length + ENTRY_BYTES;
    const { bundles: most, bundleBytes, totalBundleBytes, keptAddresses } = this.#limits;
    if (bundles.size > most || bytes > bundleBytes) return 'too-large';
    const label = labelOf(owner);
    if (known === undefined && this.#owners.of(label) >= keptAddresses) return 'busy';
    const added = bytes - (known?.bytes ?? 0);
    if (added > 0 && this.#bytes.of(label) + added > totalBundleBytes) return 'busy';
    if (known === undefined) this.#owners.add(label, 1);
    this.#bytes.add(label, added);
    const given = known?.given ?? new Set<string>();
    this.#stocks.set(owner, { publishId: publish.id, suites, bundles, given, bytes });
    return 'taken';
  }

  stock(owner: string, nowMs: number): BundleStock | undefined {
    const stock = this.#stocks.get(owner);
    if (stock === undefined) return undefined;
    const counts = new Map(stock.suites.map((suite) => [suite, 0]));
    for (const { suite, notAfterMs } of stock.bundles.values()) {
      if (notAfterMs > nowMs) counts.set(suite, (counts.get(suite) ?? 0) + 1);
    }
    return { count: counts.size === 0 ? 0 : Math.min(...counts.values()), id: stock.publishId };
  }

  take(
    owner: string,
    suites: readonly number[],
    nowMs: number,
  ): HeldBundle | 'none-left' | 'no-common-suite' | undefined {
    const stock = this.#stocks.get(owner);
    if (stock === undefined || stock.suites.length === 0) return undefined;
    const picked = stock.suites.find((suite) => suites.includes(suite));
    if (picked === undefined) return 'no-common-suite';
    for (const bundle of stock.bundles.values()) {
      if (bundle.suite !== picked) continue;
      this.#remove(owner, stock, bundle);
      if (bundle.notAfterMs <= nowMs) continue;
      stock.given.add(bundle.id);
      if (stock.given.size > LARGEST_GIVEN) {
        const [oldest] = stock.given;
        stock.given.delete(oldest!);
      }
      return bundle;
    }
    return 'none-left';
  }

  keeps(owner: string): boolean {
    const stock = this.#stocks.get(owner);
    return stock !== undefined && stock.suites.length > 0;
  }

  forget(owner: string): void {
    const stock = this.#stocks.get(owner);
    if (stock === undefined) return;
    this.#stocks.delete(owner);
    this.#owners.add(labelOf(owner), -1);
    this.#bytes.add(labelOf(owner), -stock.bytes);
  }

  sweep(nowMs: number): void {
    for (const [owner, stock] of this.#stocks) {
      for (const bundle of stock.bundles.values()) {
        if (bundle.notAfterMs <= nowMs) this.#remove(owner, stock, bundle);
      }
    }
  }

  #remove(owner: string, stock: Stock, bundle: HeldBundle): void {
    const cost = bundle.bytes.length + ENTRY_BYTES;
    stock.bundles.delete(bundle.id);
    stock.bytes -= cost;
    this.#bytes.add(labelOf(owner), -cost);
  }
}

/** Whose bundles are expected. */
export interface BundlePlace {
  readonly address: Address;
  readonly label: string;
  /** SHA-256 of the relay's SPKI, 32 bytes. */
  readonly relayIdentity: Uint8Array;
}

/**
 * Reads the bundles of a publish. `malformed`: bytes that are no bundle, or lists that differ; `not-authorised`: a bundle
 * of another address, label or relay.
 */
export function readBundles(
  data: readonly Uint8Array[],
  place: BundlePlace,
  nowMs: number,
): Pick<Publish, 'suites' | 'bundles'> | 'malformed' | 'not-authorised' {
  let list: readonly number[] | undefined;
  const bundles: HeldBundle[] = [];
  for (const bytes of data) {
    let core: ReturnType<typeof decodeBundleCore>;
    try {
      core = decodeBundleCore(decodeBundle(bytes).core);
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      return 'malformed';
    }
    const { id, version, suite, suites, notAfter, address, label, relayIdentity } = core;
    list ??= suites;
    if (version !== 1 || !suites.includes(suite) || !isSameList(list, suites)) return 'malformed';
    if (address !== place.address || label !== place.label) return 'not-authorised';
    if (!equal(relayIdentity, place.relayIdentity)) return 'not-authorised';
    // Whoever is given one that ends later refuses it: there is no use in holding it longer.
    const notAfterMs = Math.min(notAfter * 1_000, nowMs + MAX_BUNDLE_LIFETIME_MS + CLOCK_SKEW_MS);
    bundles.push({ id: hex(id), suite, notAfterMs, bytes });
  }
  return { suites: list ?? [], bundles };
}

function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((suite, index) => suite === right[index]);
}
