/**
 * Why a flow is permitted or denied, at length, for `sims policy explain`.
 *
 * @packageDocumentation
 */
import { compareLabels, compartmentsOf, type Label } from './label.ts';
import {
  FLOWS,
  reach,
  type Decision,
  type Exemption,
  type Flow,
  type FlowKind,
  type Policy,
  type Subject,
} from './policy.ts';

/** From where to where, and what. */
export interface FlowQuestion {
  readonly from: Label;
  readonly to: Label;
  readonly kind: FlowKind;
}

/** The decision between two sessions cleared for no more than their own labels, and the sentences that explain it. */
export function explainFlow(
  policy: Policy,
  question: FlowQuestion,
): { readonly decision: Decision; readonly sentences: readonly string[] } {
  const { from, to, kind } = question;
  const decision = policy.decide(flowOf(question));
  const sentences = [decision.sentence, relationSentence(from, to)];
  if (!decision.permit) sentences.push(`The rule that denies it is ${decision.rule}.`);
  sentences.push(...exemptionSentences(policy, question, decision), reachSentence(policy, from, to));
  if (!decision.permit && FLOWS[kind].direction !== 'read') {
    sentences.push('On the wire the answer is the same as for somebody who does not exist.');
  }
  if (decision.audit) sentences.push('It is written to the audit log.');
  return { decision, sentences };
}

function flowOf({ from, to, kind }: FlowQuestion): Flow {
  return FLOWS[kind].direction === 'read'
    ? { subject: subjectAt(to), object: from, kind }
    : { subject: subjectAt(from), object: to, kind };
}

function subjectAt(label: Label): Subject {
  return { current: label, clearance: label };
}

function relationSentence(from: Label, to: Label): string {
  switch (compareLabels(to, from)) {
    case 'equal':
      return 'The labels are equal.';
    case 'above':
      return `${to.text} dominates ${from.text}.`;
    case 'below':
      return `${from.text} dominates ${to.text}, not the other way round.`;
    case 'apart':
      return `Neither label dominates the other: ${differences(to, from)}.`;
  }
}

function differences(to: Label, from: Label): string {
  const missing = (at: Label, other: Label): string[] => {
    const own = compartmentsOf(at);
    const faults = compartmentsOf(other).filter((name) => !own.includes(name));
    return at.level < other.level ? [`the level ${at.lattice.levels[other.level]!}`, ...faults] : faults;
  };
  return `${to.text} lacks ${missing(to, from).join(', ')}, and ${from.text} lacks ${missing(from, to).join(', ')}`;
}

/** Exemptions that would permit it, found by asking as their subjects would. */
function exemptionSentences(policy: Policy, question: FlowQuestion, decision: Decision): readonly string[] {
  if (decision.permit) return [];
  const sentences: string[] = [];
  const covering = (exemption: Exemption): boolean => {
    const flow = flowOf(question);
    return exemption.subjects.some((id) => {
      const highest = { ...flow.subject, clearance: exemption.highest, id };
      const able = compareLabels(exemption.highest, flow.subject.current);
      if (able !== 'above' && able !== 'equal') return false;
      const answer = policy.decide({ ...flow, subject: highest });
      return answer.permit && answer.exemptions.includes(exemption.name);
    });
  };
  for (const exemption of policy.models.flatMap((model) => model.exemptions)) {
    if (!covering(exemption)) continue;
    const who = exemption.subjects.length === 1 ? 'one trusted client' : `${exemption.subjects.length} trusted clients`;
    sentences.push(
      `The exemption ${exemption.name} permits it to ${who} cleared for it; each use is written to the audit log.`,
    );
  }
  return sentences;
}

function reachSentence(policy: Policy, from: Label, to: Label): string {
  switch (reach(policy, subjectAt(from), subjectAt(to))) {
    case 'both':
      return `Sessions at ${from.text} and ${to.text} converse.`;
    case 'forth':
      return `One way only: sessions at ${from.text} can write to ${to.text}, and never learn whether it was delivered.`;
    case 'back':
      return `One way only: sessions at ${to.text} can write to ${from.text}, and never learn whether it was delivered.`;
    case 'none':
      return `Sessions at ${from.text} and ${to.text} cannot reach each other.`;
  }
}
