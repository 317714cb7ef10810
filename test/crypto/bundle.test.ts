import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const source = fileURLToPath(new URL('../../src/crypto/', import.meta.url));

/** Modules that a bundle of these names holds code of. */
async function modulesOf(...exports: readonly string[]): Promise<readonly string[]> {
  const { metafile } = await build({
    stdin: { contents: exports.join('\n'), resolveDir: source, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external: ['node:*'],
    target: 'es2022',
    write: false,
    metafile: true,
    outfile: 'bundle.js',
    logLevel: 'silent',
  });
  const [output] = Object.values(metafile.outputs);
  return Object.entries(output!.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
}

describe('a bundle', () => {
  const small = "export { smallNobleProvider } from './noble.ts';";
  const dearOnes = /nist\.js|weierstrass|aes\.js|fernet|p384|kem\/rsa|oaep|\/ecdsa\.ts/;

  it('of the default suite alone holds neither NIST curves nor AES, Fernet or RSA', async () => {
    const modules = await modulesOf(
      "export { X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256 as s } from './suites.ts';",
      small,
    );
    expect(modules.some((path) => path.includes('ml-kem'))).toBe(true);
    expect(modules.filter((path) => dearOnes.test(path))).toEqual([]);
  });

  it('of the X25519 suite holds no ML-KEM either', async () => {
    const modules = await modulesOf("export { X25519_WITH_CHACHA20_POLY1305_SHA256 as s } from './suites.ts';", small);
    expect(modules.filter((path) => dearOnes.test(path))).toEqual([]);
    expect(modules.filter((path) => /post-quantum|sha3/.test(path))).toEqual([]);
  });

  it('of all suites holds them all, so that the two facts above are not empty', async () => {
    const modules = await modulesOf(
      "export { allSuites } from './suites.ts'; export { nobleProvider } from './noble.ts';",
    );
    for (const part of [/nist\.js/, /weierstrass/, /aes\.js/, /fernet/, /p384/, /kem\/rsa/, /oaep/, /\/ecdsa\.ts/]) {
      expect(
        modules.some((path) => part.test(path)),
        String(part),
      ).toBe(true);
    }
  });

  it('of what Node has itself holds no library: those take longer to load than all the rest', async () => {
    const modules = await modulesOf("export { allSuites, nodeProvider } from './node/index.ts';");
    expect(modules.some((path) => path.includes('node/mlKem'))).toBe(true);
    expect(modules.filter((path) => path.includes('node_modules'))).toEqual([]);
  });
});
