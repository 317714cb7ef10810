/** A relay's core and its clients in one place, with virtual time and queues that a test holds up. */
import { createHash } from 'node:crypto';
import { base64url, concat, fromBase64url, hex } from '../../src/bytes.ts';
import { nodeProvider, X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../src/crypto/node/index.ts';
import type { CryptoProvider, RandomBytes, SignatureKeyPair } from '../../src/crypto/provider.ts';
import type { Suite, SuiteName } from '../../src/crypto/suite.ts';
import {
  clientId,
  createCredentialVerifier,
  fingerprint,
  runInitiator,
  type EstablishedOutput,
  type HandshakeRun,
  type InitiatorInput,
} from '../../src/handshake/index.ts';
import type { AuditEntry } from '../../src/ifc/index.ts';
import { addressFromBytes, messageIdFromBytes, type Address, type MessageId } from '../../src/messages/address.ts';
import { decodeMessage, encodeMessage, type Message } from '../../src/messages/messages.ts';
import type { Encoding } from '../../src/messages/wire.ts';
import {
  createRelay,
  type Relay,
  type RelayEffects,
  type RelayEvent,
  type RelayOptions,
} from '../../src/relay/index.ts';
import { HopChannel } from '../../src/session/hop.ts';

export const provider: CryptoProvider = nodeProvider;
/** The quickest: nothing here is about suites. */
export const QUICK: Suite = X25519_WITH_CHACHA20_POLY1305_SHA256;

/** Bytes that look random and depend on the seed alone. */
export function seeded(seed: string): RandomBytes {
  let counter = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 64) {
      counter += 1;
      const block = createHash('sha512').update(`${seed}/${counter}`).digest();
      bytes.set(block.subarray(0, Math.min(64, length - offset)), offset);
    }
    return bytes;
  };
}

const keyPairs = new Map<string, SignatureKeyPair>();

function keyPairOf(seed: string): SignatureKeyPair {
  let keyPair = keyPairs.get(seed);
  if (keyPair === undefined) {
    keyPair = provider.generateSignatureKeyPair('Ed25519', seeded(`key of ${seed}`));
    keyPairs.set(seed, keyPair);
  }
  return keyPair;
}

export function messageId(text: string): MessageId {
  return messageIdFromBytes(createHash('sha256').update(text).digest().subarray(0, 8));
}

const relayKeys = provider.generateSignatureKeyPair('ECDSA-P256-SHA256', seeded('relay'));
export const RELAY_IDENTITY: RelayOptions['identity'] = {
  credential: { kind: 'relay', spki: relayKeys.spki, chain: [Uint8Array.of(0x30, 0x00)] },
  sign: ({ toBeSigned }) => provider.sign(relayKeys, toBeSigned),
};

export interface ClientOptions {
  readonly name?: string;
  readonly kind?: 'none' | 'key';
  readonly label?: string;
  readonly encoding?: Encoding;
  readonly device?: string;
  /** Another client's key: the same person. */
  readonly keyOf?: string;
  readonly suites?: readonly Suite[];
  readonly serverName?: string;
  /** Names its randomness; default the seed and the number of its connection. */
  readonly randomness?: string;
}

export class World {
  now: number = 1_700_000_000_000;
  readonly relay: Relay;
  readonly events: RelayEvent[] = [];
  readonly audited: AuditEntry[] = [];
  readonly clients: Map<number, Client> = new Map();
  wakeAt: number | undefined;
  /** Told what the relay does to a connection, and when it is opened what was in a record. */
  watcher: ((connection: number, what: string) => void) | undefined;
  #next = 1;

  constructor(options: Partial<RelayOptions> = {}) {
    const effects: RelayEffects = {
      send: (connection, bytes) => this.clients.get(connection)?.deliver(bytes) ?? 0,
      queuedBytes: (connection) => this.clients.get(connection)?.queuedBytes ?? 0,
      setMessageLimit: (connection, bytes) => {
        const client = this.clients.get(connection);
        if (client !== undefined) client.messageLimit = bytes;
      },
      resume: (connection) => {
        const client = this.clients.get(connection);
        if (client !== undefined) client.isHeldUp = false;
        this.watcher?.(connection, 'resumed');
      },
      close: (connection) => {
        const client = this.clients.get(connection);
        if (client !== undefined) client.isClosed = true;
        this.watcher?.(connection, 'closed');
      },
      wake: (atMs) => {
        this.wakeAt = atMs;
      },
      log: (event) => this.events.push(event),
      audit: (entry) => this.audited.push(entry),
    };
    this.relay = createRelay({
      provider,
      suites: [QUICK],
      identity: RELAY_IDENTITY,
      name: 'the relay',
      random: seeded('randomness of the relay'),
      now: () => this.now,
      effects,
      ...options,
    });
  }

  /** A connection that says nothing yet. */
  connect(seed: string, options: ClientOptions = {}): Client {
    const connection = this.#next;
    this.#next += 1;
    const client = new Client(this, connection, seed, options);
    this.clients.set(connection, client);
    if (!this.relay.connected(connection)) client.isClosed = true;
    return client;
  }

  /** A client with an established hop. */
  join(seed: string, options: ClientOptions = {}): Client {
    const client = this.connect(seed, options);
    client.start();
    this.settle();
    if (!client.isEstablished) throw new Error(`${seed} is not established: ${client.errors.join(', ')}`);
    return client;
  }

  /** A client that is told who is there. */
  watch(seed: string, options: ClientOptions = {}): Client {
    const client = this.join(seed, options);
    client.send({ type: 'list', id: messageId('list') });
    this.settle();
    return client;
  }

  /** Hands over everything that is on its way, until nothing is. */
  settle(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const client of this.clients.values()) isBusy = client.step() || isBusy;
    }
  }

  /** Lets time pass, waking the relay whenever it asked for it. */
  pass(ms: number): void {
    const until = this.now + ms;
    while (this.wakeAt !== undefined && this.wakeAt <= until) {
      this.now = Math.max(this.now, this.wakeAt);
      this.wakeAt = undefined;
      this.relay.wake();
      this.settle();
    }
    this.now = until;
  }
}

export class Client {
  readonly connection: number;
  readonly address: Address;
  readonly fingerprint: Uint8Array;
  readonly encoding: Encoding;
  /** Opened messages of the relay, and their bytes. */
  readonly inbox: Message[] = [];
  readonly bytes: Uint8Array[] = [];
  /** Codes of errors that came in the clear. */
  readonly errors: string[] = [];
  label: string | undefined;
  relayName: string | undefined;
  messageLimit = 0;
  isClosed = false;
  /** The relay does not read. */
  isHeldUp = false;
  /** The client does not read. */
  isStalled = false;
  isEstablished = false;
  channel: HopChannel | undefined;
  established: EstablishedOutput | undefined;
  readonly run: HandshakeRun<InitiatorInput>;
  readonly #world: World;
  readonly #device: Uint8Array;
  readonly #nonce: Uint8Array;
  readonly #random: RandomBytes;
  readonly #start: () => void;
  readonly #incoming: Uint8Array[] = [];
  readonly #outgoing: Uint8Array[] = [];
  #queued = 0;

  constructor(world: World, connection: number, seed: string, options: ClientOptions) {
    const { kind = 'key', encoding = 'cbor', name = seed, label, suites = [QUICK], keyOf = seed } = options;
    const keyPair = keyPairOf(keyOf);
    this.#world = world;
    this.connection = connection;
    this.encoding = encoding;
    this.#random = seeded(options.randomness ?? `client ${seed} ${connection}`);
    this.#device = seeded(`device ${options.device ?? ''}`)(8);
    this.#nonce = this.#random(32);
    this.fingerprint = fingerprint(provider, kind, keyPair.spki);
    this.address = addressFromBytes(concat(fromBase64url(clientId(this.fingerprint)), this.#device));
    this.run = runInitiator(
      { plane: 'hop', provider, suites },
      {
        sign: ({ toBeSigned }) => provider.sign(keyPair, toBeSigned),
        verifyCredential: createCredentialVerifier({ provider }),
        random: this.#random,
        now: () => world.now,
      },
      {
        failed: (error) => this.errors.push(error.code),
        output: (output) => {
          if (output.type === 'send') {
            this.sendClear({ type: 'connect', phase: output.phase, id: this.handshakeId, data: output.body });
          } else if (output.type === 'established') {
            this.established = output;
            this.channel = new HopChannel({
              suite: output.suite,
              role: 'initiator',
              conversationId: output.conversationId,
              finalTranscriptHash: output.finalTranscriptHash,
              secrets: output.secrets,
              client: { address: this.address, fingerprint: this.fingerprint },
              relayIdentity: output.peer.relayIdentity!,
            });
          } else if (output.type === 'confirmed') {
            this.isEstablished = true;
            this.label = output.parameters.label;
            this.relayName = output.name;
          }
          return undefined;
        },
      },
    );
    this.#start = () =>
      this.run.feed({
        type: 'start',
        nonce: this.#nonce,
        boxRandomness: this.#random(16),
        offer: suites.map((suite): SuiteName => suite.name),
        serverName: options.serverName ?? 'localhost',
        credential: { kind, spki: keyPair.spki },
        name,
        parameters: { device: this.#device, ...(label === undefined ? {} : { label }) },
        nowMs: world.now,
      });
  }

  get handshakeId(): MessageId {
    return messageIdFromBytes(this.#nonce.subarray(0, 8));
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  /** Frames that the relay has not read. */
  get unread(): number {
    return this.#outgoing.length;
  }

  start(): void {
    this.#start();
  }

  sealed(message: Message): Uint8Array {
    const record = this.channel!.seal(encodeMessage(message, this.encoding), this.#random, this.#world.now);
    return encodeMessage(record, this.encoding);
  }

  /** Puts a sealed message on its way. */
  send(message: Message): void {
    this.#outgoing.push(this.sealed(message));
  }

  /** Seals any bytes. */
  sendInside(bytes: Uint8Array): void {
    this.#outgoing.push(encodeMessage(this.channel!.seal(bytes, this.#random, this.#world.now), this.encoding));
  }

  sendClear(message: Message): void {
    this.#outgoing.push(encodeMessage(message, this.encoding));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#outgoing.push(bytes);
  }

  /** A message for another client, and its id. */
  say(dst: Address, id: string, length = 5): MessageId {
    const named = messageId(id);
    this.send({ type: 'client-com', id: named, dst, saData: new Uint8Array(20), data: new Uint8Array(length) });
    return named;
  }

  /** What came since the last call. */
  take(): readonly Message[] {
    this.#world.settle();
    this.bytes.length = 0;
    return this.inbox.splice(0);
  }

  /** The connection breaks. */
  drop(): void {
    this.isClosed = true;
    this.#world.relay.disconnected(this.connection);
    this.#world.clients.delete(this.connection);
  }

  /** The client reads again. */
  unstall(): void {
    this.isStalled = false;
    this.#queued = 0;
    this.#world.relay.drained(this.connection);
    this.#world.settle();
  }

  deliver(bytes: Uint8Array): number {
    this.#incoming.push(bytes);
    this.#world.watcher?.(this.connection, `${bytes.length} bytes`);
    if (this.isStalled) this.#queued += bytes.length;
    return this.#queued;
  }

  /** One frame each way; whether there was any. */
  step(): boolean {
    let isBusy = false;
    if (this.#outgoing.length > 0 && !this.isHeldUp && !this.isClosed) {
      this.isHeldUp = !this.#world.relay.received(this.connection, this.#outgoing.shift()!);
      isBusy = true;
    }
    if (!this.isStalled && this.#incoming.length > 0) {
      this.#receive(this.#incoming.shift()!);
      isBusy = true;
    }
    return isBusy;
  }

  #receive(frame: Uint8Array): void {
    const { message, encoding } = decodeMessage(frame);
    if (encoding !== this.encoding) throw new Error(`answered in ${encoding}`);
    if (message.type === 'connect') this.run.feed({ type: 'message', phase: message.phase, body: message.data });
    else if (message.type === 'secure') {
      const inner = this.channel!.open(message);
      const opened = decodeMessage(inner);
      if (opened.encoding !== this.encoding) throw new Error(`answered in ${opened.encoding}`);
      this.bytes.push(inner);
      this.#world.watcher?.(this.connection, hex(inner));
      this.inbox.push(opened.message);
    } else if (message.type === 'error' || message.type === 'disconnect') this.errors.push(message.code ?? '');
  }
}

/** Addresses of a list, with names where they are online. */
export function listed(message: Message | undefined): Record<string, string | false> {
  if (message?.type !== 'list' || message.data === undefined) throw new Error('no list');
  return Object.fromEntries(message.data.map((item) => [item.address, item.online && item.name]));
}

export function idBytes(id: MessageId): string {
  return base64url(fromBase64url(id));
}
