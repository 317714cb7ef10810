/**
 * The one core of Bell–LaPadula and Biba: each is this, turned one way or the other.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { nameFault, quoted } from './definition.ts';
import { dominates, dominatesWithin, sameLabel, scopeOf, type Label, type Lattice, type Scope } from './label.ts';
import {
  FLOW_KINDS,
  FLOWS,
  freezeDecision,
  type Decision,
  type Exemption,
  type Flow,
  type FlowKind,
  type ModelDescription,
  type Policy,
  type Rule,
  type Subject,
} from './policy.ts';

/** Options of a model; all are off by default, and the model rules over the whole label. */
export interface ModelOptions {
  /** Bell–LaPadula: write only at one's own label. Biba: read only at one's own label. */
  readonly strong?: boolean;
  /** Whether the model rules over levels; default true. */
  readonly levels?: boolean;
  /** Compartments that the model rules over; default all. */
  readonly compartments?: readonly string[];
  /** Trusted subjects. */
  readonly exemptions?: readonly Exemption[];
}

/** What makes one model of the core. `with` the lattice: information goes to labels that dominate; `against`: to those dominated. */
export interface Orientation {
  readonly model: ModelDescription['model'];
  readonly along: 'with' | 'against';
  /** The operation that clearance bounds, whatever exemption there is. */
  readonly bounded: 'read' | 'write';
  /** The rule of that bound. */
  readonly boundRule: Rule;
  readonly rules: Readonly<Record<'read' | 'write', Rule>>;
  readonly strongRule: Rule;
  /** Why a flow is denied, for a person. */
  readonly reasons: Readonly<Record<'read' | 'write' | 'bound' | 'strong', string>>;
}

interface Refusal {
  readonly rule: Rule;
  readonly reason: string;
  /** Whether a trusted subject may do it all the same. */
  readonly exemptible: boolean;
}

/** A policy of one model over one lattice. */
export function modelPolicy(lattice: Lattice, orientation: Orientation, options: ModelOptions): Policy {
  const { strong = false, levels = true, compartments = lattice.compartments, exemptions = [] } = options;
  const scope = scopeOf(lattice, levels, compartments);
  for (const exemption of exemptions) checkExemption(lattice, exemption);
  const model: ModelDescription = Object.freeze({
    model: orientation.model,
    strong,
    levels,
    compartments: Object.freeze([...compartments]),
    exemptions: Object.freeze(exemptions.map(freezeExemption)),
  });
  const trusted = new Map<string, Exemption[]>();
  for (const exemption of model.exemptions) {
    for (const id of exemption.subjects) trusted.set(id, [...(trusted.get(id) ?? []), exemption]);
  }
  // Weak in both labels, so that it ends with them and holds no more than the labels that are in use.
  const permitted = new WeakMap<Label, WeakMap<Label, Partial<Record<FlowKind, Decision>>>>();

  function decide(flow: Flow): Decision {
    const { subject, object, kind } = flow;
    const { current, clearance } = subject;
    if (current !== clearance && !dominates(clearance, current)) return denyAboveClearance(flow);
    const kept = permitted.get(current)?.get(object)?.[kind];
    return kept ?? decideAnew(flow);
  }

  function decideAnew(flow: Flow): Decision {
    const { subject, object, kind } = flow;
    if (!Object.hasOwn(FLOWS, kind))
      throw new SimsError('ifc/policy-invalid', `no kind of flow ${quoted(String(kind))}`);
    // The object's is compared with the subject's below.
    if (subject.current.lattice.id !== lattice.id) {
      throw new SimsError('ifc/lattice-mismatch', 'a label is not of the lattice of the policy');
    }
    const { direction } = FLOWS[kind];
    const operations = direction === 'both' ? (['write', 'read'] as const) : ([direction] as const);
    const used = new Set<string>();
    for (const operation of operations) {
      const refusal = refuse(orientation, scope, strong, operation, subject, object);
      if (refusal === undefined) continue;
      const found = refusal.exemptible ? exemptionsOf(trusted, subject, object, kind)[0] : undefined;
      if (found === undefined) return decision(flow, false, refusal.rule, refusal.reason, []);
      used.add(found.name);
    }
    if (used.size > 0) {
      const names = [...used];
      return decision(
        flow,
        true,
        'exemption',
        `the subject is trusted to, by the exemption ${names.join(', ')}`,
        names,
      );
    }
    const answer = decision(flow, true, orientation.rules[operations[0]], permitReason(orientation, flow), []);
    keep(subject.current, object, kind, answer);
    return answer;
  }

  function keep(current: Label, object: Label, kind: FlowKind, answer: Decision): void {
    let row = permitted.get(current);
    if (row === undefined) permitted.set(current, (row = new WeakMap()));
    let cell = row.get(object);
    // Without a prototype: no inherited name may ever pass for a decision.
    if (cell === undefined) row.set(object, (cell = Object.create(null) as Partial<Record<FlowKind, Decision>>));
    cell[kind] = answer;
  }

  return Object.freeze({ lattice, models: Object.freeze([model]), decide });
}

function refuse(
  orientation: Orientation,
  scope: Scope,
  strong: boolean,
  operation: 'read' | 'write',
  subject: Subject,
  object: Label,
): Refusal | undefined {
  const { bounded, boundRule, rules, strongRule, reasons, along } = orientation;
  if (operation === bounded && !dominatesWithin(scope, subject.clearance, object)) {
    return { rule: boundRule, reason: reasons.bound, exemptible: false };
  }
  const [from, to] = ends(operation, subject.current, object);
  const fits = along === 'with' ? dominatesWithin(scope, to, from) : dominatesWithin(scope, from, to);
  if (!fits) return { rule: rules[operation], reason: reasons[operation], exemptible: true };
  if (!strong || operation === bounded) return undefined;
  const sameWithin = dominatesWithin(scope, from, to) && dominatesWithin(scope, to, from);
  return sameWithin ? undefined : { rule: strongRule, reason: reasons.strong, exemptible: true };
}

/** Exemptions that cover the flow of this subject. */
function exemptionsOf(
  trusted: ReadonlyMap<string, readonly Exemption[]>,
  subject: Subject,
  object: Label,
  kind: FlowKind,
): readonly Exemption[] {
  if (subject.id === undefined) return [];
  const own = trusted.get(subject.id) ?? [];
  return own.filter((exemption) => {
    if (!exemption.kinds.includes(kind)) return false;
    return [subject.current, object].every(
      (end) => dominates(end, exemption.lowest) && dominates(exemption.highest, end),
    );
  });
}

/** Source and destination of the information. A flow both ways is told from the subject's side. */
function ends(operation: 'read' | 'write' | 'both', current: Label, object: Label): readonly [from: Label, to: Label] {
  return operation === 'read' ? [object, current] : [current, object];
}

function decision(flow: Flow, permit: boolean, rule: Rule, reason: string, exemptions: readonly string[]): Decision {
  const { direction, noun } = FLOWS[flow.kind];
  const [from, to] = ends(direction, flow.subject.current, flow.object);
  const what = `${noun.charAt(0).toUpperCase()}${noun.slice(1)} ${permit ? 'may' : 'may not'} go`;
  const sentence = `${what} from ${from.text} to ${to.text}: ${reason}.`;
  return freezeDecision({ permit, rule, kind: flow.kind, from, to, exemptions, sentence });
}

function permitReason(orientation: Orientation, flow: Flow): string {
  const [from, to] = ends(FLOWS[flow.kind].direction, flow.subject.current, flow.object);
  if (sameLabel(from, to)) return 'both are at one label';
  const reason = orientation.along === 'with' ? 'dominates' : 'is dominated by';
  const whole = orientation.along === 'with' ? dominates(to, from) : dominates(from, to);
  return whole ? `${to.text} ${reason} ${from.text}` : `${to.text} ${reason} ${from.text} in what the rule looks at`;
}

function denyAboveClearance(flow: Flow): Decision {
  const { current, clearance } = flow.subject;
  const reason = `the session is at ${current.text}, which its clearance ${clearance.text} does not dominate`;
  return decision(flow, false, 'clearance', reason, []);
}

function checkExemption(lattice: Lattice, exemption: Exemption): void {
  const misnamed = nameFault(exemption.name);
  if (misnamed !== undefined) throw new SimsError('ifc/policy-invalid', misnamed);
  for (const kind of exemption.kinds) {
    if (!FLOW_KINDS.includes(kind))
      throw new SimsError('ifc/policy-invalid', `no kind of flow ${quoted(String(kind))}`);
  }
  if (exemption.lowest.lattice.id !== lattice.id || !dominates(exemption.highest, exemption.lowest)) {
    const labels = `highest ${quoted(exemption.highest.text)}, lowest ${quoted(exemption.lowest.text)}`;
    throw new SimsError('ifc/policy-invalid', `exemption ${quoted(exemption.name)}: ${labels} do not fit`);
  }
}

function freezeExemption(exemption: Exemption): Exemption {
  return Object.freeze({
    ...exemption,
    subjects: Object.freeze([...exemption.subjects]),
    kinds: Object.freeze([...exemption.kinds]),
  });
}
