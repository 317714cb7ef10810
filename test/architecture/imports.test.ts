import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Importing file, what it imports, and the rule that forbids it. */
const FORBIDDEN: readonly (readonly [string, string, string])[] = [
  ['src/codec/up.ts', 'src/messages/a.ts', 'codec-imports'],
  ['src/crypto/up.ts', 'src/codec/a.ts', 'crypto-imports'],
  ['src/messages/up.ts', 'src/crypto/a.ts', 'messages-imports'],
  ['src/transport/up.ts', 'src/messages/a.ts', 'transport-imports'],
  ['src/ifc/up.ts', 'src/codec/a.ts', 'ifc-imports'],
  ['src/ifc/value.ts', 'src/cc/a.ts', 'ifc-imports-types-only'],
  ['src/cc/up.ts', 'src/ifc/a.ts', 'cc-imports'],
  ['src/handshake/up.ts', 'src/session/a.ts', 'handshake-imports'],
  ['src/handshake/value.ts', 'src/cc/a.ts', 'handshake-imports-types-only'],
  ['src/session/up.ts', 'src/transport/a.ts', 'session-imports'],
  ['src/relay/up.ts', 'src/client/a.ts', 'relay-imports'],
  ['src/client/up.ts', 'src/relay/a.ts', 'client-imports'],
  ['src/relay/node/up.ts', 'src/client/a.ts', 'relay-imports'],
  ['src/newcomer/a.ts', 'src/errors.ts', 'folder-without-row'],
  ['src/bytes.ts', 'src/codec/a.ts', 'shared-files-import-nothing-above'],
  ['src/index.ts', 'src/relay/a.ts', 'root-imports'],
  ['src/client/root.ts', 'src/index.ts', 'root-is-the-top'],
  ['src/client/testing.ts', 'src/testing/a.ts', 'testing-is-imported-by-nobody'],
  ['src/transport/native.ts', 'src/transport/node/a.ts', 'node-only-folders-are-apart'],
  ['src/cc/card.ts', 'src/cc/pkcs11/a.ts', 'node-only-folders-are-apart'],
  ['src/session/file.ts', 'node:fs', 'node-modules-of-node-in-node-only-folders'],
  ['src/session/noble.ts', '@noble/hashes', 'noble-in-crypto-only'],
  ['src/codec/development.ts', 'vitest', 'no-development-packages-in-what-is-shipped'],
  ['src/codec/unlisted.ts', 'stranger', 'no-unlisted-packages'],
  ['src/codec/nowhere.ts', 'src/codec/nothing.ts', 'resolvable'],
  ['src/codec/helper.ts', 'test/a.ts', 'nothing-shipped-imports-what-is-not'],
  ['src/codec/round.ts', 'src/codec/trip.ts', 'no-cycles'],
];

const ALLOWED: readonly (readonly [string, string])[] = [
  ['src/codec/errors.ts', 'src/errors.ts'],
  ['src/relay/down.ts', 'src/session/a.ts'],
  ['src/client/down.ts', 'src/transport/a.ts'],
  ['src/client/node/resolver.ts', 'src/transport/node/a.ts'],
  ['src/index.node.ts', 'src/client/node/a.ts'],
  ['src/relay/sqlite/file.ts', 'node:fs'],
  ['src/crypto/noble.ts', '@noble/hashes'],
  ['src/testing/everything.ts', 'src/relay/a.ts'],
];

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

const folder = mkdtempSync(join(tmpdir(), 'sims-imports-'));
const violated = new Map<string, string[]>();

beforeAll(() => {
  write('tsconfig.json', '{}');
  write('package.json', '{"type":"module","dependencies":{"@noble/hashes":"1"},"devDependencies":{"vitest":"1"}}');
  for (const name of ['@noble/hashes', 'vitest', 'stranger']) {
    write(
      `node_modules/${name}/package.json`,
      `{"name":"${name}","version":"1.0.0","type":"module","exports":"./index.js"}`,
    );
    write(`node_modules/${name}/index.js`, 'export const x = 1;');
  }
  for (const [, to] of [...FORBIDDEN, ...ALLOWED]) if (to.endsWith('/a.ts')) write(to, 'export const x = 1;');
  write('src/errors.ts', 'export const x = 1;');
  // A cycle is told once, of one of its files.
  write('src/codec/trip.ts', "export { y as x } from './round.ts';");
  write('src/ifc/types.ts', "import type { x } from '../cc/a.ts';\nexport type X = typeof x;");
  for (const [from, to] of [...FORBIDDEN, ...ALLOWED]) {
    const path = relative(dirname(from), to);
    const specifier = !to.endsWith('.ts') ? to : path.startsWith('.') ? path : `./${path}`;
    write(from, `import { x } from '${specifier}';\nexport const y = x;`);
  }
  const { stdout, stderr } = spawnSync(
    join(ROOT, 'node_modules/.bin/depcruise'),
    ['src', '--config', join(ROOT, '.dependency-cruiser.mjs'), '--output-type', 'json'],
    { cwd: folder, encoding: 'utf8' },
  );
  if (stderr !== '') throw new Error(stderr);
  const { summary } = JSON.parse(stdout) as { summary: { violations: readonly Violation[] } };
  for (const { from, rule } of summary.violations) violated.set(from, [...(violated.get(from) ?? []), rule.name]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

describe('the import table', () => {
  it.each(FORBIDDEN)('%s may not import %s (%s)', (from, _to, rule) => {
    expect(violated.get(from)).toContain(rule);
  });

  it.each(ALLOWED)('%s may import %s', (from) => {
    expect(violated.get(from)).toBeUndefined();
  });

  it('lets ifc import types of cc', () => {
    expect(violated.get('src/ifc/types.ts')).toBeUndefined();
  });
});
