/**
 * What really happened, as nobody in the simulation can see it, and the invariants that are held against it.
 *
 * @packageDocumentation
 */
import { concat, equal, hex } from '../../../src/bytes.ts';
import { nodeProvider as provider } from '../../../src/crypto/node/index.ts';
import type { Suite, SuiteName } from '../../../src/crypto/suite.ts';
import type { EstablishedOutput } from '../../../src/handshake/index.ts';
import type { Address, MessageId } from '../../../src/messages/address.ts';
import type { RecordMessage } from '../../../src/session/conversation.ts';
import { decodeSaData } from '../../../src/session/saData.ts';
import type { ConversationState, InboxEntry } from '../../../src/session/state.ts';

/** A broken invariant. */
export class Violation extends Error {}

/** One end of a handshake, as that end sees it. */
export interface EndOfHandshake {
  readonly role: 'initiator' | 'responder';
  readonly own: Address;
  readonly ownLabel: string;
  readonly peer: Address;
  readonly peerLabel: string;
  /** Body of phase 2, or the bundle, that the initiator took. */
  readonly answer?: Uint8Array;
  /** What the initiator offered. */
  readonly offer?: readonly SuiteName[];
}

interface Known extends EndOfHandshake {
  readonly suite: SuiteName;
  readonly secrets: string;
}

interface Sent {
  readonly from: Address;
  readonly to: Address;
  readonly content: string;
  /** By conversation, the number that it has there. */
  readonly numbers: Map<string, number>;
}

/** The record of everything, and the judge. */
export class Truth {
  /** Every seal: key and nonce. */
  readonly #used = new Set<string>();
  /** By record, its bytes as they left. */
  readonly #released = new Map<string, Uint8Array>();
  readonly #ends = new Map<string, Known>();
  readonly #answers = new Set<string>();
  readonly #sent = new Map<string, Sent>();
  readonly #stored = new Set<string>();
  readonly #closes = new Set<string>();
  readonly #conversations = new Map<Address, Set<string>>();
  /** Conversations of which an end was restored or cloned: an event may, or must, tell. */
  readonly tainted: Set<string> = new Set();
  /** Those whose keys nobody but the attacker may share. */
  readonly fingerprints: Map<Address, Uint8Array> = new Map();
  readonly accepts: Map<Address, readonly SuiteName[]> = new Map();
  /** Addresses that exist twice, or were set back. */
  readonly unsound: Set<Address> = new Set();

  hold(fact: boolean, message: string): void {
    if (!fact) throw new Violation(message);
  }

  /** The suite with a record cipher that tells of every use of a key. */
  witnessed(suite: Suite): Suite {
    const { cipher } = suite;
    return {
      ...suite,
      cipher: {
        ...cipher,
        seal: (key, randomness, ...rest) => {
          const use = `${hex(key)}${hex(randomness)}`;
          this.hold(!this.#used.has(use), 'a key and nonce were used twice');
          this.hold(
            key.some((byte) => byte !== 0),
            'an erased key was used',
          );
          this.#used.add(use);
          return cipher.seal(key, randomness, ...rest);
        },
      },
    };
  }

  /** All that existed at an address before it was copied or set back. */
  taint(address: Address): void {
    this.unsound.add(address);
    for (const name of this.#conversations.get(address) ?? []) this.tainted.add(name);
  }

  /** An honest responder says this: phase 2, or a bundle. */
  answers(own: Address, answer: Uint8Array): void {
    this.#answers.add(`${own} ${hex(provider.hash('SHA-256', answer))}`);
  }

  /** An end has keys. Called before they are used and erased; what it returns is called when the end keeps them. */
  established(end: EndOfHandshake, output: EstablishedOutput): () => void {
    const { conversationId, finalTranscriptHash, peer, suite, secrets } = output;
    const name = hex(conversationId);
    const print = this.fingerprints.get(end.peer);
    this.hold(print !== undefined, `a handshake with ${end.peer}, who does not exist`);
    this.hold(equal(print!, peer.fingerprint), `${end.own} takes another for ${end.peer}`);
    const shared = hex(provider.hash('SHA-256', concat(secrets.initiator, secrets.responder)));
    const known: Known = { ...end, suite: suite.name, secrets: shared };
    const key = `${hex(finalTranscriptHash)} ${name}`;
    const before = this.#ends.get(`${key} ${end.role}`);
    this.hold(before === undefined || this.unsound.has(end.own), `${end.own} takes one handshake twice`);
    if (before !== undefined) this.tainted.add(name);
    if (end.role === 'initiator') {
      const answer = `${end.peer} ${hex(provider.hash('SHA-256', end.answer!))}`;
      this.hold(this.#answers.has(answer), `${end.own} took an answer that ${end.peer} never gave`);
      const agreed = this.accepts.get(end.peer)!.find((candidate) => end.offer!.includes(candidate));
      this.hold(agreed === suite.name, `${suite.name} where both prefer ${agreed}`);
    } else {
      const initiator = this.#ends.get(`${key} initiator`);
      this.hold(initiator !== undefined, `${end.own} has a handshake that ${end.peer} never made`);
      const { own, peer: other, ownLabel, peerLabel } = initiator!;
      this.hold(own === end.peer && other === end.own, 'the ends do not agree who they are');
      this.hold(ownLabel === end.peerLabel && peerLabel === end.ownLabel, 'the ends do not agree on their labels');
      this.hold(initiator!.suite === suite.name, 'the ends do not agree on the suite');
      this.hold(initiator!.secrets === shared, 'the ends do not have the same keys');
    }
    return () => {
      this.#ends.set(`${key} ${end.role}`, known);
      const all = this.#conversations.get(end.own) ?? new Set();
      this.#conversations.set(end.own, all.add(name));
    };
  }

  /** A message is sealed and stored. */
  sent(state: ConversationState, id: MessageId, content: string): void {
    const from = state.own.address;
    const to = state.peer.address;
    const sent = this.#sent.get(`${from} ${id}`) ?? { from, to, content, numbers: new Map<string, number>() };
    sent.numbers.set(hex(state.conversationId), state.send.m);
    this.#sent.set(`${from} ${id}`, sent);
  }

  closes(state: ConversationState): void {
    this.#closes.add(`${state.own.address} ${hex(state.conversationId)}`);
  }

  /** An end of its peer's is believed. */
  closedByPeer(state: ConversationState): void {
    const peer = state.peer.address;
    this.hold(this.#closes.has(`${peer} ${hex(state.conversationId)}`), `an end that ${peer} never wrote`);
  }

  /** A message is in a stored inbox. */
  stored(state: ConversationState, entry: InboxEntry, content: string): void {
    const name = hex(state.conversationId);
    const from = state.peer.address;
    if (entry.kind === 'close') {
      this.closedByPeer(state);
      return;
    }
    const sent = this.#sent.get(`${from} ${entry.id}`);
    this.hold(sent !== undefined, `a message that ${from} never sent`);
    this.hold(sent!.to === state.own.address, `a message for ${sent!.to} at ${state.own.address}`);
    this.hold(sent!.content === content, 'a message with other content');
    const m = sent!.numbers.get(name);
    this.hold(m !== undefined, 'a message of another conversation');
    this.hold(m === entry.m || this.tainted.has(name), `message ${m} came as ${entry.m}`);
    this.#stored.add(`${from} ${entry.id}`);
  }

  /** A message is called delivered. */
  delivered(state: ConversationState, id: MessageId): void {
    // Of the message that ends a conversation nothing is kept. With two writers, a number that the receiver had of the one
    // counts for the other until the gap after it is filled: only then do the hashes meet, and it is a fork.
    const isKept = this.#sent.has(`${state.own.address} ${id}`);
    if (!isKept || this.tainted.has(hex(state.conversationId))) return;
    this.hold(this.#stored.has(`${state.own.address} ${id}`), `message ${id} is called delivered and never came`);
  }

  /** A record leaves. */
  released(state: ConversationState, suite: Suite, message: RecordMessage): void {
    const { saData, data } = message as { saData: Uint8Array; data: Uint8Array };
    const name = hex(state.conversationId);
    const { epoch, number } = decodeSaData(saData, suite.cipher.nonceLength);
    const record = `${name} ${state.role} ${epoch} ${number}`;
    const before = this.#released.get(record);
    const isSame = before === undefined || equal(before, data);
    this.hold(isSame || this.tainted.has(name), `record ${number} of epoch ${epoch} left as two`);
    this.#released.set(record, data);
  }

  /** Bounds that hold whatever the attacker does. */
  bounded(state: ConversationState): void {
    const { send, receive, outbox, inbox } = state;
    const within = (what: string, count: number, limit: number): void =>
      this.hold(count <= limit, `${count} ${what}, at most ${limit}`);
    within('messages in the outbox', outbox.length, 257);
    within('messages in the inbox', inbox.length, 2_001);
    within('early records', receive.early.length, 64);
    within('skipped keys', receive.skipped.length, 2_000);
    within('epochs', receive.epochs.length, 2);
    within('gaps', receive.history.gaps.length, 32);
    within('ratchet keys', send.ratchetKeys.length, 2);
    within('ranges of given-up messages', send.lost.length, 300);
    let early = 0;
    for (const { saData, sealed } of receive.early) early += saData.length + sealed.length;
    within('bytes of early records', early, 2_097_152);
  }
}
