/**
 * What a policy is asked and what it answers. A decision is a value: who decides it has changed nothing yet.
 *
 * @packageDocumentation
 */
import { compareLabels, dominates, type Label, type Lattice } from './label.ts';

/**
 * Which way information goes. `write`: from the subject to the object. `read`: from the object to the subject.
 * `both`: each way, so that only equals may.
 */
export type Direction = 'write' | 'read' | 'both';

/** A name in {@link FLOWS}. */
export type FlowKind =
  | 'message'
  | 'connect'
  | 'disconnect'
  | 'ack'
  | 'error'
  | 'publish'
  | 'mark'
  | 'list'
  | 'presence'
  | 'answer'
  | 'prekeys'
  | 'mailbox'
  | 'limit'
  | 'takeover';

/**
 * Every way in which one session can learn of another. The subject is the session that acts or is told; the object is
 * the other session, the mailbox or the bundle, named by its label.
 */
export const FLOWS: Readonly<Record<FlowKind, { readonly direction: Direction; readonly noun: string }>> = {
  /** A message (`client-com`) to a session or its mailbox. */
  message: { direction: 'write', noun: 'a message' },
  /** A phase of a handshake between clients; the answer is a flow of its own. */
  connect: { direction: 'write', noun: 'a step of opening a conversation' },
  /** The end of a conversation. */
  disconnect: { direction: 'write', noun: 'the end of a conversation' },
  /** An acknowledgement between clients. */
  ack: { direction: 'write', noun: 'an acknowledgement' },
  /** An error that a client sends to a client. */
  error: { direction: 'write', noun: 'an error' },
  /** Publishing prekey bundles at a label. */
  publish: { direction: 'write', noun: 'publishing a prekey bundle' },
  /** Deleting or marking what a mailbox holds. */
  mark: { direction: 'write', noun: 'a mark in a mailbox' },
  /** A session in somebody's list. */
  list: { direction: 'read', noun: 'an entry of the list' },
  /** News of who comes and goes: the list's changes. */
  presence: { direction: 'read', noun: 'news of who comes and goes' },
  /** What an answer of the relay (accepted, or which error) shows about the object. */
  answer: { direction: 'read', noun: 'what the answer of the relay shows' },
  /** Fetching a prekey bundle. */
  prekeys: { direction: 'read', noun: 'a prekey bundle' },
  /** Reading a mailbox. */
  mailbox: { direction: 'read', noun: 'what a mailbox holds' },
  /** What quotas, rate limits and back-pressure show about the object. */
  limit: { direction: 'read', noun: 'what a limit shows' },
  /** A newer session of one address takes the place of an older one: each notices the other. */
  takeover: { direction: 'both', noun: 'a takeover' },
};

/** All kinds, in the order of {@link FLOWS}. */
export const FLOW_KINDS: readonly FlowKind[] = Object.freeze(Object.keys(FLOWS) as FlowKind[]);

/** Who acts: a session, with its level of this session and the highest that its credential allows. */
export interface Subject {
  readonly current: Label;
  readonly clearance: Label;
  /** Client id, by which exemptions name trusted subjects. */
  readonly id?: string;
}

/** One question to a policy. */
export interface Flow {
  readonly subject: Subject;
  /** Label of the other session, of the mailbox or of the bundle. */
  readonly object: Label;
  readonly kind: FlowKind;
}

/** The rule that decided. */
export type Rule =
  | 'clearance'
  | 'simple-security'
  | 'star-property'
  | 'strong-star-property'
  | 'simple-integrity'
  | 'integrity-star-property'
  | 'strong-integrity-property'
  | 'exemption';

/** The answer to one question; frozen. */
export interface Decision {
  readonly permit: boolean;
  readonly rule: Rule;
  /** `login` is the choice of a level at the start of a session. */
  readonly kind: FlowKind | 'login';
  /** Where the information comes from. */
  readonly from: Label;
  /** Where it would go. */
  readonly to: Label;
  /** Names of the exemptions without which it would be denied. */
  readonly exemptions: readonly string[];
  /** Whether it belongs in the audit log: every denial and every exemption. */
  readonly audit: boolean;
  /** For a person: what may or may not happen, and why. Never for the wire. */
  readonly sentence: string;
}

/** A trusted subject's leave to go against the direction of flow, between two labels and for some kinds only. */
export interface Exemption {
  readonly name: string;
  /** Client ids. */
  readonly subjects: readonly string[];
  readonly kinds: readonly FlowKind[];
  /** Both ends of the flow must dominate this… */
  readonly lowest: Label;
  /** …and be dominated by this. */
  readonly highest: Label;
}

/** What a policy consists of, as data. */
export interface ModelDescription {
  readonly model: 'bell-lapadula' | 'biba';
  readonly strong: boolean;
  /** Whether it rules over levels. */
  readonly levels: boolean;
  /** Compartments that it rules over. */
  readonly compartments: readonly string[];
  readonly exemptions: readonly Exemption[];
}

/** A policy over one lattice. */
export interface Policy {
  readonly lattice: Lattice;
  readonly models: readonly ModelDescription[];
  /**
   * Whether the flow is permitted, and why. Pure; permitted flows give one and the same frozen value each time.
   *
   * @throws `ifc/lattice-mismatch` for labels of another lattice
   */
  decide(flow: Flow): Decision;
}

/** What two sessions can do: `both` converse; `forth`, the first writes up to the second; `back`, the other way round. */
export type Reach = 'both' | 'forth' | 'back' | 'none';

/** Whether messages may go between two sessions: each way is a decision of its own. */
export function reach(policy: Policy, own: Subject, peer: Subject): Reach {
  const forth = policy.decide({ subject: own, object: peer.current, kind: 'message' }).permit;
  const back = policy.decide({ subject: peer, object: own.current, kind: 'message' }).permit;
  if (forth) return back ? 'both' : 'forth';
  return back ? 'back' : 'none';
}

/**
 * Whether a session may start at the label asked for; `undefined` asks for the clearance itself. Permitted: the
 * subject's `current` is the decision's `from`.
 */
export function chooseLevel(clearance: Label, asked: Label | undefined): Decision {
  const current = asked ?? clearance;
  const permit = dominates(clearance, current);
  const relation = compareLabels(current, clearance);
  const why = permit
    ? relation === 'equal'
      ? 'that is its clearance'
      : `its clearance is ${clearance.text}`
    : `its clearance is only ${clearance.text}`;
  const sentence = `A session ${permit ? 'may' : 'may not'} start at ${current.text}: ${why}.`;
  return freezeDecision({
    permit,
    rule: 'clearance',
    kind: 'login',
    from: current,
    to: clearance,
    exemptions: [],
    sentence,
  });
}

/** Whether a text names a kind of flow. */
export function isFlowKind(text: string): text is FlowKind {
  return Object.hasOwn(FLOWS, text);
}

/** A decision from its parts; what is denied or exempted is for the audit log. */
export function freezeDecision(parts: Omit<Decision, 'audit'>): Decision {
  return Object.freeze({
    ...parts,
    exemptions: Object.freeze([...parts.exemptions]),
    audit: !parts.permit || parts.exemptions.length > 0,
  });
}
