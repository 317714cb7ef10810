/** Records: one message sealed and opened, end to end, beside the peers and the floors. */
import * as suites from '../src/crypto/node/suites.ts';
import type { Suite } from '../src/crypto/suite.ts';
import { contentOf, type SIZES } from './content.ts';
import { ConversationPair, HopPair, withoutRekeys } from './conversation.ts';
import { fernetTokens, symmetricRatchet, x25519EachTurn } from './floors.ts';
import type { Candidate } from './harness.ts';
import { npmFernet } from './peers/fernet.ts';
import { signalSessions } from './peers/libsignal.ts';
import { mlsSessions } from './peers/mls.ts';
import { olmSessions } from './peers/olm.ts';
import { QUICK_SUITES } from './suites.ts';

const X25519_EACH_TURN = suites.X25519_WITH_CHACHA20_POLY1305_SHA256;
const ANSWER_EVERY = 100;
const X_WING_EVERY_50 = suites.X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256;

/** One speaker. `records alone`: no ACK and no rekey; the other rows with both, as a client sends them. */
export function streams(size: (typeof SIZES)[number]): Candidate[] {
  const content = contentOf(size.bytes);
  return [
    ...QUICK_SUITES.flatMap(([number, suite]): Candidate[] => [
      { name: `suite ${number}, records alone`, prepare: () => recordsAlone(suite, content) },
      { name: `suite ${number}, ACK every 20`, prepare: () => stream(suite, content, false) },
      { name: `suite ${number}, ACK each`, prepare: () => stream(suite, content, true) },
    ]),
    { name: 'floor: ratchet, ChaCha20-Poly1305', prepare: () => symmetricRatchet('chacha20-poly1305', content) },
    { name: 'floor: ratchet, AES-256-GCM', prepare: () => symmetricRatchet('aes-256-gcm', content) },
    { name: 'floor: Fernet, static key', prepare: () => fernetTokens(content) },
    ...speakers(content, mostlyOne),
    { name: 'npm fernet', prepare: () => npmFernet(content) },
  ];
}

/** Both speak in turn. */
export function pingPongs(size: (typeof SIZES)[number]): Candidate[] {
  const content = contentOf(size.bytes);
  const inTurn = (suite: Suite) => () => {
    const pair = new ConversationPair(suite);
    const turn = turns();
    return () => pair.send(turn(), content);
  };
  return [
    { name: 'suite 3, X25519 each turn', prepare: inTurn(X25519_EACH_TURN) },
    { name: 'suite 1, X-Wing every 50', prepare: inTurn(X_WING_EVERY_50) },
    { name: 'suite 4, P-384 every 20', prepare: inTurn(suites.ECDHE_WITH_AES_256_GCM_SHA384) },
    { name: 'suite 5, P-384 every 20', prepare: inTurn(suites.ECDHE_WITH_AES_128_CBC_SHA256) },
    { name: 'floor: X25519 each turn', prepare: () => x25519EachTurn(content) },
    ...speakers(content, turns),
  ];
}

/** Hop records: strictly in order, no ACK, no rekey. */
export function hops(size: (typeof SIZES)[number]): Candidate[] {
  const content = contentOf(size.bytes);
  return [
    ...QUICK_SUITES.map(([number, suite]): Candidate => {
      const prepare = () => {
        const pair = new HopPair(suite);
        return () => pair.send(content);
      };
      return { name: `hop, suite ${number}`, prepare };
    }),
    { name: 'floor: ratchet, ChaCha20-Poly1305', prepare: () => symmetricRatchet('chacha20-poly1305', content) },
    { name: 'floor: ratchet, AES-256-GCM', prepare: () => symmetricRatchet('aes-256-gcm', content) },
  ];
}

/** Who speaks in a stream: the peers need an answer now and then, or keys that wait for one pile up. */
function mostlyOne(): () => 0 | 1 {
  let sent = 0;
  return () => {
    sent += 1;
    return sent % ANSWER_EVERY === 0 ? 1 : 0;
  };
}

function recordsAlone(suite: Suite, content: Uint8Array): () => void {
  const pair = new ConversationPair(withoutRekeys(suite));
  return () => {
    pair.send(0, content);
    pair.forgetAcknowledgements();
  };
}

function stream(suite: Suite, content: Uint8Array, acknowledgesEach: boolean): () => void {
  const pair = new ConversationPair(suite);
  return () => {
    pair.send(0, content);
    if (acknowledgesEach) pair.acknowledge(1);
  };
}

function turns(): () => 0 | 1 {
  let next: 0 | 1 = 1;
  return () => {
    next = next === 0 ? 1 : 0;
    return next;
  };
}

function speakers(content: Uint8Array, order: () => () => 0 | 1): Candidate[] {
  return [
    {
      name: 'libsignal',
      prepare: async () => {
        const session = await (await signalSessions())();
        const turn = order();
        return async () => {
          await session.send(turn(), content);
        };
      },
    },
    {
      name: 'olm',
      prepare: async () => {
        const session = (await olmSessions())();
        const text = Buffer.from(content).toString('latin1');
        const turn = order();
        return () => {
          session.send(turn(), text);
        };
      },
    },
    {
      name: 'ts-mls',
      prepare: async () => {
        const session = await (await mlsSessions())();
        const turn = order();
        return async () => {
          await session.send(turn(), content);
        };
      },
    },
  ];
}
