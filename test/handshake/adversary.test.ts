/** What the relay, or a party with a credential of its own, may try. */
// oxlint-disable vitest/expect-expect -- expectError is what asserts
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import type { ConversationContext } from '../../src/handshake/context.ts';
import { contextBytes } from '../../src/handshake/context.ts';
import { signedContent } from '../../src/handshake/signing.ts';
import type { SendOutput, VerifyOutput } from '../../src/handshake/states.ts';
import { absorb, startTranscript } from '../../src/handshake/transcript.ts';
import { createCredentialVerifier } from '../../src/handshake/verification.ts';
import { encodeCredential } from '../../src/messages/credential.ts';
import * as bodies from '../../src/messages/handshakeBodies.ts';
import * as parties from './parties.ts';

const { alice, bob, conversationContext, hopContext, mallory, pair, person, provider, QUICK, relay, run, until } =
  parties;

function expectError(party: parties.Party, code: ErrorCode): void {
  expect(party.error).toMatchObject({ code });
  expect(parties.bytesWithin(party.state)).toEqual([]);
  expect(party.outputs.some(({ type }) => type === 'established')).toBe(false);
}

function pairIn(own: ConversationContext, peer: ConversationContext): parties.Pair {
  return {
    own: new parties.Party('initiator', { context: own, self: alice, suites: [QUICK] }),
    peer: new parties.Party('responder', { context: peer, self: bob, suites: [QUICK] }),
  };
}

/** A phase 2 made by someone who has keys and ill will: everything is signed as it should be. */
function forgePhase2(
  own: parties.Party,
  first: SendOutput,
  by: parties.Person,
  changes: Partial<bodies.Core> = {},
): SendOutput {
  const keyPair = own.context.suites.find(({ name }) => name === QUICK)!.kem.generateKeyPair(parties.seeded('forged'));
  if (keyPair instanceof Promise) throw new Error('an asynchronous KEM');
  const core = bodies.encodeCore({
    version: 1,
    nonce: new Uint8Array(32),
    suite: 3,
    encapsulationKey: keyPair.encapsulationKey,
    credential: encodeCredential(by.credential),
    ...changes,
  });
  const trR = absorb(
    provider,
    absorb(provider, startTranscript(provider, contextBytes(own.context)), first.body),
    core,
  );
  const signature = provider.sign(by.keyPair, signedContent('phase 2', trR));
  return { type: 'send', phase: 2, body: bodies.encodeBody2({ core, signature }) };
}

describe('a context that differs', () => {
  const views: [string, Partial<ConversationContext>][] = [
    ['the relay identity', { relayIdentity: mallory.relayIdentity }],
    ['the label of the initiator', { initiatorLabel: 'secret' }],
    ['the label of the responder', { responderLabel: 'open' }],
    ['the labels, moved from one to the other', { initiatorLabel: 'ope', responderLabel: 'nverified' }],
    ['the address of the initiator', { initiator: mallory.address }],
    [
      'the device of the initiator',
      { initiator: (person('alice').address.slice(0, 28) + bob.address.slice(28)) as never },
    ],
  ];
  it.each(views)('in %s ends at the initiator, which shows nothing of itself', (_what, change) => {
    const { own, peer } = pairIn(conversationContext(), conversationContext(change));
    const [first] = own.feed(own.start);
    const [second] = peer.message(first!);
    expect(own.message(second!)).toEqual([]);
    expectError(own, 'handshake/authentication-failed');
    expect(own.outputs.map(({ type }) => type)).not.toContain('encapsulate');
  });

  it('in the label of the responder does no harm while the initiator learns it with phase 2', () => {
    const { own, peer } = pairIn(conversationContext({ responderLabel: '' }), conversationContext());
    const [first] = own.feed(own.start);
    const [second] = peer.message(first!);
    Object.assign(own, { context: conversationContext() });
    own.message(peer.message(own.message(second!)[0]!)[0]!);
    expect(own.state.at).toBe('confirmed');
  });

  it('in the address of the responder ends at the initiator: the credential is not that of the address', () => {
    const { own, peer } = pairIn(conversationContext({ responder: mallory.address }), conversationContext());
    const [first] = own.feed(own.start);
    own.message(peer.message(first!)[0]!);
    expectError(own, 'handshake/identity-mismatch');
  });

  it('in the plane ends the handshake: a relay cannot use a hop for a conversation', () => {
    const own = new parties.Party('initiator', { context: hopContext(), self: alice, suites: [QUICK] });
    const peer = new parties.Party('responder', { context: conversationContext(), self: bob, suites: [QUICK] });
    const [first] = own.feed(own.start);
    own.message(peer.message(first!)[0]!);
    expectError(own, 'handshake/credential-kind');
  });
});

describe('a downgrade', () => {
  const strong = 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256';
  const both = (): parties.Pair => pair('conversation', [strong, QUICK]);

  it.each([
    ['suites taken out', { suites: [3] }],
    ['suites in another order', { suites: [3, 1] }],
    ['suites added', { suites: [1, 3, 5] }],
    ['versions added', { versions: [1, 2] }],
  ])('by an offer with %s ends at the initiator', (_what, change) => {
    const { own, peer } = both();
    const [first] = own.feed(own.start);
    const body = bodies.encodeBody1({ ...bodies.decodeBody1(first!.body), ...change });
    const [second] = peer.message({ ...first!, body });
    own.message(second!);
    expectError(own, 'handshake/authentication-failed');
  });

  it('by another suite in the answer ends at the initiator', () => {
    for (const [suite, code] of [
      [3, 'handshake/authentication-failed'],
      [6, 'handshake/suite-not-offered'],
      [99, 'handshake/suite-not-offered'],
    ] as const) {
      const { own, peer } = both();
      const [first] = own.feed(own.start);
      const { core, signature } = bodies.decodeBody2(peer.message(first!)[0]!.body);
      const altered = bodies.encodeCore({ ...bodies.decodeCore(core), suite });
      own.message({ type: 'send', phase: 2, body: bodies.encodeBody2({ core: altered, signature }) });
      expectError(own, code);
    }
  });

  it('is refused even from the responder itself', () => {
    const { own, last } = until(1);
    own.message(forgePhase2(own, last, bob, { suite: 6 }));
    expectError(own, 'handshake/suite-not-offered');
    const other = until(1);
    other.own.message(forgePhase2(other.own, other.last, bob, { version: 2 }));
    expectError(other.own, 'handshake/unsupported-version');
  });

  it('does not come of unknown versions and suites: they are passed over, or named as what failed', () => {
    const offer = (change: object): parties.Party => {
      const { peer, last } = until(1);
      peer.message({ ...last, body: bodies.encodeBody1({ ...bodies.decodeBody1(last.body), ...change }) });
      return peer;
    };
    expect(offer({ suites: [31, 3, 77], versions: [9, 1] }).state.at).toBe('awaiting-phase-3');
    expectError(offer({ suites: [31, 77] }), 'handshake/no-common-suite');
    expectError(offer({ suites: [] }), 'handshake/no-common-suite');
    expectError(offer({ suites: [1] }), 'handshake/no-common-suite');
    expectError(offer({ versions: [2] }), 'handshake/unsupported-version');
    expectError(offer({ versions: [] }), 'handshake/unsupported-version');
  });
});

describe('a stranger', () => {
  it('cannot answer in place of the one who was asked', () => {
    const { own, last } = until(1);
    own.message(forgePhase2(own, last, mallory));
    expectError(own, 'handshake/identity-mismatch');
  });

  it('cannot answer under the right credential without its key', () => {
    const { own, last } = until(1);
    own.message(forgePhase2(own, last, { ...mallory, credential: bob.credential }));
    expectError(own, 'handshake/authentication-failed');
  });

  it('cannot pass the same key off as another kind', () => {
    const { own, last } = until(1);
    const other = { kind: 'key', spki: bob.keyPair.spki } as const;
    own.message(forgePhase2(own, last, { ...bob, credential: other }));
    expectError(own, 'handshake/identity-mismatch');
  });

  it('cannot put its name to a handshake of someone else (unknown key share)', () => {
    // Alice asks Bob; Mallory passes it on as her own, and Bob's answer back to Alice.
    const asMallory = conversationContext({ initiator: mallory.address });
    const { own, peer } = pairIn(conversationContext(), asMallory);
    const [first] = own.feed(own.start);
    const [second] = peer.message(first!);
    own.message(second!);
    expectError(own, 'handshake/authentication-failed');
    // Nor can she answer Alice herself with Bob's key, and pass phase 3 on to Bob.
    const again = pairIn(conversationContext({ responder: mallory.address }), asMallory);
    const [asked] = again.own.feed(again.own.start);
    const [answered] = again.peer.message(asked!);
    const { encapsulationKey } = bodies.decodeCore(bodies.decodeBody2(answered!.body).core);
    const [third] = again.own.message(forgePhase2(again.own, asked!, mallory, { encapsulationKey }));
    expect(again.own.state.at).toBe('awaiting-phase-4');
    again.peer.message(third!);
    expectError(again.peer, 'handshake/authentication-failed');
  });

  it('cannot open a handshake under an address that is not its own', () => {
    const own = new parties.Party('initiator', { context: conversationContext(), self: mallory, suites: [QUICK] });
    const peer = new parties.Party('responder', { context: conversationContext(), self: bob, suites: [QUICK] });
    run({ own, peer });
    expectError(peer, 'handshake/identity-mismatch');
  });

  it('is refused by the machines too, should a verifier forget whom to expect', () => {
    const forgetful = createCredentialVerifier({ provider });
    const host = { verifyCredential: (request: VerifyOutput) => forgetful({ ...request, expected: {} }) };
    const { own, last } = until(1);
    Object.assign(own.host, host);
    own.message(forgePhase2(own, last, mallory));
    expectError(own, 'handshake/identity-mismatch');
    const context = conversationContext();
    const asker = new parties.Party('initiator', { context, self: mallory, suites: [QUICK] });
    const peer = new parties.Party('responder', { context, self: bob, suites: [QUICK], host });
    run({ own: asker, peer });
    expectError(peer, 'handshake/identity-mismatch');
    const client = new parties.Party('initiator', { context: hopContext(mallory.relayIdentity), self: alice, host });
    run({ own: client, peer: pair('hop').peer });
    expectError(client, 'handshake/identity-mismatch');
  });

  it('cannot open a handshake with the right credential and no key to it', () => {
    const { own, peer, last } = until(2);
    Object.assign(own.host, {
      sign: (request: { toBeSigned: Uint8Array }) => provider.sign(mallory.keyPair, request.toBeSigned),
    });
    peer.message(own.message(last)[0]!);
    expectError(peer, 'handshake/authentication-failed');
  });
});

describe('replay and reflection', () => {
  it('of an answer from another handshake ends at the initiator', () => {
    const old = until(2);
    const own = pair('conversation', [QUICK], 'new').own;
    own.feed(own.start);
    own.message(old.last);
    expectError(own, 'handshake/authentication-failed');
  });

  it('of phases 1 and 3 from another handshake ends at the responder', () => {
    const old = pair('conversation', [QUICK]);
    const [first, , third] = run(old);
    const { peer } = pair('conversation', [QUICK], 'new');
    const [second] = peer.message(first!);
    expect(second).toBeDefined();
    peer.message(third!);
    expectError(peer, 'handshake/authentication-failed');
  });

  it('of phase 4 from another handshake ends at the initiator, whose keys were the host’s already', () => {
    const old = run(pair('conversation', [QUICK]));
    const { own, peer } = pair('conversation', [QUICK], 'new');
    const [first] = own.feed(own.start);
    own.message(peer.message(first!)[0]!);
    own.message(old[3]!);
    expect(own.error?.code).toBe('handshake/authentication-failed');
    expect(own.outputs.some(({ type }) => type === 'confirmed')).toBe(false);
  });

  it('of one’s own messages is out of turn', () => {
    const { own, peer, last } = until(3);
    own.message(last);
    expect(own.error?.code).toBe('handshake/unexpected-message');
    const [fourth] = peer.message(last);
    const again = until(2).peer;
    again.message(fourth!);
    expectError(again, 'handshake/unexpected-message');
  });

  it('under one’s own id is refused on both sides, whatever the device', () => {
    const other = (alice.address.slice(0, 28) + bob.address.slice(28)) as typeof alice.address;
    for (const responder of [alice.address, other]) {
      const context = conversationContext({ responder });
      const own = new parties.Party('initiator', { context, self: alice, suites: [QUICK] });
      own.feed(own.start);
      expectError(own, 'handshake/own-identity');
      const peer = new parties.Party('responder', { context, self: alice, suites: [QUICK] });
      peer.message(until(1).last);
      expectError(peer, 'handshake/own-identity');
      expect(peer.outputs).toEqual([]);
    }
  });
});

describe('a relay', () => {
  it('that does not have the pinned key is refused', () => {
    const own = new parties.Party('initiator', { context: hopContext(mallory.relayIdentity), self: alice });
    const peer = new parties.Party('responder', { context: hopContext(), self: relay });
    own.message(peer.message(own.feed(own.start)[0]!)[0]!);
    expectError(own, 'handshake/identity-mismatch');
  });

  it('is taken on first use where nothing is pinned, and says what to pin', () => {
    const { peer } = pair('hop', [QUICK]);
    const context = parties.hopContext(undefined);
    const { relayIdentity: _absent, ...unpinned } = context as { relayIdentity?: Uint8Array } & typeof context;
    const own = new parties.Party('initiator', { context: unpinned as typeof context, self: alice, suites: [QUICK] });
    run({ own, peer });
    expect(own.established.peer.relayIdentity).toEqual(relay.relayIdentity);
  });

  it('never passes as a person, nor a person as a relay', () => {
    const { own, last } = until(1, 'hop');
    own.message(forgePhase2(own, last, mallory));
    expectError(own, 'handshake/credential-kind');
    const talk = until(1);
    talk.own.message(forgePhase2(talk.own, talk.last, relay));
    expectError(talk.own, 'handshake/credential-kind');
    for (const plane of ['hop', 'conversation'] as const) {
      const { own: asker, peer } = pair(plane, [QUICK]);
      const [first] = asker.feed(asker.start);
      const state = asker.state as Extract<typeof asker.state, { at: 'awaiting-phase-2' }>;
      const said = bodies.decodeInitiatorIntroduction(state.own.introduction);
      const introduction = bodies.encodeInitiatorIntroduction({
        ...said,
        credential: encodeCredential(relay.credential),
      });
      asker.state = { ...state, own: { ...state.own, introduction } };
      peer.message(asker.message(peer.message(first!)[0]!)[0]!);
      expectError(peer, 'handshake/credential-kind');
    }
  });

  it('cannot be asked to, or to answer as a person: a caller’s mistake', () => {
    for (const plane of ['hop', 'conversation'] as const) {
      const party = new parties.Party('initiator', { context: parties.contextOf(plane), self: relay });
      expect(() => party.feed(party.start)).toThrow(expect.objectContaining({ code: 'handshake/invalid-argument' }));
      const self = plane === 'hop' ? bob : relay;
      const answering = new parties.Party('responder', { context: parties.contextOf(plane), self });
      expect(() => answering.message(until(1, plane).last)).toThrow(
        expect.objectContaining({ code: 'handshake/invalid-argument' }),
      );
    }
  });
});

describe('a key', () => {
  const LOW_ORDER = Uint8Array.of(1, ...new Uint8Array(31));

  it.each([
    ['of low order', LOW_ORDER],
    ['of zeros', new Uint8Array(32)],
    ['too short', new Uint8Array(31).fill(9)],
    ['too long', new Uint8Array(33).fill(9)],
    ['empty', new Uint8Array(0)],
  ])('to encapsulate to, %s, is refused', (_what, encapsulationKey) => {
    const { own, last } = until(1);
    own.message(forgePhase2(own, last, bob, { encapsulationKey }));
    expectError(own, 'handshake/peer-key-invalid');
  });

  it.each([
    ['of low order', LOW_ORDER],
    ['too short', new Uint8Array(31).fill(9)],
    ['empty', new Uint8Array(0)],
  ])('in place of a ciphertext, %s, is refused', (_what, ciphertext) => {
    const { peer, last } = until(3);
    const { box } = bodies.decodeBody3(last.body);
    peer.message({ ...last, body: bodies.encodeBody3({ ciphertext, box }) });
    expectError(peer, 'handshake/peer-key-invalid');
  });

  it('to sign with, of low order or malformed, is refused', () => {
    for (const spki of [
      Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), LOW_ORDER]),
      mallory.keyPair.spki.subarray(0, 43),
      new Uint8Array(0),
    ]) {
      const context = conversationContext();
      const { own, last } = until(1);
      own.message(forgePhase2(own, last, { ...bob, credential: { kind: 'none', spki } }));
      // Its id is not the one in the address, which is looked at first.
      expectError(own, 'handshake/identity-mismatch');
      expect(context.responder).toBe(bob.address);
      const hop = until(1, 'hop');
      const free = { ...hop.own.context };
      delete (free as { relayIdentity?: Uint8Array }).relayIdentity;
      const party = new parties.Party('initiator', { context: free, self: alice, suites: [QUICK] });
      const [first] = party.feed(party.start);
      const credential = { kind: 'relay', spki, chain: [Uint8Array.of(0)] } as const;
      party.message(forgePhase2(party, first!, { ...relay, credential }));
      expectError(party, 'handshake/peer-key-invalid');
    }
  });
});

describe('a caller’s mistake', () => {
  it.each([
    ['nonce', { nonce: new Uint8Array(31) }],
    ['box randomness', { boxRandomness: new Uint8Array(6) }],
    ['an empty offer', { offer: [] }],
    ['a suite twice', { offer: [QUICK, QUICK] }],
    ['an unknown suite', { offer: ['NONE' as typeof QUICK] }],
    ['no device on a hop', { parameters: {} }],
    ['a device of a wrong length', { parameters: { device: new Uint8Array(7) } }],
    ['a label over its limit', { parameters: { device: new Uint8Array(8), label: 'x'.repeat(256) } }],
  ])('in %s throws at the start and changes nothing', (_what, change) => {
    const { own } = pair('hop', [QUICK]);
    expect(() => own.feed({ ...own.start, ...change })).toThrow(
      expect.objectContaining({ code: 'handshake/invalid-argument', fault: 'caller' }),
    );
    expect(own.state.at).toBe('idle');
  });

  it('in a name throws at the start, not at phase 3', () => {
    const { own } = pair('hop', [QUICK]);
    expect(() => own.feed({ ...own.start, name: 'x'.repeat(129) })).toThrow(
      expect.objectContaining({ code: 'messages/invalid-message' }),
    );
    expect(() => own.feed({ ...own.start, name: '\ud800' })).toThrow(
      expect.objectContaining({ code: 'codec/lone-surrogate' }),
    );
  });

  it('in a conversation: a server name or parameters throw', () => {
    const { own } = pair('conversation', [QUICK]);
    for (const change of [{ serverName: 'a' }, { parameters: { label: 'a' } }]) {
      expect(() => own.feed({ ...own.start, ...change })).toThrow(
        expect.objectContaining({ code: 'handshake/invalid-argument' }),
      );
    }
  });

  it('in finish throws, and the handshake can still be finished', () => {
    const { peer, last } = until(3, 'hop');
    const { finish } = peer;
    peer.finish = () => undefined;
    peer.message(last);
    for (const bad of [{ parameters: {} }, { name: 'x'.repeat(129) }, { nowMs: Number.NaN }]) {
      expect(() => peer.feed({ type: 'finish', name: '', parameters: { label: '' }, nowMs: 0, ...bad })).toThrow(
        expect.objectContaining({ fault: 'caller' }),
      );
    }
    expect(peer.feed(finish()!).map(({ phase }) => phase)).toEqual([4]);
    expect(peer.state.at).toBe('established');
  });

  it('in an identity of another credential throws', () => {
    const elsewhere = until(3).own.established.peer;
    const { own, last } = until(2, 'hop');
    own.answer = () => undefined;
    own.message(last);
    expect(() => own.feed({ type: 'verified', identity: elsewhere })).toThrow(
      expect.objectContaining({ code: 'handshake/invalid-argument' }),
    );
    expect(own.state.at).toBe('verifying');
  });
});
