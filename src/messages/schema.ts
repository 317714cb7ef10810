/**
 * The pieces that schemas of messages, bodies and credentials are made of, and the one way to apply them.
 *
 * @packageDocumentation
 */
import * as v from 'valibot';
import { utf8Length } from '../codec/value.ts';
import { SimsError } from '../errors.ts';
import { isAddress, isMessageId, type Address, type MessageId } from './address.ts';

/** A schema whose output is `Output`. */
export type Schema<Output> = v.GenericSchema<unknown, Output>;

/** Longest `name`, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 128;
/** Longest `label`, in bytes of UTF-8. */
export const MAX_LABEL_BYTES = 255;
/** Longest `code`, in bytes of UTF-8. */
export const MAX_CODE_BYTES = 64;

const OVER_LIMIT = 'over limit';
const LONE_SURROGATE = 'lone surrogate';

/** The text of an address. */
export const address: Schema<Address> = v.custom<Address>(isAddress);
/** The text of a message id. */
export const messageId: Schema<MessageId> = v.custom<MessageId>(isMessageId);
/** Bytes of any length. */
export const bytes: Schema<Uint8Array> = v.custom<Uint8Array>((value) => value instanceof Uint8Array);
/** A boolean. */
export const boolean: Schema<boolean> = v.boolean();
/** The number of a handshake phase. */
export const phase: Schema<Phase> = v.picklist([1, 2, 3, 4]);

/** The number of a handshake phase. */
export type Phase = 1 | 2 | 3 | 4;

/** Exactly `length` bytes. */
export function bytesOfLength(length: number): Schema<Uint8Array> {
  return v.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length);
}

/** Bytes up to a limit. */
export function bytesUpTo(limit: number): Schema<Uint8Array> {
  return v.pipe(
    bytes,
    v.check((value) => value.length <= limit, OVER_LIMIT),
  );
}

/** Well-formed text of at most `limit` bytes in UTF-8. */
export function text(limit: number): Schema<string> {
  return v.pipe(
    v.string(),
    v.check((value) => utf8Length(value) >= 0, LONE_SURROGATE),
    v.check((value) => value.length <= limit && utf8Length(value) <= limit, OVER_LIMIT),
  );
}

/** An array of at most `limit` elements, none of which is there twice. */
export function distinct<Element>(element: Schema<Element>, limit: number): Schema<readonly Element[]> {
  return v.pipe(
    arrayUpTo(element, limit),
    v.check((array) => new Set(array).size === array.length, 'an element twice'),
  );
}

/** An array of at most `limit` elements; the number is looked at before the elements. */
export function arrayUpTo<Element>(element: Schema<Element>, limit: number): Schema<readonly Element[]> {
  return v.pipe(
    v.custom<readonly unknown[]>((value) => Array.isArray(value)),
    v.check((array) => array.length <= limit, OVER_LIMIT),
    v.array(element),
  );
}

/** An integer from 0 to 2^53 − 1. */
export const unsigned: Schema<number> = v.custom<number>(
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
);

/**
 * The value as its schema gives it: fields that the schema does not name are gone.
 *
 * @param whose `peer` for what was received, `caller` for what is to be sent
 * @throws `messages/field-missing`, `messages/field-over-limit` or `messages/field-invalid` for a peer;
 * `messages/invalid-message` or `codec/lone-surrogate` for a caller
 */
export function check<Output>(schema: Schema<Output>, value: unknown, whose: 'peer' | 'caller', what: string): Output {
  const result = v.safeParse(schema, value, ABORT_EARLY);
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue);
  const where = path === null ? what : `${what}, field ${path}`;
  const missing = issue.kind === 'schema' && issue.received === 'undefined';
  if (whose === 'caller') {
    if (issue.message === LONE_SURROGATE) throw new SimsError('codec/lone-surrogate', `${where} holds half a pair`);
    const reason = missing ? 'missing' : issue.message === OVER_LIMIT ? 'over its limit' : 'of a wrong type or form';
    throw new SimsError('messages/invalid-message', `${where}: ${reason}`);
  }
  if (missing) throw new SimsError('messages/field-missing', `${where}: missing`);
  if (issue.message === OVER_LIMIT) throw new SimsError('messages/field-over-limit', `${where}: over its limit`);
  throw new SimsError('messages/field-invalid', `${where}: of a wrong type or form`);
}

const ABORT_EARLY = { abortEarly: true } as const;
