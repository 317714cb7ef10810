/** Collects the licence texts of the packages that a bundle holds, as those licences ask. */
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entries.ts';

/** Reads esbuild's metafile (and removes it), and writes one text with the licence of every bundled package. */
export function writeBundledLicences(metafile: string, output: string): void {
  const { inputs } = JSON.parse(readFileSync(join(ROOT, metafile), 'utf8')) as { inputs: Record<string, unknown> };
  rmSync(join(ROOT, metafile));
  const packages = new Set<string>();
  for (const input of Object.keys(inputs)) {
    const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (folder !== undefined) packages.add(folder);
  }
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Record<
      string,
      string
    >;
    const [file] = globSync('{LICENSE,LICENCE,License,license}*', { cwd: join(ROOT, folder) });
    if (file === undefined) throw new Error(`${folder} is bundled and has no licence file`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(ROOT, folder, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(ROOT, output), texts.join(`\n${'-'.repeat(78)}\n\n`));
}
