/** Vectors of docs/protocol.md §5.4: announcements that are taken, and those that are not. */
import { concat, hex, lengthPrefixed, uint32 } from '../../src/bytes.ts';
import { allSuites, type Suite } from '../../src/crypto/index.ts';
import { decodeSaData } from '../../src/session/index.ts';
import { encodeSaData } from '../../src/session/saData.ts';
import { begun } from './conversations.ts';
import type { RecordJson } from './conversationRun.ts';
import type { Scenario } from './scenario.ts';
import { byHand, suiteOf, unhex, type JsonObject, type RefusalClass } from './shared.ts';

const SUITES = byHand(allSuites);

/** The file's content. */
export function rekeys(): JsonObject {
  const names = [
    'X25519_WITH_CHACHA20_POLY1305_SHA256',
    'ECDHE_WITH_AES_256_GCM_SHA384',
    'ECDHE_WITH_AES_128_CBC_SHA256',
    'RSA_WITH_AES_128_CBC_SHA256',
  ];
  const suites = names.map((name) => suiteOf(SUITES, name));
  return { scenarios: [...suites.map(announcements), ...suites.slice(0, 1).map(order)].map((each) => each.json()) };
}

function announcements(suite: Suite): Scenario {
  const about = 'What is refused is tried on copies of the receiver; then it takes the announcement as it was made.';
  const scenario = begun(`announcements, ${suite.name}`, about, suite);
  scenario.rekey('initiator');
  const name = scenario.send('initiator', 'in epoch 1');
  const good = scenario.sent(name);
  const fields = decodeSaData(unhex(good['sa-data']), suite.cipher.nonceLength);
  const announcement = Uint8Array.from(fields.announcement);
  const withIt = (bytes: Uint8Array, epoch = 1): RecordJson => ({
    ...good,
    'sa-data': hex(encodeSaData({ ...fields, epoch, announcement: bytes })),
  });
  const no = (why: string, bytes: Uint8Array, expected: RefusalClass, epoch = 1): void =>
    scenario.refuse('responder', withIt(bytes, epoch), why, expected);

  // Both ends have the announcement key of epoch 0; the receiver keeps it.
  const key = Uint8Array.from(scenario.state('responder').receive.epochs[0]!.announcementKey);
  const signed = (unsigned: Uint8Array, epoch = 1, direction = 0): Uint8Array => {
    const { conversationId } = scenario.state('responder');
    const authenticated = lengthPrefixed(
      'SIMS 1 announcement',
      conversationId,
      Uint8Array.of(direction),
      uint32(epoch),
      unsigned,
    );
    return concat(unsigned, suite.provider.hmac(suite.hash, key, authenticated).subarray(0, 32));
  };
  const unsigned = announcement.subarray(0, -32);
  const hasKem = suite.ratchetKem !== undefined;
  const saltAt = hasKem ? 2 : 1;
  const flip = (at: number): Uint8Array => announcement.map((byte, index) => (index === at ? byte ^ 1 : byte));

  no('a bit of the mac', flip(announcement.length - 1), 'authentication');
  no('a bit of s_k', flip(saltAt), 'authentication');
  no('another count of records', flip(saltAt - 1), 'authentication');
  if (hasKem) no('a bit of ct', flip(announcement.length - 33), 'authentication');
  if (hasKem) no('another key number under the same mac', flip(0), 'authentication');
  no('a mac that was made for epoch 2', signed(unsigned, 2), 'authentication');
  no('a mac that was made for the other direction', signed(unsigned, 1, 1), 'authentication');
  no('cut off by a byte', announcement.subarray(0, -1), 'malformed');
  no('cut off inside s_k', announcement.subarray(0, saltAt + 8), 'malformed');
  no('a byte long', Uint8Array.of(...announcement, 0), 'malformed');
  no('an announcement of epoch 2 before epoch 1', announcement, 'not-awaited', 2);
  const head = hasKem ? unsigned.subarray(0, 1) : new Uint8Array(0);
  const tail = unsigned.subarray(saltAt);
  no(
    'authentic, with a count of records above 2^32',
    signed(concat(head, unhex('c000000100000001'), tail)),
    'malformed',
  );
  if (hasKem) {
    no(
      'authentic, with the number of a ratchet key that R does not have',
      signed(concat(Uint8Array.of(7), unsigned.subarray(1))),
      'not-awaited',
    );
    no(
      'authentic, with a key number that is written longer than it needs to be',
      signed(concat(unhex('4000'), unsigned.subarray(1))),
      'malformed',
    );
    const none = new Uint8Array(suite.ratchetKem.ciphertextLength);
    no(
      'authentic, with a ct that the KEM refuses',
      signed(concat(unsigned.subarray(0, saltAt + 16), none)),
      'malformed',
    );
  }
  const sealed = unhex(good.sealed);
  scenario.refuse(
    'responder',
    { ...good, sealed: hex(sealed.map((byte, at) => (at === 0 ? byte ^ 1 : byte))) },
    'an authentic announcement in a record that does not open',
    'authentication',
  );
  scenario.receive('responder', name);
  scenario.breaks(
    'responder',
    withIt(signed(concat(unsigned.subarray(0, saltAt), unhex('39'.repeat(16)), unsigned.subarray(saltAt + 16)))),
    'a second authentic announcement of epoch 1',
    'clone',
  );
  scenario.acknowledge('responder');
  return scenario;
}

function order(suite: Suite): Scenario {
  const about = 'Records of the next epoch before its announcement wait for it; late ones of the old epoch still open.';
  const scenario = begun(`early and late epochs, ${suite.name}`, about, suite);
  const late = scenario.send('initiator', 'late, of epoch 0');
  const { next } = scenario.state('initiator').send.current;
  scenario.rekey('initiator');
  const announced = scenario.send('initiator', 'announces epoch 1');
  const early = scenario.send('initiator', 'early, of epoch 1');
  scenario.receive('responder', early);
  scenario.receive('responder', announced);
  const record = scenario.sent(late);
  const fields = decodeSaData(unhex(record['sa-data']), suite.cipher.nonceLength);
  scenario.refuse(
    'responder',
    { ...record, 'sa-data': hex(encodeSaData({ ...fields, number: next })) },
    'a record of epoch 0 behind the last that was announced',
    'not-awaited',
  );
  scenario.receive('responder', late);
  scenario.acknowledge('responder');
  scenario.exchange('initiator', 'without the announcement, which is acknowledged');
  return scenario;
}
