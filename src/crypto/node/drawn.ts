/** Key pairs from drawn bytes: what Node does with randomness that is not its own. Reproducible, and not for speed. */
import { createECDH } from 'node:crypto';
import { drawScalar, type NistGroup } from '../nistScalar.ts';
import type { RandomBytes } from '../provider.ts';
import { plain } from './keys.ts';

const CURVE: Readonly<Record<NistGroup, string>> = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' };

/** A scalar from `random` and its uncompressed point. */
export function drawnKeyPair(
  group: NistGroup,
  random: RandomBytes,
): { readonly scalar: Uint8Array; readonly point: Uint8Array } {
  const scalar = drawScalar(group, random);
  const ecdh = createECDH(CURVE[group]);
  ecdh.setPrivateKey(scalar);
  return { scalar, point: plain(ecdh.getPublicKey()) };
}
