/**
 * What a sender learns of one message.
 *
 * @packageDocumentation
 */
import type { MessageId } from '../messages/address.ts';
import type { FailureReason } from '../session/conversation.ts';

/** A message's last known state. Only `delivered` comes from the peer itself. */
export type DeliveryState = 'pending' | 'accepted' | 'delivered' | 'failed';

/** Whether something came about. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly reason: FailureReason };

/** Follows one message. */
export interface Receipt {
  readonly id: MessageId;
  readonly state: DeliveryState;
  /** The relay has it, or the peer already. Never rejects. */
  readonly accepted: Promise<Outcome>;
  /** The peer's client has stored it. Never rejects. */
  readonly delivered: Promise<Outcome>;
}

/** A receipt that its conversation moves on. */
export class OpenReceipt implements Receipt {
  readonly id: MessageId;
  readonly accepted: Promise<Outcome>;
  readonly delivered: Promise<Outcome>;
  #state: DeliveryState = 'pending';
  #accept!: (outcome: Outcome) => void;
  #deliver!: (outcome: Outcome) => void;

  constructor(id: MessageId) {
    this.id = id;
    this.accepted = new Promise((resolve) => {
      this.#accept = resolve;
    });
    this.delivered = new Promise((resolve) => {
      this.#deliver = resolve;
    });
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** Takes the next state; whether it is news. */
  move(state: DeliveryState, reason: FailureReason | undefined): boolean {
    if (state === this.#state || this.#state === 'delivered' || this.#state === 'failed') return false;
    this.#state = state;
    if (state === 'failed') {
      const outcome: Outcome = { ok: false, reason: reason ?? 'closed' };
      this.#accept(outcome);
      this.#deliver(outcome);
    } else {
      this.#accept({ ok: true });
      if (state === 'delivered') this.#deliver({ ok: true });
    }
    return true;
  }
}
