/**
 * Conversations that begin while one side is away, at both ends (docs/protocol.md §4.4).
 *
 * @packageDocumentation
 */
import { equal } from '../bytes.ts';
import type { SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import {
  answerBundle,
  failureReason,
  hasBundles,
  readBundleBody3,
  startFromBundle,
  type EstablishedOutput,
} from '../handshake/index.ts';
import { messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import { decodeBundle, decodeBundleBody3, decodeBundleCore, type BundleBody3 } from '../messages/bundle.ts';
import type { ClientConnect } from '../messages/clientConnect.ts';
import type { ErrorMessage } from '../messages/error.ts';
import { decodeBody1 } from '../messages/handshakeBodies.ts';
import type { Message } from '../messages/messages.ts';
import type { PrekeysBundle, PrekeysFetch } from '../messages/prekeys.ts';
import type { ErrorReason } from '../messages/reason.ts';
import type { RecordMessage } from '../session/conversation.ts';
import type { ConversationControl, Session } from './conversation.ts';
import { abortedError, unknownPeerError, type HandshakePeer, type OpenOptions } from './openings.ts';
import { answerHost, handshakeContext, type ClientParts } from './parts.ts';
import { printableName } from './peers.ts';
import type { OwnStart, PeerStart, Start } from './start.ts';

/** What a start is worth: a session, to be stored before anything is sent. */
export interface Begun {
  readonly conversation: ConversationControl;
  readonly established: EstablishedOutput;
  readonly peer: HandshakePeer;
  readonly start: Start;
  /** The session whose messages this one takes over. */
  readonly old?: Session;
}

/** What starts need of their client. */
export interface AwayHost {
  readonly parts: ClientParts;
  readonly label: string;
  readonly relayIdentity: Uint8Array;
  send(message: Message): void;
  conversationWith(peer: Address): ConversationControl | undefined;
  newConversation(peer: Address, relayedName: string, initiatedBy: 'own' | 'peer'): ConversationControl;
  relayedNameOf(peer: Address): string;
  /** The session, ended ones that linger among them, that was begun from a bundle. */
  begunFrom(peer: Address, bundleId: Uint8Array): Session | undefined;
  /** Stores the session, then gives it its place. Rejects when it could not be stored. */
  attachStart(begun: Begun): Promise<void>;
  announce(conversation: ConversationControl): void;
  /** Takes a record that was held back. */
  takeRecord(message: RecordMessage, src: Address): void;
  /** Tells the relay that a message is stored or judged. */
  acknowledge(src: Address, id: MessageId): void;
}

interface Fetching {
  readonly message: PrekeysFetch;
  readonly resolve: (bundle: PrekeysBundle) => void;
  readonly reject: (error: SimsError) => void;
}

interface Held {
  readonly messages: RecordMessage[];
  bytes: number;
  /** Starts of that peer that are looked at. */
  starts: number;
}

const FETCH_TIMEOUT_MS = 30_000;
const MAX_STARTS = 64;
const MAX_HELD = 2_000;
const MAX_HELD_BYTES = 16 * 1_048_576;
/** Of all peers together: a relay can make up as many as it likes. */
const MAX_ALL_HELD_BYTES = 32 * 1_048_576;
/** Sessions of one conversation beyond which its peer begins no further one. */
const MAX_SESSIONS = 16;
const FIRST_RESTART_MS = 1_000;
const LONGEST_RESTART_MS = 300_000;

/** All starts of one client. */
export class Away {
  readonly #host: AwayHost;
  readonly #fetching = new Map<MessageId, Fetching>();
  /** By peer: what waits until its start is judged. */
  readonly #held = new Map<Address, Held>();
  /** By peer: starts are taken one after the other. */
  readonly #turns = new Map<Address, Promise<void>>();
  /** By conversation: how often it was begun again, and what cancels the next time. */
  readonly #restarts = new Map<ConversationControl, { count: number; isPending: boolean; cancel: () => void }>();
  #starts = 0;
  #heldBytes = 0;
  #isEnded = false;

  constructor(host: AwayHost) {
    this.#host = host;
  }

  /** No more starts. */
  end(error: SimsError): void {
    this.#isEnded = true;
    for (const { reject } of this.#fetching.values()) reject(error);
    for (const { cancel } of this.#restarts.values()) cancel();
    this.#restarts.clear();
    this.#held.clear();
  }

  /** Asks again for what was asked over another hop. */
  repeat(): void {
    for (const { message } of this.#fetching.values()) this.#host.send(message);
  }

  /**
   * Begins a conversation with who is away; resolves when it is stored and on its way.
   *
   * @throws `client/later`, `client/unknown-peer`, `client/aborted`, why the bundle is refused, `store/*`
   */
  async begin(
    conversation: ConversationControl,
    peer: HandshakePeer,
    options: OpenOptions,
    old?: Session,
  ): Promise<void> {
    const { parts } = this.#host;
    const { provider, identity, clock } = parts;
    if (identity.credential.kind === 'certificate' && identity.prekeyUntilMs === undefined) {
      throw new SimsError(
        'client/invalid-argument',
        'the delegation is not for starts with who is away (purpose prekey)',
      );
    }
    const offer = (options.suites ?? parts.peerSuites).filter((name) => {
      const suite = parts.suites.find((candidate) => candidate.name === name);
      return suite !== undefined && hasBundles(suite);
    });
    if (offer.length === 0) throw new SimsError('handshake/no-common-suite', 'no suite that is offered has bundles');
    const fetched = await this.#fetch(peer.address, offer, options);
    const nonce = provider.random(32);
    const { label } = fetched;
    const { established, body } = await startFromBundle(
      {
        type: 'start',
        bundle: fetched.data[0]!,
        nonce,
        boxRandomness: provider.random(16),
        offer,
        credential: identity.credential,
        name: parts.name,
        nowMs: clock.now(),
      },
      handshakeContext(this.#host, parts.address, peer.address, this.#host.label, label),
      answerHost(this.#host.parts),
    );
    if (options.signal?.aborted === true) throw abortedError(options.signal.reason);
    if (conversation.status === 'closed' || this.#isEnded) throw closedMeanwhile();
    const start: OwnStart = {
      role: 'initiator',
      bundleId: decodeBundleBody3(body).bundleId.slice(),
      message: {
        type: 'client-connect',
        phase: 3,
        id: messageIdFromBytes(nonce.subarray(0, 8)),
        dst: peer.address,
        data: body,
      },
      notAfterMs: decodeBundleCore(decodeBundle(fetched.data[0]!).core).notAfter * 1_000,
      replaces: old?.actor.state.conversationId ?? new Uint8Array(0),
      contents: new Map(old?.start?.role === 'initiator' ? old.start.contents : []),
    };
    const begun = { conversation, established, peer: { ...peer, label }, start };
    await this.#host.attachStart(old === undefined ? begun : { ...begun, old });
  }

  /** Takes a bundle that the relay hands over. */
  takeBundle(message: PrekeysBundle): void {
    const fetching = this.#fetching.get(message.id);
    if (fetching !== undefined && fetching.message.dst === message.src) fetching.resolve(message);
  }

  /** Takes an `error` that names a fetch or an own start whose peer was not heard; whether it did. */
  takeError(message: ErrorMessage): boolean {
    const { msgId, code, src } = message;
    if (msgId === undefined) return false;
    const fetching = this.#fetching.get(msgId);
    if (fetching !== undefined) {
      if (src === undefined) fetching.reject(fetchError(code));
      return true;
    }
    return false;
  }

  /** An `error` for an own start. A hint: a start whose peer was heard is not touched. */
  startRefused(conversation: ConversationControl, session: Session, { code, src }: ErrorMessage): void {
    const { start } = session;
    if (start?.role !== 'initiator') return;
    const { clock } = this.#host.parts;
    if (src === undefined) {
      // Of the relay: only what has expired is lost.
      if (code !== 'expired') return;
      if (clock.now() < start.notAfterMs) this.#host.send(start.message);
      else this.#restart(conversation, session);
    } else if (code === 'rejected') {
      conversation.end({ by: 'fault', reason: 'rejected' });
    } else this.#restart(conversation, session);
  }

  /** Keeps a record back while a start of its sender is looked at; whether it did. What finds no room comes again. */
  hold(message: RecordMessage, src: Address): boolean {
    const held = this.#held.get(src);
    if (held === undefined) return false;
    const bytes = (message.data?.length ?? 0) + (message.saData?.length ?? 0) + 256;
    if (held.messages.length >= MAX_HELD || held.bytes + bytes > MAX_HELD_BYTES) return true;
    if (this.#heldBytes + bytes > MAX_ALL_HELD_BYTES) return true;
    held.messages.push(message);
    held.bytes += bytes;
    this.#heldBytes += bytes;
    return true;
  }

  /** Takes a phase 3 that answers a bundle. */
  take(message: ClientConnect, src: Address, body: BundleBody3): void {
    if (this.#isEnded || src === this.#host.parts.address || message.label === undefined) return;
    // Beyond the limit it comes again, from its sender or at the next hop.
    if (this.#starts >= MAX_STARTS) return;
    this.#starts += 1;
    const held = this.#held.get(src) ?? { messages: [], bytes: 0, starts: 0 };
    held.starts += 1;
    this.#held.set(src, held);
    const before = this.#turns.get(src) ?? Promise.resolve();
    const turn = before
      .then(() => this.#answer(message, src, message.label!, body))
      // The store failed: nothing is acknowledged, and it comes again.
      .catch(() => {})
      .then(() => {
        this.#starts -= 1;
        held.starts -= 1;
        if (held.starts > 0 || this.#held.get(src) !== held) return;
        this.#held.delete(src);
        this.#heldBytes -= held.bytes;
        this.#turns.delete(src);
        for (const record of held.messages) this.#host.takeRecord(record, src);
      });
    this.#turns.set(src, turn);
  }

  async #answer(message: ClientConnect, src: Address, label: string, body: BundleBody3): Promise<void> {
    const host = this.#host;
    const { provider, prekeys, clock } = host.parts;
    const done = (code?: ErrorReason): void => {
      if (code !== undefined) host.send({ type: 'error', code, msgId: message.id, dst: src });
      if (message.stored === true) host.acknowledge(src, message.id);
    };
    // What this peer sent before the start comes first: it may end the conversation.
    await host.conversationWith(src)?.idle();
    const digest = provider.hash('SHA-256', message.data);
    const begun = host.begunFrom(src, body.bundleId);
    if (begun !== undefined) {
      const isRepeat = begun.start?.role === 'responder' && equal(begun.start.digest, digest);
      if (isRepeat) begun.actor.offer({ type: 'reconnected', nowMs: clock.now() });
      done(isRepeat ? undefined : 'spent');
      return;
    }
    await prekeys?.whenKnown();
    const own = prekeys?.find(body.bundleId);
    if (prekeys === undefined || own === undefined) {
      done('spent');
      return;
    }
    const present = host.conversationWith(src);
    const relayedName = host.relayedNameOf(src);
    if (present === undefined && !this.#isWelcome(src, relayedName)) {
      done('rejected');
      return;
    }
    if (present !== undefined && present.sessionCount >= MAX_SESSIONS) {
      done('busy');
      return;
    }
    const bundleId = body.bundleId.slice();
    let answered: Awaited<ReturnType<typeof answerBundle>>;
    try {
      const { bundle, decapsulationKey } = own;
      answered = await answerBundle(
        { type: 'start', id: message.id, body: message.data, bundle, decapsulationKey, nowMs: clock.now() },
        handshakeContext(this.#host, src, host.parts.address, label, host.label),
        answerHost(this.#host.parts),
      );
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      // What can be found out later is asked again then.
      if (error.fault === 'local') throw error;
      done(error.code === 'handshake/bundle-expired' ? 'spent' : failureReason(error));
      return;
    }
    // Two starts of different peers may name one bundle: the first that is authentic has it.
    if (this.#isEnded || prekeys.find(bundleId) === undefined) {
      if (!this.#isEnded) done('spent');
      return;
    }
    await this.#accept(message, { address: src, name: answered.name, label }, answered.established, {
      role: 'responder',
      bundleId,
      digest,
      ids: new Set(),
    });
    if (message.stored === true) host.acknowledge(src, message.id);
  }

  async #accept(
    { id }: ClientConnect,
    peer: HandshakePeer,
    established: EstablishedOutput,
    start: PeerStart,
  ): Promise<void> {
    const host = this.#host;
    const { prekeys, clock } = host.parts;
    const reserved = prekeys!.reserve(start.bundleId);
    if (!reserved) {
      host.send({ type: 'error', code: 'spent', msgId: id, dst: peer.address });
      return;
    }
    const present = host.conversationWith(peer.address);
    const conversation = present ?? host.newConversation(peer.address, host.relayedNameOf(peer.address), 'peer');
    const isNew = present === undefined || present.status === 'offered';
    try {
      await host.attachStart({ conversation, established, peer, start });
    } catch (error) {
      prekeys!.release(start.bundleId);
      if (present === undefined) conversation.end({ by: 'fault', reason: 'failed' });
      throw error;
    }
    // A failure is made good by the next write, or when the store is opened again.
    prekeys!.spend(start.bundleId).catch(() => {});
    host.begunFrom(peer.address, start.bundleId)?.actor.offer({ type: 'timer', nowMs: clock.now() });
    if (isNew) host.announce(conversation);
  }

  /** Publishing bundles is consent to be written to; a policy may still say no to this peer. */
  #isWelcome(peer: Address, relayedName: string): boolean {
    const { accept } = this.#host.parts;
    if (typeof accept === 'function') return accept({ peer, relayedName: printableName(relayedName) }) !== false;
    return accept !== 'none';
  }

  /** Begins anew, with the same messages: at once the first time, later each time that this is not enough. */
  #restart(conversation: ConversationControl, session: Session): void {
    const { clock } = this.#host.parts;
    const state = this.#restarts.get(conversation) ?? { count: 0, isPending: false, cancel: () => {} };
    if (!this.#restarts.has(conversation)) {
      this.#restarts.set(conversation, state);
      void conversation.closed.then(() => {
        state.cancel();
        this.#restarts.delete(conversation);
      });
    }
    if (state.isPending) return;
    state.isPending = true;
    const waitMs = state.count === 0 ? 0 : Math.min(FIRST_RESTART_MS * 2 ** state.count, LONGEST_RESTART_MS);
    state.count += 1;
    const go = (): void => {
      void this.#beginAgain(conversation, session).then((isDone) => {
        state.isPending = false;
        if (!isDone && !this.#isEnded) this.#restart(conversation, session);
      });
    };
    if (waitMs === 0) go();
    else state.cancel = clock.setTimer(clock.now() + waitMs, go);
  }

  /** Whether nothing more is to be done. */
  async #beginAgain(conversation: ConversationControl, session: Session): Promise<boolean> {
    if (conversation.status !== 'open' || !conversation.isUnheard(session)) return true;
    const { start } = session;
    if (start?.role !== 'initiator') return true;
    const { address, label } = session.actor.state.peer;
    try {
      const peer = { address, name: session.identity.name, label };
      await this.begin(conversation, peer, { suites: this.#offered(start) }, session);
      return true;
    } catch {
      return false;
    }
  }

  /** The suites that a start offered: the next one offers the same, never less. */
  #offered(start: OwnStart): readonly SuiteName[] {
    const { suites } = decodeBody1(decodeBundleBody3(start.message.data).hello);
    const known = suites.map((number) => this.#host.parts.suites.find((suite) => suite.number === number)?.name);
    return known.filter((name) => name !== undefined);
  }

  #fetch(dst: Address, offer: readonly SuiteName[], { signal, timeoutMs }: OpenOptions): Promise<PrekeysBundle> {
    const { parts } = this.#host;
    const { clock, provider, suites } = parts;
    const id = messageIdFromBytes(provider.random(8));
    const ciphers = offer.map((name) => suites.find((suite) => suite.name === name)!.number);
    const message: PrekeysFetch = { type: 'prekeys', id, dst, ciphers };
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        cancel();
        this.#fetching.delete(id);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: SimsError): void => {
        settle();
        reject(error);
      };
      const abort = (): void => fail(abortedError(signal?.reason));
      const cancel = clock.setTimer(clock.now() + (timeoutMs ?? FETCH_TIMEOUT_MS), () => {
        fail(new SimsError('handshake/timeout', 'the relay gave no bundle in time'));
      });
      signal?.addEventListener('abort', abort, { once: true });
      this.#fetching.set(id, {
        message,
        resolve: (bundle) => {
          settle();
          resolve(bundle);
        },
        reject: fail,
      });
      this.#host.send(message);
    });
  }
}

/** The phase 3 in a message that answers a bundle. */
export function bundleAnswerOf(message: ClientConnect): BundleBody3 | undefined {
  return message.phase === 3 ? readBundleBody3(message.data) : undefined;
}

function fetchError(code: ErrorReason): SimsError {
  if (code === 'unknown-peer') return unknownPeerError();
  return new SimsError('client/later', `the relay has no bundle of that peer now: ${code}`);
}

function closedMeanwhile(): SimsError {
  return new SimsError('client/conversation-closed', 'the conversation was closed meanwhile');
}
