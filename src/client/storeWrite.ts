/** A write whose outcome is known. */
import { equal } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import type { Store } from '../session/store.ts';

/**
 * Writes `value` as the version after `version`; `undefined` deletes. When the store gives no answer, what it holds tells.
 *
 * @throws `store/failed` when nothing was written, `store/conflict` when somebody else has written
 */
export async function writeSurely(
  store: Store,
  name: string,
  value: Uint8Array | undefined,
  version: number,
): Promise<void> {
  let written: boolean;
  try {
    written = await store.write(name, value, version);
  } catch (error) {
    const stored = await store.read(name);
    if ((stored?.version ?? 0) === version) {
      throw new SimsError('store/failed', `${name} was not written`, { cause: error });
    }
    written = value === undefined ? stored === undefined : stored !== undefined && equal(stored.value, value);
  }
  if (!written) throw new SimsError('store/conflict', `another client wrote ${name}`);
}
