import * as v from 'valibot';
import { bytes, type Schema } from './schema.ts';

/** A record of a hop: one message of the other types, sealed. */
export interface Secure {
  readonly type: 'secure';
  /** Conversation id, epoch, number and nonce of the record. */
  readonly saData: Uint8Array;
  /** The sealed message. */
  readonly payload: Uint8Array;
}

/** Validates a {@link Secure}. */
export const secureSchema: Schema<Secure> = v.object({ type: v.literal('secure'), saData: bytes, payload: bytes });
