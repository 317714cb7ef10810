/**
 * What clients send each other: the policy decides, then it is handed over, kept or answered. The answer for who does not
 * exist, is away and has nothing kept, or must not be reached is one and the same.
 *
 * @packageDocumentation
 */
import type { FlowKind } from '../ifc/index.ts';
import type { Ack, ConversationAck } from '../messages/ack.ts';
import type { Address, MessageId } from '../messages/address.ts';
import type { ErrorMessage } from '../messages/error.ts';
import type { RelayCounters } from './counters.ts';
import type { Directory, Presence } from './directory.ts';
import type { Flows } from './flows.ts';
import type { Keeping } from './keeping.ts';
import type { Delivery, Session } from './sessions.ts';
import type { Carried } from './waiting.ts';

/** What routing needs. */
export interface RouterParts {
  readonly directory: Directory<Session>;
  readonly flows: Flows;
  readonly keeping: Keeping;
  readonly counters: RelayCounters;
}

/** Takes messages between clients to where they belong. */
export class Router {
  readonly #parts: RouterParts;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  /** Carries a message that is answered: by `ack` when it was handed over or is kept, else by `error`. */
  carry(sender: Session, message: Carried): void {
    const { counters } = this.#parts;
    const { id, dst } = message;
    if (dst === undefined) {
      counters.malformed += 1;
      sender.send({ type: 'error', code: 'malformed', msgId: id });
      return;
    }
    const forwarded = forwardedBy(sender, message);
    let outcome: Delivery = 'gone';
    for (const target of this.#find(sender, dst, FLOW_OF[message.type], id)) {
      const delivery = this.#handOver(target, forwarded, sender);
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
      if (target.where !== undefined) target.where.deliverIfRoom(passed, sender);
      else if (passed.type === 'ack') this.#parts.keeping.keep(target, passed, sender);
      this.#parts.counters.routed += 1;
    }
  }

  #handOver(target: Presence<Session>, message: Carried, sender: Session): Delivery {
    if (target.where === undefined) return this.#parts.keeping.keep(target, message, sender);
    return target.where.deliver(message, sender);
  }

  /**
   * The places at an address that the sender reaches: the one at its own label, else every one that it may. If it were
   * one of them alone, that one would learn whether the others are there.
   */
  #find(sender: Session, dst: Address, kind: FlowKind, id: MessageId | undefined): readonly Presence<Session>[] {
    const { directory, flows, keeping } = this.#parts;
    const presences = directory.at(dst);
    const own = sender.subject.current.text;
    const same = presences.filter(({ label }) => label.text === own);
    // Nothing comes back for acknowledgements and errors. Where the sender must not learn what comes of the others, it is
    // as if nobody were there.
    const kinds: readonly FlowKind[] = kind === 'ack' || kind === 'error' ? [kind] : [kind, 'answer'];
    const found: Presence<Session>[] = [];
    for (const presence of same.length > 0 ? same : presences) {
      if (presence.where === undefined && !keeping.keepsFor(presence)) continue;
      if (flows.permits(sender, presence.label, dst, kinds, id)) found.push(presence);
    }
    return found;
  }
}

/** What the receiver gets. */
function forwardedBy(sender: Session, message: Carried): Carried {
  const { id } = message;
  const src = sender.address;
  if (message.type !== 'client-connect') {
    const { type, saData, data } = message;
    return { type, id, src, saData, data };
  }
  const { phase, data } = message;
  return { type: 'client-connect', phase, id, src, label: sender.subject.current.text, data };
}

/** What the receiver gets; `undefined` for an acknowledgement that is not between clients. */
function passedOn(src: Address, message: Ack | ErrorMessage): ConversationAck | ErrorMessage | undefined {
  if (message.type === 'error') {
    const { code, msgId } = message;
    return { type: 'error', code, src, ...(msgId === undefined ? {} : { msgId }) };
  }
  return message.saData === undefined ? undefined : { type: 'ack', src, saData: message.saData, data: message.data };
}

const FLOW_OF: Readonly<Record<Carried['type'], FlowKind>> = {
  'client-com': 'message',
  'client-connect': 'connect',
  'client-disconnect': 'disconnect',
};
