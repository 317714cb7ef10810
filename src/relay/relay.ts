/**
 * The core of a relay, without I/O: bytes of connections go in, bytes for connections come out. It is synchronous but for
 * what a handshake waits for; time, randomness and everything outside are passed in.
 *
 * @packageDocumentation
 */
import { fromUtf8, utf8 } from '../bytes.ts';
import type { CryptoProvider, KemKeyPair, RandomBytes } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import {
  createCredentialVerifier,
  relayIdentityOf,
  type VerifiedIdentity,
  type VerifyCredential,
} from '../handshake/index.ts';
import { defaultPolicy, type AuditEntry, type CredentialDescription, type PolicyFile } from '../ifc/index.ts';
import type { OnlineItem, PersonKind } from '../messages/list.ts';
import { decodeMessage, encodeMessage, messageIdOf, type Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { MAX_NAME_BYTES } from '../messages/schema.ts';
import { HopChannel } from '../session/hop.ts';
import { cutName, reasonOf } from './answers.ts';
import { newConnection, type Connection } from './connection.ts';
import { MemoryBundles, type BundleStore } from './bundles.ts';
import { startCounters, type RelayCounters, type RelayMetrics } from './counters.ts';
import { describerFor } from './describe.ts';
import { MemoryDirectory, type Directory } from './directory.ts';
import { drawnAhead } from './drawnAhead.ts';
import type { RelayEffects, SessionEnd } from './effects.ts';
import { Flows } from './flows.ts';
import { HopHandshake, knownLabel, type Entrant, type HandshakeShared, type RelayIdentity } from './hopHandshake.ts';
import { limitsFrom, type RelayLimits } from './limits.ts';
import { Lists } from './list.ts';
import { LivePolicy } from './livePolicy.ts';
import { Keeping } from './keeping.ts';
import { MemoryMailbox, type Mailbox } from './mailbox.ts';
import { Places } from './places.ts';
import { Prekeys } from './prekeys.ts';
import { Router } from './router.ts';
import { Session, type SessionShared } from './sessions.ts';
import { Shares } from './shares.ts';
import { limitStay, type StayParts } from './stay.ts';
import { Strangers } from './strangers.ts';
import { Timers } from './timers.ts';

/** What a relay is made of. */
export interface RelayOptions {
  readonly provider: CryptoProvider;
  /** Suites that it serves, in its order of preference. */
  readonly suites: readonly Suite[];
  readonly identity: RelayIdentity;
  readonly effects: RelayEffects;
  /** Told to clients, at most 128 bytes. Default empty. */
  readonly name?: string;
  /** Default: two levels, with a verified certificate and without. */
  readonly policy?: PolicyFile;
  readonly limits?: Partial<RelayLimits>;
  /** Default: keys are taken at their word, certificates refused. */
  readonly verifyCredential?: VerifyCredential;
  /** What the clearance rules are told of a verified identity. Default: its kind, and that a certificate was verified. */
  readonly describeCredential?: (identity: VerifiedIdentity) => CredentialDescription;
  /** Names that the relay answers to, as clients ask for them. Default: any. */
  readonly serverNames?: readonly string[];
  /** RSA pairs made ahead. Without it a pair is made for each handshake; while `available` is 0, RSA is for those who offer nothing else. */
  readonly rsaPool?: {
    readonly available?: number;
    /** A pair that nobody else gets; `undefined` when none is ready. */
    take(): KemKeyPair | undefined;
  };
  /** Default: in memory. */
  readonly directory?: Directory<Session>;
  /** Default: in memory, bounded by the limits. */
  readonly mailbox?: Mailbox;
  /** Bundles that clients publish. Default: in memory, bounded by the limits. */
  readonly bundles?: BundleStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Default: the provider's. */
  readonly random?: RandomBytes;
}

/** A relay without I/O. Connections are numbers of the host's, each used once. */
export interface Relay {
  /** SHA-256 of the relay's SPKI, 32 bytes: what clients pin. */
  readonly relayIdentity: Uint8Array;
  readonly limits: RelayLimits;
  /** Someone has connected. `false`: it is turned away, and the host closes it. */
  connected(connection: number): boolean;
  /**
   * A message has come. `false`: nothing more is to be read from this connection until `resume`. The bytes must not change
   * afterwards.
   */
  received(connection: number, bytes: Uint8Array): boolean;
  /** The queue of a connection is below its mark again. */
  drained(connection: number): void;
  /** The connection is gone, by whatever cause. */
  disconnected(connection: number): void;
  /** The time has come that `wake` asked for. */
  wake(): void;
  /**
   * Puts another policy in force. Sessions keep their levels; those whose clearance does not cover theirs any more are
   * ended as `not-authorised`. Whoever asked for a list gets a new one; nobody whose connection broke is expected back.
   */
  setPolicy(policy: PolicyFile): void;
  /** Says goodbye to everyone and takes nobody any more. */
  shutDown(): void;
  /** Counts and gauges. */
  metrics(): RelayMetrics;
}

/**
 * A relay that waits for its first connection.
 *
 * @throws `relay/invalid-option`
 */
export function createRelay(options: RelayOptions): Relay {
  return new RelayCore(options);
}

/** What is too old is looked for at least so often. */
const LONGEST_SWEEP_MS = 60_000;

class RelayCore implements Relay {
  readonly relayIdentity: Uint8Array;
  readonly limits: RelayLimits;
  readonly #effects: RelayEffects;
  readonly #now: () => number;
  readonly #timers: Timers;
  readonly #counters: RelayCounters = startCounters();
  readonly #directory: Directory<Session>;
  readonly #lists: Lists;
  readonly #places: Places;
  readonly #router: Router;
  readonly #keeping: Keeping;
  readonly #prekeys: Prekeys;
  readonly #sessionParts: SessionShared;
  readonly #policy: LivePolicy;
  readonly #connections = new Map<number, Connection>();
  readonly #strangers: Strangers;
  readonly #stays: StayParts;
  readonly #inFlight = { all: new Set<HopHandshake>(), rsa: 0 };
  readonly #load = new Shares();
  #sessions = 0;
  #isShuttingDown = false;

  constructor(options: RelayOptions) {
    const { provider, identity, effects, now, suites, name = '' } = options;
    const policy = new LivePolicy(options.policy ?? defaultPolicy());
    if (suites.length === 0) throw new SimsError('relay/invalid-option', 'a relay needs at least one suite');
    if (fromUtf8(utf8(name)) !== name || utf8(name).length > MAX_NAME_BYTES) {
      throw new SimsError('relay/invalid-option', `a name is well-formed text of at most ${MAX_NAME_BYTES} bytes`);
    }
    const limits = limitsFrom(options.limits);
    const random = options.random ?? provider.random;
    // Nonces of records are public, and drawing them one by one is dear.
    const recordRandom = drawnAhead(random);
    const audit = (entry: AuditEntry): void => effects.audit?.(entry);
    this.relayIdentity = relayIdentityOf(provider, identity.credential.spki);
    this.limits = limits;
    this.#effects = effects;
    this.#now = now;
    this.#policy = policy;
    this.#timers = new Timers(effects.wake);
    const timers = this.#timers;
    const counters = this.#counters;
    const directory = options.directory ?? new MemoryDirectory<Session>();
    this.#directory = directory;
    this.#lists = new Lists({ directory, policy: policy.policy, limits, counters, timers, now, audit });
    const mailbox = options.mailbox ?? new MemoryMailbox(limits);
    const bundles = options.bundles ?? new MemoryBundles(limits);
    const flows = new Flows({ policy: policy.policy, counters, audit });
    const { relayIdentity } = this;
    this.#places = new Places({ directory, bundles, lists: this.#lists, limits, timers, now });
    this.#keeping = new Keeping({ bundles, mailbox, directory, limits, counters, now });
    this.#prekeys = new Prekeys({ bundles, directory, flows, limits, counters, relayIdentity, now });
    this.#router = new Router({ directory, flows, keeping: this.#keeping, counters });
    this.#sweepLater(Math.min(LONGEST_SWEEP_MS, Math.max(1_000, Math.floor(limits.mailboxAgeMs / 100))));
    this.#sessionParts = {
      effects,
      limits,
      counters,
      mailbox,
      timers,
      random: recordRandom,
      now,
      load: this.#load,
      tooSlow: (session) => this.#tooSlow(session),
      failed: (session, error) => {
        const connection = this.#connections.get(session.connection);
        if (connection !== undefined) this.#crashed(connection, error);
      },
    };
    const { serverNames, rsaPool } = options;
    const handshakes: HandshakeShared = {
      provider,
      suites,
      identity,
      relayIdentity: this.relayIdentity,
      name,
      policy,
      limits,
      random,
      now,
      audit,
      verifyCredential: options.verifyCredential ?? createCredentialVerifier({ provider }),
      describeCredential: options.describeCredential ?? describerFor(policy),
      inFlight: this.#inFlight,
      ...(serverNames === undefined ? {} : { serverNames }),
      ...(rsaPool === undefined ? {} : { rsaPool }),
    };
    this.#strangers = new Strangers({
      effects,
      limits,
      counters,
      timers,
      now,
      beginHandshake: (connection) => this.#beginHandshake(handshakes, connection),
      send: (connection, message) => this.#sendClear(connection, message),
      close: (connection) => this.#close(connection),
    });
    this.#stays = {
      effects,
      limits,
      timers,
      now,
      isThere: (connection) => this.#connections.has(connection.id),
      notAuthorised: (connection) => this.#finish(connection, 'not-authorised'),
      crashed: (connection, error) => this.#crashed(connection, error),
    };
  }

  connected(id: number): boolean {
    if (this.#isShuttingDown || this.#connections.size >= this.limits.connections) return this.#refuse();
    if (!this.#strangers.makeRoom()) return this.#refuse();
    const connection = newConnection(id);
    this.#counters.connections += 1;
    this.#connections.set(id, connection);
    this.#strangers.add(connection);
    return true;
  }

  received(id: number, bytes: Uint8Array): boolean {
    const connection = this.#connections.get(id);
    if (connection === undefined) return true;
    this.#counters.framesIn += 1;
    this.#counters.bytesIn += bytes.length;
    try {
      if (connection.session === undefined) this.#strangers.take(connection, bytes);
      else this.#fromClient(connection, connection.session, bytes);
    } catch (error) {
      this.#crashed(connection, error);
    }
    const { rate, queue, handshake } = connection.paused;
    connection.isWaiting = (rate || queue || handshake) && this.#connections.has(id);
    return !connection.isWaiting;
  }

  drained(id: number): void {
    const connection = this.#connections.get(id);
    const session = connection?.session;
    if (connection === undefined || session === undefined) return;
    try {
      session.drained();
      this.#lists.drained(session);
    } catch (error) {
      this.#crashed(connection, error);
    }
    if (!session.isAbove) this.#unpause(connection, 'queue');
  }

  disconnected(id: number): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined) this.#gone(connection, 'dropped');
  }

  wake(): void {
    this.#timers.run(this.#now(), (error) => this.#effects.log?.({ event: 'session-failed', error }));
  }

  setPolicy(policy: PolicyFile): void {
    this.#lists.renew(() => {
      this.#policy.replace(policy);
      this.#places.endGraces();
      this.#places.relabelAway((text) => knownLabel(policy, text));
      for (const connection of this.#connections.values()) {
        try {
          this.#assessAnew(connection);
        } catch (error) {
          this.#crashed(connection, error);
        }
      }
    });
  }

  #assessAnew(connection: Connection): void {
    const { session, entrant } = connection;
    if (session === undefined || entrant === undefined) return;
    const subject = entrant.assess(this.#now());
    if (subject === undefined) {
      this.#finish(connection, 'not-authorised');
      return;
    }
    session.subject = subject;
    this.#places.relabel(session);
    connection.cancelTimer();
    limitStay(this.#stays, connection, entrant);
  }

  shutDown(): void {
    if (this.#isShuttingDown) return;
    this.#isShuttingDown = true;
    this.#effects.log?.({ event: 'shutting-down' });
    for (const connection of this.#connections.values()) {
      if (connection.session === undefined) this.#sendClear(connection, { type: 'disconnect', code: 'shutting-down' });
      this.#finish(connection, 'shutting-down');
    }
    this.#timers.clear();
  }

  metrics(): RelayMetrics {
    return {
      ...this.#counters,
      connectionsNow: this.#connections.size,
      strangersNow: this.#strangers.size,
      handshakesNow: this.#inFlight.all.size,
      sessionsNow: this.#sessions,
      addressesNow: this.#directory.size,
      gracesNow: this.#places.graces,
      awayNow: this.#places.away,
      watchersNow: this.#lists.watchers,
      timersNow: this.#timers.size,
      longQueueBytesNow: this.#load.total,
    };
  }

  #refuse(): false {
    this.#counters.refused += 1;
    this.#effects.log?.({ event: 'connection-refused', code: this.#isShuttingDown ? 'shutting-down' : 'busy' });
    return false;
  }

  #beginHandshake(shared: HandshakeShared, connection: Connection): HopHandshake {
    return new HopHandshake(shared, {
      send: (message) => this.#sendClear(connection, message),
      entered: (entrant) => this.#enter(connection, entrant),
      failed: (error, code) => this.#strangers.failed(connection, error, code),
      ready: () => this.#unpause(connection, 'handshake'),
      crashed: (error) => this.#crashed(connection, error),
    });
  }

  // Sessions

  #enter(connection: Connection, entrant: Entrant): void {
    const { established, address, name } = entrant;
    // The policy may have changed while the client answered.
    const assessed = entrant.assess(this.#now());
    const subject = assessed ?? entrant.subject;
    const { peer, suite, conversationId, finalTranscriptHash, secrets } = established;
    if (!this.#connections.has(connection.id)) return;
    const channel = new HopChannel({
      suite,
      role: 'responder',
      conversationId,
      finalTranscriptHash,
      secrets,
      client: { address, fingerprint: peer.fingerprint },
      relayIdentity: this.relayIdentity,
    });
    const item: OnlineItem = {
      address,
      online: true,
      name: cutName(name),
      label: subject.current.text,
      kind: peer.kind as PersonKind,
      fingerprint: peer.fingerprint,
    };
    const { id, encoding } = connection;
    const session = new Session({ connection: id, item, subject, channel, encoding }, this.#sessionParts);
    connection.session = session;
    connection.entrant = entrant;
    this.#strangers.remove(connection);
    this.#sessions += 1;
    this.#counters.sessions += 1;
    this.#effects.setMessageLimit(id, this.limits.frameBytes);
    this.#effects.log?.({
      event: 'session-opened',
      connection: id,
      suite: suite.name,
      label: item.label,
      kind: item.kind,
    });
    if (assessed === undefined) {
      this.#finish(connection, 'not-authorised');
      return;
    }
    this.#places.take(session, (older) => this.#takenOver(older));
    limitStay(this.#stays, connection, entrant);
  }

  #takenOver(older: Session): void {
    const connection = this.#connections.get(older.connection);
    if (connection === undefined) return;
    this.#counters.takenOver += 1;
    this.#finish(connection, 'taken-over');
  }

  #fromClient(connection: Connection, session: Session, bytes: Uint8Array): void {
    const now = this.#now();
    const waitMs = Math.max(session.messageRate.take(1, now), session.byteRate.take(bytes.length, now));
    if (waitMs > 0) this.#slowDown(connection, now + waitMs);
    let outer: Message;
    try {
      outer = decodeMessage(bytes).message;
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#counters.malformed += 1;
      // A type that this version does not know is no record: the hop is sound.
      if (error.code === 'messages/unknown-type') this.#answer(session, reasonOf(error), bytes);
      else this.#finish(connection, 'malformed');
      return;
    }
    if (outer.type === 'secure') {
      let inner: Uint8Array;
      try {
        inner = session.open(outer);
      } catch (error) {
        if (!(error instanceof SimsError)) throw error;
        this.#counters.malformed += 1;
        this.#effects.log?.({ event: 'session-failed', connection: connection.id, code: error.code });
        this.#finish(connection, 'malformed');
        return;
      }
      // Whoever sends records has phase 4.
      connection.handshake = undefined;
      this.#take(connection, session, inner);
    } else if (outer.type === 'connect') connection.handshake?.take(outer);
    // Anything else in the clear is a hint from nobody in particular.
    if (session.isAbove) connection.paused.queue = true;
  }

  #take(connection: Connection, session: Session, bytes: Uint8Array): void {
    let message: Message;
    try {
      const decoded = decodeMessage(bytes);
      message = decoded.message;
      session.encoding = decoded.encoding;
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#counters.malformed += 1;
      this.#answer(session, reasonOf(error), bytes);
      return;
    }
    switch (message.type) {
      case 'client-com':
      case 'client-connect':
      case 'client-disconnect':
        this.#router.carry(session, message);
        return;
      case 'ack':
        if (message.msgId === undefined) this.#router.pass(session, message);
        else if (message.src !== undefined) session.stored(message.src, message.msgId);
        return;
      case 'error':
        this.#router.pass(session, message);
        return;
      case 'list':
        if (message.data === undefined) {
          this.#lists.request(session, message.id);
          session.handOverWaiting();
        } else session.send({ type: 'error', code: 'unexpected', ...(message.id && { msgId: message.id }) });
        return;
      case 'prekeys':
        this.#prekeys.take(session, message);
        return;
      case 'disconnect':
        this.#finish(connection, 'goodbye');
        return;
      case 'connect':
        session.send({ type: 'error', code: 'unexpected', msgId: message.id });
        return;
      case 'secure':
        session.send({ type: 'error', code: 'unexpected' });
        return;
      default:
        // A type that this relay does not serve.
        this.#answer(session, 'unknown-type', bytes);
    }
  }

  #answer(session: Session, code: ErrorReason, bytes: Uint8Array): void {
    const msgId = messageIdOf(bytes);
    session.send({ type: 'error', code, ...(msgId === undefined ? {} : { msgId }) });
  }

  #slowDown(connection: Connection, untilMs: number): void {
    const { paused } = connection;
    if (paused.rate) return;
    paused.rate = true;
    this.#counters.slowed += 1;
    this.#timers.set(untilMs, () => this.#unpause(connection, 'rate'));
  }

  #tooSlow(session: Session): void {
    const connection = this.#connections.get(session.connection);
    if (connection === undefined) return;
    this.#counters.slowConsumers += 1;
    this.#finish(connection, 'slow-consumer');
  }

  // Ends

  #crashed(connection: Connection, error: unknown): void {
    if (!this.#connections.has(connection.id)) return;
    this.#counters.sessionsFailed += 1;
    const code = error instanceof SimsError ? error.code : 'internal';
    this.#effects.log?.({ event: 'session-failed', connection: connection.id, code, error });
    this.#finish(connection, 'internal');
  }

  /** Ends a connection from this side: says why where that can be said, and closes. */
  #finish(connection: Connection, end: Exclude<SessionEnd, 'dropped'>): void {
    const { session } = connection;
    if (session === undefined) {
      this.#close(connection);
      return;
    }
    this.#gone(connection, end);
  }

  #close(connection: Connection): void {
    this.#gone(connection, 'dropped');
    this.#effects.close(connection.id);
  }

  /** Forgets a connection, and its session if it has one. */
  #gone(connection: Connection, end: SessionEnd): void {
    if (!this.#connections.delete(connection.id)) return;
    const { session, handshake } = connection;
    this.#strangers.remove(connection);
    connection.handshake = undefined;
    handshake?.release();
    handshake?.abort(new SimsError('handshake/aborted', 'the connection is gone'));
    if (session === undefined) return;
    connection.session = undefined;
    connection.entrant = undefined;
    this.#sessions -= 1;
    this.#effects.log?.({ event: 'session-ended', connection: connection.id, code: end });
    try {
      this.#lists.forget(session);
      if (end === 'dropped') session.release();
      else session.end(end === 'goodbye' ? undefined : end);
      const isKept = end !== 'not-authorised';
      if (!this.#isShuttingDown) this.#places.leave(session, end === 'goodbye' || !isKept, isKept);
    } catch (error) {
      // A fault here must not reach whoever caused the end.
      this.#effects.log?.({ event: 'session-failed', connection: connection.id, code: 'internal', error });
    }
  }

  // Connections

  #sendClear(connection: Connection, message: Message): void {
    if (!this.#connections.has(connection.id)) return;
    const frame = encodeMessage(message, connection.encoding);
    this.#counters.framesOut += 1;
    this.#counters.bytesOut += frame.length;
    this.#effects.send(connection.id, frame);
  }

  #unpause(connection: Connection, why: keyof Connection['paused']): void {
    const { paused } = connection;
    paused[why] = false;
    if (!connection.isWaiting || paused.rate || paused.queue || paused.handshake) return;
    connection.isWaiting = false;
    this.#effects.resume(connection.id);
  }

  #sweepLater(everyMs: number): void {
    this.#timers.set(this.#now() + everyMs, () => {
      this.#sweepLater(everyMs);
      this.#keeping.sweep();
      this.#places.sweep();
      this.#prekeys.sweep();
    });
  }
}
