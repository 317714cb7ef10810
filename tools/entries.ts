/** The subpaths of the package, read from the folders of src/: each folder with an index.ts is one. */
import { existsSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. From `url` and not `dirname`: tsup bundles its configuration and knows only the first. */
export const ROOT: string = fileURLToPath(new URL('..', import.meta.url));

/** Folders of src/ that a user can import, as paths below src/ (`codec`, `crypto/node`), sorted. */
export function publicFolders(): readonly string[] {
  return globSync('**/index.ts', { cwd: join(ROOT, 'src') })
    .map((file) => dirname(file).replaceAll('\\', '/'))
    .filter((folder) => folder !== '.')
    .sort();
}

/** Single files of src/ that are subpaths of their own. */
function publicFiles(): readonly string[] {
  return ['index', 'index.node', 'errors'].filter((name) => existsSync(join(ROOT, 'src', `${name}.ts`)));
}

/** Programs that the library starts by their path: in the bundle, and no subpath. */
const PROGRAMS: readonly string[] = ['cc/pkcs11/host'];

/** The bundler's entries: output name below dist/ to source file. */
export function bundleEntries(): Record<string, string> {
  const names = [...publicFiles(), ...publicFolders().map((folder) => `${folder}/index`), ...PROGRAMS];
  return Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]));
}

/** One subpath of package.json's `exports`. */
export type ExportTarget = Readonly<Record<string, string | Readonly<Record<string, string>>>>;

function target(name: string): Record<string, string> {
  return { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` };
}

/** What `exports` of package.json must say. `default` and not `import`, so that `require()` works as well. */
export function expectedExports(): Record<string, ExportTarget> {
  const files = publicFiles();
  const root = { ...(files.includes('index.node') && { node: target('index.node') }), ...target('index') };
  return {
    ...(files.includes('index') && { '.': root }),
    ...Object.fromEntries(publicFolders().map((folder) => [`./${folder}`, target(`${folder}/index`)])),
    ...(files.includes('errors') && { './errors': target('errors') }),
  };
}

/** What `bin` of package.json must say: nothing until the program is there. */
export function expectedBin(): Record<string, string> {
  return existsSync(join(ROOT, 'examples/cli/main.ts')) ? { sims: 'dist/cli/main.js' } : {};
}
