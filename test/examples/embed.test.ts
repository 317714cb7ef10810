import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { startRelay } from '../../src/relay/node/index.ts';

const ROOT = join(import.meta.dirname, '../..');
const BY_SOURCE = join(ROOT, 'test/support/bySource.ts');

/** What an example prints. */
async function run(name: string, ...parameters: readonly string[]): Promise<string> {
  const path = join(ROOT, 'examples/embed', name);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--import', BY_SOURCE, path, ...parameters]);
  expect(stderr).toBe('');
  return stdout;
}

it('both machines and two records take forty lines and no socket', async () => {
  expect(await run('01-machines.ts')).toBe('Hello?\nHello!\n');
  const lines = readFileSync(join(ROOT, 'examples/embed/01-machines.ts'), 'utf8').trimEnd().split('\n');
  expect(lines.length).toBeLessThanOrEqual(40);
});

it("a transport of one's own carries a conversation", async () => {
  const relay = await startRelay({ listen: [{ scheme: 'tcp' }] });
  try {
    const { port } = new URL(relay.urls[0]!.replace('tcp:', 'ws:'));
    expect(await run('02-transport.ts', port)).toBe('over my own wire\n{ ok: true }\n');
  } finally {
    await relay.close();
  }
});
