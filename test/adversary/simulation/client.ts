/**
 * A client without I/O: the real machines, with the rules of `src/client` between them, a disk, and crashes.
 *
 * @packageDocumentation
 */
import { concat, equal, fromUtf8, hex, utf8 } from '../../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../../src/codec/cbor.ts';
import {
  decodeStart,
  encodeStart,
  isHeard,
  knowsOwn,
  remember,
  type OwnStart,
  type Start,
} from '../../../src/client/start.ts';
import { nodeProvider as provider } from '../../../src/crypto/node/index.ts';
import type { SignatureKeyPair } from '../../../src/crypto/provider.ts';
import type { Suite, SuiteName } from '../../../src/crypto/suite.ts';
import { SimsError } from '../../../src/errors.ts';
import { hasBundles } from '../../../src/handshake/bundle.ts';
import {
  BUNDLE_START,
  bundleTakes,
  createCredentialVerifier,
  failureReason,
  fingerprint,
  PREKEY_INITIATOR_START,
  PREKEY_RESPONDER_START,
  prekeyInitiatorTakes,
  prekeyResponderTakes,
  readBundleBody3,
  runInitiator,
  runResponder,
  stepBundle,
  stepPrekeyInitiator,
  stepPrekeyResponder,
  type AnswerHost,
  type ConversationContext as HandshakeContext,
  type EstablishedOutput,
  type InitiatorInput,
  type ResponderInput,
} from '../../../src/handshake/index.ts';
import { runMachine } from '../../../src/handshake/run.ts';
import { addressFromBytes, messageIdFromBytes, type Address, type MessageId } from '../../../src/messages/address.ts';
import { decodeBundle, decodeBundleBody3, decodeBundleCore, type BundleBody3 } from '../../../src/messages/bundle.ts';
import type { ClientConnect } from '../../../src/messages/clientConnect.ts';
import type { Credential } from '../../../src/messages/credential.ts';
import type { ErrorMessage } from '../../../src/messages/error.ts';
import type { Message } from '../../../src/messages/messages.ts';
import {
  CONVERSATION_TRANSITIONS,
  stepConversation,
  type ConversationInput,
  type ConversationOutput,
  type RecordMessage,
} from '../../../src/session/conversation.ts';
import { conversationIdOf } from '../../../src/session/saData.ts';
import {
  DEFAULT_OPTIONS,
  eraseSuperseded,
  startConversation,
  type CloseReason,
  type ConversationContext,
  type ConversationState,
} from '../../../src/session/state.ts';
import { decodeState, encodeState } from '../../../src/session/stateCodec.ts';
import type { Chance } from './chance.ts';
import type { Truth } from './truth.ts';

/** What a client needs of its world. */
export interface Surroundings {
  readonly chance: Chance;
  readonly truth: Truth;
  readonly suites: readonly Suite[];
  readonly relayIdentity: Uint8Array;
  readonly nowMs: number;
  transmit(from: Client, message: Message): void;
  publish(from: Client, bundles: readonly Uint8Array[]): void;
  /** A bundle of that owner, as the relay chooses, and the label that it tells. */
  fetch(owner: Address, by: Client): { readonly bundle: Uint8Array; readonly label: string } | undefined;
  count(what: string): void;
}

interface Opening {
  readonly peer: Address;
  readonly id: MessageId;
  readonly feed: (input: Extract<InitiatorInput & ResponderInput, { type: 'message' | 'timer' | 'abort' }>) => void;
  last: ClientConnect | undefined;
  wakeAtMs: number;
}

/** One conversation of a client. */
export interface Session {
  readonly name: string;
  readonly start: Start | undefined;
  state: ConversationState;
  /** Whether a crash leaves it. */
  isStored: boolean;
  wakeAtMs: number;
  lastShown: number;
  /** When it has ended and its peer's repeats were answered for long enough. */
  goneAtMs?: number;
}

interface OwnBundle {
  readonly bundle: Uint8Array;
  readonly decapsulationKey: Uint8Array;
  readonly notAfterMs: number;
}

/** Everything that a store keeps, and what the application had read by then. */
export interface Snapshot {
  readonly sessions: readonly { readonly state: Uint8Array; readonly start: Uint8Array; readonly lastShown: number }[];
  readonly bundles: readonly (readonly [string, OwnBundle])[];
  readonly shown: ReadonlySet<string>;
  readonly ends: ReadonlyMap<string, string>;
}

/** The process ends in the middle of a step. */
class Crash extends Error {}

export type CrashPoint = 'before the commit' | 'after the commit' | 'between two outputs';

/** A session that ended answers its peer's repeats for this long. */
const LINGER_MS = 30_000;
const MAX_SESSIONS = 10;
const MAX_OPENINGS = 24;
const BUNDLE_LIFETIME_MS = 14 * 86_400_000;

export class Client {
  readonly keyPair: SignatureKeyPair;
  readonly credential: Credential;
  readonly fingerprint: Uint8Array;
  readonly address: Address;
  readonly label: string;
  /** What it offers and accepts, in its order. */
  readonly suites: readonly SuiteName[];
  readonly openings: Map<string, Opening> = new Map();
  sessions: Session[] = [];
  bundles: Map<string, OwnBundle> = new Map();
  /** What the application was shown, by sender and id. */
  shown: Set<string> = new Set();
  /** How own messages ended. */
  ends: Map<string, string> = new Map();
  crashes = 0;
  crash: { readonly at: CrashPoint; commits: number } | undefined;
  readonly #world: Surroundings;
  readonly #context: ConversationContext;
  readonly #host: AnswerHost;
  /** Of conversations that ended here before their peer knew of them. */
  readonly #forgotten = new Set<string>();
  /** By peer: how often a start was begun again, and when it may be next. */
  readonly #restarts = new Map<Address, { readonly count: number; readonly atMs: number }>();

  constructor(world: Surroundings, label: string, suites: readonly SuiteName[], of?: Client) {
    const { chance, truth } = world;
    this.#world = world;
    this.label = label;
    this.suites = suites;
    this.keyPair = of?.keyPair ?? provider.generateSignatureKeyPair('Ed25519', chance.bytes);
    const { spki } = this.keyPair;
    this.credential = { kind: 'key', spki };
    this.fingerprint = fingerprint(provider, 'key', spki);
    this.address = of?.address ?? addressFromBytes(concat(this.fingerprint.subarray(0, 20), chance.bytes(8)));
    truth.fingerprints.set(this.address, this.fingerprint);
    truth.accepts.set(this.address, suites);
    const suite = world.suites[0]!;
    this.#context = { suite, random: chance.bytes, options: { ...DEFAULT_OPTIONS } };
    this.#host = {
      sign: ({ toBeSigned }) => provider.sign(this.keyPair, toBeSigned),
      verifyCredential: createCredentialVerifier({ provider }),
      random: chance.bytes,
      now: () => world.nowMs,
    };
  }

  /** When something is due. */
  get wakeAtMs(): number {
    let at = Infinity;
    for (const { wakeAtMs, goneAtMs = Infinity } of this.sessions) at = Math.min(at, wakeAtMs, goneAtMs);
    for (const { wakeAtMs } of this.openings.values()) at = Math.min(at, wakeAtMs);
    return at;
  }

  /** Sessions that carry new messages. */
  get open(): Session[] {
    return this.sessions.filter(({ state }) => state.at === 'open');
  }

  // What the application does.

  /** A live handshake. */
  begin(peer: Address, peerLabel: string): void {
    if (this.openings.size >= MAX_OPENINGS || this.sessions.length >= MAX_SESSIONS) return;
    const { chance, truth } = this.#world;
    const nonce = chance.bytes(32);
    const id = messageIdFromBytes(nonce.subarray(0, 8));
    let answer: Uint8Array | undefined;
    let made: Session | undefined;
    const context = this.#handshake(this.address, peer, this.label, peerLabel);
    const run = runInitiator(context, this.#host, {
      output: (output) => {
        if (output.type === 'send') this.#sendPhase(opening, output.phase, output.body);
        else if (output.type === 'timer') opening.wakeAtMs = output.atMs;
        else if (output.type === 'established') {
          const end = { role: 'initiator', own: this.address, ownLabel: this.label, peer, peerLabel } as const;
          truth.established({ ...end, answer: answer!, offer: this.suites }, output)();
          made = this.#session(output, 'initiator', peer, peerLabel, undefined);
        } else if (output.type === 'confirmed') {
          this.openings.delete(keyOf(opening));
          this.#world.count('handshakes confirmed');
          this.sessions.push(made!);
        }
        return undefined;
      },
      failed: (error) => this.#refuse(opening, error),
    });
    const opening: Opening = {
      peer,
      id,
      last: undefined,
      wakeAtMs: Infinity,
      feed: (input) => {
        if (input.type === 'message' && input.phase === 2 && run.at === 'awaiting-phase-2') answer = input.body.slice();
        run.feed(input);
      },
    };
    this.openings.set(keyOf(opening), opening);
    run.feed({
      type: 'start',
      nonce,
      boxRandomness: chance.bytes(16),
      offer: this.suites,
      credential: this.credential,
      name: 'client',
      parameters: {},
      nowMs: this.#world.nowMs,
    });
  }

  /** Makes bundles, stores them, and publishes them. */
  publish(count: number): void {
    const made: Uint8Array[] = [];
    for (const suite of this.#bundleSuites()) {
      for (let index = 0; index < count; index += 1) made.push(this.#makeBundle(suite));
    }
    this.#world.publish(this, made);
  }

  /** A start from a bundle; `old` is a session whose messages it takes over. */
  beginAway(peer: Address, old?: Session): void {
    if (old === undefined && this.sessions.length >= MAX_SESSIONS) return;
    const { chance, truth, nowMs } = this.#world;
    const offer = this.#bundleSuites();
    const given = this.#world.fetch(peer, this);
    if (given === undefined || offer.length === 0) return;
    const nonce = chance.bytes(32);
    const context = this.#handshake(this.address, peer, this.label, given.label);
    let made: { readonly output: EstablishedOutput; readonly body: Uint8Array } | undefined;
    let established: EstablishedOutput | undefined;
    const machine = { start: PREKEY_INITIATOR_START, step: stepPrekeyInitiator, takes: prekeyInitiatorTakes };
    runMachine(machine, context, this.#host, {
      output: (output) => {
        if (output.type === 'established') established = output;
        else if (output.type === 'send') made = { output: established!, body: output.body };
        return undefined;
      },
      failed: (error) => this.#world.count(`bundle refused: ${error.code}`),
    }).feed({
      type: 'start',
      bundle: given.bundle,
      nonce,
      boxRandomness: chance.bytes(16),
      offer,
      credential: this.credential,
      name: 'client',
      nowMs,
    });
    if (made === undefined) return;
    const { output, body } = made;
    const end = { role: 'initiator', own: this.address, ownLabel: this.label, peer, peerLabel: given.label } as const;
    truth.established({ ...end, answer: given.bundle, offer }, output)();
    const id = messageIdFromBytes(nonce.subarray(0, 8));
    const own: OwnStart = {
      role: 'initiator',
      bundleId: decodeBundleBody3(body).bundleId.slice(),
      message: { type: 'client-connect', phase: 3, id, dst: peer, data: body },
      notAfterMs: decodeBundleCore(decodeBundle(given.bundle).core).notAfter * 1_000,
      replaces: old?.state.conversationId ?? new Uint8Array(0),
      contents: new Map(old?.start?.role === 'initiator' ? old.start.contents : []),
    };
    const session = this.#session(output, 'initiator', peer, given.label, own);
    for (const { id: again } of old?.state.outbox ?? []) {
      const kept = own.contents.get(again);
      if (kept === undefined) continue;
      const { kind, content } = kept;
      const expiry = kept.expiresAtMs === undefined ? {} : { expiresAtMs: kept.expiresAtMs };
      const input = { type: 'send', id: again, kind, content, nowMs, ...expiry } as const;
      session.state = stepConversation(session.state, input, this.#contextOf(session)).state;
      truth.sent(session.state, again, fromUtf8(content));
    }
    // One commit has it all.
    this.#crashAt('before the commit');
    session.isStored = true;
    this.sessions.push(session);
    if (old !== undefined) this.sessions = this.sessions.filter((other) => other !== old);
    this.#crashAt('after the commit');
    this.#world.count('starts from bundles');
    this.reconnect(session);
  }

  send(session: Session, bytes: number, expiresAtMs?: number): void {
    const { chance, nowMs, truth } = this.#world;
    if (session.state.outbox.length >= 60) return;
    const id = this.#id();
    const text = `${id} ${'x'.repeat(bytes)}`;
    const content = utf8(text);
    const start = ownUnheard(session);
    start?.contents.set(id, { kind: 'text', content, expiresAtMs });
    const expiry = expiresAtMs === undefined ? {} : { expiresAtMs };
    const kind = chance.is(0.9) ? 'text' : 'data';
    this.#feed(session, { type: 'send', id, kind, content, nowMs, ...expiry }, (state) => truth.sent(state, id, text));
  }

  rekey(session: Session): void {
    this.#feed(session, { type: 'rekey' });
  }

  close(session: Session, reason: CloseReason): void {
    const { nowMs, truth } = this.#world;
    this.#feed(session, { type: 'close', id: this.#id(), reason, nowMs }, (state) => truth.closes(state));
  }

  // What the relay and time do.

  /** A new hop: everything outstanding goes again. */
  reconnect(only?: Session): void {
    for (const session of only === undefined ? [...this.sessions] : [only]) {
      const start = ownUnheard(session);
      if (start !== undefined) this.#world.transmit(this, start.message);
      this.#feed(session, { type: 'reconnected', nowMs: this.#world.nowMs });
    }
    if (only !== undefined) return;
    for (const { last } of this.openings.values()) if (last !== undefined) this.#world.transmit(this, last);
  }

  /** Whatever is due. */
  tick(): void {
    const { nowMs } = this.#world;
    this.sessions = this.sessions.filter(({ goneAtMs = Infinity, start, state }) => {
      if (goneAtMs > nowMs) return true;
      for (const id of start?.role === 'responder' ? start.ids : []) this.#forgotten.add(`${state.peer.address} ${id}`);
      return false;
    });
    for (const session of this.sessions) {
      if (session.wakeAtMs > nowMs) continue;
      session.wakeAtMs = Infinity;
      this.#feed(session, { type: 'timer', nowMs });
    }
    for (const opening of this.openings.values()) {
      if (opening.wakeAtMs > nowMs) continue;
      opening.wakeAtMs = Infinity;
      opening.feed({ type: 'timer', nowMs });
      // Repeats of phase 3 were answered until now.
      if (opening.wakeAtMs === Infinity) this.openings.delete(keyOf(opening));
    }
  }

  receive(message: Message): void {
    const src = 'src' in message ? message.src : undefined;
    switch (message.type) {
      case 'client-connect':
        if (src !== undefined) this.#takeConnect(message, src);
        break;
      case 'client-com':
      case 'client-disconnect':
        if (src !== undefined) this.#takeRecord(message, src);
        break;
      case 'ack':
        if (message.msgId !== undefined) this.#offer(message.msgId, 'accepted');
        else if (src !== undefined) this.#takeRecord(message, src);
        break;
      case 'error':
        this.#takeError(message);
        break;
      default:
        break;
    }
  }

  /** Runs one of the above; a crash that was due starts the process again. */
  run(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.#world.count(`crashes ${error.message}`);
      this.restart();
    }
  }

  /** The process starts again from its store. */
  restart(): void {
    this.crash = undefined;
    this.crashes += 1;
    this.load(this.snapshot());
  }

  snapshot(): Snapshot {
    const sessions = this.sessions
      .filter(({ isStored }) => isStored)
      .map(({ state, start, lastShown }) => ({
        state: encodeState(state),
        start: encodeCbor(encodeStart(start, state)),
        lastShown,
      }));
    return { sessions, bundles: [...this.bundles], shown: new Set(this.shown), ends: new Map(this.ends) };
  }

  load(from: Snapshot): void {
    this.openings.clear();
    this.bundles = new Map(from.bundles);
    this.shown = new Set(from.shown);
    this.ends = new Map(from.ends);
    this.sessions = from.sessions.map(({ state: bytes, start, lastShown }) => {
      const state = decodeState(bytes, (name) => this.#world.suites.find((suite) => suite.name === name));
      return {
        name: hex(state.conversationId),
        state,
        start: decodeStart(decodeCbor(start)),
        isStored: true,
        wakeAtMs: 0,
        lastShown,
      };
    });
    for (const { start } of this.sessions) if (start?.role === 'responder') this.bundles.delete(hex(start.bundleId));
    for (const session of this.sessions) {
      for (const entry of session.state.inbox) {
        if (entry.shown && entry.kind !== 'close') this.#show(session, entry, true);
      }
    }
    this.reconnect();
  }

  #respond(message: ClientConnect, src: Address, label: string): void {
    if (this.openings.size >= MAX_OPENINGS) return;
    const { chance, truth } = this.#world;
    const context = this.#handshake(src, this.address, label, this.label);
    const run = runResponder(context, this.#host, {
      output: (output) => {
        switch (output.type) {
          case 'send':
            if (output.phase === 2) truth.answers(this.address, output.body);
            this.#sendPhase(opening, output.phase, output.body);
            return undefined;
          case 'timer':
            opening.wakeAtMs = output.atMs;
            return undefined;
          case 'consent':
            if (output.handshakeId !== message.id) return { type: 'reject', code: 'malformed' };
            if (this.sessions.length >= MAX_SESSIONS || chance.is(0.02)) return { type: 'reject', code: 'rejected' };
            return {
              type: 'accept',
              suites: this.suites,
              nonce: chance.bytes(32),
              boxRandomness: chance.bytes(16),
              credential: this.credential,
              nowMs: this.#world.nowMs,
            };
          case 'authenticated':
            return { type: 'finish', name: 'client', parameters: {}, nowMs: this.#world.nowMs };
          case 'established': {
            const end = { role: 'responder', own: this.address, ownLabel: this.label } as const;
            truth.established({ ...end, peer: src, peerLabel: label }, output)();
            this.sessions.push(this.#session(output, 'responder', src, label, undefined));
            this.#world.count('handshakes answered');
            return undefined;
          }
          default:
            return undefined;
        }
      },
      failed: (error) => this.#refuse(opening, error),
    });
    const feed = (input: Parameters<Opening['feed']>[0]): void => run.feed(input);
    const opening: Opening = { peer: src, id: message.id, last: undefined, wakeAtMs: Infinity, feed };
    this.openings.set(keyOf(opening), opening);
    run.feed({ type: 'message', phase: message.phase, body: message.data });
  }

  #takeConnect(message: ClientConnect, src: Address): void {
    const opening = this.openings.get(keyOf({ peer: src, id: message.id }));
    const answer = opening === undefined && message.phase === 3 ? readBundleBody3(message.data) : undefined;
    if (opening !== undefined) opening.feed({ type: 'message', phase: message.phase, body: message.data });
    else if (src === this.address || message.label === undefined) return;
    else if (answer !== undefined) this.#takeStart(message, src, message.label, answer);
    else if (message.phase === 1) this.#respond(message, src, message.label);
  }

  /** A phase 3 that answers a bundle. */
  #takeStart(message: ClientConnect, src: Address, label: string, body: BundleBody3): void {
    const { nowMs, truth } = this.#world;
    const refuse = (code: ErrorMessage['code']): void =>
      this.#world.transmit(this, { type: 'error', code, msgId: message.id, dst: src });
    const digest = provider.hash('SHA-256', message.data);
    const begun = this.sessions.find(
      ({ start, state }) => state.peer.address === src && start !== undefined && equal(start.bundleId, body.bundleId),
    );
    if (begun !== undefined) {
      const isRepeat = begun.start?.role === 'responder' && equal(begun.start.digest, digest);
      if (isRepeat) this.#feed(begun, { type: 'reconnected', nowMs });
      else refuse('spent');
      return;
    }
    const own = this.bundles.get(hex(body.bundleId));
    if (own === undefined) {
      refuse('spent');
      return;
    }
    if (this.sessions.length >= MAX_SESSIONS * 4) return;
    const bundleId = body.bundleId.slice();
    let established: EstablishedOutput | undefined;
    const machine = { start: PREKEY_RESPONDER_START, step: stepPrekeyResponder, takes: prekeyResponderTakes };
    runMachine(machine, this.#handshake(src, this.address, label, this.label), this.#host, {
      output: (output) => {
        if (output.type === 'established') established = output;
        return undefined;
      },
      failed: (error) => {
        this.#world.count(`start refused: ${error.code}`);
        refuse(error.code === 'handshake/bundle-expired' ? 'spent' : failureReason(error));
      },
    }).feed({
      type: 'start',
      id: message.id,
      body: message.data,
      bundle: own.bundle,
      decapsulationKey: own.decapsulationKey,
      nowMs,
    });
    if (established === undefined) return;
    const end = { role: 'responder', own: this.address, ownLabel: this.label, peer: src, peerLabel: label } as const;
    const keep = truth.established(end, established);
    const start: Start = { role: 'responder', bundleId, digest, ids: new Set() };
    const session = this.#session(established, 'responder', src, label, start);
    // The owner of the bundle owes a record: it confirms.
    session.state = { ...session.state, acknowledgeAtMs: nowMs };
    session.wakeAtMs = nowMs;
    this.#crashAt('before the commit');
    keep();
    session.isStored = true;
    this.sessions.push(session);
    this.#crashAt('after the commit');
    this.bundles.delete(hex(bundleId));
    this.#world.count('starts answered');
  }

  #takeRecord(message: RecordMessage, src: Address): void {
    if (message.saData === undefined) return;
    const id = conversationIdOf(message.saData);
    if (id === undefined) return;
    const name = hex(id);
    const session = this.sessions.find((each) => each.name === name && each.state.peer.address === src);
    if (session !== undefined) {
      this.#feed(session, { type: 'receive', message, nowMs: this.#world.nowMs });
      return;
    }
    for (const { peer } of this.openings.values()) if (peer === src) return;
    if (message.type !== 'client-com') return;
    this.#world.transmit(this, { type: 'error', code: 'unknown-conversation', msgId: message.id, dst: src });
  }

  #takeError({ code, msgId, src }: ErrorMessage): void {
    if (msgId === undefined) return;
    for (const opening of this.openings.values()) {
      if (opening.id !== msgId || (src !== undefined && src !== opening.peer)) continue;
      opening.feed({ type: 'abort', error: new SimsError('client/rejected', `answered ${code}`) });
      return;
    }
    for (const session of this.sessions) {
      const start = ownUnheard(session);
      if (start?.message.id !== msgId || (src !== undefined && src !== session.state.peer.address)) continue;
      if (src === undefined && code === 'expired') this.#world.transmit(this, start.message);
      else if (src !== undefined) this.#beginAgain(session);
      return;
    }
    if (code === 'expired' && src === undefined) this.#offer(msgId, 'expired');
    else if (code === (src === undefined ? 'unknown-peer' : 'unknown-conversation')) {
      this.#offer(msgId, 'unreachable', src === undefined ? 'relay' : 'peer');
    }
  }

  /** At once the first time, later each time that this is not enough. */
  #beginAgain(session: Session): void {
    const { address } = session.state.peer;
    const { nowMs } = this.#world;
    const { count, atMs } = this.#restarts.get(address) ?? { count: 0, atMs: 0 };
    if (nowMs < atMs) return;
    this.#restarts.set(address, { count: count + 1, atMs: nowMs + Math.min(1_000 * 2 ** count, 300_000) });
    this.beginAway(address, session);
  }

  #offer(id: MessageId, type: 'accepted' | 'unreachable' | 'expired', by: 'relay' | 'peer' = 'relay'): void {
    const session = this.sessions.find(({ state }) => state.outbox.some((entry) => entry.id === id));
    if (session === undefined) return;
    const { nowMs } = this.#world;
    const start = type === 'unreachable' ? ownUnheard(session) : undefined;
    if (start !== undefined) this.#world.transmit(this, start.message);
    else
      this.#feed(
        session,
        type === 'accepted' ? { type, id } : type === 'expired' ? { type, id, nowMs } : { type, by, id, nowMs },
      );
  }

  /** One step: stored before anything leaves. */
  #feed(session: Session, input: ConversationInput, committed?: (state: ConversationState) => void): void {
    const before = session.state;
    if (!(input.type in CONVERSATION_TRANSITIONS[before.at])) return;
    const context = this.#contextOf(session);
    const { state, outputs } = stepConversation(before, input, context);
    if (state !== before) {
      this.#crashAt('before the commit');
      session.state = state;
      session.isStored = true;
      eraseSuperseded(before, state);
      settle(session);
      this.#judge(session, before);
      committed?.(state);
      this.#crashAt('after the commit');
    }
    for (const output of outputs) {
      this.#act(session, output, context.suite);
      this.#crashAt('between two outputs');
    }
    const hasEnded = session.state.at !== 'open' && session.state.at !== 'closing';
    if (hasEnded) session.goneAtMs ??= this.#world.nowMs + LINGER_MS;
  }

  /** What a commit must not break. */
  #judge(session: Session, before: ConversationState): void {
    const { truth } = this.#world;
    const { state } = session;
    truth.bounded(state);
    if (state.inbox === before.inbox) return;
    for (const entry of state.inbox) {
      if (before.inbox.some(({ m }) => m === entry.m)) continue;
      truth.stored(state, entry, entry.kind === 'close' ? '' : fromUtf8(entry.content));
    }
  }

  #act(session: Session, output: ConversationOutput, suite: Suite): void {
    const { truth } = this.#world;
    const { state, name } = session;
    switch (output.type) {
      case 'send':
        truth.released(state, suite, output.message);
        this.#world.transmit(this, output.message);
        break;
      case 'message':
        this.#show(session, output.message, false);
        break;
      case 'timer':
        session.wakeAtMs = Math.min(session.wakeAtMs, output.atMs);
        break;
      case 'state':
        if (output.state !== 'delivered' && output.state !== 'failed') break;
        truth.hold(!this.ends.has(output.id) || truth.tainted.has(name), `message ${output.id} ended twice`);
        if (output.state === 'delivered') truth.delivered(state, output.id);
        this.ends.set(output.id, output.state);
        this.#world.count(output.state === 'failed' ? `messages failed: ${output.reason}` : 'messages delivered');
        break;
      case 'consistency':
        if (output.evidence === undefined) break;
        this.#world.count(`events: ${output.consistency}`);
        truth.hold(truth.tainted.has(name), `${output.consistency} though nobody was restored or cloned`);
        break;
      case 'dropped':
        this.#world.count(`dropped: ${output.code}`);
        break;
      case 'closed':
        if (output.by === 'peer') truth.closedByPeer(state);
        this.#world.count(`closed by ${output.by}`);
        break;
    }
  }

  #show(session: Session, entry: { m: number; id: MessageId; content: Uint8Array }, isAgain: boolean): void {
    const { truth } = this.#world;
    const { m, id } = entry;
    const { state, start, name } = session;
    const key = `${state.peer.address} ${id}`;
    const wasHere = this.sessions.some(
      (other) =>
        other !== session &&
        other.state.peer.address === state.peer.address &&
        other.start?.role === 'responder' &&
        other.start.ids.has(id),
    );
    if (!wasHere) {
      remember(start, state, id);
      if (!this.shown.has(key)) {
        const isInOrder = m > session.lastShown || m < state.receive.passedBelow;
        truth.hold(isInOrder || truth.tainted.has(name), `message ${m} was shown after ${session.lastShown}`);
        session.lastShown = Math.max(m, session.lastShown);
        this.shown.add(key);
        this.#world.count('messages shown');
      } else {
        // A sender that was set back behind its confirmation may begin anew with what had come.
        const isAnew = start !== undefined && truth.unsound.has(state.peer.address);
        // One that closes a conversation before its peer knows that it began forgets what had come in it.
        const isOlder = start?.role === 'responder' && !knowsOwn(state);
        if (isOlder && !isAgain && this.#isBegunAnew(state.peer.address)) {
          // What an older start holds back is let go when its peer was confirmed in the next one.
          this.#world.count('messages shown again from an older start');
        } else if (this.#forgotten.has(key)) this.#world.count('messages shown again after a close');
        else truth.hold(isAgain || isAnew, `message ${m} (${id}) was shown twice`);
      }
    }
    this.#feed(session, { type: 'taken', m });
  }

  /** Whether a peer that began again is confirmed. */
  #isBegunAnew(peer: Address): boolean {
    return this.sessions.some(
      ({ start, state }) => start?.role === 'responder' && state.peer.address === peer && knowsOwn(state),
    );
  }

  #refuse(opening: Opening, error: SimsError): void {
    this.openings.delete(keyOf(opening));
    this.#world.count(`handshakes failed: ${error.code}`);
    const { id, peer } = opening;
    this.#world.transmit(this, { type: 'error', code: failureReason(error), msgId: id, dst: peer });
  }

  #sendPhase(opening: Opening, phase: 1 | 2 | 3 | 4, data: Uint8Array): void {
    opening.last = { type: 'client-connect', phase, id: opening.id, dst: opening.peer, data };
    this.#world.transmit(this, opening.last);
  }

  #makeBundle(suite: SuiteName): Uint8Array {
    const { chance, suites, relayIdentity, nowMs, truth } = this.#world;
    let made: Uint8Array | undefined;
    const id = chance.bytes(8);
    runMachine({ start: BUNDLE_START, step: stepBundle, takes: bundleTakes }, { provider, suites }, this.#host, {
      output: (output) => {
        if (output.type === 'made') {
          const { bundle, notAfterMs, keyPair } = output;
          this.bundles.set(hex(id), { bundle, notAfterMs, decapsulationKey: keyPair.decapsulationKey });
          made = bundle;
        }
        return undefined;
      },
      failed: (error) => {
        throw error;
      },
    }).feed({
      type: 'start',
      id,
      suite,
      suites: this.#bundleSuites(),
      relayIdentity,
      address: this.address,
      label: this.label,
      credential: this.credential,
      notAfterMs: nowMs + BUNDLE_LIFETIME_MS,
      nowMs,
    });
    truth.answers(this.address, made!);
    return made!;
  }

  #bundleSuites(): readonly SuiteName[] {
    return this.suites.filter((name) => hasBundles(this.#world.suites.find((suite) => suite.name === name)!));
  }

  #session(
    output: EstablishedOutput,
    role: 'initiator' | 'responder',
    address: Address,
    label: string,
    start: Start | undefined,
  ): Session {
    const { suite, conversationId, finalTranscriptHash, secrets, peer } = output;
    const state = startConversation(
      {
        role,
        conversationId,
        finalTranscriptHash,
        secrets,
        own: { address: this.address, fingerprint: this.fingerprint, label: this.label },
        peer: { address, fingerprint: peer.fingerprint, label },
        relayIdentity: this.#world.relayIdentity,
        nowMs: this.#world.nowMs,
      },
      { ...this.#context, suite },
    );
    return { name: hex(conversationId), start, state, isStored: false, wakeAtMs: Infinity, lastShown: 0 };
  }

  #handshake(initiator: Address, responder: Address, initiatorLabel: string, responderLabel: string): HandshakeContext {
    const { suites, relayIdentity } = this.#world;
    const labels = { initiatorLabel, responderLabel };
    return { plane: 'conversation', provider, suites, initiator, responder, relayIdentity, ...labels };
  }

  #contextOf({ state }: Session): ConversationContext {
    const suite = this.#world.suites.find(({ name }) => name === state.suite)!;
    return { ...this.#context, suite };
  }

  #id(): MessageId {
    return messageIdFromBytes(this.#world.chance.bytes(8));
  }

  #crashAt(point: CrashPoint): void {
    if (this.crash?.at !== point) return;
    if (this.crash.commits > 0) this.crash.commits -= 1;
    else throw new Crash(point);
  }
}

/** The own start of a session whose peer was not heard. */
function ownUnheard({ start, state }: Session): OwnStart | undefined {
  return start?.role === 'initiator' && !isHeard(state) ? start : undefined;
}

/** What a start kept is not needed any more. */
function settle({ start, state }: Session): void {
  if (start === undefined) return;
  if (start.role === 'initiator') {
    if (isHeard(state)) start.contents.clear();
  } else if (knowsOwn(state)) start.ids.clear();
}

function keyOf({ peer, id }: { readonly peer: Address; readonly id: MessageId }): string {
  return `${peer} ${id}`;
}
