/**
 * Where state is kept. What is stored is opaque here, and holds private keys: encrypt it (`sealedStore` of the client does).
 *
 * @packageDocumentation
 */

/** A stored value and its version, which grows by one with every write. */
export interface Stored {
  readonly version: number;
  readonly value: Uint8Array;
}

/**
 * A map from short names to bytes, with compare-and-swap. One client writes at a time ({@link Store.lock}); the
 * version finds out when another did nonetheless. A write that resolves has reached whatever the store calls durable.
 */
export interface Store {
  /** The value under `name`; `undefined` when there is none. */
  read(name: string): Promise<Stored | undefined>;
  /**
   * Writes `value` as the version after `expectedVersion` (0: the name must be free); `undefined` deletes. Resolves
   * to whether the expected version was there. A rejection leaves open whether the write happened: read again.
   */
  write(name: string, value: Uint8Array | undefined, expectedVersion: number): Promise<boolean>;
  /** Names in use, in no order. */
  names(): Promise<readonly string[]>;
  /**
   * Becomes the one writer, until the returned function is called.
   *
   * @throws `store/locked` when another client has it
   */
  lock(): Promise<() => Promise<void>>;
}
