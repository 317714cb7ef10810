/**
 * Maps inside messages that are CBOR in both encodings: bodies of the handshake and credentials.
 *
 * @packageDocumentation
 */
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { BODY_LIMITS, MAX_BODY_BYTES } from '../codec/limits.ts';
import { SimsError } from '../errors.ts';
import { check, type Schema } from './schema.ts';
import { readFields, writeFields, type Field } from './wire.ts';

/** A kind of map: its name in errors, its schema, and the number of each property in ascending order. */
export interface Body<Typed> {
  readonly what: string;
  readonly schema: Schema<Typed>;
  readonly fields: readonly Field[];
}

/** A field that is CBOR alone. */
export function field(number: number, property: string): Field {
  return { property, number, name: property, wire: 'plain' };
}

/** The deterministic CBOR of a body. */
export function encodeBody<Typed extends object>(body: Body<Typed>, typed: Typed): Uint8Array {
  const checked = check(body.schema, typed, 'caller', body.what) as Readonly<Record<string, unknown>>;
  const bytes = encodeCbor(writeFields(body.fields, checked, 'cbor'));
  if (bytes.length > MAX_BODY_BYTES) {
    throw new SimsError(
      'messages/invalid-message',
      `${body.what}: ${bytes.length} bytes, the limit is ${MAX_BODY_BYTES}`,
    );
  }
  return bytes;
}

/** What the bytes of a body say; unknown keys are ignored. Byte strings are views of `bytes`. */
export function decodeBody<Typed>(body: Body<Typed>, bytes: Uint8Array): Typed {
  const map = decodeCbor(bytes, BODY_LIMITS);
  if (!(map instanceof Map)) throw new SimsError('messages/field-invalid', `${body.what}: not a map`);
  return check(body.schema, readFields(body.fields, map, 'cbor'), 'peer', body.what);
}
