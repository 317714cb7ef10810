/**
 * Completes package-lock.json with the native packages of other platforms; with `--check` says which are missing.
 *
 *     node tools/lock-platforms.ts [--check]
 *
 * npm leaves optional packages out of the lock file when it cannot see them (a mirror that holds one platform's, an
 * old node_modules), and `npm ci` then refuses that lock file everywhere. A completed entry holds no integrity: npm takes it from
 * the registry on the platform that wants it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './entries.ts';

interface Entry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
const OPERATING_SYSTEMS = /(?:^|[-/])(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)(?=-|$)/;
const PROCESSORS = /-(arm64|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x|wasm32|x64)(?=-|$)/;

const path = join(ROOT, 'package-lock.json');
const lock = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, Entry> };
const missing = missingEntries();

if (missing.size === 0) {
  console.log('the lock file names the packages of every platform');
} else if (process.argv.includes('--check')) {
  console.error(`package-lock.json lacks ${[...missing.keys()].join(', ')}\nRun: node tools/lock-platforms.ts`);
  process.exitCode = 1;
} else {
  const sorted = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) }).sort(([a], [b]) =>
    a.localeCompare(b, 'en'),
  );
  writeFileSync(path, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, null, 2)}\n`);
  console.log(`${missing.size} packages of other platforms added`);
}

function missingEntries(): ReadonlyMap<string, Entry> {
  const found = new Map<string, Entry>();
  for (const [parent, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (isResolved(parent, name)) continue;
      if (!EXACT.test(version)) throw new Error(`${parent} wants ${name} ${version}, which is no exact version`);
      const top = `node_modules/${name}`;
      const place = (lock.packages[top] ?? found.get(top)) === undefined ? top : `${parent}/${top}`;
      found.set(place, { version, ...platformOf(name), ...(dev === true && { dev }), optional: true });
    }
  }
  return found;
}

/** Whether the lock file holds the package where the parent would find it. */
function isResolved(parent: string, name: string): boolean {
  for (let folder = parent; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const candidate = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
    if (lock.packages[candidate] !== undefined) return true;
    if (folder === '') return false;
  }
}

/** What such packages declare, read from the name: `@rollup/rollup-linux-x64-musl`. */
function platformOf(name: string): Pick<Entry, 'cpu' | 'libc' | 'os'> {
  const os = OPERATING_SYSTEMS.exec(name)?.[1];
  const cpu = PROCESSORS.exec(name)?.[1];
  if (cpu === 'wasm32') return { cpu: [cpu] };
  if (os === undefined || cpu === undefined)
    throw new Error(`${name} names no platform: run npm install where it is seen`);
  const libc = os !== 'linux' ? undefined : /-musl/.test(name) ? 'musl' : /-gnu/.test(name) ? 'glibc' : undefined;
  return { cpu: [cpu], ...(libc !== undefined && { libc: [libc] }), os: [os] };
}
