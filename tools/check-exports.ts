/**
 * Compares package.json's `exports` and `bin` with the folders of src/; `--write` brings package.json up to date.
 *
 *     node tools/check-exports.ts [--write]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectedBin, expectedExports, ROOT } from './entries.ts';

const path = join(ROOT, 'package.json');
const manifest = JSON.parse(readFileSync(path, 'utf8')) as { bin?: unknown; exports?: Record<string, unknown> };
const expected = expectedExports();
const bin = expectedBin();
const actual = manifest.exports ?? {};

const faults = [
  ...Object.keys(expected)
    .filter((name) => !(name in actual))
    .map((name) => `${name}: the folder has an index.ts and package.json no export`),
  ...Object.keys(actual)
    .filter((name) => !(name in expected))
    .map((name) => `${name}: exported by package.json, but src/ has no such index.ts`),
  ...Object.keys(expected)
    .filter((name) => name in actual && JSON.stringify(actual[name]) !== JSON.stringify(expected[name]))
    .map((name) => `${name}: should be ${JSON.stringify(expected[name])}`),
  ...(JSON.stringify(manifest.bin ?? {}) === JSON.stringify(bin) ? [] : [`bin: should be ${JSON.stringify(bin)}`]),
];

if (faults.length === 0) {
  console.log(`${Object.keys(expected).length} subpaths, each a folder`);
} else if (process.argv.includes('--write')) {
  writeFileSync(path, `${JSON.stringify({ ...manifest, bin, exports: expected }, null, 2)}\n`);
  console.log(`package.json: exports of ${Object.keys(expected).length} subpaths written`);
} else {
  console.error(`${faults.join('\n')}\nRun: npm run exports`);
  process.exitCode = 1;
}
