/**
 * JSON with `//` comments, read with the place of every value: for files that people write. Duplicate keys are errors.
 *
 * @packageDocumentation
 */
import { memberPath } from './definition.ts';

/** A place in a text; both count from 1, columns in UTF-16 code units as editors do. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A value and where its parts are. */
export interface PositionedJson {
  /** Plain values; maps have no prototype. */
  readonly value: unknown;
  /** Place of the value, or of its key, at a path such as `clearance[2].label`; of the nearest parent if it is not there. */
  placeOf(path: string, part: 'key' | 'value'): Place;
}

/** Why a text is not JSON. */
export interface JsonFault extends Place {
  readonly message: string;
}

const MAX_LENGTH = 1 << 20;
const MAX_DEPTH = 16;
const TOKEN = /(?:[ \t\r\n]+|\/\/[^\n]*)*(?:([{}[\],:])|("[^"\\\n]*(?:\\.[^"\\\n]*)*")|(-?[\w.+-]+)|($)|)/y;

/** Reads a text of at most 1 MiB, nested at most 16 deep. A byte order mark at its start is skipped. */
export function readPositionedJson(text: string): PositionedJson | { readonly fault: JsonFault } {
  const values = new Map<string, number>();
  const keys = new Map<string, number>();
  try {
    if (text.length > MAX_LENGTH)
      throw new Fault(0, `The text has ${text.length} characters; the limit is ${MAX_LENGTH}.`);
    const reader = new Reader(text, values, keys);
    const value = reader.value('', 0);
    reader.expectEnd();
    return { value, placeOf: (path, part) => placeAt(text, offsetOf(path, part === 'key' ? keys : values, values)) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { fault: { ...placeAt(text, error.offset), message: error.message } };
  }
}

/** How reading ends early; it never leaves this file. */
class Fault extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

interface Token {
  /** A sign, or what kind of token it is. */
  readonly type: string;
  readonly text: string;
  readonly offset: number;
}

class Reader {
  readonly #text: string;
  readonly #values: Map<string, number>;
  readonly #keys: Map<string, number>;
  #next = 0;

  constructor(text: string, values: Map<string, number>, keys: Map<string, number>) {
    this.#text = text;
    this.#values = values;
    this.#keys = keys;
    if (text.startsWith('\ufeff')) this.#next = 1;
  }

  value(path: string, depth: number): unknown {
    const token = this.#take();
    this.#values.set(path, token.offset);
    if (depth > MAX_DEPTH) throw new Fault(token.offset, `Values are nested more than ${MAX_DEPTH} deep.`);
    switch (token.type) {
      case '{':
        return this.#map(path, depth);
      case '[':
        return this.#list(path, depth);
      case 'string':
      case 'word':
        return parseScalar(token);
      default:
        throw unexpected(token, 'a value');
    }
  }

  expectEnd(): void {
    const token = this.#take();
    if (token.type !== 'end') throw unexpected(token, 'the end of the text');
  }

  #map(path: string, depth: number): unknown {
    const map = Object.create(null) as Record<string, unknown>;
    let token = this.#take();
    if (token.type === '}') return map;
    for (;;) {
      if (token.type !== 'string') throw unexpected(token, 'a key in double quotes');
      const key = String(parseScalar(token));
      if (key in map) throw new Fault(token.offset, `The key ${token.text.slice(0, 64)} is there twice.`);
      const at = memberPath(path, key);
      this.#keys.set(at, token.offset);
      const colon = this.#take();
      if (colon.type !== ':') throw unexpected(colon, '":"');
      map[key] = this.value(at, depth + 1);
      const sign = this.#take();
      if (sign.type === '}') return map;
      if (sign.type !== ',') throw unexpected(sign, '"," or "}"');
      token = this.#take();
    }
  }

  #list(path: string, depth: number): unknown {
    const list: unknown[] = [];
    const start = this.#next;
    if (this.#take().type === ']') return list;
    this.#next = start;
    for (;;) {
      list.push(this.value(`${path}[${list.length}]`, depth + 1));
      const sign = this.#take();
      if (sign.type === ']') return list;
      if (sign.type !== ',') throw unexpected(sign, '"," or "]"');
    }
  }

  #take(): Token {
    TOKEN.lastIndex = this.#next;
    const [whole = '', sign, string, word, end] = TOKEN.exec(this.#text) ?? [];
    const text = sign ?? string ?? word ?? '';
    this.#next += whole.length;
    const rest = end !== undefined ? 'end' : this.#text[this.#next] === '"' ? 'quote' : 'unknown';
    const type = sign ?? (string !== undefined ? 'string' : word !== undefined ? 'word' : rest);
    return { type, text, offset: this.#next - text.length };
  }
}

function parseScalar(token: Token): unknown {
  try {
    return JSON.parse(token.text);
  } catch {
    throw new Fault(
      token.offset,
      `${token.text.slice(0, 64)} is no ${token.type === 'string' ? 'text' : 'value'} of JSON.`,
    );
  }
}

function unexpected(token: Token, wanted: string): Fault {
  if (token.type === 'end') return new Fault(token.offset, `Expected ${wanted}, found the end of the text.`);
  if (token.type === 'quote') return new Fault(token.offset, 'The text that begins here does not end on its line.');
  if (token.type === 'unknown')
    return new Fault(token.offset, `Expected ${wanted}, found a character that is no part of JSON.`);
  return new Fault(token.offset, `Expected ${wanted}, found ${token.text.slice(0, 64)}.`);
}

function offsetOf(path: string, first: ReadonlyMap<string, number>, values: ReadonlyMap<string, number>): number {
  let at = path;
  let offset = first.get(at) ?? values.get(at);
  while (offset === undefined && at !== '') {
    at = at.slice(0, Math.max(at.lastIndexOf('.'), at.lastIndexOf('['), 0));
    offset = values.get(at);
  }
  return offset ?? 0;
}

function placeAt(text: string, offset: number): Place {
  let line = 1;
  let start = 0;
  for (let newline = text.indexOf('\n'); newline !== -1 && newline < offset; newline = text.indexOf('\n', start)) {
    line += 1;
    start = newline + 1;
  }
  return { line, column: offset - start + 1 };
}
