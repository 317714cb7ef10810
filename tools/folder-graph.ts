/** The folders of src/ and who imports whom, as dependency-cruiser sees it, drawn by Mermaid. */
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { ROOT } from './entries.ts';

const NODE_ONLY = new Set(['node', 'pkcs11', 'nats', 'sqlite']);

/** A Mermaid diagram in a block of code: solid arrows for imports, dotted ones for imports of types alone. */
export async function folderGraph(): Promise<string> {
  const { output } = await cruise(['src'], {
    baseDir: ROOT,
    includeOnly: { path: '^src/' },
    tsPreCompilationDeps: true,
    outputType: 'json',
  });
  const { modules } = (typeof output === 'string' ? JSON.parse(output) : output) as ICruiseResult;

  const folders = new Set<string>();
  const values = new Set<string>();
  const types = new Set<string>();
  for (const { source, dependencies } of modules) {
    const from = folderOf(source);
    if (from === undefined) continue;
    folders.add(from);
    for (const { resolved, dependencyTypes } of dependencies) {
      const to = folderOf(resolved);
      if (to === undefined || to === from) continue;
      (dependencyTypes.includes('type-only') ? types : values).add(arrow(from, to));
    }
  }
  return [
    '```mermaid',
    'graph TD',
    ...[...folders].sort().map((folder) => `  ${idOf(folder)}["${folder}"]`),
    ...[...values].sort().map((each) => `  ${each.replace('>', '-->')}`),
    ...[...types]
      .filter((each) => !values.has(each))
      .sort()
      .map((each) => `  ${each.replace('>', '-.->')}`),
    '```',
  ].join('\n');
}

function arrow(from: string, to: string): string {
  return `${idOf(from)} > ${idOf(to)}`;
}

/** `src/relay/node/x.ts` is of `relay/node`; files at the top are of `index`, but for those that anything may import. */
function folderOf(path: string): string | undefined {
  const [top, folder = '', nested = ''] = path.split('/');
  if (top !== 'src' || folder === 'errors.ts' || folder === 'bytes.ts') return undefined;
  if (folder.endsWith('.ts')) return folder.replace(/\.ts$/, '');
  return NODE_ONLY.has(nested) ? `${folder}/${nested}` : folder;
}

function idOf(folder: string): string {
  return folder.replaceAll(/[^a-z0-9]/gi, '_');
}
