/**
 * Whom this client has met, by id: under which name, and why each is trusted. A known name under another key is told.
 *
 * @packageDocumentation
 */
import { base64url } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { SimsError } from '../errors.ts';
import { CLIENT_ID_BYTES, clientIdOf, isAddress, type Address, type ClientId } from '../messages/address.ts';
import type { Store } from '../session/store.ts';
import { parseFingerprint, type PeerIdentity } from './peers.ts';
import { writeSurely } from './storeWrite.ts';

/**
 * Why a peer is trusted to be who it says. `first-use`: it was met under this key, and nobody vouches for it.
 * `pinned`: this application named its key. `certificate`: verified. `verified-in-person`: two people compared numbers.
 */
export type PeerTrust = 'first-use' | 'certificate' | 'pinned' | 'verified-in-person';

/** A peer that the application names beforehand. */
export interface PeerPin {
  /** Its address, or its fingerprint (`sha256:` and hexadecimal digits). */
  readonly peer: string;
  /** What this side calls it: whoever else takes the name is told of. Default: whatever it calls itself. */
  readonly name?: string;
}

/** A peer as it was met before. */
export interface KnownPeer {
  /** The first 20 bytes of its fingerprint, as in its address. */
  readonly id: ClientId;
  readonly name: string;
  readonly trust: PeerTrust;
}

/** A name that was known under other keys. It may be another person of that name, a new device, or an impostor. */
export interface KeyChange {
  readonly peer: Address;
  readonly name: string;
  /** The fingerprint that has the name now. */
  readonly fingerprint: string;
  /** Who had it before. */
  readonly known: readonly KnownPeer[];
}

interface Entry {
  readonly name: string;
  readonly trust: PeerTrust;
  /** Of the stored value; 0 when there is none. */
  readonly version: number;
}

const PREFIX = 'peer/';
/** In the order of their weight. */
const TRUSTS: readonly PeerTrust[] = ['first-use', 'certificate', 'pinned', 'verified-in-person'];
/** Peers met in passing beyond which the oldest is forgotten. */
const MAX_MET = 4_096;

/** The memory of peers, in the store where there is one. */
export class KnownPeers {
  readonly #store: Store | undefined;
  readonly #entries = new Map<ClientId, Entry>();
  /** Of this client's options: they are not stored. */
  readonly #pins = new Map<ClientId, string | undefined>();
  #last: Promise<void> = Promise.resolve();

  private constructor(store: Store | undefined, pins: readonly PeerPin[]) {
    this.#store = store;
    for (const { peer, name } of pins) this.#pins.set(idOf(peer), name);
  }

  /** @throws `client/invalid-argument` for a pin that names nobody, `store/*` */
  static async load(store: Store | undefined, pins: readonly PeerPin[] = []): Promise<KnownPeers> {
    const known = new KnownPeers(store, pins);
    for (const stored of (await store?.names()) ?? []) {
      if (!stored.startsWith(PREFIX)) continue;
      const entry = await store!.read(stored);
      if (entry !== undefined) known.#entries.set(stored.slice(PREFIX.length) as ClientId, decode(entry));
    }
    return known;
  }

  /** Why that peer is trusted. */
  trustOf(id: ClientId, { kind, verified }: Pick<PeerIdentity, 'kind' | 'verified'>): PeerTrust {
    const own = this.#trustOf(id);
    const isVouchedFor = kind === 'certificate' && verified;
    if (weight(own) > weight('certificate')) return own;
    return isVouchedFor ? 'certificate' : 'first-use';
  }

  /** Who else is known by the name that a peer bears; `undefined` when there is nothing to tell. */
  changeOf(peer: Address, { name, fingerprint }: PeerIdentity): KeyChange | undefined {
    const id = clientIdOf(peer);
    const wanted = comparable(name);
    if (wanted === '') return undefined;
    const isOld = comparable(this.#nameOf(id)) === wanted;
    const known: KnownPeer[] = [];
    for (const other of new Set([...this.#entries.keys(), ...this.#pins.keys()])) {
      const trust = this.#trustOf(other);
      if (other === id || comparable(this.#nameOf(other)) !== wanted) continue;
      // Told once, but for those who are trusted more than the one who bears the name now.
      if (isOld && weight(trust) <= weight(this.#trustOf(id))) continue;
      known.push({ id: other, name: this.#nameOf(other), trust });
    }
    return known.length === 0 ? undefined : { peer, name, fingerprint, known };
  }

  /** Remembers a peer under its name, if its key is one that is kept. @throws `store/*` */
  async meet(peer: Address, { kind, name, verified }: PeerIdentity): Promise<void> {
    if (kind === 'none') return;
    const id = clientIdOf(peer);
    const entry = this.#entries.get(id);
    const trust = kind === 'certificate' && verified ? 'certificate' : 'first-use';
    if (
      entry !== undefined &&
      (weight(entry.trust) >= weight('pinned') || (entry.name === name && entry.trust === trust))
    )
      return;
    await this.#set(id, name, trust);
    for (const [oldest, { trust: met }] of this.#entries) {
      if (this.#entries.size <= MAX_MET) break;
      if (weight(met) < weight('pinned')) await this.#forget(oldest);
    }
  }

  /** Trusts a peer from now on. @throws `client/invalid-argument`, `store/*` */
  async trust(peer: string, trust: 'pinned' | 'verified-in-person', name?: string): Promise<void> {
    const id = idOf(peer);
    const own = this.#trustOf(id);
    await this.#set(id, name ?? this.#nameOf(id), weight(own) > weight(trust) ? own : trust);
  }

  #trustOf(id: ClientId): PeerTrust {
    const stored = this.#entries.get(id)?.trust ?? 'first-use';
    return this.#pins.has(id) && weight(stored) < weight('pinned') ? 'pinned' : stored;
  }

  #nameOf(id: ClientId): string {
    return this.#pins.get(id) ?? this.#entries.get(id)?.name ?? '';
  }

  #set(id: ClientId, name: string, trust: PeerTrust): Promise<void> {
    return this.#write(id, encodeCbor([name, TRUSTS.indexOf(trust)]), (version) => {
      // The one met last comes last.
      this.#entries.delete(id);
      this.#entries.set(id, { name, trust, version });
    });
  }

  #forget(id: ClientId): Promise<void> {
    return this.#write(id, undefined, () => this.#entries.delete(id));
  }

  /** One after the other. What could not be stored is not remembered either. */
  #write(id: ClientId, value: Uint8Array | undefined, keep: (version: number) => void): Promise<void> {
    const next = this.#last.then(async () => {
      const version = this.#entries.get(id)?.version ?? 0;
      if (this.#store !== undefined) await writeSurely(this.#store, PREFIX + id, value, version);
      keep(version + 1);
    });
    this.#last = next.catch(() => {});
    return next;
  }
}

/** The id that an address or a fingerprint names. */
function idOf(peer: string): ClientId {
  if (isAddress(peer)) return clientIdOf(peer);
  return base64url(parseFingerprint(peer).subarray(0, CLIENT_ID_BYTES)) as ClientId;
}

/** Names that people would take for the same. */
function comparable(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase();
}

function weight(trust: PeerTrust): number {
  return TRUSTS.indexOf(trust);
}

function decode({ value, version }: { readonly value: Uint8Array; readonly version: number }): Entry {
  const fields = decodeCbor(value);
  const [name, number] = Array.isArray(fields) && fields.length === 2 ? (fields as unknown[]) : [];
  const trust = typeof number === 'number' ? TRUSTS[number] : undefined;
  if (typeof name !== 'string' || trust === undefined) {
    throw new SimsError('session/state-malformed', 'the stored memory of a peer is not readable');
  }
  return { name, trust, version };
}
