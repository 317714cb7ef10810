/** Vectors of docs/protocol.md §5: records of hops, in each suite. */
import { hex, utf8 } from '../../src/bytes.ts';
import { allSuites, type Suite } from '../../src/crypto/index.ts';
import { encodeMessage, messageIdFromBytes, type Message, type Secure } from '../../src/messages/index.ts';
import { decodeSaData, HopChannel, type HopStart } from '../../src/session/index.ts';
import { associatedData, hopBinding, NO_ID } from '../../src/session/binding.ts';
import { deriveEpoch, stepChain, type Direction } from '../../src/session/ratchet.ts';
import { alice, bob, relayIdentity } from './people.ts';
import { errorOf, NOW, record, refusal, seeded, type Json, type JsonObject, type RefusalClass } from './shared.ts';

const ID = messageIdFromBytes(seeded('hop id')(8));
const MESSAGES: readonly (readonly [Direction, Uint8Array])[] = (
  [
    [0, { type: 'list', id: ID }, 'cbor'],
    [1, { type: 'list', id: ID, complete: true, data: [] }, 'cbor'],
    [0, { type: 'error', code: 'rejected', msgId: ID, dst: bob.address }, 'json'],
    [1, { type: 'disconnect', code: 'shutting-down' }, 'json'],
    [0, { type: 'disconnect' }, 'cbor'],
  ] as readonly (readonly [Direction, Message, 'cbor' | 'json'])[]
).map(([direction, message, encoding]) => [direction, encodeMessage(message, encoding)]);

/** The file's content. */
export function hops(): JsonObject {
  return {
    hops: allSuites.map((suite) => hop(suite)),
    refused: allSuites.filter(isShown).flatMap((suite) => refused(suite)),
  };
}

function isShown({ number }: Suite): boolean {
  return number === 3 || number === 5;
}

function startOf(suite: Suite, role: HopStart['role']): HopStart {
  const random = seeded(`hop ${suite.name}`);
  const length = suite.hash === 'SHA-384' ? 48 : 32;
  return {
    suite,
    role,
    conversationId: random(8),
    finalTranscriptHash: random(64),
    secrets: { initiator: random(length), responder: random(length) },
    client: { address: alice.address, fingerprint: alice.fingerprint },
    relayIdentity,
  };
}

interface Sealed {
  readonly direction: Direction;
  readonly message: Uint8Array;
  readonly random: readonly string[];
  readonly secure: Secure;
}

function sealAll(suite: Suite): readonly Sealed[] {
  const ends = [new HopChannel(startOf(suite, 'initiator')), new HopChannel(startOf(suite, 'responder'))] as const;
  const source = record(seeded(`hop records ${suite.name}`));
  return MESSAGES.map(([direction, message]) => {
    const secure = ends[direction].seal(message, source.random, NOW);
    return { direction, message, random: source.taken(), secure };
  });
}

function hop(suite: Suite): JsonObject {
  const start = startOf(suite, 'initiator');
  const { conversationId, finalTranscriptHash, secrets } = start;
  const halves = ([0, 1] as const).map((direction) => {
    const x = direction === 0 ? secrets.initiator : secrets.responder;
    const written = hex(x);
    const epoch = deriveEpoch(suite, x.slice(), conversationId, direction, 0, finalTranscriptHash);
    const binding = hopBinding(suite, conversationId, direction, start.client, relayIdentity);
    return { x: written, binding, chainKey: Uint8Array.from(epoch.chainKey), next: 0 };
  });
  return {
    suite: suite.name,
    time: NOW,
    start: {
      'conversation id': hex(conversationId),
      tr4: hex(finalTranscriptHash),
      'x of direction 0': halves[0]!.x,
      'x of direction 1': halves[1]!.x,
      client: { address: alice.address, fingerprint: hex(alice.fingerprint) },
      'relay identity': hex(relayIdentity),
      directions: halves.map(({ binding, chainKey }) => ({ binding: hex(binding), 'first chain key': hex(chainKey) })),
    },
    records: sealAll(suite).map(({ direction, message, random, secure }): Json => {
      const half = halves[direction]!;
      const keys = stepChain(suite, half.chainKey, conversationId, direction, 0, half.next);
      const bound = associatedData(half.binding, 'secure', NO_ID, secure.saData);
      const { nonce, number } = decodeSaData(secure.saData, suite.cipher.nonceLength);
      const opened = suite.cipher.open(keys.subarray(32), nonce, bound, secure.payload);
      if (opened === undefined || hex(opened) !== hex(message)) throw new Error('a record of a hop does not open');
      half.chainKey = keys.slice(0, 32);
      half.next += 1;
      return {
        direction,
        n: number,
        message: hex(message),
        random,
        'sa-data': hex(secure.saData),
        'associated data': hex(bound),
        'record key': hex(keys.subarray(32)),
        payload: hex(secure.payload),
      };
    }),
  };
}

/** Each is given to a relay that has opened record 0. */
function refused(suite: Suite): readonly JsonObject[] {
  const all = sealAll(suite);
  const [first, back, second, , third] = all.map(({ secure }) => secure);
  const flip = (bytes: Uint8Array, at: number): Uint8Array =>
    Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
  const { saData, payload } = second!;
  const cases: readonly (readonly [string, Partial<Secure>, RefusalClass])[] = [
    ['a repeat', first!, 'out-of-turn'],
    ['a gap', third!, 'out-of-turn'],
    ['a record of the other direction', { ...back!, saData }, 'authentication'],
    ['a bit of the payload', { payload: flip(payload, 3) }, 'authentication'],
    ['a payload that is cut off', { payload: payload.subarray(1) }, 'authentication'],
    ['no payload', { payload: new Uint8Array(0) }, 'authentication'],
    ['another hop', { saData: flip(saData, 0) }, 'malformed'],
    ['epoch 1', { saData: flip(saData, 8) }, 'malformed'],
    ['an announcement', { saData: Uint8Array.of(...saData, ...utf8('more')) }, 'malformed'],
    ['sa-data that is cut off', { saData: saData.subarray(0, 9) }, 'malformed'],
  ];
  return cases.map(([why, changes, expected]) => {
    const relay = new HopChannel(startOf(suite, 'responder'));
    relay.open(first!);
    const forged: Secure = { ...second!, ...changes };
    return {
      suite: suite.name,
      after: 1,
      'sa-data': hex(forged.saData),
      payload: hex(forged.payload),
      why,
      refused: refusal(
        expected,
        errorOf(() => relay.open(forged)),
        `hop, ${why}`,
      ),
    };
  });
}
