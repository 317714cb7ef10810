/**
 * What messages hold: text, or the application's data, which a schema of the application may check both ways.
 *
 * @packageDocumentation
 */
import { fromUtf8, utf8 } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { MAX_DEPTH } from '../codec/limits.ts';
import { isWellFormed, type Value, type ValueMap } from '../codec/value.ts';
import { SimsError } from '../errors.ts';
import type { MessageId } from '../messages/address.ts';
import type { InboxEntry } from '../session/state.ts';

/** Longest text or encoded data of one message, in bytes. */
export const MAX_CONTENT_BYTES = 524_288;

/** A message that came. `Data`: what the schema gives, where the client has one. */
export interface ReceivedMessage<Data = unknown> {
  readonly id: MessageId;
  /** Number in the peer's history, from 1. */
  readonly number: number;
  readonly kind: 'text' | 'data';
  /** The text; empty for data. Not cleaned: strip control characters before a terminal sees them. */
  readonly text: string;
  /** The application's data; `undefined` for text. */
  readonly data: Data | undefined;
  /** How many of this side's messages the peer had received when it wrote this. */
  readonly inSightOf: number;
  /** Milliseconds since 1970, by this side's clock. */
  readonly receivedAtMs: number;
}

/**
 * What to send: text, or data that CBOR can hold: whole numbers below 2^53, texts, bytes, booleans, null, arrays, plain
 * objects, and maps. A map whose keys are all texts arrives as a plain object.
 */
export type Content = string | { readonly data: unknown };

/** What a schema says of a value: the value, perhaps transformed, or what is wrong with it. */
export type SchemaResult<Data> =
  | { readonly value: Data; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/**
 * A schema of any library that follows Standard Schema 1 (https://standardschema.dev): Valibot, Zod, ArkType and others.
 * It has to answer at once: one that answers by a promise is refused, for messages keep their order.
 */
export interface ContentSchema<Data = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    /** Says what a value is, or what is wrong with it. */
    readonly validate: (value: unknown) => SchemaResult<Data> | Promise<SchemaResult<Data>>;
    readonly types?: { readonly input: unknown; readonly output: Data } | undefined;
  };
}

/** Content as it is sealed. The data goes as it was given: what a schema makes of it is for the receiver. */
export function encodeContent(
  content: Content,
  schema: ContentSchema | undefined,
): { readonly kind: 'text' | 'data'; readonly bytes: Uint8Array } {
  const kind = typeof content === 'string' ? 'text' : 'data';
  if (typeof content !== 'string' && schema !== undefined) {
    const { issues } = validate(schema, content.data);
    if (issues !== undefined) {
      throw new SimsError('client/content-invalid', `the schema finds ${issues.length} issues in the data`);
    }
  }
  const bytes = typeof content === 'string' ? encodeText(content) : encodeCbor(objectsToMaps(content.data));
  if (bytes.length > MAX_CONTENT_BYTES) {
    throw new SimsError('client/text-too-long', `${bytes.length} bytes, at most ${MAX_CONTENT_BYTES}`);
  }
  return { kind, bytes };
}

/**
 * A message as the application gets it.
 *
 * @throws `codec/*`, `client/content-refused` when the peer sent what cannot be shown
 */
export function decodeContent(entry: InboxEntry, schema: ContentSchema | undefined): ReceivedMessage {
  const { m, id, kind, content, inSightOf, receivedAtMs } = entry;
  const common = { id, number: m, inSightOf, receivedAtMs };
  if (kind === 'text') return { ...common, kind, text: fromUtf8(content), data: undefined };
  const data = mapsToObjects(decodeCbor(content));
  if (schema === undefined) return { ...common, kind: 'data', text: '', data };
  const result = validate(schema, data);
  if (result.issues === undefined) return { ...common, kind: 'data', text: '', data: result.value };
  throw new SimsError('client/content-refused', `the schema finds ${result.issues.length} issues in message ${m}`);
}

/** Neither issues nor what a schema throws is passed on: they may quote the content. */
function validate(schema: ContentSchema, value: unknown): SchemaResult<unknown> {
  let result: SchemaResult<unknown> | Promise<SchemaResult<unknown>>;
  try {
    result = schema['~standard'].validate(value);
  } catch {
    return { issues: [{ message: 'the schema throws' }] };
  }
  if ('then' in result) {
    result.catch(() => {});
    throw new SimsError('client/invalid-argument', 'the schema of the content answers by a promise');
  }
  return result;
}

/** Plain objects as maps, which is what the codec writes. What is nested deeper than it takes is left to its error. */
function objectsToMaps(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => objectsToMaps(item, depth + 1));
  const isPlain = [null, Object.prototype].includes(Object.getPrototypeOf(value) as object | null);
  if (!isPlain && !(value instanceof Map)) return value;
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  return new Map(entries.map(([key, item]) => [key, objectsToMaps(item, depth + 1)]));
}

function mapsToObjects(value: Value): unknown {
  if (Array.isArray(value)) return (value as readonly Value[]).map(mapsToObjects);
  if (!(value instanceof Map)) return value;
  const entries = [...(value as ValueMap)].map(([key, item]) => [key, mapsToObjects(item)] as const);
  // Object.fromEntries defines own properties, `__proto__` among them: nothing is inherited by a hostile key.
  return entries.every(([key]) => typeof key === 'string') ? Object.fromEntries(entries) : new Map(entries);
}

function encodeText(text: string): Uint8Array {
  if (!isWellFormed(text)) throw new SimsError('codec/lone-surrogate', 'the text holds half of a surrogate pair');
  return utf8(text);
}
