import { ed25519 as curve } from '@noble/curves/ed25519.js';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSoundEd25519 } from '../../src/crypto/signature/ed25519Point.ts';

const P = 2n ** 255n - 19n;

/** y below 2^255 with a sign, little-endian. */
function encoded(y: bigint, sign: boolean): Uint8Array {
  const bytes = Uint8Array.from({ length: 32 }, (_, index) => Number((y >> BigInt(8 * index)) & 255n));
  if (sign) bytes[31]! |= 0x80;
  return bytes;
}

/** What the curve library says of the same bytes. */
function isSoundByLibrary(bytes: Uint8Array): boolean {
  try {
    return !curve.Point.fromBytes(bytes).isSmallOrder();
  } catch {
    return false;
  }
}

describe('soundness of an Ed25519 public key', () => {
  it('is what the curve library finds, for small, large and non-canonical y of either sign', () => {
    for (let offset = 0n; offset < 60n; offset += 1n) {
      for (const y of [offset, P - 1n - offset, P + (offset % 19n)]) {
        for (const sign of [false, true]) {
          const bytes = encoded(y, sign);
          expect(isSoundEd25519(bytes), `y = ${y}, sign ${sign}`).toBe(isSoundByLibrary(bytes));
        }
      }
    }
  });

  it('is what the curve library finds, for any bytes', () => {
    let sound = 0;
    for (let round = 0; round < 200; round += 1) {
      const bytes = Uint8Array.from(randomBytes(32));
      expect(isSoundEd25519(bytes), Buffer.from(bytes).toString('hex')).toBe(isSoundByLibrary(bytes));
      sound += isSoundEd25519(bytes) ? 1 : 0;
    }
    // About half of all y are on the curve.
    expect(sound).toBeGreaterThan(50);
    expect(sound).toBeLessThan(150);
  });

  it('is refused to every point of small order, in each of its encodings', () => {
    const torsion = curve.Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
    let point = curve.Point.ZERO;
    for (let order = 0; order < 8; order += 1) {
      expect(isSoundEd25519(point.toBytes()), `${order} times the generator of the torsion`).toBe(false);
      point = point.add(torsion);
    }
    expect(point.equals(curve.Point.ZERO)).toBe(true);
  });

  it('is refused to another length', () => {
    expect(isSoundEd25519(new Uint8Array(31))).toBe(false);
    expect(isSoundEd25519(new Uint8Array(33))).toBe(false);
  });
});
