/** Records a conversation step by step, with all that lies between the steps. */
import { concat, equal, hex, lengthPrefixed, uint32, utf8 } from '../../src/bytes.ts';
import type { Suite } from '../../src/crypto/index.ts';
import { messageIdBytes } from '../../src/messages/index.ts';
import { associatedData, NO_ID, participantsHash } from '../../src/session/binding.ts';
import { decodeBody, encodeBody, type RecordBody } from '../../src/session/body.ts';
import { nextHash } from '../../src/session/history.ts';
import {
  conversationDigest,
  decodeSaData,
  digestDigits,
  type ContentKind,
  type ConversationState,
  type RatchetPublicKey,
  type RecordMessage,
} from '../../src/session/index.ts';
import { stepChain, type Direction, type Epoch } from '../../src/session/ratchet.ts';
import { beginEpoch } from '../../src/session/rekey.ts';
import { encodeSaData } from '../../src/session/saData.ts';
import {
  End,
  outcomeJson,
  recordJson,
  type Act,
  type EndName,
  type RecordJson,
  type StartJson,
} from './conversationRun.ts';
import { alice, bob, relayIdentity } from './people.ts';
import { NOW, play, record, seeded, type Json, type JsonObject, type Recorder, type RefusalClass } from './shared.ts';

/** A record that is altered or made by hand. */
export type Forged = RecordJson;

interface Ends {
  readonly initiator: End;
  readonly responder: End;
}

/** A conversation that writes itself down. */
export class Scenario {
  readonly suite: Suite;
  readonly #name: string;
  readonly #about: string;
  readonly #ends: Ends;
  readonly #source: Readonly<Record<EndName, Recorder>>;
  readonly #start: JsonObject;
  readonly #steps: Json[] = [];
  readonly #names = new Map<string, string>();
  readonly #records = new Map<string, RecordJson>();
  #nowMs = NOW;
  #ids = 0;

  constructor(name: string, about: string, suite: Suite) {
    this.suite = suite;
    this.#name = name;
    this.#about = about;
    const random = seeded(`conversation ${name}`);
    const length = suite.hash === 'SHA-384' ? 48 : 32;
    const start: StartJson = {
      'conversation id': hex(random(8)),
      tr4: hex(random(64)),
      'x of direction 0': hex(random(length)),
      'x of direction 1': hex(random(length)),
      'relay identity': hex(relayIdentity),
      initiator: { address: alice.address, fingerprint: hex(alice.fingerprint), label: 'open' },
      responder: { address: bob.address, fingerprint: hex(bob.fingerprint), label: 'verified' },
      time: NOW,
    };
    this.#source = {
      initiator: record(seeded(`conversation ${name} initiator`)),
      responder: record(seeded(`conversation ${name} responder`)),
    };
    this.#ends = { initiator: End.start('initiator', start, suite), responder: End.start('responder', start, suite) };
    const { own, peer, ownBinding, peerBinding, send, receive } = this.#ends.initiator.state;
    this.#start = {
      ...start,
      "participants' hash": hex(participantsHash(suite, own, peer)),
      directions: [
        { binding: hex(ownBinding), H_0: hex(send.hash), ...epochJson(send.current) },
        { binding: hex(peerBinding), H_0: hex(receive.history.hash), ...epochJson(receive.epochs[0]!) },
      ],
    };
  }

  /** The state of an end. */
  state(end: EndName): ConversationState {
    return this.#ends[end].state;
  }

  /** A record that was sent. */
  sent(name: string): RecordJson {
    return this.#records.get(name)!;
  }

  /** The name of the last record of an end. */
  lastOf(end: EndName): string {
    const letter = end === 'initiator' ? 'I' : 'R';
    return [...this.#names.values()].findLast((name) => name.startsWith(letter))!;
  }

  /** Lets time pass. */
  wait(forMs: number): void {
    this.#nowMs += forMs;
  }

  /** Sends a text; the name of its record. */
  send(end: EndName, text: string): string {
    return this.content(end, 'text', utf8(text));
  }

  /** Sends content; the name of its record. */
  content(end: EndName, kind: ContentKind, content: Uint8Array): string {
    return this.act(end, { do: 'send', id: this.#nextId(), kind, content: hex(content) })!;
  }

  /** Closes; the name of the record. */
  close(end: EndName): string {
    return this.act(end, { do: 'close', id: this.#nextId(), reason: 'closed' })!;
  }

  /** Gives up a message. */
  expire(end: EndName, name: string): void {
    this.act(end, { do: 'expired', id: this.sent(name).id! });
  }

  /** Receives a record that was sent. */
  receive(end: EndName, name: string): void {
    this.act(end, { do: 'receive', record: this.sent(name) }, { record: name });
  }

  /** Sends the ACK that is due, and lets the other end receive it. */
  acknowledge(end: EndName): string {
    this.wait(20);
    const name = this.act(end, { do: 'timer' })!;
    this.receive(end === 'initiator' ? 'responder' : 'initiator', name);
    return name;
  }

  /** Sends, receives, acknowledges. */
  exchange(end: EndName, text: string): void {
    const other = end === 'initiator' ? 'responder' : 'initiator';
    this.receive(other, this.send(end, text));
    this.acknowledge(other);
  }

  /** Asks for new keys with the next record. */
  rekey(end: EndName): void {
    this.act(end, { do: 'rekey' });
  }

  /** A record that a copy of the end, which is thrown away, has to refuse. */
  refuse(end: EndName, forged: Forged, why: string, expected: RefusalClass): void {
    this.#onCopy(end, forged, why, (outcome) => {
      const found = outcome.map((each) => (each as JsonObject)['refused']);
      if (!found.includes(expected))
        throw new Error(`${this.#name}, ${why}: ${JSON.stringify(outcome)}, not ${expected}`);
    });
  }

  /** A record that a copy of the end, which is thrown away, has to take. */
  take(end: EndName, forged: Forged, about: string): void {
    this.#onCopy(end, forged, about, (outcome) => {
      if (outcome.some((each) => 'refused' in (each as JsonObject))) {
        throw new Error(`${this.#name}, ${about}: ${JSON.stringify(outcome)}`);
      }
    });
  }

  /** A record that ends a copy of the end, which is thrown away, with evidence. */
  breaks(end: EndName, forged: Forged, about: string, expected: string): void {
    this.#onCopy(end, forged, about, (outcome) => {
      if (!outcome.some((each) => (each as JsonObject)['history'] === expected)) {
        throw new Error(`${this.#name}, ${about}: ${JSON.stringify(outcome)}, not ${expected}`);
      }
    });
  }

  /** What a copy of the end sends: of a thief, or of a store that was put back. */
  forkSends(end: EndName, texts: readonly string[]): readonly RecordJson[] {
    const real = this.#ends[end];
    const source = this.#source[end];
    const copy = new End(real.copy().state, { ...real.context, random: source.random }, play());
    const records = texts.flatMap((text) => {
      const send = { do: 'send', id: this.#nextId(), kind: 'text', content: hex(utf8(text)) } as const;
      return copy.act(send, this.#nowMs).flatMap((out) => (out.type === 'send' ? [recordJson(out.message)] : []));
    });
    source.taken();
    return records;
  }

  /** Receives a record that this conversation's ends did not send. */
  receiveForeign(end: EndName, foreign: RecordJson, about: string): void {
    this.act(end, { do: 'receive', record: foreign }, {}, about);
  }

  /** Lets the ACK that is due be sent; its name. */
  sendAck(end: EndName): string {
    this.wait(20);
    return this.act(end, { do: 'timer' })!;
  }

  /** The next record of an end with a plaintext of our own, under its right key and associated data. */
  forge(
    end: EndName,
    plaintext: Uint8Array,
    changes: { type?: RecordJson['type']; announcement?: Uint8Array; epoch?: Epoch } = {},
  ): RecordJson {
    const state = this.state(end);
    const { suite } = this;
    const epoch = changes.epoch ?? state.send.current;
    const random = seeded(`forged ${this.#name} ${this.#steps.length}`);
    const randomness = random(suite.cipher.randomnessLength);
    const direction: Direction = end === 'initiator' ? 0 : 1;
    const saData = encodeSaData({
      conversationId: state.conversationId,
      epoch: epoch.epoch,
      number: epoch.next,
      nonce: randomness.subarray(0, suite.cipher.nonceLength),
      announcement: changes.announcement ?? new Uint8Array(0),
    });
    const type = changes.type ?? 'client-com';
    const id = type === 'ack' ? undefined : random(8);
    const bound = associatedData(state.ownBinding, type, id ?? NO_ID, saData);
    const keys = stepChain(suite, epoch.chainKey, state.conversationId, direction, epoch.epoch, epoch.next);
    const sealed = suite.cipher.seal(keys.subarray(32), randomness, bound, plaintext, this.#nowMs);
    return { type, ...(id === undefined ? {} : { id: hex(id) }), 'sa-data': hex(saData), sealed: hex(sealed) };
  }

  /** A body as that end would write it next, with changes. */
  body(end: EndName, changes: Partial<RecordBody> = {}): Uint8Array {
    const { send, receive } = this.state(end);
    const { m, hash, gaps } = receive.history;
    return encodeBody(
      {
        numbered: { m: send.m + 1, previousHash: send.hash },
        seen: { m, hash, gaps },
        ratchetKey: undefined,
        lost: [],
        content: concat(Uint8Array.of(0), utf8('forged')),
        ...changes,
      },
      'padme',
    );
  }

  /** Does one thing and writes it down; the name of the last record that it sends. */
  act(end: EndName, act: Act, shown: JsonObject = {}, about?: string): string | undefined {
    const side = this.#ends[end];
    const before = snapshot(side.state);
    const { draws, rekey } = this.#drawsFor(end, side, act);
    const made: JsonObject[] = [];
    const outputs = side.act(act, this.#nowMs, draws);
    if (side.left > 0) throw new Error(`${this.#name}: ${side.left} draws were not taken by ${act.do}`);
    let last: string | undefined;
    const outcome = outcomeJson(outputs, (message) => {
      const json = recordJson(message);
      const key = `${json['sa-data']} ${json.sealed}`;
      const known = this.#names.get(key);
      if (known !== undefined) return known;
      const name = `${end === 'initiator' ? 'I' : 'R'}${[...this.#names.values()].filter((each) => each.startsWith(end === 'initiator' ? 'I' : 'R')).length + 1}`;
      this.#names.set(key, name);
      this.#records.set(name, json);
      made.push({ name, ...json, ...this.#explain(end, message, rekey?.epoch ?? before.current, before) });
      last = name;
      return name;
    });
    this.#steps.push({
      by: end,
      ...act,
      ...shown,
      about,
      time: this.#nowMs,
      random: draws.length === 0 ? undefined : draws,
      rekey: rekey?.json,
      records: made.length === 0 ? undefined : made,
      outcome,
    });
    return last;
  }

  /** The scenario, whole. */
  json(): JsonObject {
    const { initiator, responder } = this.#ends;
    const digestOf = (end: End): JsonObject => {
      const digest = conversationDigest(this.suite.provider, end.state);
      const { send, receive } = end.state;
      return {
        sent: { m: send.m, hash: hex(send.hash) },
        received: { m: receive.history.m, hash: hex(receive.history.hash) },
        digest: hex(digest),
        digits: digestDigits(this.suite.provider, digest),
      };
    };
    return {
      name: this.#name,
      about: this.#about,
      suite: this.suite.name,
      start: this.#start,
      steps: this.#steps,
      end: { initiator: digestOf(initiator), responder: digestOf(responder) },
    };
  }

  #nextId(): string {
    this.#ids += 1;
    return hex(seeded(`id ${this.#name} ${this.#ids}`)(8));
  }

  /** The draws of a step: found by doing it on a copy with the seeded source. */
  #drawsFor(
    end: EndName,
    side: End,
    act?: Act,
  ): { readonly draws: readonly string[]; readonly rekey?: { readonly epoch: Epoch; readonly json: JsonObject } } {
    const source = this.#source[end];
    const trial = new End(side.copy().state, { ...side.context, random: source.random }, play());
    const tried = act ?? { do: 'send', id: '00'.repeat(8), kind: 'text', content: '' };
    const before = trial.copy().state;
    trial.act(tried, this.#nowMs);
    const draws = source.taken();
    if (trial.state.send.current.epoch === before.send.current.epoch) return { draws };
    return { draws, rekey: this.#explainRekey(end, before, draws) };
  }

  #onCopy(end: EndName, forged: Forged, about: string, check: (outcome: readonly Json[]) => void): void {
    const copy = this.#ends[end].copy();
    const outcome = outcomeJson(copy.act({ do: 'receive', record: forged }, this.#nowMs), () => 'a record');
    check(outcome);
    this.#steps.push({
      by: end,
      'on a copy': true,
      do: 'receive',
      record: forged,
      about,
      time: this.#nowMs,
      outcome,
    });
  }

  #explainRekey(
    end: EndName,
    { conversationId, send, receive }: ConversationState,
    draws: readonly string[],
  ): { readonly epoch: Epoch; readonly json: JsonObject } {
    const { suite } = this;
    const player = play();
    player.feed(draws);
    const epoch = send.current.epoch + 1;
    const direction: Direction = end === 'initiator' ? 0 : 1;
    let secret: Uint8Array = new Uint8Array(0);
    const begun = beginEpoch(
      watched(suite, (found) => {
        secret = found;
      }),
      { conversationId, direction, epoch },
      send.current,
      receive.ratchetKey,
      player.random,
    )!;
    const json = announcementJson(suite, begun.announcement, receive.ratchetKey);
    const authenticated = lengthPrefixed(
      'SIMS 1 announcement',
      conversationId,
      Uint8Array.of(direction),
      uint32(epoch),
      begun.announcement.subarray(0, -32),
    );
    return {
      epoch: { ...begun.epoch, chainKey: Uint8Array.from(begun.epoch.chainKey) },
      json: {
        epoch,
        ...json,
        'KEM secret': hex(secret),
        authenticated: authenticated.length > 800 ? undefined : hex(authenticated),
        mac: hex(begun.announcement.subarray(-32)),
        "announcement's hash": hex(
          suite.provider.hash('SHA-256', concat(authenticated, begun.announcement.subarray(-32))),
        ),
        ...epochJson(begun.epoch),
      },
    };
  }

  #explain(end: EndName, message: RecordMessage, current: Epoch, before: Snapshot): JsonObject {
    const { suite } = this;
    const state = this.state(end);
    const { conversationId, epoch, number, nonce } = decodeSaData(message.saData!, suite.cipher.nonceLength);
    const chainKey = current.chainKey;
    const direction: Direction = end === 'initiator' ? 0 : 1;
    const keys = stepChain(suite, chainKey, conversationId, direction, epoch, number);
    const id = message.type === 'ack' ? undefined : messageIdBytes(message.id);
    const bound = associatedData(state.ownBinding, message.type, id ?? NO_ID, message.saData!);
    const plaintext = suite.cipher.open(keys.subarray(32), nonce, bound, message.data!);
    if (plaintext === undefined) throw new Error(`${this.#name}: a record of our own does not open`);
    const body = decodeBody(plaintext, suite.ratchetKem?.encapsulationKeyLength ?? 0);
    const { numbered } = body;
    const hash =
      numbered === undefined ? undefined : nextHash(suite, numbered.previousHash, numbered.m, bound, message.data!);
    if (hash !== undefined && !equal(hash, state.send.hash)) throw new Error('another H_m than the machine has');
    if (before.current.epoch > epoch) throw new Error('an older epoch');
    return {
      epoch,
      n: number,
      'chain key': hex(chainKey),
      'record key': hex(keys.subarray(32)),
      // Long ones are made of what is here: binding, type, id, sa-data.
      'associated data': bound.length > 500 ? undefined : hex(bound),
      plaintext: hex(plaintext),
      body: bodyJson(body),
      H_m: hash === undefined ? undefined : hex(hash),
    };
  }
}

/** The suite, with an eye on the KEM secret of a rekey. */
function watched(suite: Suite, found: (secret: Uint8Array) => void): Suite {
  const { ratchetKem } = suite;
  if (ratchetKem === undefined) return suite;
  return {
    ...suite,
    ratchetKem: {
      ...ratchetKem,
      encapsulate(key, random) {
        const made = ratchetKem.encapsulate(key, random)!;
        found(suite.kemSecret(made.raw.slice(), made.ciphertext, key).slice());
        return made;
      },
    },
  };
}

interface Snapshot {
  readonly current: Epoch;
}

/** The machine wipes what it leaves. */
function snapshot({ send }: ConversationState): Snapshot {
  return { current: { ...send.current, chainKey: Uint8Array.from(send.current.chainKey) } };
}

function epochJson({ root, announcementKey, chainKey }: Epoch): JsonObject {
  return {
    root: hex(Uint8Array.from(root)),
    'announcement key': hex(Uint8Array.from(announcementKey)),
    'first chain key': hex(Uint8Array.from(chainKey)),
  };
}

function announcementJson(suite: Suite, announcement: Uint8Array, key: RatchetPublicKey | undefined): JsonObject {
  const ctLength = suite.ratchetKem?.ciphertextLength ?? 0;
  const saltAt = announcement.length - 32 - ctLength - 16;
  return {
    announcement: hex(announcement),
    'number of ek': suite.ratchetKem === undefined ? undefined : key!.number,
    s_k: hex(announcement.subarray(saltAt, saltAt + 16)),
  };
}

function bodyJson({ numbered, seen, ratchetKey, lost, content }: RecordBody): JsonObject {
  const ranges = (list: readonly { readonly first: number; readonly length: number }[]): Json =>
    list.map(({ first, length }) => ({ first, length }));
  return {
    m: numbered?.m,
    'H_m-1': numbered === undefined ? undefined : hex(numbered.previousHash),
    seen: { m: seen.m, hash: hex(seen.hash), gaps: seen.gaps.length === 0 ? undefined : ranges(seen.gaps) },
    'ratchet key':
      ratchetKey === undefined
        ? undefined
        : {
            number: ratchetKey.number,
            ek: ratchetKey.encapsulationKey.length > 200 ? undefined : hex(ratchetKey.encapsulationKey),
          },
    lost: lost.length === 0 ? undefined : ranges(lost),
    content: hex(content),
  };
}
