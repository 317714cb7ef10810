/**
 * The values that both encodings speak of.
 *
 * @packageDocumentation
 */

/** A key of a map: an integer (CBOR only) or a text. */
export type Key = number | string;

/** A value: an integer with a magnitude below 2^53, text, bytes (CBOR only), boolean, null, array or map. */
export type Value = number | string | boolean | null | Uint8Array | readonly Value[] | ValueMap;

/** A map. Never a plain object, so that a key such as `__proto__` is a key like any other. */
export type ValueMap = ReadonlyMap<Key, Value>;

/** Half of a surrogate pair without its other half. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether every surrogate of a text has its other half; only such a text has a UTF-8 form. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** Bytes of a text in UTF-8; -1 if it holds half of a surrogate pair. */
export function utf8Length(text: string): number {
  let length = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) length += 1;
    else if (unit < 0xd800 || unit > 0xdfff) length += 2;
    else {
      const next = text.charCodeAt(index + 1);
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return -1;
      // Two units give four bytes.
      length += 2;
      index += 1;
    }
  }
  return length;
}
