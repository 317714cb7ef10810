/** Which 32 bytes are an Ed25519 public key, in plain BigInt: they hold nothing secret, and no curve library loads. */

/** Bytes of the seed, which is the private key. */
export const ED25519_SEED = 32;
/** Bytes of a signature: R ‖ S. */
export const ED25519_SIGNATURE = 64;

const P = 2n ** 255n - 19n;
/** The curve's d, −121665/121666 (RFC 8032 §5.1). */
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
/** y of the points whose order is 1, 2, 4 or 8. */
const SMALL_ORDER: readonly bigint[] = [
  1n,
  P - 1n,
  0n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
];

/** Whether the encoding is canonical, the point on the curve and its order large (RFC 8032 §5.1.3). */
export function isSoundEd25519(raw: Uint8Array): boolean {
  if (raw.length !== 32) return false;
  let digits = (raw[31]! & 0x7f).toString(16);
  for (let index = 30; index >= 0; index -= 1) digits += raw[index]!.toString(16).padStart(2, '0');
  const y = BigInt(`0x${digits}`);
  if (y >= P || SMALL_ORDER.includes(y)) return false;
  // x² = (y² − 1) / (d·y² + 1) is a square exactly if the product of both is, by Euler's criterion.
  const square = (y * y) % P;
  return halfPower(((square - 1n) * (D * square + 1n)) % P) === 1n;
}

/** a^((p − 1) / 2), of which the exponent is 2^254 − 10. */
function halfPower(a: bigint): bigint {
  const b2 = times(squared(a, 1), a);
  const b4 = times(squared(b2, 2), b2);
  const b5 = times(squared(b4, 1), a);
  const b10 = times(squared(b5, 5), b5);
  const b20 = times(squared(b10, 10), b10);
  const b40 = times(squared(b20, 20), b20);
  const b80 = times(squared(b40, 40), b40);
  const b160 = times(squared(b80, 80), b80);
  const b240 = times(squared(b160, 80), b80);
  const b250 = times(squared(b240, 10), b10);
  const result = times(squared(times(squared(b250, 2), a), 2), squared(a, 1));
  return result < 0n ? result + P : result;
}

function squared(value: bigint, count: number): bigint {
  let result = value;
  for (let index = 0; index < count; index += 1) result = (result * result) % P;
  return result;
}

function times(left: bigint, right: bigint): bigint {
  return (left * right) % P;
}
