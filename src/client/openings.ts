/**
 * Handshakes of conversations on their way, from both ends.
 *
 * @packageDocumentation
 */
import type { SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import {
  failureReason,
  runInitiator,
  runResponder,
  type AnswerHost,
  type ConversationContext as HandshakeContext,
  type EstablishedOutput,
  type HandshakeRun,
  type InitiatorInput,
  type InitiatorOutput,
  type ResponderInput,
  type ResponderOutput,
} from '../handshake/index.ts';
import { messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import type { ClientConnect } from '../messages/clientConnect.ts';
import type { ErrorMessage } from '../messages/error.ts';
import type { Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import type { PreviousComparison } from '../session/previous.ts';
import type { ConversationState } from '../session/state.ts';
import type { ConversationControl } from './conversation.ts';
import { answerHost, handshakeContext, type ClientParts } from './parts.ts';
import { printableName } from './peers.ts';
import { judgePrevious, previousParameters } from './previous.ts';

/** Options of `client.open`. */
export interface OpenOptions {
  /** Aborts the handshake; afterwards without effect. */
  readonly signal?: AbortSignal;
  /** Suites to offer, in the order of preference; by default the client's `peerSuites`. */
  readonly suites?: readonly SuiteName[];
  /** How long the peer may take to answer; default 60,000. */
  readonly timeoutMs?: number;
}

/** The other side, as far as the relay tells. */
export interface HandshakePeer {
  readonly address: Address;
  readonly name: string;
  readonly label: string;
}

/** What a finished handshake is worth: a session of that conversation. */
export interface Finished {
  readonly conversation: ConversationControl;
  readonly established: EstablishedOutput;
  readonly role: 'initiator' | 'responder';
  readonly peer: HandshakePeer;
  /** When its first phase was sent or came, by the client's count of such moments. */
  readonly began: number;
}

/** What handshakes need of their client. */
export interface OpeningsHost {
  readonly parts: ClientParts;
  readonly label: string;
  readonly relayIdentity: Uint8Array;
  send(message: Message): void;
  conversationWith(peer: Address): ConversationControl | undefined;
  newConversation(peer: Address, relayedName: string, initiatedBy: 'own' | 'peer'): ConversationControl;
  /** What the relay's list calls a client; empty when it does not say. */
  relayedNameOf(peer: Address): string;
  /** Where the last conversation with a peer stands, if it has not ended in order. */
  lastStateWith(peer: Address): ConversationState | undefined;
  /** How many conversations wait for the application to accept them. */
  offeredCount(): number;
  /** Counts a moment, so that it can be told which of two came first. */
  tick(): number;
  /** Makes the session now, and its place in the conversation when the returned function is called. */
  prepare(finished: Finished): () => void;
  /** Tells the application of a conversation that a peer opened. */
  announce(conversation: ConversationControl): void;
}

interface Opening {
  readonly peer: Address;
  /** `label`: the sender's, as the relay told it with a message. */
  readonly feed: (input: MessageInput | AbortInput, label?: string) => void;
  readonly settle: (error: SimsError) => void;
  /** The last phase that this side sent. */
  last: ClientConnect | undefined;
  /** Whether this side waits for its own key pair or another costly step of a peer's making. */
  readonly offersRsa: boolean;
}

type MessageInput = Extract<InitiatorInput & ResponderInput, { type: 'message' }>;
type AbortInput = Extract<InitiatorInput & ResponderInput, { type: 'abort' }>;

/** Questions that wait are among them: half of the places stay for peers that are known. */
const MAX_OPENINGS = 128;
const MAX_OFFERED = 64;
/** How long a question waits for its answer. */
const QUESTION_MS = 600_000;
const MAX_RSA_OPENINGS = 2;

/** All handshakes of one client's conversations. */
export class Openings {
  readonly #host: OpeningsHost;
  readonly #openings = new Map<string, Opening>();

  constructor(host: OpeningsHost) {
    this.#host = host;
  }

  /** Whether a handshake with that peer is on its way. */
  has(peer: Address): boolean {
    for (const opening of this.#openings.values()) if (opening.peer === peer) return true;
    return false;
  }

  /** Whether a handshake of that name with that peer is on its way. */
  isOwn(peer: Address, id: MessageId): boolean {
    return this.#openings.has(keyOf(peer, id));
  }

  /** Ends them all. */
  end(error: SimsError): void {
    for (const opening of this.#openings.values()) opening.settle(error);
    this.#openings.clear();
  }

  /** Says again what was said last: there is a new hop. The same bytes do no harm. */
  repeat(): void {
    for (const { last } of this.#openings.values()) if (last !== undefined) this.#host.send(last);
  }

  /** Takes a `client-connect` that the relay handed over. */
  take(message: ClientConnect, src: Address): void {
    const opening = this.#openings.get(keyOf(src, message.id));
    if (opening !== undefined) {
      opening.feed({ type: 'message', phase: message.phase, body: message.data }, message.label);
    } else if (message.phase === 1 && src !== this.#host.parts.address) this.#respond(message, src);
  }

  /** Takes an `error` that names a handshake; whether it did. A hint: it may end that handshake and nothing else. */
  takeError(message: ErrorMessage): boolean {
    const { msgId, src, code } = message;
    for (const [key, opening] of this.#openings) {
      if (msgId === undefined || key !== keyOf(opening.peer, msgId)) continue;
      if (src === undefined || src === opening.peer) opening.feed({ type: 'abort', error: hintError(code) });
      return true;
    }
    return false;
  }

  /** Opens a conversation; resolves when the peer has confirmed it. */
  initiate(conversation: ConversationControl, peer: HandshakePeer, options: OpenOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const { parts } = this.#host;
      const { provider, clock } = parts;
      const { signal } = options;
      const began = this.#host.tick();
      const nonce = provider.random(32);
      const id = messageIdFromBytes(nonce.subarray(0, 8));
      const timer = new Timer(parts.clock);
      const known = this.#host.lastStateWith(peer.address);
      let attach: (() => void) | undefined;
      const abort = (): void => {
        run.feed({ type: 'abort', error: abortedError(signal?.reason) });
      };
      const settle = (error: SimsError | undefined): void => {
        timer.cancel();
        this.#openings.delete(keyOf(peer.address, id));
        signal?.removeEventListener('abort', abort);
        if (error === undefined) resolve();
        else {
          // So that the peer does not wait for the rest.
          this.#host.send({ type: 'error', code: failureReason(error), msgId: id, dst: peer.address });
          reject(error);
        }
      };
      const output = (produced: InitiatorOutput): undefined => {
        switch (produced.type) {
          case 'send':
            this.#sendPhase(id, peer.address, produced);
            break;
          case 'timer':
            timer.set(produced.atMs, () => run.feed({ type: 'timer', nowMs: clock.now() }));
            break;
          case 'established':
            attach = this.#host.prepare({
              conversation,
              established: produced,
              role: 'initiator',
              began,
              peer: { address: peer.address, name: peer.name, label },
            });
            break;
          case 'confirmed':
            conversation.tellPrevious(judgePrevious(known, produced.parameters));
            attach?.();
            conversation.confirm();
            settle(undefined);
            break;
          default:
            break;
        }
      };
      // That of phase 2 counts: the list may be out of date.
      let { label } = peer;
      const context: HandshakeContext = {
        ...handshakeContext(this.#host, parts.address, peer.address, this.#host.label, label),
        get responderLabel() {
          return label;
        },
      };
      const answers: AnswerHost = {
        ...answerHost(this.#host.parts),
        parameters: () => previousParameters(this.#host.lastStateWith(peer.address)),
      };
      const run = runInitiator(context, answers, { output, failed: settle });
      this.#openings.set(keyOf(peer.address, id), {
        peer: peer.address,
        feed: (input, told) => {
          if (run.at === 'awaiting-phase-2' && input.type === 'message' && input.phase === 2) label = told ?? label;
          run.feed(input);
        },
        settle,
        last: undefined,
        offersRsa: false,
      });
      signal?.addEventListener('abort', abort, { once: true });
      try {
        run.feed({
          type: 'start',
          nonce,
          boxRandomness: provider.random(16),
          offer: options.suites ?? parts.peerSuites,
          credential: parts.identity.credential,
          name: parts.name,
          parameters: {},
          nowMs: clock.now(),
          ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
        });
      } catch (error) {
        settle(error as SimsError);
      }
    });
  }

  #respond(message: ClientConnect, src: Address): void {
    const { label } = message;
    if (this.#openings.size >= MAX_OPENINGS || label === undefined) return;
    const answering = new Answering(this.#host, message, { address: src, name: '', label }, () => this.#servable());
    const key = keyOf(src, message.id);
    const { clock } = this.#host.parts;
    const timer = new Timer(clock);
    const settle = (error: SimsError | undefined): void => {
      if (error !== undefined) {
        timer.cancel();
        this.#openings.delete(key);
      }
      answering.settle(error);
    };
    const output = (produced: ResponderOutput): ResponderInput | undefined => {
      if (produced.type === 'send') this.#sendPhase(message.id, src, produced);
      else if (produced.type === 'timer') {
        timer.set(produced.atMs, () => {
          run.feed({ type: 'timer', nowMs: clock.now() });
          // Repeats of phase 3 were answered until now.
          if (run.at === 'established') this.#openings.delete(key);
        });
      } else return answering.output(produced, run);
      return undefined;
    };
    const failed = (error: SimsError): void => {
      this.#host.send({ type: 'error', code: failureReason(error), msgId: message.id, dst: src });
      settle(error);
    };
    const context = handshakeContext(this.#host, src, this.#host.parts.address, label, this.#host.label);
    const run: HandshakeRun<ResponderInput> = runResponder(context, answerHost(this.#host.parts), { output, failed });
    this.#openings.set(key, { peer: src, feed: (input) => run.feed(input), settle, last: undefined, offersRsa: true });
    run.feed({ type: 'message', phase: 1, body: message.data });
  }

  #sendPhase(id: MessageId, dst: Address, { phase, body }: { phase: 1 | 2 | 3 | 4; body: Uint8Array }): void {
    const message: ClientConnect = { type: 'client-connect', phase, id, dst, data: body };
    const opening = this.#openings.get(keyOf(dst, id));
    if (opening !== undefined) opening.last = message;
    this.#host.send(message);
  }

  /** Suites that can be served now: making RSA pairs for strangers is limited. */
  #servable(): readonly SuiteName[] {
    const { acceptSuites, suites } = this.#host.parts;
    let responding = 0;
    for (const opening of this.#openings.values()) if (opening.offersRsa) responding += 1;
    if (responding <= MAX_RSA_OPENINGS) return acceptSuites;
    return acceptSuites.filter((name) => suites.find((suite) => suite.name === name)?.kem.name !== 'RSA-4096');
  }
}

/** One handshake that a peer began, with the application's consent. */
class Answering {
  readonly #host: OpeningsHost;
  readonly #began: number;
  readonly #message: ClientConnect;
  readonly #servable: () => readonly SuiteName[];
  readonly #waiting: { resolve: () => void; reject: (error: SimsError) => void }[] = [];
  #peer: HandshakePeer;
  #conversation: ConversationControl | undefined;
  /** As it was before phase 2. */
  #known: ConversationState | undefined;
  #previous: PreviousComparison | undefined;
  /** Until when it may wait for the application. */
  #question: Timer | undefined;

  constructor(host: OpeningsHost, message: ClientConnect, peer: HandshakePeer, servable: () => readonly SuiteName[]) {
    this.#host = host;
    this.#began = host.tick();
    this.#message = message;
    this.#peer = peer;
    this.#servable = servable;
    this.#conversation = host.conversationWith(peer.address);
  }

  settle(error: SimsError | undefined): void {
    this.#question?.cancel();
    const conversation = this.#conversation;
    // A newer handshake of the same peer may have taken the offer over.
    if (error !== undefined && conversation?.status === 'offered' && conversation.offer === this) {
      conversation.end({ by: 'fault', reason: 'failed' });
    }
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (error === undefined) resolve();
      else reject(error);
    }
  }

  output(produced: ResponderOutput, run: HandshakeRun<ResponderInput>): ResponderInput | undefined {
    const { name, clock } = this.#host.parts;
    switch (produced.type) {
      case 'consent':
        return produced.handshakeId === this.#message.id ? this.#consent(run) : { type: 'reject', code: 'malformed' };
      case 'authenticated':
        this.#peer = { ...this.#peer, name: produced.name };
        this.#previous = judgePrevious(this.#known, produced.parameters);
        return {
          type: 'finish',
          name,
          parameters: previousParameters(this.#host.lastStateWith(this.#peer.address)),
          nowMs: clock.now(),
        };
      case 'established': {
        const conversation = this.#conversation!;
        conversation.tellPrevious(this.#previous);
        const began = this.#began;
        this.#host.prepare({ conversation, established: produced, role: 'responder', peer: this.#peer, began })();
        this.settle(undefined);
        this.#announce(conversation);
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #consent(run: HandshakeRun<ResponderInput>): ResponderInput | undefined {
    const { address } = this.#peer;
    const present = this.#conversation;
    // A peer that has a live conversation, or a consent already, was accepted before: it asks for new keys, or again.
    if (present !== undefined && (present.status !== 'offered' || present.answer === undefined)) {
      present.offer = this;
      return this.#accept();
    }
    const relayedName = this.#host.relayedNameOf(address);
    const decision = present === undefined ? this.#decide({ peer: address, relayedName }) : 'ask';
    if (decision === false) return { type: 'reject', code: 'rejected' };
    if (present === undefined && decision === 'ask' && this.#host.offeredCount() >= MAX_OFFERED) {
      return { type: 'reject', code: 'busy' };
    }
    const conversation = present ?? this.#host.newConversation(address, relayedName, 'peer');
    this.#conversation = conversation;
    conversation.offer = this;
    if (decision === true) return this.#accept();
    // The question of an older handshake of this peer, which nobody answers any more, must not keep its place.
    conversation.answer?.withdraw();
    const withdraw = (): void => {
      run.feed({ type: 'abort', error: new SimsError('handshake/timeout', 'the question was not answered') });
    };
    this.#question = new Timer(this.#host.parts.clock);
    this.#question.set(this.#host.parts.clock.now() + QUESTION_MS, withdraw);
    let asked: Promise<void> | undefined;
    conversation.answer = {
      accept: () =>
        (asked ??= new Promise((resolve, reject) => {
          this.#waiting.push({ resolve, reject });
          this.#question?.cancel();
          // What comes from this peer from now on has its consent.
          conversation.answer = undefined;
          run.feed(this.#accept());
        })),
      reject: () => {
        conversation.end({ by: 'own', reason: 'rejected' });
        run.feed({ type: 'reject', code: 'rejected' });
      },
      withdraw,
    };
    this.#announce(conversation);
    return undefined;
  }

  #announce(conversation: ConversationControl): void {
    if (conversation.isAnnounced || conversation.initiatedBy === 'own') return;
    conversation.isAnnounced = true;
    this.#host.announce(conversation);
  }

  #accept(): ResponderInput {
    const { provider, identity, clock } = this.#host.parts;
    this.#known = this.#host.lastStateWith(this.#peer.address);
    return {
      type: 'accept',
      suites: this.#servable(),
      nonce: provider.random(32),
      boxRandomness: provider.random(16),
      credential: identity.credential,
      nowMs: clock.now(),
    };
  }

  #decide(request: { readonly peer: Address; readonly relayedName: string }): 'ask' | boolean {
    const { accept } = this.#host.parts;
    if (typeof accept === 'function') return accept({ ...request, relayedName: printableName(request.relayedName) });
    return accept === 'ask' ? 'ask' : accept === 'all';
  }
}

/** One timer at a time. */
class Timer {
  readonly #clock: ClientParts['clock'];
  #cancel: () => void = () => {};

  constructor(clock: ClientParts['clock']) {
    this.#clock = clock;
  }

  set(atMs: number, callback: () => void): void {
    this.#cancel();
    this.#cancel = this.#clock.setTimer(atMs, callback);
  }

  cancel(): void {
    this.#cancel();
  }
}

/** The error of a signal that was aborted. */
export function abortedError(reason: unknown): SimsError {
  return new SimsError('client/aborted', 'aborted by its signal', { cause: reason });
}

/** The error of a peer that the relay does not reach. */
export function unknownPeerError(): SimsError {
  return new SimsError('client/unknown-peer', 'the relay cannot reach that address, or may not');
}

function keyOf(peer: Address, id: MessageId): string {
  return `${peer} ${id}`;
}

function hintError(code: ErrorReason): SimsError {
  if (code === 'unknown-peer') return unknownPeerError();
  if (code === 'rejected') return new SimsError('client/rejected', 'the peer declines');
  if (code === 'no-common-suite')
    return new SimsError('handshake/no-common-suite', 'the peer takes none of the suites');
  return new SimsError('client/rejected', `the peer or the relay answers ${code}`);
}
