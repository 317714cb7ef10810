/** Messages that have come and wait for the receiver, first in, first out; both ends in constant time. */
export class MessageQueue {
  #messages: (Uint8Array | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  /** Sum of the lengths of what waits, with a share for each message's own cost. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds one at the end. */
  push(message: Uint8Array): void {
    this.#messages.push(message);
    this.#bytes += costOf(message);
  }

  /** Takes the first, or `undefined` when none waits. */
  shift(): Uint8Array | undefined {
    const message = this.#messages[this.#head];
    if (message === undefined) return undefined;
    this.#messages[this.#head] = undefined;
    this.#head += 1;
    this.#bytes -= costOf(message);
    if (this.#head === this.#messages.length) {
      this.clear();
    } else if (this.#head > 1_024 && this.#head * 2 > this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  /** Forgets all. */
  clear(): void {
    this.#messages.length = 0;
    this.#head = 0;
    this.#bytes = 0;
  }
}

/** What one message counts for in a bounded queue: many tiny ones must not cost more memory than is counted. */
export function costOf(message: Uint8Array): number {
  return message.length + 64;
}
