/** A relay of a few lines that keeps bundles and messages for who is away, and can be told to misbehave. */
import { nodeProvider, X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../src/crypto/node/index.ts';
import {
  createCredentialVerifier,
  relayIdentityOf,
  runResponder,
  type HandshakeRun,
  type ResponderInput,
} from '../../src/handshake/index.ts';
import type { SignatureKeyPair } from '../../src/crypto/provider.ts';
import { SimsError } from '../../src/errors.ts';
import { addressFromBytes, type Address, type MessageId } from '../../src/messages/address.ts';
import { decodeBundle, decodeBundleCore } from '../../src/messages/bundle.ts';
import type { OnlineItem, PersonKind } from '../../src/messages/list.ts';
import { decodeMessage, encodeMessage, type Message } from '../../src/messages/messages.ts';
import type { PrekeysBundle } from '../../src/messages/prekeys.ts';
import { HopChannel } from '../../src/session/hop.ts';
import { memoryPair, type Transport } from '../../src/transport/index.ts';

type Kept = Extract<Message, { type: 'client-connect' | 'client-com' | 'client-disconnect' | 'ack' }>;

/** What the relay knows of one address. */
export interface Account {
  item: OnlineItem | undefined;
  deliver: ((message: Message) => void) | undefined;
  bundles: Uint8Array[];
  publishId: MessageId | undefined;
  publishes: number;
  mailbox: Kept[];
}

const suite = X25519_WITH_CHACHA20_POLY1305_SHA256;
const LABEL = 'open';

export class AwayRelay {
  readonly accounts: Map<Address, Account> = new Map();
  /** Every message of a client after the hop's handshake, with its sender. */
  readonly seen: { readonly src: Address; readonly message: Message }[] = [];
  readonly #keyPair: SignatureKeyPair = nodeProvider.generateSignatureKeyPair('Ed25519', nodeProvider.random);
  readonly #open: Set<Transport> = new Set();
  /** May change, repeat or drop what is on its way to a client. */
  tamper: (message: Message, dst: Address) => readonly Message[] = (message) => [message];
  /** Bundles left at which the relay speaks up. */
  low = 5;

  readonly dial: () => Promise<Transport> = (): Promise<Transport> => {
    const [own, theirs] = memoryPair();
    this.#serve(own);
    return Promise.resolve(theirs);
  };

  account(address: Address): Account {
    const known = this.accounts.get(address);
    if (known !== undefined) return known;
    const account: Account = {
      item: undefined,
      deliver: undefined,
      bundles: [],
      publishId: undefined,
      publishes: 0,
      mailbox: [],
    };
    this.accounts.set(address, account);
    return account;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const transport of this.#open) transport.abort();
  }

  #serve(transport: Transport): void {
    this.#open.add(transport);
    const { spki } = this.#keyPair;
    const relayIdentity = relayIdentityOf(nodeProvider, spki);
    const credential = { kind: 'relay', spki, chain: [Uint8Array.of(0x30, 0)] } as const;
    let id: MessageId | undefined;
    let channel: HopChannel | undefined;
    let address: Address | undefined;
    let item: OnlineItem | undefined;
    let isOpen = true;
    void transport.closed.then(() => {
      isOpen = false;
    });
    const send = (message: Message): void => {
      try {
        if (isOpen) transport.send(encodeMessage(message, 'cbor'));
      } catch (error) {
        // It is closing: what is on its way is lost.
        if (!(error instanceof SimsError) || error.code !== 'transport/closed') throw error;
      }
    };
    const deliver = (message: Message): void => {
      if (address === undefined) return;
      for (const changed of this.tamper(message, address)) {
        send(channel!.seal(encodeMessage(changed, 'cbor'), nodeProvider.random, Date.now()));
      }
    };
    const run: HandshakeRun<ResponderInput> = runResponder(
      { plane: 'hop', provider: nodeProvider, suites: [suite], relayIdentity },
      {
        sign: ({ toBeSigned }) => nodeProvider.sign(this.#keyPair, toBeSigned),
        verifyCredential: createCredentialVerifier({ provider: nodeProvider }),
        random: nodeProvider.random,
        now: () => Date.now(),
      },
      {
        failed: () => transport.abort(),
        output: (output) => {
          if (output.type === 'consent') {
            const [nonce, boxRandomness] = [nodeProvider.random(32), nodeProvider.random(16)];
            return { type: 'accept', suites: [suite.name], nonce, boxRandomness, credential, nowMs: Date.now() };
          }
          if (output.type === 'send') send({ type: 'connect', phase: output.phase, id: id!, data: output.body });
          if (output.type === 'authenticated') {
            const { fingerprint, kind } = output.identity;
            address = addressFromBytes(Buffer.concat([fingerprint.subarray(0, 20), output.parameters.device!]));
            const name = output.name;
            item = { address, online: true, name, label: LABEL, kind: kind as PersonKind, fingerprint };
            return { type: 'finish', name: 'relay', parameters: { label: LABEL }, nowMs: Date.now() };
          }
          if (output.type === 'established') {
            const { finalTranscriptHash, conversationId, secrets } = output;
            channel = new HopChannel({
              suite,
              role: 'responder',
              conversationId,
              finalTranscriptHash,
              secrets,
              client: { address: address!, fingerprint: item!.fingerprint },
              relayIdentity,
            });
            queueMicrotask(() => this.#enter(address!, item!, deliver));
          }
          return undefined;
        },
      },
    );
    transport.start({
      message: (bytes) => {
        const { message } = decodeMessage(bytes);
        if (message.type === 'connect') {
          id = message.id;
          run.feed({ type: 'message', phase: message.phase, body: message.data });
        } else if (message.type === 'secure' && channel !== undefined) {
          const inner = decodeMessage(channel.open(message)).message;
          this.seen.push({ src: address!, message: inner });
          if (inner.type === 'disconnect') transport.close();
          else this.#take(inner, address!);
        }
        return undefined;
      },
    });
    void transport.closed.then(() => {
      this.#open.delete(transport);
      const account = address === undefined ? undefined : this.account(address);
      if (account?.deliver !== deliver) return;
      account.deliver = undefined;
      this.#tellAll(address!);
    });
  }

  #enter(address: Address, item: OnlineItem, deliver: (message: Message) => void): void {
    const account = this.account(address);
    account.item = item;
    account.deliver = deliver;
    this.#tellAll(address);
  }

  #tellAll(changed: Address): void {
    for (const [address, { deliver }] of this.accounts) {
      if (address !== changed) deliver?.({ type: 'list', complete: false, data: [this.#itemOf(changed)] });
    }
  }

  #itemOf(address: Address): Extract<Message, { type: 'list'; complete: boolean }>['data'][number] {
    const { item, deliver, publishId } = this.account(address);
    if (item !== undefined && deliver !== undefined) return item;
    return item !== undefined && publishId !== undefined ? { ...item, online: false } : { address, online: false };
  }

  #take(message: Message, src: Address): void {
    const own = this.account(src);
    switch (message.type) {
      case 'list': {
        const data = [...this.accounts.keys()].filter((address) => address !== src).map((each) => this.#itemOf(each));
        own.deliver?.({ type: 'list', ...(message.id && { id: message.id }), complete: true, data });
        for (const kept of own.mailbox) own.deliver?.({ ...kept, stored: true } as Message);
        break;
      }
      case 'prekeys':
        if (message.dst !== undefined) this.#fetch(message.id, message.dst, message.ciphers, own);
        else if (message.src === undefined && message.count === undefined) {
          if (message.complete === true) own.bundles = [];
          own.bundles.push(...message.data);
          if (message.complete === true || message.data.length > 0) {
            own.publishId = message.id;
            own.publishes += 1;
          }
          this.#stock(own);
        }
        break;
      case 'ack':
        if (message.msgId !== undefined) {
          own.mailbox = own.mailbox.filter(
            (kept) => !(kept.src === message.src && 'id' in kept && kept.id === message.msgId),
          );
        } else this.#carry(message, message.dst!, src);
        break;
      case 'client-com':
      case 'client-connect':
      case 'client-disconnect':
        if (this.#carry(message, message.dst!, src)) own.deliver?.({ type: 'ack', msgId: message.id });
        else own.deliver?.({ type: 'error', code: 'unknown-peer', msgId: message.id });
        break;
      case 'error':
        if (message.dst !== undefined) {
          const { dst, ...rest } = message;
          this.account(dst).deliver?.({ ...rest, src });
        }
        break;
      default:
        break;
    }
  }

  #carry(message: Kept, dst: Address, src: Address): boolean {
    const peer = this.account(dst);
    const { dst: _dst, ...rest } = message;
    const label = message.type === 'client-connect' ? { label: LABEL } : {};
    const carried = { ...rest, src, ...label } as Kept;
    if (peer.deliver !== undefined) {
      peer.deliver(carried);
      return true;
    }
    const isKept = message.type !== 'client-connect' || message.phase === 3;
    if (peer.publishId === undefined || !isKept) return false;
    const isThere = peer.mailbox.some((kept) => 'id' in carried && 'id' in kept && kept.id === carried.id);
    if (!isThere) peer.mailbox.push(carried);
    return true;
  }

  #fetch(id: MessageId, dst: Address, ciphers: readonly number[], own: Account): void {
    const peer = this.account(dst);
    if (peer.publishId === undefined) {
      own.deliver?.({ type: 'error', code: 'unknown-peer', msgId: id });
      return;
    }
    const cores = peer.bundles.map((bundle) => decodeBundleCore(decodeBundle(bundle).core));
    const picked = cores.at(-1)?.suites.find((number) => ciphers.includes(number));
    const index = cores.findIndex((core) => core.suite === picked);
    if (index < 0) {
      own.deliver?.({ type: 'error', code: 'later', msgId: id });
      return;
    }
    const [bundle] = peer.bundles.splice(index, 1);
    const answer: PrekeysBundle = { type: 'prekeys', id, src: dst, label: cores[index]!.label, data: [bundle!] };
    own.deliver?.(answer);
    if (peer.bundles.length < this.low) this.#stock(peer);
  }

  #stock(account: Account): void {
    const { bundles, publishId } = account;
    account.deliver?.({ type: 'prekeys', count: bundles.length, ...(publishId && { id: publishId }) });
  }
}
