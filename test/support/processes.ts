/** Real processes: the command `sims` as a test runs it, with its lines of JSON. */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The command in a checkout. */
export const SIMS: readonly [string, ...string[]] = [process.execPath, join(ROOT, 'examples/cli/main.ts')];

/** One line of JSON that a process wrote. */
export interface Event {
  readonly event: string;
  readonly [field: string]: unknown;
}

interface Waiter {
  readonly matches: (event: Event) => boolean;
  readonly resolve: (event: Event) => void;
  readonly reject: (error: Error) => void;
}

/** Every process that {@link run} started and that has not ended. */
const running = new Set<LineProcess>();

/** Ends every process of this file's tests; for `afterEach`. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map((each) => each.kill('SIGKILL')));
}

/** Starts a process whose lines of JSON are kept. */
export function run(
  command: readonly [string, ...string[]],
  parameters: readonly string[],
  options: SpawnOptions = {},
): LineProcess {
  return new LineProcess(command, parameters, options);
}

/** A process that speaks in lines of JSON. */
export class LineProcess {
  readonly child: ChildProcess;
  /** Everything that it wrote to standard output, parsed. */
  readonly events: Event[] = [];
  /** Everything that it wrote to standard error. */
  log = '';
  /** Resolves to the exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  readonly #waiters = new Set<Waiter>();
  #rest = '';
  /** Events before this index were looked at by {@link LineProcess.next}. */
  #seen = 0;
  #hasEnded = false;
  readonly #listeners: ((event: Event) => void)[] = [];

  constructor(
    [command, ...first]: readonly [string, ...string[]],
    parameters: readonly string[],
    options: SpawnOptions,
  ) {
    this.child = spawn(command, [...first, ...parameters], { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    running.add(this);
    this.child.stdin?.on('error', () => {});
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => this.#take(chunk));
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.log += chunk;
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        this.#hasEnded = true;
        running.delete(this);
        for (const { reject: rejectWaiter } of this.#waiters) rejectWaiter(new Error(this.#story('it ended')));
        this.#waiters.clear();
        resolve(code ?? signal ?? 'unknown');
      });
    });
  }

  /** Hears every event, those included that came before. */
  onEvent(listener: (event: Event) => void): void {
    for (const event of this.events) listener(event);
    this.#listeners.push(listener);
  }

  /** Writes one line; resolves when the process may take more. */
  async send(value: object | string): Promise<void> {
    const line = typeof value === 'string' ? value : JSON.stringify(value);
    if (this.child.stdin!.write(`${line}\n`)) return;
    await new Promise<void>((resolve) => {
      this.child.stdin!.once('drain', resolve).once('close', resolve);
    });
  }

  /** The next event of that name whose fields are so; those before it are passed over. */
  next(name: string, fields: Readonly<Record<string, unknown>> = {}, timeoutMs = 30_000): Promise<Event> {
    const matches = (event: Event): boolean =>
      event.event === name && Object.entries(fields).every(([field, value]) => event[field] === value);
    return this.#find(matches, name, timeoutMs);
  }

  /** Ends standard input. */
  endInput(): void {
    this.child.stdin!.end();
  }

  /** Sends a signal; resolves when the process has ended. */
  async kill(signal: NodeJS.Signals): Promise<number | string> {
    if (!this.#hasEnded) this.child.kill(signal);
    return await this.ended;
  }

  #find(matches: (event: Event) => boolean, what: string, timeoutMs: number): Promise<Event> {
    while (this.#seen < this.events.length) {
      const event = this.events[this.#seen]!;
      this.#seen += 1;
      if (matches(event)) return Promise.resolve(event);
    }
    if (this.#hasEnded) return Promise.reject(new Error(this.#story(`it ended before ${what}`)));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(this.#story(`no ${what} within ${timeoutMs} ms`)));
      }, timeoutMs);
      const waiter: Waiter = {
        matches,
        resolve: (event) => {
          clearTimeout(timer);
          resolve(event);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const event = JSON.parse(line) as Event;
      this.events.push(event);
      for (const listener of this.#listeners) listener(event);
      for (const waiter of this.#waiters) {
        if (!waiter.matches(event)) continue;
        this.#waiters.delete(waiter);
        this.#seen = this.events.length;
        waiter.resolve(event);
      }
    }
  }

  #story(what: string): string {
    const last = this.events.slice(-10).map((event) => JSON.stringify(event).slice(0, 300));
    return [what, 'its last lines:', ...last, 'its log:', this.log.slice(-3_000)].join('\n');
  }
}

/** A relay as a process: its addresses and its fingerprint. */
export interface RelayProcess {
  readonly process: LineProcess;
  readonly tcp: string;
  readonly ws: string;
  readonly fingerprint: string;
}

/** Starts `sims relay` on free ports, or those that are given. */
export async function startRelayProcess(
  parameters: readonly string[] = [],
  ports: { readonly tcp?: number; readonly ws?: number } = {},
): Promise<RelayProcess> {
  const listen = [`tcp://127.0.0.1:${ports.tcp ?? 0}`, `ws://127.0.0.1:${ports.ws ?? 0}`];
  const process = run(SIMS, ['relay', '--json', ...listen.flatMap((url) => ['--listen', url]), ...parameters]);
  const { urls, fingerprint } = await process.next('listening');
  const [tcp, ws] = urls as readonly [string, string];
  return { process, tcp, ws, fingerprint: fingerprint as string };
}

/** A chat as a process that is ready. */
export interface ChatProcess {
  readonly process: LineProcess;
  readonly id: string;
  readonly name: string;
}

/** Starts `sims chat --json` and waits for `ready`. */
export async function startChatProcess(
  url: string,
  name: string,
  parameters: readonly string[] = [],
): Promise<ChatProcess> {
  const process = run(SIMS, ['chat', url, '--name', name, '--json', ...parameters]);
  const { id } = await process.next('ready');
  return { process, id: id as string, name };
}

/** Opens a conversation from one chat to another; resolves when both have told `opened`. */
export async function openBetween(from: ChatProcess, to: ChatProcess): Promise<readonly [Event, Event]> {
  for (;;) {
    await from.process.send({ do: 'list' });
    const { clients } = await from.process.next('list');
    if ((clients as readonly { readonly id: string }[]).some(({ id }) => id === to.id)) break;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  await from.process.send({ do: 'open', peer: to.id });
  return await Promise.all([
    from.process.next('opened', { peer: to.id }),
    to.process.next('opened', { peer: from.id }),
  ]);
}
