import * as v from 'valibot';
import { MAX_BODY_BYTES } from '../codec/limits.ts';
import type { Address, MessageId } from './address.ts';
import {
  address,
  boolean,
  bytesUpTo,
  MAX_LABEL_BYTES,
  messageId,
  phase,
  text,
  type Phase,
  type Schema,
} from './schema.ts';

/** One phase of the handshake of a conversation. */
export interface ClientConnect {
  readonly type: 'client-connect';
  /** 1 and 3 from the initiator, 2 and 4 from the responder. */
  readonly phase: Phase;
  /** The first 8 bytes of the initiator's nonce, in all four phases: names the handshake. */
  readonly id: MessageId;
  /** On the way to the relay: to whom. */
  readonly dst?: Address;
  /** On the way from the relay: from whom. */
  readonly src?: Address;
  /** On the way from the relay: the label of the sender's session, at most 255 bytes. */
  readonly label?: string;
  /** On the way from the relay: whether it waited in the relay's mailbox. */
  readonly stored?: boolean;
  /** The body of the phase, at most 65,536 bytes. */
  readonly data: Uint8Array;
}

/** Validates a {@link ClientConnect}. */
export const clientConnectSchema: Schema<ClientConnect> = v.object({
  type: v.literal('client-connect'),
  phase,
  id: messageId,
  dst: v.exactOptional(address),
  src: v.exactOptional(address),
  label: v.exactOptional(text(MAX_LABEL_BYTES)),
  data: bytesUpTo(MAX_BODY_BYTES),
  stored: v.exactOptional(boolean),
});
