/**
 * The client: one identity at one relay, reconnecting by itself, with any number of conversations.
 *
 * @packageDocumentation
 */
import { hex } from '../bytes.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import {
  createCredentialVerifier,
  failureReason,
  runInitiator,
  runResponder,
  safetyNumber,
  type AnswerHost,
  type EstablishedOutput,
  type HandshakeContext,
  type HandshakeRun,
  type InitiatorInput,
  type InitiatorOutput,
  type ResponderInput,
  type ResponderOutput,
  type VerifyCertificate,
  type VerifyRelay,
} from '../handshake/index.ts';
import { messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import type { ClientConnect } from '../messages/clientConnect.ts';
import type { ErrorMessage } from '../messages/error.ts';
import type { Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import type { Encoding } from '../messages/wire.ts';
import type { RecordMessage } from '../session/conversation.ts';
import { conversationIdOf } from '../session/saData.ts';
import {
  DEFAULT_OPTIONS,
  startConversation,
  type ConversationOptions,
  type ConversationState,
} from '../session/state.ts';
import type { Transport } from '../transport/transport.ts';
import type { Clock } from './clock.ts';
import { ConversationControl, type Conversation, type ConversationHost } from './conversation.ts';
import { Emitter, type Events } from './emitter.ts';
import { establishHop, type Hop, type HopEnd } from './hop.ts';
import { Inbox } from './inbox.ts';
import type { OwnIdentity } from './identity.ts';
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

/** Someone who wants a conversation, before anything is known of them but their address. */
export interface Request {
  readonly peer: Address;
  /** What the relay calls them. */
  readonly relayedName: string;
}

/** What to do with conversations that peers open: ask the application by {@link Client.incoming}, accept, decline. */
export type AcceptPolicy = 'ask' | 'all' | 'none' | ((request: Request) => 'ask' | boolean);

/** How the client stands with its relay. */
export type ClientStatus = 'online' | 'offline' | 'closed';

/** Events of a client. */
export interface ClientEvents {
  readonly peers: PeersEvent;
  readonly status: { readonly status: ClientStatus; readonly reason?: ErrorReason; readonly error?: SimsError };
}

/** Options of {@link Client.open}. */
export interface OpenOptions {
  readonly signal?: AbortSignal;
  /** Suites to offer, in the order of preference; by default the client's `peerSuites`. */
  readonly suites?: readonly SuiteName[];
  /** How long the peer may take to answer; default 60,000. */
  readonly timeoutMs?: number;
}

/** One identity at one relay. */
export interface Client extends AsyncDisposable, Events<ClientEvents> {
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
  /** Why that relay is trusted: pinned by the caller, remembered in the store, or taken as it came. */
  readonly relayTrust: 'pinned' | 'remembered' | 'first-use';
  /** Who is there now, by the relay's word. */
  readonly peers: readonly Peer[];
  /** Conversations that peers open; those that a policy accepted already are open. One reader. */
  readonly incoming: AsyncIterableIterator<Conversation>;
  /** Conversations that have not ended. */
  readonly conversations: readonly Conversation[];
  /**
   * A conversation with a peer: the present one, or a new one when the peer has accepted.
   *
   * @throws `client/unknown-peer`, `client/rejected`, `client/aborted`, `client/closed`, the handshake's error
   */
  open(peer: Address | Peer, options?: OpenOptions): Promise<Conversation>;
  /**
   * Says goodbye to the relay and closes. Conversations end, and up to 5 s are waited for what is outstanding; with a
   * store they are kept instead, and go on in the next client, unless `endConversations` is true.
   */
  close(options?: { readonly endConversations?: boolean }): Promise<void>;
}

/** Everything that a client is made of. */
export interface ClientParts {
  readonly provider: CryptoProvider;
  /** Suites that this client can run at all. */
  readonly suites: readonly Suite[];
  readonly clock: Clock;
  readonly identity: OwnIdentity;
  readonly address: Address;
  readonly device: Uint8Array;
  readonly name: string;
  readonly label?: string;
  /** Suites offered on the hop, in the order of preference. */
  readonly hopSuites: readonly SuiteName[];
  /** Suites offered in conversations, in the order of preference. */
  readonly peerSuites: readonly SuiteName[];
  /** Suites accepted from peers, in the order of preference. */
  readonly acceptSuites: readonly SuiteName[];
  readonly encoding: Encoding;
  readonly serverName: string;
  readonly accept: AcceptPolicy;
  readonly dial: (signal: AbortSignal) => Promise<Transport>;
  readonly reconnect: boolean;
  readonly conversation?: Partial<ConversationOptions>;
  readonly relayIdentity?: Uint8Array;
  readonly verifyCertificate?: VerifyCertificate;
  readonly verifyRelay?: VerifyRelay;
  readonly rsaPool?: AnswerHost['rsaPool'];
  readonly relayTrust: Client['relayTrust'];
  /** Whether closing the client ends its conversations; otherwise they are kept and go on in the next one. */
  readonly endsConversations: boolean;
  readonly keeperOf?: (state: ConversationState, identity: PeerIdentity) => Keeper;
  /** A conversation has ended for good: what was kept of it may go. */
  readonly forget?: (state: ConversationState) => void;
  /** Called once, when the client has closed. */
  readonly cleanUp: () => Promise<void>;
}

/** A conversation's handshake on its way. */
interface Opening {
  readonly run: HandshakeRun<InitiatorInput> | HandshakeRun<ResponderInput>;
  readonly role: 'initiator' | 'responder';
  readonly conversation: ConversationControl;
  readonly peer: Address;
  readonly cancelTimer: () => void;
  /** The initiator waits for phase 4; the responder for the application. */
  readonly settle: (error: SimsError | undefined) => void;
}

const MAX_OPENINGS = 64;
const MAX_OFFERED = 64;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 15_000;
const CLOSE_TIMEOUT_MS = 5_000;

/** The client with what connects and reconnects it. */
export class ClientControl implements Client, ConversationHost {
  readonly address: Address;
  readonly name: string;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly incoming: Inbox<Conversation> = new Inbox();
  readonly #parts: ClientParts;
  readonly #events = new Emitter<ClientEvents>();
  readonly #peers: PeerList;
  readonly #conversations = new Map<Address, ConversationControl>();
  readonly #openings = new Map<string, Opening>();
  readonly #tracked = new Map<MessageId, SessionActor>();
  /** Ended conversations that still answer their peers' repeats, and what cancels their end. */
  readonly #lingering = new Map<ConversationControl, () => void>();
  readonly #stopped = new AbortController();
  #listed: () => void = () => {};
  #cleaned: Promise<void> = Promise.resolve();
  #hop: Hop | undefined;
  #relayIdentity: Uint8Array;
  #label = '';
  #suite: SuiteName;
  #status: ClientStatus = 'offline';
  #cancelRetry: () => void = () => {};

  constructor(parts: ClientParts) {
    this.#parts = parts;
    this.address = parts.address;
    this.name = parts.name;
    this.clock = parts.clock;
    this.random = parts.provider.random;
    this.#peers = new PeerList(parts.address);
    this.#relayIdentity = parts.relayIdentity ?? new Uint8Array(32);
    this.#suite = parts.hopSuites[0]!;
  }

  get identity(): Client['identity'] {
    const { credential, fingerprint } = this.#parts.identity;
    return { kind: credential.kind as 'none', fingerprint: fingerprintText(fingerprint) };
  }

  get status(): ClientStatus {
    return this.#status;
  }

  get suite(): SuiteName {
    return this.#suite;
  }

  get label(): string {
    return this.#label;
  }

  get relayFingerprint(): string {
    return fingerprintText(this.#relayIdentity);
  }

  get relayTrust(): Client['relayTrust'] {
    return this.#parts.relayTrust;
  }

  /** SHA-256 of the relay's key, 32 bytes. */
  get relayIdentity(): Uint8Array {
    return this.#relayIdentity;
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
    const abort = (): void => this.#stopped.abort(signal?.reason);
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const listed = new Promise<void>((resolve) => {
        this.#listed = resolve;
      });
      await this.#connect(this.#parts.relayIdentity);
      await listed;
    } catch (error) {
      this.#shut();
      throw signal?.aborted === true
        ? new SimsError('client/aborted', 'aborted by its signal', { cause: error })
        : error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async open(target: Address | Peer, options: OpenOptions = {}): Promise<Conversation> {
    const peer = typeof target === 'string' ? target : target.address;
    if (this.#status === 'closed') throw new SimsError('client/closed', 'the client is closed');
    const { signal } = options;
    if (signal?.aborted === true)
      throw new SimsError('client/aborted', 'aborted by its signal', { cause: signal.reason });
    const present = this.#conversations.get(peer);
    if (present?.status === 'open') return present;
    if (present?.status === 'offered') return await present.accept();
    const listed = this.#peers.get(peer);
    if (listed === undefined) throw unknownPeer();
    const conversation = present ?? this.#newConversation(peer, listed.name, 'own');
    return await this.#initiate(conversation, listed, options);
  }

  async close(options: { readonly endConversations?: boolean } = {}): Promise<void> {
    if (this.#status === 'closed') return await this.#cleaned;
    if (options.endConversations ?? this.#parts.endsConversations) await this.#endConversations();
    const hop = this.#hop;
    this.#shut();
    await hop?.close();
    await this.#cleaned;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // What conversations ask of their client.

  send(message: RecordMessage): void {
    this.#hop?.send(message);
  }

  track(id: MessageId, actor: SessionActor | undefined): void {
    if (actor === undefined) this.#tracked.delete(id);
    else this.#tracked.set(id, actor);
  }

  forget(state: ConversationState): void {
    this.#parts.forget?.(state);
  }

  ended(conversation: ConversationControl): void {
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
  resume(state: ConversationState, identity: PeerIdentity): void {
    const { peer, role } = state;
    const initiatedBy = role === 'initiator' ? 'own' : 'peer';
    const conversation =
      this.#conversations.get(peer.address) ?? this.#newConversation(peer.address, identity.name, initiatedBy);
    this.#attach(conversation, state, identity, initiatedBy);
    conversation.confirm();
  }

  async #endConversations(): Promise<void> {
    const endings = [...this.#conversations.values()].map((conversation) => conversation.closeAs('client-ended'));
    let cancel = (): void => {};
    const timeout = new Promise<void>((resolve) => {
      cancel = this.clock.setTimer(this.clock.now() + CLOSE_TIMEOUT_MS, resolve);
    });
    await Promise.race([Promise.all(endings), timeout]);
    cancel();
  }

  async #connect(relayIdentity: Uint8Array | undefined): Promise<void> {
    const parts = this.#parts;
    const transport = await parts.dial(this.#stopped.signal);
    const stop = (): void => transport.abort();
    this.#stopped.signal.addEventListener('abort', stop, { once: true });
    if (this.#stopped.signal.aborted) transport.abort();
    let hop: Hop | undefined;
    const options = {
      provider: parts.provider,
      clock: parts.clock,
      verifyCredential: this.#verifier(),
      identity: parts.identity,
      address: parts.address,
      device: parts.device,
      name: parts.name,
      suites: parts.suites,
      offer: parts.hopSuites,
      encoding: parts.encoding,
      serverName: parts.serverName,
      ...(parts.label === undefined ? {} : { label: parts.label }),
      ...(relayIdentity === undefined ? {} : { relayIdentity }),
    };
    hop = await establishHop(transport, options, {
      message: (message) => this.#receive(message),
      ended: (end) => {
        this.#stopped.signal.removeEventListener('abort', stop);
        this.#hopEnded(hop, end);
      },
    });
    const first = this.#hop === undefined && this.#label === '';
    this.#hop = hop;
    this.#suite = hop.suite;
    if (first) {
      this.#relayIdentity = hop.relayIdentity;
      this.#label = hop.label;
    }
    this.#setStatus({ status: 'online' });
    hop.send({ type: 'list', id: this.#newId() });
    // Another level is another place: conversations wait for theirs.
    if (hop.label !== this.#label) return;
    const nowMs = this.clock.now();
    for (const conversation of [...this.#conversations.values(), ...this.#lingering.keys()]) {
      conversation.offerAll({ type: 'reconnected', nowMs });
    }
  }

  #verifier(): ReturnType<typeof createCredentialVerifier> {
    const { provider, verifyCertificate, verifyRelay } = this.#parts;
    return createCredentialVerifier({
      provider,
      ...(verifyCertificate === undefined ? {} : { verifyCertificate }),
      ...(verifyRelay === undefined ? {} : { verifyRelay }),
    });
  }

  #hopEnded(hop: Hop | undefined, end: HopEnd): void {
    if (this.#status === 'closed' || (hop !== undefined && this.#hop !== hop)) return;
    this.#hop = undefined;
    const reason = end.by === 'relay' && end.code !== undefined ? { reason: end.code } : {};
    const error = end.by === 'fault' ? { error: end.error } : {};
    this.#setStatus({ status: 'offline', ...reason, ...error });
    // Whoever took this address over has it: fighting for it would only alternate.
    if (!this.#parts.reconnect || (end.by === 'relay' && end.code === 'taken-over')) {
      this.#giveUp();
      return;
    }
    this.#retry(FIRST_RETRY_MS);
  }

  /** Full-jitter back-off: a relay that restarts is not met by everyone at once. */
  #retry(ceilingMs: number): void {
    const [high = 0, low = 0] = this.random(2);
    const waitMs = Math.floor((ceilingMs * (high * 256 + low)) / 65_536);
    this.#cancelRetry = this.clock.setTimer(this.clock.now() + waitMs, () => {
      if (this.#status === 'closed') return;
      this.#connect(this.#relayIdentity).catch((error: unknown) => {
        if (this.#status === 'closed' || this.#status === 'online') return;
        if (error instanceof SimsError && error.code === 'handshake/identity-mismatch') {
          const changed = new SimsError('client/relay-changed', 'another relay answers', { cause: error });
          this.#setStatus({ status: 'offline', error: changed });
          this.#giveUp();
          return;
        }
        this.#retry(Math.min(ceilingMs * 2, LONGEST_RETRY_MS));
      });
    });
  }

  #giveUp(): void {
    for (const conversation of this.#conversations.values()) {
      if (this.#parts.endsConversations) conversation.end({ by: 'fault', reason: 'failed' });
    }
    this.#shut();
  }

  #shut(): void {
    if (this.#status === 'closed') return;
    this.#cancelRetry();
    if (this.#hop === undefined) this.#stopped.abort();
    this.#hop = undefined;
    this.#setStatus({ status: 'closed' });
    for (const opening of this.#openings.values())
      opening.settle(new SimsError('client/closed', 'the client is closed'));
    this.#openings.clear();
    const suspends = !this.#parts.endsConversations;
    for (const conversation of this.#conversations.values()) {
      if (suspends) conversation.suspend();
      else conversation.end({ by: 'own', reason: 'client-ended' });
    }
    for (const [conversation, cancel] of this.#lingering) {
      cancel();
      conversation.stop();
    }
    this.#lingering.clear();
    this.incoming.end();
    this.#cleaned = this.#parts.cleanUp();
  }

  #setStatus(event: ClientEvents['status']): void {
    this.#status = event.status;
    this.#events.emit('status', event);
  }

  #receive(message: Message): void {
    switch (message.type) {
      case 'list':
        if (message.complete !== undefined) this.#takeList(message);
        break;
      case 'client-connect':
        if (message.src !== undefined) this.#takeHandshake(message, message.src);
        break;
      case 'client-com':
      case 'client-disconnect':
        if (message.src !== undefined) this.#takeRecord(message, message.src);
        break;
      case 'ack':
        if (message.msgId !== undefined)
          this.#tracked.get(message.msgId)?.offer({ type: 'accepted', id: message.msgId });
        else if (message.src !== undefined) this.#takeRecord(message, message.src);
        break;
      case 'error':
        this.#takeError(message);
        break;
      default:
        break;
    }
  }

  #takeList(update: Parameters<PeerList['update']>[0]): void {
    const event = this.#peers.update(update);
    this.#listed();
    if (event === undefined) return;
    this.#events.emit('peers', event);
    for (const peer of event.left) {
      // A key that lived with its client object will not come back.
      const conversation = this.#conversations.get(peer.address);
      if (peer.kind === 'none') conversation?.end({ by: 'fault', reason: 'gone' });
    }
  }

  #takeRecord(message: RecordMessage, src: Address): void {
    const id = message.saData === undefined ? undefined : conversationIdOf(message.saData);
    if (id === undefined) return;
    const known = [...this.#lingering.keys()].filter((conversation) => conversation.peer === src);
    const conversation = this.#conversations.get(src);
    if (conversation !== undefined) known.unshift(conversation);
    if (known.some((candidate) => candidate.receive(hex(id), message, hex))) return;
    // ACKs are not answered, and a handshake of this peer may be about to make the session.
    const opening = [...this.#openings.values()].some((candidate) => candidate.peer === src);
    if (message.type === 'client-com' && !opening) {
      this.#hop?.send({ type: 'error', code: 'unknown-conversation', msgId: message.id, dst: src });
    }
  }

  #takeError(message: ErrorMessage): void {
    const { msgId, code, src } = message;
    if (msgId === undefined) return;
    for (const [key, { run, peer }] of this.#openings) {
      // A hint: it may end the handshake that it names, and nothing else.
      if (key !== openingKey(peer, msgId) || (src !== undefined && src !== peer)) continue;
      (run as HandshakeRun<InitiatorInput>).feed({ type: 'abort', error: hintError(code) });
      return;
    }
    if (src === undefined && code === 'unknown-peer') {
      this.#tracked.get(msgId)?.offer({ type: 'unreachable', id: msgId, nowMs: this.clock.now() });
    }
  }

  #takeHandshake(message: ClientConnect, src: Address): void {
    const key = openingKey(src, message.id);
    const opening = this.#openings.get(key);
    if (opening !== undefined) {
      opening.run.feed({ type: 'message', phase: message.phase, body: message.data });
    } else if (message.phase === 1 && src !== this.address) this.#respond(message, src, key);
  }

  #initiate(conversation: ConversationControl, peer: Peer, options: OpenOptions): Promise<Conversation> {
    return new Promise((resolve, reject) => {
      const { provider } = this.#parts;
      const nonce = provider.random(32);
      const id = messageIdFromBytes(nonce.subarray(0, 8));
      const key = openingKey(peer.address, id);
      const { signal } = options;
      const abort = (): void => {
        run.feed({
          type: 'abort',
          error: new SimsError('client/aborted', 'aborted by its signal', { cause: signal?.reason }),
        });
      };
      const context: HandshakeContext = {
        plane: 'conversation',
        provider,
        suites: this.#parts.suites,
        initiator: this.address,
        responder: peer.address,
        relayIdentity: this.#relayIdentity,
        initiatorLabel: this.#label,
        responderLabel: peer.label,
      };
      let attached: (() => void) | undefined;
      let cancelTimer = (): void => {};
      const settle = (error: SimsError | undefined): void => {
        cancelTimer();
        this.#openings.delete(key);
        signal?.removeEventListener('abort', abort);
        if (error === undefined) resolve(conversation);
        else {
          if (conversation.status === 'opening') conversation.end({ by: 'fault', reason: 'failed' });
          reject(error);
        }
      };
      const output = (produced: InitiatorOutput): undefined => {
        if (produced.type === 'send') {
          const { phase, body } = produced;
          this.#hop?.send({ type: 'client-connect', phase, id, dst: peer.address, data: body });
        } else if (produced.type === 'timer') {
          cancelTimer();
          cancelTimer = this.clock.setTimer(produced.atMs, () => {
            run.feed({ type: 'timer', nowMs: this.clock.now() });
          });
        } else if (produced.type === 'established') {
          attached = this.#prepare(conversation, produced, 'initiator', peer);
        } else if (produced.type === 'confirmed') {
          attached?.();
          conversation.confirm();
          settle(undefined);
        }
        return undefined;
      };
      const run = runInitiator(context, this.#answerHost(), { output, failed: settle });
      this.#openings.set(key, {
        run,
        role: 'initiator',
        conversation,
        peer: peer.address,
        cancelTimer: () => cancelTimer(),
        settle,
      });
      signal?.addEventListener('abort', abort, { once: true });
      try {
        run.feed({
          type: 'start',
          nonce,
          boxRandomness: provider.random(16),
          offer: options.suites ?? this.#parts.peerSuites,
          credential: this.#parts.identity.credential,
          name: this.name,
          parameters: {},
          nowMs: this.clock.now(),
          ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
        });
      } catch (error) {
        settle(error as SimsError);
      }
    });
  }

  #respond(message: ClientConnect, src: Address, key: string): void {
    if (this.#openings.size >= MAX_OPENINGS || message.label === undefined) return;
    const { provider, suites } = this.#parts;
    const listed = this.#peers.get(src);
    const peer = { address: src, name: listed?.name ?? '', label: message.label };
    const context: HandshakeContext = {
      plane: 'conversation',
      provider,
      suites,
      initiator: src,
      responder: this.address,
      relayIdentity: this.#relayIdentity,
      initiatorLabel: message.label,
      responderLabel: this.#label,
    };
    let conversation = this.#conversations.get(src);
    let claimedName = '';
    let cancelTimer = (): void => {};
    const waiting: { resolve: () => void; reject: (error: SimsError) => void }[] = [];
    const settle = (error: SimsError | undefined): void => {
      if (error !== undefined) {
        cancelTimer();
        this.#openings.delete(key);
        if (conversation?.status === 'offered') conversation.end({ by: 'fault', reason: 'failed' });
      }
      for (const { resolve, reject } of waiting.splice(0)) error === undefined ? resolve() : reject(error);
    };
    const failed = (error: SimsError): void => {
      this.#hop?.send({ type: 'error', code: failureReason(error), msgId: message.id, dst: src });
      settle(error);
    };
    const accept = (): ResponderInput => ({
      type: 'accept',
      suites: this.#servable(),
      nonce: provider.random(32),
      boxRandomness: provider.random(16),
      credential: this.#parts.identity.credential,
      nowMs: this.clock.now(),
    });
    const output = (produced: ResponderOutput): ResponderInput | undefined => {
      switch (produced.type) {
        case 'send': {
          const { phase, body } = produced;
          this.#hop?.send({ type: 'client-connect', phase, id: message.id, dst: src, data: body });
          return undefined;
        }
        case 'timer':
          cancelTimer();
          cancelTimer = this.clock.setTimer(produced.atMs, () => {
            run.feed({ type: 'timer', nowMs: this.clock.now() });
            // Repeats of phase 3 are answered until then.
            if (run.at === 'established') this.#openings.delete(key);
          });
          return undefined;
        case 'consent': {
          // A peer that has a live conversation was accepted before: it asks for new keys.
          const known = conversation !== undefined && conversation.status !== 'offered';
          const decision = known ? true : this.#decide({ peer: src, relayedName: printableName(peer.name) });
          if (decision === false) return { type: 'reject', code: 'rejected' };
          if (decision === true) {
            conversation ??= this.#newConversation(src, peer.name, 'peer');
            return accept();
          }
          if (conversation !== undefined || this.#offeredCount() >= MAX_OFFERED)
            return { type: 'reject', code: 'busy' };
          conversation = this.#newConversation(src, peer.name, 'peer');
          let asked: Promise<void> | undefined;
          conversation.answer = {
            accept: () =>
              (asked ??= new Promise((resolve, reject) => {
                waiting.push({ resolve, reject });
                run.feed(accept());
              })),
            reject: () => {
              run.feed({ type: 'reject', code: 'rejected' });
              conversation?.end({ by: 'own', reason: 'rejected' });
            },
          };
          this.incoming.push(conversation);
          return undefined;
        }
        case 'authenticated':
          claimedName = produced.name;
          return { type: 'finish', name: this.name, parameters: {}, nowMs: this.clock.now() };
        case 'established': {
          const target = conversation ?? this.#newConversation(src, peer.name, 'peer');
          const isNew = target.status === 'offered' && target.answer === undefined;
          this.#prepare(target, produced, 'responder', { ...peer, name: claimedName })();
          settle(undefined);
          if (isNew) this.incoming.push(target);
          return undefined;
        }
        default:
          return undefined;
      }
    };
    const run: HandshakeRun<ResponderInput> = runResponder(context, this.#answerHost(), { output, failed });
    const opening = {
      run,
      role: 'responder',
      get conversation() {
        return conversation!;
      },
      peer: src,
      cancelTimer: () => cancelTimer(),
      settle,
    } as const;
    this.#openings.set(key, opening);
    run.feed({ type: 'message', phase: 1, body: message.data });
  }

  /** Starts the session of an authenticated handshake; the returned function makes it the conversation's. */
  #prepare(
    conversation: ConversationControl,
    established: EstablishedOutput,
    role: 'initiator' | 'responder',
    peer: { readonly address: Address; readonly label: string; readonly name: string },
  ): () => void {
    const { identity } = this.#parts;
    const state = startConversation(
      {
        role,
        conversationId: established.conversationId,
        finalTranscriptHash: established.finalTranscriptHash,
        secrets: established.secrets,
        own: { address: this.address, fingerprint: identity.fingerprint, label: this.#label },
        peer: { address: peer.address, fingerprint: established.peer.fingerprint, label: peer.label },
        relayIdentity: this.#relayIdentity,
        nowMs: this.clock.now(),
      },
      this.#sessionContext(established.suite),
    );
    return () => {
      const who = peerIdentity(established.peer, peer.name);
      this.#attach(conversation, state, who, role === 'initiator' ? 'own' : 'peer');
    };
  }

  #attach(
    conversation: ConversationControl,
    state: ConversationState,
    identity: PeerIdentity,
    initiatedBy: 'own' | 'peer',
  ): void {
    const suite = this.#parts.suites.find((candidate) => candidate.name === state.suite)!;
    const keeper = this.#parts.keeperOf?.(state, identity) ?? IN_MEMORY;
    const actor: SessionActor = new SessionActor(state, this.#sessionContext(suite), keeper, this.clock, (output) => {
      conversation.release(actor, output);
    });
    const number = safetyNumber(this.#parts.provider, state.own.fingerprint, state.peer.fingerprint);
    conversation.attach({ actor, identity, safetyNumber: number, initiatedBy });
  }

  #sessionContext(suite: Suite): {
    suite: Suite;
    random: (length: number) => Uint8Array;
    options: ConversationOptions;
  } {
    return { suite, random: this.random, options: { ...DEFAULT_OPTIONS, ...this.#parts.conversation } };
  }

  #answerHost(): AnswerHost {
    const { identity, provider, rsaPool } = this.#parts;
    return {
      sign: identity.sign,
      verifyCredential: this.#verifier(),
      random: provider.random,
      now: () => this.clock.now(),
      ...(rsaPool === undefined ? {} : { rsaPool }),
    };
  }

  /** Suites that can be served now. */
  #servable(): readonly SuiteName[] {
    return this.#parts.acceptSuites;
  }

  #decide(request: Request): 'ask' | boolean {
    const { accept } = this.#parts;
    if (typeof accept === 'function') return accept(request);
    return accept === 'ask' ? 'ask' : accept === 'all';
  }

  #newConversation(peer: Address, name: string, initiatedBy: 'own' | 'peer'): ConversationControl {
    const conversation = new ConversationControl(this, { address: peer, name: printableName(name) }, initiatedBy);
    this.#conversations.set(peer, conversation);
    return conversation;
  }

  #offeredCount(): number {
    let count = 0;
    for (const conversation of this.#conversations.values()) if (conversation.status === 'offered') count += 1;
    return count;
  }

  #newId(): MessageId {
    return messageIdFromBytes(this.random(8));
  }
}

/** A closed conversation answers its peer's repeats for this long. */
const LINGER_MS = 30_000;

function openingKey(peer: Address, id: MessageId): string {
  return `${peer} ${id}`;
}

function unknownPeer(): SimsError {
  return new SimsError('client/unknown-peer', 'the relay cannot reach that address, or may not');
}

function hintError(code: ErrorReason): SimsError {
  if (code === 'unknown-peer') return unknownPeer();
  if (code === 'rejected') return new SimsError('client/rejected', 'the peer declines');
  if (code === 'no-common-suite')
    return new SimsError('handshake/no-common-suite', 'the peer takes none of the suites');
  return new SimsError('client/rejected', `the peer or the relay answers ${code}`);
}
