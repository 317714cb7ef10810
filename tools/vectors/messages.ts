/** Vectors of docs/protocol.md §2: every message in both encodings, what is refused, and frames. */
import { fromUtf8, hex, utf8 } from '../../src/bytes.ts';
import { LIMITS_BEFORE_HOP } from '../../src/codec/index.ts';
import {
  decodeMessage,
  encodeMessage,
  messageIdFromBytes,
  type Encoding,
  type Message,
} from '../../src/messages/index.ts';
import { encodeFrame, FrameReader } from '../../src/transport/index.ts';
import { alice, bob, carol } from './people.ts';
import { errorOf, refusal, seeded, type Json, type JsonObject, type RefusalClass } from './shared.ts';

const random = seeded('messages');
const id = messageIdFromBytes(random(8));
const msgId = messageIdFromBytes(random(8));
const [data, saData] = [random(24), random(16)];
const record = { saData, data };
const described = { name: 'Bob \u{1f600}', label: 'verified', kind: 'none', fingerprint: bob.fingerprint } as const;

const MESSAGES: readonly (readonly [string, Message])[] = [
  ['connect, phase 1', { type: 'connect', phase: 1, id, data }],
  ['connect, phase 2', { type: 'connect', phase: 2, id, data }],
  ['connect, phase 3', { type: 'connect', phase: 3, id, data }],
  ['connect, phase 4', { type: 'connect', phase: 4, id, data }],
  ['secure', { type: 'secure', saData, payload: data }],
  ['disconnect', { type: 'disconnect' }],
  ['disconnect, with a code', { type: 'disconnect', code: 'shutting-down' }],
  ['list, up', { type: 'list', id }],
  [
    'list, down, whole',
    {
      type: 'list',
      id,
      complete: true,
      data: [
        { ...described, address: bob.address, online: true },
        { ...described, address: carol.address, online: false, name: '', label: '', kind: 'key' as const },
      ],
    },
  ],
  ['list, down, a change', { type: 'list', complete: false, data: [{ address: alice.address, online: false }] }],
  ['list, down, empty', { type: 'list', complete: true, data: [] }],
  ['client-connect, up', { type: 'client-connect', phase: 1, id, dst: bob.address, data }],
  ['client-connect, down', { type: 'client-connect', phase: 2, id, src: bob.address, label: 'verified', data }],
  [
    'client-connect, down, stored',
    { type: 'client-connect', phase: 3, id, src: alice.address, label: 'open', data, stored: true },
  ],
  ['client-disconnect, up', { type: 'client-disconnect', id, dst: bob.address, ...record }],
  ['client-disconnect, down', { type: 'client-disconnect', id, src: alice.address, ...record, stored: true }],
  ['client-com, up', { type: 'client-com', id, dst: bob.address, ...record }],
  ['client-com, down', { type: 'client-com', id, src: alice.address, ...record }],
  ['client-com, down, stored', { type: 'client-com', id, src: alice.address, ...record, stored: true }],
  ['ack, between clients, up', { type: 'ack', dst: bob.address, ...record }],
  ['ack, between clients, down', { type: 'ack', src: alice.address, ...record }],
  ['ack, of the relay', { type: 'ack', msgId }],
  ['ack, of a client to the relay', { type: 'ack', src: alice.address, msgId }],
  ['error', { type: 'error', code: 'unknown-type' }],
  ['error, of a message', { type: 'error', code: 'unknown-peer', msgId }],
  ['error, between clients, up', { type: 'error', code: 'spent', msgId, dst: alice.address }],
  ['error, between clients, down', { type: 'error', code: 'rejected', msgId, src: bob.address }],
  ['prekeys, publish', { type: 'prekeys', id, data: [data, saData], complete: true }],
  ['prekeys, publish that only asks', { type: 'prekeys', id, data: [] }],
  ['prekeys, fetch', { type: 'prekeys', id, dst: carol.address, ciphers: [1, 3, 5] }],
  ['prekeys, bundle', { type: 'prekeys', id, src: carol.address, label: 'verified', data: [data] }],
  ['prekeys, stock', { type: 'prekeys', count: 17, id }],
  ['prekeys, stock of nothing', { type: 'prekeys', count: 0 }],
];

/** The file's content. */
export function messages(): JsonObject {
  return { accepted: accepted(), 'accepted in other forms': otherForms(), refused: refused(), frames: frames() };
}

function accepted(): Json {
  return MESSAGES.map(([name, message]) => ({
    name,
    json: fromUtf8(encodeMessage(message, 'json')),
    cbor: hex(encodeMessage(message, 'cbor')),
  }));
}

/** JSON has no one form: these are read, though encoders here write them otherwise. */
function otherForms(): Json {
  const forms: readonly (readonly [string, string, string])[] = [
    ['members in another order', '{"code":"busy","type":"error"}', '{"type":"error","code":"busy"}'],
    ['white space inside the object', '{ "type" : "error",\n"code":"busy" }', '{"type":"error","code":"busy"}'],
    ['an escape that is not needed', '{"type":"err\\u006fr","code":"busy"}', '{"type":"error","code":"busy"}'],
    [
      'fields that nobody knows',
      '{"type":"error","code":"busy","later":{"a":[1,null,true]},"0":1}',
      '{"type":"error","code":"busy"}',
    ],
    ['a code that nobody knows is internal', '{"type":"error","code":"new"}', '{"type":"error","code":"internal"}'],
    ['a field of another type of message', `{"type":"list","id":"${id}","phase":9}`, `{"type":"list","id":"${id}"}`],
  ];
  const cbor: readonly (readonly [string, string, string])[] = [
    ['fields that nobody knows', 'a400090c646275737918c881f6190100a0', '{"type":"error","code":"busy"}'],
    ['a text as an unknown key', 'a300090c646275737961780a', '{"type":"error","code":"busy"}'],
  ];
  const all = [
    ...forms.map(([about, text, means]) => ({ about, encoding: 'json', text, means })),
    ...cbor.map(([about, bytes, means]) => ({ about, encoding: 'cbor', bytes, means })),
  ];
  for (const form of all) {
    const bytes = 'text' in form ? utf8(form.text) : Uint8Array.from(Buffer.from(form.bytes, 'hex'));
    const { message, encoding } = decodeMessage(bytes);
    if (encoding !== form.encoding || fromUtf8(encodeMessage(message, 'json')) !== form.means) {
      throw new Error(`${form.about}: means ${fromUtf8(encodeMessage(message, 'json'))}`);
    }
  }
  return all;
}

type Refused = readonly [why: string, bytes: string, expected: RefusalClass];

const JSON_REFUSED: readonly Refused[] = [
  ['a byte order mark', '\u{feff}{"type":"disconnect"}', 'malformed'],
  ['white space before', ' {"type":"disconnect"}', 'malformed'],
  ['white space after', '{"type":"disconnect"}\n', 'malformed'],
  ['an array', '[{"type":"disconnect"}]', 'malformed'],
  ['truncated', '{"type":"disconnect"', 'malformed'],
  ['two objects', '{"type":"disconnect"}{}', 'malformed'],
  ['a key twice', '{"type":"disconnect","type":"disconnect"}', 'malformed'],
  ['an unknown key twice', '{"type":"disconnect","x":1,"x":2}', 'malformed'],
  ['a key twice, once escaped', '{"type":"disconnect","\\u0074ype":"disconnect"}', 'malformed'],
  ['half of a surrogate pair', '{"type":"disconnect","x":"\\ud83d"}', 'malformed'],
  ['nesting of nine', `{"type":"disconnect","x":${'['.repeat(8)}${']'.repeat(8)}}`, 'over-limit'],
  ['a comma too many', '{"type":"disconnect",}', 'malformed'],
  ['no type', '{"code":"busy"}', 'malformed'],
  ['a type by number', '{"type":3}', 'malformed'],
  ['an unknown type', '{"type":"telegram"}', 'unknown-type'],
  ['a type of upper-case letters', '{"type":"Disconnect"}', 'unknown-type'],
  ['a field missing', '{"type":"error"}', 'malformed'],
  ['null for a field', '{"type":"error","code":null}', 'malformed'],
  ['an id of 7 bytes', '{"type":"list","id":"AAAAAAAAAA"}', 'malformed'],
  ['an id with spare bits that are not zero', '{"type":"list","id":"AAAAAAAAAAB"}', 'malformed'],
  ['base64 with padding', '{"type":"secure","sa-data":"AA==","payload":""}', 'malformed'],
  ['base64 of the other alphabet', '{"type":"secure","sa-data":"+/8","payload":""}', 'malformed'],
  ['a phase that is not there', `{"type":"connect","phase":5,"id":"${id}","data":""}`, 'malformed'],
  ['a phase that is no whole number', `{"type":"connect","phase":1.5,"id":"${id}","data":""}`, 'malformed'],
  ['a phase as text', `{"type":"connect","phase":"1","id":"${id}","data":""}`, 'malformed'],
  ['a code that is too long', `{"type":"error","code":"${'a'.repeat(65)}"}`, 'over-limit'],
  ['a kind by number', listItem('"kind":1'), 'malformed'],
  ['a relay among people', listItem('"kind":"relay"'), 'malformed'],
  [
    'an item that is away and lacks fields',
    `{"type":"list","complete":true,"data":[{"address":"${bob.address}","online":false,"name":""}]}`,
    'malformed',
  ],
  ['a suite twice in a fetch', `{"type":"prekeys","id":"${id}","dst":"${bob.address}","ciphers":[3,3]}`, 'malformed'],
  [
    'a bundle message with two bundles',
    `{"type":"prekeys","id":"${id}","src":"${bob.address}","label":"","data":["AA","AA"]}`,
    'over-limit',
  ],
  [
    'a bundle message without a bundle',
    `{"type":"prekeys","id":"${id}","src":"${bob.address}","label":"","data":[]}`,
    'malformed',
  ],
  ['a count below zero', '{"type":"prekeys","count":-1}', 'malformed'],
];

function listItem(kind: string): string {
  const fingerprint = Buffer.from(bob.fingerprint).toString('base64url');
  const item = `"address":"${bob.address}","online":true,"name":"","label":"",${kind},"fingerprint":"${fingerprint}"`;
  return `{"type":"list","complete":true,"data":[{${item}}]}`;
}

const CBOR_REFUSED: readonly Refused[] = [
  ['no bytes', '', 'malformed'],
  ['an array', '8103', 'malformed'],
  ['a map of 24 entries, by its first byte', 'b818', 'malformed'],
  ['truncated', 'a200090c64627573', 'malformed'],
  ['a trailing byte', 'a1000300', 'malformed'],
  ['a map of indefinite length', 'bf0003ff', 'malformed'],
  ['a text of indefinite length', 'a200090c7f6462757379ff', 'malformed'],
  ['a number that is longer than it needs to be', 'a1001803', 'malformed'],
  ['a length that is longer than it needs to be', 'a200090c780462757379', 'malformed'],
  ['keys not sorted', 'a20c64627573790009', 'malformed'],
  ['a key twice', 'a200030003', 'malformed'],
  ['a tag', 'a200030cc06462757379', 'malformed'],
  ['a float', 'a20003187ff93c00', 'malformed'],
  ['undefined', 'a20003187ff7', 'malformed'],
  ['a reserved simple value', 'a20003187ff8ff', 'malformed'],
  ['invalid UTF-8', 'a200090c6462ff7379', 'malformed'],
  ['a surrogate in UTF-8', 'a200090c63eda080', 'malformed'],
  ['nesting of nine', `a20003187f${'81'.repeat(8)}00`, 'over-limit'],
  ['a length of 2^64 − 1', 'a1005bffffffffffffffff', 'over-limit'],
  ['no type', 'a10c6462757379', 'malformed'],
  ['a type by name', 'a1006a646973636f6e6e656374', 'malformed'],
  ['an unknown type', 'a1000b', 'unknown-type'],
  ['type 0', 'a10000', 'unknown-type'],
  ['a negative type', 'a10020', 'malformed'],
  ['an id of 7 bytes', 'a20004034700000000000000', 'malformed'],
  ['an id as text', `a20004036b${hex(utf8(id))}`, 'malformed'],
  ['text where bytes belong', 'a300020661610740', 'malformed'],
  ['an address of 27 bytes', `a3000808581b${'00'.repeat(27)}0a48${'00'.repeat(8)}`, 'malformed'],
];

function refused(): Json {
  const one = (encoding: Encoding, [why, written, expected]: Refused): JsonObject => {
    const bytes = encoding === 'json' ? utf8(written) : Uint8Array.from(Buffer.from(written, 'hex'));
    const field = encoding === 'json' ? { text: written } : { bytes: hex(bytes) };
    return {
      encoding,
      ...field,
      why,
      refused: refusal(
        expected,
        errorOf(() => decodeMessage(bytes)),
        `${encoding}: ${why}`,
      ),
    };
  };
  return [
    ...JSON_REFUSED.map((each) => one('json', each)),
    notUtf8(),
    ...CBOR_REFUSED.map((each) => one('cbor', each)),
  ];
}

function notUtf8(): JsonObject {
  const bytes = Uint8Array.of(...utf8('{"type":"disconnect","x":"'), 0xff, ...utf8('"}'));
  const why = 'invalid UTF-8';
  return {
    encoding: 'json',
    bytes: hex(bytes),
    why,
    refused: refusal(
      'malformed',
      errorOf(() => decodeMessage(bytes)),
      why,
    ),
  };
}

function frames(): Json {
  const message = encodeMessage({ type: 'disconnect' }, 'cbor');
  const cases: readonly (readonly [string, string, number, RefusalClass])[] = [
    ['a length of zero', '00000000', LIMITS_BEFORE_HOP.maxBytes, 'malformed'],
    ['65,537 bytes before the hop is established', '00010001', LIMITS_BEFORE_HOP.maxBytes, 'over-limit'],
    ['1,048,577 bytes', '00100001', 1_048_576, 'over-limit'],
    ['2^32 − 1 bytes', 'ffffffff', 1_048_576, 'over-limit'],
  ];
  return {
    accepted: [{ messages: [hex(message), hex(message)], bytes: hex(encodeFrame(message)).repeat(2) }],
    refused: cases.map(([why, bytes, limit, expected]) => {
      const reader = new FrameReader();
      reader.push(Uint8Array.from(Buffer.from(bytes, 'hex')));
      return {
        bytes,
        limit,
        why,
        refused: refusal(
          expected,
          errorOf(() => reader.next(limit)),
          why,
        ),
      };
    }),
  };
}
