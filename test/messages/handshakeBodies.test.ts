import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex } from '../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import type { Value, ValueMap } from '../../src/codec/value.ts';
import type { ErrorCode } from '../../src/errors.ts';
import {
  decodeBody1,
  decodeBody2,
  decodeBody3,
  decodeBody4,
  decodeBoxInitiator,
  decodeInitiatorIntroduction,
  decodeBoxResponder,
  decodeCore,
  encodeBody1,
  encodeBody2,
  encodeBody3,
  encodeBody4,
  encodeBoxInitiator,
  encodeInitiatorIntroduction,
  encodeBoxResponder,
  encodeCore,
} from '../../src/messages/handshakeBodies.ts';
import { codeOf, fromHex, values } from '../codec/support.ts';

const bytes = fc.uint8Array({ maxLength: 60 });
const nonce = fc.uint8Array({ minLength: 32, maxLength: 32 });
const name = fc.string({ unit: 'binary', maxLength: 30 });
const unsigned = fc.maxSafeNat();
const parameterMaps = fc
  .array(fc.tuple(fc.integer(), values), { maxLength: 3 })
  .map((entries) => new Map<number, unknown>(entries));

interface Case {
  readonly what: string;
  readonly bodies: fc.Arbitrary<unknown>;
  readonly encode: (body: never) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Number of each required key, with a value that is not of its type. */
  readonly required: ReadonlyMap<number, Value>;
}

const NOT_BYTES = 'text';
const CASES: readonly Case[] = [
  {
    what: 'body 1',
    bodies: fc.record(
      {
        versions: fc.array(unsigned, { maxLength: 16 }),
        nonce,
        suites: fc.uniqueArray(unsigned, { maxLength: 32 }),
        serverName: name,
      },
      { requiredKeys: ['versions', 'nonce', 'suites'] },
    ),
    encode: encodeBody1,
    decode: decodeBody1,
    required: new Map<number, Value>([
      [0, 1],
      [1, new Uint8Array(31)],
      [4, [1, 'x']],
    ]),
  },
  {
    what: 'core',
    bodies: fc.record({ version: unsigned, nonce, suite: unsigned, encapsulationKey: bytes, credential: bytes }),
    encode: encodeCore,
    decode: decodeCore,
    required: new Map<number, Value>([
      [0, -1],
      [1, new Uint8Array(33)],
      [2, '1'],
      [3, NOT_BYTES],
      [4, new Map()],
    ]),
  },
  {
    what: 'body 2',
    bodies: fc.record({ core: bytes, signature: bytes }),
    encode: encodeBody2,
    decode: decodeBody2,
    required: new Map<number, Value>([
      [0, new Map()],
      [1, NOT_BYTES],
    ]),
  },
  {
    what: 'body 3',
    bodies: fc.record({ ciphertext: bytes, box: bytes }),
    encode: encodeBody3,
    decode: decodeBody3,
    required: new Map<number, Value>([
      [0, 0],
      [1, null],
    ]),
  },
  {
    what: 'box of the initiator',
    bodies: fc.record({ introduction: bytes, signature: bytes }),
    encode: encodeBoxInitiator,
    decode: decodeBoxInitiator,
    required: new Map<number, Value>([
      [0, NOT_BYTES],
      [1, NOT_BYTES],
    ]),
  },
  {
    what: 'introduction of the initiator',
    bodies: fc.record({ credential: bytes, name, parameters: parameterMaps }),
    encode: encodeInitiatorIntroduction,
    decode: decodeInitiatorIntroduction,
    required: new Map<number, Value>([
      [0, NOT_BYTES],
      [2, Uint8Array.of(97)],
      [3, new Map([['text', 1]])],
    ]),
  },
  {
    what: 'body 4',
    bodies: fc.record({ box: bytes }),
    encode: encodeBody4,
    decode: decodeBody4,
    required: new Map<number, Value>([[0, NOT_BYTES]]),
  },
  {
    what: 'box of the responder',
    bodies: fc.record({ name, parameters: parameterMaps }),
    encode: encodeBoxResponder,
    decode: decodeBoxResponder,
    required: new Map<number, Value>([
      [2, true],
      [3, []],
    ]),
  },
];

describe.each(CASES)('$what', ({ bodies, encode, decode, required }) => {
  const changed = (body: unknown, change: (map: Map<unknown, Value>) => void): Uint8Array => {
    const map = new Map<unknown, Value>(decodeCbor(encode(body as never)) as ValueMap);
    change(map);
    return encodeCbor(map);
  };

  it('round-trips, ignores unknown keys, and refuses truncations and trailing bytes', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const encoded = encode(body as never);
        expect(decode(encoded)).toEqual(body);
        const extended = changed(body, (map) => map.set(99, [1]).set('__proto__', new Map()).set('name', 1));
        expect(decode(extended)).toEqual(body);
        for (let length = 0; length < encoded.length; length += 1) {
          expect(codeOf(() => decode(encoded.subarray(0, length)))).toBe('codec/truncated');
        }
        expect(codeOf(() => decode(concat(encoded, Uint8Array.of(0))))).toBe('codec/trailing-bytes');
      }),
      { numRuns: 25 },
    );
  });

  it('refuses each required key when it is missing or of a wrong type', () => {
    const [body] = fc.sample(bodies, { numRuns: 1, seed: 3 });
    for (const [key, wrong] of required) {
      expect(codeOf(() => decode(changed(body, (map) => map.delete(key))))).toBe('messages/field-missing');
      expect(codeOf(() => decode(changed(body, (map) => map.set(key, wrong))))).toBe('messages/field-invalid');
    }
  });

  it('is a map of at most 65,536 bytes', () => {
    expect(codeOf(() => decode(fromHex('80')))).toBe('messages/field-invalid');
    expect(codeOf(() => decode(fromHex('00')))).toBe('messages/field-invalid');
    expect(codeOf(() => decode(new Uint8Array(65_537)))).toBe('codec/length-over-limit');
    expect(codeOf(() => decode(new Uint8Array()))).toBe('codec/truncated');
  });
});

describe('limits', () => {
  const body1 = { versions: [1], nonce: new Uint8Array(32), suites: [1] };
  const core = {
    version: 1,
    nonce: new Uint8Array(32),
    suite: 1,
    encapsulationKey: new Uint8Array(),
    credential: new Uint8Array(),
  };
  const said = { credential: new Uint8Array(), name: '', parameters: new Map<number, unknown>() };
  const series = (length: number): number[] => Array.from({ length }, (_, index) => index);

  const cases: readonly (readonly [string, number, Value, Value, (bytes: Uint8Array) => unknown, Uint8Array])[] = [
    ['versions', 0, series(16), series(17), decodeBody1, encodeBody1(body1)],
    ['suites', 4, series(32), series(33), decodeBody1, encodeBody1(body1)],
    ['server name', 5, 'a'.repeat(255), 'a'.repeat(256), decodeBody1, encodeBody1(body1)],
    ['encapsulation key', 3, new Uint8Array(4_096), new Uint8Array(4_097), decodeCore, encodeCore(core)],
    [
      'signature',
      1,
      new Uint8Array(1_024),
      new Uint8Array(1_025),
      decodeBody2,
      encodeBody2({ core: new Uint8Array(), signature: new Uint8Array() }),
    ],
    ['name', 2, 'é'.repeat(64), `${'é'.repeat(64)}a`, decodeInitiatorIntroduction, encodeInitiatorIntroduction(said)],
    ['name of the responder', 2, 'a'.repeat(128), 'a'.repeat(129), decodeBoxResponder, encodeBoxResponder(said)],
  ];
  it.each(cases)('of %s', (_name, key, within, over, decode, encoded) => {
    const set = (value: Value): Uint8Array => encodeCbor(new Map(decodeCbor(encoded) as ValueMap).set(key, value));
    expect(codeOf(() => decode(set(within)))).toBeUndefined();
    expect(codeOf(() => decode(set(over)))).toBe('messages/field-over-limit');
  });

  it('of suites: none twice', () => {
    const twice = encodeCbor(new Map(decodeCbor(encodeBody1(body1)) as ValueMap).set(4, [1, 2, 1]));
    expect(codeOf(() => decodeBody1(twice))).toBe('messages/field-invalid');
  });

  it.each<[string, () => unknown, ErrorCode]>([
    ['a nonce of 31 bytes', () => encodeBody1({ ...body1, nonce: new Uint8Array(31) }), 'messages/invalid-message'],
    ['a suite twice', () => encodeBody1({ ...body1, suites: [1, 1] }), 'messages/invalid-message'],
    ['17 versions', () => encodeBody1({ ...body1, versions: series(17) }), 'messages/invalid-message'],
    ['a fraction', () => encodeCore({ ...core, suite: 1.5 }), 'messages/invalid-message'],
    ['a long name', () => encodeInitiatorIntroduction({ ...said, name: 'a'.repeat(129) }), 'messages/invalid-message'],
    ['half a surrogate pair', () => encodeInitiatorIntroduction({ ...said, name: '\ud800' }), 'codec/lone-surrogate'],
    [
      'a parameter that is no value',
      () => encodeBoxResponder({ name: '', parameters: new Map([[0, undefined]]) }),
      'codec/invalid-value',
    ],
    ['a body above its limit', () => encodeBody4({ box: new Uint8Array(65_536) }), 'messages/invalid-message'],
  ])('hold for what is sent: %s', (_name, encode, code) => {
    expect(codeOf(encode)).toBe(code);
  });
});

describe('the wire', () => {
  it('is this for body 1 and the box of a client on a hop', () => {
    const zeros = '00'.repeat(32);
    const body1 = encodeBody1({ versions: [1], nonce: new Uint8Array(32), suites: [1, 2], serverName: 'r' });
    expect(hex(body1)).toBe(`a4 008101 015820${zeros} 04820102 056172`.replaceAll(' ', ''));
    const parameters = new Map<number, unknown>([
      [0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
      [1, 'public'],
    ]);
    const introduction = encodeInitiatorIntroduction({ credential: Uint8Array.of(1), name: 'A', parameters });
    const said = 'a3 004101 026141 03a2 00480102030405060708 01667075626c6963'.replaceAll(' ', '');
    expect(hex(introduction)).toBe(said);
    const box = encodeBoxInitiator({ introduction, signature: Uint8Array.of(2) });
    expect(hex(box)).toBe(`a2 00581b ${said} 014102`.replaceAll(' ', ''));
  });
});
