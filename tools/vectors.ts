/**
 * Writes test/vectors/*.json, or with `--check` fails when one is not fresh. The same code gives the same bytes.
 *
 *     node tools/vectors.ts [--check]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entries.ts';
import { makeVectors } from './vectors/make.ts';

const isCheck = process.argv.includes('--check');
const stale: string[] = [];
for (const [name, text] of await makeVectors()) {
  const path = join(ROOT, 'test/vectors', name);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
  if (isCheck) stale.push(name);
  else writeFileSync(path, text);
}
if (stale.length > 0) {
  console.error(`not fresh: ${stale.join(', ')}\nRun: npm run vectors`);
  process.exitCode = 1;
}
