import { publicFolders } from './tools/entries.ts';
import { existsSync } from 'node:fs';

export default {
  entryPoints: [
    ...['src/index.ts', 'src/errors.ts'].filter((file) => existsSync(file)),
    ...publicFolders().map((folder) => `src/${folder}/index.ts`),
  ],
  tsconfig: 'tsconfig.build.json',
  // The compiler is a gate of its own.
  skipErrorChecking: true,
  out: 'docs/api',
  readme: existsSync('README.md') ? 'README.md' : 'none',
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  // Parts of states and signatures that a user takes as they come and never names.
  intentionallyNotExported: (
    'Accepted Answered Asked BundleStep Carried Delivery Encapsulating Handler InitiatorStep ' +
    'Keyed NameAttribute Opened Own PrekeyStep Read Repeats ResponderStep StartCryptoki TokenBucket'
  ).split(' '),
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  requiredToBeDocumented: ['Class', 'Enum', 'Function', 'Interface', 'TypeAlias', 'Variable'],
};
