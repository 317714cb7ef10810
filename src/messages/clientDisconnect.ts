import * as v from 'valibot';
import type { Address, MessageId } from './address.ts';
import { address, boolean, bytes, messageId, type Schema } from './schema.ts';

/** The last message of one direction of a conversation; its reason is sealed. */
export interface ClientDisconnect {
  readonly type: 'client-disconnect';
  /** Chosen by the sender, kept in every repeat. */
  readonly id: MessageId;
  /** On the way to the relay: to whom. */
  readonly dst?: Address;
  /** On the way from the relay: from whom. */
  readonly src?: Address;
  /** Conversation id, epoch, number and nonce of the record, and an announcement where there is one. */
  readonly saData: Uint8Array;
  /** The sealed record. */
  readonly data: Uint8Array;
  /** On the way from the relay: whether it waited in the relay's mailbox. */
  readonly stored?: boolean;
}

/** Validates a {@link ClientDisconnect}. */
export const clientDisconnectSchema: Schema<ClientDisconnect> = v.object({
  type: v.literal('client-disconnect'),
  id: messageId,
  dst: v.exactOptional(address),
  src: v.exactOptional(address),
  saData: bytes,
  data: bytes,
  stored: v.exactOptional(boolean),
});
