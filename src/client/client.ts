/**
 * The client: one identity at one relay, reconnecting by itself, with any number of conversations.
 *
 * @packageDocumentation
 */
import { equal, hex } from '../bytes.ts';
import type { SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import { safetyNumber } from '../handshake/index.ts';
import { clientIdOf, messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import type { ClientConnect } from '../messages/clientConnect.ts';
import type { ErrorMessage } from '../messages/error.ts';
import type { Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import { stepConversation, type RecordMessage } from '../session/conversation.ts';
import { conversationIdOf } from '../session/saData.ts';
import {
  DEFAULT_OPTIONS,
  startConversation,
  type ConversationContext,
  type ConversationState,
} from '../session/state.ts';
import { Away, bundleAnswerOf, type AwayHost, type Begun } from './away.ts';
import type { Clock } from './clock.ts';
import { ConversationControl, type Conversation, type ConversationHost, type Session } from './conversation.ts';
import type { ContentSchema } from './content.ts';
import { Emitter, type Events } from './emitter.ts';
import type { Hop } from './hop.ts';
import { HopUpkeep } from './hopUpkeep.ts';
import { Inbox } from './inbox.ts';
import {
  abortedError,
  Openings,
  unknownPeerError,
  type Finished,
  type OpeningsHost,
  type OpenOptions,
} from './openings.ts';
import type { RelayTrust } from './identity.ts';
import type { KeyChange, PeerTrust } from './knownPeers.ts';
import type { ClientParts } from './parts.ts';
import {
  fingerprintText,
  peerIdentity,
  PeerList,
  printableName,
  type Peer,
  type PeerIdentity,
  type PeersEvent,
} from './peers.ts';
import { IN_MEMORY, SessionActor, type Keeper } from './sessionActor.ts';
import { following, isHeard, type Start } from './start.ts';
import { watchVerification, type Watched } from './verificationWatch.ts';

/** How the client stands with its relay. */
export type ClientStatus = 'online' | 'offline' | 'closed';

/** Events of a client. */
export interface ClientEvents {
  readonly peers: PeersEvent;
  readonly status: { readonly status: ClientStatus; readonly reason?: ErrorReason; readonly error?: SimsError };
  /** A peer bears a name that is known under other keys. Told before anything is sent: closing the conversation prevents it. */
  readonly 'key-changed': KeyChange & { readonly conversation: Conversation };
  /** The store did not take whom this client has met, which is then not remembered. */
  readonly 'store-failed': { readonly error: SimsError };
}

/** One identity at one relay. */
export interface Client<Data = unknown> extends AsyncDisposable, Events<ClientEvents> {
  /** Where peers reach this client. */
  readonly address: Address;
  readonly name: string;
  readonly identity: { readonly kind: 'none' | 'key' | 'certificate'; readonly fingerprint: string };
  readonly status: ClientStatus;
  /** Suite of the hop. */
  readonly suite: SuiteName;
  /** Label of this client's session. */
  readonly label: string;
  /** The relay's identity: `sha256:` and hexadecimal digits of its key. */
  readonly relayFingerprint: string;
  readonly relayTrust: RelayTrust;
  /** Who is there now, or away and can be written to, by the relay's word. */
  readonly peers: readonly Peer[];
  /** Conversations that peers open; those that a policy accepted already are open. One reader. */
  readonly incoming: AsyncIterableIterator<Conversation<Data>>;
  /** Conversations that have not ended. */
  readonly conversations: readonly Conversation<Data>[];
  /**
   * A conversation with a peer: the present one, or a new one when the peer has accepted. Where the verification of the
   * present peer's certificate has ended, a new handshake looks at it anew; if it fails, the conversation stays as it was.
   * With a peer that is away it begins at once, and is not `confirmed` until the peer comes back.
   *
   * @throws `client/unknown-peer`, `client/later`, `client/rejected`, `client/aborted`, `client/closed`, the handshake's error
   */
  open(peer: Address | Peer, options?: OpenOptions): Promise<Conversation<Data>>;
  /**
   * Trusts a peer's key, by its address or its fingerprint, from now on and in the store where there is one. `name`: what this
   * side calls it.
   *
   * @throws `client/invalid-argument`, `store/*`
   */
  pin(peer: string, name?: string): Promise<void>;
  /**
   * Says goodbye to the relay and closes. Conversations end, and up to 5 s are waited for what is outstanding; with a
   * store they are kept instead, and go on in the next client, unless `endConversations` is true.
   */
  close(options?: { readonly endConversations?: boolean }): Promise<void>;
}

/** Histories that did not agree, kept until the next handshake. */
const MAX_BROKEN = 256;
const CLOSE_TIMEOUT_MS = 5_000;
/** How long a relay may take to say again who is there. */
const LIST_TIMEOUT_MS = 3_000;
/** A closed conversation answers its peer's repeats for this long. */
const LINGER_MS = 30_000;
/** How long a peer may stay away after a relay's restart; the grace that a relay gives by default. */
const RETURN_MS = 60_000;

/** The client with its handles for {@link createConnect}. */
export class ClientControl implements Client, ConversationHost, OpeningsHost, AwayHost {
  readonly parts: ClientParts;
  readonly address: Address;
  readonly name: string;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly incoming: Inbox<Conversation> = new Inbox();
  readonly #events = new Emitter<ClientEvents>();
  readonly #peers: PeerList;
  readonly #upkeep: HopUpkeep;
  readonly #openings: Openings;
  readonly #away: Away;
  readonly #conversations = new Map<Address, ConversationControl>();
  readonly #opening = new Map<Address, Promise<Conversation>>();
  readonly #tracked = new Map<MessageId, SessionActor>();
  /** Ended conversations that still answer their peers' repeats, and what cancels their end. */
  readonly #lingering = new Map<ConversationControl, () => void>();
  /** Last states of conversations whose histories did not agree, without keys. */
  readonly #broken = new Map<Address, ConversationState>();
  #label = '';
  #ticks = 0;
  #status: ClientStatus = 'offline';
  #listed: () => void = () => {};
  /** Those who wait for a whole list. */
  readonly #awaited: (() => void)[] = [];
  #cleaned: Promise<void> = Promise.resolve();

  constructor(parts: ClientParts) {
    this.parts = parts;
    this.address = parts.address;
    this.name = parts.name;
    this.clock = parts.clock;
    this.random = parts.provider.random;
    this.#peers = new PeerList(parts.address);
    this.#openings = new Openings(this);
    this.#away = new Away(this);
    this.#upkeep = new HopUpkeep(parts, {
      message: (message) => this.#receive(message),
      up: (hop) => this.#online(hop),
      down: (event) => {
        parts.prekeys?.down();
        this.#setStatus({ status: 'offline', ...event });
      },
      lost: () => this.#giveUp(),
    });
  }

  get identity(): Client['identity'] {
    const { credential, fingerprint } = this.parts.identity;
    if (credential.kind === 'relay') throw new SimsError('client/invalid-argument', 'a client is no relay');
    return { kind: credential.kind, fingerprint: fingerprintText(fingerprint) };
  }

  get status(): ClientStatus {
    return this.#status;
  }

  get suite(): SuiteName {
    return this.#upkeep.suite;
  }

  get label(): string {
    return this.#label;
  }

  get relayIdentity(): Uint8Array {
    return this.#upkeep.relayIdentity;
  }

  get relayFingerprint(): string {
    return fingerprintText(this.relayIdentity);
  }

  get relayTrust(): RelayTrust {
    return this.parts.relayTrust;
  }

  get peers(): readonly Peer[] {
    return this.#peers.snapshot();
  }

  get conversations(): readonly Conversation[] {
    return [...this.#conversations.values()];
  }

  on<Type extends keyof ClientEvents>(type: Type, listener: (event: ClientEvents[Type]) => void): () => void {
    return this.#events.on(type, listener);
  }

  /** Connects for the first time. Resolves when the first list has come. */
  async start(signal: AbortSignal | undefined): Promise<void> {
    const abort = (): void => this.#upkeep.stop();
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const listed = new Promise<void>((resolve) => {
        this.#listed = resolve;
      });
      await this.#upkeep.connect();
      await listed;
      signal?.throwIfAborted();
    } catch (error) {
      this.#shut();
      throw signal?.aborted === true ? abortedError(signal.reason) : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async open(target: Address | Peer, options: OpenOptions = {}): Promise<Conversation> {
    const peer = typeof target === 'string' ? target : target.address;
    if (this.#status === 'closed') throw new SimsError('client/closed', 'the client is closed');
    if (options.signal?.aborted === true) throw abortedError(options.signal.reason);
    const present = this.#conversations.get(peer);
    if (present?.status === 'open' && !hasLapsed(present.identity) && present.state?.at !== 'broken') return present;
    if (present?.status === 'offered') return await present.accept();
    const opening = this.#opening.get(peer) ?? this.#shakeHands(peer, present, options);
    this.#opening.set(peer, opening);
    try {
      return await opening;
    } finally {
      this.#opening.delete(peer);
    }
  }

  async close(options: { readonly endConversations?: boolean } = {}): Promise<void> {
    if (this.#status !== 'closed') {
      if (options.endConversations ?? this.parts.endsConversations) await this.#endConversations();
      const goodbye = this.#upkeep.close();
      this.#shut();
      await goodbye;
    }
    await this.#cleaned;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async pin(peer: string, name?: string): Promise<void> {
    await this.parts.known.trust(peer, 'pinned', name);
  }

  // What conversations and handshakes ask of their client.

  send(message: Message): void {
    this.#upkeep.hop?.send(message);
  }

  track(id: MessageId, actor: SessionActor | undefined): void {
    if (actor === undefined) this.#tracked.delete(id);
    else this.#tracked.set(id, actor);
  }

  forget(state: ConversationState): void {
    // What is known of a history that does not agree is told in the next handshake.
    const broken = this.#broken.get(state.peer.address);
    if (broken === undefined || !equal(broken.conversationId, state.conversationId)) this.parts.forget?.(state);
  }

  get content(): ContentSchema | undefined {
    return this.parts.content;
  }

  trustOf(peer: Address, identity: PeerIdentity): PeerTrust {
    return this.parts.known.trustOf(clientIdOf(peer), identity);
  }

  async markVerified(peer: Address): Promise<void> {
    await this.parts.known.trust(peer, 'verified-in-person');
  }

  lastStateWith(peer: Address): ConversationState | undefined {
    return this.#conversations.get(peer)?.state ?? this.#broken.get(peer);
  }

  conversationWith(peer: Address): ConversationControl | undefined {
    return this.#conversations.get(peer);
  }

  newConversation(peer: Address, name: string, initiatedBy: 'own' | 'peer'): ConversationControl {
    const conversation = new ConversationControl(this, { address: peer, name: printableName(name) }, initiatedBy);
    this.#conversations.set(peer, conversation);
    return conversation;
  }

  relayedNameOf(peer: Address): string {
    return this.#peers.get(peer)?.name ?? '';
  }

  offeredCount(): number {
    let count = 0;
    for (const conversation of this.#conversations.values()) if (conversation.status === 'offered') count += 1;
    return count;
  }

  announce(conversation: ConversationControl): void {
    this.incoming.push(conversation);
  }

  tick(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  prepare({ conversation, established, role, peer, began }: Finished): () => void {
    const state = this.#stateOf(established, role, peer);
    const identity = peerIdentity(established.peer, peer.name);
    return () => {
      this.#attach(conversation, state, identity, established.peer, undefined, began);
    };
  }

  begunFrom(peer: Address, bundleId: Uint8Array): Session | undefined {
    const candidates = [this.#conversations.get(peer), ...this.#lingering.keys()];
    for (const conversation of candidates) {
      const session = conversation?.peer === peer ? conversation.begunFrom(bundleId) : undefined;
      if (session !== undefined) return session;
    }
    return undefined;
  }

  async attachStart(begun: Begun): Promise<void> {
    const { conversation, old } = begun;
    if (old === undefined) await this.#attachStored(begun);
    else await conversation.replace(old, () => this.#attachStored(begun));
  }

  takeRecord(message: RecordMessage, src: Address): void {
    const judged = this.#judge(message, src);
    if (message.stored !== true || message.type === 'ack') return;
    void judged.then((isDone) => {
      if (isDone) this.acknowledge(src, message.id);
    });
  }

  acknowledge(src: Address, id: MessageId): void {
    this.send({ type: 'ack', src, msgId: id });
  }

  #stateOf(established: Finished['established'], role: Finished['role'], peer: Finished['peer']): ConversationState {
    const { suite, conversationId, finalTranscriptHash, secrets } = established;
    const own = { address: this.address, fingerprint: this.parts.identity.fingerprint, label: this.#label };
    const { fingerprint } = established.peer;
    return startConversation(
      {
        role,
        conversationId,
        finalTranscriptHash,
        secrets,
        own,
        peer: { address: peer.address, fingerprint, label: peer.label },
        relayIdentity: this.relayIdentity,
        nowMs: this.clock.now(),
      },
      this.#contextOf(suite.name),
    );
  }

  /** Stores a session that began from a bundle, with what it takes over from another, and then gives it its place. */
  async #attachStored({ conversation, established, peer, start, old }: Begun): Promise<void> {
    const fresh = this.#stateOf(established, start.role, peer);
    // The owner of the bundle owes a record: it confirms.
    const state =
      start.role === 'responder' ? { ...fresh, acknowledgeAtMs: this.clock.now() } : this.#takeOver(fresh, start, old);
    const identity = peerIdentity(established.peer, peer.name);
    await this.#keeperOf(state, identity, start).commit(state);
    if (this.#status === 'closed') return;
    if (conversation.status === 'closed') {
      this.forget(state);
      return;
    }
    this.#attach(conversation, state, identity, established.peer, start);
    if (start.role === 'initiator') conversation.repeat();
  }

  /** Seals again what another start left: the same messages, with the same ids, in the same order. */
  #takeOver(fresh: ConversationState, start: Start, old: Session | undefined): ConversationState {
    if (start.role !== 'initiator' || old?.start?.role !== 'initiator') return fresh;
    const context = this.#contextOf(fresh.suite);
    const nowMs = this.clock.now();
    let state = fresh;
    for (const { id } of old.actor.state.outbox) {
      const kept = old.start.contents.get(id);
      if (kept === undefined) continue;
      start.contents.set(id, kept);
      const { kind, content, expiresAtMs } = kept;
      const expiry = expiresAtMs === undefined ? {} : { expiresAtMs };
      ({ state } = stepConversation(state, { type: 'send', id, kind, content, nowMs, ...expiry }, context));
    }
    return state;
  }

  #keeperOf(state: ConversationState, identity: PeerIdentity, start: Start | undefined): Keeper {
    return following(this.parts.keeperOf?.(state, identity, start) ?? IN_MEMORY, start);
  }

  ended(conversation: ConversationControl): void {
    const { brokenState } = conversation;
    if (brokenState !== undefined) this.#keepBroken(brokenState);
    if (this.#conversations.get(conversation.peer) === conversation) this.#conversations.delete(conversation.peer);
    if (this.#status === 'closed') {
      conversation.stop();
      return;
    }
    // Its sessions linger, so that the peer's repeats are answered.
    const cancel = this.clock.setTimer(this.clock.now() + LINGER_MS, () => {
      this.#lingering.delete(conversation);
      conversation.stop();
    });
    this.#lingering.set(conversation, cancel);
  }

  /** Takes up a conversation that was stored. */
  resume(state: ConversationState, identity: PeerIdentity, start: Start | undefined): void {
    const { peer, role } = state;
    if (state.at === 'broken') {
      this.#keepBroken(state);
      if (state.inbox.length === 0) return;
    }
    const conversation =
      this.#conversations.get(peer.address) ??
      this.newConversation(peer.address, identity.name, role === 'initiator' ? 'own' : 'peer');
    this.#attach(conversation, state, identity, identity, start);
    if (start?.role !== 'initiator' || isHeard(state)) conversation.confirm();
  }

  async #shakeHands(
    peer: Address,
    present: ConversationControl | undefined,
    options: OpenOptions,
  ): Promise<Conversation> {
    if (present?.status !== 'open') return await this.#openNew(peer, options);
    const listed = this.#peers.get(peer);
    if (listed === undefined) throw unknownPeerError();
    await this.#begin(present, listed, options);
    return present;
  }

  /** Asks for the whole list again: its changes come gathered, and a peer may have joined just now. */
  async #lookUp(peer: Address): Promise<Peer | undefined> {
    const { hop } = this.#upkeep;
    if (hop === undefined) return undefined;
    await this.#within(
      LIST_TIMEOUT_MS,
      new Promise<void>((resolve) => {
        this.#awaited.push(resolve);
        hop.send({ type: 'list', id: messageIdFromBytes(this.random(8)) });
      }),
    );
    return this.#peers.get(peer);
  }

  async #openNew(peer: Address, options: OpenOptions): Promise<Conversation> {
    const listed = this.#peers.get(peer) ?? (await this.#lookUp(peer));
    if (listed === undefined) throw unknownPeerError();
    if (options.signal?.aborted === true) throw abortedError(options.signal.reason);
    const present = this.#conversations.get(peer);
    // The peer may have asked meanwhile.
    if (present !== undefined) return await present.accept();
    const conversation = this.newConversation(peer, listed.name, 'own');
    try {
      await this.#begin(conversation, listed, options);
    } catch (error) {
      // The peer's own handshake may have opened it meanwhile.
      if (conversation.status === 'open') return conversation;
      conversation.end({ by: 'fault', reason: 'failed' });
      throw error;
    }
    return conversation;
  }

  /** A live handshake with who is there; a start from a bundle with who is away, or has just left. */
  async #begin(conversation: ConversationControl, peer: Peer, options: OpenOptions): Promise<void> {
    if (peer.online) {
      try {
        await this.#openings.initiate(conversation, peer, options);
        return;
      } catch (error) {
        const hasLeft = error instanceof SimsError && error.code === 'client/unknown-peer';
        if (!hasLeft || conversation.status !== 'opening' || peer.kind === 'none') throw error;
      }
    }
    await this.#away.begin(conversation, peer, options);
  }

  #attach(
    conversation: ConversationControl,
    state: ConversationState,
    identity: PeerIdentity,
    watched: Watched = identity,
    start?: Start,
    began?: number,
  ): void {
    this.#meet(conversation, identity);
    if (conversation.status === 'closed') {
      this.forget(state);
      return;
    }
    const keeper = this.#keeperOf(state, identity, start);
    const actor: SessionActor = new SessionActor(
      state,
      this.#contextOf(state.suite),
      keeper,
      this.clock,
      (output) => conversation.release(actor, output),
      {
        failed: (error, retry) => conversation.storeFailed(actor, error, retry),
        explains: () => conversation.explains,
      },
    );
    const number = safetyNumber(this.parts.provider, state.own.fingerprint, state.peer.fingerprint);
    const initiatedBy = state.role === 'initiator' ? 'own' : 'peer';
    conversation.attach({
      actor,
      identity,
      safetyNumber: number,
      initiatedBy,
      ...(began === undefined ? {} : { began }),
      ...(start === undefined ? {} : { start }),
    });
    this.#dropBroken(conversation, state);
    if (!identity.verified) return;
    const stop = watchVerification(watched, this.clock, this.parts.recheckMs, (error) => {
      conversation.unverify(actor, error);
    });
    void conversation.closed.then(stop);
  }

  /** Tells of a name that is known under other keys, and remembers who it is. */
  #meet(conversation: ConversationControl, identity: PeerIdentity): void {
    const { known } = this.parts;
    const change = known.changeOf(conversation.peer, identity);
    if (change !== undefined) {
      conversation.tellKeyChange(change);
      this.#events.emit('key-changed', { ...change, conversation });
    }
    known.meet(conversation.peer, identity).catch((error: unknown) => {
      this.#events.emit('store-failed', { error: error as SimsError });
    });
  }

  #keepBroken(state: ConversationState): void {
    this.#broken.delete(state.peer.address);
    this.#broken.set(state.peer.address, state);
    for (const [peer, oldest] of this.#broken) {
      if (this.#broken.size <= MAX_BROKEN) break;
      this.#broken.delete(peer);
      this.parts.forget?.(oldest);
    }
  }

  /** A new session: what was known of the one before has been told. */
  #dropBroken({ peer, brokenState }: ConversationControl, next: ConversationState): void {
    const broken = this.#broken.get(peer);
    if (broken === undefined || equal(broken.conversationId, next.conversationId)) return;
    this.#broken.delete(peer);
    // One that still has messages to read goes with its conversation.
    if (brokenState === undefined) this.parts.forget?.(broken);
  }

  #contextOf(name: SuiteName): ConversationContext {
    const suite = this.parts.suites.find((candidate) => candidate.name === name)!;
    return { suite, random: this.random, options: { ...DEFAULT_OPTIONS, ...this.parts.conversation } };
  }

  #online(hop: Hop): void {
    this.#label = hop.label;
    this.#setStatus({ status: 'online' });
    hop.send({ type: 'list', id: messageIdFromBytes(this.random(8)) });
    for (const conversation of [...this.#conversations.values(), ...this.#lingering.keys()]) conversation.repeat();
    this.#openings.repeat();
    this.#away.repeat();
    this.parts.prekeys?.up({
      send: (message) => hop.send(message),
      label: hop.label,
      relayIdentity: hop.relayIdentity,
    });
  }

  async #endConversations(): Promise<void> {
    const endings = [...this.#conversations.values()].map((conversation) => conversation.closeAs('client-ended'));
    await this.#within(CLOSE_TIMEOUT_MS, Promise.all(endings));
  }

  /** Resolves with the work, or after a time without it. */
  async #within(limitMs: number, work: Promise<unknown>): Promise<void> {
    let cancel = (): void => {};
    const timeout = new Promise<void>((resolve) => {
      cancel = this.clock.setTimer(this.clock.now() + limitMs, resolve);
    });
    await Promise.race([work, timeout]);
    cancel();
  }

  #giveUp(): void {
    for (const conversation of this.#conversations.values()) {
      if (this.parts.endsConversations) conversation.end({ by: 'fault', reason: 'failed' });
    }
    this.#shut();
  }

  #shut(): void {
    if (this.#status === 'closed') return;
    this.#setStatus({ status: 'closed' });
    this.#upkeep.stop();
    const closed = new SimsError('client/closed', 'the client is closed');
    this.#openings.end(closed);
    this.#away.end(closed);
    this.parts.prekeys?.down();
    // What was taken in is stored before the store is let go.
    const settled = [...this.#conversations.values(), ...this.#lingering.keys()].map((each) => each.idle());
    for (const conversation of this.#conversations.values()) {
      if (this.parts.endsConversations) conversation.end({ by: 'own', reason: 'client-ended' });
      else conversation.suspend();
    }
    for (const [conversation, cancel] of this.#lingering) {
      cancel();
      conversation.stop();
    }
    this.#lingering.clear();
    this.incoming.end();
    this.#cleaned = this.#within(CLOSE_TIMEOUT_MS, Promise.all(settled)).then(() => this.parts.cleanUp());
  }

  #setStatus(event: ClientEvents['status']): void {
    if (this.#status === 'closed') return;
    this.#status = event.status;
    this.#events.emit('status', event);
  }

  #receive(message: Message): void {
    switch (message.type) {
      case 'list':
        if (message.complete !== undefined) this.#takeList(message);
        break;
      case 'client-connect':
        if (message.src !== undefined) this.#takeConnect(message, message.src);
        break;
      case 'prekeys':
        // A store that fails is asked again with the next hop.
        if (message.count !== undefined) this.parts.prekeys?.take(message).catch(() => {});
        else if (message.src !== undefined) this.#away.takeBundle(message);
        break;
      case 'client-com':
      case 'client-disconnect':
        if (message.src !== undefined && !this.#away.hold(message, message.src)) this.takeRecord(message, message.src);
        break;
      case 'ack':
        if (message.msgId !== undefined)
          this.#tracked.get(message.msgId)?.offer({ type: 'accepted', id: message.msgId });
        else if (message.src !== undefined && !this.#away.hold(message, message.src))
          this.takeRecord(message, message.src);
        break;
      case 'error': {
        const { msgId, code, src } = message;
        if (msgId !== undefined && src === undefined) this.parts.prekeys?.refused(msgId);
        if (msgId === undefined || this.#openings.takeError(message) || this.#takeStartError(message, msgId)) break;
        if (code === 'expired' && src === undefined) {
          this.#tracked.get(msgId)?.offer({ type: 'expired', id: msgId, nowMs: this.clock.now() });
          break;
        }
        // A hint: the message is repeated, and fails only if nothing else is heard for long.
        if (code === (src === undefined ? 'unknown-peer' : 'unknown-conversation')) {
          this.#unreachable(msgId, src === undefined ? 'relay' : 'peer');
        }
        break;
      }
      default:
        break;
    }
  }

  #takeConnect(message: ClientConnect, src: Address): void {
    const answer = this.#openings.isOwn(src, message.id) ? undefined : bundleAnswerOf(message);
    if (answer !== undefined) this.#away.take(message, src, answer);
    else {
      this.#openings.take(message, src);
      // A live handshake's phase that waited is of no use any more, and nothing else is known of it.
      if (message.stored === true) this.acknowledge(src, message.id);
    }
  }

  /** An `error` for a fetch, or for a start of this side. */
  #takeStartError(message: ErrorMessage, id: MessageId): boolean {
    if (this.#away.takeError(message)) return true;
    for (const conversation of this.#conversations.values()) {
      if (message.src !== undefined && message.src !== conversation.peer) continue;
      const session = conversation.unheard(id);
      if (session === undefined) continue;
      this.#away.startRefused(conversation, session, message);
      return true;
    }
    return false;
  }

  #takeList(update: Parameters<PeerList['update']>[0]): void {
    const event = this.#peers.update(update);
    this.#listed();
    if (update.complete) for (const resolve of this.#awaited.splice(0)) resolve();
    if (event === undefined) return;
    this.#events.emit('peers', event);
    // A key that lived with its client object will not come back.
    for (const peer of event.gone) {
      if (this.#isFleeting(peer)) this.#conversations.get(peer.address)?.end({ by: 'fault', reason: 'gone' });
    }
    for (const peer of event.left) {
      if (this.#isFleeting(peer) && !event.gone.includes(peer)) this.#expect(peer.address);
    }
  }

  /** Whether a peer's key lives with its client object: by its credential, and by the relay's word only before that. */
  #isFleeting({ address, kind }: Peer): boolean {
    const conversation = this.#conversations.get(address);
    return (conversation?.state === undefined ? kind : conversation.identity.kind) === 'none';
  }

  /** A peer that is missing in a new list may still be on its way back. */
  #expect(peer: Address): void {
    const conversation = this.#conversations.get(peer);
    if (conversation === undefined) return;
    const cancel = this.clock.setTimer(this.clock.now() + RETURN_MS, () => {
      if (this.#peers.get(peer) === undefined) conversation.end({ by: 'fault', reason: 'gone' });
    });
    void conversation.closed.then(cancel);
  }

  #unreachable(id: MessageId, by: 'relay' | 'peer'): void {
    const actor = this.#tracked.get(id);
    if (actor === undefined) return;
    const conversation = this.#conversations.get(actor.state.peer.address);
    // It waits with its start for the peer to come.
    if (conversation?.repeatStart(actor) === true) return;
    conversation?.missed();
    actor.offer({ type: 'unreachable', by, id, nowMs: this.clock.now() });
  }

  /** Resolves to whether a record is stored or judged; otherwise it has to come again. */
  #judge(message: RecordMessage, src: Address): Promise<boolean> {
    const id = message.saData === undefined ? undefined : conversationIdOf(message.saData);
    if (id === undefined) return Promise.resolve(true);
    const name = hex(id);
    const present = this.#conversations.get(src)?.receive(name, message, hex);
    if (present !== undefined) return present;
    for (const conversation of this.#lingering.keys()) {
      const judged = conversation.peer === src ? conversation.receive(name, message, hex) : undefined;
      if (judged !== undefined) return judged;
    }
    // A handshake of this peer may be about to make the session.
    if (this.#openings.has(src)) return Promise.resolve(false);
    // ACKs are not answered.
    if (message.type === 'client-com') {
      this.send({ type: 'error', code: 'unknown-conversation', msgId: message.id, dst: src });
    }
    return Promise.resolve(true);
  }
}

/** Whether a certificate vouched for the peer, and does not any more. */
function hasLapsed({ kind, verified }: PeerIdentity): boolean {
  return kind === 'certificate' && !verified;
}
