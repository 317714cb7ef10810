/** The peers: installed in bench/node_modules on the first run, loaded by name, described as far as they are used. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));

/** Makes node_modules what the lock file says; what cannot be had is named, and its rows are left out. */
export function installPeers(): void {
  if (isInstalled()) return;
  console.error('bench: installing the peers (npm ci in bench/)');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: HERE,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(
    `bench: the peers cannot be installed (npm ci: ${error?.message ?? `status ${status}`}). Their rows are left out.\n` +
      'With a network, run: npm ci --prefix bench',
  );
}

/** A peer's module. Throws, in words for the table, when it is not there or does not load. */
export async function loadPeer<Module>(name: string): Promise<Module> {
  try {
    return (await import(name)) as Module;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    throw isMissing ? new Error(`${name} is not installed in bench/`, { cause: error }) : error;
  }
}

function isInstalled(): boolean {
  const kept = join(HERE, 'node_modules/.package-lock.json');
  if (!existsSync(kept)) return false;
  const versionsOf = (path: string): Record<string, { version?: string; optional?: boolean }> =>
    (JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, { version?: string; optional?: boolean }> })
      .packages;
  const installed = versionsOf(kept);
  return Object.entries(versionsOf(join(HERE, 'package-lock.json'))).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (installed[path] === undefined && optional === true),
  );
}
