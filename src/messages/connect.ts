import * as v from 'valibot';
import { MAX_BODY_BYTES } from '../codec/limits.ts';
import type { MessageId } from './address.ts';
import { bytesUpTo, messageId, phase, type Phase, type Schema } from './schema.ts';

/** One phase of the handshake of a hop. */
export interface Connect {
  readonly type: 'connect';
  /** 1 and 3 from the client, 2 and 4 from the relay. */
  readonly phase: Phase;
  /** The first 8 bytes of the initiator's nonce, in all four phases: names the handshake. */
  readonly id: MessageId;
  /** The body of the phase, at most 65,536 bytes. */
  readonly data: Uint8Array;
}

/** Validates a {@link Connect}. */
export const connectSchema: Schema<Connect> = v.object({
  type: v.literal('connect'),
  phase,
  id: messageId,
  data: bytesUpTo(MAX_BODY_BYTES),
});
