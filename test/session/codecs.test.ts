import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equal } from '../../src/bytes.ts';
import { decodeBody, encodeBody, type RecordBody } from '../../src/session/body.ts';
import { bucketLength, unpaddedLength } from '../../src/session/padding.ts';
import { conversationIdOf, decodeSaData, encodeSaData } from '../../src/session/saData.ts';
import { RecordReader, varintLength, writeVarint } from '../../src/session/varint.ts';

const malformed = expect.objectContaining({ code: 'session/malformed-record' }) as Error;
const number = fc.oneof(fc.nat(100), fc.nat(20_000), fc.maxSafeNat());
const varint = (value: number): Uint8Array => {
  const bytes = new Uint8Array(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
};

describe('a varint', () => {
  it('is that of RFC 9000, appendix A.1', () => {
    const read = (...bytes: number[]): number => new RecordReader(Uint8Array.from(bytes)).varint();
    expect(read(0x9d, 0x7f, 0x3e, 0x7d)).toBe(494_878_333);
    expect(read(0x7b, 0xbd)).toBe(15_293);
    expect(read(0x25)).toBe(37);
    expect(varint(15_293)).toEqual(Uint8Array.of(0x7b, 0xbd));
  });

  it.each([0, 63, 64, 16_383, 16_384, 2 ** 30 - 1, 2 ** 30, 2 ** 53 - 1])(
    'holds %d in its shortest form, and no other',
    (value) => {
      const bytes = varint(value);
      expect(new RecordReader(bytes).varint()).toBe(value);
      for (const length of [2, 4, 8]) {
        if (length <= bytes.length) continue;
        const longer = new Uint8Array(length);
        for (let index = length - 1, rest = value; index >= 0; index -= 1, rest = Math.floor(rest / 256))
          longer[index] = rest % 256;
        longer[0]! |= Math.log2(length) << 6;
        expect(() => new RecordReader(longer).varint()).toThrow(malformed);
      }
      for (let end = 0; end < bytes.length; end += 1)
        expect(() => new RecordReader(bytes.subarray(0, end)).varint()).toThrow(malformed);
    },
  );

  it('above 2^53 - 1 is refused', () => {
    expect(() => new RecordReader(Uint8Array.of(0xc0, 0x20, 0, 0, 0, 0, 0, 0)).varint()).toThrow(malformed);
    expect(() => new RecordReader(new Uint8Array(8).fill(0xff)).varint()).toThrow(malformed);
  });

  it('is read as it was written, one after the other', () => {
    fc.assert(
      fc.property(fc.array(number), (values) => {
        const reader = new RecordReader(concat(...values.map(varint)));
        for (const value of values) expect(reader.varint()).toBe(value);
        expect(reader.left).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('padding', () => {
  it('is Padmé’s, at least 32 bytes, and costs at most 12 %', () => {
    expect(
      [1, 31, 32, 33, 36, 37, 64, 65, 100, 1_000, 16_384, 16_385].map((length) => bucketLength(length, 'padme')),
    ).toEqual([32, 32, 32, 36, 36, 40, 64, 72, 104, 1_024, 16_384, 17_408]);
    for (let length = 33; length < 5_000; length += 1) {
      const bucket = bucketLength(length, 'padme');
      expect(bucket).toBeGreaterThanOrEqual(length);
      expect(bucket).toBeLessThanOrEqual(length * 1.12);
      expect(bucketLength(bucket, 'padme')).toBe(bucket);
    }
    expect(bucketLength(5, 'none')).toBe(5);
  });

  it('ends at its marker, whatever number of zeros follows', () => {
    expect(unpaddedLength(Uint8Array.of(1, 0x80))).toBe(1);
    expect(unpaddedLength(Uint8Array.of(0x80, 0x80, 0, 0, 0))).toBe(1);
    for (const bad of [[], [0], [0, 0, 0], [0x80, 1], [0x7f, 0]]) expect(unpaddedLength(Uint8Array.from(bad))).toBe(-1);
  });
});

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const ranges = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 })), { maxLength: 32 })
  .map((steps) => {
    let free = 0;
    return steps.map(([skip, length]) => {
      const first = free + skip;
      free = first + length;
      return { first, length };
    });
  });
const KEY_LENGTH = 32;
const body: fc.Arbitrary<RecordBody> = fc.record({
  numbered: fc.option(fc.record({ m: fc.integer({ min: 1, max: 2 ** 53 - 1 }), previousHash: bytes(16) }), {
    nil: undefined,
  }),
  seen: fc.record({ m: fc.integer({ min: 10_000, max: 2 ** 53 - 1 }), hash: bytes(16), gaps: ranges }),
  ratchetKey: fc.option(fc.record({ number, encapsulationKey: bytes(KEY_LENGTH) }), { nil: undefined }),
  lost: ranges,
  content: fc.uint8Array({ maxLength: 300 }),
});

/** A body by hand: flags, then the bytes, then a marker. */
const made = (flags: number, ...parts: (number[] | Uint8Array)[]): Uint8Array =>
  concat(Uint8Array.of(flags), ...parts.map((part) => Uint8Array.from(part)), Uint8Array.of(0x80));
const HASH = new Uint8Array(16);

describe('a body', () => {
  it('is read as it was written, padded or not', () => {
    fc.assert(
      fc.property(body, fc.constantFrom('padme' as const, 'none' as const), (value, padding) => {
        expect(decodeBody(encodeBody(value, padding), KEY_LENGTH)).toEqual(value);
      }),
      { numRuns: 150 },
    );
  });

  it('that is cut short is malformed or has less content, and any bytes give no other error', () => {
    fc.assert(
      fc.property(body, (value) => {
        const encoded = encodeBody(value, 'none');
        for (let end = 0; end < encoded.length; end += 1) {
          const cut = concat(encoded.subarray(0, end), Uint8Array.of(0x80));
          try {
            expect(decodeBody(cut, KEY_LENGTH).content.length).toBeLessThanOrEqual(value.content.length);
          } catch (error) {
            expect(error).toMatchObject({ code: 'session/malformed-record' });
          }
        }
      }),
      { numRuns: 20 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (any) => {
        try {
          decodeBody(any, KEY_LENGTH);
        } catch (error) {
          expect(error).toMatchObject({ code: 'session/malformed-record' });
        }
      }),
      { numRuns: 300 },
    );
  });

  const seen = (m: number): Uint8Array => concat(varint(m), HASH);
  it.each([
    ['no marker', Uint8Array.of(0, 0, ...HASH)],
    ['an unknown flag', made(0x10, seen(0))],
    ['every flag', made(0xff, seen(0))],
    ['message number 0', made(0x01, [0], HASH, seen(0))],
    ['a list of no gaps', made(0x02, seen(9), [0])],
    [
      '33 gaps',
      made(0x02, seen(200), [33], ...Array.from({ length: 33 }, (_, index) => [...varint(1 + index * 3), 1])),
    ],
    ['a gap of no length', made(0x02, seen(9), [1, 3, 0])],
    ['a gap that begins with 0', made(0x02, seen(9), [1, 0, 2])],
    ['gaps that touch', made(0x02, seen(9), [2, 1, 2, 3, 1])],
    ['gaps out of order', made(0x02, seen(9), [2, 5, 1, 1, 1])],
    ['a gap at the highest number', made(0x02, seen(9), [1, 9, 1])],
    ['a gap beyond 2^53', made(0x02, seen(2 ** 53 - 1), [1], varint(2 ** 53 - 1), varint(2 ** 53 - 1))],
    ['a list of no lost messages', made(0x08, seen(0), [0])],
    ['a ratchet key that is cut short', made(0x04, seen(0), [0], new Uint8Array(KEY_LENGTH - 1).fill(1))],
  ])('with %s is refused', (_what, encoded) => {
    expect(() => decodeBody(encoded, KEY_LENGTH)).toThrow(malformed);
  });

  it('with a ratchet key in a suite that has none is refused', () => {
    expect(() => decodeBody(made(0x04, seen(0), [0]), 0)).toThrow(malformed);
  });
});

describe('sa-data', () => {
  const fields = fc.record({
    conversationId: bytes(8),
    epoch: fc.nat(2 ** 31),
    number: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    nonce: bytes(6),
    announcement: fc.uint8Array({ maxLength: 80 }),
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fields, (value) => {
        const encoded = encodeSaData(value);
        expect(decodeSaData(encoded, 6)).toEqual(value);
        expect(equal(conversationIdOf(encoded)!, value.conversationId)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('is malformed when it is cut short or a number reaches 2^32', () => {
    const id = new Uint8Array(8);
    const whole = encodeSaData({
      conversationId: id,
      epoch: 70,
      number: 20_000,
      nonce: new Uint8Array(6),
      announcement: HASH.subarray(16),
    });
    for (let end = 0; end < whole.length; end += 1)
      expect(() => decodeSaData(whole.subarray(0, end), 6)).toThrow(malformed);
    for (const [epoch, value] of [
      [2 ** 32, 0],
      [0, 2 ** 32],
    ] as const) {
      expect(() => decodeSaData(concat(id, varint(epoch), varint(value), new Uint8Array(6)), 6)).toThrow(malformed);
    }
    expect(conversationIdOf(new Uint8Array(7))).toBeUndefined();
  });
});
