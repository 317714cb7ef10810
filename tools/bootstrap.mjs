/**
 * Makes a bare clone ready: `npm start` and `npm test` run this first, under whatever Node the machine has (18 or later).
 *
 *     node tools/bootstrap.mjs [--test]
 *
 * Installs what package-lock.json names when that is not what node_modules holds, and checks that the pinned Node runs.
 * `--test` adds what only tests use, where that can be had: Debian packages (as root, with apt) and pkcs11js (with a
 * compiler). What cannot be had is named; its tests are skipped visibly.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
const PINNED_NODE = join(MODULES, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const PKCS11JS_VERSION = '2.1.7';
const INSTALL_TIMEOUT_MS = 600_000;

/** What tests use from the system: how to see that it is there, and the Debian package that brings it. */
const SYSTEM_PACKAGES = [
  { name: 'softhsm2', isThere: () => runs('softhsm2-util', ['--version']) },
  { name: 'opensc', isThere: () => isOnPath('pkcs11-tool') },
  {
    name: 'python3-cryptography',
    isThere: () => ['/usr/bin/python3', 'python3'].some((python) => runs(python, ['-c', 'import cryptography'])),
  },
  { name: 'openssl', isThere: () => runs('openssl', ['version']) },
  { name: 'tmux', isThere: () => runs('tmux', ['-V']) },
  { name: 'chromium', isThere: () => isOnPath('chromium') },
];

installPackages();
checkPinnedNode();
if (process.argv.includes('--test')) {
  installSystemPackages();
  installPkcs11js();
}

function installPackages() {
  const reason = whyInstall();
  if (reason === undefined) return;
  say(`${reason}: npm ci`);
  // To standard error: what a program prints on standard output comes after this.
  const { status, error } = npm(['ci', '--loglevel=error', '--no-audit', '--no-fund'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) fail(`npm ci ended with ${error?.message ?? `status ${status}`}`);
}

/** Why node_modules is not what the lock file says; undefined when it is. Contents decide: a checkout touches times. */
function whyInstall() {
  const installedPath = join(MODULES, '.package-lock.json');
  if (!existsSync(installedPath)) return 'node_modules is missing';
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedPath, 'utf8')).packages;
  for (const [path, { version, optional, devOptional, peer }] of Object.entries(wanted)) {
    if (path === '' || installed[path]?.version === version) continue;
    if (installed[path] === undefined && (optional || devOptional || peer)) continue;
    return `node_modules is older than the lock file (${path} ${installed[path]?.version ?? 'missing'}, not ${version})`;
  }
  return undefined;
}

function checkPinnedNode() {
  const { status, error, stderr } = spawnSync(PINNED_NODE, ['--version'], { encoding: 'utf8' });
  if (status === 0) return;
  const why = error?.code === 'ENOENT' ? 'it is not there' : (error?.message ?? `status ${status}: ${stderr.trim()}`);
  fail(
    `node_modules/.bin/node does not run: ${why}.\n` +
      'The install script of the package "node" puts it there. It does not run with ignore-scripts=true, nor under\n' +
      'npm 12 without the allowScripts of package.json, nor on a platform that nodejs.org has no build for\n' +
      `(here ${process.platform}-${process.arch}). Mend that, remove node_modules, and try again.`,
  );
}

function installSystemPackages() {
  const missing = SYSTEM_PACKAGES.filter(({ isThere }) => !isThere());
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  if (process.getuid?.() !== 0 || !isOnPath('apt-get')) {
    say(`not installed, for want of root and apt: ${names.join(', ')}. Tests that use them are skipped.`);
    return;
  }
  say(`installing Debian packages that tests use: ${names.join(', ')}`);
  if (!aptGet('install', ...names)) {
    aptGet('update');
    // One at a time, so that a package that a release does not have keeps none of the others away.
    if (!aptGet('install', ...names)) for (const name of names) aptGet('install', name);
  }
  const absent = missing.filter(({ isThere }) => !isThere()).map(({ name }) => name);
  if (absent.length > 0) say(`could not be installed: ${absent.join(', ')}. Tests that use them are skipped.`);
}

function aptGet(verb, ...names) {
  const options = verb === 'install' ? ['-y', '-qq', '--no-install-recommends'] : ['-qq'];
  const { status } = spawnSync('apt-get', [verb, ...options, ...names], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0;
}

/**
 * pkcs11js is native code and in no list of dependencies, because a whole install would fail with it. It is built apart
 * and moved in: `npm install --no-save` in the repository would go over all of node_modules.
 */
function installPkcs11js() {
  if (pkcs11jsLoads()) return;
  const tools = ['c++', 'make', 'python3'].filter((tool) => !isOnPath(tool));
  if (tools.length > 0) {
    say(`pkcs11js is not built, for want of ${tools.join(', ')}. Tests of tokens and cards are skipped.`);
    return;
  }
  say(`building pkcs11js ${PKCS11JS_VERSION} for tests of tokens and cards`);
  const folder = mkdtempSync(join(tmpdir(), 'sims-pkcs11js-'));
  try {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { pkcs11js: true } }));
    const headers = dirname(dirname(machineNode()));
    const { status, stderr, error } = npm(
      ['install', '--no-save', '--ignore-scripts=false', '--no-audit', '--no-fund', `pkcs11js@${PKCS11JS_VERSION}`],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
        encoding: 'utf8',
        // The headers that lie beside the machine's Node save a download; the addon's interface is the same for all.
        env: existsSync(join(headers, 'include', 'node', 'node_api.h')) ? { npm_config_nodedir: headers } : {},
      },
    );
    const built = join(folder, 'node_modules', 'pkcs11js');
    if (status === 0 && existsSync(built)) {
      rmSync(join(MODULES, 'pkcs11js'), { recursive: true, force: true });
      cpSync(built, join(MODULES, 'pkcs11js'), { recursive: true });
    }
    if (!pkcs11jsLoads()) {
      const why = (error?.message ?? stderr).trim().split('\n').slice(-15).join('\n');
      say(`pkcs11js could not be built. Tests of tokens and cards are skipped.\n${why}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pkcs11jsLoads() {
  return existsSync(join(MODULES, 'pkcs11js')) && runs(PINNED_NODE, ['-e', 'require("pkcs11js")'], { cwd: ROOT });
}

/** Runs the npm that runs this script, under the machine's own Node: `npm ci` removes the pinned one meanwhile. */
function npm(parameters, { env = {}, ...options }) {
  const ownPath = pathWithoutModules();
  const merged = { ...process.env, ...env, PATH: ownPath };
  const all = { timeout: INSTALL_TIMEOUT_MS, ...options, env: merged };
  const script = process.env.npm_execpath;
  return script?.endsWith('.js') === true
    ? spawnSync(machineNode(), [script, ...parameters], all)
    : spawnSync('npm', parameters, { ...all, shell: process.platform === 'win32' });
}

function pathWithoutModules() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.filter((folder) => !folder.includes('node_modules')).join(delimiter);
}

function machineNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const folder = pathWithoutModules()
    .split(delimiter)
    .find((candidate) => existsSync(join(candidate, name)));
  return folder === undefined ? process.execPath : join(folder, name);
}

function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}

function runs(command, parameters, options = {}) {
  return spawnSync(command, parameters, { stdio: 'ignore', timeout: 60_000, ...options }).status === 0;
}

function say(text) {
  console.error(`bootstrap: ${text}`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
