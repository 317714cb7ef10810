/**
 * Secrets inside states and outputs: they do not print, and what was superseded cannot be used again.
 *
 * @packageDocumentation
 */
import { wipe } from '../bytes.ts';
import { SimsError } from '../errors.ts';

const spent = new WeakSet<object>();

/**
 * An object with fields that can be read by name and are seen by nothing that enumerates: `util.inspect`, JSON, spread
 * and structured clones leave them out. So a state that holds secrets is not to be stored: a restored one could seal
 * twice under one key.
 *
 * @param shown fields that are enumerable as usual
 */
export function conceal<Hidden extends object, Shown extends object = object>(
  hidden: Hidden,
  shown?: Shown,
): Readonly<Hidden & Shown> {
  const object = { ...shown };
  for (const [name, value] of Object.entries(hidden)) Object.defineProperty(object, name, { value, enumerable: false });
  return object as Readonly<Hidden & Shown>;
}

/** Wipes every byte array in concealed secrets, one level of nesting included, and bars their use. */
export function spend(secrets: object): void {
  spent.add(secrets);
  wipeFields(secrets);
}

/**
 * Bars a second use of a state.
 *
 * @throws `handshake/state-spent` when the state's secrets were wiped by an earlier step
 */
export function assertUnspent(secrets: object): void {
  if (spent.has(secrets)) throw new SimsError('handshake/state-spent', 'this state was left by an earlier step');
}

function wipeFields(value: object): void {
  for (const name of Object.getOwnPropertyNames(value)) {
    const field: unknown = Reflect.get(value, name);
    if (field instanceof Uint8Array) wipe(field);
    else if (typeof field === 'object' && field !== null) wipeFields(field);
  }
}
