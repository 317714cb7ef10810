/** Clients over real sockets, as the SDK's client speaks on a hop. */
import { nodeProvider, X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../../src/crypto/node/index.ts';
import type { Suite } from '../../../src/crypto/suite.ts';
import { systemClock } from '../../../src/client/clock.ts';
import { establishHop, type Hop, type HopEnd } from '../../../src/client/hop.ts';
import { addressOf, anonymousIdentity, type OwnIdentity } from '../../../src/client/identity.ts';
import { createCredentialVerifier } from '../../../src/handshake/index.ts';
import { messageIdFromBytes, type Address, type MessageId } from '../../../src/messages/address.ts';
import type { Message } from '../../../src/messages/messages.ts';
import type { Encoding } from '../../../src/messages/wire.ts';
import type { Transport } from '../../../src/transport/index.ts';
import { connectTcp, connectWebSocket } from '../../../src/transport/node/index.ts';

export const QUICK: Suite = X25519_WITH_CHACHA20_POLY1305_SHA256;

export function newId(): MessageId {
  return messageIdFromBytes(nodeProvider.random(8));
}

export function dial(url: string): Promise<Transport> {
  const { hostname, port, protocol } = new URL(url);
  return protocol === 'tcp:' ? connectTcp({ host: hostname, port: Number(port) }) : connectWebSocket(url);
}

/** Waits until a condition holds, at most 10 s. */
export async function until(condition: () => boolean, what: string = 'the condition'): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what} does not come`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export interface PersonOptions {
  readonly identity?: OwnIdentity;
  readonly device?: Uint8Array;
  readonly encoding?: Encoding;
  readonly suites?: readonly Suite[];
  readonly label?: string;
  readonly transport?: Transport;
}

export class Person {
  readonly identity: OwnIdentity;
  readonly address: Address;
  readonly messages: Message[] = [];
  hop!: Hop;
  end: HopEnd | undefined;

  private constructor(identity: OwnIdentity, address: Address) {
    this.identity = identity;
    this.address = address;
  }

  static async join(url: string, name: string, options: PersonOptions = {}): Promise<Person> {
    const { identity = anonymousIdentity(nodeProvider), device = nodeProvider.random(8), suites = [QUICK] } = options;
    const { encoding = 'cbor', label } = options;
    const address = addressOf(identity, device);
    const person = new Person(identity, address);
    person.hop = await establishHop(
      options.transport ?? (await dial(url)),
      {
        provider: nodeProvider,
        clock: systemClock,
        verifyCredential: createCredentialVerifier({ provider: nodeProvider }),
        identity,
        address,
        device,
        name,
        suites,
        offer: suites.map((suite) => suite.name),
        encoding,
        serverName: '127.0.0.1',
        ...(label === undefined ? {} : { label }),
      },
      {
        message: (message) => person.messages.push(message),
        ended: (end) => {
          person.end = end;
        },
      },
    );
    return person;
  }

  say(dst: Address, length = 20): MessageId {
    const id = newId();
    this.hop.send({ type: 'client-com', id, dst, saData: new Uint8Array(20), data: new Uint8Array(length) });
    return id;
  }

  of<Type extends Message['type']>(type: Type): readonly Extract<Message, { type: Type }>[] {
    return this.messages.filter((message): message is Extract<Message, { type: Type }> => message.type === type);
  }
}
