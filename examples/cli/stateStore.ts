/** Where `--state DIR` keeps what a client needs to go on later: files under `DIR/store`, sealed under the key in `DIR/key`. */
import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileStore } from '../../src/client/node/fileStore.ts';
import { sealedStore, STORE_KEY_LENGTH } from '../../src/client/sealedStore.ts';
import { defaultSuites, nodeProvider } from '../../src/crypto/node/index.ts';
import type { Store } from '../../src/index.node.ts';

/** The store in a directory, which is made when it is not there. */
export async function stateStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = await keptKey(join(directory, 'key'));
  const { cipher } = defaultSuites[0]!;
  return sealedStore(fileStore(join(directory, 'store')), key, { provider: nodeProvider, cipher });
}

/**
 * The key in a file. Who can read the directory can read it too: it keeps apart what is backed up or copied without it.
 */
async function keptKey(path: string): Promise<Uint8Array> {
  const present = await readFile(path).catch(ignoreMissing);
  if (present === undefined) {
    // Whole or not at all, and one key for all who start at the same time.
    const temporary = `${path}.${process.pid}.tmp`;
    await writeFile(temporary, randomBytes(STORE_KEY_LENGTH), { mode: 0o600, flush: true });
    await link(temporary, path).catch(ignoreExisting);
    await rm(temporary);
  }
  const key = present ?? (await readFile(path));
  if (key.length !== STORE_KEY_LENGTH) throw new Error(`${path} has ${key.length} bytes, not ${STORE_KEY_LENGTH}`);
  return key;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
