/** Vectors of docs/protocol.md §5 and §6: conversations of each suite, loss, and records that are refused. */
import { hex, utf8 } from '../../src/bytes.ts';
import { encodeCbor } from '../../src/codec/index.ts';
import { allSuites, type Suite } from '../../src/crypto/index.ts';
import { decodeSaData } from '../../src/session/index.ts';
import { encodeSaData } from '../../src/session/saData.ts';
import type { EndName, RecordJson } from './conversationRun.ts';
import { Scenario } from './scenario.ts';
import { byHand, suiteOf, unhex, type JsonObject, type RefusalClass } from './shared.ts';

const SUITES = byHand(allSuites);
const X25519 = suiteOf(SUITES, 'X25519_WITH_CHACHA20_POLY1305_SHA256');
const P384_FERNET = suiteOf(SUITES, 'ECDHE_WITH_AES_128_CBC_SHA256');

/** The file's content. */
export function conversations(): JsonObject {
  return {
    scenarios: [
      ...SUITES.map(talk),
      loss(),
      lost(),
      padding(),
      ...[X25519, P384_FERNET].map(altered),
      bodies(),
      ...[X25519, suiteOf(SUITES, 'RSA_WITH_AES_128_CBC_SHA256')].map(afterTheEnd),
    ].map((scenario) => scenario.json()),
  };
}

/** A first word from each side: both have the other's ratchet key then. */
export function begun(name: string, about: string, suite: Suite): Scenario {
  const scenario = new Scenario(name, about, suite);
  scenario.exchange('initiator', 'first of I');
  scenario.exchange('responder', 'first of R');
  return scenario;
}

function talk(suite: Suite): Scenario {
  const about = 'Text, data, ACKs, a rekey of each side (where it is short enough to be shown), and the end.';
  const scenario = new Scenario(`talk, ${suite.name}`, about, suite);
  scenario.exchange('initiator', 'Olá!');
  scenario.exchange('responder', 'A text that is long enough not to fit into the smallest bucket. \u{1f600}');
  const data = encodeCbor(new Map<string, unknown>([['answer', 42]]));
  scenario.receive('responder', scenario.content('initiator', 'data', data));
  scenario.acknowledge('responder');
  if (suite.kem.name !== 'X-Wing' || suite.number === 1) {
    scenario.rekey('initiator');
    scenario.exchange('initiator', 'epoch 1 of direction 0');
  }
  if (suite.kem.name !== 'X-Wing') {
    scenario.rekey('responder');
    scenario.exchange('responder', 'epoch 1 of direction 1: healed');
    scenario.rekey('initiator');
    scenario.exchange('initiator', 'epoch 2 of direction 0');
  }
  finish(scenario);
  return scenario;
}

/** `client-disconnect`, and the ACK that goes with it at once. */
function finish(scenario: Scenario): void {
  scenario.receive('responder', scenario.close('initiator'));
  const acks = scenario.lastOf('responder');
  scenario.receive('initiator', acks);
}

function loss(): Scenario {
  const about =
    'Records that are late, repeated or missing: gaps in `seen`, keys of skipped records, each message shown once and in order.';
  const scenario = new Scenario('gaps', about, X25519);
  const names = ['one', 'two', 'three', 'four', 'five'].map((text) => scenario.send('initiator', text));
  const [one, two, three, four, five] = names as [string, string, string, string, string];
  scenario.receive('responder', two);
  scenario.receive('responder', five);
  scenario.acknowledge('responder');
  scenario.receive('responder', one);
  scenario.receive('responder', one);
  scenario.receive('responder', four);
  scenario.acknowledge('responder');
  scenario.refuse('responder', ahead(scenario, 'initiator', 1_001), 'more than 1,000 records ahead', 'not-awaited');
  scenario.receive('responder', three);
  scenario.acknowledge('responder');
  return scenario;
}

function lost(): Scenario {
  const about =
    'A message that its sender gives up: the next one tells so, and both hold one history with the hole named.';
  const scenario = begun('lost', about, X25519);
  const gone = scenario.send('initiator', 'never comes');
  scenario.receive('responder', scenario.send('initiator', 'comes'));
  scenario.acknowledge('responder');
  scenario.expire('initiator', gone);
  scenario.exchange('initiator', 'tells that one is lost');
  scenario.exchange('initiator', 'does not tell it again');
  return scenario;
}

function padding(): Scenario {
  const scenario = begun('padding', 'A sender need not pad; any number of zeros is taken.', X25519);
  const padded = scenario.body('initiator');
  const end = padded.lastIndexOf(0x80);
  scenario.take('responder', scenario.forge('initiator', padded.subarray(0, end + 1)), 'no zero behind the byte 80');
  scenario.take(
    'responder',
    scenario.forge('initiator', Uint8Array.of(...padded, ...new Uint8Array(77))),
    '77 zeros more than the bucket',
  );
  for (const length of [0, 1, 20, 60, 100, 1_000, 5_000]) scenario.exchange('initiator', 'x'.repeat(length));
  return scenario;
}

function ahead(scenario: Scenario, end: EndName, by: number): RecordJson {
  const { current } = scenario.state(end).send;
  const made = scenario.forge(end, scenario.body(end));
  const fields = decodeSaData(unhex(made['sa-data']), scenario.suite.cipher.nonceLength);
  return { ...made, 'sa-data': hex(encodeSaData({ ...fields, number: current.next + by })) };
}

function altered(suite: Suite): Scenario {
  const about = 'A record that is changed anywhere, or given out as another. The last step takes it as it was.';
  const scenario = begun(`altered records, ${suite.name}`, about, suite);
  const name = scenario.send('initiator', 'as it was');
  const good = scenario.sent(name);
  const no = (why: string, changes: Partial<RecordJson>, expected: RefusalClass = 'authentication'): void =>
    scenario.refuse('responder', { ...good, ...changes }, why, expected);
  const saData = unhex(good['sa-data']);
  const sealed = unhex(good.sealed);
  no('a bit of the first sealed byte', { sealed: flipped(sealed, 0) });
  no('a bit of the last sealed byte', { sealed: flipped(sealed, sealed.length - 1) });
  no('a bit in the middle of the sealed bytes', { sealed: flipped(sealed, sealed.length >> 1) });
  no('a byte short', { sealed: hex(sealed.subarray(0, -1)) });
  no('no sealed bytes', { sealed: '' });
  no('a byte long', { sealed: `${good.sealed}00` });
  if (suite.cipher.nonceLength > 0) no('a bit of the nonce', { 'sa-data': flipped(saData, saData.length - 1) });
  no('another number', { 'sa-data': flipped(saData, 9) });
  no('another id', { id: 'ff'.repeat(8) });
  no('another type', { type: 'client-disconnect' });
  no('given out as an ACK', { type: 'ack', id: undefined! });
  no('another conversation', { 'sa-data': flipped(saData, 0) }, 'malformed');
  no('sa-data of no bytes', { 'sa-data': '' }, 'malformed');
  no('sa-data truncated inside the conversation id', { 'sa-data': hex(saData.subarray(0, 7)) }, 'malformed');
  no('sa-data without a number', { 'sa-data': hex(saData.subarray(0, 9)) }, 'malformed');
  const rest = hex(saData.subarray(10));
  const id = hex(saData.subarray(0, 8));
  no(
    'an epoch that is written longer than it needs to be',
    { 'sa-data': `${id}4000${hex(saData.subarray(9, 10))}${rest}` },
    'malformed',
  );
  no(
    'a number that is written longer than it needs to be',
    { 'sa-data': `${id}0040${hex(saData.subarray(9, 10))}${rest}` },
    'malformed',
  );
  no('record 2^32', { 'sa-data': `${id}00c000000100000000${rest}` }, 'malformed');
  no('epoch 2^32', { 'sa-data': `${id}c00000010000000000${rest}` }, 'malformed');
  scenario.refuse('initiator', good, 'sent back to who sent it', 'authentication');
  scenario.receive('responder', name);
  scenario.refuse('responder', good, 'once more', 'repeated');
  return scenario;
}

function flipped(bytes: Uint8Array, at: number): string {
  return hex(Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte)));
}

function bodies(): Scenario {
  const about =
    'Authentic records whose content breaks a rule: the sender has the keys and does not keep to the protocol.';
  const scenario = begun('malformed bodies', about, X25519);
  const hash = '11'.repeat(16);
  const zero = '22'.repeat(16);
  const no = (why: string, bytes: string, type: RecordJson['type'] = 'client-com'): void =>
    scenario.refuse('responder', scenario.forge('initiator', unhex(bytes), { type }), why, 'malformed');
  const { hash: seen } = scenario.state('initiator').receive.history;
  const ok = `01${hex(seen)}`;
  no('no bytes at all', '');
  no('zeros alone', '00'.repeat(32));
  no('no byte 80', `0102${hash}${ok}0061`);
  no('a flag that is not there', `1102${hash}${ok}006180`);
  no('flag 80', `8102${hash}${ok}006180`);
  no('message number 0', `0100${hash}${ok}006180`);
  no('ends inside the hash', `0102${hash.slice(2)}80`);
  no('a varint that is written longer than it needs to be', `014002${hash}${ok}006180`);
  no('a message without content', `0102${hash}${ok}80`);
  no('a kind of content that is not there', `0102${hash}${ok}026180`);
  no('no ranges behind flag 02', `0302${hash}${ok}00006180`);
  no(
    '33 ranges',
    `0302${hash}${ok}21${Array.from({ length: 33 }, (_, at) => `40${(2 * at + 1).toString(16).padStart(2, '0')}01`).join('')}006180`,
  );
  no('a gap above the highest number', `0302${hash}${ok}010201006180`);
  no('a gap of no length', `0302${hash}05${zero}010200006180`);
  no('gaps that touch', `0302${hash}09${zero}0202010301006180`);
  no('gaps that do not ascend', `0302${hash}09${zero}0204010201006180`);
  no('a gap that begins at 0', `0302${hash}09${zero}010001006180`);
  no('a ratchet key that is cut off', `0502${hash}${ok}01${'33'.repeat(31)}80`);
  no('a list of lost messages of no length', `0902${hash}${ok}00006180`);
  no('a client-com without a number', `00${ok}006180`);
  no('an ACK with a number', `0102${hash}${ok}80`, 'ack');
  no('an ACK with content', `00${ok}0080`, 'ack');
  no('a client-disconnect without a reason', `0102${hash}${ok}80`, 'client-disconnect');
  scenario.exchange('initiator', 'and goes on');
  return scenario;
}

function afterTheEnd(suite: Suite): Scenario {
  const about = '`client-disconnect` takes its turn: a message that is late comes before it; nothing comes after.';
  const scenario = begun(`the end, ${suite.name}`, about, suite);
  const late = scenario.send('initiator', 'late');
  const end = scenario.close('initiator');
  scenario.receive('responder', end);
  const after = scenario.forge('initiator', scenario.body('initiator', { content: utf8('\0after') }));
  scenario.refuse('responder', after, 'a message behind the last one', 'malformed');
  scenario.receive('responder', late);
  scenario.refuse('responder', after, 'a message behind the last one, once that was taken in', 'ended');
  scenario.receive('initiator', scenario.lastOf('responder'));
  return scenario;
}
