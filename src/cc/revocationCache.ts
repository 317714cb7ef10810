/**
 * Keeps revocation data that was fetched and proved good until its nextUpdate. What did not verify is never kept, so that
 * nobody can fill the cache with lists of their own.
 *
 * @packageDocumentation
 */
import type { Crl } from './crl.ts';
import type { OcspResponse } from './ocsp.ts';

/** What is kept: a list by its address, a response by the certificate that it is about. */
export type CachedRevocationData = { readonly crl: Crl } | { readonly ocsp: OcspResponse };

/** A cache in memory, the least recently used leaving first. Share one between verifications. */
export class RevocationCache {
  readonly #maxBytes: number;
  readonly #items = new Map<string, { data: CachedRevocationData; expiresAtMs: number; size: number }>();
  #size = 0;

  /** @param maxBytes - default 64 MiB */
  constructor(maxBytes = 67_108_864) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes kept. */
  get size(): number {
    return this.#size;
  }

  /** Data kept under a key; `undefined` once it has expired. */
  get(key: string, atMs: number): CachedRevocationData | undefined {
    const item = this.#items.get(key);
    if (item === undefined) return undefined;
    this.#drop(key);
    if (item.expiresAtMs < atMs) return undefined;
    this.#items.set(key, item);
    this.#size += item.size;
    return item.data;
  }

  /** Keeps data of `size` bytes until `expiresAtMs`. */
  set(key: string, data: CachedRevocationData, size: number, expiresAtMs: number): void {
    this.#drop(key);
    if (size > this.#maxBytes) return;
    this.#items.set(key, { data, expiresAtMs, size });
    this.#size += size;
    for (const oldest of this.#items.keys()) {
      if (this.#size <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const item = this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(key);
    this.#size -= item.size;
  }
}
