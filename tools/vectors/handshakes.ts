/** Vectors of docs/protocol.md §3 and §4: whole handshakes of each suite in both planes, and what ends one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equal, hex } from '../../src/bytes.ts';
import { encodeCbor } from '../../src/codec/index.ts';
import {
  allSuites,
  nobleProvider,
  type AsyncKem,
  type Kem,
  type KemKeyPair,
  type Suite,
  type SuiteName,
} from '../../src/crypto/index.ts';
import { contextBytes } from '../../src/handshake/context.ts';
import {
  absorb,
  signedContent,
  startTranscript,
  type HandshakeContext,
  type Plane,
} from '../../src/handshake/index.ts';
import {
  boxKeyOfInitiator,
  extractHandshakeSecret,
  finalKeys,
  openBox,
  sealBox,
  type FinalKeys,
} from '../../src/handshake/keySchedule.ts';
import {
  decodeBody1,
  decodeBody2,
  decodeBody3,
  decodeBody4,
  decodeBoxInitiator,
  decodeCore,
  decodeInitiatorIntroduction,
  encodeBody1,
  encodeBody2,
  encodeBody3,
  encodeBody4,
  encodeBoxInitiator,
  encodeBoxResponder,
  encodeCore,
  encodeCredential,
  encodeInitiatorIntroduction,
  type Core,
} from '../../src/messages/index.ts';
import { encodePrevious } from '../../src/session/index.ts';
import { ROOT } from '../entries.ts';
import { Side, type SideSetup } from './handshakeRun.ts';
import { alice, bob, mallory, relay, relayIdentity, type Person } from './people.ts';
import {
  NOW,
  record,
  refusal,
  seeded,
  unhex,
  type Json,
  type JsonObject,
  type Recorder,
  type RefusalClass,
} from './shared.ts';

const provider = nobleProvider;

/** The labels of both hop sessions. */
export const LABELS = { initiator: 'open', responder: 'verified' } as const;

/** The pair that stands for every fresh one of the RSA suite. */
export function rsaKeyPair(): KemKeyPair {
  const file = JSON.parse(readFileSync(join(ROOT, 'test/vectors/rsa-key-pair.json'), 'utf8')) as Record<string, string>;
  return {
    encapsulationKey: unhex(file['encapsulation key']!),
    decapsulationKey: unhex(file['decapsulation key']!),
  };
}

/** What both sides know before. */
export function contextOf(plane: Plane, suites: readonly Suite[]): HandshakeContext {
  if (plane === 'hop') return { plane, provider, suites, relayIdentity };
  return {
    plane,
    provider,
    suites,
    initiator: alice.address,
    responder: bob.address,
    relayIdentity,
    initiatorLabel: LABELS.initiator,
    responderLabel: LABELS.responder,
  };
}

interface Made {
  readonly initiator: Side;
  readonly responder: Side;
  readonly setups: readonly [SideSetup, SideSetup];
  readonly recorders: readonly [Recorder, Recorder];
  readonly bodies: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
}

interface Computed {
  readonly suite: Suite;
  readonly core: Core;
  readonly transcript: Readonly<Record<'tr0' | 'tr1' | 'trR' | 'tr2' | 'tr3' | 'trI' | 'tr4', Uint8Array>>;
  readonly raw: Uint8Array;
  readonly secret: Uint8Array;
  readonly hs: Uint8Array;
  readonly boxKey: Uint8Array;
  readonly final: FinalKeys;
  readonly introduction: Uint8Array;
  readonly signature: Uint8Array;
  readonly boxResponder: Uint8Array;
}

/** The file's content. */
export async function handshakes(): Promise<JsonObject> {
  const accepted: Json[] = [];
  for (const plane of ['hop', 'conversation'] as const) {
    for (const { name } of allSuites) {
      const made = await make(plane, name);
      accepted.push(describe(plane, made, await compute(plane, made)));
    }
  }
  return {
    time: NOW,
    people: 'identities.json',
    'rsa key pair': 'rsa-key-pair.json',
    accepted,
    refused: await refused(),
  };
}

function setup(plane: Plane, role: 'initiator' | 'responder', suite: SuiteName, recorder: Recorder): SideSetup {
  const isInitiator = role === 'initiator';
  const self: Person = isInitiator ? alice : plane === 'hop' ? relay : bob;
  const draw = seeded(`handshake ${plane} ${suite} ${role}`);
  const hop = isInitiator ? { device: alice.device, label: LABELS.initiator } : { label: LABELS.initiator };
  const previous = encodePrevious({
    conversationId: draw(8),
    own: { m: isInitiator ? 3 : 70, hash: draw(16) },
    peer: { m: isInitiator ? 70 : 2, hash: draw(16) },
  });
  // One suite shows the optional parameter.
  const conversation = suite === 'ECDHE_WITH_AES_256_GCM_SHA384' ? { previous } : {};
  return {
    role,
    self,
    context: contextOf(plane, allSuites),
    provider,
    // The responder has more than is offered, and picks by its own order.
    suites: isInitiator ? [suite] : allSuites.map(({ name }) => name),
    nonce: draw(32),
    boxRandomness: draw(16),
    name: isInitiator ? 'Alice' : plane === 'hop' ? 'relay.example' : 'Bob \u{1f600}',
    parameters: plane === 'hop' ? hop : conversation,
    ...(isInitiator && plane === 'hop' ? { serverName: 'relay.example' } : {}),
    random: recorder.random,
    rsaKeyPair: rsaKeyPair(),
  };
}

async function make(plane: Plane, suite: SuiteName): Promise<Made> {
  const recorders = [
    record(seeded(`host ${plane} ${suite} initiator`)),
    record(seeded(`host ${plane} ${suite} responder`)),
  ] as const;
  const setups = [
    setup(plane, 'initiator', suite, recorders[0]),
    setup(plane, 'responder', suite, recorders[1]),
  ] as const;
  const [initiator, responder] = [new Side(setups[0]), new Side(setups[1])];
  await initiator.start();
  const body1 = initiator.sent.get(1)!;
  await responder.receive(1, body1);
  const body2 = responder.sent.get(2)!;
  await initiator.receive(2, body2);
  const body3 = initiator.sent.get(3)!;
  await responder.receive(3, body3);
  const body4 = responder.sent.get(4)!;
  await initiator.receive(4, body4);
  if (initiator.confirmed === undefined) throw initiator.error ?? responder.error ?? new Error('not confirmed');
  return { initiator, responder, setups, recorders, bodies: [body1, body2, body3, body4] };
}

/** All that is between the bodies, computed again and held against what the machines found. */
async function compute(plane: Plane, { initiator, responder, bodies }: Made): Promise<Computed> {
  const [body1, body2, body3, body4] = bodies;
  const { core: coreBytes } = decodeBody2(body2);
  const core = decodeCore(coreBytes);
  const suite = allSuites.find(({ number }) => number === core.suite)!;
  const { ciphertext, box } = decodeBody3(body3);
  const tr0 = startTranscript(provider, contextBytes(contextOf(plane, allSuites)));
  const tr1 = absorb(provider, tr0, body1);
  const trR = absorb(provider, tr1, coreBytes);
  const tr2 = absorb(provider, trR, body2);
  const tr3 = absorb(provider, tr2, ciphertext);
  const raw = await decapsulate(suite.kem, responder.keyPair!, ciphertext);
  const secret = suite.kemSecret(raw, ciphertext, core.encapsulationKey).slice();
  const hs = extractHandshakeSecret(suite, tr3, raw.slice(), ciphertext, core.encapsulationKey);
  const boxKey = boxKeyOfInitiator(suite, hs, tr3);
  const { introduction, signature } = decodeBoxInitiator(openBox(suite, boxKey, tr3, box)!);
  const trI = absorb(provider, tr3, introduction);
  const tr4 = absorb(provider, trI, body3);
  const final = finalKeys(suite, hs, tr4);
  const boxResponder = openBox(suite, final.boxKey, tr4, decodeBody4(body4).box)!;
  for (const { established } of [initiator, responder]) {
    const found = [established!.conversationId, established!.finalTranscriptHash, established!.secrets.responder];
    const expected = [final.conversationId, tr4, final.secrets.responder];
    if (!found.every((bytes, at) => equal(bytes, expected[at]!))) throw new Error('the machines found something else');
  }
  const transcript = { tr0, tr1, trR, tr2, tr3, trI, tr4 };
  return { suite, core, transcript, raw, secret, hs, boxKey, final, introduction, signature, boxResponder };
}

async function decapsulate(kem: Kem | AsyncKem, pair: KemKeyPair, ciphertext: Uint8Array): Promise<Uint8Array> {
  const raw =
    kem.name === 'RSA-4096'
      ? await kem.decapsulate(pair, ciphertext, provider.random)
      : kem.decapsulate(pair, ciphertext);
  if (raw === undefined) throw new Error(`${kem.name} does not decapsulate`);
  return raw;
}

function describe(plane: Plane, made: Made, computed: Computed): JsonObject {
  const { suite, core, transcript, raw, secret, hs, boxKey, final, introduction, signature, boxResponder } = computed;
  const { ciphertext } = decodeBody3(made.bodies[2]);
  const isRsa = suite.kem.name === 'RSA-4096';
  const side = (at: 0 | 1): JsonObject => {
    const { self, nonce, boxRandomness, name, parameters, serverName, suites } = made.setups[at];
    const { device, label, previous } = parameters;
    return {
      person: self.name,
      suites,
      nonce: hex(nonce),
      'server name': serverName,
      name,
      parameters: {
        device: device === undefined ? undefined : hex(device),
        label,
        previous: previous === undefined ? undefined : hex(previous),
      },
      'box randomness': hex(boxRandomness),
      random: made.recorders[at].taken(),
    };
  };
  return {
    name: `${plane}, ${suite.name}`,
    plane,
    suite: suite.name,
    labels: plane === 'hop' ? undefined : LABELS,
    initiator: side(0),
    responder: side(1),
    bodies: made.bodies.map(hex),
    introduction: hex(introduction),
    'signature of the initiator': hex(signature),
    'plaintext of box_R': hex(boxResponder),
    kem: {
      'decapsulation key': isRsa ? 'rsa-key-pair.json' : hex(made.responder.keyPair!.decapsulationKey),
      // In the bodies already, and long.
      ek: core.encapsulationKey.length > 200 ? 'core, key 3' : hex(core.encapsulationKey),
      ct: ciphertext.length > 200 ? 'body 3, key 0' : hex(ciphertext),
      raw: hex(raw),
      secret: hex(secret),
    },
    transcript: {
      context: hex(contextBytes(contextOf(plane, allSuites))),
      ...Object.fromEntries(Object.entries(transcript).map(([name, bytes]) => [name, hex(bytes)])),
    },
    keys: {
      hs: hex(hs),
      'key of box_I': hex(boxKey),
      'key of box_R': hex(final.boxKey),
      'conversation id': hex(final.conversationId),
      'x of direction 0': hex(final.secrets.initiator),
      'x of direction 1': hex(final.secrets.responder),
    },
  };
}

type Alter = (made: Made, computed: Computed) => Uint8Array;
type Refused = readonly [why: string, phase: 1 | 2 | 3 | 4, alter: Alter, expected: RefusalClass];

const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));
const map = (entries: readonly (readonly [number, unknown])[]): Uint8Array => encodeCbor(new Map(entries));

/** Another core, signed by whoever is given. */
const otherCore =
  (changes: Partial<Core>, signer: Person = bob): Alter =>
  ({ bodies }, { transcript }) => {
    const core = encodeCore({ ...decodeCore(decodeBody2(bodies[1]).core), ...changes });
    const trR = absorb(provider, transcript.tr1, core);
    return encodeBody2({ core, signature: provider.sign(signer.keyPair, signedContent('phase 2', trR)) });
  };

/** Another content of box_I under its right key. */
const otherBoxI =
  (alter: (computed: Computed) => { introduction: Uint8Array; signature: Uint8Array } | Uint8Array): Alter =>
  (made, computed) => {
    const { suite, boxKey, transcript } = computed;
    const altered = alter(computed);
    const plaintext = altered instanceof Uint8Array ? altered : encodeBoxInitiator(altered);
    const box = sealBox(suite, boxKey, made.setups[0].boxRandomness, transcript.tr3, plaintext, NOW);
    return encodeBody3({ ciphertext: decodeBody3(made.bodies[2]).ciphertext, box });
  };

const otherBoxR =
  (plaintext: Uint8Array): Alter =>
  (made, { suite, final, transcript }) =>
    encodeBody4({
      box: sealBox(suite, final.boxKey, made.setups[1].boxRandomness, transcript.tr4, plaintext, NOW),
    });

const introduced = (computed: Computed, introduction: Uint8Array, signer = alice) => ({
  introduction,
  signature: provider.sign(
    signer.keyPair,
    signedContent('phase 3', absorb(provider, computed.transcript.tr3, introduction)),
  ),
});

const introduce = (computed: Computed, changes: object, signer = alice) => {
  const said = { ...decodeInitiatorIntroduction(computed.introduction), ...changes };
  return introduced(computed, encodeInitiatorIntroduction(said), signer);
};

const IN_CONVERSATION: readonly Refused[] = [
  ['no bytes', 1, () => new Uint8Array(0), 'malformed'],
  ['truncated', 1, ({ bodies }) => bodies[0].subarray(0, -1), 'malformed'],
  ['a trailing byte', 1, ({ bodies }) => Uint8Array.of(...bodies[0], 0), 'malformed'],
  ['a list', 1, () => Uint8Array.of(0x80), 'malformed'],
  ['only a version that nobody speaks', 1, ({ bodies }) => otherBody1(bodies[0], { versions: [2] }), 'version'],
  ['no suite that R has', 1, ({ bodies }) => otherBody1(bodies[0], { suites: [99] }), 'suite'],
  ['no suite at all', 1, ({ bodies }) => otherBody1(bodies[0], { suites: [] }), 'suite'],
  [
    'a suite twice',
    1,
    () =>
      map([
        [0, [1]],
        [1, new Uint8Array(32)],
        [4, [3, 3]],
      ]),
    'malformed',
  ],
  [
    '33 suites',
    1,
    () =>
      map([
        [0, [1]],
        [1, new Uint8Array(32)],
        [4, Array.from({ length: 33 }, (_, at) => at)],
      ]),
    'over-limit',
  ],
  [
    'a nonce of 31 bytes',
    1,
    () =>
      map([
        [0, [1]],
        [1, new Uint8Array(31)],
        [4, [3]],
      ]),
    'malformed',
  ],
  [
    'no nonce',
    1,
    () =>
      map([
        [0, [1]],
        [4, [3]],
      ]),
    'malformed',
  ],
  ['phase 3 where phase 1 belongs', 3, ({ bodies }) => bodies[2], 'out-of-turn'],
  ['a signature with a bit changed', 2, ({ bodies }) => flip(bodies[1], bodies[1].length - 1), 'authentication'],
  ['a core with a bit changed: nonce_R', 2, otherNonce, 'authentication'],
  ['another version in the core', 2, otherCore({ version: 2 }), 'version'],
  ['a suite that was not offered', 2, otherCore({ suite: 4 }), 'suite'],
  ['an ek of order 1: the shared x is zero', 2, otherCore({ encapsulationKey: new Uint8Array(32) }), 'key'],
  ['an ek of 31 bytes', 2, otherCore({ encapsulationKey: new Uint8Array(31).fill(9) }), 'key'],
  [
    'the credential of someone else, who signs',
    2,
    otherCore({ credential: encodeCredential(mallory.credential) }, mallory),
    'identity',
  ],
  ['the credential of a relay', 2, otherCore({ credential: encodeCredential(relay.credential) }, relay), 'identity'],
  ["I's own credential", 2, otherCore({ credential: encodeCredential(alice.credential) }, alice), 'identity'],
  [
    'the right key under another kind',
    2,
    otherCore({ credential: encodeCredential({ kind: 'key', spki: bob.keyPair.spki }) }),
    'identity',
  ],
  ['a credential of no form', 2, otherCore({ credential: Uint8Array.of(0xa0) }), 'malformed'],
  ['phase 4 where phase 2 belongs', 4, ({ bodies }) => bodies[3], 'out-of-turn'],
  ['a ct with a bit changed: the box does not open', 3, ({ bodies }) => otherCt(bodies[2]), 'authentication'],
  ['a ct of order 1: the shared x is zero', 3, ({ bodies }) => zeroCt(bodies[2]), 'key'],
  ['a box with a bit changed', 3, ({ bodies }) => flip(bodies[2], bodies[2].length - 1), 'authentication'],
  ['sig_I by another key', 3, otherBoxI((computed) => introduce(computed, {}, mallory)), 'authentication'],
  [
    'the credential of someone else, who signs',
    3,
    otherBoxI((computed) => introduce(computed, { credential: encodeCredential(mallory.credential) }, mallory)),
    'identity',
  ],
  [
    'the credential of a relay',
    3,
    otherBoxI((computed) => introduce(computed, { credential: encodeCredential(relay.credential) }, relay)),
    'identity',
  ],
  [
    'a name of 129 bytes',
    3,
    otherBoxI((computed) =>
      introduced(
        computed,
        map([
          [0, encodeCredential(alice.credential)],
          [2, 'n'.repeat(129)],
          [3, new Map()],
        ]),
      ),
    ),
    'over-limit',
  ],
  [
    'no parameters',
    3,
    otherBoxI((computed) =>
      introduced(
        computed,
        map([
          [0, encodeCredential(alice.credential)],
          [2, 'Alice'],
        ]),
      ),
    ),
    'malformed',
  ],
  [
    '`previous` of 41 bytes',
    3,
    otherBoxI((computed) => introduce(computed, { parameters: new Map([[0, new Uint8Array(41)]]) })),
    'malformed',
  ],
  ['a box of no form', 3, otherBoxI(() => Uint8Array.of(0xa0)), 'malformed'],
  ['a box with a bit changed', 4, ({ bodies }) => flip(bodies[3], bodies[3].length - 1), 'authentication'],
  ['box_I sent back', 4, ({ bodies }) => encodeBody4({ box: decodeBody3(bodies[2]).box }), 'authentication'],
  ['a box of no form', 4, otherBoxR(Uint8Array.of(0xa0)), 'malformed'],
];

const ON_HOP: readonly Refused[] = [
  [
    'a relay without the pinned key',
    2,
    otherCore(
      { credential: encodeCredential({ kind: 'relay', spki: mallory.keyPair.spki, chain: [unhex('3000')] }) },
      mallory,
    ),
    'identity',
  ],
  ['a person as the relay', 2, otherCore({ credential: encodeCredential(mallory.credential) }, mallory), 'identity'],
  ['no device', 3, otherBoxI((computed) => introduce(computed, { parameters: new Map() })), 'malformed'],
  [
    'a device of 7 bytes',
    3,
    otherBoxI((computed) => introduce(computed, { parameters: new Map([[0, new Uint8Array(7)]]) })),
    'malformed',
  ],
  [
    'a label that is no text',
    3,
    otherBoxI((computed) =>
      introduce(computed, {
        parameters: new Map<number, unknown>([
          [0, alice.device],
          [1, 5],
        ]),
      }),
    ),
    'malformed',
  ],
  [
    'the credential of a relay as the client',
    3,
    otherBoxI((computed) => introduce(computed, { credential: encodeCredential(relay.credential) }, relay)),
    'identity',
  ],
  ['no label of the session', 4, otherBoxR(encodeBoxResponder({ name: '', parameters: new Map() })), 'malformed'],
  [
    'a label of 256 bytes',
    4,
    otherBoxR(encodeBoxResponder({ name: '', parameters: new Map([[0, 'l'.repeat(256)]]) })),
    'malformed',
  ],
];

function otherBody1(bytes: Uint8Array, changes: object): Uint8Array {
  return encodeBody1({ ...decodeBody1(bytes), ...changes });
}

function otherNonce({ bodies }: Made): Uint8Array {
  const { core, signature } = decodeBody2(bodies[1]);
  const said = decodeCore(core);
  return encodeBody2({ core: encodeCore({ ...said, nonce: flip(said.nonce, 0) }), signature });
}

function otherCt(bytes: Uint8Array): Uint8Array {
  const { ciphertext, box } = decodeBody3(bytes);
  return encodeBody3({ ciphertext: flip(ciphertext, 0), box });
}

function zeroCt(bytes: Uint8Array): Uint8Array {
  const { ciphertext, box } = decodeBody3(bytes);
  return encodeBody3({ ciphertext: new Uint8Array(ciphertext.length), box });
}

async function refused(): Promise<Json> {
  const of = async (plane: Plane, cases: readonly Refused[]): Promise<JsonObject[]> => {
    const suite: SuiteName = 'X25519_WITH_CHACHA20_POLY1305_SHA256';
    const vectors: JsonObject[] = [];
    for (const [why, phase, alter, expected] of cases) {
      const made = await make(plane, suite);
      const computed = await compute(plane, made);
      const body = alter(made, computed);
      // What is out of turn comes where the other phase of the same receiver belongs.
      const instead = expected === 'out-of-turn' ? phase - 2 : phase;
      const to = phase % 2 === 1 ? 'responder' : 'initiator';
      const error = await refusedWith(made, instead, phase, body);
      if (error === undefined) throw new Error(`${plane}, phase ${phase}: taken, though ${why}`);
      vectors.push({
        handshake: `${plane}, ${suite}`,
        to,
        'instead of phase': instead,
        phase,
        body: hex(body),
        why,
        refused: refusal(expected, error, `${plane}, phase ${phase}: ${why}`),
      });
    }
    return vectors;
  };
  return [...(await of('conversation', IN_CONVERSATION)), ...(await of('hop', ON_HOP))];
}

/** A fresh side is led to where `instead` is due, and given the body. */
async function refusedWith(
  made: Made,
  instead: number,
  phase: 1 | 2 | 3 | 4,
  body: Uint8Array,
): Promise<Side['error']> {
  const isResponder = phase % 2 === 1;
  const own = made.setups[isResponder ? 1 : 0];
  const seed = isResponder ? 'responder' : 'initiator';
  const side = new Side({ ...own, random: seeded(`host ${own.context.plane} ${made.setups[0].suites[0]!} ${seed}`) });
  if (!isResponder) await side.start();
  for (let before = isResponder ? 1 : 2; before < instead; before += 2) {
    await side.receive(before as 1 | 2, made.bodies[before - 1]!);
  }
  await side.receive(phase, body);
  return side.error;
}
