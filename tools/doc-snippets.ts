/**
 * Checks what README.md and docs/guides/ show: each block marked `ts` compiles as a module of its own, those marked
 * `ts run` also run and end well, and each subpath of this package that a page names exists.
 * `ts continued` goes on from the block before it on its page, as if they were one.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expectedExports, ROOT } from './entries.ts';

interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly code: string;
  readonly runs: boolean;
}

/** Below the root, so that `sims-protocol` names this package; not in node_modules, where it would not. */
const FOLDER = join(ROOT, '.snippets');
const RUN_TIMEOUT_MS = 60_000;
const BLOCK = /^```ts(?<mark>(?: [a-z]+)*)\n(?<code>[^]*?)^```$/gm;

const faults: string[] = [];
const pages = globSync(['README.md', 'docs/**/*.md'], { cwd: ROOT, exclude: ['docs/api/**'] }).toSorted();
const snippets = pages.filter(isCompiled).flatMap(snippetsOf);
for (const page of pages) checkSubpaths(page);

rmSync(FOLDER, { recursive: true, force: true });
try {
  if (snippets.length > 0) compileAndRun();
} finally {
  rmSync(FOLDER, { recursive: true, force: true });
}
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exitCode = 1;
} else {
  const ran = snippets.filter(({ runs }) => runs).length;
  console.log(
    `${snippets.length} blocks of code compile, ${ran} of them run; ${pages.length} pages name subpaths that exist`,
  );
}

function isCompiled(page: string): boolean {
  return page === 'README.md' || page.startsWith('docs/guides/');
}

function snippetsOf(page: string): readonly Snippet[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const found: Snippet[] = [];
  for (const { groups, index } of text.matchAll(BLOCK)) {
    const marks = (groups?.['mark'] ?? '').split(' ').filter((mark) => mark !== '');
    const line = text.slice(0, index).split('\n').length;
    const unknown = marks.filter((mark) => mark !== 'run' && mark !== 'continued');
    if (unknown.length > 0) faults.push(`${page}:${line}: marks are "run" and "continued", not "${unknown.join(' ')}"`);
    const before = marks.includes('continued') ? found.pop() : undefined;
    found.push({
      page,
      line: before?.line ?? line,
      code: `${before?.code ?? ''}${groups?.['code'] ?? ''}`,
      runs: marks.includes('run') || before?.runs === true,
    });
  }
  return found;
}

function checkSubpaths(page: string): void {
  const exported = expectedExports();
  const text = readFileSync(join(ROOT, page), 'utf8');
  for (const [name, subpath = ''] of text.matchAll(/(?<![\w/.-])sims-protocol\/([a-z]+(?:\/[a-z]+)*[a-z0-9]*)/gi)) {
    if (!(`./${subpath}` in exported)) faults.push(`${page}: ${name} is no subpath of the package`);
  }
}

function compileAndRun(): void {
  mkdirSync(FOLDER);
  const names = snippets.map(({ page, line }) => `${basename(page, '.md')}-${line}.ts`);
  for (const [index, { code }] of snippets.entries())
    writeFileSync(join(FOLDER, names[index]!), `${code}\nexport {};\n`);
  const options = { noUnusedLocals: false, isolatedDeclarations: false, declaration: false };
  writeFileSync(
    join(FOLDER, 'tsconfig.json'),
    JSON.stringify({ extends: '../tsconfig.json', compilerOptions: options, include: ['*.ts'], exclude: [] }),
  );
  const where = (file: string): string => {
    const snippet = snippets[names.indexOf(file)];
    return snippet === undefined ? file : `${snippet.page}, block of line ${snippet.line}`;
  };

  const tsc = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: FOLDER, encoding: 'utf8' });
  if (tsc.status !== 0) {
    const text = `${tsc.error?.message ?? ''}${tsc.stdout}${tsc.stderr}`.trim();
    faults.push(text.replaceAll(/^([\w.-]+\.ts)/gm, where));
    return;
  }
  for (const [index, { runs }] of snippets.entries()) {
    if (!runs) continue;
    const file = names[index]!;
    const { status, stdout, stderr, error } = spawnSync(process.execPath, [file], {
      cwd: FOLDER,
      encoding: 'utf8',
      timeout: RUN_TIMEOUT_MS,
    });
    if (status !== 0) faults.push(`${where(file)}: ${error?.message ?? `status ${status}`}\n${stdout}${stderr}`);
  }
}
