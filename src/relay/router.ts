/**
 * What clients send each other: the policy decides, then it is handed over or answered. The answer for who does not
 * exist, is away or must not be reached is one and the same.
 *
 * @packageDocumentation
 */
import { auditEntry, type AuditEntry, type Decision, type FlowKind, type Label, type Policy } from '../ifc/index.ts';
import type { Ack } from '../messages/ack.ts';
import { clientIdOf, type Address, type MessageId } from '../messages/address.ts';
import type { ErrorMessage } from '../messages/error.ts';
import type { Message } from '../messages/messages.ts';
import type { RelayCounters } from './counters.ts';
import type { Directory } from './directory.ts';
import { mailboxKey, type Carried, type Delivery, type Session } from './sessions.ts';

/** What routing needs. */
export interface RouterParts {
  readonly directory: Directory<Session>;
  readonly policy: Policy;
  readonly counters: RelayCounters;
  readonly audit: (entry: AuditEntry) => void;
}

/** Takes messages between clients to where they belong. */
export class Router {
  readonly #parts: RouterParts;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  /** Carries a message that is answered: by `ack` when it was handed over, else by `error`. */
  carry(sender: Session, message: Carried): void {
    const { counters } = this.#parts;
    const { id, dst } = message;
    if (dst === undefined) {
      counters.malformed += 1;
      sender.send({ type: 'error', code: 'malformed', msgId: id });
      return;
    }
    let outcome: Delivery = 'gone';
    for (const target of this.#find(sender, dst, FLOW_OF[message.type], id)) {
      const delivery = this.#handOver(sender, target, message);
      if (outcome !== 'delivered' && delivery !== 'gone') outcome = delivery;
    }
    if (outcome === 'delivered') {
      counters.routed += 1;
      sender.send({ type: 'ack', msgId: id });
    } else if (outcome === 'too-large') sender.send({ type: 'error', code: 'too-large', msgId: id });
    else {
      counters.unknownPeer += 1;
      sender.send({ type: 'error', code: 'unknown-peer', msgId: id });
    }
  }

  /** Carries an acknowledgement or an error: handed over or lost, never answered. */
  pass(sender: Session, message: Ack | ErrorMessage): void {
    const { dst } = message;
    if (dst === undefined) return;
    const passed = passedOn(sender.address, message);
    if (passed === undefined) return;
    for (const target of this.#find(sender, dst, message.type, message.msgId)) {
      target.deliverIfRoom(passed);
      this.#parts.counters.routed += 1;
    }
  }

  #handOver(sender: Session, target: Session, message: Carried): Delivery {
    const { id } = message;
    const src = sender.address;
    switch (message.type) {
      case 'client-com':
        return target.deliver(
          { type: 'client-com', id, src, saData: message.saData, data: message.data },
          mailboxKey(src, id),
        );
      case 'client-disconnect':
        return target.deliver(
          { type: 'client-disconnect', id, src, saData: message.saData, data: message.data },
          mailboxKey(src, id),
        );
      case 'client-connect': {
        const { phase, data } = message;
        const label = sender.subject.current.text;
        return target.deliver({ type: 'client-connect', phase, id, src, label, data }, mailboxKey(src, id, phase));
      }
    }
  }

  /**
   * The sessions at an address that the sender reaches: the one at its own label, else every one that it may. If it were
   * one of them alone, that one would learn whether the others are there.
   */
  #find(sender: Session, dst: Address, kind: FlowKind, id: MessageId | undefined): readonly Session[] {
    const presences = this.#parts.directory.at(dst);
    const own = sender.subject.current.text;
    const same = presences.filter(({ label }) => label.text === own);
    const found: Session[] = [];
    for (const { label, where } of same.length > 0 ? same : presences) {
      if (where !== undefined && this.#permits(sender, label, dst, kind, id)) found.push(where);
    }
    return found;
  }

  #permits(sender: Session, object: Label, dst: Address, kind: FlowKind, id: MessageId | undefined): boolean {
    const { policy } = this.#parts;
    const { subject } = sender;
    const decision = policy.decide({ subject, object, kind });
    this.#note(decision, sender, dst, id);
    if (!decision.permit) return false;
    // Nothing comes back for these.
    if (kind === 'ack' || kind === 'error') return true;
    // Where the sender must not learn what comes of it, it is as if nobody were there.
    const answer = policy.decide({ subject, object, kind: 'answer' });
    this.#note(answer, sender, dst, id);
    return answer.permit;
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

/** What the receiver gets; `undefined` for an acknowledgement that is not between clients. */
function passedOn(src: Address, message: Ack | ErrorMessage): Message | undefined {
  if (message.type === 'error') {
    const { code, msgId } = message;
    return { type: 'error', code, src, ...(msgId === undefined ? {} : { msgId }) };
  }
  return message.saData === undefined
    ? undefined
    : { type: 'ack', src, saData: message.saData, data: message.data };
}

const FLOW_OF: Readonly<Record<Carried['type'], FlowKind>> = {
  'client-com': 'message',
  'client-connect': 'connect',
  'client-disconnect': 'disconnect',
};
