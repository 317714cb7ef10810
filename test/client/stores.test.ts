import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hex, utf8 } from '../../src/bytes.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { fileStore } from '../../src/client/node/fileStore.ts';
import { sealedStore } from '../../src/client/sealedStore.ts';
import { nobleProvider } from '../../src/crypto/noble.ts';
import { nodeProvider } from '../../src/crypto/node/provider.ts';
import { aes256Gcm } from '../../src/crypto/record/aes256Gcm.ts';
import { chacha20Poly1305 } from '../../src/crypto/record/chacha20Poly1305.ts';
import type { Store } from '../../src/session/store.ts';
import { storeConformance } from '../../src/testing/storeConformance.ts';

const directories: string[] = [];
const directory = async (): Promise<string> => {
  const made = await mkdtemp(join(tmpdir(), 'sims-store-'));
  directories.push(made);
  return made;
};
afterAll(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))));

const KEY = new Uint8Array(32).fill(7);
const PARTS = { provider: nodeProvider, cipher: chacha20Poly1305 };
const sealed = (store: Store, key: Uint8Array = KEY): Store => sealedStore(store, key, PARTS);
const memoryPlace = (wrap: (store: Store) => Store) => async () => {
  const inner = memoryStore();
  return { open: async () => wrap(inner) };
};
const filePlace = (wrap: (store: Store) => Store) => async () => {
  const path = join(await directory(), 'inner');
  return { open: async () => wrap(fileStore(path)) };
};

describe.each([
  ['in memory', memoryPlace((store) => store)],
  ['in files', filePlace((store) => store)],
  ['sealed in memory', memoryPlace(sealed)],
  ['sealed in files', filePlace(sealed)],
  [
    'sealed with AES and the portable provider',
    memoryPlace((store) => sealedStore(store, KEY, { provider: nobleProvider, cipher: aes256Gcm })),
  ],
] as const)('a store %s', (_name, makePlace) => {
  for (const { name, run } of storeConformance(makePlace)) it(name, () => expect(run()).resolves.toBeUndefined());
});

describe('conformance', () => {
  const broken: readonly (readonly [string, string, (store: Store) => Partial<Store>])[] = [
    [
      'ignores versions',
      'writes nothing unless',
      (store) => ({ write: async (name, value) => store.write(name, value, (await store.read(name))?.version ?? 0) }),
    ],
    ['never locks', 'has one holder', () => ({ lock: async () => async () => {} })],
    ['forgets names', 'keeps values of many', () => ({ names: async () => [] })],
    [
      'keeps what was deleted',
      'deletes',
      (store) => ({
        write: (name, value, version) =>
          value === undefined ? Promise.resolve(true) : store.write(name, value, version),
      }),
    ],
  ];
  it.each(broken)('finds a store that %s', async (_what, found, change) => {
    const failed: string[] = [];
    const inner = (): Store => {
      const store = memoryStore();
      return { ...store, ...change(store) };
    };
    for (const { name, run } of storeConformance(async () => {
      const store = inner();
      return { open: async () => store };
    })) {
      await run().catch(() => failed.push(name));
    }
    expect(failed.join('\n')).toContain(found);
  });
});

describe('a sealed store', () => {
  it('shows neither names nor values nor equal values', async () => {
    const inner = memoryStore();
    const store = sealed(inner);
    const secret = utf8('a secret of some length');
    await store.write('conversation/somebody', secret, 0);
    await store.write('other', secret, 0);
    const stored = await Promise.all(
      (await inner.names()).map(async (name) => [name, hex((await inner.read(name))!.value)] as const),
    );
    const all = stored.flat().join(' ');
    expect(all).not.toContain('somebody');
    expect(all).not.toContain(hex(secret));
    expect(stored[0]![1].slice(18)).not.toBe(stored[1]![1].slice(18));
  });

  it('says that the key is another one', async () => {
    const inner = memoryStore();
    await sealed(inner).write('a', utf8('value'), 0);
    const other = sealed(inner, new Uint8Array(32));
    await expect(other.names()).rejects.toMatchObject({ code: 'store/wrong-key' });
    // Names depend on the key as well: nothing is found under this one.
    expect(await other.read('a')).toBeUndefined();
    expect(() => sealed(inner, new Uint8Array(31))).toThrow('32 bytes');
  });

  it('finds every change of a value, a move to another name, and an old version put back as a new one', async () => {
    const inner = memoryStore();
    const store = sealed(inner);
    await store.write('a', utf8('first'), 0);
    const [hidden] = (await inner.names()) as [string];
    const first = (await inner.read(hidden))!.value;
    await store.write('a', utf8('second'), 1);
    const second = (await inner.read(hidden))!.value;
    await store.write('b', utf8('other'), 0);
    const hiddenB = (await inner.names()).find((name) => name !== hidden)!;

    let version = 2;
    const put = async (name: string, value: Uint8Array, over: number): Promise<void> => {
      if (!(await inner.write(name, value, over))) throw new Error('not put');
    };
    await put(hidden, first, version++);
    await expect(store.read('a')).rejects.toMatchObject({ code: 'store/tampered' });
    await put(hiddenB, second, 1);
    await expect(store.read('b')).rejects.toMatchObject({ code: 'store/tampered' });
    for (let index = 0; index < second.length; index += 1) {
      const flipped = Uint8Array.from(second);
      flipped[index]! ^= 1;
      const only = memoryStore();
      await only.write(hidden, new Uint8Array(0), 0);
      await only.write(hidden, flipped, 1);
      await expect(sealed(only).read('a')).rejects.toMatchObject({
        code: index > 0 && index < 9 ? 'store/wrong-key' : 'store/tampered',
      });
    }
    for (const length of [0, 1, 40, 46, second.length - 1]) {
      const only = memoryStore();
      await only.write(hidden, second.subarray(0, length), 0);
      await expect(sealed(only).read('a')).rejects.toMatchObject({ code: 'store/tampered' });
    }
  });
});

describe('a file store', () => {
  it('keeps others out: 0700 and 0600, and no temporary file is left', async () => {
    const path = join(await directory(), 'made', 'deeper');
    const store = fileStore(path);
    await store.write('a', utf8('value'), 0);
    const release = await store.lock();
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    const files = await readdir(path);
    expect(files.filter((file) => file.endsWith('.tmp'))).toEqual([]);
    for (const file of files) expect((await stat(join(path, file))).mode & 0o777).toBe(0o600);
    await release();
  });

  it('clears away what a crash left half written, and never reads it', async () => {
    const path = await directory();
    const store = fileStore(path);
    await store.write('a', utf8('value'), 0);
    await writeFile(join(path, 'me.value.0123.tmp'), 'half');
    expect(await store.names()).toEqual(['a']);
    await (
      await store.lock()
    )();
    expect((await readdir(path)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  it('takes over the lock of a process that ended, and not that of one that lives', async () => {
    const path = await directory();
    const script = `import { fileStore } from ${JSON.stringify(join(import.meta.dirname, '../../src/client/node/fileStore.ts'))};
      await fileStore(${JSON.stringify(path)}).lock();
      console.log('locked');
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const store = fileStore(path);
    await expect(store.lock()).rejects.toMatchObject({
      code: 'store/locked',
      message: expect.stringContaining(`${child.pid}`),
    });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const release = await store.lock();
    await expect(fileStore(path).lock()).rejects.toMatchObject({ code: 'store/locked' });
    await release();
    expect(await readdir(path)).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'takes over the lock of a process whose number another one has now',
    async () => {
      const path = await directory();
      const stale = { pid: process.pid, host: hostname(), started: '1', token: 'x' };
      await writeFile(join(path, 'lock'), JSON.stringify(stale));
      await expect(fileStore(path).lock()).resolves.toBeTypeOf('function');
    },
  );

  it('leaves alone a lock of another host, and one that it cannot read', async () => {
    const path = await directory();
    for (const text of [JSON.stringify({ pid: 1, host: 'elsewhere', started: '', token: 'x' }), 'something else', '']) {
      await writeFile(join(path, 'lock'), text);
      await expect(fileStore(path).lock()).rejects.toMatchObject({ code: 'store/locked' });
      expect(await readFile(join(path, 'lock'), 'utf8')).toBe(text);
    }
  });

  it('lets one of many that lock at once win, over a stale lock and a claim that its maker never finished', async () => {
    const dead = (token: string) => JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), started: '', token });
    for (let round = 0; round < 20; round += 1) {
      const path = await directory();
      await writeFile(join(path, 'lock'), dead('first'));
      if (round % 2 === 0) await writeFile(join(path, 'lock.first.claim'), dead('second'));
      const locked = await Promise.allSettled(Array.from({ length: 8 }, () => fileStore(path).lock()));
      const won = locked.filter(({ status }) => status === 'fulfilled');
      for (const one of locked)
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'store/locked' });
      expect(won).toHaveLength(1);
      expect(await readdir(path)).toEqual(['lock']);
    }
  });

  it('says what it cannot do', async () => {
    const path = await directory();
    await writeFile(join(path, 'file'), '');
    await expect(fileStore(join(path, 'file')).write('a', utf8('x'), 0)).rejects.toMatchObject({
      code: 'store/failed',
    });
    await expect(fileStore(path).write('n'.repeat(141), utf8('x'), 0)).rejects.toMatchObject({ code: 'store/failed' });
    await expect(fileStore(path).write('', utf8('x'), 0)).rejects.toMatchObject({ code: 'store/failed' });
  });
});
