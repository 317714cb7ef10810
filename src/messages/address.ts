/**
 * Names of clients and messages: short, canonical texts that are compared and kept in maps.
 *
 * @packageDocumentation
 */
import { base64url, readsBase64url } from '../bytes.ts';
import { SimsError } from '../errors.ts';

declare const brand: unique symbol;

/** One device of one client: `base64url(id) "." base64url(device)`, 39 characters. */
export type Address = string & { readonly [brand]: 'Address' };
/** A client, whatever its device: base64url of the first 20 bytes of its fingerprint, 27 characters. */
export type ClientId = string & { readonly [brand]: 'ClientId' };
/** The name of one message, request or handshake: base64url of 8 bytes, 11 characters. */
export type MessageId = string & { readonly [brand]: 'MessageId' };

/** Bytes of an address. */
export const ADDRESS_BYTES = 28;
/** Bytes of a client's id. */
export const CLIENT_ID_BYTES = 20;
/** Bytes of a device. */
export const DEVICE_BYTES = 8;
/** Bytes of a message id. */
export const MESSAGE_ID_BYTES = 8;
const CLIENT_ID_CHARACTERS = 27;
const ADDRESS_CHARACTERS = 39;
const MESSAGE_ID_CHARACTERS = 11;

/**
 * The address of `id ‖ device`, 28 bytes.
 *
 * @throws `messages/invalid-address` for another length
 */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length !== ADDRESS_BYTES) {
    throw new SimsError('messages/invalid-address', `${bytes.length} bytes, not ${ADDRESS_BYTES}`);
  }
  const id = base64url(bytes.subarray(0, CLIENT_ID_BYTES));
  return `${id}.${base64url(bytes.subarray(CLIENT_ID_BYTES))}` as Address;
}

/**
 * `id ‖ device` of an address, 28 bytes in new memory.
 *
 * @throws `messages/invalid-address` if a caller forced a text into the type
 */
export function addressBytes(address: Address): Uint8Array {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  if (!readsAddress(address, bytes))
    throw new SimsError('messages/invalid-address', 'not base64url(id) "." base64url(device)');
  return bytes;
}

/**
 * The address that a text names; only the one canonical text of an address is taken.
 *
 * @throws `messages/invalid-address`
 */
export function parseAddress(text: string): Address {
  if (!isAddress(text)) throw new SimsError('messages/invalid-address', 'not base64url(id) "." base64url(device)');
  return text;
}

/** Whether a value is the text of an address. */
export function isAddress(value: unknown): value is Address {
  return typeof value === 'string' && readsAddress(value);
}

/** The client of an address, without its device. */
export function clientIdOf(address: Address): ClientId {
  return address.slice(0, CLIENT_ID_CHARACTERS) as ClientId;
}

/**
 * The message id of 8 bytes.
 *
 * @throws `messages/invalid-message-id` for another length
 */
export function messageIdFromBytes(bytes: Uint8Array): MessageId {
  if (bytes.length !== MESSAGE_ID_BYTES) {
    throw new SimsError('messages/invalid-message-id', `${bytes.length} bytes, not ${MESSAGE_ID_BYTES}`);
  }
  return base64url(bytes) as MessageId;
}

/**
 * The 8 bytes of a message id, in new memory.
 *
 * @throws `messages/invalid-message-id` if a caller forced a text into the type
 */
export function messageIdBytes(id: MessageId): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_ID_BYTES);
  if (!readsMessageId(id, bytes)) throw new SimsError('messages/invalid-message-id', 'not base64url of 8 bytes');
  return bytes;
}

/**
 * The message id that a text names.
 *
 * @throws `messages/invalid-message-id`
 */
export function parseMessageId(text: string): MessageId {
  if (!isMessageId(text)) throw new SimsError('messages/invalid-message-id', 'not base64url of 8 bytes');
  return text;
}

/** Whether a value is the text of a message id. */
export function isMessageId(value: unknown): value is MessageId {
  return typeof value === 'string' && readsMessageId(value);
}

function readsAddress(text: string, target?: Uint8Array): boolean {
  return (
    text.length === ADDRESS_CHARACTERS &&
    text[CLIENT_ID_CHARACTERS] === '.' &&
    readsBase64url(text, 0, CLIENT_ID_CHARACTERS, target) &&
    readsBase64url(text, CLIENT_ID_CHARACTERS + 1, ADDRESS_CHARACTERS, target, CLIENT_ID_BYTES)
  );
}

function readsMessageId(text: string, target?: Uint8Array): boolean {
  return text.length === MESSAGE_ID_CHARACTERS && readsBase64url(text, 0, MESSAGE_ID_CHARACTERS, target);
}
