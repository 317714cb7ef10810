import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  base64url,
  concat,
  equal,
  fromBase64url,
  readsBase64url,
  fromUtf8,
  hex,
  lengthPrefixed,
  uint32,
  utf8,
  wipe,
} from '../src/bytes.ts';
import { SimsError, type ErrorCode } from '../src/errors.ts';

function codeOf(action: () => unknown): ErrorCode | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof SimsError) return error.code;
    throw error;
  }
}

const someBytes = fc.uint8Array({ maxLength: 200 });

describe('base64url', () => {
  it('gives the texts of RFC 4648 §10 without padding', () => {
    const vectors = { '': '', f: 'Zg', fo: 'Zm8', foo: 'Zm9v', foob: 'Zm9vYg', fooba: 'Zm9vYmE', foobar: 'Zm9vYmFy' };
    for (const [text, encoded] of Object.entries(vectors)) {
      expect(base64url(utf8(text))).toBe(encoded);
      expect(fromBase64url(encoded)).toEqual(utf8(text));
    }
  });

  it('agrees with Buffer at every length around its two ways, and back', () => {
    for (let length = 0; length < 160; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 73 + length * 29) & 255);
      expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      expect(fromBase64url(base64url(bytes))).toEqual(bytes);
    }
  });

  it('agrees with Buffer on any bytes', () => {
    fc.assert(
      fc.property(someBytes, (bytes) => {
        expect(base64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      }),
    );
  });

  it('takes a text if and only if it is the canonical one that Buffer gives', () => {
    const unit = fc.constantFrom(
      'A',
      'B',
      'a',
      '0',
      '9',
      '-',
      '_',
      '+',
      '/',
      '=',
      ' ',
      '\n',
      '\u00e9',
      '\u0141',
      '\ud83d',
    );
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit, maxLength: 12 }), fc.base64String({ maxLength: 12 })), (text) => {
        const bytes = Buffer.from(text, 'base64url');
        const canonical = bytes.toString('base64url') === text;
        expect(codeOf(() => fromBase64url(text))).toBe(canonical ? undefined : 'bytes/invalid-base64url');
        if (canonical) expect(fromBase64url(text)).toEqual(new Uint8Array(bytes));
        const read = new Uint8Array(Math.floor((text.length * 3) / 4) + 2).fill(7);
        expect(readsBase64url(`-${text}-`, 1, text.length + 1, read, 1)).toBe(canonical);
        if (canonical) expect(read).toEqual(Uint8Array.of(7, ...bytes, 7));
      }),
      { numRuns: 2_000 },
    );
  });

  it('accepts exactly one of the texts of one byte, and exactly one of the texts of two', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const taken = (prefix: string): number =>
      Array.from(alphabet).filter((last) => codeOf(() => fromBase64url(prefix + last)) === undefined).length;
    expect(taken('A')).toBe(4);
    expect(taken('AA')).toBe(16);
    expect(taken('AAA')).toBe(64);
    expect(taken('AAAA')).toBe(0);
  });

  it.each(['A', 'AAAAA', 'AA==', 'AA+A', 'AA/A', 'A A', 'AAA\n', 'AA\u0100A', 'A\u0141AA', 'AB', 'AAB'])(
    'refuses %j',
    (text) => {
      expect(codeOf(() => fromBase64url(text))).toBe('bytes/invalid-base64url');
    },
  );
});

describe('hex', () => {
  it('agrees with Buffer on any bytes', () => {
    fc.assert(
      fc.property(someBytes, (bytes) => {
        expect(hex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
    expect(hex(Uint8Array.from({ length: 256 }, (_, index) => index))).toMatch(/^000102.*090a0b.*fdfeff$/);
  });
});

describe('equal', () => {
  it('holds for the same bytes and for nothing else', () => {
    fc.assert(
      fc.property(someBytes, someBytes, (left, right) => {
        expect(equal(left, left.slice())).toBe(true);
        expect(equal(left, right)).toBe(Buffer.compare(left, right) === 0);
      }),
    );
  });

  it('sees each single bit, and a difference of length alone', () => {
    const bytes = utf8('sixteen bytes...');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(equal(bytes, flipped)).toBe(false);
    }
    expect(equal(bytes, bytes.subarray(1))).toBe(false);
    expect(equal(bytes, concat(bytes, Uint8Array.of(0)))).toBe(false);
    expect(equal(new Uint8Array(), new Uint8Array())).toBe(true);
  });
});

describe('UTF-8', () => {
  it('round-trips well-formed text, a leading U+FEFF included', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text);
      }),
    );
    expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe('\ufeffA');
  });

  it.each([
    ['a continuation byte alone', [0x80]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['an overlong slash', [0xe0, 0x80, 0xaf]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a pair written as two halves', [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['a code above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['FF', [0xff]],
  ])('refuses %s', (_name, bytes) => {
    expect(codeOf(() => fromUtf8(Uint8Array.from(bytes)))).toBe('codec/invalid-utf8');
  });
});

describe('joining', () => {
  it('concat agrees with Buffer, in new memory', () => {
    fc.assert(
      fc.property(fc.array(someBytes, { maxLength: 6 }), (parts) => {
        expect(concat(...parts)).toEqual(new Uint8Array(Buffer.concat(parts)));
      }),
    );
    const part = Uint8Array.of(1);
    const joined = concat(part);
    part[0] = 2;
    expect(joined).toEqual(Uint8Array.of(1));
  });

  it('uint32 is big-endian up to its ends', () => {
    expect(uint32(0)).toEqual(Uint8Array.of(0, 0, 0, 0));
    expect(uint32(0x01020304)).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(uint32(0xffffffff)).toEqual(Uint8Array.of(255, 255, 255, 255));
  });

  it('lengthPrefixed gives different bytes for different lists of parts', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 3 });
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const same = left.length === right.length && left.every((part, index) => equal(part, right[index]!));
        expect(equal(lengthPrefixed(...left), lengthPrefixed(...right))).toBe(same);
      }),
    );
    expect(lengthPrefixed('é', Uint8Array.of(7))).toEqual(Uint8Array.of(0, 0, 0, 2, 0xc3, 0xa9, 0, 0, 0, 1, 7));
  });
});

describe('wipe', () => {
  it('leaves zeros in each part, and touches nothing beside a view', () => {
    const memory = Uint8Array.of(1, 2, 3, 4);
    const other = Uint8Array.of(5);
    wipe(memory.subarray(1, 3), other);
    expect(memory).toEqual(Uint8Array.of(1, 0, 0, 4));
    expect(other).toEqual(Uint8Array.of(0));
  });
});
