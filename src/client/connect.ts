/**
 * From an address of a relay to a client: the one function that most applications need.
 *
 * @packageDocumentation
 */
import type { AsyncKem, CryptoProvider } from '../crypto/provider.ts';
import { createRsaPool } from '../crypto/rsaPool.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { VerifyCertificate, VerifyRelay } from '../handshake/index.ts';
import { DEVICE_BYTES, type Address } from '../messages/address.ts';
import { MAX_NAME_BYTES } from '../messages/schema.ts';
import type { Encoding } from '../messages/wire.ts';
import type { ConversationOptions } from '../session/state.ts';
import type { Store } from '../session/store.ts';
import type { Transport } from '../transport/transport.ts';
import { utf8 } from '../bytes.ts';
import { ClientControl, type Client } from './client.ts';
import { systemClock, type Clock } from './clock.ts';
import type { ContentSchema } from './content.ts';
import { learnRelay, serverNameOf } from './hop.ts';
import {
  addressOf,
  anonymousIdentity,
  keyIdentity,
  type MakeIdentity,
  type OwnIdentity,
  type RelayTrust,
} from './identity.ts';
import { KnownPeers, type PeerPin } from './knownPeers.ts';
import { verifierOf, type AcceptPolicy } from './parts.ts';
import { fingerprintText, parseFingerprint } from './peers.ts';
import { Prekeys, type PrekeyOptions } from './prekeys.ts';
import {
  rememberedRelay,
  rememberRelay,
  storedConversations,
  storedIdentity,
  StoreKeeper,
  type StoredConversation,
} from './storedState.ts';
import { DEFAULT_RECHECK_MS } from './verificationWatch.ts';

/** Where the relay is: a URL, a transport that is connected already, or what makes one for each connection. */
export type RelayTarget = string | Transport | ((signal: AbortSignal) => Promise<Transport>);

/** Options of {@link Connect}; each has a default. */
export interface ConnectOptions<Data = unknown> {
  /** What this client calls itself, at most 128 bytes; default empty. */
  readonly name?: string;
  /** Suites to offer the relay, in the order of preference; default all but RSA. */
  readonly suites?: readonly SuiteName[];
  /** Suites of conversations, offered and accepted; default: offered all but RSA, accepted all. */
  readonly peerSuites?: readonly SuiteName[];
  /** The relay's fingerprint, `sha256:` and 64 hexadecimal digits. Default: the remembered one, else trust at first use. */
  readonly pin?: string;
  /**
   * Who to be, or what makes it when relay and device are known (`certificateIdentity`). Where nothing is known of the
   * relay yet, a first connection learns who it is and shows nothing; a transport that is given needs a `pin` then. Default:
   * the store's kept key, or a key that lives as long as the client.
   */
  readonly identity?: OwnIdentity | MakeIdentity;
  /** Where to keep key, trusted relays and conversations; default nowhere. One client at a time. */
  readonly store?: Store;
  /** What to do with conversations that peers open; default `ask`. */
  readonly accept?: AcceptPolicy;
  /**
   * Whether and how this client can be written to while it is away: with a store, and as who has a kept key or a certificate
   * whose delegation allows it. Default: 20 conversations can begin; never with `accept` `none`.
   */
  readonly prekeys?: PrekeyOptions | false;
  /** Encoding on the wire; default `cbor`. */
  readonly encoding?: Encoding;
  /** The label to work at, in canonical text; default the relay's choice. */
  readonly label?: string;
  /** Whether to connect again when the connection is lost; default true, false for a transport that is given. */
  readonly reconnect?: boolean;
  /** The relay's name, where the target is not a URL; default empty. */
  readonly serverName?: string;
  /** Aborts connecting; afterwards without effect. */
  readonly signal?: AbortSignal;
  /** Bounds and delays of conversations. */
  readonly conversation?: Partial<ConversationOptions>;
  /**
   * A schema (Standard Schema 1) of the application's data. Data to be sent has to fit; what a peer sends and does not fit is
   * not shown. It has to answer at once. Default: any data.
   */
  readonly content?: ContentSchema<Data>;
  /** Peers whose keys are known beforehand, and what this side calls them. */
  readonly pins?: readonly PeerPin[];
  /** Verifies certificates of people; without it they are refused. */
  readonly verifyCertificate?: VerifyCertificate;
  /**
   * Verifies the relay's certificate, each time; without it its key is pinned, remembered or trusted at first use.
   */
  readonly verifyRelay?: VerifyRelay;
  /** Between two looks at the certificates of peers, whether they were revoked; default 15 minutes. */
  readonly recheckMs?: number;
}

/** What the platform gives: cryptography, the way to a URL, and time. */
export interface ClientEnvironment {
  readonly provider: CryptoProvider;
  /** Every suite that can be used, in the order of preference. Those that are offered only when asked for come in `optional`. */
  readonly suites: readonly Suite[];
  readonly optionalSuites?: readonly Suite[];
  /** The way to a URL; rejects for one that the platform cannot reach. */
  readonly dial: (url: string, options: { readonly signal: AbortSignal }) => Promise<Transport>;
  /** Default {@link systemClock}. */
  readonly clock?: Clock;
}

/** Connects to a relay. See {@link createConnect}. */
export type Connect = <Data = unknown>(target: RelayTarget, options?: ConnectOptions<Data>) => Promise<Client<Data>>;

/**
 * The `connect` of an environment. It resolves when the relay is authenticated and has sent its list. It throws
 * `client/invalid-argument`, `client/aborted`, `client/relay-refused`, `client/relay-changed`, `client/connection-lost`,
 * `store/*`, `transport/*` and the handshake's errors; nothing is left open then.
 */
export function createConnect(environment: ClientEnvironment): Connect {
  // Whatever a conversation shows has gone through the schema that `Data` comes from.
  return <Data>(target: RelayTarget, options: ConnectOptions<Data> = {}) =>
    connectWith(environment, target, options) as Promise<Client<Data>>;
}

async function connectWith(
  environment: ClientEnvironment,
  target: RelayTarget,
  options: ConnectOptions,
): Promise<Client> {
  const { provider, clock = systemClock } = environment;
  const { store, signal } = options;
  if (signal?.aborted === true)
    throw new SimsError('client/aborted', 'aborted by its signal', { cause: signal.reason });
  const name = checkedName(options.name ?? '');
  const suites = [...environment.suites, ...(environment.optionalSuites ?? [])];
  const usual = environment.suites.map((suite) => suite.name);
  const hopSuites = checkedSuites(options.suites ?? usual, suites);
  const peerSuites = checkedSuites(options.peerSuites ?? usual, suites);
  const acceptSuites = options.peerSuites ?? suites.map((suite) => suite.name);
  const { dial, place, serverName } = wayTo(target, options, environment);
  const unlock = await store?.lock();
  const cleanUp: (() => unknown)[] = [];
  if (unlock !== undefined) cleanUp.push(unlock);
  try {
    const kept = store === undefined ? undefined : await storedIdentity(store, provider);
    const device = kept?.device ?? provider.random(DEVICE_BYTES);
    // A relay whose certificate is verified may have a new key tomorrow.
    const remembers = store !== undefined && options.verifyRelay === undefined;
    const remembered = remembers ? await rememberedRelay(store, place) : undefined;
    const pinned = options.pin === undefined ? undefined : parseFingerprint(options.pin);
    const known = pinned ?? remembered;
    const relayTrust = relayTrustOf(pinned, remembered, options);
    const { identity, relayIdentity = known } =
      typeof options.identity === 'function'
        ? await madeIdentity(
            options.identity,
            { known, relayTrust, device, dial, isOnce: typeof target === 'object', suites, hopSuites, serverName },
            environment,
            options,
          )
        : { identity: options.identity ?? ownIdentity(kept, provider) };
    cleanUp.push(() => identity.close?.());
    const rsaPool = poolOf(options.peerSuites, suites);
    if (rsaPool !== undefined) cleanUp.push(() => rsaPool.close());
    const keepers = new Map<string, StoreKeeper>();
    const address = addressOf(identity, device);
    const stored = await ownConversations(store, suites, address);
    const begun = stored.flatMap(({ start }) => (start?.role === 'responder' ? [start.bundleId] : []));
    const prekeys = await ownPrekeys(identity, options, (prekeyOptions, prekeyStore) =>
      Prekeys.load(
        { store: prekeyStore, provider, suites, clock, identity, address, acceptSuites, options: prekeyOptions },
        begun,
      ),
    );
    const client = new ClientControl({
      provider,
      suites,
      clock,
      identity,
      address,
      device,
      name,
      hopSuites,
      peerSuites,
      acceptSuites,
      encoding: options.encoding ?? 'cbor',
      serverName,
      accept: options.accept ?? 'ask',
      dial,
      reconnect: options.reconnect ?? typeof target !== 'object',
      endsConversations: store === undefined,
      relayTrust,
      known: await KnownPeers.load(store, options.pins),
      ...(options.content === undefined ? {} : { content: options.content }),
      recheckMs: options.recheckMs ?? DEFAULT_RECHECK_MS,
      ...(rsaPool === undefined ? {} : { rsaPool }),
      ...(prekeys === undefined ? {} : { prekeys }),
      ...(relayIdentity === undefined ? {} : { relayIdentity }),
      ...(options.label === undefined ? {} : { label: options.label }),
      ...(options.conversation === undefined ? {} : { conversation: options.conversation }),
      ...(options.verifyCertificate === undefined ? {} : { verifyCertificate: options.verifyCertificate }),
      ...(options.verifyRelay === undefined ? {} : { verifyRelay: options.verifyRelay }),
      ...(store === undefined
        ? {}
        : {
            keeperOf: (state, who, start) => {
              const key = keeperKey(state.conversationId);
              const keeper = keepers.get(key) ?? new StoreKeeper(store, state, who, start);
              keepers.set(key, keeper);
              return keeper;
            },
            forget: (state) => {
              const key = keeperKey(state.conversationId);
              const keeper = keepers.get(key);
              keepers.delete(key);
              if (keeper !== undefined) forgetKept(keeper, prekeys).catch(() => {});
            },
          }),
      cleanUp: async () => {
        for (const step of cleanUp.splice(0).toReversed()) await step();
      },
    });
    for (const { state, identity: who, start, keeper } of stored) {
      keepers.set(keeperKey(state.conversationId), keeper);
      client.resume(state, who, start);
    }
    await client.start(signal);
    if (remembers && known === undefined) await rememberRelay(store, place, client.relayIdentity);
    return client;
  } catch (error) {
    for (const step of cleanUp.splice(0).toReversed()) await step();
    throw error;
  }
}

/** What the store keeps of this address; not what another start took over before the process ended. */
async function ownConversations(
  store: Store | undefined,
  suites: readonly Suite[],
  address: Address,
): Promise<readonly StoredConversation[]> {
  if (store === undefined) return [];
  const all = await storedConversations(store, suites);
  // Others are somebody else's in the same store.
  const own = all.filter(({ state }) => state.own.address === address);
  const replaced = new Set(own.map(({ start }) => (start?.role === 'initiator' ? keeperKey(start.replaces) : '')));
  for (const { state, keeper } of own) if (replaced.has(keeperKey(state.conversationId))) await keeper.forget();
  return own.filter(({ state }) => !replaced.has(keeperKey(state.conversationId)));
}

async function ownPrekeys(
  { credential, prekeyUntilMs }: OwnIdentity,
  { store, prekeys = {}, accept }: ConnectOptions,
  load: (options: PrekeyOptions, store: Store) => Promise<Prekeys>,
): Promise<Prekeys | undefined> {
  const isKept = credential.kind === 'key' || (credential.kind === 'certificate' && prekeyUntilMs !== undefined);
  if (store === undefined) return undefined;
  // Looked at also where none are wanted now: what was spent or is over goes, before what tells so is forgotten.
  const loaded = await load(prekeys === false ? {} : prekeys, store);
  return prekeys === false || accept === 'none' || !isKept ? undefined : loaded;
}

/** The secret of the bundle that a conversation began from goes first: the record is what tells that it is spent. */
async function forgetKept(keeper: StoreKeeper, prekeys: Prekeys | undefined): Promise<void> {
  if (keeper.start?.role === 'responder') await prekeys?.spend(keeper.start.bundleId);
  await keeper.forget();
}

function ownIdentity(
  kept: Awaited<ReturnType<typeof storedIdentity>> | undefined,
  provider: CryptoProvider,
): OwnIdentity {
  return kept === undefined ? anonymousIdentity(provider) : keyIdentity(provider, kept.keyPair);
}

function relayTrustOf(
  pinned: Uint8Array | undefined,
  remembered: Uint8Array | undefined,
  { verifyRelay }: ConnectOptions,
): RelayTrust {
  if (pinned !== undefined) return 'pinned';
  if (verifyRelay !== undefined) return 'verified';
  return remembered === undefined ? 'first-use' : 'remembered';
}

/** Makes an identity for the relay, which is found out first where it is not known. */
async function madeIdentity(
  make: MakeIdentity,
  given: {
    readonly known: Uint8Array | undefined;
    readonly relayTrust: RelayTrust;
    readonly device: Uint8Array;
    readonly dial: (signal: AbortSignal) => Promise<Transport>;
    /** Whether there is one connection and no other. */
    readonly isOnce: boolean;
    readonly suites: readonly Suite[];
    readonly hopSuites: readonly SuiteName[];
    readonly serverName: string;
  },
  { provider, clock = systemClock }: ClientEnvironment,
  options: ConnectOptions,
): Promise<{ readonly identity: OwnIdentity; readonly relayIdentity: Uint8Array }> {
  const { known, relayTrust, device, dial, isOnce, suites, hopSuites, serverName } = given;
  const { signal, encoding = 'cbor', verifyRelay } = options;
  let relayIdentity = known;
  if (relayIdentity === undefined) {
    if (isOnce)
      throw new SimsError('client/invalid-argument', 'over a transport that is given, this identity needs a pin');
    const transport = await dial(signal ?? new AbortController().signal);
    const abort = (): void => transport.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      relayIdentity = await learnRelay(transport, {
        provider,
        clock,
        verifyCredential: verifierOf({ provider, ...(verifyRelay === undefined ? {} : { verifyRelay }) }),
        suites,
        offer: hopSuites,
        encoding,
        serverName,
      });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }
  const identity = await make({
    provider,
    clock,
    relayIdentity,
    relayFingerprint: fingerprintText(relayIdentity),
    relayTrust,
    device,
    ...(signal === undefined ? {} : { signal }),
  });
  return { identity, relayIdentity };
}

function keeperKey(conversationId: Uint8Array): string {
  return conversationId.join();
}

function wayTo(
  target: RelayTarget,
  options: ConnectOptions,
  environment: ClientEnvironment,
): { readonly dial: (signal: AbortSignal) => Promise<Transport>; readonly place: string; readonly serverName: string } {
  if (typeof target === 'string') {
    const dial = (signal: AbortSignal): Promise<Transport> => environment.dial(target, { signal });
    const serverName = options.serverName ?? serverNameOf(target);
    return { dial, place: placeOf(target), serverName };
  }
  const serverName = options.serverName ?? '';
  if (typeof target === 'function') return { dial: target, place: serverName, serverName };
  let used = false;
  const dial = (): Promise<Transport> => {
    if (used) return Promise.reject(new SimsError('client/connection-lost', 'the transport that was given has ended'));
    used = true;
    return Promise.resolve(target);
  };
  return { dial, place: serverName, serverName };
}

/** Host and port: one relay may listen in several ways. */
function placeOf(url: string): string {
  return new URL(url.replace(/^tcp:/u, 'ws:')).host;
}

function poolOf(
  chosen: readonly SuiteName[] | undefined,
  suites: readonly Suite[],
): ReturnType<typeof createRsaPool> | undefined {
  const rsa = suites.find((suite) => suite.kem.name === 'RSA-4096');
  if (rsa === undefined || chosen?.includes(rsa.name) !== true) return undefined;
  const kem = rsa.kem as AsyncKem;
  return createRsaPool({ generate: () => kem.generateKeyPair(), size: 1 });
}

function checkedName(name: string): string {
  const length = utf8(name).length;
  if (length > MAX_NAME_BYTES) {
    throw new SimsError('client/invalid-argument', `a name of ${length} bytes, at most ${MAX_NAME_BYTES}`);
  }
  return name;
}

function checkedSuites(names: readonly SuiteName[], suites: readonly Suite[]): readonly SuiteName[] {
  const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new SimsError('client/invalid-argument', `no suite ${unknown} here`);
  if (names.length === 0) throw new SimsError('client/invalid-argument', 'no suites');
  return names;
}
