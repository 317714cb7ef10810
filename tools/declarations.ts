/** Writes the declarations of src/ to dist/, one file a module, beside the bundles. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entries.ts';

const tsc = join(ROOT, 'node_modules/.bin/tsc');
const { status } = spawnSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

// tsc leaves the `.ts` of relative imports in declarations; resolvers of other tools want the file that is shipped.
const SPECIFIER = /(from |import\()(['"])(\.{1,2}\/[^'"]*)\.ts\2/g;
for (const file of globSync('dist/**/*.d.ts', { cwd: ROOT })) {
  const path = join(ROOT, file);
  const text = readFileSync(path, 'utf8');
  const rewritten = text.replace(SPECIFIER, '$1$2$3.js$2');
  if (rewritten !== text) writeFileSync(path, rewritten);
}
