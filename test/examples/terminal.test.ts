/** The chat for people, in a real terminal: tmux draws it, types, and says what is to be seen. */
import { execFileSync, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endAll, SIMS, startChatProcess, startRelayProcess, type RelayProcess } from '../support/processes.ts';

const hasTmux = spawnSync('tmux', ['-V']).status === 0;
const SERVER = `sims-test-${process.pid}`;
const ESCAPE = '\u001b';
const RED = `${ESCAPE}[31m`;
const GREEN = `${ESCAPE}[32m`;

/** One terminal with a chat in it. */
class Terminal {
  readonly #name: string;

  constructor(name: string, relay: RelayProcess, parameters: readonly string[] = [], environment = '') {
    this.#name = name;
    const command = [...SIMS, 'chat', relay.tcp, '--name', name, ...parameters].map((word) => `'${word}'`).join(' ');
    // The window stays after the end, to be looked at.
    const script = `env -u NO_COLOR ${environment} ${command}; echo "ended with $?"; sleep 60`;
    tmux('new-session', '-d', '-s', name, '-x', '100', '-y', '30', 'sh', '-c', script);
  }

  type(text: string): void {
    tmux('send-keys', '-t', this.#name, '-l', text);
    tmux('send-keys', '-t', this.#name, 'Enter');
  }

  press(key: string): void {
    tmux('send-keys', '-t', this.#name, key);
  }

  /** What is on the screen, colours as escapes. */
  look(): string {
    return tmux('capture-pane', '-t', this.#name, '-p', '-e');
  }

  plain(): string {
    return tmux('capture-pane', '-t', this.#name, '-p');
  }

  /** Waits until a line of the screen matches. */
  async sees(pattern: RegExp, look: () => string = () => this.plain()): Promise<string> {
    const deadlineMs = Date.now() + 20_000;
    for (;;) {
      const found = look()
        .split('\n')
        .find((line) => pattern.test(line));
      if (found !== undefined) return found;
      if (Date.now() > deadlineMs) throw new Error(`no ${pattern.source} in:\n${look()}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
  }
}

function tmux(...parameters: readonly string[]): string {
  return execFileSync('tmux', ['-L', SERVER, ...parameters], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe.skipIf(!hasTmux)('the chat in a terminal (needs tmux)', () => {
  let relay: RelayProcess;

  beforeAll(async () => {
    relay = await startRelayProcess();
  });

  afterAll(async () => {
    spawnSync('tmux', ['-L', SERVER, 'kill-server']);
    await endAll();
  });

  it('lists, connects, shows own lines red and then green, and verifies', async () => {
    const ana = new Terminal('Ana', relay);
    await ana.sees(/warning: nothing says that this is the right relay/u);
    expect(ana.plain().replaceAll(/\n/gu, '')).toContain(relay.fingerprint);
    await ana.sees(/\/help tells/u);
    const rui = new Terminal('Rui', relay, ['--pin', relay.fingerprint]);
    await ana.sees(/Rui is here/u);
    expect(rui.plain()).not.toContain('warning');
    ana.type('/list');
    await ana.sees(/^1 {2}Rui .*nobody in particular/u);
    ana.type('/connect 1');
    await ana.sees(/^Rui >/u);
    await rui.sees(/Conversation with Ana/u);

    ana.type('Olá, Rui');
    await rui.sees(/^Ana: Olá, Rui/u);
    await ana.sees(/^✓✓ you → Rui: Olá, Rui$/u);
    expect(await ana.sees(/you → Rui: Olá, Rui/u, () => ana.look())).toContain(GREEN);

    ana.type('/verify');
    const number = /^ {2}(\d{5} ){11}\d{5}/u;
    const seen = await ana.sees(number);
    rui.type('/verify');
    expect(await rui.sees(number)).toBe(seen);
    ana.type('/dance');
    await ana.sees(/There is no \/dance/u);
    rui.type('/quit');
    await rui.sees(/ended with 0/u);
    await ana.sees(/Rui ended the conversation/u);
    ana.press('C-d');
    await ana.sees(/ended with 0/u);
  });

  it('shows a message red until it is delivered, above what is being typed', async () => {
    const bea = new Terminal('Bea', relay, ['--pin', relay.fingerprint]);
    const peer = await startChatProcess(relay.tcp, 'Zoe', ['--pin', relay.fingerprint]);
    await bea.sees(/Zoe is here|Zoe {2}/u);
    bea.type('/connect Zoe');
    await bea.sees(/^Zoe >/u);
    peer.process.child.kill('SIGSTOP');
    bea.type('slow');
    const pending = await bea.sees(/✓ {2}you → Zoe: slow/u, () => bea.look());
    expect(pending).toContain(RED);
    tmux('send-keys', '-t', 'Bea', '-l', 'half a li');
    peer.process.child.kill('SIGCONT');
    expect(await bea.sees(/✓✓ you → Zoe: slow/u, () => bea.look())).toContain(GREEN);
    await bea.sees(/^Zoe > half a li$/u);
    tmux('send-keys', '-t', 'Bea', '-l', 'ne');
    bea.press('Enter');
    await bea.sees(/✓✓ you → Zoe: half a line/u);
    await peer.process.next('message', { text: 'half a line' });
    bea.press('C-c');
    await bea.sees(/ended with 0/u);
  });

  it("strips a peer's control characters, and tells who is writing from elsewhere", async () => {
    const eva = new Terminal('Eva', relay, ['--pin', relay.fingerprint], 'NO_COLOR=1');
    const [zoe, mal] = await Promise.all([
      startChatProcess(relay.tcp, 'Zoe2', ['--pin', relay.fingerprint]),
      startChatProcess(relay.tcp, 'Mal', ['--pin', relay.fingerprint]),
    ]);
    await eva.sees(/Zoe2 is here|Zoe2 {2}/u);
    eva.type('/connect Zoe2');
    await eva.sees(/^Zoe2 >/u);
    await mal.process.send({ do: 'list' });
    const { clients } = await mal.process.next('list');
    const { id } = (clients as readonly { readonly id: string; readonly name: string }[]).find(
      ({ name }) => name === 'Eva',
    )!;
    await mal.process.send({ do: 'open', peer: id });
    await eva.sees(/Mal wants to talk to you: \/connect Mal/u);
    const text = `${ESCAPE}[2J${ESCAPE}[Hevil\u202eOlleh\u0007\r\nZoe2: I never said this`;
    await mal.process.send({ do: 'send', peer: id, text });
    expect((await eva.sees(/evil/u)).trim()).toBe('» Mal: evilOlleh');
    await eva.sees(/^ {4}Zoe2: I never said this/u);
    await eva.sees(/Mal is writing to you: \/connect Mal answers/u);
    eva.type('in words');
    await eva.sees(/^\[delivered\] you → Zoe2: in words/u);
    await zoe.process.next('message', { text: 'in words' });
    // The attributes of the prompt's editing aside, there is no colour.
    expect(eva.look()).not.toMatch(new RegExp(`${ESCAPE}\\[(31|32|33|1|2)m`, 'u'));
    eva.type('/quit');
    await eva.sees(/ended with 0/u);
  });
});
