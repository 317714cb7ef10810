import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { SimsError } from '../../src/errors.ts';
import { utf8 } from '../../src/bytes.ts';
import { abortError, chooseAlgorithm, untilAborted, type Signer } from '../../src/cc/signer.ts';
import { chainFrom, isForAuthentication, readSignerCertificate } from '../../src/cc/signerCertificate.ts';
import { isSignatureOf } from '../../src/cc/signerKey.ts';
import { createTestPerson, createTestPki, type TestPerson, type TestPki } from '../../src/cc/testPki.ts';
import { createTestKey, type TestKeyKind } from '../../src/cc/testPkiKeys.ts';
import { webCryptoSigner } from '../../src/cc/webCryptoSigner.ts';
import { createRelayCertificate } from '../../src/cc/create.ts';
import { signerChecks, testSigner } from '../../src/testing/signerConformance.ts';

let pki: TestPki;
let rui: TestPerson;

beforeAll(async () => {
  pki = await createTestPki({ atMs: Date.now(), authorityRsaBits: 2048, generations: ['v2'] });
  rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
});

function ecdsa(person: TestPerson, usages: KeyUsage[] = ['sign']): Promise<CryptoKey> {
  const curve = { name: 'ECDSA', namedCurve: person.key.kind };
  return crypto.subtle.importKey('pkcs8', person.key.privateKey.slice(), curve, false, usages);
}

describe('a signer from a WebCrypto key', () => {
  it('passes the conformance suite on every curve and with RSA', async () => {
    for (const kind of ['P-256', 'P-384', 'P-521'] as const satisfies TestKeyKind[]) {
      const key = await createTestKey(kind);
      const person = await createTestPerson(pki, {
        generation: 'v2',
        givenName: 'A',
        surname: 'B',
        civilNumber: '1',
        key,
      });
      const signer = await webCryptoSigner({ privateKey: await ecdsa(person), chain: person.chain });
      expect(signer.algorithms).toEqual([{ 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[kind]]);
      await testSigner(signer);
    }
    const key = await createTestKey('RSA-2048');
    const { chain } = await createTestPerson(pki, {
      generation: 'v2',
      givenName: 'A',
      surname: 'B',
      civilNumber: '1',
      key,
    });
    for (const [name, algorithm] of [
      ['RSA-PSS', 'PS256'],
      ['RSASSA-PKCS1-v1_5', 'RS256'],
    ] as const) {
      const parameters = { name, hash: 'SHA-256' };
      const privateKey = await crypto.subtle.importKey('pkcs8', key.privateKey.slice(), parameters, false, ['sign']);
      const signer = await webCryptoSigner({ privateKey, chain });
      expect(signer.algorithms).toEqual([algorithm]);
      await testSigner(signer);
    }
  });

  it('passes it with Ed25519', async () => {
    const pair = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
    const certificate = await createRelayCertificate({
      keyPair: { algorithm: 'Ed25519', spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)) },
      names: ['somebody.test'],
      notBeforeMs: 0,
      notAfterMs: 1e12,
      sign: async (bytes) => new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, bytes.slice())),
    });
    const signer = await webCryptoSigner({ privateKey: pair.privateKey, chain: [certificate] });
    expect(signer.algorithms).toEqual(['EdDSA']);
    await testSigner(signer);
  });

  it('finds a certificate of another key, a key of another kind, and none', async () => {
    const other = await createTestPerson(pki, { generation: 'v2', givenName: 'Eva', surname: 'Luz', civilNumber: '3' });
    const privateKey = await ecdsa(rui);
    await expect(webCryptoSigner({ privateKey, chain: other.chain })).rejects.toMatchObject({
      code: 'card/key-mismatch',
    });
    await expect(webCryptoSigner({ privateKey, chain: pki.anchors })).rejects.toMatchObject({ code: 'card/mechanism' });
    for (const chain of [[], [new Uint8Array(0)], [utf8('no certificate')]]) {
      await expect(webCryptoSigner({ privateKey, chain })).rejects.toMatchObject({ code: 'cc/invalid-argument' });
    }
  });

  it('shows no key when it is printed, and is closed for good', async () => {
    const signer = await webCryptoSigner({ privateKey: await ecdsa(rui), chain: rui.chain });
    expect(inspect(signer, { depth: 9 })).not.toMatch(/CryptoKey|private/);
    await signer.close();
    await signer.close();
    await expect(signer.sign(utf8('x'))).rejects.toMatchObject({ code: 'card/closed' });
  });
});

describe('the conformance suite', () => {
  it('names what a bad signer does wrong', async () => {
    const good = await webCryptoSigner({ privateKey: await ecdsa(rui), chain: rui.chain });
    const other = await createTestPerson(pki, { generation: 'v2', givenName: 'Eva', surname: 'Luz', civilNumber: '3' });
    const bad: [Partial<Signer>, RegExp][] = [
      [{ chain: [] }, /readable certificate/],
      [{ chain: [rui.certificate, utf8('?')] }, /element 1 of the chain/],
      [{ chain: other.chain }, /does not verify/],
      [{ algorithms: [] }, /no algorithm/],
      [{ algorithms: ['ES256', 'ES256'] }, /twice/],
      [{ algorithms: ['ES256', 'RS256'] }, /RS256 does not fit/],
      [{ sign: async (bytes) => ({ algorithm: 'ES256', signature: bytes }) }, /does not verify/],
      [{ sign: (bytes) => good.sign(bytes) }, /card\/mechanism was expected/],
      [
        { sign: (bytes, { algorithm } = {}) => good.sign(bytes, algorithm === undefined ? {} : { algorithm }) },
        /card\/cancelled was expected/,
      ],
      [{ sign: (bytes, options) => good.sign(bytes, options).finally(() => bytes.fill(0)) }, /input was changed/],
    ];
    for (const [change, message] of bad) {
      await expect(testSigner({ ...good, ...change }), String(message)).rejects.toThrow(message);
    }
    await testSigner(good);
    expect(signerChecks.length).toBeGreaterThan(5);
  });
});

describe('what signers share', () => {
  it('is the choice of an algorithm', () => {
    expect(chooseAlgorithm(['PS256', 'RS256'], undefined)).toBe('PS256');
    expect(chooseAlgorithm(['PS256', 'RS256'], 'RS256')).toBe('RS256');
    expect(() => chooseAlgorithm(['PS256'], 'ES256')).toThrow(SimsError);
    expect(() => chooseAlgorithm([], undefined)).toThrow(SimsError);
  });

  it('is the meaning of an abort', () => {
    expect(abortError(AbortSignal.abort()).code).toBe('card/cancelled');
    expect(abortError(AbortSignal.abort('why not')).code).toBe('card/cancelled');
    expect(abortError(AbortSignal.abort(new DOMException('', 'TimeoutError'))).code).toBe('card/timeout');
    expect(abortError(AbortSignal.abort(new SimsError('card/closed', ''))).code).toBe('card/closed');
  });

  it('is waiting no longer than a signal allows', async () => {
    const controller = new AbortController();
    const waiting = untilAborted(new Promise(() => undefined), controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'card/cancelled' });
    expect(await untilAborted(Promise.resolve(1), new AbortController().signal)).toBe(1);
    expect(await untilAborted(Promise.resolve(2), undefined)).toBe(2);
  });

  it('is reading certificates, of which any bytes are no reason to fail', async () => {
    const read = readSignerCertificate(rui.certificate)!;
    expect([read.commonName, read.keyKind, read.isCa, isForAuthentication(read)]).toEqual([
      'RUI SÁ',
      'P-256',
      false,
      true,
    ]);
    for (let length = 0; length < rui.certificate.length; length += 3) {
      expect(readSignerCertificate(rui.certificate.subarray(0, length))).toBeUndefined();
    }
    let unreadable = 0;
    for (let at = 0; at < rui.certificate.length; at += 1) {
      const changed = readSignerCertificate(rui.certificate.with(at, rui.certificate[at]! ^ 0xff));
      if (changed === undefined) unreadable += 1;
    }
    expect(unreadable).toBeGreaterThan(0);
    const { signature, algorithm } = await (
      await webCryptoSigner({ privateKey: await ecdsa(rui), chain: rui.chain })
    ).sign(utf8('x'));
    expect(await isSignatureOf(read.spki, algorithm, utf8('x'), signature)).toBe(true);
    expect(await isSignatureOf(read.spki, algorithm, utf8('y'), signature)).toBe(false);
    expect(await isSignatureOf(read.spki, 'RS256', utf8('x'), signature)).toBe(false);
  });

  it('is building chains that end, also among certificates that name each other', () => {
    const [leaf, below, above] = rui.chain.map((der) => readSignerCertificate(der)!);
    const root = readSignerCertificate(pki.root.certificate)!;
    expect(chainFrom(leaf!, [root, above!, below!])).toEqual([leaf, below, above]);
    const one = { ...below!, issuer: above!.subject };
    const two = { ...above!, issuer: below!.subject };
    expect(chainFrom(leaf!, [one, two])).toEqual([leaf, one, two]);
    const many = Array.from({ length: 20 }, (_, index) => ({
      ...below!,
      subject: Uint8Array.of(index),
      issuer: Uint8Array.of(index + 1),
    }));
    expect(chainFrom({ ...leaf!, issuer: Uint8Array.of(0) }, many)).toHaveLength(8);
  });
});
