/** All that the relay waits for, behind one wake-up. */

interface Entry {
  readonly atMs: number;
  /** Number of the timer: what is due at one time runs in the order in which it was set, whatever else is set. */
  readonly order: number;
  /** Gone when cancelled, so that nothing is held. */
  callback: (() => void) | undefined;
}

/** A heap of times. Cancelled ones are swept when they are the greater part. */
export class Timers {
  readonly #wake: (atMs: number) => void;
  #heap: Entry[] = [];
  #cancelled = 0;
  #next = 0;

  /** @param wake - asks to be run at that time; a later call with an earlier time replaces it */
  constructor(wake: (atMs: number) => void) {
    this.#wake = wake;
  }

  /** Timers that are set. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** Calls back at, or soon after, that time; the returned function cancels. */
  set(atMs: number, callback: () => void): () => void {
    const entry: Entry = { atMs, order: this.#next, callback };
    this.#next += 1;
    const first = this.#heap[0];
    this.#push(entry);
    if (first === undefined || atMs < first.atMs) this.#wake(atMs);
    return () => {
      if (entry.callback === undefined) return;
      entry.callback = undefined;
      this.#cancelled += 1;
      if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#sweep();
    };
  }

  /** Runs what is due, then asks for the next wake-up. A callback that throws is passed to `failed`. */
  run(nowMs: number, failed: (error: unknown) => void): void {
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= nowMs; first = this.#heap[0]) {
      this.#pop();
      const { callback } = first;
      if (callback === undefined) {
        this.#cancelled -= 1;
        continue;
      }
      first.callback = undefined;
      try {
        callback();
      } catch (error) {
        failed(error);
      }
    }
    const next = this.#heap[0];
    if (next !== undefined) this.#wake(next.atMs);
  }

  /** Forgets all of them. */
  clear(): void {
    for (const entry of this.#heap) entry.callback = undefined;
    this.#heap = [];
    this.#cancelled = 0;
  }

  #sweep(): void {
    const alive = this.#heap.filter((entry) => entry.callback !== undefined);
    // A sorted array is a heap.
    this.#heap = alive.sort((left, right) => left.atMs - right.atMs || left.order - right.order);
    this.#cancelled = 0;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}
