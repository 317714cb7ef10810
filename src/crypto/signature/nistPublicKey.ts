/** Public keys on the NIST curves, checked in plain BigInt: they hold nothing secret, and a bundle needs no curve library. */
import type { SignaturePublicKey } from '../provider.ts';
import { rawP256, rawP384 } from './spki.ts';

interface Curve {
  readonly coordinateLength: number;
  readonly p: string;
  readonly b: string;
}

/** FIPS 186-5 / SP 800-186 §3.2.1.3. */
const P256: Curve = {
  coordinateLength: 32,
  p: '0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff',
  b: '0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b',
};
/** SP 800-186 §3.2.1.4. */
const P384: Curve = {
  coordinateLength: 48,
  p: '0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff',
  b: '0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef',
};

/** A P-256 key whose point is on the curve; else `undefined`. */
export function parseP256(spki: Uint8Array): SignaturePublicKey | undefined {
  const point = rawP256(spki);
  return point !== undefined && isPoint(P256, point)
    ? { algorithm: 'ECDSA-P256-SHA256', spki: spki.slice() }
    : undefined;
}

/** A P-384 key whose point is on the curve; else `undefined`. */
export function parseP384(spki: Uint8Array): SignaturePublicKey | undefined {
  const point = rawP384(spki);
  return point !== undefined && isPoint(P384, point)
    ? { algorithm: 'ECDSA-P384-SHA384', spki: spki.slice() }
    : undefined;
}

/** Whether the bytes are 04 ‖ x ‖ y with y² = x³ − 3x + b, both below p. The groups have no subgroups. */
function isPoint(curve: Curve, bytes: Uint8Array): boolean {
  const { coordinateLength } = curve;
  if (bytes.length !== 1 + 2 * coordinateLength || bytes[0] !== 4) return false;
  const p = BigInt(curve.p);
  const x = toBigInt(bytes.subarray(1, 1 + coordinateLength));
  const y = toBigInt(bytes.subarray(1 + coordinateLength));
  if (x >= p || y >= p) return false;
  return (y * y - x * x * x + 3n * x - BigInt(curve.b)) % p === 0n;
}

function toBigInt(bytes: Uint8Array): bigint {
  let digits = '0x';
  for (const byte of bytes) digits += byte.toString(16).padStart(2, '0');
  return BigInt(digits);
}
