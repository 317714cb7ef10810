/**
 * What a hostile relay does to what passes through it, and what it makes up.
 *
 * @packageDocumentation
 */
import { concat } from '../../../src/bytes.ts';
import { nodeProvider as provider } from '../../../src/crypto/node/index.ts';
import { SimsError } from '../../../src/errors.ts';
import {
  absorb,
  contextBytes,
  createCredentialVerifier,
  runInitiator,
  runResponder,
  signedContent,
  startTranscript,
  type AnswerHost,
  type ConversationContext as HandshakeContext,
} from '../../../src/handshake/index.ts';
import { messageIdFromBytes, type Address, type MessageId } from '../../../src/messages/address.ts';
import {
  decodeBundle,
  decodeBundleCore,
  encodeBundle,
  encodeBundleBody3,
  encodeBundleCore,
} from '../../../src/messages/bundle.ts';
import { encodeCredential, type Credential } from '../../../src/messages/credential.ts';
import * as bodies from '../../../src/messages/handshakeBodies.ts';
import { decodeMessage, encodeMessage, type Message } from '../../../src/messages/messages.ts';
import type { ErrorReason } from '../../../src/messages/reason.ts';
import { decodeSaData, encodeSaData } from '../../../src/session/saData.ts';
import type { Chance } from './chance.ts';
import type { Client } from './client.ts';
import type { Flight, World } from './world.ts';

/** A handshake that the attacker holds with a client, under another's name. */
interface Imposture {
  readonly feed: (phase: 1 | 2 | 3 | 4, body: Uint8Array) => void;
}

const CODES: readonly ErrorReason[] = [
  'unknown-peer',
  'unknown-conversation',
  'rejected',
  'spent',
  'expired',
  'malformed',
];

/** The attacks of one world. Each returns whether it found something to attack. */
export class Attacks {
  readonly #world: World;
  readonly #chance: Chance;
  /** The attacker's own key, as several credentials. */
  readonly #keyPair: ReturnType<typeof provider.generateSignatureKeyPair>;
  readonly #impostures = new Map<string, Imposture>();
  readonly #host: AnswerHost;

  constructor(world: World) {
    this.#world = world;
    this.#chance = world.chance;
    this.#keyPair = provider.generateSignatureKeyPair('Ed25519', world.chance.bytes);
    this.#host = {
      sign: ({ toBeSigned }) => provider.sign(this.#keyPair, toBeSigned),
      verifyCredential: createCredentialVerifier({ provider }),
      random: world.chance.bytes,
      now: () => world.nowMs,
    };
  }

  /** Forgets handshakes of its own. */
  end(): void {
    this.#impostures.clear();
  }

  /** Whether a message was for the attacker behind another's name. */
  takes(flight: Flight): boolean {
    const { message, from, to } = flight;
    if (message.type !== 'client-connect') return false;
    const imposture = this.#impostures.get(`${from} ${to} ${message.id}`);
    imposture?.feed(message.phase, message.data);
    return imposture !== undefined;
  }

  /** A record or phase with a field changed. */
  mutate(flight: Flight): Flight | undefined {
    const { message } = flight;
    const fields = (['data', 'saData'] as const).filter((field) => field in message);
    const field = this.#chance.pick(fields);
    if (field === undefined) return undefined;
    const bytes = (message as unknown as Record<string, Uint8Array>)[field]!;
    return { ...flight, message: { ...message, [field]: this.#mutated(bytes) } as Message };
  }

  /** The same bits in a whole encoded message; `undefined` when it does not decode any more. */
  mutateEncoded(flight: Flight): Flight | undefined {
    const bytes = this.#mutated(encodeMessage(flight.message, this.#chance.is(0.5) ? 'cbor' : 'json'));
    try {
      return { ...flight, message: decodeMessage(bytes).message };
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      return undefined;
    }
  }

  /** Random bytes as a message or as a record or phase of someone. */
  inject(to: Client, from: Client): Flight | undefined {
    const { bytes, below, pick } = this.#drawing;
    const kind = below(4);
    if (kind === 0) {
      try {
        const { message } = decodeMessage(bytes(below(200)));
        return { from: from.address, label: from.label, to: to.address, message };
      } catch (error) {
        if (!(error instanceof SimsError)) throw error;
        return undefined;
      }
    }
    const id = messageIdFromBytes(bytes(8));
    const session = pick(to.sessions);
    const flight = { from: session?.state.peer.address ?? from.address, label: from.label, to: to.address };
    if (kind === 1) {
      const data = bytes(below(300));
      return { ...flight, message: { type: 'client-connect', phase: pick([1, 2, 3, 4] as const)!, id, data } };
    }
    if (session === undefined) return undefined;
    const { epoch, next } = session.state.receive.epochs.at(-1)!;
    const saData = encodeSaData({
      conversationId: session.state.conversationId,
      epoch: epoch + below(3),
      number: pick([next, next + below(4), next + 990 + below(20), below(2 ** 32)])!,
      nonce: bytes(session.state.suite.includes('AES_128') ? 0 : 6),
      announcement: bytes(pick([0, 0, 97, 120, 1_200])!),
    });
    const data = bytes(17 + below(200));
    if (kind === 2) return { ...flight, message: { type: 'ack', saData, data } };
    return { ...flight, message: { type: pick(['client-com', 'client-disconnect'] as const)!, id, saData, data } };
  }

  /** Parts of different messages of different conversations, put together. */
  splice(one: Flight, other: Flight): Flight | undefined {
    const { below, is } = this.#drawing;
    const a = one.message as { type: string; saData?: Uint8Array; data?: Uint8Array; id?: MessageId; phase?: number };
    const b = other.message as typeof a;
    const how = below(6);
    // Another sender's, as it is.
    if (how === 0) return { ...one, from: other.from, label: other.label };
    if (how === 1) return { ...one, to: other.to };
    if (a.type === 'client-connect' && b.type === 'client-connect') {
      return { ...one, message: { ...one.message, data: b.data!, ...(is(0.5) ? { phase: b.phase } : {}) } as Message };
    }
    if (a.saData === undefined || b.saData === undefined) return undefined;
    if (how === 2) return { ...one, message: { ...one.message, data: b.data! } as Message };
    if (how === 3 && b.id !== undefined && a.id !== undefined) {
      return { ...one, message: { ...one.message, id: b.id } as Message };
    }
    if (how === 4 && a.type !== 'ack') {
      const type = is(0.5) ? 'client-com' : 'client-disconnect';
      return { ...one, message: { ...one.message, type } as Message };
    }
    // The record of one conversation under the id of another, with or without its announcement.
    const suite = this.#world.suites.find(({ cipher }) => cipher.nonceLength > 0)!;
    try {
      const [fields, others] = [a, b].map(({ saData }) => decodeSaData(saData!, suite.cipher.nonceLength));
      const announcement = is(0.5) ? others!.announcement : fields!.announcement;
      const saData = encodeSaData({ ...fields!, conversationId: others!.conversationId, announcement });
      return { from: other.from, label: other.label, to: other.to, message: { ...one.message, saData } as Message };
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      return undefined;
    }
  }

  /** What was sealed or said on a hop, in a conversation. */
  splicePlane(flight: Flight): Flight | undefined {
    const { pick, is } = this.#drawing;
    const { message } = flight;
    const hop = this.#world.hops;
    if (message.type === 'client-connect') {
      const data = pick(hop.bodies.filter(({ phase }) => phase === message.phase || is(0.2)))?.body;
      return data === undefined ? undefined : { ...flight, message: { ...message, data } };
    }
    const record = pick(hop.records);
    if (record === undefined || !('saData' in message)) return undefined;
    const { saData, payload } = record;
    const conversation = (message as { saData: Uint8Array }).saData.subarray(0, 8);
    const own = is(0.5) ? saData : concat(conversation, saData.subarray(8));
    return { ...flight, message: { ...message, saData: own, data: payload } as Message };
  }

  /** Phase 1 with fewer suites, or phase 2 with another. */
  downgrade(flight: Flight): Flight | undefined {
    const { message } = flight;
    const { below, is } = this.#drawing;
    if (message.type !== 'client-connect') return undefined;
    try {
      if (message.phase === 1) {
        const body = bodies.decodeBody1(message.data);
        if (body.suites.length < 2) return undefined;
        const suites = is(0.5) ? body.suites.slice(1 + below(body.suites.length - 1)) : body.suites.toReversed();
        return { ...flight, message: { ...message, data: bodies.encodeBody1({ ...body, suites }) } };
      }
      if (message.phase === 2) {
        const { core, signature } = bodies.decodeBody2(message.data);
        const changed = bodies.encodeCore({ ...bodies.decodeCore(core), suite: 1 + below(6) });
        return { ...flight, message: { ...message, data: bodies.encodeBody2({ core: changed, signature }) } };
      }
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
    }
    return undefined;
  }

  /** Phase 2 with the attacker's credential or key, signed by the attacker as the real one would. */
  otherCredential(flight: Flight): Flight | undefined {
    const { message, from, to } = flight;
    if (message.type !== 'client-connect' || message.phase !== 2) return undefined;
    const asked = this.#world.tape.find(
      (each) => each.message.type === 'client-connect' && each.message.phase === 1 && each.message.id === message.id,
    );
    if (asked === undefined) return undefined;
    try {
      const { core } = bodies.decodeBody2(message.data);
      const fields = bodies.decodeCore(core);
      const credential = this.#chance.is(0.6) ? encodeCredential(this.#credential()) : fields.credential;
      const ownKey = this.#chance.is(0.5)
        ? this.#chance.bytes(fields.encapsulationKey.length)
        : fields.encapsulationKey;
      const changed = bodies.encodeCore({ ...fields, credential, encapsulationKey: ownKey });
      const context = this.#context(to, from, this.#world.labelOf(to), flight.label);
      const body1 = (asked.message as { data: Uint8Array }).data;
      const tr1 = absorb(provider, startTranscript(provider, contextBytes(context)), body1);
      const signature = provider.sign(this.#keyPair, signedContent('phase 2', absorb(provider, tr1, changed)));
      return { ...flight, message: { ...message, data: bodies.encodeBody2({ core: changed, signature }) } };
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      return undefined;
    }
  }

  /** Opens a conversation with a client, as another. */
  poseAsInitiator(victim: Client, as: Client): void {
    const nonce = this.#chance.bytes(32);
    const id = messageIdFromBytes(nonce.subarray(0, 8));
    const run = runInitiator(this.#context(as.address, victim.address, as.label, victim.label), this.#host, {
      output: (output) => {
        if (output.type === 'send') this.#say(as, victim.address, id, output.phase, output.body);
        return undefined;
      },
      failed: () => {},
    });
    this.#impostures.set(`${victim.address} ${as.address} ${id}`, {
      feed: (phase, body) => run.feed({ type: 'message', phase, body }),
    });
    run.feed({
      type: 'start',
      nonce,
      boxRandomness: this.#chance.bytes(16),
      offer: victim.suites,
      credential: this.#credential(),
      name: 'another',
      parameters: {},
      nowMs: this.#world.nowMs,
    });
  }

  /** Answers a client's phase 1 in the place of whom it is for. */
  poseAsResponder(flight: Flight): boolean {
    const { message, from, to } = flight;
    const as = this.#world.clients.find(({ address }) => address === to);
    if (message.type !== 'client-connect' || message.phase !== 1 || as === undefined) return false;
    const run = runResponder(this.#context(from, to, flight.label, as.label), this.#host, {
      output: (output) => {
        if (output.type === 'send') this.#say(as, from, message.id, output.phase, output.body);
        else if (output.type === 'authenticated') {
          return { type: 'finish', name: 'another', parameters: {}, nowMs: this.#world.nowMs };
        } else if (output.type === 'consent') {
          return {
            type: 'accept',
            suites: as.suites,
            nonce: this.#chance.bytes(32),
            boxRandomness: this.#chance.bytes(16),
            credential: this.#credential(),
            nowMs: this.#world.nowMs,
          };
        }
        return undefined;
      },
      failed: () => {},
    });
    this.#impostures.set(`${from} ${to} ${message.id}`, {
      feed: (phase, body) => run.feed({ type: 'message', phase, body }),
    });
    run.feed({ type: 'message', phase: 1, body: message.data });
    return true;
  }

  /** Phase 3 for a bundle under a box of noise, or with another hello: what does not open must not spend it. */
  forgedStart(to: Client, from: Client): Flight | undefined {
    const bundle = this.#chance.pick(this.#world.published.get(to.address) ?? []);
    if (bundle === undefined) return undefined;
    const core = decodeBundleCore(decodeBundle(bundle).core);
    const nonce = this.#chance.bytes(32);
    const hello = bodies.encodeBody1({ versions: [1], nonce, suites: core.suites });
    const { bytes } = this.#chance;
    const ciphertext = bytes(core.encapsulationKey.length === 1_216 ? 1_120 : core.encapsulationKey.length);
    const data = encodeBundleBody3({ ciphertext, box: bytes(200), bundleId: core.id, hello });
    const id = messageIdFromBytes(nonce.subarray(0, 8));
    return {
      from: from.address,
      label: from.label,
      to: to.address,
      message: { type: 'client-connect', phase: 3, id, data },
    };
  }

  /** A bundle that its owner did not make. */
  forgedBundle(bundle: Uint8Array): Uint8Array {
    if (this.#chance.is(0.4)) return this.#mutated(bundle);
    const { core, signature } = decodeBundle(bundle);
    const fields = decodeBundleCore(core);
    const { bytes, is, below } = this.#drawing;
    const changed = encodeBundleCore({
      ...fields,
      ...(is(0.5) ? { encapsulationKey: bytes(fields.encapsulationKey.length) } : {}),
      ...(is(0.3) ? { credential: encodeCredential(this.#credential()) } : {}),
      ...(is(0.3) ? { suite: 1 + below(5) } : {}),
      ...(is(0.2) ? { notAfter: fields.notAfter + 86_400 } : {}),
    });
    const own = provider.sign(this.#keyPair, signedContent('bundle', changed));
    return encodeBundle({ core: changed, signature: is(0.5) ? own : signature });
  }

  /** A word of the relay, or of a peer in the clear: a hint at most. */
  hint(to: Client): Flight | undefined {
    const { pick, is, bytes } = this.#drawing;
    const session = pick(to.sessions);
    const opening = pick([...to.openings.values()]);
    const ids = [...(session?.state.outbox.map(({ id }) => id) ?? []), ...(opening === undefined ? [] : [opening.id])];
    if (session?.start?.role === 'initiator') ids.push(session.start.message.id);
    const msgId = pick(ids) ?? messageIdFromBytes(bytes(8));
    const from = session?.state.peer.address ?? opening?.peer ?? to.address;
    if (is(0.4)) return { from: '' as Address, label: '', to: to.address, message: { type: 'ack', msgId } };
    const code = pick(CODES)!;
    const message: Message = { type: 'error', code, msgId };
    return { from: is(0.6) ? from : ('' as Address), label: '', to: to.address, message };
  }

  #say(as: Client, to: Address, id: MessageId, phase: 1 | 2 | 3 | 4, data: Uint8Array): void {
    const message: Message = { type: 'client-connect', phase, id, data };
    this.#world.put({ from: as.address, label: as.label, to, message });
  }

  #credential(): Credential {
    const { spki } = this.#keyPair;
    const victim = this.#chance.pick(this.#world.clients)!;
    const choices: readonly Credential[] = [
      { kind: 'key', spki },
      { kind: 'none', spki },
      victim.credential,
      { kind: 'none', spki: victim.keyPair.spki },
    ];
    return this.#chance.pick(choices)!;
  }

  #context(initiator: Address, responder: Address, initiatorLabel: string, responderLabel: string): HandshakeContext {
    const { suites, relayIdentity } = this.#world;
    const labels = { initiatorLabel, responderLabel };
    return { plane: 'conversation', provider, suites, initiator, responder, relayIdentity, ...labels };
  }

  #mutated(bytes: Uint8Array): Uint8Array {
    const { below, bytes: draw } = this.#drawing;
    const copy = concat(bytes);
    switch (below(6)) {
      case 0:
        return copy.subarray(0, below(copy.length + 1));
      case 1:
        return concat(copy, draw(1 + below(4)));
      case 2:
        if (copy.length > 0) copy[below(copy.length)] = below(256);
        return copy;
      default:
        if (copy.length > 0) copy[below(copy.length)]! ^= 1 << below(8);
        return copy;
    }
  }

  get #drawing(): {
    readonly bytes: (length: number) => Uint8Array;
    readonly below: (limit: number) => number;
    readonly is: (probability: number) => boolean;
    readonly pick: <T>(list: readonly T[]) => T | undefined;
  } {
    const chance = this.#chance;
    return {
      bytes: chance.bytes,
      below: (limit) => chance.below(limit),
      is: (probability) => chance.is(probability),
      pick: (list) => chance.pick(list),
    };
  }
}
