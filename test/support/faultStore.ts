import { SimsError } from '../../src/errors.ts';
import type { Store } from '../../src/session/store.ts';

/** What goes wrong with one write. `lost` and `unheard` reject: nothing was written, or everything was. */
export type StoreFault = 'none' | 'lost' | 'unheard' | 'lies-conflict' | 'lies-done' | 'late' | 'torn';

/** A store whose writes go wrong as told. After a crash (`torn`) every call rejects until {@link FaultStore.recover}. */
export class FaultStore implements Store {
  readonly #inner: Store;
  readonly #next: (writeNumber: number, name: string) => StoreFault;
  #isDown = false;
  writes = 0;
  /** Late writes wait for this. */
  #late: (() => void)[] = [];

  constructor(inner: Store, next: (writeNumber: number, name: string) => StoreFault) {
    this.#inner = inner;
    this.#next = next;
  }

  async read(name: string): ReturnType<Store['read']> {
    this.#check();
    return this.#inner.read(name);
  }

  async write(name: string, value: Uint8Array | undefined, expectedVersion: number): Promise<boolean> {
    this.#check();
    const fault = this.#next(this.writes, name);
    this.writes += 1;
    const bytes = value && Uint8Array.from(value);
    switch (fault) {
      case 'lost':
        throw new SimsError('store/failed', 'the disk is full');
      case 'unheard':
        await this.#inner.write(name, bytes, expectedVersion);
        throw new SimsError('store/failed', 'no answer came');
      case 'lies-conflict':
        await this.#inner.write(name, bytes, expectedVersion);
        return false;
      case 'lies-done':
        return true;
      case 'late':
        await new Promise<void>((resolve) => this.#late.push(resolve));
        return this.#inner.write(name, bytes, expectedVersion);
      case 'torn':
        this.#isDown = true;
        throw new SimsError('store/failed', 'the process ended');
      case 'none':
        return this.#inner.write(name, bytes, expectedVersion);
    }
  }

  async names(): ReturnType<Store['names']> {
    this.#check();
    return this.#inner.names();
  }

  async lock(): ReturnType<Store['lock']> {
    this.#check();
    return this.#inner.lock();
  }

  /** Lets late writes through. */
  letThrough(): void {
    for (const resolve of this.#late.splice(0)) resolve();
  }

  /** The process starts again. */
  recover(): void {
    this.#isDown = false;
  }

  #check(): void {
    if (this.#isDown) throw new SimsError('store/failed', 'the process ended');
  }
}
