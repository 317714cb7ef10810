#!/usr/bin/env node
/** The command `sims`: a relay, and a chat over it. Standard output carries what is asked for, standard error the rest. */
import { readFileSync } from 'node:fs';
import { SimsError } from '../../src/index.node.ts';
import { parseCommand, USAGE, UsageError, type Command } from './arguments.ts';
import { runChat } from './chat.ts';
import { runRelay } from './relay.ts';

const code = await main(process.argv.slice(2));
// What is written has to leave first; what still waits for a peer that does not answer must not keep the process.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
process.exit(code);

async function main(parameters: readonly string[]): Promise<number> {
  let command: Command;
  try {
    command = parseCommand(parameters);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`sims: ${error.message}\n\n${USAGE}`);
    return 2;
  }
  try {
    switch (command.command) {
      case 'help':
        process.stdout.write(USAGE);
        return 0;
      case 'version':
        process.stdout.write(`${version()}\n`);
        return 0;
      case 'relay':
        return await runRelay(command);
      case 'chat':
        return await runChat(command);
      case 'policy':
        return (await import('./policy.ts')).runPolicy(command.parameters);
      case 'cert':
        return await (await import('./cert.ts')).runCert(command.parameters);
      case 'card':
        return await (await import('./card.ts')).runCard(command.parameters);
    }
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`sims: ${error.message}\n`);
      return 2;
    }
    process.stderr.write(`sims: ${describe(error)}\n`);
    return 1;
  }
}

function version(): string {
  // The same way up from examples/cli and, in the package, from dist/cli.
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function describe(error: unknown): string {
  if (error instanceof SimsError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
