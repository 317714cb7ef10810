import * as cborg from 'cborg';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex, utf8 } from '../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { DEFAULT_LIMITS } from '../../src/codec/limits.ts';
import type { Value } from '../../src/codec/value.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { codeOf, fromHex, values } from './support.ts';

/** `count` arrays of one element, one in the other, around the integer 0. */
function nested(count: number): Uint8Array {
  return concat(new Uint8Array(count).fill(0x81), Uint8Array.of(0));
}

describe('vectors of RFC 8949 appendix A', () => {
  const long = Array.from({ length: 25 }, (_, index) => index + 1);
  const accepted: readonly (readonly [string, Value])[] = [
    ['00', 0],
    ['01', 1],
    ['0a', 10],
    ['17', 23],
    ['1818', 24],
    ['1819', 25],
    ['1864', 100],
    ['1903e8', 1000],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['20', -1],
    ['29', -10],
    ['3863', -100],
    ['3903e7', -1000],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['40', new Uint8Array()],
    ['4401020304', Uint8Array.of(1, 2, 3, 4)],
    ['60', ''],
    ['6161', 'a'],
    ['6449455446', 'IETF'],
    ['62225c', '"\\'],
    ['62c3bc', '\u00fc'],
    ['63e6b0b4', '\u6c34'],
    ['64f0908591', '\ud800\udd51'],
    ['80', []],
    ['83010203', [1, 2, 3]],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    ['98190102030405060708090a0b0c0d0e0f101112131415161718181819', long],
    ['a0', new Map()],
    [
      'a201020304',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      'a26161016162820203',
      new Map<string, Value>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    ],
    ['826161a161626163', ['a', new Map([['b', 'c']])]],
    [
      'a56161614161626142616361436164614461656145',
      new Map(Array.from('abcde', (letter) => [letter, letter.toUpperCase()])),
    ],
  ];
  it.each(accepted)('%s is read, and written again', (text, value) => {
    expect(decodeCbor(fromHex(text))).toEqual(value);
    expect(hex(encodeCbor(value))).toBe(text);
  });

  const refused: readonly (readonly [ErrorCode, readonly string[]])[] = [
    ['codec/number-over-limit', ['1bffffffffffffffff', '3bffffffffffffffff']],
    [
      'codec/unsupported-item',
      [
        // Big numbers, floats, undefined, simple values, tags.
        'c249010000000000000000',
        'c349010000000000000000',
        'f90000',
        'f98000',
        'f93c00',
        'fb3ff199999999999a',
        'fa47c35000',
        'f97c00',
        'f97e00',
        'fb7ff0000000000000',
        'f7',
        'f0',
        'f8ff',
        'c074323031332d30332d32315432303a30343a30305a',
        'd74401020304',
        'd818456449455446',
        'd82076687474703a2f2f7777772e6578616d706c652e636f6d',
      ],
    ],
    [
      'codec/not-deterministic',
      [
        '5f42010243030405ff',
        '7f657374726561646d696e67ff',
        '9fff',
        '9f018202039f0405ffff',
        '83018202039f0405ff',
        'bf61610161629f0203ffff',
        'bf6346756ef563416d7421ff',
      ],
    ],
  ];
  it.each(refused.flatMap(([code, texts]) => texts.map((text) => [text, code] as const)))('%s is %s', (text, code) => {
    expect(codeOf(() => decodeCbor(fromHex(text)))).toBe(code);
  });
});

describe('decodeCbor', () => {
  it('gives back any value, and refuses every truncation and every trailing byte', () => {
    fc.assert(
      fc.property(values, fc.nat(255), (value, extra) => {
        const bytes = encodeCbor(value);
        expect(decodeCbor(bytes)).toEqual(value);
        for (let length = 0; length < bytes.length; length += 1) {
          expect(codeOf(() => decodeCbor(bytes.subarray(0, length)))).toBe('codec/truncated');
        }
        expect(codeOf(() => decodeCbor(concat(bytes, Uint8Array.of(extra))))).toBe('codec/trailing-bytes');
      }),
    );
  });

  it('accepts one form of each value: what it takes is what encodeCbor gives, and what cborg reads', () => {
    const initial = fc.constantFrom(0x00, 0x18, 0x20, 0x41, 0x61, 0x81, 0x82, 0xa1, 0xa2, 0xf4, 0xf6);
    const soup = fc
      .array(fc.oneof(initial, fc.nat(255)), { minLength: 1, maxLength: 12 })
      .map((list) => Uint8Array.from(list));
    let taken = 0;
    fc.assert(
      fc.property(soup, (bytes) => {
        if (codeOf(() => decodeCbor(bytes)) !== undefined) return;
        taken += 1;
        const value = decodeCbor(bytes);
        expect(encodeCbor(value)).toEqual(bytes);
        expect(value).toEqual(cborg.decode(bytes, { strict: true, useMaps: true, rejectDuplicateMapKeys: true }));
      }),
      { numRuns: 3_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  const classes: readonly (readonly [string, string, ErrorCode])[] = [
    ['no bytes', '', 'codec/truncated'],
    ['an integer cut in its argument', '19 01', 'codec/truncated'],
    ['a byte string cut', '44 010203', 'codec/truncated'],
    ['a text cut', '62 61', 'codec/truncated'],
    ['an array cut', '82 01', 'codec/truncated'],
    ['a map cut before a value', 'a1 01', 'codec/truncated'],
    ['two items', '00 00', 'codec/trailing-bytes'],
    ['a break after an item', '00 ff', 'codec/trailing-bytes'],
    ['a break alone', 'ff', 'codec/malformed'],
    ['reserved arguments', '1c', 'codec/malformed'],
    ['a reserved length', '5d 00', 'codec/malformed'],
    ['a reserved simple value', 'fc', 'codec/malformed'],
    ['a number equal to another key', 'a2 01 02 01 03', 'codec/duplicate-key'],
    ['a text equal to another key', 'a2 6161 02 6161 03', 'codec/duplicate-key'],
    ['equal keys with one between', 'a3 01 00 02 00 01 00', 'codec/duplicate-key'],
    ['integers out of order', 'a2 02 00 01 00', 'codec/not-deterministic'],
    ['-1 before 0', 'a2 20 00 00 00', 'codec/not-deterministic'],
    ['a text before an integer', 'a2 6161 00 01 00', 'codec/not-deterministic'],
    ['a longer text before a shorter one', 'a2 626161 00 6162 00', 'codec/not-deterministic'],
    ['23 in two bytes', '18 17', 'codec/not-deterministic'],
    ['255 in three bytes', '19 00ff', 'codec/not-deterministic'],
    ['65,535 in five bytes', '1a 0000ffff', 'codec/not-deterministic'],
    ['2^32 − 1 in nine bytes', '1b 00000000ffffffff', 'codec/not-deterministic'],
    ['a length of 1 in two bytes', '58 01 00', 'codec/not-deterministic'],
    ['an array of 1 in three bytes', '99 0001 00', 'codec/not-deterministic'],
    ['a map of 0 in two bytes', 'b8 00', 'codec/not-deterministic'],
    ['an indefinite byte string', '5f ff', 'codec/not-deterministic'],
    ['2^53', '1b 0020000000000000', 'codec/number-over-limit'],
    ['−2^53', '3b 001fffffffffffff', 'codec/number-over-limit'],
    ['a byte string of 2^64 − 1 bytes', '5b ffffffffffffffff', 'codec/length-over-limit'],
    ['a text of 2^32 − 1 bytes', '7a ffffffff', 'codec/length-over-limit'],
    ['an array of 2^53 elements', '9b 0020000000000000', 'codec/length-over-limit'],
    ['a map of 2^31 entries', 'ba 80000000', 'codec/length-over-limit'],
    ['an array of more elements than bytes follow', '99 ffff 00', 'codec/truncated'],
    ['a map of more entries than half of what follows', 'a2 f7 f7 f7', 'codec/truncated'],
    ['an overlong character', '62 c080', 'codec/invalid-utf8'],
    ['half of a surrogate pair', '63 eda080', 'codec/invalid-utf8'],
    ['a key in invalid UTF-8', 'a1 61ff 00', 'codec/invalid-utf8'],
    ['a tag', 'c1 00', 'codec/unsupported-item'],
    ['a tag of a large number', 'db ffffffffffffffff 00', 'codec/unsupported-item'],
    ['a float', 'f9 3c00', 'codec/unsupported-item'],
    ['undefined', 'f7', 'codec/unsupported-item'],
    ['a byte string as key', 'a1 4101 00', 'codec/unsupported-item'],
    ['a map as key', 'a1 a0 00', 'codec/unsupported-item'],
    ['null as key', 'a1 f6 00', 'codec/unsupported-item'],
  ];
  it.each(classes)('%s (%s) is %s', (_name, text, code) => {
    expect(codeOf(() => decodeCbor(fromHex(text)))).toBe(code);
  });

  it('takes eight levels and refuses nine, and 20,000 just as well', () => {
    expect(decodeCbor(nested(8))).toEqual([[[[[[[[0]]]]]]]]);
    expect(codeOf(() => decodeCbor(nested(9)))).toBe('codec/depth-over-limit');
    expect(codeOf(() => decodeCbor(nested(20_000)))).toBe('codec/depth-over-limit');
    expect(codeOf(() => decodeCbor(new Uint8Array(20_000).fill(0xa1)))).toBe('codec/depth-over-limit');
  });

  it('counts items, so that a frame of empty maps stays cheap', () => {
    const maps = concat(fromHex('9a 000ffff0'), new Uint8Array(0xffff0).fill(0xa0));
    const started = performance.now();
    expect(codeOf(() => decodeCbor(maps))).toBe('codec/items-over-limit');
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(codeOf(() => decodeCbor(fromHex('83 010203'), { ...DEFAULT_LIMITS, maxItems: 3 }))).toBe(
      'codec/items-over-limit',
    );
    expect(decodeCbor(fromHex('83 010203'), { ...DEFAULT_LIMITS, maxItems: 4 })).toEqual([1, 2, 3]);
  });

  it('looks at the length of its input first', () => {
    const limits = { ...DEFAULT_LIMITS, maxBytes: 3 };
    expect(codeOf(() => decodeCbor(fromHex('ffffffff'), limits))).toBe('codec/length-over-limit');
    expect(decodeCbor(fromHex('820102'), limits)).toEqual([1, 2]);
  });

  it('keeps a key such as __proto__ a key, and no prototype changes', () => {
    const value = decodeCbor(
      concat(fromHex('a1 69'), utf8('__proto__'), fromHex('a1 68'), utf8('polluted'), fromHex('f5')),
    );
    expect(value).toEqual(new Map([['__proto__', new Map([['polluted', true]])]]));
    expect('polluted' in {}).toBe(false);
  });

  it('gives plain Uint8Arrays of a Buffer, at an offset too', () => {
    const buffer = Buffer.from('ffff820102430a0b0cffff', 'hex').subarray(5, 9);
    const value = decodeCbor(buffer);
    expect(value).toEqual(Uint8Array.of(10, 11, 12));
    expect(Buffer.isBuffer(value)).toBe(false);
  });
});

describe('encodeCbor', () => {
  it('writes what cborg writes in its deterministic mode', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(hex(encodeCbor(value))).toBe(hex(cborg.encode(value, cborg.rfc8949EncodeOptions)));
      }),
      { numRuns: 500 },
    );
  });

  it('sorts keys by their bytes, whatever their order in the map', () => {
    const keys = [10, 100, 256, 65_536, -1, -2, -25, 'b', 'z', 'aa', '\u00e9', '\u6c34', '\ud800\udd51'];
    fc.assert(
      fc.property(fc.shuffledSubarray(keys), (order) => {
        const bytes = encodeCbor(new Map(order.map((key) => [key, 0])));
        expect((decodeCbor(bytes) as Map<number | string, Value>).size).toBe(order.length);
      }),
    );
    // The order of RFC 8949 §4.2.1.
    const example = new Map<number | string, Value>([
      ['aa', 0],
      ['z', 0],
      [-1, 0],
      [100, 0],
      [10, 0],
    ]);
    expect(hex(encodeCbor(example))).toBe('a50a001864002000617a0062616100');
  });

  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const refused: readonly (readonly [string, unknown, ErrorCode])[] = [
    ['a fraction', 1.5, 'codec/invalid-value'],
    ['NaN', Number.NaN, 'codec/invalid-value'],
    ['2^53', 2 ** 53, 'codec/invalid-value'],
    ['a bigint', 1n, 'codec/invalid-value'],
    ['undefined', undefined, 'codec/invalid-value'],
    ['a hole', Array.from({ length: 2 }), 'codec/invalid-value'],
    ['a plain object', { a: 1 }, 'codec/invalid-value'],
    ['a function', () => 1, 'codec/invalid-value'],
    ['a symbol', Symbol('s'), 'codec/invalid-value'],
    ['an odd key', new Map([[true, 1]]), 'codec/invalid-value'],
    ['an array that holds itself', cyclic, 'codec/invalid-value'],
    ['half of a surrogate pair', 'a\ud800b', 'codec/lone-surrogate'],
    ['the other half', 'a\udc00b', 'codec/lone-surrogate'],
    ['halves in the wrong order', '\udc00\ud800', 'codec/lone-surrogate'],
    ['two second halves', '\udc00\udc00', 'codec/lone-surrogate'],
    ['two first halves', '\ud800\ud800', 'codec/lone-surrogate'],
    ['half a pair in a key', new Map([['\ud83d', 1]]), 'codec/lone-surrogate'],
  ];
  it.each(refused)('refuses %s', (_name, value, code) => {
    expect(codeOf(() => encodeCbor(value))).toBe(code);
  });

  it('writes −0 as 0', () => {
    expect(encodeCbor(-0)).toEqual(Uint8Array.of(0));
  });
});
