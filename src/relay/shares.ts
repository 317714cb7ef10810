/**
 * What the clients of one label use of a limit. Labels do not share limits: what is used at one must not be felt at
 * another, or whoever fills a limit and frees it could signal to a level that may not hear it.
 *
 * @packageDocumentation
 */

/** Sums by label text; labels without any are forgotten. */
export class Shares {
  readonly #used = new Map<string, number>();

  /** What is used at a label. */
  of(label: string): number {
    return this.#used.get(label) ?? 0;
  }

  /** Adds to what is used at a label, or takes from it. */
  add(label: string, amount: number): void {
    if (amount === 0) return;
    const used = this.of(label) + amount;
    if (used === 0) this.#used.delete(label);
    else this.#used.set(label, used);
  }

  /** Of all labels together: for the operator alone, never for a decision about a client. */
  get total(): number {
    let total = 0;
    for (const used of this.#used.values()) total += used;
    return total;
  }
}
