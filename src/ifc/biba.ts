/**
 * Biba: whom to trust. Information goes only to labels that its own dominates.
 *
 * @packageDocumentation
 */
import type { Lattice } from './label.ts';
import { modelPolicy, type ModelOptions, type Orientation } from './model.ts';
import type { Policy } from './policy.ts';

const INTEGRITY: Orientation = {
  model: 'biba',
  along: 'against',
  bounded: 'write',
  boundRule: 'integrity-star-property',
  rules: { read: 'simple-integrity', write: 'integrity-star-property' },
  strongRule: 'strong-integrity-property',
  reasons: {
    read: 'that would be taking in what is less trusted (no read down)',
    write: 'that would be writing to what is more trusted than this session (no write up)',
    bound: 'that would be writing to what is more trusted than the clearance (no write up)',
    strong: 'by the strong rule one reads only at one’s own label',
  },
};

/**
 * A policy by Biba (1977), strict integrity: the dual of Bell–LaPadula, with the lattice turned round and reading and
 * writing exchanged.
 *
 * Simple integrity: a subject reads only what dominates its current label; strong, only at its current label.
 * *-property: it writes only to what its current label dominates. An exemption lets a trusted subject vouch: write up,
 * or read down, between the labels that it names; never write above the clearance.
 *
 * @throws as `modelPolicy` does: `ifc/policy-invalid`, `ifc/label-unknown`
 */
export function biba(lattice: Lattice, options: ModelOptions = {}): Policy {
  return modelPolicy(lattice, INTEGRITY, options);
}
