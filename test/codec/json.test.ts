import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, fromUtf8, utf8 } from '../../src/bytes.ts';
import { decodeJson, encodeJson } from '../../src/codec/json.ts';
import { DEFAULT_LIMITS } from '../../src/codec/limits.ts';
import type { Value } from '../../src/codec/value.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { codeOf, jsonMaps } from './support.ts';

/** What JSON.parse makes of the same: plain objects where this package has maps. */
function plain(value: Value): unknown {
  if (value instanceof Map) {
    const object: Record<string, unknown> = {};
    for (const [key, element] of value as ReadonlyMap<string, Value>) {
      Object.defineProperty(object, key, {
        value: plain(element),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
    return object;
  }
  return Array.isArray(value) ? value.map(plain) : value;
}

describe('decodeJson', () => {
  it('gives back any map, agrees with JSON.parse, refuses every truncation and every trailing byte', () => {
    fc.assert(
      fc.property(jsonMaps, fc.nat(127), (map, extra) => {
        const bytes = encodeJson(map);
        expect(decodeJson(bytes)).toEqual(map);
        expect(plain(map)).toEqual(JSON.parse(fromUtf8(bytes)));
        for (let length = 0; length < bytes.length; length += 1) {
          // Where a character is cut, UTF-8 fails first.
          expect(codeOf(() => decodeJson(bytes.subarray(0, length)))).toBe(
            (bytes[length]! & 0xc0) === 0x80 ? 'codec/invalid-utf8' : 'codec/truncated',
          );
        }
        expect(codeOf(() => decodeJson(concat(bytes, Uint8Array.of(extra))))).toBe('codec/trailing-bytes');
      }),
    );
  });

  it('takes what JSON.parse takes and nothing else, but for keys twice and half pairs', () => {
    const tokens = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '"',
      '\\',
      '1',
      '-',
      '0',
      '.',
      'e',
      '+',
      'true',
      'null',
      ' ',
      '\n',
      'u',
    ];
    const soup = fc.array(fc.constantFrom(...tokens), { maxLength: 8 }).map((list) => `{"k":${list.join('')}}`);
    let taken = 0;
    fc.assert(
      fc.property(soup, (text) => {
        const code = codeOf(() => decodeJson(utf8(text)));
        if (code === 'codec/duplicate-key') return;
        let parsed: unknown;
        try {
          parsed = JSON.parse(text);
        } catch {
          expect(code).toBeDefined();
          return;
        }
        taken += 1;
        expect(plain(decodeJson(utf8(text)))).toEqual(parsed);
      }),
      { numRuns: 4_000 },
    );
    expect(taken).toBeGreaterThan(20);
  });

  it('reads white space, escapes and numbers as RFC 8259 has them', () => {
    const text =
      '{ "a" : [ 1 , -0.5e+2 , 1E3 , "\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00" ] ,\r\n\t"b" : { } , "c":[ ] }';
    expect(decodeJson(utf8(text))).toEqual(
      new Map<string, Value>([
        ['a', [1, -50, 1000, '"\\/\b\f\n\r\t\u00e9\ud83d\ude00']],
        ['b', new Map()],
        ['c', []],
      ]),
    );
  });

  const classes: readonly (readonly [string, string, ErrorCode])[] = [
    ['nothing', '', 'codec/truncated'],
    ['an array', '[]', 'codec/malformed'],
    ['white space before', ' {}', 'codec/malformed'],
    ['a byte order mark', '\ufeff{}', 'codec/malformed'],
    ['a line feed behind', '{}\n', 'codec/trailing-bytes'],
    ['two objects', '{}{}', 'codec/trailing-bytes'],
    ['a NUL behind', '{}\0', 'codec/trailing-bytes'],
    ['a key twice', '{"a":1,"a":1}', 'codec/duplicate-key'],
    ['a key twice, once escaped', '{"a":1,"\\u0061":2}', 'codec/duplicate-key'],
    ['a key twice, inside', '{"x":[{"":0,"":0}]}', 'codec/duplicate-key'],
    ['__proto__ twice', '{"__proto__":1,"__proto__":2}', 'codec/duplicate-key'],
    ['half of a pair as escape', '{"a":"\\ud800"}', 'codec/received-lone-surrogate'],
    ['the other half', '{"a":"\\uDC00x"}', 'codec/received-lone-surrogate'],
    ['half a pair in a key', '{"\\ud83d":0}', 'codec/received-lone-surrogate'],
    ['two first halves', '{"a":"\\ud83d\\ud83d\\ude00"}', 'codec/received-lone-surrogate'],
    ['a trailing comma', '{"a":1,}', 'codec/malformed'],
    ['a comma alone', '{,}', 'codec/malformed'],
    ['no colon', '{"a" 1}', 'codec/malformed'],
    ['a comment', '{/**/}', 'codec/malformed'],
    ['single quotes', "{'a':1}", 'codec/malformed'],
    ['a bare key', '{a:1}', 'codec/malformed'],
    ['a leading zero', '{"a":01}', 'codec/malformed'],
    ['a plus sign', '{"a":+1}', 'codec/malformed'],
    ['hexadecimal', '{"a":0x1}', 'codec/malformed'],
    ['a point without digits', '{"a":1.}', 'codec/malformed'],
    ['NaN', '{"a":NaN}', 'codec/malformed'],
    ['True', '{"a":True}', 'codec/malformed'],
    ['a word that goes on', '{"a":nulls}', 'codec/malformed'],
    ['a control character in a text', '{"a":"\n"}', 'codec/malformed'],
    ['an unknown escape', '{"a":"\\x41"}', 'codec/malformed'],
    ['a short escape', '{"a":"\\u12"}', 'codec/malformed'],
    ['a wrong bracket', '{"a":[1}', 'codec/malformed'],
    ['a no-break space', '{"a":\u00a01}', 'codec/malformed'],
  ];
  it.each(classes)('%s is an error of its class: %j is %s', (_name, text, code) => {
    expect(codeOf(() => decodeJson(utf8(text)))).toBe(code);
  });

  it('refuses every truncation inside numbers, words and escapes as one', () => {
    const text = '{"a":[-12.5e+10,true,false,null,"\\u00e9\\n"]}';
    for (let length = 0; length < text.length; length += 1) {
      expect(codeOf(() => decodeJson(utf8(text.slice(0, length))))).toBe('codec/truncated');
    }
  });

  it.each([
    ['an overlong character', [0xc0, 0x80]],
    ['raw half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a byte of no character', [0xff]],
  ])('refuses %s as UTF-8', (_name, raw) => {
    const bytes = concat(utf8('{"a":"'), Uint8Array.from(raw), utf8('"}'));
    expect(codeOf(() => decodeJson(bytes))).toBe('codec/invalid-utf8');
  });

  it('takes eight levels and refuses nine, and 100,000 just as well', () => {
    const nested = (levels: number): Uint8Array => utf8(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`);
    expect(decodeJson(nested(8)).size).toBe(1);
    expect(codeOf(() => decodeJson(nested(9)))).toBe('codec/depth-over-limit');
    expect(codeOf(() => decodeJson(nested(100_000)))).toBe('codec/depth-over-limit');
    expect(codeOf(() => decodeJson(utf8('{"a":'.repeat(100_000))))).toBe('codec/depth-over-limit');
  });

  it('stays quick on a megabyte of anything: digits, escapes, spaces, elements, keys', () => {
    const million = 1_000_000;
    const hostile: readonly (readonly [string, ErrorCode | undefined])[] = [
      [`{"a":${'1'.repeat(million)}}`, undefined],
      [`{"a":${'1'.repeat(million)}x}`, 'codec/malformed'],
      [`{"a":1.${'1'.repeat(million)}x}`, 'codec/malformed'],
      [`{"a":1e${'1'.repeat(million)}`, 'codec/truncated'],
      [`{"a":"${'\\n'.repeat(million / 2)}"}`, undefined],
      [`{"a":"${'\\'.repeat(million)}`, 'codec/truncated'],
      [`{${' '.repeat(million)}`, 'codec/truncated'],
      [`{"a":[${'[],'.repeat(million / 3)}`, 'codec/items-over-limit'],
      [`{${Array.from({ length: 90_000 }, (_, index) => `"${index}":0`).join(',')}}`, 'codec/items-over-limit'],
      [`{"a":"${'a'.repeat(million + 100_000)}"}`, 'codec/length-over-limit'],
    ];
    for (const [text, code] of hostile) {
      const started = performance.now();
      expect(codeOf(() => decodeJson(utf8(text)))).toBe(code);
      expect(performance.now() - started).toBeLessThan(2_000);
    }
  });

  it('looks at the length of its input first', () => {
    expect(codeOf(() => decodeJson(utf8('????'), { ...DEFAULT_LIMITS, maxBytes: 3 }))).toBe('codec/length-over-limit');
  });

  it('keeps a key such as __proto__ a key, and no prototype changes', () => {
    const map = decodeJson(utf8('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'));
    expect([...map.keys()]).toEqual(['__proto__', 'constructor']);
    expect(map.get('__proto__')).toEqual(new Map([['polluted', true]]));
    expect('polluted' in {}).toBe(false);
  });
});

describe('encodeJson', () => {
  it.each<[string, unknown, ErrorCode]>([
    ['bytes', Uint8Array.of(1), 'codec/invalid-value'],
    ['a fraction', 0.5, 'codec/invalid-value'],
    ['infinity', Number.POSITIVE_INFINITY, 'codec/invalid-value'],
    ['undefined', undefined, 'codec/invalid-value'],
    ['a plain object', {}, 'codec/invalid-value'],
    ['an integer key', new Map([[1, 1]]), 'codec/invalid-value'],
    ['half of a surrogate pair', 'a\ud800', 'codec/lone-surrogate'],
    ['half a pair in a key', new Map([['\udc00', 1]]), 'codec/lone-surrogate'],
  ])('refuses %s', (_name, value, code) => {
    expect(codeOf(() => encodeJson(new Map([['a', value as Value]])))).toBe(code);
  });

  it('refuses nine levels', () => {
    let value: Value = 0;
    for (let level = 1; level < 8; level += 1) value = [value];
    expect(codeOf(() => encodeJson(new Map([['a', value]])))).toBeUndefined();
    expect(codeOf(() => encodeJson(new Map([['a', [value]]])))).toBe('codec/invalid-value');
  });
});
