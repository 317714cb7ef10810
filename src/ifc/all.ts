/**
 * Several policies at once.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { freezeDecision, type Decision, type Flow, type Policy } from './policy.ts';

/**
 * The policy that permits what each of the policies permits. The first that denies gives the reason; exemptions add up.
 *
 * @throws `ifc/policy-invalid` for none; `ifc/lattice-mismatch` for policies over two lattices
 */
export function all(policies: readonly Policy[]): Policy {
  const [first] = policies;
  if (first === undefined) throw new SimsError('ifc/policy-invalid', 'no policy to combine');
  if (policies.length === 1) return first;
  for (const policy of policies) {
    if (policy.lattice.id !== first.lattice.id)
      throw new SimsError('ifc/lattice-mismatch', 'policies over two lattices');
  }
  const members = Object.freeze([...policies]);
  const models = Object.freeze(members.flatMap((policy) => policy.models));
  return Object.freeze({ lattice: first.lattice, models, decide: (flow: Flow) => decideAll(members, flow) });
}

function decideAll(members: readonly Policy[], flow: Flow): Decision {
  let exempted: Decision[] | undefined;
  let plain: Decision | undefined;
  for (const member of members) {
    const decision = member.decide(flow);
    if (!decision.permit) return decision;
    if (decision.exemptions.length > 0) (exempted ??= []).push(decision);
    else plain ??= decision;
  }
  if (exempted === undefined) return plain!;
  if (exempted.length === 1) return exempted[0]!;
  const exemptions = [...new Set(exempted.flatMap((decision) => decision.exemptions))];
  return freezeDecision({
    ...exempted[0]!,
    exemptions,
    sentence: exempted.map((decision) => decision.sentence).join(' '),
  });
}
