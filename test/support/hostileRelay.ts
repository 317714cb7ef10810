import { concat, fromBase64url } from '../../src/bytes.ts';
import { allSuites, nodeProvider as provider } from '../../src/crypto/node/index.ts';
import type { SignatureKeyPair } from '../../src/crypto/index.ts';
import {
  createCredentialVerifier,
  relayIdentityOf,
  runResponder,
  type ResponderInput,
  type ResponderOutput,
} from '../../src/handshake/index.ts';
import { addressFromBytes, type Address, type MessageId } from '../../src/messages/address.ts';
import type { OnlineItem } from '../../src/messages/list.ts';
import { decodeMessage, encodeMessage, type Message } from '../../src/messages/messages.ts';
import { HopChannel } from '../../src/session/index.ts';
import { memoryPair, type Transport } from '../../src/transport/index.ts';

/** A message between clients, on its way through the relay. */
export interface Passing {
  readonly from: Address;
  readonly to: Address;
  readonly message: Message;
}

/** What the relay does with a message: whatever it returns is handed over instead. */
export type Tamper = (passing: Passing) => readonly Passing[];

interface Session {
  readonly item: OnlineItem;
  readonly send: (message: Message) => void;
  isListening: boolean;
}

/**
 * A relay that keeps no rule but its owner's: hops are sound, and what passes between clients is in the hands of
 * {@link HostileRelay.tamper}. In memory.
 */
export class HostileRelay {
  readonly keyPair: SignatureKeyPair = provider.generateSignatureKeyPair('Ed25519', provider.random);
  readonly relayIdentity: Uint8Array = relayIdentityOf(provider, this.keyPair.spki);
  readonly #sessions = new Map<Address, Session>();
  tamper: Tamper = (passing) => [passing];
  /** Whether it tells who joins; otherwise only a request shows it. */
  tellsJoins = true;
  /** Everything that passed, as it came. */
  readonly seen: Passing[] = [];

  /** For `connect`. */
  readonly dial = (): Promise<Transport> => {
    const [own, other] = memoryPair();
    new Connection(this, other).start();
    return Promise.resolve(own);
  };

  join(session: Session): void {
    for (const other of this.#sessions.values()) {
      if (other.isListening && this.tellsJoins) {
        other.send({ type: 'list', complete: false, data: [session.item] });
      }
    }
    this.#sessions.set(session.item.address, session);
  }

  leave(address: Address): void {
    this.#sessions.delete(address);
    for (const other of this.#sessions.values()) {
      if (other.isListening) other.send({ type: 'list', complete: false, data: [{ address, online: false }] });
    }
  }

  list(id: MessageId): Message {
    return { type: 'list', id, complete: true, data: [...this.#sessions.values()].map(({ item }) => item) };
  }

  /** Hands a message to a client, as if it came from another. */
  hand({ from, to, message }: Passing): void {
    const { dst: _dst, ...rest } = message as Message & { dst?: Address };
    const label = message.type === 'client-connect' ? { label: 'everyone' } : {};
    this.#sessions.get(to)?.send({ ...rest, src: from, ...label } as Message);
  }

  pass(passing: Passing): void {
    this.seen.push(passing);
    for (const next of this.tamper(passing)) this.hand(next);
  }

  reaches(address: Address): boolean {
    return this.#sessions.has(address);
  }
}

class Connection {
  readonly #relay: HostileRelay;
  readonly #transport: Transport;
  readonly #run: ReturnType<typeof runResponder>;
  #channel: HopChannel | undefined;
  #item: OnlineItem | undefined;
  #session: Session | undefined;
  #handshake: MessageId | undefined;

  constructor(relay: HostileRelay, transport: Transport) {
    this.#relay = relay;
    this.#transport = transport;
    const { relayIdentity, keyPair } = relay;
    this.#run = runResponder(
      { plane: 'hop', provider, suites: allSuites, relayIdentity },
      {
        sign: ({ toBeSigned }) => provider.sign(keyPair, toBeSigned),
        verifyCredential: createCredentialVerifier({ provider }),
        random: provider.random,
        now: Date.now,
      },
      { output: (output) => this.#output(output), failed: () => transport.close() },
    );
  }

  start(): void {
    this.#transport.start({ message: (bytes) => this.#receive(bytes) });
    void this.#transport.closed.then(() => {
      if (this.#item !== undefined) this.#relay.leave(this.#item.address);
    });
  }

  #output(output: ResponderOutput): ResponderInput | undefined {
    const nowMs = Date.now();
    switch (output.type) {
      case 'send':
        this.#write({ type: 'connect', phase: output.phase, id: this.#handshake!, data: output.body });
        return undefined;
      case 'consent':
        return {
          type: 'accept',
          suites: output.offer,
          nonce: provider.random(32),
          boxRandomness: provider.random(16),
          credential: { kind: 'relay', spki: this.#relay.keyPair.spki, chain: [new Uint8Array(1)] },
          nowMs,
        };
      case 'authenticated': {
        const { identity, name, parameters } = output;
        const address = addressFromBytes(concat(fromBase64url(identity.id), parameters.device!));
        const kind = identity.kind as OnlineItem['kind'];
        this.#item = { address, online: true, name, label: 'everyone', kind, fingerprint: identity.fingerprint };
        return { type: 'finish', name: 'hostile', parameters: { label: 'everyone' }, nowMs };
      }
      case 'established': {
        const { suite, conversationId, finalTranscriptHash, secrets, peer } = output;
        const client = { address: this.#item!.address, fingerprint: peer.fingerprint };
        const { relayIdentity } = this.#relay;
        this.#channel = new HopChannel({
          suite,
          role: 'responder',
          conversationId,
          finalTranscriptHash,
          secrets,
          client,
          relayIdentity,
        });
        this.#transport.messageLimit = 2 ** 20;
        this.#session = { item: this.#item!, send: (message) => this.#send(message), isListening: false };
        this.#relay.join(this.#session);
        return undefined;
      }
      default:
        return undefined;
    }
  }

  #receive(bytes: Uint8Array): void {
    const { message } = decodeMessage(bytes);
    if (message.type === 'connect') {
      this.#handshake = message.id;
      this.#run.feed({ type: 'message', phase: message.phase, body: message.data });
    } else if (message.type === 'secure') this.#take(decodeMessage(this.#channel!.open(message)).message);
  }

  #take(message: Message): void {
    if (message.type === 'list' && message.id !== undefined) {
      this.#session!.isListening = true;
      this.#send(this.#relay.list(message.id));
    } else if (message.type === 'disconnect') this.#transport.close();
    else if ('dst' in message && message.dst !== undefined) {
      if (message.type === 'client-com' || message.type === 'client-connect' || message.type === 'client-disconnect') {
        const reaches = this.#relay.reaches(message.dst);
        this.#send(
          reaches ? { type: 'ack', msgId: message.id } : { type: 'error', code: 'unknown-peer', msgId: message.id },
        );
      }
      this.#relay.pass({ from: this.#item!.address, to: message.dst, message });
    }
  }

  #send(message: Message): void {
    this.#write(this.#channel!.seal(encodeMessage(message, 'cbor'), provider.random, Date.now()));
  }

  #write(message: Message): void {
    try {
      this.#transport.send(encodeMessage(message, 'cbor'));
    } catch {
      // The client has gone.
    }
  }
}
