/** Checks of what callers give. What peers send never comes here: it gives `undefined` or `false`. */
import { SimsError } from '../errors.ts';

/** @throws `crypto/invalid-argument` unless `bytes` has exactly that length. */
export function expectLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) {
    throw new SimsError('crypto/invalid-argument', `${what} has ${bytes.length} bytes, needs ${length}`);
  }
}
