/** Two parties in memory, with fixed randomness: what one sends is kept for the test to deliver, alter or lose. */
import { createHash } from 'node:crypto';
import { nobleProvider } from '../../src/crypto/noble.ts';
import type { CryptoProvider, RandomBytes, SignatureKeyPair } from '../../src/crypto/provider.ts';
import type { SuiteName } from '../../src/crypto/suite.ts';
import { allSuites } from '../../src/crypto/suites.ts';
import type { SimsError } from '../../src/errors.ts';
import { answerOutput, type AnswerHost } from '../../src/handshake/answer.ts';
import type { ConversationContext, HandshakeContext, Plane } from '../../src/handshake/context.ts';
import { fingerprint, relayIdentityOf } from '../../src/handshake/identity.ts';
import * as initiator from '../../src/handshake/initiator.ts';
import type { HandshakeParameters } from '../../src/handshake/parameters.ts';
import * as responder from '../../src/handshake/responder.ts';
import type { EstablishedOutput, SendOutput } from '../../src/handshake/states.ts';
import { createCredentialVerifier, type VerifyCredential } from '../../src/handshake/verification.ts';
import { addressFromBytes, type Address } from '../../src/messages/address.ts';
import type { Credential } from '../../src/messages/credential.ts';

export const provider: CryptoProvider = nobleProvider;
export const NOW: number = 1_700_000_000_000;
export const SYNCHRONOUS: readonly SuiteName[] = allSuites
  .map((suite) => suite.name)
  .filter((name) => name !== 'RSA_WITH_AES_128_CBC_SHA256');
/** The quickest: for tests that are not about suites. */
export const QUICK: SuiteName = 'X25519_WITH_CHACHA20_POLY1305_SHA256';

/** Bytes that look random and depend on the seed alone. */
export function seeded(seed: string): RandomBytes {
  let counter = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 64) {
      counter += 1;
      const block = createHash('sha512').update(`${seed}/${counter}`).digest();
      bytes.set(block.subarray(0, Math.min(64, length - offset)), offset);
    }
    return bytes;
  };
}

/** Someone with a signature key. */
export interface Person {
  readonly keyPair: SignatureKeyPair;
  readonly credential: Credential;
  readonly address: Address;
  readonly device: Uint8Array;
  readonly relayIdentity: Uint8Array;
}

export function person(
  seed: string,
  kind: 'none' | 'key' | 'relay' = 'key',
  algorithm: SignatureKeyPair['algorithm'] = 'Ed25519',
): Person {
  const random = seeded(`person ${seed}`);
  const keyPair = provider.generateSignatureKeyPair(algorithm, random);
  const { spki } = keyPair;
  const device = random(8);
  return {
    keyPair,
    credential: kind === 'relay' ? { kind, spki, chain: [Uint8Array.of(0x30, 0x00)] } : { kind, spki },
    address: addressFromBytes(Buffer.concat([fingerprint(provider, kind, spki).subarray(0, 20), device])),
    device,
    relayIdentity: relayIdentityOf(provider, spki),
  };
}

export const alice: Person = person('alice');
export const bob: Person = person('bob', 'none', 'ECDSA-P256-SHA256');
export const mallory: Person = person('mallory');
export const relay: Person = person('relay', 'relay');

export function conversationContext(changes: Partial<ConversationContext> = {}): ConversationContext {
  return {
    plane: 'conversation',
    provider,
    suites: allSuites,
    initiator: alice.address,
    responder: bob.address,
    relayIdentity: relay.relayIdentity,
    initiatorLabel: 'open',
    responderLabel: 'verified',
    ...changes,
  };
}

export function hopContext(relayIdentity: Uint8Array | undefined = relay.relayIdentity): HandshakeContext {
  return { plane: 'hop', provider, suites: allSuites, ...(relayIdentity === undefined ? {} : { relayIdentity }) };
}

export function contextOf(plane: Plane): HandshakeContext {
  return plane === 'hop' ? hopContext() : conversationContext();
}

type State = initiator.InitiatorState | responder.ResponderState;
type Input = initiator.InitiatorInput | responder.ResponderInput;
type Output = initiator.InitiatorOutput | responder.ResponderOutput;

export interface PartyOptions {
  readonly seed?: string;
  readonly context: HandshakeContext;
  readonly self: Person;
  readonly suites?: readonly SuiteName[];
  readonly name?: string;
  readonly parameters?: HandshakeParameters;
  readonly host?: Partial<AnswerHost>;
}

/** One side: its machine, the host that answers for it, and everything that it put out. */
export class Party {
  state: State = { at: 'idle' };
  readonly outputs: Output[] = [];
  /** Every state that it was in, for the tests of tables. */
  readonly visited: State[] = [this.state];
  readonly inputs: Input[] = [];
  readonly context: HandshakeContext;
  readonly host: AnswerHost;
  /** Application's answers to `consent` and `authenticated`; `undefined` holds the machine there. */
  consent: () => Input | undefined;
  finish: () => Input | undefined;
  readonly start: initiator.StartInput;
  readonly #role: 'initiator' | 'responder';

  constructor(role: 'initiator' | 'responder', options: PartyOptions) {
    const { context, self, suites = SYNCHRONOUS, seed = role } = options;
    const random = seeded(`host ${seed}`);
    const verifyCredential: VerifyCredential = createCredentialVerifier({ provider });
    this.#role = role;
    this.context = context;
    this.host = {
      random,
      verifyCredential,
      sign: ({ toBeSigned }) => provider.sign(self.keyPair, toBeSigned),
      now: () => NOW,
      ...options.host,
    };
    const isHop = context.plane === 'hop';
    const name = options.name ?? `name of ${role}`;
    const own: HandshakeParameters = role === 'initiator' ? { device: self.device, label: 'open' } : { label: 'open' };
    const parameters = options.parameters ?? (isHop ? own : {});
    const common = { nonce: random(32), boxRandomness: random(16), credential: self.credential, nowMs: NOW };
    this.start = {
      type: 'start',
      ...common,
      offer: suites,
      ...(isHop ? { serverName: 'relay.example' } : {}),
      name,
      parameters,
    };
    this.consent = () => ({ type: 'accept', suites, ...common });
    this.finish = () => ({ type: 'finish', name, parameters, nowMs: NOW });
  }

  step(input: Input): readonly Output[] {
    this.inputs.push(input);
    const next =
      this.#role === 'initiator'
        ? initiator.stepInitiator(
            this.state as initiator.InitiatorState,
            input as initiator.InitiatorInput,
            this.context,
          )
        : responder.stepResponder(
            this.state as responder.ResponderState,
            input as responder.ResponderInput,
            this.context,
          );
    this.state = next.state;
    this.visited.push(next.state);
    this.outputs.push(...next.outputs);
    return next.outputs;
  }

  /** Steps, answers whatever can be answered at once, and gives the bodies that were sent. */
  feed(input: Input): SendOutput[] {
    const sent: SendOutput[] = [];
    for (const output of this.step(input)) {
      if (output.type === 'send') sent.push(output);
      const answer = this.answer(output);
      if (answer instanceof Promise) throw new Error(`${output.type} is asynchronous: use feedLater`);
      if (answer !== undefined) sent.push(...this.feed(answer));
    }
    return sent;
  }

  async feedLater(input: Input): Promise<SendOutput[]> {
    const sent: SendOutput[] = [];
    for (const output of this.step(input)) {
      if (output.type === 'send') sent.push(output);
      const answer = await this.answer(output);
      if (answer !== undefined) sent.push(...(await this.feedLater(answer)));
    }
    return sent;
  }

  message(sent: SendOutput): SendOutput[] {
    return this.feed({ type: 'message', phase: sent.phase, body: sent.body });
  }

  answer(output: Output): Input | Promise<Input> | undefined {
    if (output.type === 'consent') return this.consent();
    if (output.type === 'authenticated') return this.finish();
    return answerOutput(output, this.host);
  }

  get at(): string {
    return this.state.at;
  }

  get error(): SimsError | undefined {
    return this.state.at === 'failed' ? this.state.error : undefined;
  }

  get established(): EstablishedOutput {
    return this.output('established');
  }

  output<Type extends Output['type']>(type: Type): Extract<Output, { type: Type }> {
    const found = this.outputs.findLast((output) => output.type === type);
    if (found === undefined) throw new Error(`no ${type} among the outputs; at ${this.state.at}`);
    return found as Extract<Output, { type: Type }>;
  }
}

export interface Pair {
  readonly own: Party;
  readonly peer: Party;
}

/** Initiator and responder of a plane, both idle. */
export function pair(plane: Plane, suites?: readonly SuiteName[], seed = ''): Pair {
  const context = contextOf(plane);
  const choice = suites === undefined ? {} : { suites };
  return {
    own: new Party('initiator', { seed: `initiator${seed}`, context, self: alice, ...choice }),
    peer: new Party('responder', { seed: `responder${seed}`, context, self: plane === 'hop' ? relay : bob, ...choice }),
  };
}

/** Runs to the end, and gives the four bodies. */
export function run({ own, peer }: Pair): SendOutput[] {
  const all: SendOutput[] = [];
  let turn = own.feed(own.start);
  for (let receiver = peer; turn.length > 0; receiver = receiver === peer ? own : peer) {
    all.push(...turn);
    turn = turn.flatMap((sent) => receiver.message(sent));
  }
  return all;
}

export async function runLater({ own, peer }: Pair): Promise<SendOutput[]> {
  const all: SendOutput[] = [];
  let turn = await own.feedLater(own.start);
  for (let receiver = peer; turn.length > 0; receiver = receiver === peer ? own : peer) {
    all.push(...turn);
    const sent: SendOutput[] = [];
    for (const { phase, body } of turn) sent.push(...(await receiver.feedLater({ type: 'message', phase, body })));
    turn = sent;
  }
  return all;
}

/** Runs a fresh pair until a phase was sent and not yet delivered. */
export function until(
  phase: 1 | 2 | 3 | 4,
  plane: Plane = 'conversation',
  suite: SuiteName = QUICK,
): Pair & { last: SendOutput } {
  const both = pair(plane, [suite]);
  let [last] = both.own.feed(both.own.start);
  for (let done = 1; done < phase; done += 1) [last] = (done % 2 === 1 ? both.peer : both.own).message(last!);
  return { ...both, last: last! };
}

/** A deep copy with hidden fields, so that one state can be stepped many times. Suites and errors stay shared. */
export function copyOf<Value>(value: Value): Value {
  if (value instanceof Uint8Array) return value.slice() as Value;
  if (value instanceof Map) return new Map(value) as Value;
  if (Array.isArray(value)) return value.map((element: unknown) => copyOf(element)) as Value;
  if (typeof value !== 'object' || value === null || value instanceof Error || 'kemSecret' in value) return value;
  const copy = {};
  for (const name of Reflect.ownKeys(value)) {
    const descriptor = Object.getOwnPropertyDescriptor(value, name)!;
    Object.defineProperty(copy, name, { ...descriptor, value: copyOf<unknown>(descriptor.value) });
  }
  return copy as Value;
}

/** Every byte array reachable from a value, hidden fields and errors' causes included. */
export function bytesWithin(value: unknown, found: Uint8Array[] = []): Uint8Array[] {
  if (value instanceof Uint8Array) found.push(value);
  else if (typeof value === 'object' && value !== null && !('kemSecret' in value)) {
    if (value instanceof Map) for (const element of value.values()) bytesWithin(element, found);
    for (const name of Reflect.ownKeys(value)) bytesWithin(Reflect.get(value, name), found);
  }
  return found;
}
