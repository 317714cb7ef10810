import * as v from 'valibot';
import type { Address, MessageId } from './address.ts';
import { errorReason, type ErrorReason } from './reason.ts';
import { address, messageId, type Schema } from './schema.ts';

/** A refusal. Between clients, and outside `secure`, it is a hint from nobody in particular. */
export interface ErrorMessage {
  readonly type: 'error';
  readonly code: ErrorReason;
  /** The `id` of the message that it answers. */
  readonly msgId?: MessageId;
  /** On the way to the relay: to whom. */
  readonly dst?: Address;
  /** On the way from the relay: from whom. */
  readonly src?: Address;
}

/** Validates an {@link ErrorMessage}. */
export const errorSchema: Schema<ErrorMessage> = v.object({
  type: v.literal('error'),
  code: errorReason,
  msgId: v.exactOptional(messageId),
  dst: v.exactOptional(address),
  src: v.exactOptional(address),
});
