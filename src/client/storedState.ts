/**
 * What a client keeps between its lives: its key, the relays it trusts, and its conversations.
 *
 * @packageDocumentation
 */
import { base64url, equal } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { DEFAULT_LIMITS } from '../codec/limits.ts';
import type { CryptoProvider, SignatureKeyPair } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import { DEVICE_BYTES } from '../messages/address.ts';
import type { PersonKind } from '../messages/list.ts';
import type { ConversationState } from '../session/state.ts';
import { decodeState, encodeState } from '../session/stateCodec.ts';
import type { Store } from '../session/store.ts';
import { fingerprintText, type PeerIdentity } from './peers.ts';
import type { Keeper } from './sessionActor.ts';
import { decodeStart, encodeStart, type Start } from './start.ts';
import { writeSurely } from './storeWrite.ts';

/** A kept key and the device that the store is. */
export interface StoredIdentity {
  readonly keyPair: SignatureKeyPair;
  readonly device: Uint8Array;
}

/** A conversation as it was when the last client ended. */
export interface StoredConversation {
  readonly state: ConversationState;
  readonly identity: PeerIdentity;
  /** Of a conversation that began from a bundle, as long as it matters. */
  readonly start: Start | undefined;
  readonly keeper: StoreKeeper;
}

const IDENTITY = 'identity';
const CONVERSATION = 'conversation/';
const RELAY = 'relay/';
const KINDS: readonly PersonKind[] = ['none', 'key', 'certificate'];
const LIMITS = { ...DEFAULT_LIMITS, maxBytes: 2 ** 30, maxItems: 2 ** 20 };

/** The store's key and device, made now when there are none. */
export async function storedIdentity(store: Store, provider: CryptoProvider): Promise<StoredIdentity> {
  const stored = await store.read(IDENTITY);
  if (stored !== undefined) {
    const [algorithm, spki, privateKey, device] = fieldsOf(stored.value, 4);
    if (algorithm !== 'Ed25519' && algorithm !== 'ECDSA-P256-SHA256') throw malformed('identity');
    return { keyPair: { algorithm, spki: bytes(spki), privateKey: bytes(privateKey) }, device: bytes(device) };
  }
  const keyPair = provider.generateSignatureKeyPair('Ed25519', provider.random);
  const device = provider.random(DEVICE_BYTES);
  const value = encodeCbor([keyPair.algorithm, keyPair.spki, keyPair.privateKey, device]);
  if (!(await store.write(IDENTITY, value, 0))) throw conflict(IDENTITY);
  return { keyPair, device };
}

/** The identity of the relay at that place, as it was trusted at first use. */
export async function rememberedRelay(store: Store, place: string): Promise<Uint8Array | undefined> {
  return (await store.read(RELAY + place))?.value;
}

/** Trusts the relay at that place from now on. */
export async function rememberRelay(store: Store, place: string, relayIdentity: Uint8Array): Promise<void> {
  if (!(await store.write(RELAY + place, relayIdentity, 0))) throw conflict(RELAY + place);
}

/** Every conversation in the store whose suite is at hand. */
export async function storedConversations(store: Store, suites: readonly Suite[]): Promise<StoredConversation[]> {
  const found: StoredConversation[] = [];
  for (const name of await store.names()) {
    if (!name.startsWith(CONVERSATION)) continue;
    const stored = await store.read(name);
    if (stored === undefined) continue;
    const [kind, peerName, state, until, started] = fieldsOf(stored.value, 5);
    if (typeof kind !== 'number' || typeof peerName !== 'string') throw malformed('conversation');
    if (until !== null && typeof until !== 'number') throw malformed('conversation');
    const suiteOf = (suiteName: SuiteName): Suite | undefined => suites.find((suite) => suite.name === suiteName);
    const decoded = decodeState(bytes(state), suiteOf);
    const identity = identityOf(decoded, KINDS[kind] ?? 'none', peerName, until);
    const start = startOf(started);
    const keeper = new StoreKeeper(store, decoded, identity, start, stored.version);
    found.push({ state: decoded, identity, start, keeper });
  }
  return found;
}

function startOf(value: unknown): Start | undefined {
  try {
    return decodeStart(value);
  } catch (error) {
    throw new SimsError('session/state-malformed', 'the stored start is not readable', { cause: error });
  }
}

function identityOf(state: ConversationState, kind: PersonKind, name: string, until: number | null): PeerIdentity {
  const identity = {
    kind,
    name,
    verified: kind === 'certificate',
    fingerprint: fingerprintText(state.peer.fingerprint),
  };
  return until === null ? identity : { ...identity, verifiedUntilMs: until };
}

/** Keeps one conversation in a store, by compare-and-swap. */
export class StoreKeeper implements Keeper {
  readonly #store: Store;
  readonly #name: string;
  readonly #identity: PeerIdentity;
  /** Stored beside the state. */
  readonly start: Start | undefined;
  #version: number;
  /** A value whose write failed, and of which nobody knows whether it was written. */
  #doubtful: Uint8Array | undefined;

  constructor(store: Store, state: ConversationState, identity: PeerIdentity, start?: Start, version = 0) {
    this.#store = store;
    this.#name = `${CONVERSATION}${state.peer.address}/${base64url(state.conversationId)}`;
    this.#identity = identity;
    this.start = start;
    this.#version = version;
  }

  async commit(state: ConversationState): Promise<void> {
    const { kind, name, verifiedUntilMs = null } = this.#identity;
    const start = encodeStart(this.start, state);
    await this.#write(encodeCbor([KINDS.indexOf(kind), name, encodeState(state), verifiedUntilMs, start]));
  }

  /** Deletes what is kept. */
  async forget(): Promise<void> {
    if (this.#version > 0) await this.#write(undefined);
  }

  async #write(value: Uint8Array | undefined): Promise<void> {
    if (this.#doubtful !== undefined) {
      // Nothing of it has left: it may be there, and may be overwritten.
      const stored = await this.#store.read(this.#name);
      if (stored?.version === this.#version + 1 && equal(stored.value, this.#doubtful)) this.#version += 1;
      this.#doubtful = undefined;
    }
    try {
      await writeSurely(this.#store, this.#name, value, this.#version);
    } catch (error) {
      this.#doubtful = value;
      throw error;
    }
    this.#version += 1;
  }
}

function fieldsOf(value: Uint8Array, count: number): readonly unknown[] {
  const fields = decodeCbor(value, LIMITS);
  if (!Array.isArray(fields) || fields.length !== count) throw malformed('entry');
  return fields as readonly unknown[];
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed('entry');
  return Uint8Array.from(value);
}

function malformed(what: string): SimsError {
  return new SimsError('session/state-malformed', `the stored ${what} is not readable`);
}

function conflict(name: string): SimsError {
  return new SimsError('store/conflict', `another client wrote ${name}`);
}
