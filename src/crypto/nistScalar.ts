/** Private scalars of the NIST groups: drawn, and checked in time that does not depend on them. */
import { SimsError } from '../errors.ts';
import { expectLength } from './check.ts';
import type { RandomBytes } from './provider.ts';

/** A group whose scalars a program holds. */
export type NistGroup = 'P-256' | 'P-384';

/** Orders of the groups, big-endian (SP 800-186 §3.2.1). */
const ORDER: Readonly<Record<NistGroup, string>> = {
  'P-256': 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'P-384': 'ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
};
const MAXIMUM_DRAWS = 64;

/** @throws `crypto/invalid-argument` unless the key is a scalar in [1, n − 1]; `what` names it. */
export function expectScalar(group: NistGroup, what: string, key: Uint8Array): void {
  expectLength(what, key, ORDER[group].length / 2);
  if (!isScalar(group, key)) {
    throw new SimsError('crypto/invalid-argument', `${what} is not in the range of the group`);
  }
}

/** A scalar in [1, n − 1] from `random`, drawn again while it is none. */
export function drawScalar(group: NistGroup, random: RandomBytes): Uint8Array {
  const length = ORDER[group].length / 2;
  for (let draw = 0; draw < MAXIMUM_DRAWS; draw += 1) {
    const scalar = random(length);
    expectLength('randomness', scalar, length);
    if (isScalar(group, scalar)) return scalar;
  }
  // Chance below 2^-2000 for honest bytes.
  throw new SimsError('crypto/random-failed', `no ${group} scalar in ${MAXIMUM_DRAWS} draws`);
}

function isScalar(group: NistGroup, scalar: Uint8Array): boolean {
  const order = ORDER[group];
  let bits = 0;
  let borrow = 0;
  for (let index = scalar.length - 1; index >= 0; index -= 1) {
    const byte = scalar[index]!;
    bits |= byte;
    borrow = ((byte - parseInt(order.slice(2 * index, 2 * index + 2), 16) - borrow) >> 8) & 1;
  }
  return bits !== 0 && borrow === 1;
}
