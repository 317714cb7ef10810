/** Builds dist/ from src/: bundles by tsup, and by tsc the declarations, one file a module, beside them. */
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entries.ts';

// Here and not in tsup, whose two bundles are made at the same time.
rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
run('tsup', ...process.argv.slice(2).filter((argument) => argument === '--silent'));
run('tsc', '-p', 'tsconfig.build.json');

// tsc leaves the `.ts` of relative imports in declarations; resolvers of other tools want the file that is shipped.
const SPECIFIER = /(from |import\()(['"])(\.{1,2}\/[^'"]*)\.ts\2/g;
for (const file of globSync('dist/**/*.d.ts', { cwd: ROOT })) {
  const path = join(ROOT, file);
  const text = readFileSync(path, 'utf8');
  const rewritten = text.replace(SPECIFIER, '$1$2$3.js$2');
  if (rewritten !== text) writeFileSync(path, rewritten);
}

function run(name: string, ...parameters: readonly string[]): void {
  const command = join(ROOT, 'node_modules/.bin', name);
  const { status } = spawnSync(command, parameters, {
    cwd: ROOT,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}
