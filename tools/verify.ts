/**
 * Runs every gate and says which held. `npm test` is this.
 *
 *     node tools/verify.ts [--only tsc,lint] [--list]
 *
 * `--only` takes names or their beginnings; what a gate needs (a build) runs too. Two gates run at a time, the tests
 * alone, for they measure time.
 */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './entries.ts';

interface Gate {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Gates that must have held before. */
  readonly needs?: readonly string[];
  /** Gates that must have ended before, however. */
  readonly after?: readonly string[];
  /** Runs with nothing beside it, and prints as it goes. */
  readonly alone?: true;
}

const SLOTS = 2;
const GATE_TIMEOUT_MS = 840_000;
const BIN = join(ROOT, 'node_modules/.bin');

const GATES: readonly Gate[] = [
  { name: 'exports', command: ['node', 'tools/check-exports.ts'] },
  { name: 'lock', command: ['node', 'tools/lock-platforms.ts', '--check'] },
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'tsc-protocol', command: ['tsc', '-p', 'tsconfig.protocol.json'] },
  { name: 'tsc-web', command: ['tsc', '-p', 'tsconfig.web.json'] },
  { name: 'tsc-node', command: ['tsc', '-p', 'tsconfig.node.json'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'imports', command: ['depcruise', 'src', '--config', '.dependency-cruiser.mjs'] },
  { name: 'build', command: ['npm', 'run', '--silent', 'build'] },
  { name: 'knip', command: ['knip', '--no-config-hints'] },
  { name: 'docs', command: ['node', 'tools/docs.ts', '--check'] },
  { name: 'typedoc', command: ['typedoc'] },
  { name: 'publint', command: ['publint', 'run', '--strict'], needs: ['build'] },
  { name: 'attw', command: ['attw', '--profile', 'esm-only', '--pack', '.'], needs: ['build'] },
  { name: 'size', command: ['size-limit'], needs: ['build'] },
  { name: 'snippets', command: ['node', 'tools/doc-snippets.ts'], needs: ['build'] },
  { name: 'tests', command: ['vitest', 'run'], after: ['build'], alone: true },
];

interface Result {
  readonly gate: Gate;
  readonly outcome: 'ok' | 'failed' | 'not run';
  readonly seconds: number;
  readonly output: string;
}

const { values: options } = parseArgs({ options: { only: { type: 'string' }, list: { type: 'boolean' } } });
if (options.list === true) console.log(GATES.map(({ name }) => name).join('\n'));
else process.exitCode = report(await runAll(chosen(options.only)));

/** The gates that `--only` names, with those they need. */
function chosen(only: string | undefined): readonly Gate[] {
  if (only === undefined) return GATES;
  const names = new Set<string>();
  for (const wanted of only.split(',').map((word) => word.trim())) {
    const matching = GATES.filter(({ name }) => wanted !== '' && name.startsWith(wanted));
    if (matching.length === 0) {
      console.error(`no gate begins with "${wanted}"; there are ${GATES.map(({ name }) => name).join(', ')}`);
      process.exit(2);
    }
    for (const { name, needs = [], after = [] } of matching) {
      for (const each of [name, ...needs, ...after]) names.add(each);
    }
  }
  return GATES.filter(({ name }) => names.has(name));
}

async function runAll(gates: readonly Gate[]): Promise<readonly Result[]> {
  const waiting = [...gates];
  const results: Result[] = [];
  const running = new Map<string, Promise<void>>();
  const outcomeOf = (name: string): Result['outcome'] | undefined =>
    results.find(({ gate }) => gate.name === name)?.outcome;

  while (waiting.length > 0 || running.size > 0) {
    const next = waiting.find(
      ({ needs = [], after = [], alone }) =>
        [...needs, ...after].every((name) => outcomeOf(name) !== undefined) &&
        (alone === true ? running.size === 0 && waiting.length === 1 : running.size < SLOTS),
    );
    if (next === undefined) {
      await Promise.race(running.values());
      continue;
    }
    waiting.splice(waiting.indexOf(next), 1);
    if (next.needs?.some((name) => outcomeOf(name) !== 'ok') === true) {
      results.push({ gate: next, outcome: 'not run', seconds: 0, output: '' });
      continue;
    }
    running.set(
      next.name,
      run(next).then((result) => {
        results.push(result);
        running.delete(next.name);
        if (result.outcome === 'failed' && next.alone === undefined) {
          console.log(`\n--- ${next.name}: ${next.command.join(' ')}\n${result.output.trimEnd()}`);
        } else {
          console.log(`${result.outcome === 'ok' ? 'ok    ' : 'FAILED'} ${next.name} (${result.seconds.toFixed(1)} s)`);
        }
      }),
    );
  }
  return gates.flatMap((gate) => results.filter((result) => result.gate === gate));
}

/** Runs one gate to its end, without standard input, in Node of node_modules. */
async function run(gate: Gate): Promise<Result> {
  const startedAt = performance.now();
  const [command, ...parameters] = gate.command;
  const child = spawn(command, parameters, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}` },
    timeout: GATE_TIMEOUT_MS,
    shell: process.platform === 'win32',
  });
  let output = '';
  const take = (chunk: string): void => {
    output += chunk;
    if (gate.alone === true) process.stdout.write(chunk);
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  const status = await new Promise<number | string>((resolve) => {
    child.on('error', (error) => {
      take(error.message);
      resolve(error.message);
    });
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'no status'));
  });
  const seconds = (performance.now() - startedAt) / 1000;
  if (status !== 0) output += `\n${gate.name} ended with ${status} after ${seconds.toFixed(1)} s`;
  return { gate, outcome: status === 0 ? 'ok' : 'failed', seconds, output };
}

/** Prints the table and, last, the line of totals of the tests. Returns the exit code. */
function report(results: readonly Result[]): number {
  console.log('\nGates:');
  for (const { gate, outcome, seconds } of results) {
    console.log(`  ${gate.name.padEnd(14)}${seconds.toFixed(1).padStart(7)} s  ${outcome}`);
  }
  const bad = results.filter(({ outcome }) => outcome !== 'ok');
  console.log(
    bad.length === 0 ? 'Every gate holds.' : `${bad.length} of ${results.length}: ${bad.map(nameOf).join(', ')}.`,
  );
  const tests = results.find(({ gate }) => gate.name === 'tests');
  const totals = tests?.output.match(/^\d+ passed, \d+ failed, \d+ skipped$/gm)?.at(-1);
  if (totals !== undefined) console.log(totals);
  return bad.length === 0 ? 0 : 1;
}

function nameOf({ gate, outcome }: Result): string {
  return `${gate.name} ${outcome}`;
}
