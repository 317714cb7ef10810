/**
 * This client's own bundles: made, stored, published, counted, spent (docs/protocol.md §4.4).
 *
 * @packageDocumentation
 */
import { hex, wipe } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { DEFAULT_LIMITS, MAX_FRAME_BYTES } from '../codec/limits.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import { hasBundles, LATE_START_MS, makeBundle, MAX_BUNDLE_LIFETIME_MS, type AnswerHost } from '../handshake/index.ts';
import { messageIdBytes, messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import { BUNDLE_ID_BYTES, decodeBundle, decodeBundleCore } from '../messages/bundle.ts';
import type { PrekeysPublish, PrekeysStock } from '../messages/prekeys.ts';
import { MAX_BUNDLES } from '../messages/prekeys.ts';
import type { Store } from '../session/store.ts';
import type { Clock } from './clock.ts';
import type { OwnIdentity } from './identity.ts';
import { writeSurely } from './storeWrite.ts';

/** How a client lets itself be written to while it is away. */
export interface PrekeyOptions {
  /** Bundles to have at the relay, 1 to 100; each is for one conversation that begins while this client is away. Default 20. */
  readonly count?: number;
  /** How long a bundle may be begun from, at most 30 days; default 14 days. */
  readonly lifetimeMs?: number;
  /** Suites of the bundles, in the order of preference; default the first that this client accepts. */
  readonly suites?: readonly SuiteName[];
}

/** What {@link Prekeys} needs. */
export interface PrekeysParts {
  readonly store: Store;
  readonly provider: CryptoProvider;
  readonly suites: readonly Suite[];
  readonly clock: Clock;
  readonly identity: OwnIdentity;
  readonly address: Address;
  /** Suites that peers may use, in the order of preference. */
  readonly acceptSuites: readonly SuiteName[];
  readonly options: PrekeyOptions;
}

/** A bundle whose secret is here. */
export interface OwnBundle {
  readonly bundle: Uint8Array;
  readonly decapsulationKey: Uint8Array;
}

interface Kept extends OwnBundle {
  readonly id: Uint8Array;
  readonly notAfterMs: number;
}

interface Published {
  /** The last publish that the relay is known to have taken. */
  readonly confirmed: MessageId | undefined;
  /** One that was sent after it. */
  readonly pending: MessageId | undefined;
}

/** The way to the relay, while a hop is up. */
interface Link {
  readonly send: (message: PrekeysPublish) => void;
  readonly label: string;
  readonly relayIdentity: Uint8Array;
}

const NAME = 'prekeys';
const FORMAT = 1;
const LIMITS = { ...DEFAULT_LIMITS, maxBytes: 2 ** 26, maxItems: 2 ** 17 };
const DEFAULT_COUNT = 20;
const DEFAULT_LIFETIME_MS = 14 * 86_400_000;
/** A fresh supply is made when fewer are left. */
const LOW = 5;
/** Secrets that are kept at most: a relay that says again and again that few are left must not fill the store. */
const MAX_KEPT = 1_000;
/** Bundles shorter than this are not worth publishing. */
const LEAST_LIFETIME_MS = 60_000;
const NOTHING = new Uint8Array(0);

/** The bundles of one client in one store. */
export class Prekeys {
  readonly #parts: PrekeysParts;
  readonly #kept = new Map<string, Kept>();
  readonly #reserved = new Set<string>();
  #published: Published;
  #version: number;
  /** Whether what is kept here is not what is stored. */
  #isDirty = false;
  #link: Link | undefined;
  /** Whether the relay has said on this hop what it holds. */
  #isAsked = false;
  /** A publish that the relay has not answered on this hop: a second one beside it could make the first unknown here. */
  #underWay: MessageId | undefined;
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: SimsError) => void }[] = [];
  #left = 0;
  /** Bundles to be published in the place of what was spent; stored, so that the relay hears of it in the end. */
  #owed = 0;
  #last: Promise<void> = Promise.resolve();

  private constructor(parts: PrekeysParts, version: number, published: Published, kept: readonly Kept[]) {
    this.#parts = parts;
    this.#version = version;
    this.#published = published;
    for (const bundle of kept) this.#kept.set(hex(bundle.id), bundle);
  }

  /**
   * The bundles in a store, without those that a stored conversation was begun from: the process ended before their
   * secrets were erased. Those are erased now.
   *
   * @throws `session/state-malformed`, `store/*`
   */
  static async load(parts: PrekeysParts, begun: readonly Uint8Array[]): Promise<Prekeys> {
    checkOptions(parts);
    const stored = await parts.store.read(NAME);
    const { published, kept, owed } = decode(stored?.value);
    const prekeys = new Prekeys(parts, stored?.version ?? 0, published, kept);
    prekeys.#owed = owed;
    for (const id of begun) if (prekeys.#drop(hex(id))) prekeys.#owed += 1;
    if (prekeys.#isDirty) await prekeys.#write();
    return prekeys;
  }

  /** Bundles whose secrets are here. */
  get size(): number {
    return this.#kept.size;
  }

  /** The bundle of that id, unless it was spent, has been discarded, or ended too long ago. */
  find(id: Uint8Array): OwnBundle | undefined {
    const bundle = this.#kept.get(hex(id));
    if (bundle === undefined || this.#reserved.has(hex(id)) || this.#isOver(bundle)) return undefined;
    return bundle;
  }

  /** Sets a bundle apart for one conversation that is about to be stored; whether nobody has it yet. */
  reserve(id: Uint8Array): boolean {
    const name = hex(id);
    if (!this.#kept.has(name) || this.#reserved.has(name)) return false;
    this.#reserved.add(name);
    return true;
  }

  /** The conversation could not be stored: the bundle is as it was. */
  release(id: Uint8Array): void {
    this.#reserved.delete(hex(id));
  }

  /** Erases a bundle's secret, now that the conversation begun from it is stored. Rejects when the store fails; then call again. */
  spend(id: Uint8Array): Promise<void> {
    const name = hex(id);
    return this.#queued(async () => {
      if (this.#drop(name)) this.#owed += 1;
      if (!this.#isDirty) return;
      await this.#write();
      if (this.#isAsked) await this.#refill();
    });
  }

  /** A hop is up: asks what the relay holds. */
  up(link: Link): void {
    this.#link = link;
    this.#isAsked = false;
    this.#underWay = undefined;
    link.send({ type: 'prekeys', id: this.#newId(), data: [] });
  }

  /**
   * Resolves when the relay has said on this hop what it holds, and secrets of an older store are discarded: no start is
   * answered before. Rejects when the hop ends first.
   */
  whenKnown(): Promise<void> {
    if (this.#isAsked) return Promise.resolve();
    if (this.#link === undefined) return Promise.reject(connectionLost());
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The hop is down. */
  down(): void {
    this.#link = undefined;
    this.#isAsked = false;
    for (const { reject } of this.#waiting.splice(0)) reject(connectionLost());
  }

  /** The relay says what it holds. */
  take(stock: PrekeysStock): Promise<void> {
    const { link } = this;
    if (link === undefined) return Promise.resolve();
    return this.#queued(async () => {
      if (this.#link !== link) return;
      this.#left = stock.count;
      if (stock.id === this.#underWay) this.#underWay = undefined;
      const { confirmed, pending } = this.#published;
      const isOurs = stock.id !== undefined && (stock.id === pending || stock.id === confirmed);
      const wasAsked = this.#isAsked;
      // The relay knows of a later publish than this store, or has forgotten: secrets may have been used already.
      const isForeign = !isOurs && !wasAsked;
      if (isForeign) for (const name of this.#kept.keys()) this.#drop(name);
      this.#isAsked = true;
      for (const { resolve } of this.#waiting.splice(0)) resolve();
      if (isOurs) {
        if (stock.id === pending && pending !== confirmed) {
          this.#published = { confirmed: pending, pending };
          this.#isDirty = true;
        } else if (!wasAsked && pending !== confirmed) {
          // The last publish was lost: the relay has to hear of another.
          this.#owed = Math.max(this.#owed, 1);
        }
        await this.#refill();
        return;
      }
      // A publish of this very hop may be on its way: what the relay sent before it says nothing.
      if (!isForeign) return;
      this.#owed = 0;
      await this.#publish(this.#target, true);
    });
  }

  /** The relay does not take a publish: the next one may go. */
  refused(id: MessageId): void {
    if (this.#underWay === id) this.#underWay = undefined;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  get #target(): number {
    return this.#parts.options.count ?? DEFAULT_COUNT;
  }

  async #refill(): Promise<void> {
    const low = Math.min(LOW, this.#target);
    const missing = this.#left < low ? this.#target - this.#left : 0;
    const count = Math.max(missing, this.#owed);
    if (count > 0 && this.#underWay === undefined) await this.#publish(Math.min(count, this.#target), false);
    else if (this.#isDirty) await this.#write();
  }

  /** Makes bundles, stores them with the id of the publish, and only then publishes. */
  async #publish(count: number, complete: boolean): Promise<void> {
    const link = this.#link;
    const { identity, clock, suites, provider, address, options } = this.#parts;
    const nowMs = clock.now();
    const lifetimeMs = options.lifetimeMs ?? DEFAULT_LIFETIME_MS;
    const notAfterMs = Math.min(nowMs + lifetimeMs, identity.prekeyUntilMs ?? Infinity);
    for (const [name, bundle] of this.#kept) if (this.#isOver(bundle)) this.#drop(name);
    if (link === undefined || notAfterMs < nowMs + LEAST_LIFETIME_MS) {
      if (this.#isDirty) await this.#write();
      return;
    }
    const names = this.#suites();
    const host: AnswerHost = {
      sign: identity.sign,
      random: provider.random,
      now: () => clock.now(),
      verifyCredential: () => {
        throw new SimsError('handshake/unexpected-input', 'nothing is verified here');
      },
    };
    const { credential } = identity;
    const { relayIdentity, label } = link;
    const data: Uint8Array[] = [];
    let bytes = 0;
    for (let made = 0; made < count; made += 1) {
      for (const suite of names) {
        const id = provider.random(BUNDLE_ID_BYTES);
        const bundle = await makeBundle(
          { type: 'start', id, suite, suites: names, relayIdentity, address, label, credential, notAfterMs, nowMs },
          { provider, suites },
          host,
        );
        bytes += bundle.bundle.length + 16;
        if (data.length === MAX_BUNDLES || bytes > MAX_FRAME_BYTES / 2) break;
        const { decapsulationKey } = bundle.keyPair;
        this.#kept.set(hex(id), { id, bundle: bundle.bundle, decapsulationKey, notAfterMs: bundle.notAfterMs });
        this.#isDirty = true;
        data.push(bundle.bundle);
      }
    }
    // Oldest first: the map keeps the order in which they were made, and so does the store.
    for (const name of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      if (!this.#reserved.has(name)) this.#drop(name);
    }
    const id = this.#newId();
    this.#owed = 0;
    this.#published = { confirmed: this.#published.confirmed, pending: id };
    await this.#write();
    if (this.#link !== link) return;
    this.#underWay = id;
    link.send({ type: 'prekeys', id, data, ...(complete ? { complete } : {}) });
  }

  #suites(): readonly SuiteName[] {
    const { options, acceptSuites, suites } = this.#parts;
    if (options.suites !== undefined) return options.suites;
    const usual = acceptSuites.find((name) => suites.some((suite) => suite.name === name && hasBundles(suite)));
    return usual === undefined ? [] : [usual];
  }

  #isOver({ notAfterMs }: Kept): boolean {
    return this.#parts.clock.now() >= notAfterMs + LATE_START_MS;
  }

  #drop(name: string): boolean {
    const bundle = this.#kept.get(name);
    if (bundle === undefined) return false;
    this.#kept.delete(name);
    this.#isDirty = true;
    this.#reserved.delete(name);
    wipe(bundle.decapsulationKey);
    return true;
  }

  async #write(): Promise<void> {
    const { confirmed, pending } = this.#published;
    const value = encodeCbor([
      FORMAT,
      confirmed === undefined ? NOTHING : messageIdBytes(confirmed),
      pending === undefined ? NOTHING : messageIdBytes(pending),
      [...this.#kept.values()].map(({ bundle, decapsulationKey }) => [bundle, decapsulationKey]),
      this.#owed,
    ]);
    this.#isDirty = true;
    await writeSurely(this.#parts.store, NAME, value, this.#version);
    this.#version += 1;
    this.#isDirty = false;
  }

  #newId(): MessageId {
    return messageIdFromBytes(this.#parts.provider.random(8));
  }

  /** One after the other: each reads and writes the same record. */
  #queued(work: () => Promise<void>): Promise<void> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}

function connectionLost(): SimsError {
  return new SimsError('client/connection-lost', 'the hop ended before the relay said what it holds');
}

function checkOptions({ options, suites }: PrekeysParts): void {
  const { count = DEFAULT_COUNT, lifetimeMs = DEFAULT_LIFETIME_MS, suites: names = [] } = options;
  const wrong =
    !Number.isInteger(count) || count < 1 || count > MAX_BUNDLES
      ? `a count of ${count}`
      : !(lifetimeMs >= LEAST_LIFETIME_MS && lifetimeMs <= MAX_BUNDLE_LIFETIME_MS)
        ? `a lifetime of ${lifetimeMs} ms`
        : names.some((name) => !suites.some((suite) => suite.name === name && hasBundles(suite)))
          ? 'a suite that has none or is not here'
          : undefined;
  if (wrong !== undefined) throw new SimsError('client/invalid-argument', `prekeys with ${wrong}`);
}

function decode(value: Uint8Array | undefined): {
  readonly published: Published;
  readonly kept: readonly Kept[];
  readonly owed: number;
} {
  if (value === undefined) return { published: { confirmed: undefined, pending: undefined }, kept: [], owed: 0 };
  try {
    const fields = decodeCbor(value, LIMITS) as readonly unknown[];
    const [format, confirmed, pending, bundles, owed] = fields;
    if (format !== FORMAT || !Array.isArray(bundles) || typeof owed !== 'number')
      throw new TypeError('not the bundles of a client');
    const kept = bundles.map((entry: unknown): Kept => {
      const [bundle, decapsulationKey] = (entry as readonly Uint8Array[]).map((part) => Uint8Array.from(part));
      const { id, notAfter } = decodeBundleCore(decodeBundle(bundle!).core);
      return { id: id.slice(), bundle: bundle!, decapsulationKey: decapsulationKey!, notAfterMs: notAfter * 1_000 };
    });
    return { published: { confirmed: idOf(confirmed), pending: idOf(pending) }, kept, owed };
  } catch (error) {
    throw new SimsError('session/state-malformed', 'the stored prekeys are not readable', { cause: error });
  }
}

function idOf(value: unknown): MessageId | undefined {
  if (!(value instanceof Uint8Array)) throw new TypeError('not an id');
  return value.length === 0 ? undefined : messageIdFromBytes(value);
}
