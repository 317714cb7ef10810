/**
 * Randomness of one step: fixed by seed and step alone, so that a step stays the same when others are left out.
 *
 * @packageDocumentation
 */
export class Chance {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** Begins the draws of a step (sfc32). */
  begin(seed: number, step: number): void {
    this.#a = seed | 0;
    this.#b = step | 0;
    this.#c = Math.floor(seed / 2 ** 32) ^ 0x51a5;
    this.#d = 1;
    for (let round = 0; round < 12; round += 1) this.word();
  }

  word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.word() / 2 ** 32;
  }

  is(probability: number): boolean {
    return this.unit() < probability;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  /** One of a list; `undefined` of an empty one. */
  pick<T>(list: readonly T[]): T | undefined {
    return list[this.below(list.length)];
  }

  readonly bytes = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index += 4) {
      const word = this.word();
      for (let byte = 0; byte < 4 && index + byte < length; byte += 1) bytes[index + byte] = word >>> (8 * byte);
    }
    return bytes;
  };
}
