/**
 * One connection to the relay: handshake, then sealed messages both ways.
 *
 * @packageDocumentation
 */
import { DEFAULT_LIMITS, LIMITS_BEFORE_HOP, MAX_FRAME_BYTES, MAX_FRAME_BYTES_BEFORE_HOP } from '../codec/limits.ts';
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import {
  failureReason,
  runInitiator,
  type AnswerHost,
  type EstablishedOutput,
  type HandshakeRun,
  type InitiatorInput,
  type InitiatorOutput,
  type VerifyCredential,
} from '../handshake/index.ts';
import { DEVICE_BYTES, messageIdFromBytes, type Address, type MessageId } from '../messages/address.ts';
import { decodeMessage, encodeMessage, type Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import type { Encoding } from '../messages/wire.ts';
import { HopChannel } from '../session/hop.ts';
import type { Transport } from '../transport/transport.ts';
import type { Clock } from './clock.ts';
import { addressOf, anonymousIdentity, type OwnIdentity } from './identity.ts';

/** What a hop needs. */
export interface HopOptions {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  readonly verifyCredential: VerifyCredential;
  readonly identity: OwnIdentity;
  readonly address: Address;
  readonly device: Uint8Array;
  readonly name: string;
  /** The label asked for; absent for the relay's choice. */
  readonly label?: string;
  readonly suites: readonly Suite[];
  readonly offer: readonly SuiteName[];
  readonly encoding: Encoding;
  readonly serverName: string;
  /** The relay's pinned identity, 32 bytes. */
  readonly relayIdentity?: Uint8Array;
}

/** Why a hop ended. */
export type HopEnd =
  | { readonly by: 'own' }
  | { readonly by: 'relay'; readonly code: ErrorReason | undefined }
  | { readonly by: 'fault'; readonly error: SimsError };

/** What a hop tells its client. */
export interface HopHooks {
  readonly message: (message: Message) => void;
  readonly ended: (end: HopEnd) => void;
}

/** An established hop. */
export interface Hop {
  readonly suite: SuiteName;
  /** SHA-256 of the relay's SPKI. */
  readonly relayIdentity: Uint8Array;
  /** Label of this session, as the relay gave it. */
  readonly label: string;
  readonly relayName: string;
  /** Seals and queues one message; `false` when the queue is long. Without effect once ended. */
  send(message: Message): boolean;
  /** Resolves when more should be sent, or the hop has ended. */
  drained(): Promise<void>;
  /** Says goodbye and closes. */
  close(): Promise<void>;
}

/**
 * Runs the handshake over a transport that has not been started.
 *
 * @throws the handshake's error, `client/relay-refused` with the relay's word, or `client/connection-lost`
 */
export function establishHop(transport: Transport, options: HopOptions, hooks: HopHooks): Promise<Hop> {
  return new Promise((resolve, reject) => {
    const connection = new Connection(transport, options, hooks, resolve, reject);
    connection.start();
  });
}

/**
 * SHA-256 of a relay's SPKI, learnt without being anybody: the handshake ends once the relay's credential and signature
 * are verified, before this side shows anything.
 *
 * @throws what {@link establishHop} does
 */
export async function learnRelay(
  transport: Transport,
  options: Omit<HopOptions, 'identity' | 'address' | 'device' | 'name' | 'label'>,
): Promise<Uint8Array> {
  const { provider, verifyCredential } = options;
  const identity = anonymousIdentity(provider);
  const device = provider.random(DEVICE_BYTES);
  let learnt: Uint8Array | undefined;
  const hopOptions: HopOptions = {
    ...options,
    identity,
    device,
    address: addressOf(identity, device),
    name: '',
    verifyCredential: async (request) => {
      const relay = await verifyCredential(request);
      learnt = relay.relayIdentity;
      throw new SimsError('handshake/aborted', 'only the relay was asked for');
    },
  };
  try {
    await establishHop(transport, hopOptions, { message: () => {}, ended: () => {} });
  } catch (error) {
    if (learnt === undefined) throw error;
  }
  return learnt!;
}

class Connection {
  readonly #transport: Transport;
  readonly #options: HopOptions;
  readonly #hooks: HopHooks;
  readonly #resolve: (hop: Hop) => void;
  readonly #reject: (error: SimsError) => void;
  readonly #run: HandshakeRun<InitiatorInput>;
  readonly #handshakeId: MessageId;
  readonly #nonce: Uint8Array;
  #channel: HopChannel | undefined;
  #established: EstablishedOutput | undefined;
  #confirmed = false;
  #ended = false;
  #cancelTimer: () => void = () => {};

  constructor(
    transport: Transport,
    options: HopOptions,
    hooks: HopHooks,
    resolve: (hop: Hop) => void,
    reject: (error: SimsError) => void,
  ) {
    const { provider, clock, identity, verifyCredential, suites, relayIdentity } = options;
    this.#transport = transport;
    this.#options = options;
    this.#hooks = hooks;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#nonce = provider.random(32);
    this.#handshakeId = messageIdFromBytes(this.#nonce.subarray(0, 8));
    const host: AnswerHost = {
      sign: identity.sign,
      verifyCredential,
      random: provider.random,
      now: () => clock.now(),
    };
    this.#run = runInitiator(
      { plane: 'hop', provider, suites, ...(relayIdentity === undefined ? {} : { relayIdentity }) },
      host,
      { output: (output) => this.#output(output), failed: (error) => this.#fail(error) },
    );
  }

  start(): void {
    const { identity, offer, serverName, name, device, label, clock, provider } = this.#options;
    this.#transport.messageLimit = MAX_FRAME_BYTES_BEFORE_HOP;
    this.#transport.start({ message: (bytes) => this.#receive(bytes) });
    void this.#transport.closed.then((reason) => {
      if ('error' in reason) this.#end({ by: 'fault', error: reason.error });
      else this.#end({ by: 'relay', code: undefined });
    });
    try {
      this.#run.feed({
        type: 'start',
        nonce: this.#nonce,
        boxRandomness: provider.random(16),
        offer,
        serverName,
        credential: identity.credential,
        name,
        parameters: { device, ...(label === undefined ? {} : { label }) },
        nowMs: clock.now(),
      });
    } catch (error) {
      this.#fail(error as SimsError);
    }
  }

  #output(output: InitiatorOutput): undefined {
    if (output.type === 'send') {
      const { phase, body } = output;
      this.#write({ type: 'connect', phase, id: this.#handshakeId, data: body });
    } else if (output.type === 'timer') {
      this.#cancelTimer();
      const { clock } = this.#options;
      this.#cancelTimer = clock.setTimer(output.atMs, () => {
        this.#run.feed({ type: 'timer', nowMs: clock.now() });
      });
    } else if (output.type === 'established') {
      this.#established = output;
      const { address, identity } = this.#options;
      this.#channel = new HopChannel({
        suite: output.suite,
        role: 'initiator',
        conversationId: output.conversationId,
        finalTranscriptHash: output.finalTranscriptHash,
        secrets: output.secrets,
        client: { address, fingerprint: identity.fingerprint },
        relayIdentity: output.peer.relayIdentity!,
      });
    } else if (output.type === 'confirmed') {
      this.#cancelTimer();
      this.#confirmed = true;
      this.#transport.messageLimit = MAX_FRAME_BYTES;
      this.#resolve(this.#hop(output.parameters.label ?? '', output.name));
    }
    return undefined;
  }

  #hop(label: string, relayName: string): Hop {
    const { suite, peer } = this.#established!;
    return {
      suite: suite.name,
      relayIdentity: peer.relayIdentity!,
      label,
      relayName,
      send: (message) => this.#send(message),
      drained: () => this.#transport.drained(),
      close: () => this.#close(),
    };
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    try {
      const { message } = decodeMessage(bytes, this.#confirmed ? DEFAULT_LIMITS : LIMITS_BEFORE_HOP);
      if (message.type === 'secure' && this.#confirmed) this.#take(this.#channel!.open(message));
      else if (message.type === 'connect') this.#handshake(message);
      else if (message.type === 'error' && !this.#confirmed) {
        this.#fail(new SimsError('client/relay-refused', `the relay answers ${message.code}`));
      } else if (message.type === 'disconnect' && !this.#confirmed) {
        this.#fail(new SimsError('client/relay-refused', `the relay ends: ${message.code ?? 'no reason'}`));
      }
      // Anything else in the clear is a hint from nobody in particular.
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#fail(error);
    }
  }

  #handshake(message: Extract<Message, { type: 'connect' }>): void {
    if (message.id !== this.#handshakeId) return;
    this.#run.feed({ type: 'message', phase: message.phase, body: message.data });
  }

  #take(bytes: Uint8Array): void {
    const { message } = decodeMessage(bytes);
    if (message.type === 'disconnect') this.#end({ by: 'relay', code: message.code });
    else this.#hooks.message(message);
  }

  #send(message: Message): boolean {
    if (this.#ended || this.#channel === undefined) return true;
    const { provider, clock, encoding } = this.#options;
    const record = this.#channel.seal(encodeMessage(message, encoding), provider.random, clock.now());
    return this.#write(record);
  }

  #write(message: Message): boolean {
    try {
      return this.#transport.send(encodeMessage(message, this.#options.encoding));
    } catch (error) {
      // A transport that closed meanwhile tells so by `closed`.
      if (error instanceof SimsError && error.code === 'transport/closed') return true;
      throw error;
    }
  }

  async #close(): Promise<void> {
    if (this.#ended) return;
    this.#send({ type: 'disconnect' });
    this.#end({ by: 'own' });
    await this.#transport.closed;
  }

  #fail(error: SimsError): void {
    if (!this.#confirmed) {
      const code = failureReason(error);
      if (code !== undefined) this.#write({ type: 'error', code, msgId: this.#handshakeId });
    }
    this.#end({ by: 'fault', error });
  }

  #end(end: HopEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer();
    this.#channel?.end();
    this.#transport.close();
    if (this.#confirmed) this.#hooks.ended(end);
    else {
      const error =
        end.by === 'fault' ? end.error : new SimsError('client/connection-lost', 'the relay closed the connection');
      this.#run.feed({ type: 'abort', error });
      this.#reject(error);
    }
  }
}

/** The host in a URL, without a port, as phase 1 names it. */
export function serverNameOf(url: string): string {
  const { hostname } = new URL(url.replace(/^tcp:/u, 'ws:'));
  return hostname.replace(/^\[|\]$/gu, '');
}
