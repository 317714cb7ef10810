/**
 * Random runs of a relay that differ in what some sessions do alone: in all from which nothing may flow to a label.
 * What the others see must be the same, to the byte and to the millisecond. Below, the others are called low.
 */
import { seeded as seededNumbers } from '../support/seeded.ts';
import { hex } from '../../src/bytes.ts';
import type { CryptoProvider } from '../../src/crypto/provider.ts';
import { createLattice, labelOf, loadPolicy, top, type Label, type Lattice } from '../../src/ifc/index.ts';
import { addressFromBytes, type Address } from '../../src/messages/address.ts';
import type { Message } from '../../src/messages/messages.ts';
import type { RelayLimits, RelayOptions } from '../../src/relay/index.ts';
import { bundleOf } from './bundles.ts';
import { messageId, provider, seeded, World, type Client } from './world.ts';

/** A generator of numbers in [0, 1). */
type Random = () => number;

interface Actor {
  readonly name: string;
  /** Whose key it has: actors of one person share the address. */
  readonly person: string;
  readonly label: Label;
}

interface Step {
  readonly atMs: number;
  readonly actor: Actor;
  readonly action: Action;
  /** To whom, where the action has a receiver. */
  readonly to: number;
  readonly id: string;
}

/** How often each comes. */
const WEIGHTS = {
  join: 2,
  'take over': 1,
  'half a handshake': 1,
  drop: 4,
  goodbye: 1,
  list: 3,
  stall: 3,
  unstall: 3,
  say: 3,
  flood: 4,
  burst: 1,
  open: 2,
  end: 1,
  ack: 2,
  error: 1,
  stored: 1,
  publish: 2,
  'publish all': 1,
  withdraw: 1,
  fetch: 3,
  'too large': 1,
  'garbage inside': 1,
  'garbage outside': 1,
  'unknown type': 1,
};
type Action = keyof typeof WEIGHTS;
const ACTIONS = (Object.keys(WEIGHTS) as Action[]).flatMap((action) =>
  Array.from({ length: WEIGHTS[action] }, () => action),
);

/** So small that every one of them is reached. */
const LIMITS: Partial<RelayLimits> = {
  queueMarkBytes: 700,
  queueBytes: 3_000,
  totalQueueBytes: 2_400,
  slowConsumerMs: 400,
  graceMs: 600,
  graces: 1,
  mailboxMessages: 6,
  mailboxBytes: 3_000,
  totalMailboxBytes: 4_000,
  mailboxAgeMs: 1_000,
  messagesPerSecond: 40,
  messageBurst: 25,
  bytesPerSecond: 20_000,
  byteBurst: 20_000,
  frameBytes: 4_096,
  listIntervalMs: 50,
  keptAddresses: 2,
  keptAgeMs: 700,
  bundles: 5,
  totalBundleBytes: 2_200,
  fetchesPerHour: 3,
  peerFetchesPerHour: 2,
};

const LENGTH_MS = 2_500;
const NOBODY = addressFromBytes(new Uint8Array(28).fill(7));
const BYTES = new Uint8Array(40);
// The same keys are read again and again, and reading one is dear.
const readKeys = new Map<string, ReturnType<typeof provider.parsePublicKey>>();
const quickProvider: CryptoProvider = {
  ...provider,
  parsePublicKey: (spki) => {
    const key = hex(spki);
    if (!readKeys.has(key)) readKeys.set(key, provider.parsePublicKey(spki));
    return readKeys.get(key);
  },
};
// Ed25519: signatures of one length, so that handshakes are too.
const relayKeys = provider.generateSignatureKeyPair('Ed25519', seeded('relay of two runs'));
const IDENTITY: RelayOptions['identity'] = {
  credential: { kind: 'relay', spki: relayKeys.spki, chain: [Uint8Array.of(0x30, 0x00)] },
  sign: ({ toBeSigned }) => provider.sign(relayKeys, toBeSigned),
};

interface Model {
  readonly model: 'bell-lapadula' | 'biba';
  readonly strong: boolean;
  readonly levels?: boolean;
  readonly compartments?: readonly string[];
}

type Flows = (from: Label, to: Label) => boolean;

/** What came of runs of one lattice. */
export interface Runs {
  /** The first difference that a session at or below the label could see; `undefined` when there is none. */
  readonly difference: string | undefined;
  /** What those sessions saw in the first run, by kind, and what the relay counted in it. */
  readonly seen: ReadonlyMap<string, number>;
  readonly counted: Readonly<Record<string, number>>;
}

/** Runs with the same lower sessions on one lattice. */
export const RUNS_OF_A_LATTICE = 4;

/** Runs from a seed: each with schedules of its own for the higher sessions. */
export function runsOf(seed: number): Runs {
  const random = seededNumbers(seed);
  const lattice = randomLattice(random);
  const models = randomModels(random, lattice);
  const flows = flowsUnder(lattice, models);
  const labels = randomLabels(random, lattice, flows);
  const observer = labels[0]!;
  const isLow = (label: Label): boolean => flows(label, observer);
  const actors = randomActors(random, labels);
  const low = randomSteps(seededNumbers(random() * 2 ** 32), actors, ({ label }) => isLow(label));
  const options: Partial<RelayOptions> = {
    provider: quickProvider,
    policy: loadPolicy(policyText(lattice, models)),
    limits: LIMITS,
    identity: IDENTITY,
  };
  const runs = Array.from({ length: RUNS_OF_A_LATTICE }, (_, index) => {
    const high = randomSteps(seededNumbers(random() * 2 ** 32), actors, ({ label }) => !isLow(label)).map((step) => ({
      ...step,
      id: `run ${index} ${step.id}`,
    }));
    return run(options, actors, merge(low, high), isLow);
  });
  const [one, ...others] = runs as [Run, ...Run[]];
  const differences = others.map((other) => difference(one.logs, other.logs));
  return { difference: differences.find((found) => found !== undefined), seen: one.seen, counted: one.counted };
}

function randomLattice(random: Random): Lattice {
  const levels = ['bottom', 'lower', 'upper', 'top'].slice(0, 1 + Math.floor(random() * 4));
  const compartments = ['red', 'green', 'blue'].slice(0, (levels.length === 1 ? 1 : 0) + Math.floor(random() * 3));
  return createLattice({ levels, compartments });
}

/** Different labels; from some of them nothing may flow to the first, so that there is something to hide from it. */
function randomLabels(random: Random, lattice: Lattice, flows: Flows): readonly Label[] {
  for (;;) {
    const labels = new Map<string, Label>();
    for (let index = 0; index < 4; index += 1) {
      const level = lattice.levels[Math.floor(random() * lattice.levels.length)]!;
      const label = labelOf(
        lattice,
        level,
        lattice.compartments.filter(() => random() < 0.5),
      );
      labels.set(label.text, label);
    }
    const [observer, ...rest] = labels.values();
    if (rest.some((label) => !flows(label, observer!))) return [observer!, ...rest];
  }
}

/** Mostly secrecy, else integrity, or one of each over parts of the label. */
function randomModels(random: Random, { compartments }: Lattice): readonly Model[] {
  const strong = random() < 0.2;
  const kind = random();
  if (kind < 0.6) return [{ model: 'bell-lapadula', strong }];
  if (kind < 0.8 || compartments.length === 0) return [{ model: 'biba', strong }];
  const [first, ...rest] = compartments;
  return [
    { model: 'bell-lapadula', strong, compartments: rest },
    { model: 'biba', strong, levels: false, compartments: [first!] },
  ];
}

function policyText(lattice: Lattice, models: readonly Model[]): string {
  const { levels, compartments } = lattice;
  return JSON.stringify({ levels, compartments, models, clearance: [{ label: top(lattice).text }] });
}

/** Whether anything may flow from a label to another: strong models forbid more than the flow demands. */
function flowsUnder(lattice: Lattice, models: readonly Model[]): Flows {
  const weak = models.map((model) => ({ ...model, strong: false }));
  const { policy } = loadPolicy(policyText(lattice, weak));
  const clearance = top(lattice);
  return (from, to) => policy.decide({ subject: { current: to, clearance }, object: from, kind: 'presence' }).permit;
}

/** Some at each label; a person may be at several. */
function randomActors(random: Random, labels: readonly Label[]): readonly Actor[] {
  return labels.flatMap((label, which) => {
    const count = which === 0 ? 3 : 1 + Math.floor(random() * 2);
    return Array.from({ length: count }, (_, index): Actor => {
      const person = random() < 0.5 ? `person ${index}` : `person ${which} ${index}`;
      return { name: `${label.text} ${index}`, person, label };
    });
  });
}

function randomSteps(random: Random, all: readonly Actor[], acts: (actor: Actor) => boolean): readonly Step[] {
  const actors = all.filter(acts);
  const steps: Step[] = [];
  const count = 16 + Math.floor(random() * 32);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const nearTo = ({ label }: Actor): readonly Actor[] => actors.filter((other) => other.label === label);
  const add = (atMs: number, actor: Actor, action: Action, receiver?: Actor): void => {
    // Mostly to somebody who can be reached; now and then to nobody.
    const near = receiver ?? (random() < 0.6 ? pick(nearTo(actor)) : undefined);
    const to = near === undefined ? Math.floor(random() * (all.length + 1)) : all.indexOf(near);
    steps.push({ atMs, actor, action, to, id: `${steps.length}` });
  };
  /** More than a slow reader takes, and then it reads. */
  const addSlow = (atMs: number, actor: Actor): void => {
    for (const afterMs of [10, 20, 30]) add(atMs + afterMs, pick(nearTo(actor)), 'flood', actor);
    add(atMs + 40 + Math.floor(random() * 600), actor, 'unstall');
  };
  for (const actor of actors) if (random() < 0.8) add(Math.floor(random() * 300), actor, 'join');
  for (let index = 0; index < count; index += 1) {
    const actor = pick(actors);
    const atMs = Math.floor(random() * LENGTH_MS);
    const action = pick(ACTIONS);
    add(atMs, actor, action);
    if (action === 'stall' && random() < 0.6) addSlow(atMs, actor);
  }
  return steps.sort((left, right) => left.atMs - right.atMs);
}

/** Both in their order; where times are equal the higher ones come first. */
function merge(low: readonly Step[], high: readonly Step[]): readonly Step[] {
  return [...high, ...low].sort((left, right) => left.atMs - right.atMs);
}

interface Run {
  /** By actor and number of its connection. */
  readonly logs: ReadonlyMap<string, readonly string[]>;
  readonly seen: ReadonlyMap<string, number>;
  readonly counted: Readonly<Record<string, number>>;
}

function run(
  options: Partial<RelayOptions>,
  actors: readonly Actor[],
  steps: readonly Step[],
  isLow: (label: Label) => boolean,
): Run {
  const world = new World(options);
  const start = world.now;
  const logs = new Map<number, string[]>();
  const names = new Map<number, string>();
  const present = new Map<Actor, Client>();
  const numbers = new Map<Actor, number>();
  const low: Client[] = [];
  world.watcher = (connection, what) => logs.get(connection)?.push(`${world.now - start} ${what}`);
  const connect = (actor: Actor): Client => {
    const number = (numbers.get(actor) ?? 0) + 1;
    numbers.set(actor, number);
    const name = `${actor.name} #${number}`;
    const randomness = `${name} of ${actor.person}`;
    const client = world.connect(actor.name, { keyOf: actor.person, label: actor.label.text, randomness });
    if (isLow(actor.label)) {
      logs.set(client.connection, []);
      names.set(client.connection, name);
      low.push(client);
    }
    present.set(actor, client);
    return client;
  };
  const addresses = addressesOf(actors);
  for (const step of steps) {
    world.pass(start + step.atMs - world.now);
    perform(step, { world, present, connect, dst: addresses[step.to] ?? NOBODY });
    world.settle();
  }
  world.pass(start + LENGTH_MS + 1_500 - world.now);
  const seen = new Map<string, number>();
  for (const { inbox, errors } of low) {
    for (const kind of [...inbox.map(kindOf), ...errors]) seen.set(kind, (seen.get(kind) ?? 0) + 1);
  }
  const named = new Map([...logs].map(([connection, log]) => [names.get(connection)!, log]));
  return { logs: named, seen, counted: world.relay.metrics() };
}

const known = new Map<string, Address>();

/** Addresses of persons: they depend on keys alone. */
function addressesOf(actors: readonly Actor[]): readonly Address[] {
  return actors.map(({ person }) => {
    let address = known.get(person);
    if (address === undefined) known.set(person, (address = new World().connect(person).address));
    return address;
  });
}

interface Stage {
  readonly world: World;
  readonly present: Map<Actor, Client>;
  readonly connect: (actor: Actor) => Client;
  readonly dst: Address;
}

function perform({ actor, action, id }: Step, { world, present, connect, dst }: Stage): void {
  const client = present.get(actor);
  const isIn = client?.isEstablished === true && !client.isClosed;
  if (action === 'join' || action === 'take over') {
    if (!isIn || action === 'take over') connect(actor).start();
    return;
  }
  if (action === 'half a handshake') {
    const half = connect(actor);
    half.start();
    half.step();
    half.drop();
    return;
  }
  if (client === undefined || !isIn) return;
  const name = `${actor.name} ${id}`;
  const named = messageId(name);
  const send = (message: Message): void => client.send(message);
  switch (action) {
    case 'drop':
      client.drop();
      break;
    case 'goodbye':
      send({ type: 'disconnect' });
      break;
    case 'list':
      send({ type: 'list', id: named });
      break;
    case 'stall':
      client.isStalled = true;
      break;
    case 'unstall':
      client.unstall();
      break;
    case 'say':
      client.say(dst, name, 100);
      break;
    case 'flood':
      for (let index = 0; index < 8; index += 1) client.say(dst, `${name} ${index}`, 450);
      send({ type: 'ack', dst, saData: BYTES, data: BYTES });
      break;
    case 'burst':
      for (let index = 0; index < 30; index += 1) client.say(dst, `${name} ${index}`);
      break;
    case 'open':
      send({ type: 'client-connect', phase: 1, id: named, dst, data: BYTES });
      break;
    case 'end':
      send({ type: 'client-disconnect', id: named, dst, saData: BYTES, data: BYTES });
      break;
    case 'ack':
      send({ type: 'ack', dst, saData: BYTES, data: BYTES });
      break;
    case 'error':
      send({ type: 'error', code: 'rejected', msgId: named, dst });
      break;
    case 'publish':
    case 'publish all': {
      const ids = [0, 1, 2].map((index) => seeded(`${name} ${index}`)(8));
      const data = ids.map((each) => bundleOf(world, client, { id: each, relayIdentity: world.relay.relayIdentity }));
      send({ type: 'prekeys', id: named, data, ...(action === 'publish all' && { complete: true }) });
      break;
    }
    case 'withdraw':
      send({ type: 'prekeys', id: named, data: [], complete: true });
      break;
    case 'fetch':
      send({ type: 'prekeys', id: named, dst, ciphers: [3] });
      break;
    case 'stored':
      send({ type: 'ack', src: dst, msgId: named });
      break;
    case 'too large':
      client.say(dst, name, 3_600);
      break;
    case 'garbage inside':
      client.sendInside(Uint8Array.of(0xff, 0));
      break;
    case 'garbage outside':
      client.sendBytes(Uint8Array.of(0xff, 0));
      break;
    case 'unknown type':
      client.sendInside(Buffer.from('a2647479706567737472616e67652e'.slice(0, 28), 'hex'));
      break;
  }
  if (world.clients.size > 64) throw new Error('too many clients for one run');
}

function kindOf(message: Message): string {
  if (message.type === 'client-com' && message.stored === true) return 'client-com of the mailbox';
  const code = 'code' in message && typeof message.code === 'string' ? ` ${message.code}` : '';
  return `${message.type}${code}`;
}

function difference(
  one: ReadonlyMap<string, readonly string[]>,
  two: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  for (const name of new Set([...one.keys(), ...two.keys()])) {
    const [left = [], right = []] = [one.get(name), two.get(name)];
    for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
      if (left[index] === right[index]) continue;
      return `${name}, event ${index}: ${cut(left[index])} or ${cut(right[index])}`;
    }
  }
  return undefined;
}

function cut(text: string | undefined): string {
  return text === undefined ? 'nothing' : text.slice(0, 200);
}
