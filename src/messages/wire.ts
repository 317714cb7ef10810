/**
 * Between maps of the wire and the plain records that schemas judge. A value of a wrong wire type becomes
 * {@link WRONG}, which no schema takes; a field that no table names is left out.
 *
 * @packageDocumentation
 */
import { base64url, fromBase64url } from '../bytes.ts';
import type { Key, Value, ValueMap } from '../codec/value.ts';
import { SimsError } from '../errors.ts';
import {
  ADDRESS_BYTES,
  addressBytes,
  addressFromBytes,
  MESSAGE_ID_BYTES,
  messageIdBytes,
  messageIdFromBytes,
  type Address,
  type MessageId,
} from './address.ts';

/** How a message is written. */
export type Encoding = 'json' | 'cbor';

/**
 * How a field's value is written: the same in both encodings, in a form of its own, an array of byte strings, or an array of
 * maps of fields.
 */
export type Wire = 'plain' | 'bytes' | 'bytes-list' | 'message-id' | 'address' | 'kind' | readonly Field[];

/** One field: its property in TypeScript, its number in CBOR, its name in JSON. */
export interface Field {
  readonly property: string;
  readonly number: number;
  readonly name: string;
  readonly wire: Wire;
}

/** Stands for a value that is not of its field's wire type. */
export const WRONG: unique symbol = Symbol('wrong type on the wire');

/** Kinds of credential, by their number. */
const KINDS: readonly string[] = ['none', 'key', 'certificate', 'relay'];

/** The fields that `map` holds, as a schema takes them. */
export function readFields(fields: readonly Field[], map: ValueMap, encoding: Encoding): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const field of fields) {
    const value = map.get(encoding === 'cbor' ? field.number : field.name);
    if (value !== undefined) record[field.property] = fromWire(field.wire, value, encoding);
  }
  return record;
}

/** Adds the fields of a valid record to `map`, in the order of `fields`. */
export function writeFields(
  fields: readonly Field[],
  record: Readonly<Record<string, unknown>>,
  encoding: Encoding,
  map: Map<Key, Value> = new Map(),
): Map<Key, Value> {
  for (const field of fields) {
    const value = record[field.property];
    if (value !== undefined)
      map.set(encoding === 'cbor' ? field.number : field.name, toWire(field.wire, value, encoding));
  }
  return map;
}

function fromWire(wire: Wire, value: Value, encoding: Encoding): unknown {
  if (typeof wire !== 'string') {
    if (!Array.isArray(value)) return WRONG;
    return value.map((item: Value) => (item instanceof Map ? readFields(wire, item, encoding) : WRONG));
  }
  if (wire === 'bytes-list') {
    return Array.isArray(value) ? value.map((item: Value) => fromWire('bytes', item, encoding)) : WRONG;
  }
  if (wire === 'plain' || (encoding === 'json' && wire !== 'bytes')) return value;
  switch (wire) {
    case 'bytes':
      return encoding === 'cbor' ? value : bytesOfText(value);
    case 'message-id':
      return value instanceof Uint8Array && value.length === MESSAGE_ID_BYTES ? messageIdFromBytes(value) : WRONG;
    case 'address':
      return value instanceof Uint8Array && value.length === ADDRESS_BYTES ? addressFromBytes(value) : WRONG;
    case 'kind':
      return typeof value === 'number' ? (KINDS[value] ?? WRONG) : WRONG;
  }
}

function toWire(wire: Wire, value: unknown, encoding: Encoding): Value {
  if (typeof wire !== 'string') {
    return (value as readonly Record<string, unknown>[]).map((item) => writeFields(wire, item, encoding));
  }
  if (wire === 'bytes-list') return (value as readonly Uint8Array[]).map((item) => toWire('bytes', item, encoding));
  if (wire === 'plain' || (encoding === 'json' && wire !== 'bytes')) return value as Value;
  switch (wire) {
    case 'bytes':
      return encoding === 'cbor' ? (value as Uint8Array) : base64url(value as Uint8Array);
    case 'message-id':
      return messageIdBytes(value as MessageId);
    case 'address':
      return addressBytes(value as Address);
    case 'kind':
      return KINDS.indexOf(value as string);
  }
}

function bytesOfText(value: Value): unknown {
  if (typeof value !== 'string') return WRONG;
  try {
    return fromBase64url(value);
  } catch (error) {
    if (error instanceof SimsError) return WRONG;
    throw error;
  }
}
