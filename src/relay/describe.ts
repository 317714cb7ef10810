/**
 * What clearance rules are told of a verified identity.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import type { VerifiedIdentity } from '../handshake/index.ts';
import { parseLabel, type CredentialDescription, type Label, type PolicyFile } from '../ifc/index.ts';

/**
 * The description of an identity under a policy. A key is its bearer's word; a certificate got here only because it was
 * verified.
 *
 * @throws `handshake/credential-kind` for a relay
 */
export function describerFor(policy: PolicyFile): (identity: VerifiedIdentity) => CredentialDescription {
  return ({ kind, id, person }) => {
    if (kind === 'relay') throw new SimsError('handshake/credential-kind', 'a relay as a client');
    const description = { kind, id, verified: kind === 'certificate' };
    if (person === undefined) return description;
    const { issuer, policyOids, subject, highestLabel } = person;
    const facts = { ...description, issuer, policyOids, subject };
    return highestLabel === undefined ? facts : { ...facts, highest: highest(policy, highestLabel) };
  };
}

/** A limit that this lattice does not have cannot be compared: nothing but the lowest level is below it for certain. */
function highest({ lattice }: PolicyFile, text: string): Label {
  try {
    return parseLabel(lattice, text);
  } catch (error) {
    if (error instanceof SimsError) return parseLabel(lattice, lattice.levels[0]!);
    throw error;
  }
}
