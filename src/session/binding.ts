/**
 * What every record is bound to: plane, conversation, both participants, and the message that carries it
 * (docs/protocol.md §5.2).
 *
 * @packageDocumentation
 */
import { lengthPrefixed } from '../bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { addressBytes, type Address } from '../messages/address.ts';
import type { Direction } from './ratchet.ts';

/** One side of a conversation, as both sides see it. */
export interface Participant {
  readonly address: Address;
  /** Of its credential, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Of its session at the relay, in canonical text. */
  readonly label: string;
}

/** Message types whose records are sealed, by their registered number. */
export const RECORD_TYPES = { secure: 2, 'client-disconnect': 6, 'client-com': 7, ack: 8 } as const;
/** A message type that carries a record. */
export type RecordType = keyof typeof RECORD_TYPES;

/** Message id of records that have none. */
export const NO_ID: Uint8Array = new Uint8Array(8);

/** Hash over both participants, the smaller address first: neither side accepts a record under another view. */
export function participantsHash(suite: Suite, one: Participant, other: Participant): Uint8Array {
  const oneAddress = addressBytes(one.address);
  const otherAddress = addressBytes(other.address);
  const oneFirst = compareBytes(oneAddress, otherAddress) < 0;
  const ones = [oneAddress, one.fingerprint, one.label] as const;
  const others = [otherAddress, other.fingerprint, other.label] as const;
  const sorted = oneFirst ? [...ones, ...others] : [...others, ...ones];
  return suite.provider.hash('SHA-256', lengthPrefixed('SIMS 1 participants', ...sorted));
}

/** Binding of one direction of a conversation. */
export function conversationBinding(
  suite: Suite,
  conversationId: Uint8Array,
  direction: Direction,
  sender: Participant,
  receiver: Participant,
): Uint8Array {
  return suite.provider.hash(
    'SHA-256',
    lengthPrefixed(
      'SIMS 1 associated data',
      'conversation',
      conversationId,
      Uint8Array.of(direction),
      addressBytes(sender.address),
      addressBytes(receiver.address),
      sender.label,
      participantsHash(suite, sender, receiver),
    ),
  );
}

/** Binding of one direction of a hop. */
export function hopBinding(
  suite: Suite,
  conversationId: Uint8Array,
  direction: Direction,
  client: { readonly address: Address; readonly fingerprint: Uint8Array },
  relayIdentity: Uint8Array,
): Uint8Array {
  const address = addressBytes(client.address);
  const participants = suite.provider.hash(
    'SHA-256',
    lengthPrefixed('SIMS 1 participants', address, client.fingerprint, '', relayIdentity, relayIdentity, ''),
  );
  const ends = direction === 0 ? [address, relayIdentity] : [relayIdentity, address];
  return suite.provider.hash(
    'SHA-256',
    lengthPrefixed(
      'SIMS 1 associated data',
      'hop',
      conversationId,
      Uint8Array.of(direction),
      ...ends,
      '',
      participants,
    ),
  );
}

/** Associated data of one record. */
export function associatedData(binding: Uint8Array, type: RecordType, id: Uint8Array, saData: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(binding.length + 1 + id.length + saData.length);
  bytes.set(binding);
  bytes[binding.length] = RECORD_TYPES[type];
  bytes.set(id, binding.length + 1);
  bytes.set(saData, binding.length + 1 + id.length);
  return bytes;
}

/** Negative, zero or positive as `left` sorts before, with or after `right`, byte by byte. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const difference = left[index]! - right[index]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
