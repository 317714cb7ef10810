/** Asks the policy whether one client's message may reach another, and keeps what is for the audit log. */
import { auditEntry, type AuditEntry, type Decision, type FlowKind, type Label, type Policy } from '../ifc/index.ts';
import { clientIdOf, type Address, type MessageId } from '../messages/address.ts';
import type { RelayCounters } from './counters.ts';
import type { Session } from './sessions.ts';

/** What asking needs. */
export interface FlowsParts {
  readonly policy: Policy;
  readonly counters: RelayCounters;
  readonly audit: (entry: AuditEntry) => void;
}

/** Decisions between clients. */
export class Flows {
  readonly #parts: FlowsParts;

  constructor(parts: FlowsParts) {
    this.#parts = parts;
  }

  /** Whether every one of these flows is permitted from a sender to a label at an address; asked in order. */
  permits(
    sender: Session,
    object: Label,
    dst: Address,
    kinds: readonly FlowKind[],
    messageId: MessageId | undefined,
  ): boolean {
    const { subject } = sender;
    return kinds.every((kind) => {
      const decision = this.#parts.policy.decide({ subject, object, kind });
      this.#note(decision, sender, dst, messageId);
      return decision.permit;
    });
  }

  #note(decision: Decision, sender: Session, dst: Address, messageId: MessageId | undefined): void {
    if (!decision.audit) return;
    const { counters, audit } = this.#parts;
    if (!decision.permit) counters.denied += 1;
    const who = { subject: clientIdOf(sender.address), object: clientIdOf(dst) };
    const entry = auditEntry(decision, messageId === undefined ? who : { ...who, messageId });
    if (entry !== undefined) audit(entry);
  }
}
