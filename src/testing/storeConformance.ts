/**
 * The contract of `Store` as checks for one's own implementation, for any test framework.
 *
 * @packageDocumentation
 */
import { equal } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import type { Store } from '../session/store.ts';
import type { ConformanceCheck } from './transportConformance.ts';

/** Where a store under test keeps its values. */
export interface StorePlace {
  /** Another store over the same values, as another process would open it. */
  open(): Promise<Store>;
  /** Frees what lies beneath. */
  readonly dispose?: () => void | Promise<void>;
}

/**
 * Checks of the contract, each over an empty place of its own. With vitest:
 * `for (const { name, run } of storeConformance(makePlace)) it(name, run);`
 */
export function storeConformance(makePlace: () => Promise<StorePlace>): readonly ConformanceCheck[] {
  return CHECKS.map(([name, check]) => ({
    name,
    run: async () => {
      const place = await makePlace();
      try {
        await check(await place.open(), place);
      } finally {
        await place.dispose?.();
      }
    },
  }));
}

type Check = (store: Store, place: StorePlace) => Promise<void>;

const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ['is empty at first', isEmpty],
  ['gives back what was written, with versions that grow by one', keepsValues],
  ['keeps values of many sizes, and names of many characters', keepsAnything],
  ['writes nothing unless the expected version is there', compares],
  ['deletes, and the name is free again', deletes],
  ['lets one of many writers at once win', swapsAtomically],
  ['keeps names apart', keepsNamesApart],
  ['copies what it takes and what it gives', copies],
  ['keeps the last written value for the next store that is opened', isDurable],
  ['has one holder of the lock at a time', locks],
  ['gives the lock back once, whatever is called twice', unlocksOnce],
];

const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);

async function isEmpty(store: Store): Promise<void> {
  expect((await store.read('a')) === undefined, 'a value that nobody wrote');
  expect((await store.names()).length === 0, 'names that nobody wrote');
  expect(!(await store.write('a', bytesOf(1), 1)), 'a write over version 1 of nothing');
  expect(!(await store.write('a', undefined, 3)), 'deletion of version 3 of nothing');
}

async function keepsValues(store: Store): Promise<void> {
  for (let version = 0; version < 5; version += 1) {
    expect(await store.write('a', bytesOf(version, 7), version), `no write over version ${version}`);
    await expectStored(store, 'a', bytesOf(version, 7), version + 1);
  }
}

async function keepsAnything(store: Store): Promise<void> {
  const names = ['a', 'A', 'a/b', '../a', 'ä €', 'conversation/x.y/0123456789', 'n'.repeat(128), '__proto__', '.'];
  for (const [index, name] of names.entries()) {
    const value = new Uint8Array(index === 0 ? 0 : 7 ** index % 300_000).fill(index);
    expect(await store.write(name, value, 0), `no write of ${value.length} bytes as ${JSON.stringify(name)}`);
    await expectStored(store, name, value, 1);
  }
  const listed = [...(await store.names())].sort().join('\n');
  expect(listed === [...names].sort().join('\n'), `other names than were written: ${listed}`);
}

async function compares(store: Store): Promise<void> {
  expect(await store.write('a', bytesOf(1), 0), 'no first write');
  for (const version of [0, 2, 100]) {
    expect(!(await store.write('a', bytesOf(9), version)), `a write over version ${version}, the version is 1`);
    expect(!(await store.write('a', undefined, version)), `deletion of version ${version}, the version is 1`);
  }
  await expectStored(store, 'a', bytesOf(1), 1);
}

async function deletes(store: Store): Promise<void> {
  await store.write('a', bytesOf(1), 0);
  await store.write('a', bytesOf(2), 1);
  expect(await store.write('a', undefined, 2), 'no deletion');
  expect((await store.read('a')) === undefined, 'a deleted value');
  expect((await store.names()).length === 0, 'a deleted name');
  expect(await store.write('a', bytesOf(3), 0), 'no write to a name that is free again');
  await expectStored(store, 'a', bytesOf(3), 1);
}

async function swapsAtomically(store: Store): Promise<void> {
  await store.write('a', bytesOf(0), 0);
  const writers = Array.from({ length: 10 }, (_, index) => store.write('a', bytesOf(index), 1));
  const won = (await Promise.all(writers)).flatMap((done, index) => (done ? [index] : []));
  expect(won.length === 1, `${won.length} of 10 writers over one version won`);
  await expectStored(store, 'a', bytesOf(won[0]!), 2);
}

async function keepsNamesApart(store: Store): Promise<void> {
  await Promise.all(['a', 'b', 'c'].map((name, index) => store.write(name, bytesOf(index), 0)));
  await store.write('b', bytesOf(9), 1);
  await expectStored(store, 'a', bytesOf(0), 1);
  await expectStored(store, 'b', bytesOf(9), 2);
  await expectStored(store, 'c', bytesOf(2), 1);
}

async function copies(store: Store): Promise<void> {
  const value = bytesOf(1, 2, 3);
  const writing = store.write('a', value, 0);
  // A caller may wipe its bytes as soon as the call has returned.
  value.fill(0);
  await writing;
  const read = await store.read('a');
  expect(read !== undefined && equal(read.value, bytesOf(1, 2, 3)), 'bytes that the caller changed after the call');
  read?.value.fill(9);
  await expectStored(store, 'a', bytesOf(1, 2, 3), 1);
}

async function isDurable(store: Store, place: StorePlace): Promise<void> {
  const release = await store.lock();
  for (let version = 0; version < 3; version += 1) await store.write('a', bytesOf(version), version);
  await store.write('b', bytesOf(7), 0);
  await store.write('b', undefined, 1);
  await release();
  const next = await place.open();
  const releaseNext = await next.lock();
  await expectStored(next, 'a', bytesOf(2), 3);
  expect((await next.read('b')) === undefined, 'a value that was deleted before');
  expect(!(await next.write('a', bytesOf(1), 2)), 'a write over a version that is gone');
  await releaseNext();
}

async function locks(store: Store, place: StorePlace): Promise<void> {
  const other = await place.open();
  const release = await store.lock();
  await expectLocked(() => store.lock());
  await expectLocked(() => other.lock());
  await release();
  const again = await other.lock();
  await expectLocked(() => store.lock());
  await again();
}

async function unlocksOnce(store: Store, place: StorePlace): Promise<void> {
  const release = await store.lock();
  await release();
  const next = await (await place.open()).lock();
  await release();
  await expectLocked(() => store.lock());
  await next();
}

async function expectStored(store: Store, name: string, value: Uint8Array, version: number): Promise<void> {
  const stored = await store.read(name);
  if (stored === undefined) throw new Error(`nothing is stored as ${JSON.stringify(name)}`);
  expect(stored.version === version, `version ${stored.version}, expected ${version}`);
  expect(equal(stored.value, value), `${stored.value.length} bytes that are not the ${value.length} that were written`);
}

async function expectLocked(lock: () => Promise<unknown>): Promise<void> {
  try {
    await lock();
  } catch (error) {
    if (error instanceof SimsError && error.code === 'store/locked') return;
    throw new Error('a second lock is refused with another error than store/locked', { cause: error });
  }
  throw new Error('a second lock was given');
}

function expect(fact: boolean, otherwise: string): void {
  if (!fact) throw new Error(otherwise);
}
