import type { RandomBytes } from '../crypto/provider.ts';

const STOCK_BYTES = 3_072;

/** The same bytes, drawn many at a time: for what is public, such as the nonces of records. */
export function drawnAhead(random: RandomBytes): RandomBytes {
  let stock: Uint8Array = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > STOCK_BYTES) return random(length);
    if (used + length > stock.length) {
      stock = random(STOCK_BYTES);
      used = 0;
    }
    used += length;
    return stock.slice(used - length, used);
  };
}
