/** Vectors of docs/protocol.md §4.4: bundles, and starts with who is away. */
import { hex } from '../../src/bytes.ts';
import { allSuites, nobleProvider, type RandomBytes, type Suite, type SuiteName } from '../../src/crypto/index.ts';
import { prekeyContextBytes } from '../../src/handshake/context.ts';
import {
  absorb,
  answerBundle,
  createCredentialVerifier,
  handshakeId,
  makeBundle,
  signedContent,
  startFromBundle,
  startTranscript,
  type AnsweredBundle,
  type BundleMadeOutput,
  type ConversationContext,
  type StartedFromBundle,
} from '../../src/handshake/index.ts';
import { boxKeyOfInitiator, extractHandshakeSecret } from '../../src/handshake/keySchedule.ts';
import {
  decodeBundle,
  decodeBundleBody3,
  decodeBundleCore,
  encodeBundle,
  encodeBundleBody3,
  encodeBundleCore,
  encodeCredential,
  type BundleCore,
} from '../../src/messages/index.ts';
import { LABELS } from './handshakes.ts';
import { alice, bob, carol, mallory, relay, relayIdentity, type Person } from './people.ts';
import {
  errorLater,
  NOW,
  play,
  record,
  refusal,
  seeded,
  type Json,
  type JsonObject,
  type RefusalClass,
} from './shared.ts';

const provider = nobleProvider;
const DAY = 86_400_000;
const SHOWN: readonly SuiteName[] = [
  'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256',
  'X25519_WITH_CHACHA20_POLY1305_SHA256',
  'ECDHE_WITH_AES_256_GCM_SHA384',
  'ECDHE_WITH_AES_128_CBC_SHA256',
];
const QUICK: SuiteName = 'X25519_WITH_CHACHA20_POLY1305_SHA256';

/** What a host brings. */
function hostOf(self: Person, random: RandomBytes) {
  return {
    random,
    verifyCredential: createCredentialVerifier({ provider }),
    sign: ({ toBeSigned }: { readonly toBeSigned: Uint8Array }) => provider.sign(self.keyPair, toBeSigned),
    now: () => NOW,
  };
}

/** What both sides know. */
export function prekeyContext(
  suites: readonly Suite[],
  initiatorLabel: string = LABELS.initiator,
): ConversationContext {
  return {
    plane: 'conversation',
    provider,
    suites,
    initiator: alice.address,
    responder: carol.address,
    relayIdentity,
    initiatorLabel,
    responderLabel: LABELS.responder,
  };
}

/** Carol makes a bundle. */
export function bundleOf(
  suites: readonly Suite[],
  suite: SuiteName,
  id: Uint8Array,
  random: RandomBytes,
): Promise<BundleMadeOutput> {
  return makeBundle(
    {
      type: 'start',
      id,
      suite,
      suites: [suite],
      relayIdentity,
      address: carol.address,
      label: LABELS.responder,
      credential: carol.credential,
      notAfterMs: NOW + 7 * DAY,
      nowMs: NOW,
    },
    { provider, suites },
    hostOf(carol, random),
  );
}

/** Alice starts from one. */
export function startOf(
  suites: readonly Suite[],
  suite: SuiteName,
  bundle: Uint8Array,
  {
    nonce,
    boxRandomness,
    random,
    nowMs = NOW,
  }: { nonce: Uint8Array; boxRandomness: Uint8Array; random: RandomBytes; nowMs?: number },
): Promise<StartedFromBundle> {
  const own = { nonce, boxRandomness, credential: alice.credential, name: 'Alice', nowMs };
  return startFromBundle(
    { type: 'start', bundle, offer: [suite], ...own },
    prekeyContext(suites),
    hostOf(alice, random),
  );
}

/** Carol answers. */
export function answerOf(
  suites: readonly Suite[],
  made: { readonly bundle: Uint8Array; readonly decapsulationKey: Uint8Array },
  start: { readonly nonce: Uint8Array; readonly body: Uint8Array; readonly nowMs?: number; readonly label?: string },
): Promise<AnsweredBundle> {
  const { bundle, decapsulationKey } = made;
  const { body, nowMs = NOW, label } = start;
  return answerBundle(
    { type: 'start', id: handshakeId(start.nonce), body, bundle, decapsulationKey, nowMs },
    prekeyContext(suites, label),
    hostOf(carol, play().random),
  );
}

/** The file's content. */
export async function prekeys(): Promise<JsonObject> {
  const accepted: Json[] = [];
  for (const name of SHOWN) accepted.push(await whole(name));
  return {
    time: NOW,
    labels: LABELS,
    initiator: alice.name,
    responder: carol.name,
    accepted,
    'refused bundles': await refusedBundles(),
    'refused starts': await refusedStarts(),
  };
}

async function whole(name: SuiteName): Promise<JsonObject> {
  const suite = allSuites.find((candidate) => candidate.name === name)!;
  const draw = seeded(`prekeys ${name}`);
  const [id, nonce, boxRandomness] = [draw(8), draw(32), draw(16)];
  const [owner, starter] = [record(draw), record(draw)];
  const made = await bundleOf(allSuites, name, id, owner.random);
  const decapsulationKey = made.keyPair.decapsulationKey.slice();
  const started = await startOf(allSuites, name, made.bundle, { nonce, boxRandomness, random: starter.random });
  await answerOf(allSuites, { bundle: made.bundle, decapsulationKey }, { nonce, body: started.body });
  const { ciphertext, hello } = decodeBundleBody3(started.body);
  const core = decodeBundleCore(decodeBundle(made.bundle).core);
  const context = prekeyContextBytes(prekeyContext(allSuites));
  const tr0 = startTranscript(provider, context);
  const tr1 = absorb(provider, tr0, made.bundle);
  const tr2 = absorb(provider, tr1, hello);
  const tr3 = absorb(provider, tr2, ciphertext);
  if (suite.kem.name === 'RSA-4096') throw new Error('RSA has no bundles');
  const raw = suite.kem.decapsulate({ ...made.keyPair, decapsulationKey }, ciphertext)!;
  const secret = suite.kemSecret(raw, ciphertext, core.encapsulationKey).slice();
  const hs = extractHandshakeSecret(suite, tr3, raw.slice(), ciphertext, core.encapsulationKey);
  const { conversationId, finalTranscriptHash, secrets } = started.established;
  return {
    suite: name,
    bundle: {
      id: hex(id),
      suites: [suite.number],
      'not-after': core.notAfter,
      random: owner.taken(),
      'decapsulation key': hex(decapsulationKey),
      bytes: hex(made.bundle),
    },
    start: {
      nonce: hex(nonce),
      'box randomness': hex(boxRandomness),
      name: 'Alice',
      random: starter.taken(),
      hello: hex(hello),
      body: hex(started.body),
    },
    kem: { raw: hex(raw), secret: hex(secret) },
    transcript: {
      context: hex(context),
      tr0: hex(tr0),
      tr1: hex(tr1),
      tr2: hex(tr2),
      tr3: hex(tr3),
      tr4: hex(finalTranscriptHash),
    },
    keys: {
      hs: hex(hs),
      'key of box_I': hex(boxKeyOfInitiator(suite, hs, tr3)),
      'conversation id': hex(conversationId),
      'x of direction 0': hex(secrets.initiator),
      'x of direction 1': hex(secrets.responder),
    },
  };
}

const START = { nonce: seeded('prekey nonce')(32), boxRandomness: seeded('prekey box')(16) };
const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  Uint8Array.from(bytes, (byte, index) => (index === at ? byte ^ 1 : byte));

function quickBundle(): Promise<BundleMadeOutput> {
  return bundleOf(allSuites, QUICK, seeded('refused bundles')(8), seeded('refused bundle key'));
}

async function refusedBundles(): Promise<Json> {
  const { bundle } = await quickBundle();
  const { core, signature } = decodeBundle(bundle);
  const other = (changes: Partial<BundleCore>, signer = carol): Uint8Array => {
    const said = encodeBundleCore({ ...decodeBundleCore(core), ...changes });
    return encodeBundle({ core: said, signature: provider.sign(signer.keyPair, signedContent('bundle', said)) });
  };
  const seconds = NOW / 1000;
  const cases: readonly (readonly [string, Uint8Array, RefusalClass])[] = [
    ['no bytes', new Uint8Array(0), 'malformed'],
    ['cut off', bundle.subarray(0, -1), 'malformed'],
    ['a trailing byte', Uint8Array.of(...bundle, 0), 'malformed'],
    ['a bit of the signature', encodeBundle({ core, signature: flip(signature, 5) }), 'authentication'],
    [
      'signed for another purpose',
      encodeBundle({ core, signature: provider.sign(carol.keyPair, signedContent('phase 2', core)) }),
      'authentication',
    ],
    ['another version', other({ version: 2 }), 'version'],
    ['another relay', other({ relayIdentity: seeded('other relay')(32) }), 'identity'],
    ['another address than was asked for', other({ address: bob.address }), 'identity'],
    ['another label than the relay tells', other({ label: 'open' }), 'identity'],
    ['it ends now', other({ notAfter: seconds }), 'expired'],
    ['it ends more than 30 days and 300 s ahead', other({ notAfter: seconds + 30 * 86_400 + 301 }), 'expired'],
    ['of a suite that I would not have picked', other({ suites: [3, 4], suite: 4 }), 'suite'],
    ['of no suite that I offers', other({ suites: [4], suite: 4 }), 'suite'],
    [
      'the credential of someone else, who signs',
      other({ credential: encodeCredential(mallory.credential) }, mallory),
      'identity',
    ],
    ['the credential of a relay', other({ credential: encodeCredential(relay.credential) }, relay), 'identity'],
    [
      'a credential of kind `none`',
      other({ credential: encodeCredential({ kind: 'none', spki: carol.keyPair.spki }) }),
      'identity',
    ],
    ['an ek of order 1', other({ encapsulationKey: new Uint8Array(32) }), 'key'],
  ];
  const vectors: Json[] = [];
  for (const [why, bytes, expected] of cases) {
    const error = await errorLater(() =>
      startOf(allSuites, QUICK, bytes, { ...START, random: seeded('prekey start') }),
    );
    vectors.push({ suite: QUICK, bundle: hex(bytes), why, refused: refusal(expected, error, `bundle, ${why}`) });
  }
  return vectors;
}

async function refusedStarts(): Promise<Json> {
  const made = await quickBundle();
  const { bundle } = made;
  const decapsulationKey = made.keyPair.decapsulationKey.slice();
  const { body } = await startOf(allSuites, QUICK, bundle, { ...START, random: seeded('prekey start') });
  const said = decodeBundleBody3(body);
  const { ciphertext, box, hello, bundleId } = said;
  type Options = { readonly nowMs?: number; readonly label?: string; readonly nonce?: Uint8Array };
  const cases: readonly (readonly [string, Uint8Array, RefusalClass, Options?])[] = [
    ['no bytes', new Uint8Array(0), 'malformed'],
    ['cut off', body.subarray(0, -1), 'malformed'],
    ['another bundle', encodeBundleBody3({ ...said, bundleId: flip(bundleId, 0) }), 'identity'],
    ['a bit of the box', encodeBundleBody3({ ...said, box: flip(box, 9) }), 'authentication'],
    ['a bit of ct', encodeBundleBody3({ ...said, ciphertext: flip(ciphertext, 0) }), 'authentication'],
    ['a ct of order 1', encodeBundleBody3({ ...said, ciphertext: new Uint8Array(32) }), 'key'],
    [
      'a bit of the nonce in hello: not what `id` names',
      encodeBundleBody3({ ...said, hello: flip(hello, 8) }),
      'out-of-turn',
    ],
    [
      'a bit of the nonce in hello behind what `id` names',
      encodeBundleBody3({ ...said, hello: flip(hello, 30) }),
      'authentication',
    ],
    ['another label of I', body, 'authentication', { label: 'secret' }],
    ['another `id`', body, 'out-of-turn', { nonce: seeded('other nonce')(32) }],
    ['more than 7 days behind not-after', body, 'expired', { nowMs: NOW + 14 * DAY }],
  ];
  const vectors: Json[] = [];
  for (const [why, bytes, expected, options = {}] of cases) {
    const { nonce = START.nonce, nowMs = NOW, label = LABELS.initiator } = options;
    const start = { nonce, body: bytes, nowMs, label };
    const error = await errorLater(() => answerOf(allSuites, { bundle, decapsulationKey }, start));
    vectors.push({
      suite: QUICK,
      bundle: hex(bundle),
      'decapsulation key': hex(decapsulationKey),
      id: hex(nonce.subarray(0, 8)),
      'label of I': label,
      time: nowMs,
      body: hex(bytes),
      why,
      refused: refusal(expected, error, `start, ${why}`),
    });
  }
  return vectors;
}
