/**
 * Removes each check of a list from a copy of the source and shows that the tests notice: `npm run mutants -- relay`.
 *
 *     node tools/mutants.ts AREA [--only REGEX]
 *
 * The list is test/AREA/mutations.json. Exit 1 when a mutant lives, or a text to be replaced is not there exactly once.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from './entries.ts';

interface Mutation {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Tests that are to notice; default those of the list. */
  readonly tests?: readonly string[];
}

interface Mutations {
  readonly tests: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mutations: readonly Mutation[];
}

const COPIED = ['src', 'test', 'tools', 'package.json', 'vitest.config.ts', 'tsconfig.json', 'tsconfig.base.json'];
const TIMEOUT_MS = 600_000;

const { values, positionals } = parseArgs({ options: { only: { type: 'string' } }, allowPositionals: true });
const [area] = positionals;
if (area === undefined || !/^[a-z]+$/u.test(area)) {
  console.error('which list? node tools/mutants.ts AREA, as in: relay');
  process.exit(2);
}
process.exitCode = runAll(area, new RegExp(values.only ?? '', 'u'));

function runAll(name: string, only: RegExp): number {
  const list = JSON.parse(readFileSync(join(ROOT, `test/${name}/mutations.json`), 'utf8')) as Mutations;
  const copy = mkdtempSync(join(tmpdir(), 'sims-mutants-'));
  try {
    for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'), 'junction');
    const chosen = list.mutations.filter((mutation) => only.test(mutation.name));
    const all = new Set(chosen.flatMap(({ tests }) => tests ?? list.tests));
    if (!passes(copy, [...all], list.env)) {
      console.log('FAILED the tests do not hold without a mutation');
      return 1;
    }
    const bad = chosen.filter((mutation) => !isNoticed(copy, mutation, list));
    console.log(`${chosen.length - bad.length} of ${chosen.length} mutants are noticed.`);
    return bad.length === 0 ? 0 : 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function isNoticed(copy: string, { name, file, find, replace, tests }: Mutation, list: Mutations): boolean {
  const path = join(copy, file);
  const text = readFileSync(path, 'utf8');
  const parts = text.split(find);
  if (parts.length !== 2) {
    console.log(`FAILED ${name}: ${file} has the text ${parts.length - 1} times`);
    return false;
  }
  const startedAt = performance.now();
  writeFileSync(path, parts.join(replace));
  const lives = passes(copy, tests ?? list.tests, list.env);
  writeFileSync(path, text);
  console.log(`${lives ? 'LIVES  ' : 'noticed'} ${name} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  return !lives;
}

function passes(copy: string, tests: readonly string[], env: Readonly<Record<string, string>>): boolean {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { status, error } = spawnSync(process.execPath, [vitest, 'run', '--bail=1', ...tests], {
    cwd: copy,
    env: { ...process.env, ...env },
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
  });
  if (error !== undefined) throw error;
  return status === 0;
}
