/**
 * A store in a directory: one file a value, written whole or not at all.
 *
 * @packageDocumentation
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fromUtf8, utf8 } from '../../bytes.ts';
import { SimsError } from '../../errors.ts';
import type { Store, Stored } from '../../session/store.ts';
import { fromFileName, toFileName } from './fileName.ts';
import { lockDirectory } from './lockFile.ts';

/** Longest name, in bytes of UTF-8: a file's name has to hold its base32. */
export const MAX_NAME_BYTES = 140;

const VERSION_LENGTH = 8;
const SUFFIX = '.value';
const TEMPORARY = '.tmp';

/**
 * A {@link Store} in `directory`, which is made (mode 0700) when it is not there. A write is a temporary file (0600),
 * synced, renamed over the old one, and the directory synced: a crash leaves the old value or the new. Only one process
 * may use it at a time: take {@link Store.lock} first. Values are as given: wrap it in `sealedStore` to encrypt them.
 *
 * @throws `store/failed` from its methods when the file system refuses or a name is too long
 */
export function fileStore(directory: string): Store {
  return new FileStore(directory);
}

class FileStore implements Store {
  readonly #directory: string;
  /** One write at a time: comparing and swapping are two steps of the file system. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  read(name: string): Promise<Stored | undefined> {
    return this.#inOrder(() => this.#read(this.#pathOf(name)));
  }

  write(name: string, value: Uint8Array | undefined, expectedVersion: number): Promise<boolean> {
    // The caller may wipe its bytes once this has returned.
    const bytes = value && withVersion(value, expectedVersion + 1);
    return this.#inOrder(async () => {
      const path = this.#pathOf(name);
      await this.#makeDirectory();
      if (((await this.#read(path))?.version ?? 0) !== expectedVersion) return false;
      if (bytes === undefined) await unlink(path).catch(ignoreMissing);
      else await this.#replace(path, bytes);
      await syncDirectory(this.#directory);
      return true;
    });
  }

  names(): Promise<readonly string[]> {
    return this.#inOrder(async () => {
      const files = await readdir(this.#directory).catch(ignoreMissing);
      return (files ?? []).flatMap((file) => nameOf(file) ?? []);
    });
  }

  lock(): Promise<() => Promise<void>> {
    return this.#inOrder(async () => {
      await this.#makeDirectory();
      const release = await lockDirectory(this.#directory);
      await this.#removeTemporaries();
      return release;
    });
  }

  async #read(path: string): Promise<Stored | undefined> {
    const bytes = await readFile(path).catch(ignoreMissing);
    if (bytes === undefined) return undefined;
    if (bytes.length < VERSION_LENGTH) throw failed(`a file of ${bytes.length} bytes is no stored value`);
    const version = Number(bytes.readBigUInt64BE(0));
    return { version, value: Uint8Array.from(bytes.subarray(VERSION_LENGTH)) };
  }

  async #replace(path: string, bytes: Uint8Array): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString('hex')}${TEMPORARY}`;
    let file: FileHandle | undefined;
    try {
      file = await open(temporary, 'wx', 0o600);
      await file.writeFile(bytes);
      await file.sync();
      await file.close();
      file = undefined;
      await rename(temporary, path);
    } catch (error) {
      await file?.close().catch(() => {});
      await unlink(temporary).catch(() => {});
      throw error;
    }
  }

  async #makeDirectory(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** What a crash left half written. Only the holder of the lock may know that nobody is writing it. */
  async #removeTemporaries(): Promise<void> {
    for (const file of await readdir(this.#directory)) {
      if (file.includes(SUFFIX) && file.endsWith(TEMPORARY))
        await unlink(join(this.#directory, file)).catch(ignoreMissing);
    }
  }

  #pathOf(name: string): string {
    const bytes = utf8(name);
    if (bytes.length === 0 || bytes.length > MAX_NAME_BYTES) {
      throw failed(`a name of ${bytes.length} bytes: 1 to ${MAX_NAME_BYTES} are possible`);
    }
    return join(this.#directory, toFileName(bytes) + SUFFIX);
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work).catch((error: unknown) => {
      throw error instanceof SimsError ? error : failed('the file system refused', error);
    });
    this.#last = next.catch(() => {});
    return next;
  }
}

function withVersion(value: Uint8Array, version: number): Uint8Array {
  const bytes = new Uint8Array(VERSION_LENGTH + value.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(version));
  bytes.set(value, VERSION_LENGTH);
  return bytes;
}

/** The name of a value's file; `undefined` for any other file. */
function nameOf(file: string): string | undefined {
  if (!file.endsWith(SUFFIX)) return undefined;
  const bytes = fromFileName(file.slice(0, -SUFFIX.length));
  return bytes && fromUtf8(bytes);
}

/** The rename itself has to reach the disk. Windows cannot open a directory, and needs no such thing. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

function failed(message: string, cause?: unknown): SimsError {
  return new SimsError('store/failed', message, cause === undefined ? undefined : { cause });
}
