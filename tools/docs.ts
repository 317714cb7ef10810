/**
 * Writes the generated parts of the documentation, or with `--check` fails when one is not fresh.
 *
 *     node tools/docs.ts [--check]
 *
 * docs/errors.md is generated whole. Elsewhere (README.md and every page of docs/) a part stands between
 * `<!-- generated: NAME ARGUMENT -->` and `<!-- /generated -->`; GENERATORS below has the names.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entries.ts';
import { errorReference } from './error-reference.ts';
import { folderGraph } from './folder-graph.ts';
import { importTable } from './import-table.ts';
import { optionTable } from './option-table.ts';
import { stateMachine } from './state-diagrams.ts';

/** From the word after `generated:` to what stands there; `before` is what stood there. */
const GENERATORS: Readonly<Record<string, (argument: string, before: string) => string | Promise<string>>> = {
  'folder-graph': folderGraph,
  // A machine's table of inputs and its diagram: `initiator`, `responder` or `conversation`.
  'state-machine': stateMachine,
  // Subpaths, jobs and sizes.
  imports: (_, before) => importTable(before),
  // The members of an interface: `<!-- generated: options src/client ConnectOptions -->`.
  options: optionTable,
  // A file of the repository, as a block of code: `<!-- generated: file examples/embed/01-machines.ts -->`.
  file: (path) => `\`\`\`${path.split('.').at(-1) ?? ''}\n${readFileSync(join(ROOT, path), 'utf8').trimEnd()}\n\`\`\``,
};

const PART = /<!-- generated: (\S+)( [^>]*?)? -->\n[^]*?<!-- \/generated -->/g;

const isCheck = process.argv.includes('--check');
const stale: string[] = [];
keep('docs/errors.md', errorReference());
for (const page of globSync(['README.md', 'docs/**/*.md'], { cwd: ROOT, exclude: ['docs/api/**'] }).toSorted()) {
  const text = readFileSync(join(ROOT, page), 'utf8');
  keep(page, await withFreshParts(page, text));
}
if (stale.length > 0) {
  console.error(`not fresh: ${stale.join(', ')}\nRun: npm run docs`);
  process.exitCode = 1;
}

function keep(page: string, text: string): void {
  const path = join(ROOT, page);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  if (isCheck) stale.push(page);
  else writeFileSync(path, text);
}

async function withFreshParts(page: string, text: string): Promise<string> {
  let fresh = '';
  let end = 0;
  for (const match of text.matchAll(PART)) {
    const [whole, name = '', argument = ''] = match;
    const generate = GENERATORS[name];
    if (generate === undefined) throw new Error(`${page}: no generator "${name}"; tools/docs.ts has the names`);
    const body = await generate(argument.trim(), whole);
    fresh += `${text.slice(end, match.index)}<!-- generated: ${name}${argument} -->\n\n${body}\n\n<!-- /generated -->`;
    end = match.index + whole.length;
  }
  return fresh + text.slice(end);
}
