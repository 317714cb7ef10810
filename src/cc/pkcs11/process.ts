/**
 * Starts the process of `host.ts` around a PKCS #11 module.
 *
 * @packageDocumentation
 */
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SimsError } from '../../errors.ts';
import { abortError } from '../signer.ts';
import type { Answer, Cryptoki, CryptokiFunctions, CryptokiName } from './cryptoki.ts';
import type { HostAnswer, HostRequest, HostStart, HostStarted } from './host.ts';

/** Where a module and pkcs11js are. */
export interface CryptokiProcessOptions {
  /** Path of the module. */
  readonly module: string;
  /** Name or absolute path to import pkcs11js by; default its name. */
  readonly pkcs11js?: string;
}

/**
 * Module in a process of its own, initialised. The process does not keep the application alive by itself, and ends
 * with it.
 *
 * @throws `card/module-missing`, `card/module-unusable`, `card/pkcs11js-missing`, `card/pkcs11js-not-built`,
 * `card/cancelled`, `card/timeout`
 */
export async function startCryptokiProcess(options: CryptokiProcessOptions, signal: AbortSignal): Promise<Cryptoki> {
  const { module } = options;
  if (/[\\/]/.test(module) && !existsSync(module)) {
    throw new SimsError('card/module-missing', `there is no PKCS #11 module at ${module}`);
  }
  if (signal.aborted) throw abortError(signal);
  const child = fork(hostPath(), [], {
    serialization: 'advanced',
    // What the parent was started with, a debugger's port above all, is not for the child.
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    // A process group of its own, so that a dialog which the middleware started as a program ends with it.
    detached: process.platform !== 'win32',
  });
  const cryptoki = new CryptokiProcess(child);
  const abort = (): void => cryptoki.stop(abortError(signal));
  signal.addEventListener('abort', abort, { once: true });
  try {
    const started = await cryptoki.start({ module, pkcs11js: options.pkcs11js ?? 'pkcs11js' });
    if (started.problem !== 'none') throw startError(started.problem, module, started.detail);
    return cryptoki;
  } catch (error) {
    cryptoki.stop(new SimsError('card/closed', 'the module was not started'));
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

const STOP_TIMEOUT_MS = 2000;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

class CryptokiProcess implements Cryptoki {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  readonly #killWithParent: () => void;
  #lastId = 0;
  #stopped: Error | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#killWithParent = () => kill(child);
    process.once('exit', this.#killWithParent);
    this.#exited = new Promise((resolve) => {
      const end = (why: string): void => {
        process.removeListener('exit', this.#killWithParent);
        this.#fail(new SimsError('card/device', `the process of the PKCS #11 module ended: ${why}`));
        resolve();
      };
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
      child.once('error', (error) => end(error.message));
    });
    child.on('message', (message) => this.#receive(message as HostStarted | HostAnswer));
    this.#keepAlive();
  }

  get isStopped(): boolean {
    return this.#stopped !== undefined;
  }

  start(options: HostStart): Promise<HostStarted> {
    return this.#send(0, options) as Promise<HostStarted>;
  }

  call<Name extends CryptokiName>(
    name: Name,
    ...parameters: Parameters<CryptokiFunctions[Name]>
  ): Promise<Answer<ReturnType<CryptokiFunctions[Name]>>> {
    this.#lastId += 1;
    const answer = this.#send(this.#lastId, { id: this.#lastId, name, parameters });
    return answer as Promise<Answer<ReturnType<CryptokiFunctions[Name]>>>;
  }

  stop(error: Error): void {
    this.#fail(error);
    kill(this.#child);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#fail(new SimsError('card/closed', 'the module was closed'));
    if (this.#child.connected) this.#child.send({ stop: true } satisfies HostRequest, () => undefined);
    const killer = setTimeout(() => kill(this.#child), STOP_TIMEOUT_MS);
    this.#child.ref();
    await this.#exited;
    clearTimeout(killer);
  }

  #send(id: number, message: HostStart | HostRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#stopped !== undefined) return reject(this.#stopped);
      this.#waiting.set(id, { resolve, reject });
      this.#keepAlive();
      this.#child.send(message, (error) => {
        if (error !== null)
          this.#fail(new SimsError('card/device', 'the process of the module is gone', { cause: error }));
      });
    });
  }

  #receive(message: HostStarted | HostAnswer): void {
    const [id, value] = 'problem' in message ? [0, message] : [message.id, message.answer];
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#keepAlive();
    waiting?.resolve(value);
  }

  #fail(error: Error): void {
    this.#stopped ??= error;
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#keepAlive();
    for (const each of all) each.reject(error);
  }

  /** Only a call under way keeps the application's process alive. */
  #keepAlive(): void {
    const { channel } = this.#child;
    if (this.#waiting.size > 0) {
      this.#child.ref();
      channel?.ref();
    } else {
      this.#child.unref();
      channel?.unref();
    }
  }
}

/** Ends the process, and on systems that have groups everything that it started. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}

/** The program beside this file: in the sources, in a build that keeps folders, or in one that joins files. */
function hostPath(): string {
  const names = import.meta.url.endsWith('.ts')
    ? ['./host.ts']
    : ['./host.js', './cc/pkcs11/host.js', '../cc/pkcs11/host.js'];
  const paths = names.map((name) => fileURLToPath(new URL(name, import.meta.url)));
  const path = paths.find((each) => existsSync(each));
  if (path === undefined) {
    throw new SimsError(
      'card/module-unusable',
      `the program that PKCS #11 modules run in is not at ${paths.join(' or ')}; leave sims-protocol out of your bundle`,
    );
  }
  return path;
}

function startError(problem: Exclude<HostStarted['problem'], 'none'>, module: string, detail: string): SimsError {
  if (problem === 'pkcs11js-missing') {
    return new SimsError(
      'card/pkcs11js-missing',
      'cards need the optional package pkcs11js, which is not installed: run "npm install pkcs11js@2.1.7" (it is built from ' +
        'source, with a C++ compiler, make and Python 3)',
    );
  }
  if (problem === 'pkcs11js-not-built') {
    return new SimsError(
      'card/pkcs11js-not-built',
      `pkcs11js is installed, but its native part was not built for this Node.js (${detail}). npm does not run install scripts ` +
        'that a project has not allowed: run "npm install-scripts approve pkcs11js" (or add "pkcs11js": true to allowScripts in ' +
        'package.json; with pnpm "pnpm approve-builds"), then "npm rebuild pkcs11js", with a C++ compiler, make and Python 3 at hand',
    );
  }
  return new SimsError(
    'card/module-unusable',
    `the PKCS #11 module ${module} cannot be loaded or started (${detail}); is it for this processor and system, and is its ` +
      'smart card service running?',
  );
}
