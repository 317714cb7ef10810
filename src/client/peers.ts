/**
 * Who is there, by the relay's word; and who a peer is, by its credential.
 *
 * @packageDocumentation
 */
import { hex } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import type { VerifiedIdentity } from '../handshake/identity.ts';
import type { Address } from '../messages/address.ts';
import type { AwayItem, ListItem, ListUpdate, OnlineItem, PersonKind } from '../messages/list.ts';

/** One client in the relay's list. All of it is the relay's word: a conversation verifies. */
export interface Peer {
  readonly address: Address;
  /** What it calls itself; control characters removed. */
  readonly name: string;
  readonly kind: PersonKind;
  /** `sha256:` and hexadecimal digits. */
  readonly fingerprint: string;
  /** Label of its session. */
  readonly label: string;
  /** Whether it is there now; otherwise it is away, and messages are kept for it. */
  readonly online: boolean;
}

/** What changed in the list. */
export interface PeersEvent {
  /** Everyone who is there now, or away. */
  readonly peers: readonly Peer[];
  /** Those who came, or changed name or label, and are there. */
  readonly joined: readonly Peer[];
  /** Those who are away since, and can be written to. */
  readonly away: readonly Peer[];
  readonly left: readonly Peer[];
  /** Those of `left` that the relay called gone; the others are only missing in a new list, as after its restart. */
  readonly gone: readonly Peer[];
}

/** Who the other side of a conversation is. */
export interface PeerIdentity {
  /** `none`: nobody in particular; `key`: the owner of a kept key; `certificate`: a verified person. */
  readonly kind: PersonKind;
  /** `sha256:` and hexadecimal digits, of kind and long-term key. */
  readonly fingerprint: string;
  /** Whether somebody vouches for the name: true for a certificate alone, and until its verification ends. */
  readonly verified: boolean;
  /** Until when, in milliseconds since 1970. */
  readonly verifiedUntilMs?: number;
  /** The name in the certificate; otherwise what the peer calls itself, control characters removed. */
  readonly name: string;
}

/** `sha256:` and hexadecimal digits. */
export function fingerprintText(fingerprint: Uint8Array): string {
  return `sha256:${hex(fingerprint)}`;
}

/**
 * The bytes of a fingerprint.
 *
 * @throws `client/invalid-argument` unless it is `sha256:` and 64 hexadecimal digits
 */
export function parseFingerprint(text: string): Uint8Array {
  const digits = /^sha256:([0-9a-f]{64})$/iu.exec(text)?.[1];
  if (digits === undefined) {
    throw new SimsError('client/invalid-argument', 'a fingerprint is sha256: and 64 hexadecimal digits');
  }
  return Uint8Array.from({ length: 32 }, (_, index) => Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16));
}

/** A name as it may be shown: without control characters, line breaks, and marks that turn the direction of text. */
export function printableName(name: string): string {
  return name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '');
}

/** What a conversation tells its user of a verified peer. */
export function peerIdentity(identity: VerifiedIdentity, claimedName: string): PeerIdentity {
  return {
    kind: identity.kind as PersonKind,
    fingerprint: fingerprintText(identity.fingerprint),
    verified: identity.kind === 'certificate',
    name: identity.name ?? printableName(claimedName),
    ...(identity.verifiedUntilMs === undefined ? {} : { verifiedUntilMs: identity.verifiedUntilMs }),
  };
}

/** The list, as far as it has been told. */
export class PeerList {
  readonly #peers = new Map<Address, Peer>();
  readonly #own: Address;

  constructor(own: Address) {
    this.#own = own;
  }

  snapshot(): readonly Peer[] {
    return [...this.#peers.values()];
  }

  get(address: Address): Peer | undefined {
    return this.#peers.get(address);
  }

  /** Takes in an update; `undefined` when nothing changed. */
  update(update: ListUpdate): PeersEvent | undefined {
    const joined: Peer[] = [];
    const away: Peer[] = [];
    const missing: Peer[] = [];
    const gone: Peer[] = [];
    if (update.complete) {
      const listed = new Set(update.data.map((item) => item.address));
      for (const address of this.#peers.keys()) if (!listed.has(address)) this.#remove(address, missing);
    }
    for (const item of update.data) this.#take(item, joined, away, gone);
    const left = [...missing, ...gone];
    if (joined.length === 0 && away.length === 0 && left.length === 0) return undefined;
    return { peers: this.snapshot(), joined, away, left, gone };
  }

  #take(item: ListItem, joined: Peer[], away: Peer[], gone: Peer[]): void {
    if (item.address === this.#own) return;
    if (!item.online && item.fingerprint === undefined) {
      this.#remove(item.address, gone);
      return;
    }
    const peer = peerOf(item);
    const known = this.#peers.get(item.address);
    this.#peers.set(item.address, peer);
    const isSame = known?.name === peer.name && known.label === peer.label && known.online === peer.online;
    if (!isSame) (peer.online ? joined : away).push(peer);
  }

  #remove(address: Address, left: Peer[]): void {
    const peer = this.#peers.get(address);
    if (peer === undefined) return;
    this.#peers.delete(address);
    left.push(peer);
  }
}

function peerOf(item: OnlineItem | AwayItem): Peer {
  const { address, name, kind, fingerprint, label, online } = item;
  return { address, name: printableName(name), kind, fingerprint: fingerprintText(fingerprint), label, online };
}
