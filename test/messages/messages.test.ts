import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, hex, utf8 } from '../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { decodeJson, encodeJson } from '../../src/codec/json.ts';
import { LIMITS_BEFORE_HOP } from '../../src/codec/limits.ts';
import type { Key, Value, ValueMap } from '../../src/codec/value.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { addressFromBytes, messageIdFromBytes } from '../../src/messages/address.ts';
import {
  decodeMessage,
  encodeMessage,
  encodingOf,
  MESSAGE_SCHEMAS,
  messageIdOf,
  type Message,
} from '../../src/messages/messages.ts';
import { ERROR_REASONS } from '../../src/messages/reason.ts';
import { MESSAGE_FIELDS, TYPE_NUMBERS, type MessageType } from '../../src/messages/registry.ts';
import type { Encoding } from '../../src/messages/wire.ts';
import { codeOf, fromHex } from '../codec/support.ts';
import { anyMessage, messagesOf } from './arbitraries.ts';

const TYPES = Object.keys(TYPE_NUMBERS) as MessageType[];
const ENCODINGS: readonly Encoding[] = ['cbor', 'json'];
const ID = messageIdFromBytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
const ADDRESS = addressFromBytes(new Uint8Array(28).fill(7));
const COM: Message = {
  type: 'client-com',
  id: ID,
  dst: ADDRESS,
  saData: Uint8Array.of(9),
  data: Uint8Array.of(10, 11),
};

function mapOf(bytes: Uint8Array, encoding: Encoding): Map<Key, Value> {
  return new Map(encoding === 'cbor' ? (decodeCbor(bytes) as ValueMap) : decodeJson(bytes));
}

function bytesOf(map: Map<Key, Value>, encoding: Encoding): Uint8Array {
  return encoding === 'cbor' ? encodeCbor(map) : encodeJson(map);
}

/** The bytes of a message with one field set, or taken away by `undefined`. */
function withField(message: Message, encoding: Encoding, key: Key, value: Value | undefined): Uint8Array {
  const map = mapOf(encodeMessage(message, encoding), encoding);
  if (value === undefined) map.delete(key);
  else map.set(key, value);
  return bytesOf(map, encoding);
}

describe.each(TYPES)('%s', (type) => {
  it('round-trips in both encodings to one and the same message', () => {
    fc.assert(
      fc.property(messagesOf[type] as fc.Arbitrary<Message>, (message) => {
        for (const encoding of ENCODINGS) {
          expect(decodeMessage(encodeMessage(message, encoding))).toEqual({ message, encoding });
        }
      }),
    );
  });

  it('refuses every truncation and one byte more', () => {
    fc.assert(
      fc.property(messagesOf[type] as fc.Arbitrary<Message>, fc.nat(127), (message, extra) => {
        for (const encoding of ENCODINGS) {
          const bytes = encodeMessage(message, encoding);
          for (let length = 0; length < bytes.length; length += 1) {
            const cutCharacter = encoding === 'json' && (bytes[length]! & 0xc0) === 0x80;
            expect(codeOf(() => decodeMessage(bytes.subarray(0, length)))).toBe(
              cutCharacter ? 'codec/invalid-utf8' : 'codec/truncated',
            );
          }
          expect(codeOf(() => decodeMessage(concat(bytes, Uint8Array.of(extra))))).toBe('codec/trailing-bytes');
        }
      }),
      { numRuns: 12 },
    );
  });

  it('ignores unknown fields, and those of other types', () => {
    fc.assert(
      fc.property(messagesOf[type] as fc.Arbitrary<Message>, (message) => {
        const cbor = mapOf(encodeMessage(message, 'cbor'), 'cbor');
        for (const key of [20, 100, 1_000, -1, 'type', 'x', '__proto__']) cbor.set(key, [new Map([[1, 'x']])]);
        expect(decodeMessage(bytesOf(cbor, 'cbor')).message).toEqual(message);
        const json = mapOf(encodeMessage(message, 'json'), 'json');
        for (const key of ['saData', 'msgId', '0', '__proto__', 'constructor', 'toString'])
          json.set(key, [new Map([['y', 1]])]);
        expect(decodeMessage(bytesOf(json, 'json')).message).toEqual(message);
      }),
      { numRuns: 20 },
    );
  });

  it('refuses a value of another wire type in each of its fields', () => {
    fc.assert(
      fc.property(messagesOf[type] as fc.Arbitrary<Message>, (message) => {
        for (const encoding of ENCODINGS) {
          const present = mapOf(encodeMessage(message, encoding), encoding);
          for (const field of MESSAGE_FIELDS[type]) {
            const key = encoding === 'cbor' ? field.number : field.name;
            if (!present.has(key)) continue;
            const wrong: Value[] = [null, 99, new Map(), [1], ...(encoding === 'cbor' ? [Uint8Array.of(1, 2)] : ['?'])];
            for (const value of wrong) {
              const sameType =
                (field.wire === 'bytes' && value instanceof Uint8Array) ||
                (field.name === 'count' && value === 99) ||
                (field.name === 'ciphers' && Array.isArray(value));
              if (
                sameType ||
                (field.wire === 'plain' &&
                  typeof value === 'string' &&
                  value === '?' &&
                  typeof present.get(key) === 'string')
              )
                continue;
              expect([
                field.name,
                value,
                codeOf(() => decodeMessage(withField(message, encoding, key, value))),
              ]).toEqual([field.name, value, 'messages/field-invalid']);
            }
          }
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('the wire', () => {
  it('is this CBOR for a client-com', () => {
    expect(hex(encodeMessage(COM, 'cbor'))).toBe(
      `a5 00 07 03 48 0102030405060708 05 42 0a0b 06 41 09 09 581c ${'07'.repeat(28)}`.replaceAll(' ', ''),
    );
  });

  it('is this JSON for a client-com', () => {
    expect(encodeMessage(COM, 'json')).toEqual(
      utf8(`{"type":"client-com","id":"AQIDBAUGBwg","data":"Cgs","sa-data":"CQ","dst":"${ADDRESS}"}`),
    );
  });

  it('is this for an ack of the relay, an error and an item of a list', () => {
    expect(encodeMessage({ type: 'ack', msgId: ID }, 'json')).toEqual(utf8('{"type":"ack","msg id":"AQIDBAUGBwg"}'));
    expect(hex(encodeMessage({ type: 'error', code: 'busy', msgId: ID }, 'cbor'))).toBe(
      'a300090a4801020304050607080c6462757379',
    );
    const item = {
      address: ADDRESS,
      online: true,
      name: 'Zoë',
      label: '',
      kind: 'certificate',
      fingerprint: new Uint8Array(32).fill(5),
    } as const;
    expect(hex(encodeMessage({ type: 'list', complete: true, data: [item] }, 'cbor'))).toBe(
      `a3000405 81 a6 02645a6fc3ab 0b60 0d02 0e5820${'05'.repeat(32)} 0ff5 11581c${'07'.repeat(28)} 10f5`.replaceAll(
        ' ',
        '',
      ),
    );
  });

  it('has the numbers of the specification for every type and field', () => {
    expect(TYPE_NUMBERS).toEqual({
      connect: 1,
      secure: 2,
      disconnect: 3,
      list: 4,
      'client-connect': 5,
      'client-disconnect': 6,
      'client-com': 7,
      ack: 8,
      error: 9,
      prekeys: 10,
    });
    const numbers = new Map<string, number>();
    for (const fields of Object.values(MESSAGE_FIELDS)) {
      expect(fields.map((field) => field.number)).toEqual(fields.map((field) => field.number).sort((a, b) => a - b));
      for (const field of fields) numbers.set(field.name, field.number);
      for (const field of fields)
        if (typeof field.wire !== 'string') for (const inner of field.wire) numbers.set(inner.name, inner.number);
    }
    expect(Object.fromEntries(numbers)).toEqual({
      phase: 1,
      name: 2,
      id: 3,
      ciphers: 4,
      data: 5,
      'sa-data': 6,
      payload: 7,
      src: 8,
      dst: 9,
      'msg id': 10,
      label: 11,
      code: 12,
      kind: 13,
      fingerprint: 14,
      online: 15,
      complete: 16,
      address: 17,
      stored: 18,
      count: 19,
    });
    expect(Object.keys(MESSAGE_SCHEMAS)).toEqual(Object.keys(TYPE_NUMBERS));
  });
});

describe('decodeMessage', () => {
  const classes: readonly (readonly [string, string | Uint8Array, ErrorCode])[] = [
    ['no bytes', new Uint8Array(), 'codec/truncated'],
    ['a first byte of neither encoding', ' {}', 'codec/malformed'],
    ['a JSON array', '[]', 'codec/malformed'],
    ['a byte order mark', '\ufeff{"type":"ack"}', 'codec/malformed'],
    ['a CBOR array', fromHex('80'), 'codec/malformed'],
    ['a CBOR map of 24 entries', fromHex('b818'), 'codec/malformed'],
    ['an indefinite CBOR map', fromHex('bfff'), 'codec/malformed'],
    ['no type', fromHex('a0'), 'messages/field-missing'],
    ['no type in JSON', '{}', 'messages/field-missing'],
    ['a type as text in CBOR', fromHex('a1 00 63 61636b'), 'messages/field-invalid'],
    ['a negative type', fromHex('a1 00 20'), 'messages/field-invalid'],
    ['a type as number in JSON', '{"type":8}', 'messages/field-invalid'],
    ['a type null', '{"type":null}', 'messages/field-invalid'],
    ['the first type that is not known', fromHex('a1 00 0b'), 'messages/unknown-type'],
    ['type 0', fromHex('a1 00 00'), 'messages/unknown-type'],
    ['a large type', fromHex('a1 00 1b001fffffffffffff'), 'messages/unknown-type'],
    ['a name that is not known', '{"type":"prekey"}', 'messages/unknown-type'],
    ['an empty name', '{"type":""}', 'messages/unknown-type'],
    ['the name of a property of every object', '{"type":"__proto__"}', 'messages/unknown-type'],
    ['another such name', '{"type":"constructor"}', 'messages/unknown-type'],
    ['base64url with padding', '{"type":"secure","sa-data":"AA==","payload":""}', 'messages/field-invalid'],
    ['base64url with stray bits', '{"type":"secure","sa-data":"AB","payload":""}', 'messages/field-invalid'],
    ['base64 of the other alphabet', '{"type":"secure","sa-data":"+/AA","payload":""}', 'messages/field-invalid'],
    [
      'an address of JSON with stray bits',
      `{"type":"error","code":"busy","src":"${ADDRESS.slice(0, -1)}d"}`,
      'messages/field-invalid',
    ],
    ['a message id of 7 bytes', fromHex('a2 00 08 0a 47 01020304050607'), 'messages/field-invalid'],
    [
      'an address of 27 bytes',
      concat(fromHex('a4 00 09 08 58 1b'), new Uint8Array(27), fromHex('0c 60')),
      'codec/truncated',
    ],
    ['phase 0', fromHex('a4 00 01 01 00 03 48 0102030405060708 05 40'), 'messages/field-invalid'],
    ['phase 5', '{"type":"connect","phase":5,"id":"AQIDBAUGBwg","data":""}', 'messages/field-invalid'],
    ['phase 1.5', '{"type":"connect","phase":1.5,"id":"AQIDBAUGBwg","data":""}', 'messages/field-invalid'],
    ['a lone surrogate', '{"type":"error","code":"\\ud800"}', 'codec/received-lone-surrogate'],
    ['a list item that is no map', '{"type":"list","complete":true,"data":[1]}', 'messages/field-invalid'],
    [
      'a list item without online',
      `{"type":"list","complete":true,"data":[{"address":"${ADDRESS}"}]}`,
      'messages/field-missing',
    ],
    [
      'an online item without a name',
      `{"type":"list","complete":true,"data":[{"address":"${ADDRESS}","online":true}]}`,
      'messages/field-missing',
    ],
    [
      'an away item without a label',
      `{"type":"list","complete":true,"data":[{"address":"${ADDRESS}","online":false,"name":"x","kind":"key"}]}`,
      'messages/field-missing',
    ],
    ['prekeys without anything', '{"type":"prekeys"}', 'messages/field-missing'],
    ['a fetch without ciphers', `{"type":"prekeys","id":"AQIDBAUGBwg","dst":"${ADDRESS}"}`, 'messages/field-missing'],
    [
      'a fetch with a suite twice',
      `{"type":"prekeys","id":"AQIDBAUGBwg","dst":"${ADDRESS}","ciphers":[1,1]}`,
      'messages/field-invalid',
    ],
    [
      'a fetch of 33 suites',
      `{"type":"prekeys","id":"AQIDBAUGBwg","dst":"${ADDRESS}","ciphers":[${[...Array(33).keys()].join(',')}]}`,
      'messages/field-over-limit',
    ],
    [
      'a bundle that is none',
      `{"type":"prekeys","id":"AQIDBAUGBwg","src":"${ADDRESS}","label":"","data":[]}`,
      'messages/field-invalid',
    ],
    [
      'a bundle that is two',
      `{"type":"prekeys","id":"AQIDBAUGBwg","src":"${ADDRESS}","label":"","data":["",""]}`,
      'messages/field-over-limit',
    ],
    [
      'a publish of 101 bundles',
      `{"type":"prekeys","id":"AQIDBAUGBwg","data":[${'"",'.repeat(100)}""]}`,
      'messages/field-over-limit',
    ],
    ['a bundle that is no base64url', '{"type":"prekeys","id":"AQIDBAUGBwg","data":["A"]}', 'messages/field-invalid'],
    ['a negative count', '{"type":"prekeys","count":-1}', 'messages/field-invalid'],
    ['a list with data and no complete', '{"type":"list","data":[]}', 'messages/field-missing'],
    ['a list without anything', '{"type":"list"}', 'messages/field-missing'],
    ['an ack without anything', '{"type":"ack"}', 'messages/field-missing'],
    ['an ack without data', '{"type":"ack","sa-data":""}', 'messages/field-missing'],
  ];
  it.each(classes)('%s', (_name, input, code) => {
    expect(codeOf(() => decodeMessage(typeof input === 'string' ? utf8(input) : input))).toBe(code);
  });

  it('refuses each field that its type requires when it is missing', () => {
    const required: Record<MessageType, readonly string[]> = {
      connect: ['phase', 'id', 'data'],
      secure: ['sa-data', 'payload'],
      disconnect: [],
      list: [],
      'client-connect': ['phase', 'id', 'data'],
      'client-disconnect': ['id', 'data', 'sa-data'],
      'client-com': ['id', 'data', 'sa-data'],
      ack: [],
      error: ['code'],
      prekeys: [],
    };
    for (const type of TYPES) {
      const [message] = fc.sample<Message>(messagesOf[type], { numRuns: 1, seed: 1 });
      for (const field of MESSAGE_FIELDS[type]) {
        if (!required[type].includes(field.name)) continue;
        for (const encoding of ENCODINGS) {
          const key = encoding === 'cbor' ? field.number : field.name;
          expect(codeOf(() => decodeMessage(withField(message!, encoding, key, undefined)))).toBe(
            'messages/field-missing',
          );
        }
      }
    }
  });

  it('refuses what is longer than its limit, counted in bytes, and takes what is not', () => {
    const connect = (label: string): Message => ({
      type: 'client-connect',
      phase: 1,
      id: ID,
      label,
      data: new Uint8Array(),
    });
    const cases: readonly (readonly [Message, Key, Key, string, number])[] = [
      [connect(''), 11, 'label', 'é', 255],
      [{ type: 'error', code: 'busy' }, 12, 'code', 'é', 64],
      [{ type: 'disconnect', code: 'busy' }, 12, 'code', 'é', 64],
    ];
    for (const [message, number, name, character, limit] of cases) {
      for (const encoding of ENCODINGS) {
        const key = encoding === 'cbor' ? number : name;
        const within = character.repeat(Math.floor(limit / 2)) + 'a'.repeat(limit % 2);
        expect(codeOf(() => decodeMessage(withField(message, encoding, key, within)))).toBeUndefined();
        expect(codeOf(() => decodeMessage(withField(message, encoding, key, `${within}a`)))).toBe(
          'messages/field-over-limit',
        );
      }
    }
    const body = withField(
      { type: 'connect', phase: 1, id: ID, data: new Uint8Array() },
      'cbor',
      5,
      new Uint8Array(65_537),
    );
    expect(codeOf(() => decodeMessage(body))).toBe('messages/field-over-limit');
    const item = {
      address: ADDRESS,
      online: true,
      name: 'a'.repeat(128),
      label: '',
      kind: 'key',
      fingerprint: new Uint8Array(32),
    } as const;
    const list = encodeMessage({ type: 'list', complete: false, data: [item] }, 'json');
    expect(codeOf(() => decodeMessage(list))).toBeUndefined();
    const longer = utf8(Buffer.from(list).toString().replace('aaaa', 'aaaaa'));
    expect(codeOf(() => decodeMessage(longer))).toBe('messages/field-over-limit');
  });

  it('treats a code that it does not know as internal', () => {
    for (const encoding of ENCODINGS) {
      for (const reason of ERROR_REASONS) {
        expect(decodeMessage(encodeMessage({ type: 'error', code: reason }, encoding)).message).toEqual({
          type: 'error',
          code: reason,
        });
      }
      for (const code of ['', 'of the future', '__proto__', 'BUSY']) {
        const bytes = withField({ type: 'error', code: 'busy' }, encoding, encoding === 'cbor' ? 12 : 'code', code);
        expect(decodeMessage(bytes).message).toEqual({ type: 'error', code: 'internal' });
      }
    }
  });

  it('refuses a relay in a list of clients', () => {
    const item = {
      address: ADDRESS,
      online: true,
      name: '',
      label: '',
      kind: 'key',
      fingerprint: new Uint8Array(32),
    } as const;
    const json = Buffer.from(encodeMessage({ type: 'list', complete: true, data: [item] }, 'json')).toString();
    expect(codeOf(() => decodeMessage(utf8(json.replace('"key"', '"relay"'))))).toBe('messages/field-invalid');
    const cbor = encodeMessage({ type: 'list', complete: true, data: [item] }, 'cbor');
    const at = hex(cbor).indexOf('0d010e') / 2;
    for (const kind of [3, 4, 23]) {
      const changed = cbor.slice();
      changed[at + 1] = kind;
      expect(codeOf(() => decodeMessage(changed))).toBe('messages/field-invalid');
    }
  });

  it('looks at the length before anything else, and takes less before the hop', () => {
    const large = encodeMessage({ type: 'secure', saData: new Uint8Array(), payload: new Uint8Array(65_536) }, 'cbor');
    expect(codeOf(() => decodeMessage(large))).toBeUndefined();
    expect(codeOf(() => decodeMessage(large, LIMITS_BEFORE_HOP))).toBe('codec/length-over-limit');
    expect(codeOf(() => decodeMessage(new Uint8Array(1_048_577).fill(0xff)))).toBe('codec/length-over-limit');
  });

  it('gives views of CBOR, and plain Uint8Arrays of a Buffer', () => {
    const buffer = Buffer.from(encodeMessage(COM, 'cbor'));
    const { message } = decodeMessage(buffer);
    expect(message).toEqual(COM);
    if (message.type !== 'client-com') throw new Error('another type');
    expect(Buffer.isBuffer(message.data)).toBe(false);
    expect(message.data.buffer).toBe(buffer.buffer);
  });

  it('gives objects without anything of the peer in their prototype', () => {
    const bytes = utf8(
      '{"type":"disconnect","__proto__":{"code":"busy","polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    );
    const { message } = decodeMessage(bytes);
    expect(Object.getOwnPropertyNames(message)).toEqual(['type']);
    expect((message as { code?: string }).code).toBeUndefined();
    expect('polluted' in {}).toBe(false);
  });
});

describe('encodeMessage', () => {
  it('takes undefined for a field that the other form of a type has', () => {
    for (const encoding of ENCODINGS) {
      const request = encodeMessage({ type: 'list', id: ID, complete: undefined, data: undefined }, encoding);
      expect(decodeMessage(request).message).toEqual({ type: 'list', id: ID });
      const ack = encodeMessage({ type: 'ack', msgId: ID, dst: undefined, saData: undefined }, encoding);
      expect(decodeMessage(ack).message).toEqual({ type: 'ack', msgId: ID });
    }
  });

  const refused: readonly (readonly [string, unknown, ErrorCode])[] = [
    ['no type', {}, 'messages/invalid-message'],
    ['an unknown type', { type: 'prekeys' }, 'messages/invalid-message'],
    ['a type of every object', { type: 'toString' }, 'messages/invalid-message'],
    ['a missing field', { type: 'secure', saData: new Uint8Array() }, 'messages/invalid-message'],
    ['a text for bytes', { type: 'secure', saData: '', payload: '' }, 'messages/invalid-message'],
    ['a forced address', { ...COM, dst: 'alice' }, 'messages/invalid-message'],
    ['a forced id', { ...COM, id: 'AQIDBAUGBwk=' }, 'messages/invalid-message'],
    [
      'a long label',
      { type: 'client-connect', phase: 1, id: ID, label: 'a'.repeat(256), data: new Uint8Array() },
      'messages/invalid-message',
    ],
    ['a long body', { type: 'connect', phase: 1, id: ID, data: new Uint8Array(65_537) }, 'messages/invalid-message'],
    ['phase 5', { type: 'connect', phase: 5, id: ID, data: new Uint8Array() }, 'messages/invalid-message'],
    [
      'half a surrogate pair',
      { type: 'client-connect', phase: 1, id: ID, label: '\ud800', data: new Uint8Array() },
      'codec/lone-surrogate',
    ],
  ];
  it.each(refused)('refuses %s', (_name, message, code) => {
    for (const encoding of ENCODINGS) expect(codeOf(() => encodeMessage(message as Message, encoding))).toBe(code);
  });
});

describe('what an answer needs of a message that was refused', () => {
  it('is its encoding, by the first byte', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        for (const encoding of ENCODINGS) expect(encodingOf(encodeMessage(message, encoding))).toBe(encoding);
      }),
      { numRuns: 30 },
    );
    expect(encodingOf(new Uint8Array())).toBeUndefined();
    for (let first = 0; first < 256; first += 1) {
      const expected = first === 0x7b ? 'json' : first >= 0xa0 && first <= 0xb7 ? 'cbor' : undefined;
      expect(encodingOf(Uint8Array.of(first))).toBe(expected);
    }
  });

  it('is its id, where that can be read', () => {
    expect(messageIdOf(fromHex('a2 00 0a 03 48 0102030405060708'))).toBe(ID);
    expect(messageIdOf(utf8('{"type":"of the future","id":"AQIDBAUGBwg"}'))).toBe(ID);
    expect(messageIdOf(fromHex('a1 00 07'))).toBeUndefined();
    expect(messageIdOf(fromHex('a2 00 07 03 47 01020304050607'))).toBeUndefined();
    expect(messageIdOf(utf8('{"id":"AQIDBAUGBwk="}'))).toBeUndefined();
    expect(messageIdOf(fromHex('a2 00 0a 03'))).toBeUndefined();
    expect(messageIdOf(new Uint8Array())).toBeUndefined();
  });
});
