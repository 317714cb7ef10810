/**
 * Messages, between bytes and types (docs/protocol.md section 2).
 *
 * @packageDocumentation
 */
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { decodeJson, encodeJson } from '../codec/json.ts';
import { checkLength, DEFAULT_LIMITS, type Limits } from '../codec/limits.ts';
import type { Key, Value, ValueMap } from '../codec/value.ts';
import { SimsError } from '../errors.ts';
import { ackSchema, type Ack } from './ack.ts';
import { isMessageId, type MessageId } from './address.ts';
import { clientComSchema, type ClientCom } from './clientCom.ts';
import { clientConnectSchema, type ClientConnect } from './clientConnect.ts';
import { clientDisconnectSchema, type ClientDisconnect } from './clientDisconnect.ts';
import { connectSchema, type Connect } from './connect.ts';
import { disconnectSchema, type Disconnect } from './disconnect.ts';
import { errorSchema, type ErrorMessage } from './error.ts';
import { listSchema, type List } from './list.ts';
import { prekeysSchema, type Prekeys } from './prekeys.ts';
import { MESSAGE_FIELDS, TYPE_FIELD, TYPE_NUMBERS, typeOfName, typeOfNumber, type MessageType } from './registry.ts';
import { check, type Schema } from './schema.ts';
import { secureSchema, type Secure } from './secure.ts';
import { readFields, writeFields, type Encoding } from './wire.ts';

/** Every message of the protocol, told apart by `type`. */
export type Message =
  | Connect
  | Secure
  | Disconnect
  | List
  | ClientConnect
  | ClientDisconnect
  | ClientCom
  | Ack
  | ErrorMessage
  | Prekeys;

/** A message and how it was written; the answer is written alike. */
export interface Decoded {
  readonly message: Message;
  readonly encoding: Encoding;
}

/** The schema of each message: the one place that says which fields and values it may have. */
export const MESSAGE_SCHEMAS: { readonly [Type in MessageType]: Schema<Extract<Message, { type: Type }>> } = {
  connect: connectSchema,
  secure: secureSchema,
  disconnect: disconnectSchema,
  list: listSchema,
  'client-connect': clientConnectSchema,
  'client-disconnect': clientDisconnectSchema,
  'client-com': clientComSchema,
  ack: ackSchema,
  error: errorSchema,
  prekeys: prekeysSchema,
};

/**
 * The bytes of a message, in new memory.
 *
 * @throws `messages/invalid-message`, `codec/lone-surrogate`
 */
export function encodeMessage(message: Message, encoding: Encoding): Uint8Array {
  const { type } = message;
  if (typeOfName(type) === undefined) throw new SimsError('messages/invalid-message', 'a message without a known type');
  const schema: Schema<Message> = MESSAGE_SCHEMAS[type];
  const checked: object = check(schema, message, 'caller', type);
  const map = new Map<Key, Value>();
  if (encoding === 'cbor') map.set(TYPE_FIELD.number, TYPE_NUMBERS[type]);
  else map.set(TYPE_FIELD.name, type);
  writeFields(MESSAGE_FIELDS[type], checked as Readonly<Record<string, unknown>>, encoding, map);
  return encoding === 'cbor' ? encodeCbor(map) : encodeJson(map);
}

/**
 * The message that bytes hold and its encoding. Byte strings of CBOR are views of `bytes`: do not change those
 * afterwards. Unknown fields are ignored.
 *
 * @param limits `LIMITS_BEFORE_HOP` for what comes in the clear
 * @throws `codec/*`, `messages/field-missing`, `messages/field-invalid`, `messages/field-over-limit`,
 * `messages/unknown-type`
 */
export function decodeMessage(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): Decoded {
  const { map, encoding } = decodeMap(bytes, limits);
  const type = typeOf(map, encoding);
  const record = readFields(MESSAGE_FIELDS[type], map, encoding);
  record['type'] = type;
  const schema: Schema<Message> = MESSAGE_SCHEMAS[type];
  return { message: check(schema, record, 'peer', type), encoding };
}

/** How bytes are written, by the first of them alone; `undefined` if in neither way. */
export function encodingOf(bytes: Uint8Array): Encoding | undefined {
  const first = bytes[0];
  if (first === undefined) return undefined;
  if (first === 0x7b) return 'json';
  return first >= 0xa0 && first <= 0xb7 ? 'cbor' : undefined;
}

/**
 * The `id` of a message that {@link decodeMessage} refused, so that an `error` can name it; `undefined` if there is
 * none to be read. Never throws a {@link SimsError}.
 */
export function messageIdOf(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): MessageId | undefined {
  try {
    const { map, encoding } = decodeMap(bytes, limits);
    const { id } = readFields(ID_ALONE, map, encoding);
    return isMessageId(id) ? id : undefined;
  } catch (error) {
    if (error instanceof SimsError) return undefined;
    throw error;
  }
}

const ID_ALONE = MESSAGE_FIELDS.list.filter((field) => field.property === 'id');

function decodeMap(bytes: Uint8Array, limits: Limits): { readonly map: ValueMap; readonly encoding: Encoding } {
  checkLength(bytes, limits);
  const encoding = encodingOf(bytes);
  if (encoding === undefined) {
    throw new SimsError(
      'codec/malformed',
      `the first byte, ${bytes[0]}, begins neither a JSON object nor a short CBOR map`,
    );
  }
  const map = encoding === 'cbor' ? decodeCbor(bytes, limits) : decodeJson(bytes, limits);
  if (!(map instanceof Map)) throw new SimsError('codec/malformed', 'not a map');
  return { map, encoding };
}

function typeOf(map: ValueMap, encoding: Encoding): MessageType {
  const raw = map.get(encoding === 'cbor' ? TYPE_FIELD.number : TYPE_FIELD.name);
  if (raw === undefined) throw new SimsError('messages/field-missing', 'a message without a type');
  if (encoding === 'cbor' ? typeof raw !== 'number' || raw < 0 : typeof raw !== 'string') {
    throw new SimsError('messages/field-invalid', `a type that is ${encoding === 'cbor' ? 'no number' : 'no text'}`);
  }
  const type = encoding === 'cbor' ? typeOfNumber(raw) : typeOfName(raw);
  if (type === undefined) {
    const shown = typeof raw === 'number' ? `number ${raw}` : 'a name';
    throw new SimsError('messages/unknown-type', `a message of an unknown type: ${shown}`);
  }
  return type;
}
