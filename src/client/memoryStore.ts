/**
 * A store that lives as long as the process.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import type { Store, Stored } from '../session/store.ts';

/** An empty {@link Store} in memory: for tests, and for clients that keep nothing. Values are copied in and out. */
export function memoryStore(): Store {
  const values = new Map<string, Stored>();
  let locked = false;
  return {
    read(name) {
      const stored = values.get(name);
      return Promise.resolve(stored && { version: stored.version, value: Uint8Array.from(stored.value) });
    },
    write(name, value, expectedVersion) {
      if ((values.get(name)?.version ?? 0) !== expectedVersion) return Promise.resolve(false);
      if (value === undefined) values.delete(name);
      else values.set(name, { version: expectedVersion + 1, value: Uint8Array.from(value) });
      return Promise.resolve(true);
    },
    names: () => Promise.resolve([...values.keys()]),
    lock() {
      if (locked) return Promise.reject(new SimsError('store/locked', 'another client has this store open'));
      locked = true;
      let mine = true;
      return Promise.resolve(() => {
        if (mine) locked = false;
        mine = false;
        return Promise.resolve();
      });
    },
  };
}
