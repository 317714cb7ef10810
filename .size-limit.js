/** Bundles as a browser's bundler makes them, gzip. Those whose files are not built yet are left out, and said so. */
import { existsSync } from 'node:fs';

const CLIENT = 'dist/client/index.js';
const CRYPTO = 'dist/crypto/index.js';
const DEFAULT_SUITE = 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256';
const SUITES_BUT_RSA = [
  DEFAULT_SUITE,
  'X25519MLKEM768_WITH_AES_256_GCM_SHA384',
  'X25519_WITH_CHACHA20_POLY1305_SHA256',
  'ECDHE_WITH_AES_256_GCM_SHA384',
  'ECDHE_WITH_AES_128_CBC_SHA256',
];

const BUNDLES = [
  { name: 'errors', path: 'dist/errors.js', import: '{ SimsError }', limit: '6 kB' },
  {
    name: 'client with the default suite',
    path: [CLIENT, CRYPTO],
    import: { [CLIENT]: '{ connect }', [CRYPTO]: `{ smallNobleProvider, ${DEFAULT_SUITE} }` },
    limit: '45 kB',
  },
  {
    name: 'client with every suite but RSA',
    path: [CLIENT, CRYPTO],
    import: { [CLIENT]: '{ connect }', [CRYPTO]: `{ nobleProvider, ${SUITES_BUT_RSA.join(', ')} }` },
    limit: '56 kB',
  },
];

const isBuilt = ({ name, path }) => {
  const missing = [path].flat().filter((file) => !existsSync(file));
  if (missing.length > 0) console.error(`not measured: ${name} (${missing.join(', ')} not built)`);
  return missing.length === 0;
};

export default BUNDLES.filter(isBuilt).map((bundle) => ({ ...bundle, gzip: true }));
