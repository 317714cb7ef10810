/** Vectors of docs/protocol.md §7: histories that do not agree, and what is known of the conversation before. */
import { hex } from '../../src/bytes.ts';
import { allSuites } from '../../src/crypto/index.ts';
import {
  comparePrevious,
  decodePrevious,
  encodePrevious,
  type ConversationState,
  type Previous,
  type Tip,
} from '../../src/session/index.ts';
import { begun } from './conversations.ts';
import type { Scenario } from './scenario.ts';
import { byHand, errorOf, refusal, seeded, suiteOf, unhex, type Json, type JsonObject } from './shared.ts';

const X25519 = suiteOf(byHand(allSuites), 'X25519_WITH_CHACHA20_POLY1305_SHA256');

/** The file's content. */
export function histories(): JsonObject {
  return {
    scenarios: [fork(), forkBehindGap(), rollbackAhead(), rollbackHash()].map((scenario) => scenario.json()),
    previous: { compared: compared(), refused: refusedPrevious() },
  };
}

function fork(): Scenario {
  const about = 'A copy of I sends another message 2, and message 3 behind it: R has I’s message 2, so 3 does not fit.';
  const scenario = begun('fork, at the newest message', about, X25519);
  const [, third] = scenario.forkSends('initiator', ['another second', 'third of the copy']);
  scenario.receive('responder', scenario.send('initiator', 'second'));
  scenario.receiveForeign('responder', third!, 'of the copy');
  return scenario;
}

function forkBehindGap(): Scenario {
  const about = 'R has message 3 of the copy, and misses 2. I’s message 2 does not fit under it.';
  const scenario = begun('fork, in a gap', about, X25519);
  const [, third] = scenario.forkSends('initiator', ['another second', 'third of the copy']);
  const second = scenario.send('initiator', 'second');
  scenario.receiveForeign('responder', third!, 'of the copy');
  scenario.receive('responder', second);
  return scenario;
}

function rollbackAhead(): Scenario {
  const about = 'R acknowledges a message of a copy: `seen` names a message that I has not sent.';
  const scenario = begun('rollback, a number that was not sent', about, X25519);
  const [second] = scenario.forkSends('initiator', ['second of the copy']);
  scenario.receiveForeign('responder', second!, 'of the copy');
  scenario.receive('initiator', scenario.sendAck('responder'));
  return scenario;
}

function rollbackHash(): Scenario {
  const about = 'R acknowledges message 2 of a copy, while I sent another message 2: the hash differs.';
  const scenario = begun('rollback, another hash', about, X25519);
  const [second] = scenario.forkSends('initiator', ['second of the copy']);
  scenario.send('initiator', 'second, which the relay drops');
  scenario.receiveForeign('responder', second!, 'of the copy');
  scenario.receive('initiator', scenario.sendAck('responder'));
  return scenario;
}

/** A state that stands as told; everything else is of no matter. */
export function stateAt(
  base: ConversationState,
  have: { id: Uint8Array; sent: Tip; acknowledged: Tip; received: Tip },
): ConversationState {
  return {
    ...base,
    conversationId: have.id,
    send: {
      ...base.send,
      m: have.sent.m,
      hash: have.sent.hash,
      seenM: have.acknowledged.m,
      seenHash: have.acknowledged.hash,
    },
    receive: { ...base.receive, history: { ...have.received, gaps: [] } },
  };
}

/** Tips of both directions, the same each time. */
function tips() {
  const random = seeded('previous');
  const tip = (m: number, hash = random(16)): Tip => ({ m, hash });
  return { random, tip, id: random(8), sent: tip(9), acknowledged: tip(7), received: tip(5) };
}

function compared(): Json {
  const { random, tip, id, sent, acknowledged, received } = tips();
  const state = stateAt(begun('previous', '', X25519).state('initiator'), { id, sent, acknowledged, received });
  const nothing = stateAt(state, { id, sent, acknowledged: tip(0), received: tip(0) });
  const agrees: Previous = { conversationId: id, own: received, peer: sent };
  const cases: readonly (readonly [string, Previous | undefined, ConversationState])[] = [
    ['the same', agrees, state],
    ['it sent more, and has what was acknowledged', { ...agrees, own: tip(8), peer: acknowledged }, state],
    ['it has a number whose hash is not known here', { ...agrees, peer: tip(8) }, state],
    ['it sent less than came here', { ...agrees, own: tip(4) }, state],
    ['another hash of its own newest message', { ...agrees, own: tip(5) }, state],
    ['it has more than was sent', { ...agrees, peer: tip(10) }, state],
    ['it has less than it acknowledged', { ...agrees, peer: tip(6) }, state],
    ['another hash at what it acknowledged', { ...agrees, peer: tip(7) }, state],
    ['another hash at what was sent last', { ...agrees, peer: tip(9) }, state],
    ['nothing, though it was heard', undefined, state],
    ['nothing, and it was never heard', undefined, nothing],
    ['another conversation', { ...agrees, conversationId: random(8) }, state],
  ];
  const tipJson = ({ m, hash }: Tip): JsonObject => ({ m, hash: hash === undefined ? undefined : hex(hash) });
  return cases.map(([about, offered, has]) => {
    const found = comparePrevious(has, offered);
    return {
      about,
      has: {
        'conversation id': hex(has.conversationId),
        sent: tipJson({ m: has.send.m, hash: has.send.hash }),
        acknowledged: tipJson({ m: has.send.seenM, hash: has.send.seenHash }),
        received: tipJson(has.receive.history),
      },
      offered: offered === undefined ? null : hex(encodePrevious(offered)),
      verdict: found?.verdict ?? 'nothing to compare',
      direction: found?.evidence?.direction,
    };
  });
}

function refusedPrevious(): Json {
  const { id, sent, received } = tips();
  const good = encodePrevious({ conversationId: id, own: sent, peer: received });
  const hash = '11'.repeat(16);
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ['no bytes', new Uint8Array(0)],
    ['cut off by a byte', good.subarray(0, -1)],
    ['a byte long', Uint8Array.of(...good, 0)],
    ['a number that is written longer than it needs to be', unhex(`${hex(id)}4009${hash}05${hash}`)],
  ];
  return cases.map(([why, bytes]) => ({
    bytes: hex(bytes),
    why,
    refused: refusal(
      'malformed',
      errorOf(() => decodePrevious(bytes)),
      why,
    ),
  }));
}
