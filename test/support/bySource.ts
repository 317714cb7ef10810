/** For `node --import`: the package's own name leads to its source, so that examples run without a build. */
import { registerHooks } from 'node:module';

const SOURCE = new URL('../../src/', import.meta.url);

registerHooks({
  resolve(specifier, context, next) {
    const folder = /^sims-protocol(?:\/(?<folder>.+))?$/u.exec(specifier);
    if (folder === null) return next(specifier, context);
    const name = folder.groups?.['folder'];
    const file = name === undefined ? 'index.node.ts' : name === 'errors' ? 'errors.ts' : `${name}/index.ts`;
    return next(new URL(file, SOURCE).href, context);
  },
});
