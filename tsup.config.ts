import { bundleEntries } from './tools/entries.ts';
import { writeBundledLicences } from './tools/licences.ts';

// Declarations come from tsc (tools/build.ts): isolated declarations make that a third of a second.
const library = {
  name: 'library',
  entry: bundleEntries(),
  format: 'esm',
  target: 'es2023',
  platform: 'neutral',
  external: [/^node:/],
  splitting: true,
  removeNodeProtocol: false,
  treeshake: false,
  sourcemap: true,
  dts: false,
  clean: false,
};

// The command is bundled whole: it must run from `npx` without the optional peers. Native code stays outside.
const command = {
  name: 'command',
  entry: { 'cli/main': 'examples/cli/main.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  external: ['pkcs11js', 'bufferutil', 'utf-8-validate'],
  noExternal: [/^(?!pkcs11js$|bufferutil$|utf-8-validate$)[^./]/],
  splitting: false,
  removeNodeProtocol: false,
  dts: false,
  clean: false,
  metafile: true,
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  onSuccess: async () => writeBundledLicences('dist/metafile-esm.json', 'dist/cli/LICENSES.txt'),
};

// Plain objects: the declarations of tsup 9 name packages that it does not bring, and nothing here skips that check.
const options: readonly object[] = [library, command];
export default options;
