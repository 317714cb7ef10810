/**
 * Bell–LaPadula: who may know. Information goes only to labels that dominate its own.
 *
 * @packageDocumentation
 */
import type { Lattice } from './label.ts';
import { modelPolicy, type ModelOptions, type Orientation } from './model.ts';
import type { Policy } from './policy.ts';

const CONFIDENTIALITY: Orientation = {
  model: 'bell-lapadula',
  along: 'with',
  bounded: 'read',
  boundRule: 'simple-security',
  rules: { read: 'simple-security', write: 'star-property' },
  strongRule: 'strong-star-property',
  reasons: {
    read: 'that would be reading up from the level of this session (no read up)',
    write: 'that would be writing down (no write down)',
    bound: 'that would be reading above the clearance (no read up)',
    strong: 'by the strong *-property one writes only at one’s own label',
  },
};

/**
 * A policy by Bell and LaPadula (1976).
 *
 * Simple security: a subject reads only what its clearance and its current label dominate. *-property: it writes only
 * to what dominates its current label; strong, only to its current label. The current label is at or below the
 * clearance. An exemption lets a trusted subject write down, or read above its current label, between the labels that
 * it names; never read above the clearance.
 *
 * @throws `ifc/policy-invalid` for an exemption with an unknown kind or ends that do not fit; `ifc/label-unknown` for
 *   an unknown compartment
 */
export function bellLaPadula(lattice: Lattice, options: ModelOptions = {}): Policy {
  return modelPolicy(lattice, CONFIDENTIALITY, options);
}
