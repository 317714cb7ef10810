/** What is sent in benchmarks, and a cheap check that it arrived. */

/** Sizes of content, by the name that tables give them. */
export const SIZES = [
  { name: '64 B', bytes: 64 },
  { name: '1 KiB', bytes: 1024 },
  { name: '16 KiB', bytes: 16_384 },
] as const;

/** Letters, so that peers that take only text can send it. */
export function contentOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => 97 + (index % 26));
}

/** Throws unless the lengths agree and a sample of the bytes does. */
export function expectSame(got: Uint8Array, expected: Uint8Array): void {
  if (got.length !== expected.length) throw new Error(`${got.length} bytes arrived of ${expected.length}`);
  for (let index = 0; index < got.length; index += 97) {
    if (got[index] !== expected[index]) throw new Error(`byte ${index} arrived changed`);
  }
}
