/**
 * What each subpath is for and what it costs, from the first sentence of its index.ts and a bundle of the whole of it.
 * Sizes are of everything that a subpath exports, with the packages it needs, minified and gzipped: an upper bound.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expectedExports, ROOT } from './entries.ts';

const OPTIONAL_PEERS = ['ws', 'pkcs11js'];

/**
 * A table of the subpaths. A size that is within a tenth (or 1 kB) of the one in `before` is kept, so that the page goes
 * stale by what a reader would notice and by nothing less.
 */
export async function importTable(before: string): Promise<string> {
  const rows = await Promise.all(Object.keys(expectedExports()).map((subpath) => row(subpath, before)));
  return ['| import | job | runs on | kB |', '|---|---|---|---:|', ...rows].join('\n');
}

async function row(subpath: string, before: string): Promise<string> {
  const name = subpath === '.' ? 'sims-protocol' : `sims-protocol/${subpath.slice(2)}`;
  const source = sourceOf(subpath);
  const isNode = /\/(node|pkcs11|nats|sqlite)$/.test(subpath);
  const measured = await kilobytes(source);
  const shown = Number(new RegExp(`^\\| \`${name}\` \\|.*\\| ([\\d.]+) \\|$`, 'm').exec(before)?.[1] ?? Number.NaN);
  const isClose = Math.abs(shown - measured) <= Math.max(1, measured / 10);
  const size = (isClose ? shown : Math.round(measured * 2) / 2).toFixed(1);
  return `| \`${name}\` | ${job(source)} | ${isNode ? 'Node' : 'anywhere'} | ${size} |`;
}

function sourceOf(subpath: string): string {
  if (subpath === '.') return 'src/index.ts';
  return subpath === './errors' ? 'src/errors.ts' : `src/${subpath.slice(2)}/index.ts`;
}

/** First sentence of the file's own comment. */
function job(source: string): string {
  const comment = /^\/\*\*\n([^]*?)\*\//.exec(readFileSync(join(ROOT, source), 'utf8'))?.[1] ?? '';
  const text = comment
    .replaceAll(/^ \* ?/gm, '')
    .split('\n\n')[0]!
    .replaceAll('\n', ' ')
    .trim();
  return (/^.*?\.(?= |$)/.exec(text)?.[0] ?? text).replaceAll('|', '\\|');
}

async function kilobytes(source: string): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, source)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    external: ['node:*', ...OPTIONAL_PEERS],
    logLevel: 'error',
  });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length / 1000;
}
