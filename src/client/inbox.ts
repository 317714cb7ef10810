/** A queue with one reader: what `for await` reads. */

/** Items in order; ends after {@link Inbox.end}, when what is queued has been read. */
export class Inbox<Item> implements AsyncIterableIterator<Item> {
  readonly #items: Item[] = [];
  readonly #taken: (item: Item) => void;
  #last: Item | undefined;
  #waiting: ((result: IteratorResult<Item>) => void)[] = [];
  #ended = false;

  /** @param taken - called for an item when its reader asks for the next one or stops */
  constructor(taken: (item: Item) => void = () => {}) {
    this.#taken = taken;
  }

  /** Items that wait for the reader. */
  get length(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    if (this.#ended) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else {
      this.#last = item;
      waiting({ done: false, value: item });
    }
  }

  end(): void {
    this.#ended = true;
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<Item>> {
    this.#takeLast();
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#last = item;
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<Item>> {
    this.#takeLast();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #takeLast(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last !== undefined) this.#taken(last);
  }
}
