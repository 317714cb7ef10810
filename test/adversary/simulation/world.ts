/**
 * The world of the simulation: clients, a hostile relay that is also the scheduler, and virtual time.
 *
 * @packageDocumentation
 */
import { equal } from '../../../src/bytes.ts';
import { allSuites } from '../../../src/crypto/node/index.ts';
import type { Suite, SuiteName } from '../../../src/crypto/suite.ts';
import type { Address } from '../../../src/messages/address.ts';
import type { Message } from '../../../src/messages/messages.ts';
import type { CloseReason } from '../../../src/session/state.ts';
import { Attacks } from './attacks.ts';
import { Chance } from './chance.ts';
import { Client, type CrashPoint, type Session, type Snapshot, type Surroundings } from './client.ts';
import { Hops } from './hops.ts';
import { Truth } from './truth.ts';

/** A message on its way, as the relay has it. */
export interface Flight {
  /** Empty: of the relay itself. */
  readonly from: Address;
  /** What the relay says of the sender. */
  readonly label: string;
  readonly to: Address;
  readonly message: Message;
}

interface Deed {
  readonly weight: number;
  readonly name: string;
  readonly work: () => boolean | undefined;
}

const MAX_FLIGHTS = 160;
const MAX_TAPE = 400;
const CRASH_POINTS: readonly CrashPoint[] = ['before the commit', 'after the commit', 'between two outputs'];
const CLOSE_REASONS: readonly CloseReason[] = ['closed', 'replaced', 'client-ended', 'error'];
const SETTLE_MS = 1_500_000;

/** One world: fixed by its seed. */
export class World implements Surroundings {
  readonly seed: number;
  readonly chance: Chance = new Chance();
  readonly truth: Truth = new Truth();
  readonly suites: readonly Suite[];
  readonly relayIdentity: Uint8Array;
  readonly clients: Client[] = [];
  readonly hops: Hops;
  /** All that passed lately. */
  readonly tape: Flight[] = [];
  /** By owner, every bundle that the relay ever had; those that it has not given. */
  readonly published: Map<Address, Uint8Array[]> = new Map();
  readonly counters: Map<string, number> = new Map();
  /** What was done, by step. */
  readonly log: string[] = [];
  nowMs = 1_700_000_000_000;
  #flights: Flight[] = [];
  readonly #stock = new Map<Address, Uint8Array[]>();
  readonly #attacks: Attacks;
  readonly #deeds: readonly Deed[];
  readonly #deedWeight: number;
  readonly #snapshots: { readonly client: Client; readonly snapshot: Snapshot }[] = [];
  /** Whether parties are set back and copied here: then not everything can come to rest. */
  readonly isSound: boolean;
  #isHonest = false;

  constructor(seed: number) {
    this.seed = seed;
    const { chance } = this;
    chance.begin(seed, 0);
    this.isSound = chance.is(0.5);
    this.suites = this.#suites();
    this.hops = new Hops(chance, this.suites);
    this.relayIdentity = this.hops.relayIdentity;
    const count = 2 + chance.below(3);
    for (let index = 0; index < count; index += 1) {
      this.clients.push(new Client(this, `label ${chance.below(3)}`, this.#order()));
    }
    this.#attacks = new Attacks(this);
    const hostility = chance.pick([0, 0.3, 1, 1, 2])!;
    this.#deeds = this.#allDeeds(hostility).filter(({ weight }) => weight > 0);
    this.#deedWeight = this.#deeds.reduce((sum, { weight }) => sum + weight, 0);
    for (const client of this.clients) client.publish(3);
  }

  /** Steps 1 to `steps`, but those in `skipped`. */
  run(steps: number, skipped?: ReadonlySet<number>): void {
    for (let step = 1; step <= steps; step += 1) {
      if (skipped?.has(step) === true) continue;
      this.step(step);
    }
  }

  step(step: number): void {
    const { chance } = this;
    chance.begin(this.seed, step);
    let draw = chance.unit() * this.#deedWeight;
    const deed = this.#deeds.find(({ weight }) => (draw -= weight) < 0) ?? this.#deeds[0]!;
    this.log.push(`${step}: ${deed.name}`);
    if (deed.work() !== false) this.count(deed.name);
    if (this.#flights.length > MAX_FLIGHTS) this.#flights.splice(chance.below(this.#flights.length), 1);
  }

  count(what: string): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + 1);
  }

  /** What the last step did, for a trace. */
  note(what: string): void {
    if (this.log.length > 0 && !this.#isHonest) this.log[this.log.length - 1] += ` · ${what}`;
  }

  transmit(from: Client, message: Message): void {
    const { dst, ...rest } = message as Message & { dst?: Address };
    if (dst === undefined) return;
    this.put({ from: from.address, label: from.label, to: dst, message: rest as Message });
  }

  put(flight: Flight): void {
    this.#flights.push(flight);
    this.tape.push(flight);
    if (this.tape.length > MAX_TAPE) this.tape.shift();
  }

  publish(from: Client, bundles: readonly Uint8Array[]): void {
    for (const map of [this.published, this.#stock]) {
      map.set(from.address, [...(map.get(from.address) ?? []), ...bundles].slice(-40));
    }
  }

  fetch(owner: Address, by: Client): { readonly bundle: Uint8Array; readonly label: string } | undefined {
    const { chance } = this;
    const label = this.labelOf(owner);
    // An owner that is there publishes again, at once, when a bundle was spent.
    if (this.#isHonest) this.clients.find(({ address }) => address === owner)?.publish(1);
    const stock = this.#stock.get(owner) ?? [];
    const how = this.#isHonest ? 0 : chance.below(12);
    if (how < 6) {
      const bundle = stock.shift();
      return bundle === undefined ? undefined : { bundle, label };
    }
    const any = chance.pick(this.published.get(owner) ?? []);
    if (how === 6 || any === undefined) return this.#did('bundle withheld', undefined);
    if (how <= 8) return this.#did('bundle given again', { bundle: any, label });
    if (how === 9) {
      const other = chance.pick(this.clients.filter(({ address }) => address !== owner || by.address !== owner))!;
      const swapped = chance.pick(this.published.get(other.address) ?? []) ?? any;
      return this.#did('bundle swapped', { bundle: swapped, label });
    }
    if (how === 10) return this.#did('bundle with another label', { bundle: any, label: `label ${chance.below(3)}` });
    return this.#did('bundle forged', { bundle: this.#attacks.forgedBundle(any), label });
  }

  labelOf(address: Address): string {
    return this.clients.find((client) => client.address === address)?.label ?? '';
  }

  /** No attacks and no crashes any more: everything must come to rest, and histories agree. */
  settle(): void {
    this.log.push('settling');
    this.chance.begin(this.seed, 2 ** 31 - 1);
    this.#isHonest = true;
    this.#attacks.end();
    for (const client of this.clients) client.crash = undefined;
    for (const client of this.clients) client.publish(2);
    for (let round = 0; round < 2; round += 1) {
      for (const client of this.clients) {
        client.reconnect();
        for (const session of client.open) client.send(session, 10);
      }
      this.#comeToRest();
    }
    this.#agree();
  }

  #comeToRest(): void {
    const untilMs = this.nowMs + SETTLE_MS;
    for (let events = 0; ; events += 1) {
      this.truth.hold(events < 60_000, 'it does not come to rest');
      const flight = this.#flights.shift();
      if (flight !== undefined) {
        this.nowMs += 1 + this.chance.below(20);
        this.#answerHonestly(flight);
        continue;
      }
      const wakeAtMs = Math.min(...this.clients.map((client) => client.wakeAtMs));
      if (wakeAtMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, wakeAtMs);
      for (const client of this.clients) if (client.wakeAtMs <= this.nowMs) client.tick();
    }
  }

  /** Both ends of each conversation, and everything that was sent. */
  #agree(): void {
    const { truth } = this;
    for (const client of this.clients) {
      for (const session of client.sessions) {
        const { state, name } = session;
        const ends = this.clients.filter(({ address }) => address === state.peer.address);
        const others = ends.flatMap(({ sessions }) =>
          sessions.filter((each) => each.name === name && each !== session),
        );
        if (truth.tainted.has(name)) {
          for (const other of others) this.#agreeOrTell(session, other);
          continue;
        }
        const other = others[0];
        const where = `${state.at}, peer ${other?.state.at ?? 'without it'}`;
        truth.hold(state.outbox.length === 0, `${state.outbox.length} messages stay unacknowledged (${where})`);
        if (other === undefined || state.at !== 'open' || other.state.at !== 'open') continue;
        truth.hold(
          sameHistory(session, other),
          `histories differ at ${state.send.m}, ${other.state.receive.history.m}`,
        );
        truth.hold(state.consistency === 'consistent', `the end is ${state.consistency}`);
        this.count('conversations that agree at the end');
      }
      if (!this.isSound || client.crashes > 0) continue;
      truth.hold(client.openings.size === 0, `${client.openings.size} handshakes do not end`);
    }
  }

  /** A party was set back or copied: histories agree, or one end says that they do not. */
  #agreeOrTell(session: Session, other: Session): void {
    const both = [session.state, other.state];
    const tells = both.some(({ consistency, at }) => consistency !== 'consistent' || at !== 'open');
    // Set back behind what its peer has keys for, an end opens nothing, and nothing that it says opens: no receipt comes.
    const isSilent = both.some(({ outbox, send }) => outbox.length > 0 || send.lost.length > 0);
    this.truth.hold(tells || isSilent || sameHistory(session, other), 'histories differ, and neither end says so');
    const outcome = tells ? 'tell' : isSilent ? 'stand still' : 'agree';
    this.count(`tainted conversations that ${outcome}`);
  }

  #answerHonestly(flight: Flight): void {
    const { from, message } = flight;
    const sender = this.clients.find(({ address }) => address === from);
    if ('id' in message && message.id !== undefined && sender !== undefined) {
      sender.receive({ type: 'ack', msgId: message.id });
    }
    this.#deliver(flight);
  }

  /** Hands a message over: to the one client of that address, or to one of its copies. */
  #deliver(flight: Flight): void {
    const { from, label, to, message } = flight;
    if (!this.#isHonest && this.#attacks.takes(flight)) return;
    const copies = this.clients.filter(({ address }) => address === to);
    if (copies.length > 1) this.count('views forked');
    const all = this.#isHonest || this.chance.is(0.5);
    const receivers = all ? copies : copies.slice(0, 1 + this.chance.below(copies.length)).slice(-1);
    const connect = message.type === 'client-connect' ? { label } : {};
    const handed = { ...message, ...(from === '' ? {} : { src: from }), ...connect } as Message;
    for (const client of receivers) client.run(() => client.receive(handed));
    this.note(`${message.type}${'phase' in message ? ` ${message.phase}` : ''} ${short(from)} → ${short(to)}`);
  }

  #allDeeds(hostility: number): readonly Deed[] {
    const { chance } = this;
    const flight = (): Flight | undefined => chance.pick(this.#flights);
    const old = (): Flight | undefined => chance.pick(this.tape);
    const attack = (weight: number, name: string, make: () => Flight | undefined): Deed => ({
      weight: weight * hostility,
      name,
      work: () => this.#perhaps(make()),
    });
    const client = (): Client => chance.pick(this.clients)!;
    const act = (weight: number, name: string, work: (of: Client) => unknown): Deed => ({
      weight,
      name,
      work: () => {
        const of = client();
        let done: unknown;
        of.run(() => (done = work(of)));
        this.note(short(of.address));
        return done !== false;
      },
    });
    const withSession = (work: (of: Client, session: Session) => void) => (of: Client) => {
      const session = chance.pick(of.open);
      if (session === undefined) return false;
      work(of, session);
      return true;
    };
    const unsound = this.isSound ? 0 : 1;
    return [
      { weight: 40, name: 'delivered in order', work: () => this.#take(0) },
      { weight: 12, name: 'delivered out of order', work: () => this.#take(chance.below(this.#flights.length)) },
      { weight: 12, name: 'time passed', work: () => this.#pass() },
      act(
        14,
        'sent',
        withSession((of, session) => of.send(session, chance.below(200), this.#expiry())),
      ),
      act(
        1.5,
        'rekeyed by hand',
        withSession((of, session) => of.rekey(session)),
      ),
      act(
        0.35,
        'closed',
        withSession((of, session) => of.close(session, chance.pick(CLOSE_REASONS)!)),
      ),
      act(1.2, 'handshake begun', (of) => of.begin(this.#peerOf(of).address, this.#peerLabel(this.#peerOf(of)))),
      act(0.8, 'start from a bundle tried', (of) => of.beginAway(this.#peerOf(of).address)),
      act(0.3, 'bundles published', (of) => of.publish(2)),
      act(0.6, 'hop renewed', (of) => of.reconnect()),
      act(0.4 * hostility, 'crashed at rest', (of) => of.restart()),
      act(
        1 * hostility,
        'crash prepared',
        (of) => (of.crash = { at: chance.pick(CRASH_POINTS)!, commits: chance.below(3) }),
      ),
      { weight: 0.5 * hostility, name: 'hop with someone on the wire', work: () => this.#hop() },
      {
        weight: 3 * hostility,
        name: 'dropped',
        work: () => this.#flights.splice(chance.below(this.#flights.length), 1).length > 0,
      },
      attack(3, 'repeated', flight),
      attack(4, 'replayed from the tape', old),
      attack(3, 'mutated', () => this.#from(flight(), (each) => this.#attacks.mutate(each))),
      attack(1, 'mutated as encoded', () => this.#from(flight(), (each) => this.#attacks.mutateEncoded(each))),
      attack(2, 'injected', () => this.#attacks.inject(client(), client())),
      attack(2.5, 'spliced between conversations', () => this.#spliced()),
      attack(1, 'spliced between planes', () => this.#from(old(), (each) => this.#attacks.splicePlane(each))),
      attack(1, 'offer downgraded', () => this.#from(this.#phase([1, 2]), (each) => this.#attacks.downgrade(each))),
      attack(1, 'other credential', () => this.#from(this.#phase([2]), (each) => this.#attacks.otherCredential(each))),
      attack(1, 'other label', () =>
        this.#from(this.#phase([1, 2, 3]), (each) => ({ ...each, label: `label ${chance.below(3)}` })),
      ),
      attack(0.6, 'misrouted', () => this.#from(this.#phase([1, 2, 3, 4]), (each) => this.#misrouted(each))),
      attack(2, 'hint forged', () => this.#attacks.hint(client())),
      attack(0.5, 'start forged', () => this.#attacks.forgedStart(client(), client())),
      {
        weight: 0.5 * hostility,
        name: 'posed as initiator',
        work: () => {
          this.#attacks.poseAsInitiator(client(), client());
          return true;
        },
      },
      {
        weight: 0.5 * hostility,
        name: 'posed as responder',
        work: () => {
          const asked = this.#phase([1]);
          return asked !== undefined && this.#attacks.poseAsResponder(asked);
        },
      },
      { weight: 1 * unsound, name: 'snapshot taken', work: () => this.#snapshot() },
      { weight: 0.25 * unsound, name: 'restored', work: () => this.#restore() },
      { weight: 0.1 * unsound, name: 'cloned', work: () => this.#clone() },
    ];
  }

  #perhaps(flight: Flight | undefined): boolean {
    if (flight === undefined) return false;
    this.#deliver(flight);
    return true;
  }

  #from(flight: Flight | undefined, make: (flight: Flight) => Flight | undefined): Flight | undefined {
    return flight === undefined ? undefined : make(flight);
  }

  #take(index: number): boolean {
    const [flight] = this.#flights.splice(index, 1);
    return this.#perhaps(flight);
  }

  /** A phase of a handshake that passed lately. */
  #phase(phases: readonly number[]): Flight | undefined {
    const is = ({ message }: Flight): boolean => message.type === 'client-connect' && phases.includes(message.phase);
    const waiting = this.#flights.filter(is);
    return this.chance.pick(waiting.length > 0 && this.chance.is(0.7) ? waiting : this.tape.filter(is));
  }

  #spliced(): Flight | undefined {
    // What was not delivered yet is worth more: its key is still there.
    const one = this.chance.pick(this.chance.is(0.7) ? this.#flights : this.tape);
    const other = this.chance.pick(this.tape);
    return one === undefined || other === undefined ? undefined : this.#attacks.splice(one, other);
  }

  /** The phase reaches another client, or comes from another. */
  #misrouted(flight: Flight): Flight {
    const other = this.chance.pick(this.clients)!;
    return this.chance.is(0.5)
      ? { ...flight, to: other.address }
      : { ...flight, from: other.address, label: other.label };
  }

  #pass(): boolean {
    const { chance } = this;
    const wakeAtMs = Math.min(...this.clients.map((each) => each.wakeAtMs));
    const how = chance.unit();
    if (how < 0.6 && wakeAtMs < Infinity) this.nowMs = Math.max(this.nowMs, wakeAtMs);
    else if (how < 0.97) this.nowMs += chance.below(3_000);
    else this.nowMs += chance.below(700_000);
    for (const each of this.clients) if (each.wakeAtMs <= this.nowMs) each.run(() => each.tick());
    return true;
  }

  #expiry(): number | undefined {
    return this.chance.is(0.1) ? this.nowMs + this.chance.below(20_000) : undefined;
  }

  /** Someone else; rarely oneself. */
  #peerOf(of: Client): Client {
    const others = this.clients.filter(({ address }) => address !== of.address);
    return this.chance.pick(others.length > 0 ? others : this.clients)!;
  }

  /** What the relay says of a client's label; rarely a lie. */
  #peerLabel(peer: Client): string {
    return this.chance.is(0.05) ? 'another label' : peer.label;
  }

  #hop(): boolean {
    const { chance } = this;
    const phases = this.tape
      .filter(({ message }) => message.type === 'client-connect')
      .map(({ message }) => (message as { data: Uint8Array }).data);
    const at = 1 + chance.below(4);
    const how = chance.below(4);
    const client = chance.pick(this.clients)!;
    const outcome = this.hops.connect(client, this.nowMs, (phase, body) => {
      if (how === 0 || phase !== at) return body;
      const others =
        how === 1 ? phases : this.hops.bodies.filter((each) => each.phase === phase).map((each) => each.body);
      if (how === 3) return body.map((byte, index) => (index === body.length >> 1 ? byte ^ 4 : byte));
      return chance.pick(others) ?? body;
    });
    this.count(`hops ${outcome}`);
    return true;
  }

  #snapshot(): boolean {
    const client = this.chance.pick(this.clients)!;
    this.#snapshots.push({ client, snapshot: client.snapshot() });
    if (this.#snapshots.length > 12) this.#snapshots.shift();
    return true;
  }

  /** An older store takes the place of the present one. */
  #restore(): boolean {
    const taken = this.chance.pick(this.#snapshots);
    if (taken === undefined) return false;
    const { client, snapshot } = taken;
    this.truth.taint(client.address);
    this.note(short(client.address));
    client.run(() => client.load(snapshot));
    return true;
  }

  /** A second machine with everything that a client has. */
  #clone(): boolean {
    const of = this.chance.pick(this.clients)!;
    if (this.clients.filter(({ address }) => address === of.address).length > 1) return false;
    const clone = new Client(this, of.label, of.suites, of);
    this.truth.taint(of.address);
    clone.load(of.snapshot());
    this.clients.push(clone);
    this.note(short(of.address));
    return true;
  }

  #suites(): readonly Suite[] {
    const { chance } = this;
    const quick: SuiteName[] = ['X25519_WITH_CHACHA20_POLY1305_SHA256'];
    const others = allSuites.map(({ name }) => name).filter((name) => name !== quick[0] && !name.startsWith('RSA'));
    const names = chance.is(0.75) ? quick : [...quick, chance.pick(others)!];
    const records = 3 + chance.below(40);
    const onTurn = chance.is(0.3);
    return names.map((name) => {
      const suite = allSuites.find((each) => each.name === name)!;
      return this.truth.witnessed({ ...suite, rekey: { ...suite.rekey, records, onTurn } });
    });
  }

  /** All suites in an order of the client's own. */
  #order(): readonly SuiteName[] {
    const names = this.suites.map(({ name }) => name);
    return this.chance.is(0.5) ? names : names.toReversed();
  }

  #did<T>(what: string, result: T): T {
    this.count(what);
    return result;
  }
}

function sameHistory(one: Session, other: Session): boolean {
  const ways = [
    [one.state.send, other.state.receive.history],
    [other.state.send, one.state.receive.history],
  ] as const;
  return ways.every(([send, history]) => send.m === history.m && equal(send.hash, history.hash));
}

function short(address: Address): string {
  return address === '' ? 'relay' : address.slice(0, 4);
}
