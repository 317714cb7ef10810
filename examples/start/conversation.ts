/** The scripted conversation: starts both participants, shows what they tell, and checks that it went well. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { line, MessageLine } from './show.ts';

const PARTICIPANT = fileURLToPath(new URL('participant.ts', import.meta.url));
const TIMEOUT_MS = 60_000;
const ANA_SAYS = ['Olá, Rui! Who can read this?', 'Nobody in between, then. Red turned green: you have it.'];
const RUI_SAYS = ['You, and I. The relay sees that we talk, and nothing of what.', 'I have it. Até logo!'];

export interface ScriptOptions {
  readonly urls: { readonly ana: string; readonly rui: string };
  readonly fingerprint: string;
  readonly signal: AbortSignal;
}

/** What a participant tells, one line of JSON at a time. */
interface Told {
  readonly event: 'ready' | 'opened' | 'state' | 'heard' | 'closed';
  readonly id: string;
  readonly text: string;
  readonly state: string;
  readonly address: string;
  readonly suite: string;
  readonly safetyNumber: string;
  readonly peer: string;
}

/** Resolves when both have ended well; rejects when anything went wrong. */
export async function holdConversation({ urls, fingerprint, signal }: ScriptOptions): Promise<void> {
  const controller = new AbortController();
  const within = AbortSignal.any([signal, controller.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const script = new Script();
  const start = (name: string, url: string, role: string, says: readonly string[]): Promise<void> =>
    participant([url, fingerprint, name, role, ...says], within, (told) => script.take(name, told));
  try {
    const rui = script.untilReady('Rui');
    const answering = start('Rui', urls.rui, 'answer', RUI_SAYS);
    await Promise.race([rui, answering]);
    await Promise.all([answering, start('Ana', urls.ana, 'open', ANA_SAYS)]);
    script.check();
  } catch (error) {
    controller.abort();
    throw error;
  }
}

/** What has been told so far. */
class Script {
  readonly #messages = new Map<string, MessageLine>();
  readonly #heard: Record<string, string[]> = { Ana: [], Rui: [] };
  readonly #numbers = new Map<string, string>();
  readonly #delivered: Record<string, string[]> = { Ana: [], Rui: [] };
  readonly #ready = new Map<string, () => void>();

  untilReady(name: string): Promise<void> {
    return new Promise((resolve) => this.#ready.set(name, resolve));
  }

  take(name: string, told: Told): void {
    switch (told.event) {
      case 'ready':
        line(`${name} is ${told.address}, over ${told.suite}`, 'dim');
        this.#ready.get(name)?.();
        break;
      case 'opened':
        this.#numbers.set(name, told.safetyNumber);
        if (this.#numbers.size < 2) break;
        line(`\nAna and Rui, end to end:`, 'bold');
        line(`  suite          ${told.suite}`);
        line(`  safety number  ${told.safetyNumber.slice(0, 35)}\n                 ${told.safetyNumber.slice(36)}\n`);
        break;
      case 'state': {
        const message = this.#messages.get(told.id) ?? new MessageLine(name);
        this.#messages.set(told.id, message);
        message.show(told.text, told.state);
        if (told.state === 'delivered') this.#delivered[name]?.push(told.text);
        break;
      }
      case 'heard':
        this.#heard[name]?.push(told.text);
        break;
      case 'closed':
        if (name === 'Ana') line('\nAna ended the conversation.\n', 'dim');
        break;
    }
  }

  /** @throws Error when something is missing or does not agree */
  check(): void {
    const same = (left: readonly string[] | undefined, right: readonly string[]): boolean =>
      JSON.stringify(left) === JSON.stringify(right);
    if (!same(this.#heard['Rui'], ANA_SAYS) || !same(this.#heard['Ana'], RUI_SAYS))
      throw new Error('not all was heard');
    if (!same(this.#delivered['Ana'], ANA_SAYS) || !same(this.#delivered['Rui'], RUI_SAYS)) {
      throw new Error('not all was delivered');
    }
    if (this.#numbers.get('Ana') !== this.#numbers.get('Rui')) throw new Error('the safety numbers differ');
  }
}

/** Runs one participant; resolves when it has ended well. */
function participant(parameters: readonly string[], signal: AbortSignal, told: (told: Told) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PARTICIPANT, ...parameters], {
      stdio: ['ignore', 'pipe', 'inherit'],
      signal,
    });
    createInterface({ input: child.stdout }).on('line', (text) => {
      try {
        told(JSON.parse(text) as Told);
      } catch (error) {
        reject(new Error('a participant wrote something else than JSON', { cause: error }));
      }
    });
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve();
      else reject(new Error(`a participant ended with ${code ?? killedBy}`));
    });
  });
}
