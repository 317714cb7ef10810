/**
 * JSON as the protocol takes it: one object in UTF-8, nothing before or behind it, no key twice, no half of a
 * surrogate pair. `JSON.parse` keeps the last of two equal keys, so the parser is here.
 *
 * @packageDocumentation
 */
import { fromUtf8, utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { checkLength, DEFAULT_LIMITS, MAX_DEPTH, type Limits } from './limits.ts';
import { isWellFormed, type Key, type Value, type ValueMap } from './value.ts';

/**
 * The object that `bytes` hold. Numbers are as JavaScript reads them: who takes one judges it.
 *
 * @throws `codec/truncated`, `codec/trailing-bytes` (white space too), `codec/malformed` (a byte order mark too),
 * `codec/duplicate-key`, `codec/depth-over-limit`, `codec/length-over-limit`, `codec/items-over-limit`,
 * `codec/invalid-utf8`, `codec/received-lone-surrogate`
 */
export function decodeJson(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): ValueMap {
  checkLength(bytes, limits);
  const parser = new Parser(fromUtf8(bytes), limits);
  const map = parser.object(1);
  parser.end();
  return map;
}

/**
 * UTF-8 of a map as a JSON object, without white space, in the order of the map.
 *
 * @throws `codec/invalid-value` for what JSON cannot hold (bytes, integer keys), `codec/lone-surrogate`
 */
export function encodeJson(map: ValueMap): Uint8Array {
  return utf8(stringify(map, 1));
}

function stringify(value: Value, depth: number): string {
  if (typeof value === 'string') {
    if (!isWellFormed(value))
      throw new SimsError('codec/lone-surrogate', `a text of ${value.length} units holds half a pair`);
    return JSON.stringify(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && Number.isSafeInteger(value)) return JSON.stringify(value);
  if (depth > MAX_DEPTH) throw new SimsError('codec/invalid-value', `nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return `[${value.map((element: Value) => stringify(element, depth + 1)).join(',')}]`;
  if (value instanceof Map) {
    const members = [...(value as ReadonlyMap<Key, Value>)].map(([key, element]) => {
      if (typeof key !== 'string') throw new SimsError('codec/invalid-value', 'a key that is no text');
      return `${stringify(key, depth + 1)}:${stringify(element, depth + 1)}`;
    });
    return `{${members.join(',')}}`;
  }
  throw new SimsError('codec/invalid-value', `a value of type ${typeof value}`);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const LITERALS: readonly (readonly [string, boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];
/** What a text cannot be taken with as it stands: escapes and control characters. */
const NEEDS_A_LOOK = /[^\u0020-\u005b\u005d-\uffff]/;
/** A number; one that ends where the text ends may go on. */
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const BEGINNING_OF_NUMBER = /-?(?:(?:0|[1-9][0-9]*)(?:(?:\.[0-9]+)?[eE][+-]?[0-9]*|\.[0-9]*)?)?$/y;
/** What may stand behind a backslash (RFC 8259 §7), and the beginnings of that at the end of the text. */
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const BEGINNING_OF_ESCAPE = /\\(?:u[0-9a-fA-F]{0,3})?$/y;

/** RFC 8259 §2, one character after the other; recurses no deeper than the limit. */
class Parser {
  readonly #text: string;
  readonly #limits: Limits;
  #offset = 0;
  #items = 0;

  constructor(text: string, limits: Limits) {
    this.#text = text;
    this.#limits = limits;
  }

  end(): void {
    const left = this.#text.length - this.#offset;
    if (left > 0) throw new SimsError('codec/trailing-bytes', `${left} characters after the object`);
  }

  object(depth: number): Map<string, Value> {
    this.#open(OPEN_OBJECT, depth);
    const map = new Map<string, Value>();
    if (this.#closes(CLOSE_OBJECT)) return map;
    do {
      this.#space();
      this.#count();
      const key = this.#string();
      if (map.has(key)) throw new SimsError('codec/duplicate-key', `a key again before character ${this.#offset}`);
      this.#space();
      this.#expect(COLON);
      map.set(key, this.#value(depth + 1));
    } while (this.#continues(CLOSE_OBJECT));
    return map;
  }

  #array(depth: number): Value[] {
    this.#open(OPEN_ARRAY, depth);
    const array: Value[] = [];
    if (this.#closes(CLOSE_ARRAY)) return array;
    do array.push(this.#value(depth + 1));
    while (this.#continues(CLOSE_ARRAY));
    return array;
  }

  #value(depth: number): Value {
    this.#space();
    this.#count();
    switch (this.#peek()) {
      case OPEN_OBJECT:
        return this.object(depth);
      case OPEN_ARRAY:
        return this.#array(depth);
      case QUOTE:
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #string(): string {
    this.#expect(QUOTE);
    const start = this.#offset;
    const quote = this.#text.indexOf('"', start);
    const whole = quote < 0 ? '' : this.#text.slice(start, quote);
    if (quote >= 0 && !NEEDS_A_LOOK.test(whole)) {
      this.#offset = quote + 1;
      return whole;
    }
    let escaped = false;
    for (;;) {
      const unit = this.#peek();
      if (unit === QUOTE) break;
      if (unit < 0x20) throw this.#malformed();
      if (unit === BACKSLASH) {
        escaped = true;
        this.#escape();
      } else this.#offset += 1;
    }
    const raw = this.#text.slice(start, this.#offset);
    this.#offset += 1;
    if (!escaped) return raw;
    const text: unknown = JSON.parse(`"${raw}"`);
    if (typeof text !== 'string') throw this.#malformed();
    // Without escapes it is well-formed, since UTF-8 cannot hold half a pair.
    if (!isWellFormed(text))
      throw new SimsError('codec/received-lone-surrogate', `half a pair before character ${this.#offset}`);
    return text;
  }

  #escape(): void {
    ESCAPE.lastIndex = this.#offset;
    if (!ESCAPE.test(this.#text)) {
      BEGINNING_OF_ESCAPE.lastIndex = this.#offset;
      throw BEGINNING_OF_ESCAPE.test(this.#text) ? this.#truncated() : this.#malformed();
    }
    this.#offset = ESCAPE.lastIndex;
  }

  #scalar(): Value {
    for (const [literal, value] of LITERALS) {
      if (this.#text.startsWith(literal, this.#offset)) {
        this.#offset += literal.length;
        return value;
      }
      const left = this.#text.length - this.#offset;
      if (left < literal.length && literal.startsWith(this.#text.slice(this.#offset))) throw this.#truncated();
    }
    BEGINNING_OF_NUMBER.lastIndex = this.#offset;
    if (BEGINNING_OF_NUMBER.test(this.#text)) throw this.#truncated();
    NUMBER.lastIndex = this.#offset;
    const number = NUMBER.exec(this.#text);
    if (number === null) throw this.#malformed();
    this.#offset = NUMBER.lastIndex;
    return Number(number[0]);
  }

  #open(bracket: number, depth: number): void {
    this.#expect(bracket);
    if (depth > this.#limits.maxDepth) {
      throw new SimsError('codec/depth-over-limit', `nested deeper than ${this.#limits.maxDepth}`);
    }
  }

  /** Whether the collection is empty. */
  #closes(bracket: number): boolean {
    this.#space();
    if (this.#peek() !== bracket) return false;
    this.#offset += 1;
    return true;
  }

  /** Whether another element follows. */
  #continues(bracket: number): boolean {
    this.#space();
    const unit = this.#peek();
    if (unit !== COMMA && unit !== bracket) throw this.#malformed();
    this.#offset += 1;
    return unit === COMMA;
  }

  #space(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#offset);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return;
      this.#offset += 1;
    }
  }

  #expect(unit: number): void {
    if (this.#peek() !== unit) throw this.#malformed();
    this.#offset += 1;
  }

  #peek(): number {
    if (this.#offset >= this.#text.length) throw this.#truncated();
    return this.#text.charCodeAt(this.#offset);
  }

  #count(): void {
    this.#items += 1;
    if (this.#items > this.#limits.maxItems) {
      throw new SimsError('codec/items-over-limit', `more than ${this.#limits.maxItems} items`);
    }
  }

  #truncated(): SimsError {
    return new SimsError('codec/truncated', `the text ends after ${this.#text.length} characters`);
  }

  #malformed(): SimsError {
    return new SimsError('codec/malformed', `unexpected character ${this.#offset}`);
  }
}
