/**
 * Distinguished names, compared as RFC 5280 §7.1 says: strings without regard to case, encoding and runs of spaces
 * (RFC 4518), anything else octet by octet.
 *
 * @packageDocumentation
 */
import { fromUtf8, hex } from '../bytes.ts';
import { type DerReader, TAG, malformed } from './certificateDer.ts';

/** One attribute of a relative distinguished name. */
export interface NameAttribute {
  /** Dotted object identifier of the type. */
  readonly type: string;
  /** The text; `undefined` where the value is no string. */
  readonly text: string | undefined;
  /** The value element, identifier and length included. */
  readonly value: Uint8Array;
}

/** A distinguished name. */
export interface Name {
  /** DER of the Name. */
  readonly bytes: Uint8Array;
  readonly relativeNames: readonly (readonly NameAttribute[])[];
  /** For each relative name a text that is equal for equal names. */
  readonly canonical: readonly string[];
  /** The whole name as one text that is equal for equal names; empty for the empty name. */
  readonly key: string;
}

/** Object identifiers of attribute types that have a usual short name. */
export const ATTRIBUTE: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.42': 'GN',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

const MOST_ATTRIBUTES = 4_096;

/** Reads a Name. @throws `cc/malformed` */
export function readName(reader: DerReader): Name {
  const sequence = reader.enter(TAG.sequence);
  const bytes = reader.bytes.subarray(reader.start, reader.stop);
  const relativeNames: NameAttribute[][] = [];
  let count = 0;
  while (!sequence.done) {
    const set = sequence.enter(TAG.set);
    const attributes: NameAttribute[] = [];
    do {
      count += 1;
      if (count > MOST_ATTRIBUTES) throw malformed(`more than ${MOST_ATTRIBUTES} attributes in a name`, set.at);
      attributes.push(readAttribute(set));
    } while (!set.done);
    relativeNames.push(attributes);
  }
  const canonical = relativeNames.map(canonicalRelativeName);
  return { bytes, relativeNames, canonical, key: canonical.join('\u0001') };
}

/** A relative distinguished name alone, as distribution points hold it: the contents of a SET. */
export function readRelativeName(set: DerReader): string {
  const attributes: NameAttribute[] = [];
  do attributes.push(readAttribute(set));
  while (!set.done);
  return canonicalRelativeName(attributes);
}

/** The name's key when one more relative name is put behind it. */
export function extendedKey(name: Name, relativeName: string): string {
  return [...name.canonical, relativeName].join('\u0001');
}

/** Whether `name` is `base` or below it. */
export function isWithin(name: Name, base: Name): boolean {
  return (
    base.canonical.length <= name.canonical.length && base.canonical.every((part, at) => part === name.canonical[at])
  );
}

/** Texts of the attributes of one type, in order. */
export function attributeTexts(name: Name, type: string): readonly string[] {
  return name.relativeNames.flatMap((attributes) =>
    attributes.flatMap((attribute) =>
      attribute.type === type && attribute.text !== undefined ? [attribute.text] : [],
    ),
  );
}

/** Text for people, most specific part first (RFC 4514 order); bounded, control characters replaced. Not for comparing. */
export function displayName(name: Name): string {
  const parts = name.relativeNames
    .slice(0, 32)
    .reverse()
    .map((attributes) =>
      attributes
        .slice(0, 8)
        .map(
          ({ type, text, value }) =>
            `${ATTRIBUTE[type] ?? type}=${text === undefined ? `#${hex(value.subarray(0, 32))}` : printable(text)}`,
        )
        .join('+'),
    );
  return parts.join(',').slice(0, 512);
}

function printable(text: string): string {
  return text
    .slice(0, 128)
    .replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\uFFFD')
    .replace(/[,+"\\<>;=]/g, String.raw`\$&`);
}

function readAttribute(set: DerReader): NameAttribute {
  const attribute = set.enter(TAG.sequence);
  const type = attribute.objectIdentifier();
  attribute.next();
  const value = attribute.bytes.subarray(attribute.start, attribute.stop);
  const text = stringOf(attribute.tag, attribute.bytes.subarray(attribute.content, attribute.stop));
  attribute.finish();
  return { type, text, value };
}

function canonicalRelativeName(attributes: readonly NameAttribute[]): string {
  const parts = attributes.map(({ type, text, value }) =>
    text === undefined ? `${type}#${hex(value)}` : `${type}=${prepared(text)}`,
  );
  return parts.length === 1 ? parts[0]! : parts.sort().join('\u0002');
}

/** Text of a string type; `undefined` for other types and for octets that are no such string. */
function stringOf(tag: number, contents: Uint8Array): string | undefined {
  switch (tag) {
    case TAG.utf8String: {
      try {
        return fromUtf8(contents);
      } catch {
        return undefined;
      }
    }
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.visibleString:
    case 0x12:
      return contents.every((octet) => octet < 0x80) ? latin1(contents) : undefined;
    case TAG.teletexString:
      return latin1(contents);
    case TAG.bmpString:
      return contents.length % 2 === 0 ? codeUnits(contents, 2) : undefined;
    case TAG.universalString:
      return contents.length % 4 === 0 ? codeUnits(contents, 4) : undefined;
    default:
      return undefined;
  }
}

function latin1(contents: Uint8Array): string {
  let text = '';
  for (const octet of contents) text += String.fromCharCode(octet);
  return text;
}

function codeUnits(contents: Uint8Array, width: 2 | 4): string | undefined {
  let text = '';
  for (let at = 0; at < contents.length; at += width) {
    let code = 0;
    for (let index = 0; index < width; index += 1) code = code * 256 + contents[at + index]!;
    if (code > 0x10ffff) return undefined;
    text += String.fromCodePoint(code);
  }
  return text;
}

/** String preparation of RFC 4518: mapping, compatibility form, case folding, insignificant spaces. */
function prepared(text: string): string {
  const mapped = /^[\x20-\x7e]*$/.test(text)
    ? text
    : text
        .replace(/[\t\n\v\f\r\u0085]/g, ' ')
        .replace(/[\p{Cc}\p{Cf}\u034f\u180b-\u180d\ufe00-\ufe0f\ufffc]/gu, '')
        .replace(/\p{Z}/gu, ' ')
        .normalize('NFKC');
  return mapped.toLowerCase().replace(/ +/g, ' ').trim();
}
