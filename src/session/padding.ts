/**
 * Length hiding: Padmé buckets (Nikitin et al., PURBs, 2019), at least 32 bytes.
 *
 * @packageDocumentation
 */

/** How what is sealed is padded. `none` shows the exact length to the relay. */
export type Padding = 'padme' | 'none';

const SMALLEST_BUCKET = 32;

/** Length of the bucket that `length` bytes are padded to: at most 12 % more. */
export function bucketLength(length: number, padding: Padding): number {
  if (padding === 'none') return length;
  if (length <= SMALLEST_BUCKET) return SMALLEST_BUCKET;
  const exponent = 31 - Math.clz32(length);
  const significantBits = 32 - Math.clz32(exponent);
  const unit = 2 ** (exponent - significantBits);
  return Math.ceil(length / unit) * unit;
}

/** Length before the marker 0x80 and its zeros; −1 when there is no marker. */
export function unpaddedLength(bytes: Uint8Array): number {
  let index = bytes.length - 1;
  while (index >= 0 && bytes[index] === 0) index -= 1;
  return index >= 0 && bytes[index] === 0x80 ? index : -1;
}
