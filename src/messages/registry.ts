/**
 * Numbers and names on the wire (docs/protocol.md section 2.1). The tables here are those tables.
 *
 * @packageDocumentation
 */
import type { Field } from './wire.ts';

/** Message types. */
export const TYPE_NUMBERS = {
  connect: 1,
  secure: 2,
  disconnect: 3,
  list: 4,
  'client-connect': 5,
  'client-disconnect': 6,
  'client-com': 7,
  ack: 8,
  error: 9,
  prekeys: 10,
} as const;

/** Name of a message type. */
export type MessageType = keyof typeof TYPE_NUMBERS;

/** The field that every message has. */
export const TYPE_FIELD = { number: 0, name: 'type' } as const;

const PHASE: Field = { property: 'phase', number: 1, name: 'phase', wire: 'plain' };
const NAME: Field = { property: 'name', number: 2, name: 'name', wire: 'plain' };
const ID: Field = { property: 'id', number: 3, name: 'id', wire: 'message-id' };
const CIPHERS: Field = { property: 'ciphers', number: 4, name: 'ciphers', wire: 'plain' };
const DATA: Field = { property: 'data', number: 5, name: 'data', wire: 'bytes' };
const SA_DATA: Field = { property: 'saData', number: 6, name: 'sa-data', wire: 'bytes' };
const PAYLOAD: Field = { property: 'payload', number: 7, name: 'payload', wire: 'bytes' };
const SRC: Field = { property: 'src', number: 8, name: 'src', wire: 'address' };
const DST: Field = { property: 'dst', number: 9, name: 'dst', wire: 'address' };
const MSG_ID: Field = { property: 'msgId', number: 10, name: 'msg id', wire: 'message-id' };
const LABEL: Field = { property: 'label', number: 11, name: 'label', wire: 'plain' };
const CODE: Field = { property: 'code', number: 12, name: 'code', wire: 'plain' };
const KIND: Field = { property: 'kind', number: 13, name: 'kind', wire: 'kind' };
const FINGERPRINT: Field = { property: 'fingerprint', number: 14, name: 'fingerprint', wire: 'bytes' };
const ONLINE: Field = { property: 'online', number: 15, name: 'online', wire: 'plain' };
const COMPLETE: Field = { property: 'complete', number: 16, name: 'complete', wire: 'plain' };
const ADDRESS: Field = { property: 'address', number: 17, name: 'address', wire: 'address' };
const STORED: Field = { property: 'stored', number: 18, name: 'stored', wire: 'plain' };
const COUNT: Field = { property: 'count', number: 19, name: 'count', wire: 'plain' };

/** The fields of an item of a list, by number. */
const ITEM_FIELDS: readonly Field[] = [NAME, LABEL, KIND, FINGERPRINT, ONLINE, ADDRESS];
const ITEMS: Field = { property: 'data', number: 5, name: 'data', wire: ITEM_FIELDS };
const BUNDLES: Field = { property: 'data', number: 5, name: 'data', wire: 'bytes-list' };

/** The fields of each message but its type, by number. */
export const MESSAGE_FIELDS: { readonly [Type in MessageType]: readonly Field[] } = {
  connect: [PHASE, ID, DATA],
  secure: [SA_DATA, PAYLOAD],
  disconnect: [CODE],
  list: [ID, ITEMS, COMPLETE],
  'client-connect': [PHASE, ID, DATA, SRC, DST, LABEL, STORED],
  'client-disconnect': [ID, DATA, SA_DATA, SRC, DST, STORED],
  'client-com': [ID, DATA, SA_DATA, SRC, DST, STORED],
  ack: [DATA, SA_DATA, SRC, DST, MSG_ID, STORED],
  error: [SRC, DST, MSG_ID, CODE],
  prekeys: [ID, CIPHERS, BUNDLES, SRC, DST, LABEL, COMPLETE, COUNT],
};

const TYPES_BY_NUMBER: ReadonlyMap<unknown, MessageType> = new Map(
  (Object.keys(TYPE_NUMBERS) as MessageType[]).map((name) => [TYPE_NUMBERS[name], name]),
);

/** The type of a number; `undefined` if there is none. */
export function typeOfNumber(number: unknown): MessageType | undefined {
  return TYPES_BY_NUMBER.get(number);
}

/** The type of a name; `undefined` if there is none. */
export function typeOfName(name: unknown): MessageType | undefined {
  return typeof name === 'string' && Object.hasOwn(TYPE_NUMBERS, name) ? (name as MessageType) : undefined;
}
