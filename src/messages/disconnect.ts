import * as v from 'valibot';
import { errorReason, type ErrorReason } from './reason.ts';
import type { Schema } from './schema.ts';

/** The end of a hop. Outside `secure` it is a hint only. */
export interface Disconnect {
  readonly type: 'disconnect';
  /** Why; without it, because the sender wants to. */
  readonly code?: ErrorReason;
}

/** Validates a {@link Disconnect}. */
export const disconnectSchema: Schema<Disconnect> = v.object({
  type: v.literal('disconnect'),
  code: v.exactOptional(errorReason),
});
