import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equal, hex } from '../../src/bytes.ts';
import { ERRORS, SimsError, type ErrorCode } from '../../src/errors.ts';
import { answerOutput } from '../../src/handshake/answer.ts';
import { failureReason } from '../../src/handshake/failureReason.ts';
import { clientId, fingerprint, relayIdentityOf, safetyNumber } from '../../src/handshake/identity.ts';
import { INITIATOR_START, stepInitiator, type InitiatorInput } from '../../src/handshake/initiator.ts';
import { andThen, attempt } from '../../src/handshake/maybePromise.ts';
import { chooseSuite } from '../../src/handshake/negotiation.ts';
import { decodeParameters, encodeParameters } from '../../src/handshake/parameters.ts';
import { RESPONDER_START, stepResponder, type ResponderInput } from '../../src/handshake/responder.ts';
import { conceal } from '../../src/handshake/secrets.ts';
import { signedContent } from '../../src/handshake/signing.ts';
import { createCredentialVerifier } from '../../src/handshake/verification.ts';
import type { VerifyOutput } from '../../src/handshake/states.ts';
import { ERROR_REASONS } from '../../src/messages/reason.ts';
import { allSuites, defaultSuites } from '../../src/crypto/suites.ts';
import * as parties from './parties.ts';

const { alice, bob, mallory, provider, relay } = parties;
const sha256 = (...parts: Uint8Array[]): Uint8Array =>
  new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest());

describe('fingerprints and ids', () => {
  it('are those of section 1.2', () => {
    const { spki } = alice.keyPair;
    for (const [kind, number] of [
      ['none', 0],
      ['key', 1],
      ['certificate', 2],
      ['relay', 3],
    ] as const) {
      const input = Buffer.concat([
        Buffer.from('00000007', 'hex'),
        Buffer.from('SIMS id'),
        Buffer.from('00000001', 'hex'),
        Buffer.of(number),
        Buffer.from([0, 0, 0, spki.length]),
        spki,
      ]);
      const print = fingerprint(provider, kind, spki);
      expect(print).toEqual(sha256(input));
      expect(clientId(print)).toBe(Buffer.from(print.subarray(0, 20)).toString('base64url'));
      expect(clientId(print)).toHaveLength(27);
    }
    expect(relayIdentityOf(provider, spki)).toEqual(sha256(spki));
  });
});

describe('a safety number', () => {
  const own = new Uint8Array(32).fill(1);
  const peer = new Uint8Array(32).fill(2);

  it('is that of section 1.2, computed by other means', () => {
    const lp = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(0, 0, 0, bytes.length), bytes]);
    const input = Buffer.concat([lp(Buffer.from('SIMS 1 safety number')), lp(own), lp(peer)]);
    const digest = createHash('sha512').update(input).digest();
    const groups = Array.from({ length: 12 }, (_, group) =>
      (BigInt(`0x${digest.subarray(group * 5, group * 5 + 5).toString('hex')}`) % 100_000n).toString().padStart(5, '0'),
    );
    expect(safetyNumber(provider, own, peer)).toBe(groups.join(' '));
  });

  it('is the same on both sides, and another for any other party', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const number = safetyNumber(provider, own, bytes);
        expect(number).toMatch(/^(\d{5} ){11}\d{5}$/);
        expect(safetyNumber(provider, bytes, own)).toBe(number);
        if (!equal(bytes, peer)) expect(safetyNumber(provider, own, peer)).not.toBe(number);
      }),
      { numRuns: 50 },
    );
  });
});

describe('negotiation', () => {
  it('takes the responder’s order, not the initiator’s', () => {
    const reversed = allSuites.toReversed();
    const numbers = defaultSuites.map(({ number }) => number);
    expect(chooseSuite(numbers, allSuites)?.number).toBe(1);
    expect(chooseSuite(numbers, reversed)?.number).toBe(5);
    expect(chooseSuite([6, 2], allSuites)?.number).toBe(2);
    expect(chooseSuite([99], allSuites)).toBeUndefined();
    expect(chooseSuite([], allSuites)).toBeUndefined();
    expect(chooseSuite(numbers, [])).toBeUndefined();
  });
});

describe('what is signed', () => {
  it('begins with its purpose', () => {
    expect(hex(signedContent('phase 2', Uint8Array.of(0xff)))).toBe(
      `${Buffer.from('SIMS 1 phase 2').toString('hex')}00ff`,
    );
  });
});

describe('parameters', () => {
  const device = new Uint8Array(8).fill(5);

  it('go through as they are', () => {
    for (const [parameters, role] of [
      [{ device }, 'initiator'],
      [{ device, label: 'a' }, 'initiator'],
      [{ label: '' }, 'responder'],
    ] as const) {
      expect(decodeParameters(encodeParameters(parameters, 'hop', role), 'hop', role)).toEqual(parameters);
    }
    expect(encodeParameters({}, 'conversation', 'initiator').size).toBe(0);
  });

  it('of a peer are refused when malformed, and ignored when unknown', () => {
    for (const [entries, role] of [
      [[], 'initiator'],
      [[[0, new Uint8Array(9)]], 'initiator'],
      [[[0, 'eightchr']], 'initiator'],
      [
        [
          [0, device],
          [1, 7],
        ],
        'initiator',
      ],
      [
        [
          [0, device],
          [1, 'é'.repeat(128)],
        ],
        'initiator',
      ],
      [[], 'responder'],
      [[[0, device]], 'responder'],
    ] as [[number, unknown][], 'initiator' | 'responder'][]) {
      expect(() => decodeParameters(new Map(entries), 'hop', role)).toThrow(
        expect.objectContaining({ code: 'messages/field-invalid', fault: 'peer' }),
      );
    }
    expect(
      decodeParameters(
        new Map<number, unknown>([
          [0, device],
          [9, 1],
        ]),
        'hop',
        'initiator',
      ),
    ).toEqual({ device });
    expect(decodeParameters(new Map<number, unknown>([[9, 1]]), 'conversation', 'initiator')).toEqual({});
  });

  it('of a conversation are what was before it, of both sides, and nothing else', () => {
    for (const role of ['initiator', 'responder'] as const) {
      for (const length of [42, 56]) {
        const parameters = { previous: new Uint8Array(length) };
        const map = encodeParameters(parameters, 'conversation', role);
        expect([...map.keys()]).toEqual([0]);
        expect(decodeParameters(map, 'conversation', role)).toEqual(parameters);
      }
      for (const wrong of [new Uint8Array(41), new Uint8Array(57), 'x'.repeat(42), 1, null]) {
        expect(() => decodeParameters(new Map([[0, wrong]]), 'conversation', role)).toThrow(
          expect.objectContaining({ code: 'messages/field-invalid' }),
        );
      }
      expect(() => encodeParameters({ previous: new Uint8Array(42), device, label: '' }, 'hop', role)).toThrow(
        expect.objectContaining({ code: 'handshake/invalid-argument' }),
      );
    }
  });
});

describe('the verifier of credentials', () => {
  const content = Uint8Array.of(1, 2, 3);
  const request = (change: Partial<VerifyOutput>): VerifyOutput => ({
    type: 'verify',
    plane: 'conversation',
    role: 'initiator',
    credential: alice.credential,
    signedContent: content,
    signature: provider.sign(alice.keyPair, content),
    expected: {},
    ...change,
  });
  const certificate = {
    kind: 'certificate',
    chain: [Uint8Array.of(0x30, 0)],
    delegation: Uint8Array.of(1),
    delegationSignature: Uint8Array.of(2),
  } as const;

  it('refuses certificates where it was given nothing to verify them with', () => {
    const verify = createCredentialVerifier({ provider });
    expect(() => verify(request({ credential: certificate }))).toThrow(
      expect.objectContaining({ code: 'handshake/unsupported-credential', fault: 'local' }),
    );
  });

  it('takes long-term key, session key, name and end from the verifier of certificates, now or later', async () => {
    const facts = {
      longTermSpki: bob.keyPair.spki,
      signatureSpki: alice.keyPair.spki,
      name: 'Alice Example',
      verifiedUntilMs: 5,
    };
    const expected = {
      kind: 'certificate',
      fingerprint: fingerprint(provider, 'certificate', bob.keyPair.spki),
      name: 'Alice Example',
      verifiedUntilMs: 5,
      signatureKey: { spki: alice.keyPair.spki },
    };
    const asked = request({ credential: certificate });
    expect(createCredentialVerifier({ provider, verifyCertificate: () => facts })(asked)).toMatchObject(expected);
    const later = createCredentialVerifier({ provider, verifyCertificate: async () => facts })(asked);
    await expect(later).resolves.toMatchObject(expected);
    // The delegated key signs, not the card's.
    const swapped = { ...facts, signatureSpki: mallory.keyPair.spki };
    expect(() => createCredentialVerifier({ provider, verifyCertificate: () => swapped })(asked)).toThrow(
      expect.objectContaining({ code: 'handshake/authentication-failed' }),
    );
  });

  it('asks the verifier of relays only about relays', async () => {
    const asked: string[] = [];
    const verify = createCredentialVerifier({
      provider,
      verifyRelay: async ({ kind }) => {
        asked.push(kind);
        return { name: 'relay.example' };
      },
    });
    expect(verify(request({}))).toMatchObject({ kind: 'key' });
    const signature = provider.sign(relay.keyPair, content);
    const outcome = verify(request({ credential: relay.credential, signature, plane: 'hop' }));
    await expect(outcome).resolves.toMatchObject({ name: 'relay.example', relayIdentity: relay.relayIdentity });
    expect(asked).toEqual(['relay']);
  });

  it('tells a stranger from a forger', () => {
    const verify = createCredentialVerifier({ provider });
    const id = clientId(fingerprint(provider, 'key', mallory.keyPair.spki));
    expect(() => verify(request({ expected: { id } }))).toThrow(
      expect.objectContaining({ code: 'handshake/identity-mismatch', action: 'verify' }),
    );
    expect(() => verify(request({ signature: new Uint8Array(64) }))).toThrow(
      expect.objectContaining({ code: 'handshake/authentication-failed' }),
    );
    expect(() => verify(request({ signature: new Uint8Array(0) }))).toThrow(
      expect.objectContaining({ code: 'handshake/authentication-failed' }),
    );
  });
});

describe('what a side may say of a failure', () => {
  it('is one of the list for every code, and says no more of a peer’s fault', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const reason = failureReason(new SimsError(code, 'x'));
      expect(ERROR_REASONS).toContain(reason);
    }
    const reasonOf = (code: ErrorCode): string => failureReason(new SimsError(code, 'x'));
    expect(reasonOf('handshake/authentication-failed')).toBe('handshake-failed');
    expect(reasonOf('handshake/identity-mismatch')).toBe('handshake-failed');
    expect(reasonOf('handshake/no-common-suite')).toBe('no-common-suite');
    expect(reasonOf('handshake/unsupported-version')).toBe('unsupported-version');
    expect(reasonOf('handshake/unexpected-message')).toBe('unexpected');
    expect(reasonOf('handshake/timeout')).toBe('timeout');
    expect(reasonOf('handshake/rejected')).toBe('rejected');
    expect(reasonOf('codec/truncated')).toBe('malformed');
    expect(reasonOf('messages/field-missing')).toBe('malformed');
    expect(reasonOf('handshake/host-failed')).toBe('internal');
    expect(reasonOf('handshake/aborted')).toBe('internal');
  });
});

describe('small helpers', () => {
  it('concealed fields are read by name and not seen otherwise', () => {
    const object = conceal({ key: Uint8Array.of(1) }, { shown: 2 });
    expect(object.key).toEqual(Uint8Array.of(1));
    expect(Object.keys(object)).toEqual(['shown']);
    expect(structuredClone(object)).toEqual({ shown: 2 });
  });

  it('work is done at once where it can be, and promises of any make are awaited', async () => {
    expect(andThen(1, (value) => value + 1)).toBe(2);
    expect(
      attempt(
        () => 1,
        () => 2,
      ),
    ).toBe(1);
    const boom = (): number => {
      throw new Error('boom');
    };
    expect(attempt(boom, () => 2)).toBe(2);
    await expect(
      attempt(
        async () => boom(),
        () => 2,
      ),
    ).resolves.toBe(2);
    // eslint-disable-next-line unicorn/no-thenable -- a promise of another make is what is tested
    const thenable = { then: (next: (value: number) => void) => next(4) } as unknown as Promise<number>;
    const result = andThen(thenable, (value) => value + 1);
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toBe(5);
  });
});

describe('types', () => {
  it('let a host feed answers back without a cast, each to its own machine', () => {
    const context = parties.conversationContext();
    const { own, peer } = parties.pair('conversation', [parties.QUICK]);
    let state = INITIATOR_START;
    let queue: InitiatorInput[] = [own.start];
    const toPeer: Uint8Array[] = [];
    for (let input = queue.shift(); input !== undefined; input = queue.shift()) {
      const next = stepInitiator(state, input, context);
      state = next.state;
      for (const output of next.outputs) {
        if (output.type === 'send') toPeer.push(output.body);
        const answer = answerOutput(output, own.host);
        if (answer !== undefined && !(answer instanceof Promise)) queue = [...queue, answer];
      }
    }
    const first: ResponderInput = { type: 'message', phase: 1, body: toPeer[0]! };
    const { outputs } = stepResponder(RESPONDER_START, first, context);
    expect(outputs.map(({ type }) => type)).toEqual(['consent']);
    expect(outputs.map((output) => answerOutput(output, peer.host))).toEqual([undefined]);
  });
});
