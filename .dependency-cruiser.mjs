/**
 * Who may import whom (docs/architecture.md). Anything may import errors.ts and bytes.ts.
 * A new folder needs a row here; a folder without one may import nothing and be imported by nobody.
 */
const LAYERS = ['codec', 'crypto', 'messages', 'transport', 'ifc', 'cc', 'handshake', 'session', 'relay', 'client'];
const MAY_IMPORT = {
  codec: [],
  crypto: [],
  messages: ['codec'],
  transport: ['codec'],
  ifc: ['crypto'],
  cc: ['codec', 'crypto'],
  handshake: ['messages', 'codec', 'crypto'],
  session: ['handshake', 'messages', 'codec', 'crypto', 'ifc'],
  relay: ['session', 'handshake', 'messages', 'codec', 'crypto', 'ifc', 'cc', 'transport'],
  client: LAYERS.filter((folder) => folder !== 'relay'),
  testing: LAYERS,
};
const MAY_IMPORT_TYPES = { ifc: ['cc'], handshake: ['cc'] };

const SHARED = '^src/(errors|bytes)\\.ts$';
const NODE_ONLY = ['^src/.*/(node|pkcs11|nats|sqlite)/', '^src/index\\.node\\.ts$'];
/** Installed by users who want them; the repository can be without the native one. */
const OPTIONAL_PEERS = ['^pkcs11js$', 'node_modules/(@types/)?ws/', 'node_modules/pkcs11js/'];

const within = (folders) => `^src/(${folders.join('|')})/`;

const tableRules = Object.entries(MAY_IMPORT).flatMap(([folder, allowed]) => {
  const types = MAY_IMPORT_TYPES[folder] ?? [];
  const rules = [
    {
      name: `${folder}-imports`,
      comment: `${folder} may import ${allowed.join(', ') || 'no other folder'}${types.length > 0 ? ` and types of ${types.join(', ')}` : ''}`,
      severity: 'error',
      from: { path: within([folder]) },
      to: { path: '^src/', pathNot: [SHARED, within([folder, ...allowed, ...types])] },
    },
  ];
  if (types.length > 0) {
    rules.push({
      name: `${folder}-imports-types-only`,
      comment: `${folder} may import types, and nothing else, of ${types.join(', ')}`,
      severity: 'error',
      from: { path: within([folder]) },
      to: { path: within(types), dependencyTypesNot: ['type-only'] },
    });
  }
  return rules;
});

export default {
  forbidden: [
    ...tableRules,
    {
      name: 'folder-without-row',
      comment: 'each folder of src/ has a row in the import table',
      severity: 'error',
      from: { path: '^src/[^/]+/', pathNot: within(Object.keys(MAY_IMPORT)) },
      to: { path: '^src/' },
    },
    {
      name: 'shared-files-import-nothing-above',
      comment: 'errors.ts and bytes.ts are below every folder',
      severity: 'error',
      from: { path: SHARED },
      to: { path: '^src/', pathNot: SHARED },
    },
    {
      name: 'root-imports',
      comment: 'the paved path is the client with the default suites: no relay, no testing',
      severity: 'error',
      from: { path: '^src/index(\\.node)?\\.ts$' },
      to: { path: within(['relay', 'testing']) },
    },
    {
      name: 'root-is-the-top',
      comment: 'nothing imports the root but its form for Node',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/index\\.node\\.ts$' },
      to: { path: '^src/index(\\.node)?\\.ts$' },
    },
    {
      name: 'testing-is-imported-by-nobody',
      severity: 'error',
      from: { path: '^src/', pathNot: within(['testing']) },
      to: { path: within(['testing']) },
    },
    {
      name: 'node-only-folders-are-apart',
      comment: 'only other Node-only folders, and the root for Node, import a Node-only folder',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE_ONLY },
      to: { path: NODE_ONLY },
    },
    {
      name: 'node-modules-of-node-in-node-only-folders',
      comment: 'only folders named node, pkcs11, nats and sqlite import node:*',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE_ONLY },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'noble-in-crypto-only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/crypto/' },
      to: { path: 'node_modules/@noble/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: { path: '^src/' },
      to: { circular: true },
    },
    {
      name: 'no-development-packages-in-what-is-shipped',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: OPTIONAL_PEERS, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-unlisted-packages',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'], pathNot: OPTIONAL_PEERS },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true, pathNot: OPTIONAL_PEERS },
    },
    {
      name: 'nothing-shipped-imports-what-is-not',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|tools|examples|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'types', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
