/** Runs one side of a handshake with everything fixed: by the public machines alone, so that tests replay with it too. */
import {
  nobleProvider,
  type CryptoProvider,
  type KemKeyPair,
  type RandomBytes,
  type SuiteName,
} from '../../src/crypto/index.ts';
import type { SimsError } from '../../src/errors.ts';
import {
  answerOutput,
  createCredentialVerifier,
  INITIATOR_START,
  RESPONDER_START,
  stepInitiator,
  stepResponder,
  type ConfirmedOutput,
  type EstablishedOutput,
  type HandshakeContext,
  type HandshakeParameters,
  type InitiatorInput,
  type InitiatorOutput,
  type InitiatorState,
  type ResponderInput,
  type ResponderOutput,
  type ResponderState,
} from '../../src/handshake/index.ts';
import type { Person } from './people.ts';
import { NOW } from './shared.ts';

/** What a side brings. */
export interface SideSetup {
  readonly role: 'initiator' | 'responder';
  readonly self: Person;
  readonly context: HandshakeContext;
  readonly provider: CryptoProvider;
  readonly suites: readonly SuiteName[];
  readonly nonce: Uint8Array;
  readonly boxRandomness: Uint8Array;
  readonly name: string;
  readonly parameters: HandshakeParameters;
  readonly serverName?: string;
  readonly random: RandomBytes;
  /** Given out for the RSA suite. */
  readonly rsaKeyPair: KemKeyPair;
}

/** One side of a handshake. */
export class Side {
  readonly #setup: SideSetup;
  #state: InitiatorState | ResponderState;
  /** Bodies that it sent, by phase. */
  readonly sent: Map<number, Uint8Array> = new Map<number, Uint8Array>();
  established: EstablishedOutput | undefined;
  confirmed: ConfirmedOutput | undefined;
  /** The key pair that it made. */
  keyPair: KemKeyPair | undefined;

  constructor(setup: SideSetup) {
    this.#setup = setup;
    this.#state = setup.role === 'initiator' ? INITIATOR_START : RESPONDER_START;
  }

  /** Why it failed. */
  get error(): SimsError | undefined {
    return this.#state.at === 'failed' ? this.#state.error : undefined;
  }

  /** Sends phase 1. */
  start(): Promise<void> {
    const { self, suites, nonce, boxRandomness, name, parameters, serverName } = this.#setup;
    return this.#feed({
      type: 'start',
      nonce,
      boxRandomness,
      offer: suites,
      credential: self.credential,
      name,
      parameters,
      nowMs: NOW,
      ...(serverName === undefined ? {} : { serverName }),
    });
  }

  /** Takes a body, and answers. */
  receive(phase: 1 | 2 | 3 | 4, body: Uint8Array): Promise<void> {
    return this.#feed({ type: 'message', phase, body });
  }

  async #feed(input: InitiatorInput | ResponderInput): Promise<void> {
    const { role, context } = this.#setup;
    const step =
      role === 'initiator'
        ? stepInitiator(this.#state as InitiatorState, input as InitiatorInput, context)
        : stepResponder(this.#state as ResponderState, input as ResponderInput, context);
    this.#state = step.state;
    for (const output of step.outputs) {
      const answer = await this.#answer(output);
      if (answer !== undefined) await this.#feed(answer);
    }
  }

  async #answer(output: InitiatorOutput | ResponderOutput): Promise<InitiatorInput | ResponderInput | undefined> {
    const { self, suites, nonce, boxRandomness, name, parameters, provider, random, rsaKeyPair } = this.#setup;
    switch (output.type) {
      case 'send':
        this.sent.set(output.phase, output.body);
        return undefined;
      case 'established':
        this.established = output;
        return undefined;
      case 'confirmed':
        this.confirmed = output;
        return undefined;
      case 'consent':
        return { type: 'accept', suites, nonce, boxRandomness, credential: self.credential, nowMs: NOW };
      case 'authenticated':
        return { type: 'finish', name, parameters, nowMs: NOW };
      default: {
        const answer = await answerOutput(output, {
          random,
          verifyCredential: createCredentialVerifier({ provider }),
          // Of the portable provider in any case: its ECDSA draws nothing.
          sign: ({ toBeSigned }) => nobleProvider.sign(self.keyPair, toBeSigned),
          now: () => NOW,
          rsaPool: { take: () => copyOf(rsaKeyPair) },
        });
        if (answer?.type === 'key-pair') this.keyPair = copyOf(answer.keyPair);
        return answer;
      }
    }
  }
}

/** The machines wipe what they are given. */
function copyOf({ encapsulationKey, decapsulationKey }: KemKeyPair): KemKeyPair {
  return { encapsulationKey: encapsulationKey.slice(), decapsulationKey: decapsulationKey.slice() };
}
