/** What a program pays before its first message: CPU until the root is imported, and bytes of a browser's bundle. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { median } from './harness.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Inside the repository, so that built code finds its dependencies. */
const BUILT = join(ROOT, 'bench/results/built');

const SUITES_BUT_RSA = [
  'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256',
  'X25519MLKEM768_WITH_AES_256_GCM_SHA384',
  'X25519_WITH_CHACHA20_POLY1305_SHA256',
  'ECDHE_WITH_AES_256_GCM_SHA384',
  'ECDHE_WITH_AES_128_CBC_SHA256',
];

/** CPU milliseconds of a process for one import, less those of an empty one. */
export interface ImportCost {
  readonly name: string;
  readonly cpuMs: number;
}

/** Bytes of a bundle. */
export interface BundleSize {
  readonly name: string;
  readonly minified: number;
  readonly gzip: number;
}

/** Imports in fresh processes, interleaved; medians. */
export async function importCosts(rounds: number): Promise<ImportCost[]> {
  rmSync(BUILT, { recursive: true, force: true });
  await build({
    entryPoints: { root: join(ROOT, 'src/index.node.ts'), cryptoNode: join(ROOT, 'src/crypto/node/index.ts') },
    outdir: BUILT,
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  const probes: readonly (readonly [string, string])[] = [
    ['an empty module', ''],
    ['node:crypto', "await import('node:crypto');"],
    ['sims-protocol', "await import('./root.js');"],
    ['sims-protocol/crypto/node', "await import('./cryptoNode.js');"],
    ['libsignal', "await import('@signalapp/libsignal-client');"],
    ['olm, ready', "await (await import('@matrix-org/olm')).default.init();"],
    ['ts-mls', "await import('ts-mls');"],
    ['socket.io-client', "await import('socket.io-client');"],
  ];
  mkdirSync(BUILT, { recursive: true });
  const costs = probes.map(([name, code], index) => {
    const file = join(BUILT, `probe${index}.mjs`);
    writeFileSync(
      file,
      `const before = process.cpuUsage();\n${code}\nconst { user, system } = process.cpuUsage(before);\n` +
        'console.log((user + system) / 1000);\nprocess.exit();\n',
    );
    return { name, file, all: [] as number[] };
  });
  for (let round = 0; round < rounds; round += 1) {
    for (const { file, all } of costs) {
      const { status, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
      if (status === 0) all.push(Number(stdout));
    }
  }
  rmSync(BUILT, { recursive: true, force: true });
  return costs.filter(({ all }) => all.length > 0).map(({ name, all }) => ({ name, cpuMs: median(all) }));
}

/** Bundles as a browser's bundler makes them, all of one client and its suites. */
export async function bundleSizes(): Promise<BundleSize[]> {
  const source = (path: string): string => JSON.stringify(join(ROOT, 'src', path));
  const used = (names: readonly string[]): string => `globalThis.used = [${names.join(', ')}];`;
  const client = (names: readonly string[]): string =>
    `import { createConnect } from ${source('client/index.ts')};\nimport { ${names.join(', ')} } from ${source('crypto/index.ts')};\n` +
    used(['createConnect', ...names]);
  const entries: readonly (readonly [string, string])[] = [
    ['client with the default suite', client(['smallNobleProvider', SUITES_BUT_RSA[0]!])],
    ['client with every suite but RSA', client(['nobleProvider', ...SUITES_BUT_RSA])],
    ['root', `import { connect } from ${source('index.ts')};\n${used(['connect'])}`],
    ['errors', `import { SimsError } from ${source('errors.ts')};\n${used(['SimsError'])}`],
  ];
  const sizes: BundleSize[] = [];
  for (const [name, contents] of entries) {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: ROOT, loader: 'ts' },
      bundle: true,
      splitting: true,
      outdir: 'out',
      minify: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2023',
      write: false,
      logLevel: 'error',
    });
    // What is loaded at once: chunks that only a dynamic import asks for come later.
    const first = outputFiles[0]!.contents;
    sizes.push({ name, minified: first.length, gzip: gzipSync(first, { level: 9 }).length });
  }
  return sizes;
}
