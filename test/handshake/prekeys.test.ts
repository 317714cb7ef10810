import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { equal, hex } from '../../src/bytes.ts';
import type { SuiteName } from '../../src/crypto/suite.ts';
import { allSuites } from '../../src/crypto/suites.ts';
import { SimsError } from '../../src/errors.ts';
import type { AnswerHost } from '../../src/handshake/answer.ts';
import {
  BUNDLE_START,
  BUNDLE_TRANSITIONS,
  bundleTakes,
  LATE_START_MS,
  MAX_BUNDLE_LIFETIME_MS,
  stepBundle,
  type BundleMadeOutput,
  type BundleStartInput,
} from '../../src/handshake/bundle.ts';
import type { ConversationContext } from '../../src/handshake/context.ts';
import type { VerifiedIdentity } from '../../src/handshake/identity.ts';
import {
  PREKEY_INITIATOR_START,
  PREKEY_INITIATOR_TRANSITIONS,
  stepPrekeyInitiator,
  type PrekeyStartInput,
} from '../../src/handshake/prekeyInitiator.ts';
import {
  PREKEY_RESPONDER_START,
  PREKEY_RESPONDER_TRANSITIONS,
  stepPrekeyResponder,
  type PrekeyAnswerInput,
} from '../../src/handshake/prekeyResponder.ts';
import { answerBundle, makeBundle, startFromBundle, type StartedFromBundle } from '../../src/handshake/prekeys.ts';
import { signedContent } from '../../src/handshake/signing.ts';
import { createCredentialVerifier } from '../../src/handshake/verification.ts';
import { messageIdFromBytes } from '../../src/messages/address.ts';
import {
  decodeBundle,
  decodeBundleBody3,
  decodeBundleCore,
  encodeBundle,
  encodeBundleBody3,
  encodeBundleCore,
  type BundleCore,
} from '../../src/messages/bundle.ts';
import { encodeCredential } from '../../src/messages/credential.ts';
import * as parties from './parties.ts';

const { alice, mallory, NOW, provider, QUICK, relay, seeded } = parties;
/** Someone whose key is kept. */
const bob = parties.person('bob kept', 'key', 'ECDSA-P256-SHA256');
const DAY_MS = 86_400_000;
const X_WING: SuiteName = 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256';
const RSA: SuiteName = 'RSA_WITH_AES_128_CBC_SHA256';
const NONCE = seeded('nonce')(32);
const ID = messageIdFromBytes(NONCE.subarray(0, 8));

function hostOf(person: parties.Person, changes: Partial<AnswerHost> = {}): AnswerHost {
  return {
    random: seeded(person.address),
    verifyCredential: createCredentialVerifier({ provider }),
    sign: ({ toBeSigned }) => provider.sign(person.keyPair, toBeSigned),
    now: () => NOW,
    ...changes,
  };
}

function context(changes: Partial<ConversationContext> = {}): ConversationContext {
  return parties.conversationContext({ responder: bob.address, ...changes });
}

function bundleInput(changes: Partial<BundleStartInput> = {}): BundleStartInput {
  return {
    type: 'start',
    id: new Uint8Array(8).fill(5),
    suite: QUICK,
    suites: [QUICK],
    relayIdentity: relay.relayIdentity,
    address: bob.address,
    label: 'verified',
    credential: bob.credential,
    notAfterMs: NOW + 7 * DAY_MS,
    nowMs: NOW,
    ...changes,
  };
}

function made(changes: Partial<BundleStartInput> = {}, owner = bob): Promise<BundleMadeOutput> {
  return makeBundle(bundleInput(changes), { provider, suites: allSuites }, hostOf(owner));
}

function startInput(bundle: Uint8Array, changes: Partial<PrekeyStartInput> = {}): PrekeyStartInput {
  return {
    type: 'start',
    bundle,
    nonce: NONCE,
    boxRandomness: seeded('box')(16),
    offer: [QUICK],
    credential: alice.credential,
    name: 'Alice',
    nowMs: NOW,
    ...changes,
  };
}

function started(
  bundle: Uint8Array,
  changes: Partial<PrekeyStartInput> = {},
  where = context(),
  host = hostOf(alice),
): Promise<StartedFromBundle> {
  return startFromBundle(startInput(bundle, changes), where, host);
}

function answerInput(
  bundle: BundleMadeOutput,
  body: Uint8Array,
  changes: Partial<PrekeyAnswerInput> = {},
): PrekeyAnswerInput {
  const { decapsulationKey } = bundle.keyPair;
  return { type: 'start', id: ID, body, bundle: bundle.bundle, decapsulationKey, nowMs: NOW, ...changes };
}

function answered(
  bundle: BundleMadeOutput,
  body: Uint8Array,
  changes: Partial<PrekeyAnswerInput> = {},
  where = context(),
  host = hostOf(bob),
): ReturnType<typeof answerBundle> {
  return answerBundle(answerInput(bundle, body, changes), where, host);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'accepted';
  } catch (error) {
    if (error instanceof SimsError) return error.code;
    throw error;
  }
}

/** A bundle that says something else, under the owner's good signature. */
async function forged(core: Partial<BundleCore>, signer = bob): Promise<Uint8Array> {
  const { bundle } = await made();
  const bytes = encodeBundleCore({ ...decodeBundleCore(decodeBundle(bundle).core), ...core });
  return encodeBundle({ core: bytes, signature: provider.sign(signer.keyPair, signedContent('bundle', bytes)) });
}

describe('a start from a bundle', () => {
  it.each(parties.SYNCHRONOUS)('gives both sides the same keys, transcript and names: %s', async (suite) => {
    const bundle = await made({ suite, suites: [suite] });
    const own = await started(bundle.bundle, { offer: [suite] });
    const peer = await answered(bundle, own.body);
    expect(peer.name).toBe('Alice');
    for (const field of ['conversationId', 'finalTranscriptHash'] as const) {
      expect(hex(peer.established[field])).toBe(hex(own.established[field]));
    }
    expect(hex(peer.established.secrets.initiator)).toBe(hex(own.established.secrets.initiator));
    expect(hex(peer.established.secrets.responder)).toBe(hex(own.established.secrets.responder));
    expect(own.established.suite.name).toBe(suite);
    expect(own.established.peer.id).toBe(bob.address.slice(0, 27));
    expect(peer.established.peer.id).toBe(alice.address.slice(0, 27));
  });

  it('is another conversation than a second one from the same bundle', async () => {
    const bundle = await made();
    const first = await started(bundle.bundle);
    const second = await started(bundle.bundle, { nonce: seeded('other')(32) });
    expect(equal(first.established.conversationId, second.established.conversationId)).toBe(false);
  });

  it('asks both verifiers for the purpose of prekeys, with address, label and relay', async () => {
    const asked: unknown[] = [];
    const verifyCredential: AnswerHost['verifyCredential'] = (request) => {
      asked.push([request.role, request.purpose, request.address, request.label, request.relayIdentity]);
      return createCredentialVerifier({ provider })(request);
    };
    const bundle = await made();
    const own = await started(bundle.bundle, {}, context(), hostOf(alice, { verifyCredential }));
    await answered(bundle, own.body, {}, context(), hostOf(bob, { verifyCredential }));
    expect(asked).toEqual([
      ['responder', 'prekey', bob.address, 'verified', relay.relayIdentity],
      ['initiator', 'prekey', alice.address, 'open', relay.relayIdentity],
    ]);
  });

  it('prints no secret', async () => {
    const bundle = await made();
    const { decapsulationKey } = bundle.keyPair;
    const own = await started(bundle.bundle);
    const { outputs, state } = stepPrekeyResponder(PREKEY_RESPONDER_START, answerInput(bundle, own.body), context());
    const printed = inspect([bundle, own, outputs, state], { depth: 9, maxArrayLength: null });
    expect(printed).not.toContain([...decapsulationKey].join(', '));
    expect(JSON.stringify([bundle, own, outputs])).not.toContain('keyPair');
    expect(JSON.stringify(own)).toContain('"secrets":{}');
  });
});

describe('a bundle is refused by who would begin from it', () => {
  it.each<[string, Partial<BundleCore>, string]>([
    ['of a version to come', { version: 2 }, 'handshake/unsupported-version'],
    ['of another address', { address: mallory.address }, 'handshake/bundle-mismatch'],
    ['made for another relay', { relayIdentity: new Uint8Array(32) }, 'handshake/bundle-foreign'],
    ['of another label', { label: 'secret' }, 'handshake/bundle-mismatch'],
    ['that has ended', { notAfter: NOW / 1_000 }, 'handshake/bundle-expired'],
    ['that ends too far ahead', { notAfter: NOW / 1_000 + 30 * 86_400 + 301 }, 'handshake/bundle-expired'],
    ['of no suite that is offered', { suites: [1] }, 'handshake/no-common-suite'],
    ['of a suite that is not in its list', { suite: 1 }, 'handshake/bundle-suite'],
    [
      'of a credential of nobody in particular',
      { credential: encodeCredential({ kind: 'none', spki: bob.keyPair.spki }) },
      'handshake/credential-kind',
    ],
    ['of a relay', { credential: encodeCredential(relay.credential) }, 'handshake/credential-kind'],
    ['of another person', { credential: encodeCredential(mallory.credential) }, 'handshake/identity-mismatch'],
    ['whose key is none', { encapsulationKey: new Uint8Array(32) }, 'handshake/peer-key-invalid'],
    ['whose key is of another length', { encapsulationKey: new Uint8Array(31) }, 'handshake/peer-key-invalid'],
  ])('%s', async (_what, change, code) => {
    expect(await codeOf(started(await forged(change)))).toBe(code);
  });

  it('signed by another, or with one bit changed anywhere', async () => {
    expect(await codeOf(started(await forged({}, mallory)))).toBe('handshake/authentication-failed');
    const { bundle } = await made();
    for (let index = 0; index < bundle.length; index += 7) {
      const changed = bundle.slice();
      changed[index]! ^= 1;
      expect(await codeOf(started(changed))).not.toBe('accepted');
    }
  });

  it('cut short anywhere, or longer', async () => {
    const { bundle } = await made();
    for (let length = 0; length < bundle.length; length += 1) {
      expect(await codeOf(started(bundle.subarray(0, length)))).toMatch(/^codec\//u);
    }
    expect(await codeOf(started(Buffer.concat([bundle, Uint8Array.of(0)])))).toBe('codec/trailing-bytes');
  });

  it('whose signature has another purpose', async () => {
    const { bundle } = await made();
    const { core } = decodeBundle(bundle);
    const signature = provider.sign(bob.keyPair, signedContent('phase 2', core));
    expect(await codeOf(started(encodeBundle({ core, signature })))).toBe('handshake/authentication-failed');
  });

  it('of a weaker suite than both would pick, whatever the relay gave', async () => {
    const weaker = await made({ suite: QUICK, suites: [X_WING, QUICK] });
    expect(await codeOf(started(weaker.bundle, { offer: [X_WING, QUICK] }))).toBe('handshake/bundle-suite');
    // Who offers no other would have got this one.
    expect(await codeOf(started(weaker.bundle, { offer: [QUICK] }))).toBe('accepted');
  });

  it('that ends after its credential', async () => {
    const { bundle } = await made();
    const verifyCredential = async (
      request: Parameters<AnswerHost['verifyCredential']>[0],
    ): Promise<VerifiedIdentity> => {
      const identity = await createCredentialVerifier({ provider })(request);
      return { ...identity, verifiedUntilMs: NOW + DAY_MS };
    };
    const host = hostOf(alice, { verifyCredential });
    expect(await codeOf(started(bundle, {}, context(), host))).toBe('handshake/bundle-beyond-credential');
    const short = await made({ notAfterMs: NOW + DAY_MS });
    expect(await codeOf(started(short.bundle, {}, context(), host))).toBe('accepted');
  });

  it('of RSA, even when its owner signed one', async () => {
    const bundle = await forged({ suites: [6], suite: 6 });
    expect(await codeOf(started(bundle, { offer: [RSA] }))).toBe('handshake/bundle-suite');
  });

  it('of oneself', async () => {
    const { bundle } = await made();
    const where = context({ initiator: bob.address });
    await expect(started(bundle, {}, where)).rejects.toMatchObject({ code: 'handshake/own-identity' });
  });
});

describe('a start is refused by the owner of the bundle, and spends nothing', () => {
  it('when it is garbage, and a good one is taken after that', async () => {
    const bundle = await made();
    const own = await started(bundle.bundle);
    const body = decodeBundleBody3(own.body);
    const garbage: [Uint8Array, string][] = [
      [encodeBundleBody3({ ...body, box: new Uint8Array(100) }), 'handshake/authentication-failed'],
      [encodeBundleBody3({ ...body, box: new Uint8Array() }), 'handshake/authentication-failed'],
      [encodeBundleBody3({ ...body, ciphertext: new Uint8Array(32) }), 'handshake/peer-key-invalid'],
      [encodeBundleBody3({ ...body, ciphertext: new Uint8Array(7) }), 'handshake/peer-key-invalid'],
      [encodeBundleBody3({ ...body, hello: new Uint8Array() }), 'codec/truncated'],
      [encodeBundleBody3({ ...body, bundleId: new Uint8Array(8) }), 'handshake/bundle-mismatch'],
      [new Uint8Array(), 'codec/truncated'],
    ];
    for (const [bytes, code] of garbage) expect(await codeOf(answered(bundle, bytes))).toBe(code);
    expect(await codeOf(answered(bundle, own.body))).toBe('accepted');
  });

  it('with any bit changed, or cut short', async () => {
    const bundle = await made();
    const { body } = await started(bundle.bundle);
    for (let index = 0; index < body.length; index += 5) {
      const changed = body.slice();
      changed[index]! ^= 4;
      expect(await codeOf(answered(bundle, changed))).not.toBe('accepted');
      expect(await codeOf(answered(bundle, body.subarray(0, index)))).toMatch(/^codec\//u);
    }
    expect(await codeOf(answered(bundle, body))).toBe('accepted');
  });

  it.each<[string, Partial<ConversationContext>]>([
    ['a sender of another address', { initiator: mallory.address }],
    ['a sender of another label', { initiatorLabel: 'secret' }],
  ])('from %s than it was made with', async (_what, change) => {
    const bundle = await made();
    const { body } = await started(bundle.bundle);
    expect(await codeOf(answered(bundle, body, {}, context(change)))).toBe('handshake/authentication-failed');
  });

  it('whose owner is at another label, or at another relay', async () => {
    const bundle = await made();
    const { body } = await started(bundle.bundle);
    expect(await codeOf(answered(bundle, body, {}, context({ responderLabel: 'x' })))).toBe(
      'handshake/bundle-mismatch',
    );
    const elsewhere = context({ relayIdentity: new Uint8Array(32) });
    expect(await codeOf(answered(bundle, body, {}, elsewhere))).toBe('handshake/bundle-foreign');
  });

  it('when it is named otherwise than after its nonce', async () => {
    const bundle = await made();
    const { body } = await started(bundle.bundle);
    const id = messageIdFromBytes(new Uint8Array(8));
    expect(await codeOf(answered(bundle, body, { id }))).toBe('handshake/unexpected-message');
  });

  it('when it comes more than seven days after the end of the bundle, and not before', async () => {
    const bundle = await made();
    const { body } = await started(bundle.bundle);
    const endMs = bundle.notAfterMs + LATE_START_MS;
    expect(await codeOf(answered(bundle, body, { nowMs: endMs - 1 }))).toBe('accepted');
    expect(await codeOf(answered(bundle, body, { nowMs: endMs }))).toBe('handshake/bundle-expired');
  });

  it('of somebody who does not sign as who it says it is', async () => {
    const bundle = await made();
    const liar = hostOf(alice, { sign: ({ toBeSigned }) => provider.sign(mallory.keyPair, toBeSigned) });
    const { body } = await started(bundle.bundle, {}, context(), liar);
    expect(await codeOf(answered(bundle, body))).toBe('handshake/authentication-failed');
    const other = await started(bundle.bundle, { credential: mallory.credential }, context(), hostOf(mallory));
    expect(await codeOf(answered(bundle, other.body))).toBe('handshake/identity-mismatch');
  });

  it('whose list would have given another suite', async () => {
    const weaker = await made({ suite: QUICK, suites: [X_WING, QUICK] });
    const own = await started(weaker.bundle, { offer: [QUICK] });
    const body = decodeBundleBody3(own.body);
    const other = await made({ suite: X_WING, suites: [X_WING, QUICK] });
    const strong = await started(other.bundle, { offer: [X_WING, QUICK] });
    const { hello } = decodeBundleBody3(strong.body);
    expect(await codeOf(answered(weaker, encodeBundleBody3({ ...body, hello })))).toBe('handshake/bundle-suite');
  });
});

describe('a bundle is not made', () => {
  it.each<[string, Partial<BundleStartInput>]>([
    ['of RSA', { suite: RSA, suites: [RSA] }],
    ['beside RSA', { suites: [QUICK, RSA] }],
    ['of a suite that is not in its list', { suite: X_WING }],
    ['with a suite twice', { suites: [QUICK, QUICK] }],
    ['that has ended', { notAfterMs: NOW }],
    ['for more than 30 days', { notAfterMs: NOW + MAX_BUNDLE_LIFETIME_MS + 1 }],
    ['of nobody in particular', { credential: { kind: 'none', spki: bob.keyPair.spki } }],
    ['of a relay', { credential: relay.credential }],
    ['with a short id', { id: new Uint8Array(7) }],
  ])('%s', async (_what, change) => {
    expect(await codeOf(made(change))).toBe('handshake/invalid-argument');
  });

  it('when the card does not sign', async () => {
    const failing = hostOf(bob, {
      sign: () => {
        throw new SimsError('card/removed', 'the card is gone');
      },
    });
    const making = makeBundle(bundleInput(), { provider, suites: allSuites }, failing);
    expect(await codeOf(making)).toBe('card/removed');
  });
});

describe('the tables', () => {
  it('refuse every input that a state does not take, and take no other name', () => {
    const inputs = ['start', 'key-pair', 'signature', 'verified', 'refused', 'encapsulated', 'decapsulated', 'abort'];
    for (const type of [...inputs, 'toString', '__proto__', 'timer', 'message']) {
      const input = { type } as never;
      for (const [table, step] of [
        [BUNDLE_TRANSITIONS, (at: string) => stepBundle({ at } as never, input, { provider, suites: allSuites })],
        [PREKEY_INITIATOR_TRANSITIONS, (at: string) => stepPrekeyInitiator({ at } as never, input, context())],
        [PREKEY_RESPONDER_TRANSITIONS, (at: string) => stepPrekeyResponder({ at } as never, input, context())],
      ] as const) {
        for (const [at, row] of Object.entries(table as Readonly<Record<string, object>>)) {
          if (Object.hasOwn(row, type)) continue;
          expect(() => step(at)).toThrow(expect.objectContaining({ code: 'handshake/unexpected-input' }));
        }
      }
    }
    expect(bundleTakes(BUNDLE_START, 'start')).toBe(true);
    expect(bundleTakes(BUNDLE_START, 'signature')).toBe(false);
  });

  it('wipe what a step leaves behind, and bar its second use', async () => {
    const bundle = await made();
    const own = await started(bundle.bundle);
    const { state } = stepPrekeyResponder(PREKEY_RESPONDER_START, answerInput(bundle, own.body), context());
    const next = stepPrekeyResponder(state, { type: 'abort' }, context());
    expect(next.state.at).toBe('failed');
    expect(() => stepPrekeyResponder(state, { type: 'abort' }, context())).toThrow(
      expect.objectContaining({ code: 'handshake/state-spent' }),
    );
    // The stored secret was copied: it is as it was.
    expect(bundle.keyPair.decapsulationKey.some((byte) => byte !== 0)).toBe(true);
    const begun = stepPrekeyInitiator(PREKEY_INITIATOR_START, startInput(bundle.bundle), context());
    expect(stepPrekeyInitiator(begun.state, { type: 'abort' }, context()).state.at).toBe('failed');
  });
});
