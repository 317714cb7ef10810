import { constants, generateKeyPairSync, sign as nodeSign } from 'node:crypto';
import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { base64url, concat } from '../../src/bytes.ts';
import {
  CITIZEN_CARD_AUTHENTICATION,
  createPersonVerifier,
  createRelayCertificate,
  createRelayVerifier,
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  createTrustStore,
  type PersonVerifierOptions,
  type Signer,
  type TestPerson,
  type TestPki,
  type TrustStore,
} from '../../src/cc/index.ts';
import { createTestCertificate, type TestRevocation } from '../../src/cc/testPkiCertificate.ts';
import { createTestKey } from '../../src/cc/testPkiKeys.ts';
import { nobleProvider as provider } from '../../src/crypto/noble.ts';
import { clientId, fingerprint, relayIdentityOf } from '../../src/handshake/identity.ts';
import { signedContent } from '../../src/handshake/signing.ts';
import type { VerifyOutput } from '../../src/handshake/states.ts';
import {
  createCredentialVerifier,
  type VerifyCertificate,
  type VerifyRelay,
} from '../../src/handshake/verification.ts';
import { addressFromBytes, type Address } from '../../src/messages/address.ts';
import { decodeCredential, encodeCredential } from '../../src/messages/credential.ts';
import { codeOf, delegate, DEVICE, RELAY, signerOf, type Delegated } from './people.ts';

const NOW = Math.floor(Date.now() / 1000) * 1000;
const HOUR = 3_600_000;
let pki: TestPki;
let rui: TestPerson;
let eva: TestPerson;
let signer: Signer;
let trust: TrustStore;
let crls: readonly Uint8Array[];

const listsOf = async (revoked: readonly TestRevocation[] = []): Promise<readonly Uint8Array[]> => {
  const { authority, authentication, signature } = pki.hierarchies.get('v2')!;
  return await Promise.all([
    createTestPkiCrl(pki, pki.root, []),
    createTestPkiCrl(pki, authority, []),
    createTestPkiCrl(pki, authentication, revoked),
    createTestPkiCrl(pki, signature, []),
  ]);
};

beforeAll(async () => {
  pki = await createTestPki({ atMs: NOW, generations: ['v2'], authorityRsaBits: 2048 });
  rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
  eva = await createTestPerson(pki, { generation: 'v2', givenName: 'Eva', surname: 'Luz', civilNumber: '33333333' });
  signer = await signerOf(rui);
  trust = createTrustStore({ purpose: 'person', anchors: pki.anchors, intermediates: pki.intermediates });
  crls = await listsOf();
}, 30_000);

const verifier = (changes: Partial<PersonVerifierOptions> = {}): VerifyCertificate =>
  createPersonVerifier({ trust, profile: CITIZEN_CARD_AUTHENTICATION, crls, now: () => NOW, ...changes });

const content = Uint8Array.of(1, 2, 3);

/** What a handshake asks when this credential comes in phase 3 of a hop, or of a conversation. */
function request(made: Delegated, changes: Partial<VerifyOutput> = {}): VerifyOutput {
  const signedBytes = signedContent('phase 3', content);
  return {
    type: 'verify',
    plane: 'hop',
    role: 'initiator',
    credential: decodeCredential(encodeCredential(made.credential)),
    signedContent: signedBytes,
    signature: provider.sign(made.sessionKey, signedBytes),
    expected: {},
    device: DEVICE,
    relayIdentity: RELAY,
    ...changes,
  };
}

function addressOf(who: TestPerson, device = DEVICE): Address {
  const print = fingerprint(provider, 'certificate', who.key.spki);
  return addressFromBytes(concat(print.subarray(0, 20), device));
}

function conversation(made: Delegated, address: Address): VerifyOutput {
  const id = clientId(fingerprint(provider, 'certificate', rui.key.spki));
  const { device: _, ...rest } = request(made, { plane: 'conversation', address });
  return { ...rest, expected: { id: address.slice(0, 27) as typeof id } };
}

const verify = async (asked: VerifyOutput, certificate = verifier()): Promise<unknown> =>
  await createCredentialVerifier({ provider, verifyCertificate: certificate })(asked);

describe('a person with a certificate', () => {
  it('is known on a hop and in a conversation by the same fingerprint, with the name in the certificate', async () => {
    const made = await delegate(signer, { nowMs: NOW, highestLabel: 'verified' });
    const check = createCredentialVerifier({ provider, verifyCertificate: verifier() });
    const hop = await check(request(made));
    const talk = await check(conversation(made, addressOf(rui)));
    expect(hop).toMatchObject({
      kind: 'certificate',
      name: 'RUI SÁ',
      fingerprint: fingerprint(provider, 'certificate', rui.key.spki),
      signatureKey: { algorithm: 'Ed25519', spki: made.sessionKey.spki },
      verifiedUntilMs: NOW + 12 * HOUR,
    });
    expect(talk.fingerprint).toEqual(hop.fingerprint);
    expect(hop.person).toMatchObject({
      issuer: { name: expect.stringContaining('EC de Autenticação') },
      subject: { CN: ['RUI SÁ'], '2.5.4.3': ['RUI SÁ'], serialNumber: ['BI22222222'], C: ['PT'] },
      highestLabel: 'verified',
    });
    expect(hop.person!.issuer.fingerprint).toMatch(/^[0-9a-f]{64}$/u);
  });

  it('may sign with a session key of RSA or P-256', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (const { publicKey, privateKey } of [rsa, p256]) {
      const sessionSpki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
      const made = await delegate(signer, { nowMs: NOW, sessionSpki });
      const signature = nodeSign('sha256', signedContent('phase 3', content), {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: 32,
        dsaEncoding: 'ieee-p1363',
      });
      const asked = request(made, { signature: new Uint8Array(signature) });
      const check = createCredentialVerifier({ provider, verifyCertificate: verifier() });
      expect((await check(asked)).signatureKey.spki).toEqual(sessionSpki);
    }
  });

  it('does not print their attributes', async () => {
    const check = createCredentialVerifier({ provider, verifyCertificate: verifier() });
    const identity = await check(request(await delegate(signer, { nowMs: NOW })));
    for (const printed of [
      inspect(identity, { depth: 9 }),
      JSON.stringify(identity),
      JSON.stringify({ ...identity }),
    ]) {
      expect(printed).not.toContain('22222222');
    }
  });

  it('is verified until the delegation or the first certificate ends', async () => {
    const check = createCredentialVerifier({ provider, verifyCertificate: verifier() });
    const untilOf = async (made: Delegated): Promise<number | undefined> =>
      (await check(request(made))).verifiedUntilMs;
    expect(await untilOf(await delegate(signer, { nowMs: NOW, lifetimesMs: { hop: HOUR } }))).toBe(NOW + HOUR);
    const ending = await person({ notAfterMs: NOW + 2 * HOUR });
    expect(await untilOf(await delegate(await signerOf(ending), { nowMs: NOW }))).toBe(NOW + 2 * HOUR);
  });

  it('is refused with the code of what is wrong', async () => {
    const made = await delegate(signer, { nowMs: NOW });
    const revoked = await listsOf([{ serial: rui.serial, atMs: NOW - HOUR, reason: 1 }]);
    const expired = await delegate(await signerOf(await person({ notAfterMs: NOW - 1000 })), { nowMs: NOW });
    const signature = await createTestPerson(pki, {
      generation: 'v2',
      givenName: 'Rui',
      surname: 'Sá',
      civilNumber: '22222222',
      use: 'signature',
    });
    const bySignature = await delegate(await signerOf(signature), { nowMs: NOW });
    const foreign = await createTestPki({ atMs: NOW, generations: ['v2'], authorityRsaBits: 2048 });
    const strangers = createTrustStore({ purpose: 'person', anchors: foreign.anchors });
    const elsewhere = await delegate(signer, { nowMs: NOW, relayIdentity: new Uint8Array(32) });
    const other = await delegate(signer, { nowMs: NOW, device: new Uint8Array(8) });
    const forConversations = await delegate(signer, { nowMs: NOW, lifetimesMs: { conversation: HOUR } });
    const forPrekeys = await delegate(signer, { nowMs: NOW, lifetimesMs: { prekey: HOUR } });
    const old = await delegate(signer, { nowMs: NOW - 13 * HOUR });
    const forged = { ...made.credential, delegationSignature: made.signature.with(0, made.signature[0]! ^ 1) };
    const swapped = { ...made.credential, chain: eva.chain };
    const cases: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['no error', () => verify(request(made))],
      ['cc/revoked', () => verify(request(made), verifier({ crls: () => revoked }))],
      ['cc/revocation-unknown', () => verify(request(made), verifier({ crls: [] }))],
      ['no error', () => verify(request(made), verifier({ crls: [], revocation: 'soft' }))],
      ['cc/expired', () => verify(request(expired))],
      ['cc/wrong-purpose', () => verify(request(bySignature))],
      ['cc/untrusted', () => verify(request(made), verifier({ trust: strangers }))],
      ['cc/delegation-relay', () => verify(request(elsewhere))],
      ['cc/delegation-device', () => verify(request(other))],
      ['cc/delegation-purpose', () => verify(request(forConversations))],
      ['cc/delegation-purpose', () => verify({ ...conversation(made, addressOf(rui)), purpose: 'prekey' })],
      ['no error', () => verify({ ...conversation(forPrekeys, addressOf(rui)), purpose: 'prekey' })],
      ['cc/delegation-purpose', () => verify(conversation(forPrekeys, addressOf(rui)))],
      ['cc/delegation-expired', () => verify(request(old))],
      ['cc/delegation-signature', () => verify(request(made, { credential: forged }))],
      ['cc/delegation-certificate', () => verify(request(made, { credential: swapped }))],
      [
        'cc/malformed',
        () => verify(request(made, { credential: { ...made.credential, chain: [Uint8Array.of(0x30, 0)] } })),
      ],
      ['handshake/identity-mismatch', () => verify(conversation(made, addressOf(eva)))],
      ['cc/delegation-device', () => verify(conversation(made, addressOf(rui, new Uint8Array(8))))],
      ['handshake/authentication-failed', () => verify(request(made, { signature: new Uint8Array(64) }))],
    ];
    for (const [code, outcome] of cases) expect(await codeOf(outcome())).toBe(code);
  });

  it('is refused where the context does not tell relay or device', async () => {
    const made = await delegate(signer, { nowMs: NOW });
    const { relayIdentity: _, ...noRelay } = request(made);
    const { device: __, ...noDevice } = request(made);
    const { address: ___, ...noAddress } = conversation(made, addressOf(rui));
    expect(await codeOf(verify(noRelay))).toBe('cc/delegation-relay');
    expect(await codeOf(verify(noDevice))).toBe('cc/delegation-device');
    expect(await codeOf(verify(noAddress))).toBe('cc/delegation-device');
  });

  it('is looked at again, at the time of the call and with the lists of that time', async () => {
    let nowMs = NOW;
    let lists = crls;
    const check = createCredentialVerifier({
      provider,
      verifyCertificate: verifier({ now: () => nowMs, crls: () => lists }),
    });
    const asked = request(await delegate(signer, { nowMs: NOW }));
    const { recheck } = await check(asked);
    // The credential is a view of a message whose bytes may be used again.
    if (asked.credential.kind === 'certificate') for (const each of asked.credential.chain) each.fill(0);
    expect(await recheck!()).toBe(NOW + 12 * HOUR);
    lists = await listsOf([{ serial: rui.serial, atMs: NOW - HOUR, reason: 1 }]);
    expect(await codeOf(recheck!())).toBe('cc/revoked');
    lists = crls;
    nowMs = NOW + 12 * HOUR + 1;
    expect(await codeOf(recheck!())).toBe('cc/delegation-expired');
  });

  it('without a common name has the given names, and never a control character', async () => {
    const named = async (subject: readonly (readonly [string, string])[]): Promise<unknown> => {
      const odd = await person({ subject: subject as never });
      return await createCredentialVerifier({ provider, verifyCertificate: verifier() })(
        request(await delegate(await signerOf(odd), { nowMs: NOW })),
      );
    };
    expect(
      await named([
        ['C', 'PT'],
        ['surname', 'SÁ'],
        ['givenName', 'RUI'],
      ]),
    ).toMatchObject({ name: 'RUI SÁ' });
    expect(await named([['CN', 'A\u202e\u0007\nB']])).toMatchObject({ name: 'AB' });
    expect(await named([['C', 'PT']])).toMatchObject({ name: '' });
  });

  it('is never verified with anchors that are kept for relays', () => {
    const relays = createTrustStore({ purpose: 'relay', anchors: pki.anchors });
    expect(() => createPersonVerifier({ trust: relays })).toThrow(
      expect.objectContaining({ code: 'cc/invalid-argument' }),
    );
  });
});

describe('a relay with a certificate', () => {
  it('is taken for its name and key, under an anchor kept for relays', async () => {
    const key = await createTestKey('P-256');
    const chain = [
      await createTestCertificate({
        issuer: pki.root,
        subject: [['CN', 'relay']],
        spki: key.spki,
        notBeforeMs: NOW - HOUR,
        notAfterMs: NOW + HOUR,
        keyUsage: [0],
        extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'],
        names: ['relay.example'],
      }),
    ];
    const relays = createTrustStore({ purpose: 'relay', anchors: pki.anchors });
    const check = (host: string): VerifyRelay =>
      createRelayVerifier({ trust: relays, host, crls, revocation: 'none', now: () => NOW });
    const shown = { kind: 'relay', spki: key.spki, chain } as const;
    const ask = {} as VerifyOutput;
    expect(await check('relay.example')(shown, ask)).toEqual({ name: 'relay.example', verifiedUntilMs: NOW + HOUR });
    // Common names count for nothing.
    expect(await codeOf(Promise.resolve(check('relay')(shown, ask)))).toBe('cc/name-mismatch');
    expect(await codeOf(Promise.resolve(check('relay')({ ...shown, spki: rui.key.spki }, ask)))).toBe(
      'cc/relay-key-mismatch',
    );
    expect(() => createRelayVerifier({ trust, host: 'relay' })).toThrow(
      expect.objectContaining({ code: 'cc/invalid-argument' }),
    );
  });

  it('that signed for itself is taken only where that very certificate is an anchor', async () => {
    const keyPair = provider.generateSignatureKeyPair('Ed25519', provider.random);
    const make = (names: readonly string[]): Promise<Uint8Array> =>
      createRelayCertificate({
        keyPair,
        names,
        notBeforeMs: NOW - HOUR,
        notAfterMs: NOW + HOUR,
        sign: (bytes) => provider.sign(keyPair, bytes),
      });
    const certificate = await make(['relay.example', '127.0.0.1']);
    const shown = { kind: 'relay', spki: keyPair.spki, chain: [certificate] } as const;
    const check = (anchors: readonly Uint8Array[], host: string): VerifyRelay =>
      createRelayVerifier({ trust: createTrustStore({ purpose: 'relay', anchors }), host, now: () => NOW });
    const signedBytes = signedContent('phase 2', content);
    const asked: VerifyOutput = {
      type: 'verify',
      plane: 'hop',
      role: 'responder',
      credential: shown,
      signedContent: signedBytes,
      signature: provider.sign(keyPair, signedBytes),
      expected: {},
    };
    for (const host of ['relay.example', '127.0.0.1']) {
      const identity = await createCredentialVerifier({ provider, verifyRelay: check([certificate], host) })(asked);
      expect(identity).toMatchObject({ kind: 'relay', name: host, verifiedUntilMs: NOW + HOUR });
      expect(identity.relayIdentity).toEqual(relayIdentityOf(provider, keyPair.spki));
    }
    const outcome = async (verifyRelay: VerifyRelay): Promise<string> =>
      await codeOf(Promise.resolve(createCredentialVerifier({ provider, verifyRelay })(asked)));
    expect(await outcome(check([certificate], 'other.example'))).toBe('cc/name-mismatch');
    expect(await outcome(check([await make(['other.example'])], 'relay.example'))).toBe('cc/untrusted');
    expect(await outcome(check(pki.anchors, 'relay.example'))).toBe('cc/untrusted');
  });
});

async function person(changes: object): Promise<TestPerson> {
  return await createTestPerson(pki, {
    generation: 'v2',
    givenName: 'Rui',
    surname: 'Sá',
    civilNumber: '22222222',
    changes,
  });
}

it('an address ends with the device as base64url', () => {
  expect(addressOf(rui).slice(28)).toBe(base64url(DEVICE));
});
