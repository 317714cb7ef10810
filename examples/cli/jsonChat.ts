/** A chat for programs: requests come as lines of JSON, and so go events. */
import type { Readable, Writable } from 'node:stream';
import {
  SimsError,
  type Address,
  type Client,
  type Conversation,
  type ConversationEvents,
  type DeliveryState,
  type MessageId,
  type Peer,
} from '../../src/index.node.ts';
import { LineWriter, readLines } from './jsonLines.ts';
import { isAway, leave } from './leave.ts';
import { parseRequest, type Request } from './requests.ts';

type Evidence = NonNullable<ConversationEvents['consistency']['evidence']>;
type About = { readonly peer: Address; readonly ref?: unknown };
type Sending = Extract<Request, { do: 'send' }>;

/** Sends that wait, beyond which no further line is read. */
const MAX_WAITING_SENDS = 4_096;
const MAX_WAITING_CHARACTERS = 32 * 1_048_576;

export interface JsonChatOptions {
  readonly client: Client;
  readonly input: Readable;
  readonly output: Writable;
  readonly log: (text: string) => void;
  /** Aborts as `quit` does. */
  readonly signal: AbortSignal;
  /** Whether the client has a store. Default false. */
  readonly isKept?: boolean;
}

/** Runs until `quit`, the end of the input, the signal, or the end of the client; resolves to the exit code. */
export async function jsonChat(options: JsonChatOptions): Promise<number> {
  return await new JsonChat(options).run();
}

/** The line for an error. */
export function errorEvent(error: unknown, about: object = {}): object {
  const code = error instanceof SimsError ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  return { event: 'error', code, message, ...about };
}

class JsonChat {
  readonly #client: Client;
  readonly #input: Readable;
  readonly #writer: LineWriter;
  readonly #log: (text: string) => void;
  readonly #signal: AbortSignal;
  readonly #isKept: boolean;
  /** Conversations whose `opened` is written and whose `closed` is not. */
  readonly #open = new Map<Address, Conversation>();
  readonly #opening = new Map<Address, { readonly waiting: Sending[]; readonly abort: () => void }>();
  readonly #readers = new Set<Promise<void>>();
  /** Messages that are on their way, and what the sender calls them. */
  readonly #sent = new Map<MessageId, About>();
  /** Those of them that the relay has. */
  readonly #accepted = new Set<MessageId>();
  #waitingSends = 0;
  #waitingCharacters = 0;
  #roomMade: () => void = () => {};
  #settled: () => void = () => {};
  #isEnding = false;
  #isSuspending = false;
  #failed = false;

  constructor({ client, input, output, log, signal, isKept = false }: JsonChatOptions) {
    this.#client = client;
    this.#input = input;
    this.#writer = new LineWriter(output);
    this.#log = log;
    this.#signal = signal;
    this.#isKept = isKept;
  }

  async run(): Promise<number> {
    const client = this.#client;
    this.#write({ event: 'ready', id: client.address, suite: client.suite, label: client.label });
    for (const conversation of client.conversations) if (conversation.status === 'open') this.#opened(conversation);
    void this.#takeIncoming();
    let lastError = new SimsError('client/closed', 'the client has ended');
    client.on('status', ({ status, reason, error }) => {
      this.#log([status, reason, error?.message].filter((part) => part !== undefined).join(', '));
      if (reason !== undefined) lastError = new SimsError('client/relay-refused', `the relay ends: ${reason}`);
      if (error !== undefined) lastError = error;
      // A connection that is lost comes back; only when nobody tries any more is that an error.
      if (status !== 'closed' || this.#isEnding) return;
      this.#write(errorEvent(lastError));
      this.#stopReading(true);
    });
    client.on('peers', () => this.#moved());
    if (client.status === 'closed') this.#stopReading(true);
    const stop = (): void => this.#stopReading(false);
    this.#signal.addEventListener('abort', stop, { once: true });
    if (this.#signal.aborted) stop();
    await this.#takeRequests();
    this.#signal.removeEventListener('abort', stop);
    this.#isEnding = true;
    await leave({
      client,
      settled: this.#whenSettled(),
      readers: this.#readers,
      isKept: this.#isKept,
      suspending: () => {
        this.#isSuspending = true;
      },
    });
    this.#tellWhatIsLeft();
    return this.#failed ? 1 : 0;
  }

  #stopReading(failed: boolean): void {
    this.#failed ||= failed;
    this.#isEnding = true;
    this.#input.destroy();
    this.#roomMade();
  }

  async #takeRequests(): Promise<void> {
    try {
      for await (const line of readLines(this.#input)) {
        if (this.#isEnding) return;
        if (line?.trim() === '') continue;
        let request: Request;
        try {
          request = parseRequest(line);
        } catch (error) {
          this.#write(errorEvent(error));
          continue;
        }
        if (request.do === 'quit') return;
        this.#take(request);
        if (this.#isFull()) {
          await new Promise<void>((resolve) => {
            this.#roomMade = resolve;
          });
        }
      }
    } catch (error) {
      if (!this.#isEnding) this.#log(`input: ${String(error)}`);
    }
  }

  #take(request: Exclude<Request, { do: 'quit' }>): void {
    switch (request.do) {
      case 'list':
        this.#write({ event: 'list', clients: this.#clients() });
        break;
      case 'open':
        this.#openTo(request.peer);
        break;
      case 'send':
        this.#send(request);
        break;
      case 'close':
        this.#close(request.peer);
        break;
      case 'quit':
        break;
    }
  }

  #clients(): readonly object[] {
    const listed = this.#client.peers;
    const missing = [...this.#open.values()].filter(({ peer }) => listed.every(({ address }) => address !== peer));
    return [
      ...listed.map((peer) => ({
        id: peer.address,
        name: peer.name,
        online: peer.online,
        label: peer.label,
        identity: this.#identityOf(peer),
      })),
      ...missing.map((conversation) => ({
        id: conversation.peer,
        name: conversation.relayedName,
        online: false,
        label: conversation.label,
        identity: shown(conversation),
      })),
    ];
  }

  /** What a conversation verified, else the relay's word. */
  #identityOf({ address, kind, fingerprint }: Peer): object {
    const conversation = this.#open.get(address);
    return conversation === undefined ? { kind, fingerprint, verified: false } : shown(conversation);
  }

  #openTo(peer: Address): void {
    if (this.#opening.has(peer)) return;
    const controller = new AbortController();
    const waiting: Sending[] = [];
    this.#opening.set(peer, { waiting, abort: () => controller.abort() });
    void this.#client
      .open(peer, { signal: controller.signal })
      .then(
        (conversation) => this.#opened(conversation),
        (error: unknown) => this.#write(errorEvent(error, { peer })),
      )
      .then(() => {
        // All at once, so that none that comes meanwhile overtakes them.
        this.#opening.delete(peer);
        for (const sending of waiting) void this.#sendNow(sending);
        this.#moved();
      });
  }

  #send(sending: Sending): void {
    this.#waitingSends += 1;
    this.#waitingCharacters += sending.text.length;
    const opening = this.#opening.get(sending.peer);
    if (opening === undefined) void this.#sendNow(sending);
    else opening.waiting.push(sending);
  }

  async #sendNow(sending: Sending): Promise<void> {
    const { peer, text } = sending;
    const about = 'ref' in sending ? { peer, ref: sending.ref } : { peer };
    try {
      const conversation = this.#open.get(peer);
      if (conversation === undefined) throw notOpen();
      const { id, state } = await conversation.send(text);
      this.#writeState(id, about, 'pending');
      if (state === 'pending') this.#sent.set(id, about);
    } catch (error) {
      this.#write(errorEvent(error, about));
    }
    this.#waitingSends -= 1;
    this.#waitingCharacters -= text.length;
    if (!this.#isFull()) this.#roomMade();
    this.#moved();
  }

  #close(peer: Address): void {
    const opening = this.#opening.get(peer);
    const conversation = this.#open.get(peer);
    opening?.abort();
    if (conversation !== undefined) void conversation.close();
    else if (opening === undefined) {
      this.#write(errorEvent(notOpen(), { peer }));
    }
  }

  async #takeIncoming(): Promise<void> {
    for await (const conversation of this.#client.incoming) this.#opened(conversation);
  }

  /** Tells that a conversation is open, and from then on what happens in it. */
  #opened(conversation: Conversation): void {
    const { peer } = conversation;
    this.#writeOpened(conversation);
    if (this.#open.get(peer) === conversation) return;
    this.#open.set(peer, conversation);
    conversation.on('state', ({ id, state, reason }) => {
      if (state === 'pending' || (state === 'failed' && this.#isSuspending)) return;
      this.#writeState(id, this.#sent.get(id) ?? { peer }, state, reason);
      if (state === 'accepted') this.#accepted.add(id);
      else {
        this.#sent.delete(id);
        this.#accepted.delete(id);
      }
      this.#moved();
    });
    conversation.on('consistency', ({ consistency, evidence }) => {
      this.#write({
        event: 'status',
        peer,
        status: consistency,
        ...(evidence === undefined ? {} : shownEvidence(evidence)),
      });
    });
    conversation.on('confirmed', () => this.#write({ event: 'confirmed', peer }));
    conversation.on('replaced', () => {
      // Where both sides open at once, the answer to this side's own `open` tells it.
      if (!this.#opening.has(peer)) this.#writeOpened(conversation);
    });
    const reader = this.#read(conversation).finally(() => this.#readers.delete(reader));
    this.#readers.add(reader);
  }

  async #read(conversation: Conversation): Promise<void> {
    const { peer } = conversation;
    for await (const { id, kind, text } of conversation) {
      if (kind === 'text') this.#write({ event: 'message', peer, id, text, label: conversation.label });
      else this.#log(`data from ${peer}, which is not a text`);
      await this.#writer.drained();
    }
    const { reason } = await conversation.closed;
    if (this.#open.get(peer) === conversation) this.#open.delete(peer);
    this.#write({ event: 'closed', peer, reason });
  }

  #writeState(id: MessageId, about: { readonly peer: Address }, state: DeliveryState, reason?: string): void {
    this.#write({ event: 'state', ...about, id, state, ...(reason === undefined ? {} : { reason }) });
  }

  /** Farewells that took too long are not waited for: what is open ends here. */
  #tellWhatIsLeft(): void {
    if (this.#isSuspending) return;
    for (const [id, about] of this.#sent) this.#writeState(id, about, 'failed', 'closed');
    for (const peer of this.#open.keys()) this.#write({ event: 'closed', peer, reason: 'client-ended' });
  }

  #writeOpened({ peer, suite, safetyNumber, label, confirmed }: Conversation): void {
    this.#write({ event: 'opened', peer, suite, safetyNumber, label, ...(confirmed ? {} : { confirmed }) });
  }

  #write(event: object): void {
    this.#writer.write(event);
  }

  #isFull(): boolean {
    return this.#waitingSends >= MAX_WAITING_SENDS || this.#waitingCharacters >= MAX_WAITING_CHARACTERS;
  }

  #moved(): void {
    if (this.#isSettled()) this.#settled();
  }

  #isSettled(): boolean {
    return (
      this.#opening.size === 0 &&
      this.#waitingSends === 0 &&
      [...this.#sent].every(([id, { peer }]) => this.#accepted.has(id) && this.#waitsElsewhere(peer))
    );
  }

  /** Whether what the relay has accepted may wait there for its reader, and the receipt in the store. */
  #waitsElsewhere(peer: Address): boolean {
    return this.#isKept && isAway(this.#client, peer);
  }

  /** Resolves when nothing is being opened, sent, or on its way. */
  #whenSettled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isSettled()) resolve();
      this.#settled = resolve;
    });
  }
}

function shownEvidence({ direction, m, expected, got }: Evidence): object {
  return { evidence: { direction, m, expected: hex(expected), got: hex(got) } };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function notOpen(): SimsError {
  return new SimsError('client/not-open', 'there is no conversation with that peer');
}

function shown({ identity }: Conversation): object {
  const { kind, fingerprint, verified, name } = identity;
  return { kind, fingerprint, ...(verified ? { name } : {}), verified };
}
