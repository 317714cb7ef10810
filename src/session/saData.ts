/**
 * What travels in the clear beside a record: conversation, epoch, number, nonce, announcement (docs/protocol.md §5.2).
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { RecordReader, varintLength, writeVarint } from './varint.ts';

/** Bytes of a conversation id. */
export const CONVERSATION_ID_LENGTH = 8;
/** Epochs and record numbers stay below this. */
export const NUMBER_LIMIT: number = 2 ** 32;

/** `sa-data` of a record, decoded; byte fields are views. */
export interface SaData {
  readonly conversationId: Uint8Array;
  readonly epoch: number;
  readonly number: number;
  readonly nonce: Uint8Array;
  /** Empty when there is none. */
  readonly announcement: Uint8Array;
}

/** The bytes of `sa-data`. */
export function encodeSaData(fields: SaData): Uint8Array {
  const { conversationId, epoch, number, nonce, announcement } = fields;
  const bytes = new Uint8Array(
    conversationId.length + varintLength(epoch) + varintLength(number) + nonce.length + announcement.length,
  );
  bytes.set(conversationId);
  let offset = writeVarint(bytes, conversationId.length, epoch);
  offset = writeVarint(bytes, offset, number);
  bytes.set(nonce, offset);
  bytes.set(announcement, offset + nonce.length);
  return bytes;
}

/**
 * The fields of `sa-data`.
 *
 * @param nonceLength - of the suite's record cipher
 * @throws `session/malformed-record`
 */
export function decodeSaData(bytes: Uint8Array, nonceLength: number): SaData {
  const reader = new RecordReader(bytes);
  const conversationId = reader.take(CONVERSATION_ID_LENGTH);
  const epoch = reader.varint();
  const number = reader.varint();
  if (epoch >= NUMBER_LIMIT || number >= NUMBER_LIMIT) {
    throw new SimsError('session/malformed-record', `epoch ${epoch}, record ${number}: at most 2^32 - 1`);
  }
  const nonce = reader.take(nonceLength);
  return { conversationId, epoch, number, nonce, announcement: reader.take(reader.left) };
}

/** The conversation that a record names, before anything else of it is read; `undefined` when it is too short. */
export function conversationIdOf(saData: Uint8Array): Uint8Array | undefined {
  return saData.length < CONVERSATION_ID_LENGTH ? undefined : saData.subarray(0, CONVERSATION_ID_LENGTH);
}
