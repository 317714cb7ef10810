/** A chat for people. */
import type { Address, Client, Conversation, DeliveryState, MessageId, Peer, SuiteName } from '../../src/index.node.ts';
import { SUITE_TABLE } from '../../src/crypto/index.ts';
import { SimsError } from '../../src/index.node.ts';
import { isAway, leave } from './leave.ts';
import { Screen, type Entry } from './screen.ts';
import { cleanLine, cleanText } from './shownText.ts';

export interface TerminalChatOptions {
  readonly client: Client;
  /** Something that must be seen before anything is written. */
  readonly warning: string | undefined;
  readonly signal: AbortSignal;
  /** Whether the client has a store. */
  readonly isKept: boolean;
}

const HELP = `/list                who is here, and who is away and can be written to
/connect WHO         talk to somebody: number in the list, name, or address
/verify              the safety number of this conversation, to compare by another channel
/suite [NAME]        suites in use; with a name or number, the suite of the next conversations
/close               end this conversation
/quit                leave
//…                  a message that begins with /
Anything else is sent.`;

const SUITES = Object.entries(SUITE_TABLE) as readonly (readonly [SuiteName, { readonly number: number }])[];
const MARKS = { pending: '… ', accepted: '✓ ', delivered: '✓✓', failed: '! ' } as const;
const WORDS = {
  pending: '[sending]  ',
  accepted: '[accepted] ',
  delivered: '[delivered]',
  failed: '[failed]   ',
} as const;
const KINDS = { none: 'nobody in particular', key: 'a kept key', certificate: 'a certificate' } as const;

/** Runs until the person leaves; resolves to the exit code. */
export async function terminalChat(options: TerminalChatOptions): Promise<number> {
  return await new TerminalChat(options).run();
}

/** A message of one's own in the log. */
interface OwnLine {
  readonly peer: Address;
  readonly entry: Entry;
  readonly text: string;
  state: DeliveryState;
}

class TerminalChat {
  readonly #client: Client;
  readonly #screen: Screen;
  readonly #warning: string | undefined;
  readonly #isKept: boolean;
  readonly #conversations = new Map<Address, Conversation>();
  readonly #readers = new Set<Promise<void>>();
  readonly #lines = new Map<MessageId, OwnLine>();
  #listed: readonly Peer[] = [];
  #current: Conversation | undefined;
  #suites: readonly SuiteName[] | undefined;
  #sending = 0;
  #isSuspending = false;
  #settled: () => void = () => {};
  #end!: () => void;
  readonly #ended: Promise<void>;

  constructor({ client, warning, signal, isKept }: TerminalChatOptions) {
    this.#client = client;
    this.#warning = warning;
    this.#isKept = isKept;
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    signal.addEventListener('abort', () => this.#end(), { once: true });
    if (signal.aborted) this.#end();
    const { stdin: input, stdout: output } = process;
    this.#screen = new Screen({ input, output, line: (text) => this.#take(text), ended: () => this.#end() });
  }

  async run(): Promise<number> {
    const client = this.#client;
    let isLost = false;
    this.#screen.prompt = '> ';
    if (this.#warning !== undefined) this.#screen.print(this.#warning, ['yellow', 'bold']);
    this.#note(`You are ${cleanLine(client.name)}, ${client.address}`);
    this.#note(`Your level is ${cleanLine(client.label)}: what you write goes to nobody below it.`);
    this.#note(`Relay ${client.relayFingerprint} (${client.relayTrust}), ${client.suite}`);
    for (const conversation of client.conversations) if (conversation.status === 'open') this.#opened(conversation);
    this.#list();
    this.#note('/help tells what else there is.');
    client.on('peers', ({ joined, away, left }) => {
      for (const peer of joined) this.#note(`${this.#nameOf(peer)} is here`);
      for (const peer of away) this.#note(`${this.#nameOf(peer)} is away: what you write waits at the relay`);
      for (const peer of left) this.#note(`${this.#nameOf(peer)} is gone`);
      this.#checkSettled();
    });
    client.on('status', ({ status, reason, error }) => {
      const why = error === undefined ? (reason ?? '') : error.message;
      if (status === 'offline') this.#note(`The relay is gone${why === '' ? '' : ` (${why})`}. Trying again.`);
      else if (status === 'online') this.#note('The relay is back.');
      else {
        isLost = true;
        this.#end();
      }
    });
    void this.#takeIncoming();
    if (client.status !== 'closed') await this.#ended;
    const wasLost = isLost;
    this.#screen.close();
    if (!wasLost) this.#note('Leaving.');
    await leave({
      client,
      settled: this.#whenSettled(),
      readers: this.#readers,
      isKept: this.#isKept,
      suspending: () => {
        this.#isSuspending = true;
      },
    });
    return wasLost ? 1 : 0;
  }

  #take(line: string): void {
    const text = line.trim();
    if (text === '') return;
    if (!text.startsWith('/') || text.startsWith('//')) {
      void this.#send(text.startsWith('//') ? text.slice(1) : line);
      return;
    }
    const [command, ...words] = text.split(/\s+/u);
    const rest = words.join(' ');
    switch (command) {
      case '/list':
        this.#list();
        break;
      case '/connect':
        void this.#connect(rest);
        break;
      case '/verify':
        this.#verify();
        break;
      case '/suite':
        this.#suite(rest);
        break;
      case '/close':
        if (this.#current === undefined) this.#fault('You talk to nobody.');
        else void this.#current.close();
        break;
      case '/quit':
        this.#end();
        break;
      case '/help':
        this.#note(HELP);
        break;
      default:
        this.#fault(`There is no ${cleanLine(command ?? '')}. /help tells what there is.`);
    }
  }

  #list(): void {
    this.#listed = this.#client.peers;
    if (this.#listed.length === 0) this.#note('Nobody else is here.');
    this.#listed.forEach((peer, index) => {
      const isOpen = this.#conversations.has(peer.address);
      const how = peer.kind === 'none' ? KINDS.none : `says to have ${KINDS[peer.kind]}`;
      const level = cleanLine(peer.label);
      const far = peer.label === this.#client.label ? '' : ', only to be seen';
      const state = `${peer.online ? '' : ', away'}${far}${isOpen ? ', connected' : ''}`;
      this.#note(`${index + 1}  ${this.#nameOf(peer)}  ${peer.address}  ${how}, at ${level}${state}`);
    });
  }

  async #connect(who: string): Promise<void> {
    const peer = this.#find(who);
    if (peer === undefined) return;
    const present = this.#conversations.get(peer.address);
    if (present !== undefined) {
      this.#choose(present);
      return;
    }
    this.#note(`Asking ${this.#nameOf(peer)} …`);
    try {
      const options = this.#suites === undefined ? {} : { suites: this.#suites };
      const conversation = await this.#client.open(peer.address, options);
      this.#opened(conversation);
      this.#choose(conversation);
    } catch (error) {
      this.#fault(describe(error));
    }
  }

  #find(who: string): Peer | undefined {
    const { peers } = this.#client;
    const numbered = /^\d{1,4}$/u.test(who) ? this.#listed[Number(who) - 1] : undefined;
    const addressed = peers.find(({ address }) => address === who);
    const named = peers.filter((peer) => peer.name === who || this.#nameOf(peer) === who);
    const found = numbered ?? addressed ?? (named.length === 1 ? named[0] : undefined);
    if (found !== undefined) return found;
    if (named.length > 1) this.#fault(`${named.length} are called so: take a number of /list.`);
    else this.#fault(who === '' ? 'To whom? /list tells who is here.' : `Nobody here is ${cleanLine(who)}.`);
    return undefined;
  }

  #verify(): void {
    const conversation = this.#current;
    if (conversation === undefined) {
      this.#fault('You talk to nobody.');
      return;
    }
    const { identity, safetyNumber } = conversation;
    this.#note(`${this.#nameIn(conversation)}: ${KINDS[identity.kind]}, ${identity.fingerprint}`);
    this.#note('Safety number, the same on both sides when nobody is in between:');
    this.#screen.print(`  ${safetyNumber}`, 'bold');
  }

  #suite(wanted: string): void {
    if (wanted !== '') {
      const found = SUITES.find(([name, { number }]) => name === wanted || String(number) === wanted);
      if (found === undefined) {
        this.#fault(`There is no suite ${cleanLine(wanted)}. There are:`);
        for (const [name, { number }] of SUITES) this.#note(`${number}  ${name}`);
        return;
      }
      this.#suites = [found[0]];
    }
    this.#note(`To the relay: ${this.#client.suite}`);
    if (this.#current !== undefined) this.#note(`With ${this.#nameIn(this.#current)}: ${this.#current.suite}`);
    this.#note(`Next conversations: ${this.#suites?.join(', ') ?? 'the usual ones'}`);
  }

  async #send(text: string): Promise<void> {
    const conversation = this.#current;
    if (conversation === undefined) {
      this.#fault('You talk to nobody: /list, then /connect.');
      return;
    }
    const shown = `you → ${this.#nameIn(conversation)}: ${cleanText(text)}`;
    const entry = this.#screen.print(this.#own('pending', shown), 'red');
    this.#sending += 1;
    try {
      const { id, state } = await conversation.send(text);
      this.#lines.set(id, { peer: conversation.peer, entry, text: shown, state: 'pending' });
      if (state !== 'pending') this.#moved(id, state);
    } catch (error) {
      this.#screen.update(entry, this.#own('failed', shown), 'red');
      this.#fault(describe(error));
    }
    this.#sending -= 1;
    this.#checkSettled();
  }

  #moved(id: MessageId, state: DeliveryState, reason?: string): void {
    const line = this.#lines.get(id);
    if (line === undefined || state === line.state || (state === 'failed' && this.#isSuspending)) return;
    line.state = state;
    this.#screen.update(line.entry, this.#own(state, line.text), state === 'delivered' ? 'green' : 'red');
    if (state === 'failed') this.#fault(`Not delivered (${reason ?? 'closed'}): ${line.text}`);
    if (state === 'failed' || state === 'delivered') this.#lines.delete(id);
    this.#checkSettled();
  }

  async #takeIncoming(): Promise<void> {
    for await (const conversation of this.#client.incoming) this.#opened(conversation);
  }

  #opened(conversation: Conversation): void {
    const { peer } = conversation;
    if (this.#conversations.get(peer) === conversation) return;
    this.#conversations.set(peer, conversation);
    const name = this.#nameIn(conversation);
    const how = `${KINDS[conversation.identity.kind]}, ${conversation.suite}`;
    this.#note(`Conversation with ${name}, ${how}, at ${cleanLine(conversation.label)}`);
    if (!conversation.confirmed) this.#note(`${name} is away: what you write waits, and is not yet answered for`);
    if (this.#current === undefined) this.#choose(conversation);
    else if (this.#current !== conversation && conversation.initiatedBy === 'peer') {
      this.#note(`${name} wants to talk to you: /connect ${name}`);
    }
    conversation.on('state', ({ id, state, reason }) => this.#moved(id, state, reason));
    conversation.on('confirmed', () => this.#note(`${name} is back and has answered: both sides have the keys`));
    conversation.on('replaced', ({ suite }) => this.#note(`${name} came again; new keys, ${suite}`));
    conversation.on('consistency', ({ consistency }) => {
      if (consistency !== 'consistent') this.#note(`The histories of you and ${name}: ${consistency}`);
    });
    const reader = this.#read(conversation, name).finally(() => this.#readers.delete(reader));
    this.#readers.add(reader);
  }

  async #read(conversation: Conversation, name: string): Promise<void> {
    for await (const { kind, text } of conversation) {
      const said = kind === 'text' ? cleanText(text) : '(data that is not a text)';
      const isElsewhere = conversation !== this.#current;
      this.#screen.print(`${isElsewhere ? '» ' : ''}${name}: ${said}`, isElsewhere ? 'bold' : undefined);
      if (isElsewhere) this.#note(`${name} is writing to you: /connect ${name} answers`);
    }
    const { by, reason } = await conversation.closed;
    if (reason === 'suspended') this.#note(`The conversation with ${name} goes on when you come again.`);
    if (this.#conversations.get(conversation.peer) === conversation) this.#conversations.delete(conversation.peer);
    if (reason !== 'suspended')
      this.#note(
        by === 'peer' ? `${name} ended the conversation.` : `The conversation with ${name} ended (${reason}).`,
      );
    if (this.#current === conversation) this.#choose(undefined);
  }

  #choose(conversation: Conversation | undefined): void {
    this.#current = conversation;
    this.#screen.prompt = conversation === undefined ? '> ' : `${this.#nameIn(conversation)} > `;
  }

  /** A line of one's own: the state as a sign where there is colour, as a word where there is none. */
  #own(state: DeliveryState, text: string): string {
    return `${this.#screen.hasColour ? MARKS[state] : WORDS[state]} ${text}`;
  }

  #nameIn(conversation: Conversation): string {
    const { peer, identity, relayedName } = conversation;
    return this.#distinct(identity.name === '' ? relayedName : identity.name, peer);
  }

  #nameOf(peer: Peer): string {
    return this.#distinct(peer.name, peer.address);
  }

  /** A name that tells this one from everybody else who is here. */
  #distinct(name: string, address: Address): string {
    const clean = cleanLine(name);
    const isTaken =
      clean === '' ||
      clean === this.#client.name ||
      this.#client.peers.some((peer) => peer.address !== address && cleanLine(peer.name) === clean);
    return isTaken ? `${clean}#${address.slice(0, 6)}` : clean;
  }

  #note(text: string): void {
    this.#screen.print(text, 'dim');
  }

  #fault(text: string): void {
    this.#screen.print(`! ${text}`, 'yellow');
  }

  #checkSettled(): void {
    const waits = ({ peer, state }: OwnLine): boolean =>
      this.#isKept && state === 'accepted' && isAway(this.#client, peer);
    if (this.#sending === 0 && [...this.#lines.values()].every(waits)) this.#settled();
  }

  #whenSettled(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled = resolve;
      this.#checkSettled();
    });
  }
}

function describe(error: unknown): string {
  if (error instanceof SimsError) return `${error.message} (${error.code})`;
  return cleanLine(String(error));
}
