/** That the vectors are fresh, and that every one holds for the code, by its public functions and on both providers. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromUtf8, hex, utf8 } from '../../src/bytes.ts';
import { parseCertificate, verifyDelegation, type DelegationPurpose } from '../../src/cc/index.ts';
import { allSuites as portableSuites, nobleProvider, type CryptoProvider, type Suite } from '../../src/crypto/index.ts';
import { allSuites as nodeSuites, nodeProvider } from '../../src/crypto/node/index.ts';
import {
  clientId,
  fingerprint,
  safetyNumber,
  signedContent,
  type CredentialKind,
  type HandshakeContext,
  type SigningPurpose,
} from '../../src/handshake/index.ts';
import {
  addressBytes,
  decodeCredential,
  decodeMessage,
  encodeCredential,
  encodeMessage,
  parseAddress,
} from '../../src/messages/index.ts';
import {
  comparePrevious,
  conversationDigest,
  decodePrevious,
  digestDigits,
  HopChannel,
  type HopStart,
  type Tip,
} from '../../src/session/index.ts';
import { encodeFrame, FrameReader } from '../../src/transport/index.ts';
import {
  End,
  outcomeJson,
  recordJson,
  type Act,
  type EndName,
  type RecordJson,
  type StartJson,
} from '../../tools/vectors/conversationRun.ts';
import { Side } from '../../tools/vectors/handshakeRun.ts';
import { contextOf, rsaKeyPair } from '../../tools/vectors/handshakes.ts';
import { stateAt } from '../../tools/vectors/histories.ts';
import { makeVectors } from '../../tools/vectors/make.ts';
import { PEOPLE } from '../../tools/vectors/people.ts';
import { answerOf, bundleOf, startOf } from '../../tools/vectors/prekeys.ts';
import { byHand, classOf, errorLater, errorOf, play, suiteOf } from '../../tools/vectors/shared.ts';
import { bytes, list, number, part, text, texts, vectors, type Vector } from './files.ts';

const IMPLEMENTATIONS: readonly (readonly [string, CryptoProvider, readonly Suite[]])[] = [
  ['portable', nobleProvider, portableSuites],
  ['node', nodeProvider, nodeSuites],
];

const refusedClass = (vector: Vector, work: () => unknown): void => {
  expect(`${text(vector, 'why')}: ${classOf(errorOf(work).code)}`).toBe(
    `${text(vector, 'why')}: ${text(vector, 'refused')}`,
  );
};

describe('the vector files', () => {
  it('are what `npm run vectors` writes, twice the same', async () => {
    const [once, again] = [await makeVectors(), await makeVectors()];
    expect(once.size).toBe(9);
    for (const [name, made] of once) {
      expect(again.get(name) === made, `${name} is another each time`).toBe(true);
      const kept = readFileSync(new URL(name, import.meta.url), 'utf8');
      expect(kept === made, `${name} is not fresh: npm run vectors`).toBe(true);
    }
  });
});

describe.each(IMPLEMENTATIONS)('identities, %s', (_name, provider) => {
  const file = vectors('identities');

  it('have these fingerprints, ids, addresses and credentials', () => {
    for (const person of list(file, 'people')) {
      const credential = decodeCredential(bytes(person, 'credential'));
      expect(hex(encodeCredential(credential))).toBe(text(person, 'credential'));
      const print = fingerprint(provider, credential.kind, bytes(person, 'spki'));
      expect(hex(print)).toBe(text(person, 'fingerprint'));
      const address = parseAddress(text(person, 'address'));
      expect(hex(addressBytes(address))).toBe(text(person, 'address bytes'));
      expect(text(person, 'address bytes')).toBe(hex(print.subarray(0, 20)) + text(person, 'device'));
    }
    for (const one of list(file, 'fingerprints')) {
      const print = fingerprint(provider, text(one, 'kind') as CredentialKind, bytes(one, 'long-term spki'));
      expect(hex(print)).toBe(text(one, 'fingerprint'));
      expect(clientId(print)).toBe(text(one, 'text'));
    }
  });

  it('have these safety numbers, in whichever order', () => {
    for (const one of list(file, 'safety numbers')) {
      const [own, peer] = texts(one, 'fingerprints').map((print) => Uint8Array.from(Buffer.from(print, 'hex')));
      expect(safetyNumber(provider, own!, peer!)).toBe(text(one, 'text'));
      expect(safetyNumber(provider, peer!, own!)).toBe(text(one, 'text'));
    }
  });

  it('have signatures that verify, and refuse the others', () => {
    const keyOf = (one: Vector) => {
      const person = list(file, 'people').find((candidate) => candidate['name'] === one['signer'])!;
      return provider.parsePublicKey(bytes(person, 'spki'))!;
    };
    for (const one of [...list(file, 'signatures'), ...list(file, 'refused signatures')]) {
      const signed = signedContent(text(one, 'purpose') as SigningPurpose, bytes(one, 'content'));
      if ('to be signed' in one) expect(hex(signed)).toBe(one['to be signed']);
      expect(provider.verify(keyOf(one), signed, bytes(one, 'signature')), String(one['why'])).toBe(
        !('refused' in one),
      );
    }
  });

  it('are refused where addresses, credentials or keys are not sound', () => {
    for (const one of list(file, 'refused addresses')) refusedClass(one, () => parseAddress(text(one, 'text')));
    for (const one of list(file, 'refused credentials')) refusedClass(one, () => decodeCredential(bytes(one, 'bytes')));
    for (const one of list(file, 'refused public keys')) {
      expect(provider.parsePublicKey(bytes(one, 'spki')), text(one, 'why')).toBeUndefined();
    }
  });
});

describe('messages', () => {
  const file = vectors('messages');

  it('are the same in both encodings, to the byte', () => {
    for (const one of list(file, 'accepted')) {
      const json = decodeMessage(utf8(text(one, 'json')));
      const cbor = decodeMessage(bytes(one, 'cbor'));
      expect([json.encoding, cbor.encoding]).toEqual(['json', 'cbor']);
      expect(json.message).toEqual(cbor.message);
      expect(fromUtf8(encodeMessage(cbor.message, 'json'))).toBe(text(one, 'json'));
      expect(hex(encodeMessage(json.message, 'cbor'))).toBe(text(one, 'cbor'));
    }
    const types = new Set(list(file, 'accepted').map((one) => decodeMessage(bytes(one, 'cbor')).message.type));
    expect(types.size).toBe(10);
  });

  it('are read in other forms, and unknown fields are ignored', () => {
    for (const one of list(file, 'accepted in other forms')) {
      const written = 'text' in one ? utf8(text(one, 'text')) : bytes(one, 'bytes');
      expect(fromUtf8(encodeMessage(decodeMessage(written).message, 'json'))).toBe(text(one, 'means'));
    }
  });

  it('are refused where the encoding or a field is wrong', () => {
    expect.hasAssertions();
    for (const one of list(file, 'refused')) {
      const written = 'text' in one ? utf8(text(one, 'text')) : bytes(one, 'bytes');
      refusedClass(one, () => decodeMessage(written));
    }
  });

  it('stand behind their length on a stream', () => {
    for (const one of list(part(file, 'frames'), 'accepted')) {
      const reader = new FrameReader();
      reader.push(bytes(one, 'bytes'));
      for (const message of texts(one, 'messages')) expect(hex(reader.next(65_536)!)).toBe(message);
      expect(reader.next(65_536)).toBeUndefined();
      const written = texts(one, 'messages').map((message) => hex(encodeFrame(Buffer.from(message, 'hex'))));
      expect(written.join('')).toBe(text(one, 'bytes'));
    }
    for (const one of list(part(file, 'frames'), 'refused')) {
      const reader = new FrameReader();
      reader.push(bytes(one, 'bytes'));
      refusedClass(one, () => reader.next(number(one, 'limit')));
    }
  });
});

describe.each(IMPLEMENTATIONS)('handshakes, %s', (_name, provider, suites) => {
  const file = vectors('handshakes');
  const accepted = list(file, 'accepted');

  const sideOf = (vector: Vector, role: 'initiator' | 'responder') => {
    const own = part(vector, role);
    const { device, label, previous } = part(own, 'parameters') as Readonly<Record<string, string | undefined>>;
    const context: HandshakeContext = { ...contextOf(text(vector, 'plane') as 'hop', suites), provider };
    const player = play();
    player.feed(texts(own, 'random'));
    const side = new Side({
      role,
      self: PEOPLE.find(({ name }) => name === own['person'])!,
      context,
      provider,
      suites: texts(own, 'suites').map((name) => suiteOf(suites, name).name),
      nonce: bytes(own, 'nonce'),
      boxRandomness: bytes(own, 'box randomness'),
      name: text(own, 'name'),
      parameters: {
        ...(device === undefined ? {} : { device: Uint8Array.from(Buffer.from(device, 'hex')) }),
        ...(label === undefined ? {} : { label }),
        ...(previous === undefined ? {} : { previous: Uint8Array.from(Buffer.from(previous, 'hex')) }),
      },
      ...('server name' in own ? { serverName: text(own, 'server name') } : {}),
      random: player.random,
      rsaKeyPair: rsaKeyPair(),
    });
    return { side, player };
  };

  it.each(accepted.map((one) => [text(one, 'name'), one] as const))('%s: these bodies and keys', async (_of, one) => {
    const bodies = texts(one, 'bodies').map((body) => Uint8Array.from(Buffer.from(body, 'hex')));
    const [initiator, responder] = [sideOf(one, 'initiator'), sideOf(one, 'responder')];
    await initiator.side.start();
    await responder.side.receive(1, bodies[0]!);
    await initiator.side.receive(2, bodies[1]!);
    await responder.side.receive(3, bodies[2]!);
    await initiator.side.receive(4, bodies[3]!);
    const sent = [1, 2, 3, 4].map((phase) => hex((phase % 2 === 1 ? initiator : responder).side.sent.get(phase)!));
    expect(sent).toEqual(texts(one, 'bodies'));
    expect(initiator.side.confirmed?.name).toBe(text(part(one, 'responder'), 'name'));
    expect([initiator.player.left(), responder.player.left()]).toEqual([0, 0]);
    for (const { side } of [initiator, responder]) {
      const { suite, conversationId, finalTranscriptHash, secrets } = side.established!;
      const keys = part(one, 'keys');
      expect(suite.name).toBe(text(one, 'suite'));
      expect(hex(conversationId)).toBe(text(keys, 'conversation id'));
      expect(hex(finalTranscriptHash)).toBe(text(part(one, 'transcript'), 'tr4'));
      expect(hex(secrets.initiator)).toBe(text(keys, 'x of direction 0'));
      expect(hex(secrets.responder)).toBe(text(keys, 'x of direction 1'));
    }
  });

  it('end with a body that is wrong', async () => {
    for (const one of list(file, 'refused')) {
      const base = accepted.find((candidate) => candidate['name'] === one['handshake'])!;
      const isResponder = text(one, 'to') === 'responder';
      const { side } = sideOf(base, isResponder ? 'responder' : 'initiator');
      if (!isResponder) await side.start();
      const instead = number(one, 'instead of phase');
      for (let before = isResponder ? 1 : 2; before < instead; before += 2) {
        await side.receive(before as 1 | 2, Buffer.from(texts(base, 'bodies')[before - 1]!, 'hex'));
      }
      expect(side.error).toBeUndefined();
      await side.receive(number(one, 'phase') as 1 | 2 | 3 | 4, bytes(one, 'body'));
      expect(side.error, text(one, 'why')).toBeDefined();
      refusedClass(one, () => {
        throw side.error!;
      });
      expect(side.established).toBe(number(one, 'phase') === 4 && instead === 4 ? side.established : undefined);
    }
  });
});

describe.each(IMPLEMENTATIONS)('starts from bundles, %s', (_name, _provider, suites) => {
  const file = vectors('prekeys');
  const replayed = (one: Vector, name: string) => {
    const player = play();
    player.feed(texts(part(one, name), 'random'));
    return player;
  };

  it('have these bundles, bodies and keys', async () => {
    for (const one of list(file, 'accepted')) {
      const { name } = suiteOf(suites, text(one, 'suite'));
      const [bundle, start, keys] = [part(one, 'bundle'), part(one, 'start'), part(one, 'keys')];
      const made = await bundleOf(suites, name, bytes(bundle, 'id'), replayed(one, 'bundle').random);
      expect(hex(made.bundle)).toBe(text(bundle, 'bytes'));
      expect(hex(made.keyPair.decapsulationKey)).toBe(text(bundle, 'decapsulation key'));
      const nonce = bytes(start, 'nonce');
      const { random } = replayed(one, 'start');
      const boxRandomness = bytes(start, 'box randomness');
      const started = await startOf(suites, name, made.bundle, { nonce, boxRandomness, random });
      expect(hex(started.body)).toBe(text(start, 'body'));
      const secret = { bundle: made.bundle, decapsulationKey: bytes(bundle, 'decapsulation key') };
      const answered = await answerOf(suites, secret, { nonce, body: started.body });
      for (const { established } of [started, answered]) {
        expect(hex(established.conversationId)).toBe(text(keys, 'conversation id'));
        expect(hex(established.finalTranscriptHash)).toBe(text(part(one, 'transcript'), 'tr4'));
        expect(hex(established.secrets.initiator)).toBe(text(keys, 'x of direction 0'));
        expect(hex(established.secrets.responder)).toBe(text(keys, 'x of direction 1'));
      }
    }
  });

  it('are refused', async () => {
    const own = { nonce: new Uint8Array(32).fill(1), boxRandomness: new Uint8Array(16) };
    for (const one of list(file, 'refused bundles')) {
      const { name } = suiteOf(suites, text(one, 'suite'));
      const random = (length: number): Uint8Array => new Uint8Array(length).fill(7);
      const error = await errorLater(() => startOf(suites, name, bytes(one, 'bundle'), { ...own, random }));
      expect([one['why'], classOf(error.code)]).toEqual([one['why'], one['refused']]);
    }
    for (const one of list(file, 'refused starts')) {
      const secret = { bundle: bytes(one, 'bundle'), decapsulationKey: bytes(one, 'decapsulation key') };
      const start = {
        nonce: bytes(one, 'id'),
        body: bytes(one, 'body'),
        nowMs: number(one, 'time'),
        label: text(one, 'label of I'),
      };
      const error = await errorLater(() => answerOf(suites, secret, start));
      expect([one['why'], classOf(error.code)]).toEqual([one['why'], one['refused']]);
    }
  });
});

describe.each(IMPLEMENTATIONS)('hops, %s', (_name, _provider, suites) => {
  const file = vectors('hops');
  const channel = (one: Vector, role: HopStart['role']): HopChannel => {
    const start = part(one, 'start');
    const client = part(start, 'client');
    return new HopChannel({
      suite: suiteOf(suites, text(one, 'suite')),
      role,
      conversationId: bytes(start, 'conversation id'),
      finalTranscriptHash: bytes(start, 'tr4'),
      secrets: { initiator: bytes(start, 'x of direction 0'), responder: bytes(start, 'x of direction 1') },
      client: { address: parseAddress(text(client, 'address')), fingerprint: bytes(client, 'fingerprint') },
      relayIdentity: bytes(start, 'relay identity'),
    });
  };
  const secureOf = (one: Vector) =>
    ({ type: 'secure', saData: bytes(one, 'sa-data'), payload: bytes(one, 'payload') }) as const;

  it('seal to these bytes, and open', () => {
    for (const one of list(file, 'hops')) {
      const ends = [channel(one, 'initiator'), channel(one, 'responder')] as const;
      const player = play();
      for (const each of list(one, 'records')) {
        const direction = number(each, 'direction') as 0 | 1;
        player.feed(texts(each, 'random'));
        const sealed = ends[direction].seal(bytes(each, 'message'), player.random, number(one, 'time'));
        expect([hex(sealed.saData), hex(sealed.payload)]).toEqual([each['sa-data'], each['payload']]);
        expect(hex(ends[1 - direction]!.open(secureOf(each)))).toBe(text(each, 'message'));
      }
    }
  });

  it('end with a record that is wrong', () => {
    for (const one of list(file, 'refused')) {
      const base = list(file, 'hops').find((candidate) => candidate['suite'] === one['suite'])!;
      const relay = channel(base, 'responder');
      const upward = list(base, 'records').filter((each) => each['direction'] === 0);
      for (const each of upward.slice(0, number(one, 'after'))) relay.open(secureOf(each));
      refusedClass(one, () => relay.open(secureOf(one)));
      expect(errorOf(() => relay.open(secureOf(upward[1]!))).code).toBe('session/ended');
    }
  });
});

describe.each(IMPLEMENTATIONS)('conversations, %s', (_name, _provider, given) => {
  const suites = byHand(given);
  const scenarios = ['conversations', 'rekeys', 'histories'].flatMap((name) => list(vectors(name), 'scenarios'));

  it.each(scenarios.map((one) => [text(one, 'name'), one] as const))('%s: these records and outcomes', (_of, one) => {
    const suite = suiteOf(suites, text(one, 'suite'));
    const start = part(one, 'start') as unknown as StartJson;
    const ends = { initiator: End.start('initiator', start, suite), responder: End.start('responder', start, suite) };
    const records = new Map<string, RecordJson>();
    const names = new Map<string, string>();
    const keyOf = (record: RecordJson): string => `${record['sa-data']} ${record.sealed}`;
    for (const [at, step] of list(one, 'steps').entries()) {
      const about = `step ${at}, ${String(step['about'] ?? step['do'])}`;
      for (const made of 'records' in step ? list(step, 'records') : []) {
        records.set(text(made, 'name'), made as RecordJson);
        names.set(keyOf(made as RecordJson), text(made, 'name'));
      }
      const record = step['record'];
      const act = { ...step, record: typeof record === 'string' ? records.get(record) : record } as unknown as Act;
      const own = ends[text(step, 'by') as EndName];
      const end = step['on a copy'] === true ? own.copy() : own;
      const outputs = end.act(act, number(step, 'time'), 'random' in step ? texts(step, 'random') : []);
      const outcome = outcomeJson(outputs, (message) => {
        const made = recordJson(message);
        return step['on a copy'] === true ? 'a record' : (names.get(keyOf(made)) ?? `unknown ${keyOf(made)}`);
      });
      expect([about, outcome]).toEqual([about, step['outcome']]);
      expect(own.left).toBe(0);
    }
    for (const name of ['initiator', 'responder'] as const) {
      const { state } = ends[name];
      const expected = part(part(one, 'end'), name);
      const digest = conversationDigest(suite.provider, state);
      expect(hex(digest)).toBe(text(expected, 'digest'));
      expect(digestDigits(suite.provider, digest)).toBe(text(expected, 'digits'));
      expect({ m: state.send.m, hash: hex(state.send.hash) }).toEqual(expected['sent']);
      const { m, hash } = state.receive.history;
      expect({ m, hash: hex(hash) }).toEqual(expected['received']);
    }
  });
});

describe('what is known of the conversation before', () => {
  const previous = part(vectors('histories'), 'previous');

  it('is compared', () => {
    const [scenario] = list(vectors('histories'), 'scenarios');
    const start = part(scenario!, 'start') as unknown as StartJson;
    const base = End.start('initiator', start, suiteOf(portableSuites, text(scenario!, 'suite'))).state;
    const tipOf = (one: Vector): Tip => ({ m: number(one, 'm'), hash: bytes(one, 'hash') });
    for (const one of list(previous, 'compared')) {
      const has = part(one, 'has');
      const state = stateAt(base, {
        id: bytes(has, 'conversation id'),
        sent: tipOf(part(has, 'sent')),
        acknowledged: tipOf(part(has, 'acknowledged')),
        received: tipOf(part(has, 'received')),
      });
      const found = comparePrevious(state, one['offered'] === null ? undefined : decodePrevious(bytes(one, 'offered')));
      expect([one['about'], found?.verdict ?? 'nothing to compare', found?.evidence?.direction]).toEqual([
        one['about'],
        one['verdict'],
        one['direction'],
      ]);
    }
  });

  it('is refused when it is malformed', () => {
    expect.hasAssertions();
    for (const one of list(previous, 'refused')) refusedClass(one, () => decodePrevious(bytes(one, 'bytes')));
  });
});

describe('delegations', () => {
  const file = vectors('delegations');
  const verify = (one: Vector, nowMs: number) =>
    verifyDelegation({
      delegation: bytes(one, 'delegation'),
      signature: bytes(one, 'signature'),
      leaf: parseCertificate(bytes(one, 'leaf')),
      purpose: text(one, 'purpose') as DelegationPurpose,
      device: bytes(one, 'device'),
      relayIdentity: bytes(one, 'relay identity'),
      nowMs,
    });

  it('hold until then', async () => {
    for (const one of list(file, 'accepted')) {
      const { untilMs } = await verify(one, number(file, 'time'));
      expect(untilMs).toBe(number(one, 'until'));
      expect(hex(signedContent('delegation', bytes(one, 'delegation')))).toBe(text(one, 'to be signed'));
    }
  });

  it('are refused', async () => {
    for (const one of list(file, 'refused')) {
      const error = await errorLater(() => verify(one, number(one, 'time')));
      expect([one['why'], classOf(error.code)]).toEqual([one['why'], one['refused']]);
    }
  });
});
