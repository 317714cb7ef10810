import * as v from 'valibot';
import type { Address, MessageId } from './address.ts';
import { address, boolean, bytes, messageId, type Schema } from './schema.ts';

/** End to end: a sealed record that holds what was received. */
export interface ConversationAck {
  readonly type: 'ack';
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
  readonly msgId?: undefined;
}

/** On a hop: the relay accepted a message, or a client has stored a message that waited in the mailbox. */
export interface HopAck {
  readonly type: 'ack';
  /** From a client only: whose message it has stored. */
  readonly src?: Address;
  /** The `id` of the message. */
  readonly msgId: MessageId;
  readonly dst?: undefined;
  readonly stored?: undefined;
  readonly saData?: undefined;
  readonly data?: undefined;
}

/** Every form of `ack`, told apart by `msgId`. */
export type Ack = ConversationAck | HopAck;

const conversationAck: Schema<ConversationAck> = v.object({
  type: v.literal('ack'),
  dst: v.exactOptional(address),
  src: v.exactOptional(address),
  saData: bytes,
  data: bytes,
  stored: v.exactOptional(boolean),
});

const hopAck: Schema<HopAck> = v.object({
  type: v.literal('ack'),
  src: v.exactOptional(address),
  msgId: messageId,
});

/** Validates an {@link Ack}. */
export const ackSchema: Schema<Ack> = v.lazy((input): Schema<Ack> => (isHopAck(input) ? hopAck : conversationAck));

function isHopAck(input: unknown): boolean {
  return typeof input === 'object' && input !== null && 'msgId' in input && input.msgId !== undefined;
}
