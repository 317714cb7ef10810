import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const START = join(import.meta.dirname, '../../examples/start.ts');

interface Run {
  readonly output: () => string;
  readonly ended: Promise<number | string>;
  readonly kill: (signal: NodeJS.Signals) => void;
}

function start(...parameters: readonly string[]): Run {
  const child = spawn(process.execPath, [START, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  const ended = new Promise<number | string>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal ?? ''));
  });
  return { output: () => output, ended, kill: (signal) => child.kill(signal) };
}

async function until(isSo: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 30_000;
  while (!isSo()) {
    if (Date.now() > deadlineMs) throw new Error('it did not come to that');
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
}

describe('npm start', () => {
  it('holds a conversation and exits 0 with --once', async () => {
    const run = start('--once');
    expect(await run.ended, run.output()).toBe(0);
    const shown = run.output();
    expect(shown).toMatch(/tcp:\/\/127\.0\.0\.1:\d+\n {2}ws:\/\/127\.0\.0\.1:\d+\n {2}sha256:[0-9a-f]{64}\n/u);
    expect(shown).toContain('suite          X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256');
    expect(shown.match(/(\d{5}\s+){11}\d{5}/u)).not.toBeNull();
    for (const state of ['pending', 'accepted', 'delivered']) expect(shown.split(` ${state}\n`).length).toBe(5);
  });

  it('takes other ports when its own are taken, tells how to join, and ends at SIGINT', async () => {
    const servers = await Promise.all([4600, 4601].map(occupy));
    const run = start();
    await until(() => run.output().includes('Ctrl-C'));
    const joinLine = /npm run -s sims -- chat ws:\/\/127\.0\.0\.1:(?<port>\d+) --name YOU --pin sha256:[0-9a-f]{64}/u;
    const port = Number(joinLine.exec(run.output())?.groups?.['port']);
    expect(port).toBeGreaterThan(0);
    expect([4600, 4601]).not.toContain(port);
    run.kill('SIGINT');
    expect(await run.ended).toBe(0);
    for (const server of servers) server?.close();
  });

  it('does not take an option that it does not know for a conversation that went well', async () => {
    const run = start('--twice');
    expect(await run.ended).not.toBe(0);
  });
});

/** Takes a port, unless somebody has it already. */
function occupy(port: number): Promise<ReturnType<typeof createServer> | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
