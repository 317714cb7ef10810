/**
 * Renewal of one direction's keys: announced, authenticated, salted, healed by a KEM (docs/protocol.md §5.4).
 *
 * @packageDocumentation
 */
import { concat, equal, lengthPrefixed, uint32, wipe } from '../bytes.ts';
import type { KemKeyPair, RandomBytes } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { RatchetPublicKey } from './body.ts';
import { deriveEpoch, type Direction, type Epoch } from './ratchet.ts';
import { NUMBER_LIMIT } from './saData.ts';
import { RecordReader, varintLength, writeVarint } from './varint.ts';

/** A ratchet key pair of this side, by its number. */
export interface RatchetKeyPair {
  readonly number: number;
  readonly pair: KemKeyPair;
}

/** Where an announcement belongs. */
export interface AnnouncementPlace {
  readonly conversationId: Uint8Array;
  readonly direction: Direction;
  /** The epoch that it opens. */
  readonly epoch: number;
}

/** A decoded announcement whose authenticity is proven. Made by {@link readAnnouncement} alone. */
export interface AuthenticAnnouncement {
  readonly keyNumber: number;
  /** Records that the sender sealed in the epoch before. */
  readonly previousLength: number;
  readonly salt: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly hash: Uint8Array;
}

const SALT_LENGTH = 16;
const MAC_LENGTH = 32;

/**
 * Begins the next epoch of this side's direction: what to announce, and the new keys. `undefined` when the peer's
 * ratchet key is no valid key: nothing can be encapsulated to it.
 */
export function beginEpoch(
  suite: Suite,
  place: AnnouncementPlace,
  previous: Epoch,
  peerKey: RatchetPublicKey | undefined,
  random: RandomBytes,
): { readonly announcement: Uint8Array; readonly epoch: Epoch } | undefined {
  const salt = rekeySalt(suite, random);
  let fields: Uint8Array;
  let secret: Uint8Array;
  if (suite.ratchetKem === undefined) {
    fields = concat(varint(previous.next), salt);
    secret = new Uint8Array(0);
  } else {
    if (peerKey === undefined)
      throw new SimsError('session/unexpected-input', 'no ratchet key of the peer has come yet');
    const encapsulated = suite.ratchetKem.encapsulate(peerKey.encapsulationKey, random);
    if (encapsulated === undefined) return undefined;
    fields = concat(varint(peerKey.number), varint(previous.next), salt, encapsulated.ciphertext);
    secret = suite.kemSecret(encapsulated.raw, encapsulated.ciphertext, peerKey.encapsulationKey);
    wipe(encapsulated.raw);
  }
  const authenticated = authenticatedBytes(place, fields);
  const mac = announcementMac(suite, previous.announcementKey, authenticated);
  const hash = suite.provider.hash('SHA-256', concat(authenticated, mac));
  return { announcement: concat(fields, mac), epoch: nextEpoch(suite, place, previous, secret, salt, hash) };
}

/**
 * Checks an announcement before any costly step.
 *
 * @throws `session/malformed-record`, `session/authentication-failed`
 */
export function readAnnouncement(
  suite: Suite,
  place: AnnouncementPlace,
  announcementKey: Uint8Array,
  announcement: Uint8Array,
): AuthenticAnnouncement {
  const reader = new RecordReader(announcement);
  const keyNumber = suite.ratchetKem === undefined ? 0 : reader.varint();
  const previousLength = reader.varint();
  if (previousLength > NUMBER_LIMIT) {
    throw new SimsError('session/malformed-record', `an epoch of ${previousLength} records: at most 2^32`);
  }
  const salt = reader.take(SALT_LENGTH);
  const ciphertext = reader.take(suite.ratchetKem?.ciphertextLength ?? 0);
  const fields = announcement.subarray(0, reader.offset);
  const mac = reader.take(MAC_LENGTH);
  if (reader.left > 0) throw new SimsError('session/malformed-record', `${reader.left} bytes after an announcement`);
  const authenticated = authenticatedBytes(place, fields);
  if (!equal(mac, announcementMac(suite, announcementKey, authenticated))) {
    throw new SimsError('session/authentication-failed', `the announcement of epoch ${place.epoch} is not authentic`);
  }
  const hash = suite.provider.hash('SHA-256', concat(authenticated, mac));
  return { keyNumber, previousLength, salt, ciphertext, hash };
}

/**
 * The announced epoch's keys.
 *
 * @throws `session/not-awaited` when the key that it names is not held
 */
export function acceptEpoch(
  suite: Suite,
  place: AnnouncementPlace,
  previous: Epoch,
  ownKeys: readonly RatchetKeyPair[],
  announcement: AuthenticAnnouncement,
): Epoch {
  let secret = new Uint8Array(0);
  if (suite.ratchetKem !== undefined) {
    const own = ownKeys.find((key) => key.number === announcement.keyNumber);
    if (own === undefined)
      throw new SimsError('session/not-awaited', `ratchet key ${announcement.keyNumber} is not held`);
    const raw = suite.ratchetKem.decapsulate(own.pair, announcement.ciphertext);
    if (raw === undefined) throw new SimsError('session/malformed-record', 'the announced ciphertext is not valid');
    secret = Uint8Array.from(suite.kemSecret(raw, announcement.ciphertext, own.pair.encapsulationKey));
    wipe(raw);
  }
  return nextEpoch(suite, place, previous, secret, announcement.salt, announcement.hash);
}

function nextEpoch(
  suite: Suite,
  place: AnnouncementPlace,
  previous: Epoch,
  secret: Uint8Array,
  salt: Uint8Array,
  hash: Uint8Array,
): Epoch {
  const password = concat(previous.root, secret);
  const { provider, hash: hashName, rekeyIterations } = suite;
  const x = provider.pbkdf2(hashName, password, salt, rekeyIterations, HASH_LENGTH[hashName]);
  wipe(password, secret);
  return deriveEpoch(suite, x, place.conversationId, place.direction, place.epoch, hash);
}

const HASH_LENGTH = { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 } as const;

/** s_k: 16 decimal digits, each equally likely, or 16 random bytes. */
function rekeySalt(suite: Suite, random: RandomBytes): Uint8Array {
  if (suite.rekeyNonce === 'bytes') return random(SALT_LENGTH);
  const digits = new Uint8Array(SALT_LENGTH);
  for (let filled = 0; filled < SALT_LENGTH;) {
    for (const byte of random(SALT_LENGTH)) {
      // 250 is the largest multiple of 10 below 256: above it digits would not be equally likely.
      if (byte >= 250 || filled === SALT_LENGTH) continue;
      digits[filled] = 0x30 + (byte % 10);
      filled += 1;
    }
  }
  return digits;
}

function authenticatedBytes(place: AnnouncementPlace, fields: Uint8Array): Uint8Array {
  const { conversationId, direction, epoch } = place;
  return lengthPrefixed('SIMS 1 announcement', conversationId, Uint8Array.of(direction), uint32(epoch), fields);
}

function announcementMac(suite: Suite, key: Uint8Array, authenticated: Uint8Array): Uint8Array {
  return suite.provider.hmac(suite.hash, key, authenticated).subarray(0, MAC_LENGTH);
}

function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
