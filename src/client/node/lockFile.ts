/**
 * One writer a directory: a lock file that names its process, so that a dead one's lock can be taken over.
 *
 * @packageDocumentation
 */
import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SimsError } from '../../errors.ts';

const NAME = 'lock';
const MAX_ATTEMPTS = 8;
/** It becomes part of a file's name. */
const TOKEN = /^[0-9a-z]{1,64}$/;

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When that process started, where the system tells: a number that was given to another process is no holder. */
  readonly started: string;
  readonly token: string;
}

/**
 * Locks the directory; the result releases it. A lock of a process that is no more, on this host, is taken over. That of
 * another host cannot be judged and stands.
 *
 * @throws `store/locked`
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, NAME);
  const token = randomBytes(16).toString('hex');
  const own: Holder = { pid: process.pid, host: hostname(), started: await startOf(process.pid), token };
  const prepared = `${path}.${token}.tmp`;
  await writeFile(prepared, JSON.stringify(own), { flag: 'wx', mode: 0o600 });
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      // A link fails when its name is taken, and its file is whole from the first moment.
      if (await succeeds(link(prepared, path), 'EEXIST')) return () => release(path, token);
      const holder = await read(path);
      if (holder === undefined) continue;
      if (await isAlive(holder)) {
        throw new SimsError('store/locked', `process ${holder.pid} on ${holder.host} has this store open`);
      }
      await takeAway(path, holder, prepared);
    }
  } finally {
    await unlink(prepared);
  }
  throw new SimsError('store/locked', `the lock was taken by others ${MAX_ATTEMPTS} times`);
}

/**
 * Removes a stale lock, once: the right to do so is a file of its own, which one of many can make. The claim of a
 * process that ended before it was done is claimed in its turn.
 */
async function takeAway(path: string, stale: Holder, prepared: string): Promise<void> {
  const claims: string[] = [];
  for (let dead = stale; claims.length < MAX_ATTEMPTS;) {
    const claim = `${path}.${dead.token}.claim`;
    claims.push(claim);
    if (await succeeds(link(prepared, claim), 'EEXIST')) {
      if ((await read(path))?.token === stale.token) await unlink(path);
      for (const done of claims) await succeeds(unlink(done), 'ENOENT');
      return;
    }
    const claimant = await read(claim);
    // Done, or being done by another.
    if (claimant === undefined || (await isAlive(claimant))) return;
    dead = claimant;
  }
}

async function release(path: string, token: string): Promise<void> {
  if ((await read(path))?.token === token) await unlink(path);
}

async function read(path: string): Promise<Holder | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { pid, host, started, token } = JSON.parse(text) as Partial<Holder>;
    if (typeof pid === 'number' && typeof host === 'string' && typeof token === 'string' && TOKEN.test(token)) {
      return { pid, host, token, started: started ?? '' };
    }
  } catch {
    // Not made by this library: said below.
  }
  throw new SimsError('store/locked', 'a lock file of another make is in the way');
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
  const started = await startOf(holder.pid);
  return started === '' || holder.started === '' || started === holder.started;
}

/** The start time of a process in clock ticks since boot (proc(5), field 22); empty where there is no /proc. */
async function startOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

/** Whether it was done; `false` for that one error. */
async function succeeds(work: Promise<void>, unless: string): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (codeOf(error) === unless) return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
