/**
 * Messages between clients as they wait in a mailbox.
 *
 * @packageDocumentation
 */
import { base64url } from '../bytes.ts';
import type { ConversationAck } from '../messages/ack.ts';
import type { Address, MessageId } from '../messages/address.ts';
import type { ClientCom } from '../messages/clientCom.ts';
import type { ClientConnect } from '../messages/clientConnect.ts';
import type { ClientDisconnect } from '../messages/clientDisconnect.ts';
import { encodeMessage } from '../messages/messages.ts';
import type { MailboxEntry } from './mailbox.ts';

/** A message of one client for another that is answered, and so may not be lost silently. */
export type Carried = ClientCom | ClientConnect | ClientDisconnect;

/** What may wait for its receiver. */
export type Kept = Carried | ConversationAck;

/** The phase of a handshake that may wait for days: it answers a bundle. */
const KEPT_PHASE = 3;
/** As much of a record's header as tells acknowledgements of one sender apart. */
const NAME_BYTES = 64;

/** Whether a message may wait for who is away. The other phases are worth nothing later: their handshake is over by then. */
export function mayWait(message: Kept): boolean {
  return message.type !== 'client-connect' || message.phase === KEPT_PHASE;
}

/** A message to its receiver, as a mailbox takes it; with `stored` true where the receiver is to say that it has it. */
export function waitingEntry(message: Kept, src: Address, srcLabel: string): MailboxEntry {
  const waiting: Kept = mayWait(message) ? { ...message, stored: true } : message;
  const entry = { src, srcLabel, bytes: encodeMessage(waiting, 'cbor') };
  if (message.type === 'ack') {
    return { ...entry, key: `${src}//${base64url(message.saData.subarray(0, NAME_BYTES))}` };
  }
  const { id } = message;
  return { ...entry, id, key: keyOf(src, id, message.type === 'client-connect' ? message.phase : undefined) };
}

/** The keys of what a client may mean that has stored a message: of a conversation, or one that begins it. */
export function storedKeys(src: Address, id: MessageId): readonly string[] {
  return [keyOf(src, id, undefined), keyOf(src, id, KEPT_PHASE)];
}

function keyOf(src: Address, id: MessageId, phase: number | undefined): string {
  return phase === undefined ? `${src}/${id}` : `${src}/${id}/${phase}`;
}
