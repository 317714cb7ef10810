/**
 * A conversation as an application sees it: send, read, close.
 *
 * @packageDocumentation
 */
import { equal } from '../bytes.ts';
import type { SuiteName } from '../crypto/suite.ts';
import { SimsError, type ErrorCode } from '../errors.ts';
import { addressBytes, messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import type { Message } from '../messages/messages.ts';
import { compareBytes } from '../session/binding.ts';
import type { ConversationOutput, RecordMessage } from '../session/conversation.ts';
import type { RecordExplanation } from '../session/explain.ts';
import type { PreviousComparison } from '../session/previous.ts';
import type { Evidence } from '../session/receiving.ts';
import type { CloseReason, Consistency, ConversationState, InboxEntry } from '../session/state.ts';
import type { Clock } from './clock.ts';
import { decodeContent, encodeContent, type Content, type ContentSchema, type ReceivedMessage } from './content.ts';
import { Emitter, type Events } from './emitter.ts';
import { Inbox } from './inbox.ts';
import type { KeyChange, PeerTrust } from './knownPeers.ts';
import type { PeerIdentity } from './peers.ts';
import { isHeard, remember, type OwnStart, type Start } from './start.ts';
import { OpenReceipt, type DeliveryState, type Receipt } from './receipt.ts';
import type { ReleasedOutput, Retry, SessionActor } from './sessionActor.ts';

/** Options of {@link Conversation.send}. */
export interface SendOptions {
  /** Aborts the wait for a place in the window; afterwards without effect. */
  readonly signal?: AbortSignal;
  /** Gives the message up when it is not delivered within this time; by default never. */
  readonly expiresInMs?: number;
}

/**
 * How a conversation ended. `gone`: the peer's session at the relay ended for good. `suspended`: its client closed, and
 * the store keeps it for the next one.
 */
export interface ConversationEnd {
  readonly by: 'own' | 'peer' | 'fault';
  readonly reason: CloseReason | 'gone' | 'rejected' | 'inconsistent' | 'failed' | 'suspended';
}

/** Events of a conversation. */
export interface ConversationEvents {
  /** A message of this side moved on. */
  readonly state: { readonly id: MessageId; readonly state: DeliveryState; readonly reason?: string };
  /** The histories agree, have a gap, or do not agree; then with evidence, and the conversation has ended. */
  readonly consistency: {
    readonly consistency: Consistency;
    readonly evidence?: Evidence;
    readonly explanation?: RecordExplanation;
  };
  /** What the peer knows of the last conversation with it, by the handshake of this one. */
  readonly previous: PreviousComparison;
  /** The name of the peer is known under other keys. Told before anything is sent. */
  readonly 'key-changed': KeyChange;
  /**
   * The store did not take a new state. Nothing is lost: a send is rejected, a record comes again, and all else is tried
   * again at `retryAtMs`. With `store/conflict` another client has written, and the conversation ends here.
   */
  readonly 'store-failed': { readonly error: SimsError; readonly retryAtMs?: number };
  /** The peer has answered for the first time a conversation that began while it was away. */
  readonly confirmed: { readonly suite: SuiteName };
  /** A newer handshake replaced the keys. */
  readonly replaced: { readonly suite: SuiteName };
  /**
   * A record came that was not accepted, harmless repeats among them, or a message whose content cannot be shown
   * (`client/content-refused`, `codec/*`): that one is acknowledged. `explanation`: what was expected, what came, what to do; made
   * only while somebody listens, for it costs as much as the record.
   */
  readonly dropped: { readonly code: ErrorCode; readonly detail: string; readonly explanation?: RecordExplanation };
  /**
   * The peer's certificate does not vouch for it any more: its time is over, or `error` says what a look at it gave (it was
   * revoked, for instance). `identity` is no longer verified; the conversation goes on unless it is closed. `client.open` looks at
   * the peer anew.
   */
  readonly unverified: { readonly identity: PeerIdentity; readonly error?: SimsError };
  readonly closed: ConversationEnd;
}

/**
 * One conversation with one peer. Read it with `for await (const message of conversation)`, by one reader: it ends when
 * the conversation has ended and everything was read. A message counts as taken when the reader asks for the next.
 */
export interface Conversation<Data = unknown>
  extends AsyncIterable<ReceivedMessage<Data>>, AsyncDisposable, Events<ConversationEvents> {
  readonly peer: Address;
  /** `offered`: a peer asks, and waits for {@link Conversation.accept}. */
  readonly status: 'offered' | 'opening' | 'open' | 'closed';
  /** Who opened it. */
  readonly initiatedBy: 'own' | 'peer';
  /** What the relay calls the peer; its word alone. */
  readonly relayedName: string;
  /** Who the peer is. @throws `client/not-open` before the handshake */
  readonly identity: PeerIdentity & { readonly trust: PeerTrust };
  /** Who else is known by the peer's name; `undefined` for nobody. */
  readonly keyChange: KeyChange | undefined;
  /** @throws `client/not-open` before the handshake */
  readonly suite: SuiteName;
  /** Sixty digits to compare by another channel. @throws `client/not-open` before the handshake */
  readonly safetyNumber: string;
  /** Label of the peer's session, and so of every message from it: bound into each by both ends, by the relay's word. */
  readonly label: string;
  /**
   * Whether the peer has answered: from then on it surely holds the keys. False in a conversation that began while the peer
   * is away, until it comes back (event `confirmed`).
   */
  readonly confirmed: boolean;
  /** How the histories of both sides stand; what the protocol calls the status of a conversation. */
  readonly consistency: Consistency;
  /**
   * Sixty digits of all that was said so far: the same on both sides when nothing is on its way, to compare as a safety
   * number is. @throws `client/not-open` before the handshake
   */
  readonly digest: string;
  /** What the newest handshake showed of the conversation before; `undefined` when there was nothing to compare. */
  readonly previous: PreviousComparison | undefined;
  /** Resolves when the conversation has ended. */
  readonly closed: Promise<ConversationEnd>;
  /**
   * Accepts an offered conversation; resolves when it is open, at once when it was.
   *
   * @throws the handshake's error
   */
  accept(): Promise<this>;
  /** Declines an offered conversation. Without effect on any other. */
  reject(): void;
  /**
   * Sends a message, in the order of the calls. Resolves when its state is stored and it is on its way, which may wait
   * for a place in the window of unacknowledged messages.
   *
   * @throws `client/text-too-long`, `client/content-invalid`, `codec/lone-surrogate`, `client/aborted`,
   *   `client/conversation-closed`, `store/failed`
   */
  send(content: Content, options?: SendOptions): Promise<Receipt>;
  /** Renews the sending keys with the next message. */
  rekey(): Promise<void>;
  /**
   * Two people have compared the safety number by another channel: remembered for the peer's key, in the store where there
   * is one. @throws `client/not-open` before the handshake, `store/*`
   */
  markVerified(): Promise<void>;
  /** Ends the conversation; resolves when the peer has acknowledged that, or after 5 s. */
  close(): Promise<void>;
}

/** What a conversation needs of its client. */
export interface ConversationHost {
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  /** Of this client's session: a conversation of another level waits for its own. */
  readonly label: string;
  /** Counts a moment, so that it can be told which of two came first. */
  tick(): number;
  send(message: Message): void;
  /** The session that a message's acknowledgement by the relay is for. */
  track(id: MessageId, actor: SessionActor | undefined): void;
  /** Stored state of an ended session may go. */
  forget(state: ConversationState): void;
  ended(conversation: ConversationControl): void;
  /** Checks the application's data. */
  readonly content: ContentSchema | undefined;
  trustOf(peer: Address, identity: PeerIdentity): PeerTrust;
  markVerified(peer: Address): Promise<void>;
}

/** What a handshake made. */
export interface Session {
  readonly actor: SessionActor;
  readonly identity: PeerIdentity;
  readonly safetyNumber: string;
  readonly initiatedBy: 'own' | 'peer';
  /** When its handshake began, by the client's count of moments; absent where it cannot have crossed another. */
  readonly began?: number;
  /** Of a session that began from a bundle. */
  readonly start?: Start;
}

interface Outgoing {
  readonly content: Uint8Array;
  readonly kind: 'text' | 'data';
  readonly options: SendOptions;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: unknown) => void;
}

/** Unread messages beyond which further records are left to be repeated. */
const MAX_UNREAD = 1_000;
/** Unacknowledged content beyond which further messages wait. */
const MAX_OUTSTANDING_BYTES = 8 * 1_048_576;
/** A start is not said again within this time. */
const START_AGAIN_MS = 1_000;
/** Unacknowledged messages beyond which further messages wait; below the session's own window. */
const MAX_OUTSTANDING = 200;

/** The conversation with its client's handles on it. */
export class ConversationControl implements Conversation {
  readonly peer: Address;
  readonly initiatedBy: 'own' | 'peer';
  readonly relayedName: string;
  readonly closed: Promise<ConversationEnd>;
  /** The handshake that may make an offered conversation open. */
  offer: object | undefined;
  /** Whether the application was told of it. */
  isAnnounced = false;
  /** What the application can answer to an offer; absent once it has consented. */
  answer:
    | {
        readonly accept: () => Promise<void>;
        readonly reject: () => void;
        /** Asks no more: there is a newer handshake. */
        readonly withdraw: () => void;
      }
    | undefined;
  readonly #host: ConversationHost;
  readonly #events = new Emitter<ConversationEvents>();
  readonly #sessions: Session[] = [];
  /** When each session was attached. */
  readonly #attachedAt = new WeakMap<Session, number>();
  readonly #receipts = new Map<MessageId, { readonly receipt: OpenReceipt; readonly bytes: number }>();
  readonly #inbox: Inbox<{ readonly entry: InboxEntry; readonly actor: SessionActor }>;
  readonly #waiting: Outgoing[] = [];
  #outstandingBytes = 0;
  #isPumping = false;
  /** Whether what is new waits for a session that is being made in place of another. */
  #isHeld = false;
  #startSentAtMs = 0;
  #isPeerMissed = false;
  #accepting: Promise<void> | undefined;
  #status: Conversation['status'];
  #confirmed = false;
  #consistency: Consistency = 'consistent';
  #previous: PreviousComparison | undefined;
  #keyChange: KeyChange | undefined;
  #resolveClosed!: (end: ConversationEnd) => void;

  constructor(
    host: ConversationHost,
    peer: { readonly address: Address; readonly name: string },
    initiatedBy: 'own' | 'peer',
  ) {
    this.#host = host;
    this.peer = peer.address;
    this.relayedName = peer.name;
    this.initiatedBy = initiatedBy;
    this.#status = initiatedBy === 'own' ? 'opening' : 'offered';
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#inbox = new Inbox(({ entry, actor }) => {
      actor.offer({ type: 'taken', m: entry.m });
    });
  }

  get status(): Conversation['status'] {
    return this.#status;
  }

  get confirmed(): boolean {
    return this.#confirmed;
  }

  get consistency(): Consistency {
    return this.#consistency;
  }

  get identity(): Conversation['identity'] {
    const { identity } = this.#current();
    return { ...identity, trust: this.#host.trustOf(this.peer, identity) };
  }

  get digest(): string {
    return this.#current().actor.digest;
  }

  get previous(): PreviousComparison | undefined {
    return this.#previous;
  }

  get keyChange(): KeyChange | undefined {
    return this.#keyChange;
  }

  /** Of the session that carries what is new. */
  get state(): ConversationState | undefined {
    return this.#sessions.at(-1)?.actor.state;
  }

  /** Of a session whose history does not agree. */
  get brokenState(): ConversationState | undefined {
    return this.#sessions.find(({ actor }) => actor.state.at === 'broken')?.actor.state;
  }

  /** Whether explanations of records that are not accepted would be heard. */
  get explains(): boolean {
    return this.#events.has('dropped') || this.#events.has('consistency');
  }

  get suite(): SuiteName {
    return this.#current().actor.state.suite;
  }

  get safetyNumber(): string {
    return this.#current().safetyNumber;
  }

  get label(): string {
    return this.#current().actor.state.peer.label;
  }

  on<Type extends keyof ConversationEvents>(
    type: Type,
    listener: (event: ConversationEvents[Type]) => void,
  ): () => void {
    return this.#events.on(type, listener);
  }

  async accept(): Promise<this> {
    if (this.#status === 'closed') throw closedError();
    if (this.#status === 'open') return this;
    await (this.#accepting ??= this.answer?.accept());
    return this;
  }

  reject(): void {
    if (this.#status === 'offered') this.answer?.reject();
  }

  send(content: Content, options: SendOptions = {}): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const { kind, bytes } = encodeContent(content, this.#host.content);
      if (this.#status === 'closed') throw closedError();
      const { signal } = options;
      if (signal?.aborted === true) throw abortedError(signal);
      const outgoing: Outgoing = { content: bytes, kind, options, resolve, reject };
      this.#waiting.push(outgoing);
      signal?.addEventListener(
        'abort',
        () => {
          const index = this.#waiting.indexOf(outgoing);
          if (index < 0) return;
          this.#waiting.splice(index, 1);
          reject(abortedError(signal));
        },
        { once: true },
      );
      void this.#pump();
    });
  }

  async rekey(): Promise<void> {
    await this.#current().actor.submit({ type: 'rekey' });
  }

  async markVerified(): Promise<void> {
    this.#current();
    await this.#host.markVerified(this.peer);
  }

  async close(): Promise<void> {
    if (this.#status === 'offered') this.reject();
    await this.closeAs('closed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedMessage> {
    for await (const { entry } of this.#inbox) {
      const message = this.#readable(entry);
      if (message !== undefined) yield message;
    }
  }

  /** Ends every session with a reason for the peer. */
  async closeAs(reason: CloseReason): Promise<void> {
    if (this.#status === 'closed') return;
    const live = this.#sessions.filter(({ actor }) => actor.takes('close'));
    if (live.length === 0) {
      this.end({ by: 'own', reason });
      return;
    }
    // What waits for the window goes with the conversation.
    for (const { reject } of this.#waiting.splice(0)) reject(closedError());
    for (const { actor } of live) {
      actor.offer({ type: 'close', id: this.#newId(), reason, nowMs: this.#host.clock.now() });
    }
    await this.closed;
  }

  /** Takes a session whose handshake is authenticated. The newest carries what is new, but for crossing handshakes. */
  attach(session: Session): void {
    if (this.#status === 'closed') return;
    const replaces = this.#sessions.length > 0;
    // One that only has messages to read carries nothing new.
    if (session.actor.state.at === 'broken') this.#sessions.unshift(session);
    else this.#sessions.push(session);
    this.#attachedAt.set(session, this.#host.tick());
    this.#restore(session);
    this.#order();
    this.#consistency = this.#current().actor.state.consistency;
    this.#status = 'open';
    if (session.initiatedBy === 'peer') this.#confirmed = true;
    if (replaces && session.start === undefined) this.#events.emit('replaced', { suite: session.actor.state.suite });
    void this.#pump();
  }

  /** The name of the peer is known under other keys. */
  tellKeyChange(change: KeyChange): void {
    this.#keyChange = change;
    this.#events.emit('key-changed', change);
  }

  /** What a handshake showed of the conversation before. */
  tellPrevious(comparison: PreviousComparison | undefined): void {
    this.#previous = comparison;
    if (comparison !== undefined) this.#events.emit('previous', comparison);
  }

  /** A state of a session could not be stored. */
  storeFailed(actor: SessionActor, error: SimsError, { retryAtMs, isFinal }: Retry): void {
    this.#events.emit('store-failed', { error, ...(retryAtMs === undefined ? {} : { retryAtMs }) });
    if (isFinal && actor === this.#sessions.at(-1)?.actor) this.end({ by: 'fault', reason: 'failed' });
  }

  /** The verification of a session's peer has ended. */
  unverify(actor: SessionActor, error: SimsError | undefined): void {
    const index = this.#sessions.findIndex((session) => session.actor === actor);
    const session = this.#sessions[index];
    if (session === undefined || this.#status === 'closed') return;
    const identity = { ...session.identity, verified: false };
    this.#sessions[index] = { ...session, identity };
    if (index !== this.#sessions.length - 1) return;
    this.#events.emit('unverified', { identity, ...(error === undefined ? {} : { error }) });
  }

  /** The peer has answered this side's handshake. */
  confirm(): void {
    this.#confirmed = true;
  }

  /** Sessions that it has, older ones among them. */
  get sessionCount(): number {
    return this.#sessions.length;
  }

  /** The session that was begun from that bundle. */
  begunFrom(bundleId: Uint8Array): Session | undefined {
    return this.#sessions.find(({ start }) => start !== undefined && equal(start.bundleId, bundleId));
  }

  /** The session whose own start has that name, while its peer was not heard. */
  unheard(id: MessageId): Session | undefined {
    return this.#sessions.find((session) => ownUnheard(session)?.message.id === id);
  }

  /** Whether a session is one of this conversation's, was begun by this side from a bundle, and its peer was not heard. */
  isUnheard(session: Session): boolean {
    return this.#sessions.includes(session) && ownUnheard(session) !== undefined;
  }

  /** Resolves when all that came so far is stepped and stored. */
  async idle(): Promise<void> {
    await Promise.all(this.#sessions.map(({ actor }) => actor.idle()));
  }

  /** Holds back what is new while `work` puts another session in the place of one whose peer was not heard. */
  async replace(old: Session, work: () => Promise<void>): Promise<void> {
    this.#isHeld = true;
    try {
      await old.actor.idle();
      if (!this.isUnheard(old)) return;
      await work();
      if (!this.isUnheard(old)) return;
      this.#sessions.splice(this.#sessions.indexOf(old), 1);
      old.actor.stop();
      // What it was still storing would otherwise be there after the record was deleted, or keep it from being deleted.
      await old.actor.idle();
      this.#host.forget(old.actor.state);
    } finally {
      this.#isHeld = false;
      void this.#pump();
    }
  }

  /** The peer does not know the session yet: says its start again, then what is outstanding. At most once a second. */
  repeatStart(actor: SessionActor): boolean {
    const session = this.#sessions.find((candidate) => candidate.actor === actor);
    if (session === undefined || ownUnheard(session) === undefined) return false;
    const nowMs = this.#host.clock.now();
    if (nowMs - this.#startSentAtMs >= START_AGAIN_MS) {
      this.#sendStart(session);
      actor.offer({ type: 'reconnected', nowMs });
    }
    return true;
  }

  /**
   * A record for the session with that conversation id; `undefined` when there is none. Resolves to whether it is stored or
   * judged: otherwise it has to come again.
   */
  receive(
    conversationId: string,
    message: RecordMessage,
    nameOf: (id: Uint8Array) => string,
  ): Promise<boolean> | undefined {
    const session = this.#sessions.find(({ actor }) => nameOf(actor.state.conversationId) === conversationId);
    if (session === undefined) return undefined;
    // A conversation that ended here without its peer takes nothing more: what nobody reads is not acknowledged.
    if (this.#status === 'closed' && session.actor.state.at === 'open') return undefined;
    if (this.#isPeerMissed) {
      this.#isPeerMissed = false;
      this.repeat();
    }
    // Unread messages are bounded: what does not fit is not acknowledged, and comes again.
    if (this.#inbox.length >= MAX_UNREAD && message.type === 'client-com') return Promise.resolve(false);
    return this.#receive(session, message);
  }

  /** Sends everything outstanding again: there is a new hop, or the peer is back. */
  repeat(): void {
    const nowMs = this.#host.clock.now();
    for (const session of this.#sessions) {
      this.#sendStart(session);
      session.actor.offer({ type: 'reconnected', nowMs });
    }
  }

  /** A message did not reach the peer; the next sign of it repeats what is outstanding. */
  missed(): void {
    this.#isPeerMissed = true;
  }

  /** Acts on an output of a session, now that its state is stored. */
  release(actor: SessionActor, output: ReleasedOutput): void {
    switch (output.type) {
      case 'send':
        if (output.message.type !== 'ack') this.#host.track(output.message.id, actor);
        // A conversation goes on only at its own level.
        if (actor.state.own.label === this.#host.label) this.#host.send(output.message);
        break;
      case 'message':
        this.#show(output.message, actor);
        break;
      case 'state':
        this.#moved(output);
        break;
      case 'consistency':
        this.#consistency = output.consistency;
        this.#events.emit('consistency', output);
        if (output.evidence !== undefined) this.end({ by: 'fault', reason: 'inconsistent' });
        break;
      case 'closed':
        this.#sessionClosed(actor, output.by, output.reason);
        break;
      case 'dropped':
        this.#events.emit('dropped', output);
        break;
      case 'timer':
        break;
    }
  }

  /** Ends here and now, whatever the sessions do. */
  end(end: ConversationEnd): void {
    if (this.#status === 'closed') return;
    this.#status = 'closed';
    for (const { reject } of this.#waiting.splice(0)) reject(closedError());
    const reason = end.reason === 'gone' ? 'unreachable' : 'closed';
    const failed = [...this.#receipts];
    this.#receipts.clear();
    for (const [id, { receipt }] of failed) {
      this.#host.track(id, undefined);
      if (receipt.move('failed', reason)) this.#events.emit('state', { id, state: 'failed', reason });
    }
    this.#inbox.end();
    this.#host.ended(this);
    this.#resolveClosed(end);
    this.#events.emit('closed', end);
  }

  /** Ends here, to go on from the store in the next client. */
  suspend(): void {
    for (const { actor } of this.#sessions) actor.stop();
    this.#sessions.length = 0;
    this.end({ by: 'own', reason: 'suspended' });
  }

  /** No more timers, and nothing kept. */
  stop(): void {
    for (const { actor } of this.#sessions) {
      actor.stop();
      this.#host.forget(actor.state);
    }
  }

  /** What a stored session still owes the application: receipts that are open, messages that were not taken. */
  #restore({ actor }: Session): void {
    const { outbox, inbox } = actor.state;
    for (const { id, type, accepted, sealed } of outbox) {
      if (type !== 'client-com') continue;
      // Begun anew: the application's receipt goes on.
      const known = this.#receipts.get(id);
      if (known !== undefined) {
        this.#host.track(id, actor);
        continue;
      }
      const receipt = new OpenReceipt(id);
      if (accepted) receipt.move('accepted', undefined);
      this.#receipts.set(id, { receipt, bytes: sealed.length });
      this.#outstandingBytes += sealed.length;
      this.#host.track(id, actor);
    }
    for (const entry of inbox) if (entry.shown && entry.kind !== 'close') this.#show(entry, actor);
  }

  /** A message, unless its content cannot be shown: the peer sent what is not text, not data, or not of the schema. */
  #readable(entry: InboxEntry): ReceivedMessage | undefined {
    try {
      return decodeContent(entry, this.#host.content);
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#events.emit('dropped', { code: error.code, detail: error.message });
      return undefined;
    }
  }

  #moved(output: Extract<ConversationOutput, { type: 'state' }>): void {
    const entry = this.#receipts.get(output.id);
    if (entry === undefined || !entry.receipt.move(output.state, output.reason)) return;
    if (output.state === 'delivered' || output.state === 'failed') {
      this.#receipts.delete(output.id);
      this.#host.track(output.id, undefined);
      this.#outstandingBytes -= entry.bytes;
      void this.#pump();
    }
    const reason = output.reason === undefined ? {} : { reason: output.reason };
    this.#events.emit('state', { id: output.id, state: output.state, ...reason });
  }

  #sessionClosed(actor: SessionActor, by: 'own' | 'peer', reason: CloseReason): void {
    const index = this.#sessions.findIndex((session) => session.actor === actor);
    // An older session that ends leaves the conversation as it is.
    if (reason === 'replaced' && this.#sessions.length > 1) {
      this.#sessions.splice(index, 1);
      return;
    }
    this.end({ by, reason });
  }

  async #receive(session: Session, message: RecordMessage): Promise<boolean> {
    const { actor } = session;
    if (!actor.takes('receive')) return true;
    const wasUnheard = ownUnheard(session) !== undefined;
    try {
      await actor.submit({ type: 'receive', message, nowMs: this.#host.clock.now() });
    } catch {
      return false;
    }
    if (wasUnheard && isHeard(actor.state) && !this.#confirmed) {
      this.#confirmed = true;
      this.#events.emit('confirmed', { suite: actor.state.suite });
    }
    return true;
  }

  #sendStart(session: Session): void {
    const start = ownUnheard(session);
    if (start === undefined) return;
    this.#startSentAtMs = this.#host.clock.now();
    this.#host.send(start.message);
  }

  /** Once, though its sender may have begun anew without knowing that the first start came. */
  #show(entry: InboxEntry, actor: SessionActor): void {
    const own = this.#sessions.find((session) => session.actor === actor);
    const isShown = this.#sessions.some(
      ({ start }) => start !== own?.start && start?.role === 'responder' && start.ids.has(entry.id),
    );
    if (isShown) {
      actor.offer({ type: 'taken', m: entry.m });
      return;
    }
    remember(own?.start, actor.state, entry.id);
    this.#inbox.push({ entry, actor });
  }

  /** Seals what waits, in order, as long as there is room. */
  async #pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (!this.#isHeld && this.#waiting.length > 0 && this.#sessions.length > 0 && this.#hasRoom()) {
      const outgoing = this.#waiting.shift()!;
      const session = this.#current();
      const { actor } = session;
      const id = this.#newId();
      const receipt = new OpenReceipt(id);
      const bytes = outgoing.content.length;
      this.#receipts.set(id, { receipt, bytes });
      this.#outstandingBytes += bytes;
      const nowMs = this.#host.clock.now();
      const { expiresInMs } = outgoing.options;
      const expiry: { expiresAtMs?: number } = expiresInMs === undefined ? {} : { expiresAtMs: nowMs + expiresInMs };
      try {
        const { kind, content } = outgoing;
        ownUnheard(session)?.contents.set(id, { kind, content, expiresAtMs: expiry.expiresAtMs });
        await actor.submit({ type: 'send', id, kind, content, nowMs, ...expiry });
        outgoing.resolve(receipt);
        this.#events.emit('state', { id, state: 'pending' });
      } catch (error) {
        this.#receipts.delete(id);
        ownUnheard(session)?.contents.delete(id);
        this.#outstandingBytes -= bytes;
        outgoing.reject(
          error instanceof SimsError && error.code === 'session/unexpected-input' ? closedError() : error,
        );
      }
    }
    this.#isPumping = false;
  }

  #hasRoom(): boolean {
    return this.#receipts.size < MAX_OUTSTANDING && this.#outstandingBytes < MAX_OUTSTANDING_BYTES;
  }

  /** Sessions of crossing handshakes: that of the smaller address comes last, and carries what is new. */
  #order(): void {
    const [before, last] = [this.#sessions.at(-2), this.#sessions.at(-1)];
    if (before === undefined || last === undefined || before.initiatedBy === last.initiatedBy) return;
    // Each side began its own before it had answered the other's.
    const crossed = last.began !== undefined && last.began < (this.#attachedAt.get(before) ?? 0);
    const { own, peer } = last.actor.state;
    const ownIsSmaller = compareBytes(addressBytes(own.address), addressBytes(peer.address)) < 0;
    if (crossed && (last.initiatedBy === 'own') !== ownIsSmaller) this.#sessions.splice(-2, 2, last, before);
  }

  #current(): Session {
    const session = this.#sessions.at(-1);
    if (session === undefined) throw new SimsError('client/not-open', `the conversation is ${this.#status}`);
    return session;
  }

  #newId(): MessageId {
    return messageIdFromBytes(this.#host.random(8));
  }
}

/** The own start of a session whose peer was not heard. */
function ownUnheard({ start, actor }: Session): OwnStart | undefined {
  return start?.role === 'initiator' && !isHeard(actor.state) ? start : undefined;
}

function closedError(): SimsError {
  return new SimsError('client/conversation-closed', 'the conversation has ended');
}

function abortedError(signal: AbortSignal): SimsError {
  return new SimsError('client/aborted', 'aborted by its signal', { cause: signal.reason });
}
