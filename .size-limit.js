/** Bundles as a browser's bundler makes them, gzip. Those whose files are not built yet are left out, and said so. */
import { existsSync } from 'node:fs';

const BUNDLES = [
  { name: 'errors', path: 'dist/errors.js', limit: '6 kB' },
  { name: 'client with the default suite', path: 'dist/index.js', import: '{ connect }', limit: '45 kB' },
  { name: 'client with every suite but RSA', path: 'dist/index.js', import: '*', limit: '56 kB' },
];

const isBuilt = ({ name, path }) => {
  if (!existsSync(path)) console.error(`not measured: ${name} (${path} is not built)`);
  return existsSync(path);
};

export default BUNDLES.filter(isBuilt).map((bundle) => ({ ...bundle, gzip: true }));
