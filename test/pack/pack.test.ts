import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endAll, run as runLines, type LineProcess } from '../support/processes.ts';

const ROOT = join(import.meta.dirname, '../..');
const TIMEOUT_MS = 180_000;

interface Manifest {
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
const specifiers = Object.keys(manifest.exports).map((name) => name.replace('.', 'sims-protocol'));
const machine = environmentOfMachine();

/** Holds the tarball, and `app/`: an empty folder where a user installs it. */
const folder = mkdtempSync(join(tmpdir(), 'sims-pack-'));
const app = join(folder, 'app');

/** Files of the tarball, below `package/`. */
let packed: readonly string[] = [];

beforeAll(() => {
  if (!existsSync(join(ROOT, 'dist'))) throw new Error('dist/ is missing: npm run build');
  const report = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT);
  const [pack] = Object.values(JSON.parse(report) as Record<string, { filename: string; files: { path: string }[] }>);
  packed = pack!.files.map(({ path }) => path);

  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, pack!.filename)], app);
}, TIMEOUT_MS);

afterAll(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

describe('the tarball', () => {
  it('holds dist, README, LICENSE and CHANGELOG and nothing else', () => {
    const outside = packed.filter((path) => !path.startsWith('dist/'));
    const allowed = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'].filter((name) =>
      existsSync(join(ROOT, name)),
    );
    expect(outside.toSorted()).toEqual(allowed);
    expect(packed.some((path) => path.startsWith('dist/'))).toBe(true);
  });

  it('ships code, declarations, maps of source and licences, and no source or test', () => {
    const shipped = packed.filter((path) => path.startsWith('dist/'));
    expect(shipped.filter((path) => !/\.(js|js\.map|d\.ts)$|^dist\/cli\/LICENSES\.txt$/.test(path))).toEqual([]);
    expect(shipped.filter((path) => /(^|\/)(test|tests|vectors)\//.test(path))).toEqual([]);
  });
});

describe("installed under the machine's own Node", () => {
  it('does not bring the optional peers', () => {
    for (const name of ['ws', 'pkcs11js']) expect(existsSync(join(app, 'node_modules', name)), name).toBe(false);
  });

  it.each(specifiers)('%s can be imported and required, and is one module', (specifier) => {
    const script = [
      "import { createRequire } from 'node:module';",
      `const imported = await import('${specifier}');`,
      `const required = createRequire(import.meta.url)('${specifier}');`,
      'const names = Object.keys(imported);',
      "if (names.length === 0) throw new Error('no names');",
      'if (names.some((name) => imported[name] !== required[name])) throw new Error("two copies");',
      'console.log(names.length);',
    ].join('\n');
    writeFileSync(join(app, 'check.mjs'), script);
    expect(Number(run('node', ['--no-warnings', 'check.mjs'], app))).toBeGreaterThan(0);
  });

  it.skipIf(Object.keys(manifest.bin).length === 0)('runs `sims --version`', () => {
    expect(run('npm', ['exec', '--no', '--', 'sims', '--version'], app).trim()).toContain(manifest.version);
  });

  it('runs a relay and two chats, over TCP and WebSocket', async () => {
    const sims = ['node', join(app, 'node_modules/sims-protocol', manifest.bin['sims']!)] as const;
    const start = (...parameters: readonly string[]): LineProcess =>
      runLines(sims, parameters, { cwd: app, env: machine });
    const listen = ['--listen', 'tcp://127.0.0.1:0', '--listen', 'ws://127.0.0.1:0'];
    const relay = start('relay', '--json', ...listen, '--state', 'relay-state');
    const { urls, fingerprint } = await relay.next('listening');
    const [tcp, ws] = urls as readonly [string, string];
    const pin = ['--pin', fingerprint as string];
    const rui = start('chat', tcp, '--name', 'Rui', ...pin);
    const { id: peer } = await rui.next('ready');
    const ana = start('chat', ws, '--name', 'Ana', ...pin, '--state', 'ana-state');
    await ana.next('ready');
    for (const request of [
      { do: 'open', peer },
      { do: 'send', peer, text: 'Olá' },
    ])
      await ana.send(request);
    expect(await rui.next('message')).toMatchObject({ text: 'Olá' });
    await ana.next('state', { state: 'delivered' });
    for (const process of [ana, rui]) {
      await process.send({ do: 'quit' });
      expect(await process.ended, process.log).toBe(0);
    }
    expect(await relay.kill('SIGTERM')).toBe(0);
  });
});

/** What a user's shell has: the machine's Node and npm, and nothing that npm or this repository put there. */
function environmentOfMachine(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST|TEST$|CI$)/i.test(name));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((part) => !part.includes('node_modules'));
  return { ...Object.fromEntries(entries), PATH: path.join(delimiter) };
}

function run(command: string, parameters: readonly string[], cwd: string): string {
  return execFileSync(command, parameters, {
    cwd,
    env: machine,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    shell: process.platform === 'win32',
  });
}
