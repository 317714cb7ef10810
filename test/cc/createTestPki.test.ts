import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex, utf8 } from '../../src/bytes.ts';
import { openPkcs12 } from '../../src/cc/pkcs12.ts';
import { pemOf } from '../../src/cc/pkcs12Create.ts';
import {
  createTestOcspResponder,
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  testAuthorities,
  testPkiFiles,
  type TestPerson,
  type TestPki,
} from '../../src/cc/testPki.ts';

const atMs = Math.floor(Date.now() / 1000) * 1000;
let hasOpenssl = true;
try {
  execFileSync('openssl', ['version'], { stdio: 'ignore' });
} catch {
  hasOpenssl = false;
}

describe('the test PKI', () => {
  let pki: TestPki;
  let ana: TestPerson;
  let rui: TestPerson;
  let folder: string;

  beforeAll(async () => {
    pki = await createTestPki({ atMs, authorityRsaBits: 2048 });
    ana = await createTestPerson(pki, {
      generation: 'v1',
      givenName: 'Ana',
      surname: 'Conceição',
      civilNumber: '11111111',
    });
    rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
    folder = mkdtempSync(join(tmpdir(), 'sims-pki-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, bytes: Uint8Array): string => {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  };
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  it('has keys of the sizes of the cards', () => {
    expect(new X509Certificate(ana.certificate).publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 3072 });
    expect(new X509Certificate(rui.certificate).publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    const curves = rui.chain.map((der) => new X509Certificate(der).publicKey.asymmetricKeyDetails?.namedCurve);
    expect(curves).toEqual(['prime256v1', 'secp384r1', 'secp521r1']);
  });

  it('names people as the cards do', () => {
    const { subject } = new X509Certificate(ana.certificate);
    expect(subject.split('\n')).toEqual(
      expect.arrayContaining(['C=PT', 'OU=Autenticação do Cidadão', 'serialNumber=BI11111111', 'CN=ANA CONCEIÇÃO']),
    );
  });

  it('signs every certificate with the one above it', () => {
    for (const person of [ana, rui]) {
      const chain = [...person.chain, pki.root.certificate].map((der) => new X509Certificate(der));
      for (const [index, certificate] of chain.entries()) {
        const issuer = chain[index + 1] ?? certificate;
        expect(certificate.checkIssued(issuer)).toBe(true);
        expect(certificate.verify(issuer.publicKey)).toBe(true);
      }
    }
  });

  it.skipIf(!hasOpenssl)(
    'holds before openssl, with revocation lists, until a person is revoked (needs openssl)',
    async () => {
      for (const person of [ana, rui]) {
        const anchor = write('root.pem', pemOf('CERTIFICATE', ...pki.anchors));
        const between = write('between.pem', pemOf('CERTIFICATE', ...pki.intermediates));
        const leaf = write('leaf.pem', pemOf('CERTIFICATE', person.certificate));
        const crls = async (...revoked: Uint8Array[]): Promise<string> => {
          const lists = await Promise.all(
            testAuthorities(pki).map((authority) =>
              createTestPkiCrl(
                pki,
                authority,
                authority === person.issuer ? revoked.map((serial) => ({ serial, atMs: atMs - 1000, reason: 1 })) : [],
              ),
            ),
          );
          return write('crls.pem', pemOf('X509 CRL', ...lists));
        };
        const verify = (list: string): string =>
          openssl(
            'verify',
            '-x509_strict',
            '-crl_check_all',
            '-CRLfile',
            list,
            '-CAfile',
            anchor,
            '-untrusted',
            between,
            leaf,
          );
        expect(verify(await crls())).toContain('OK');
        expect(verify(await crls(Uint8Array.of(5)))).toContain('OK');
        const revoked = await crls(person.serial);
        expect(() => verify(revoked)).toThrow(/certificate revoked/);
      }
    },
  );

  it.skipIf(!hasOpenssl)('writes partitions and deltas that openssl reads (needs openssl)', async () => {
    const list = await createTestPkiCrl(pki, ana.issuer, [{ serial: ana.serial, atMs, reason: 8 }], {
      number: 7,
      baseNumber: 6,
      distributionPoint: 'http://pki.test.invalid/p.crl',
    });
    const text = openssl('crl', '-inform', 'DER', '-noout', '-text', '-in', write('delta.crl', list));
    expect(text).toMatch(/Delta CRL Indicator: critical\s+6/);
    expect(text).toMatch(/Issuing Distribution Point: critical\s+Full Name:\s+URI:http:\/\/pki.test.invalid\/p.crl/);
    expect(text).toMatch(/CRL Number:\s+7/);
    expect(text).toMatch(/Remove From CRL/);
    expect(text.toLowerCase()).toContain(`serial number: ${hex(ana.serial)}`);
  });

  it('makes an OCSP responder that its authority signed', async () => {
    const { certificate } = await createTestOcspResponder(pki, rui.issuer);
    const responder = new X509Certificate(certificate);
    expect(responder.verify(new X509Certificate(rui.issuer.certificate).publicKey)).toBe(true);
    expect(responder.keyUsage).toEqual(['1.3.6.1.5.5.7.3.9']);
  });

  it.skipIf(!hasOpenssl)('makes an OCSP responder that openssl answers with (needs openssl)', async () => {
    const { certificate, key } = await createTestOcspResponder(pki, rui.issuer);
    const issuer = write('ocsp/issuer.pem', pemOf('CERTIFICATE', rui.issuer.certificate));
    const leaf = write('ocsp/leaf.pem', pemOf('CERTIFICATE', rui.certificate));
    const signer = write('ocsp/signer.pem', pemOf('CERTIFICATE', certificate));
    const signerKey = write('ocsp/signer.key', pemOf('PRIVATE KEY', key.privateKey));
    const anchors = write('ocsp/anchors.pem', pemOf('CERTIFICATE', ...pki.anchors, ...pki.intermediates));
    const request = join(folder, 'ocsp', 'request.der');
    const response = join(folder, 'ocsp', 'response.der');
    openssl('ocsp', '-issuer', issuer, '-cert', leaf, '-reqout', request);
    const serial = hex(rui.serial).toUpperCase();
    for (const [entry, verdict] of [
      [`V\t401231235959Z\t\t${serial}\tunknown\t/CN=x\n`, /: good/],
      [`R\t401231235959Z\t250101000000Z\t${serial}\tunknown\t/CN=x\n`, /: revoked/],
    ] as const) {
      const index = write('ocsp/index.txt', utf8(entry));
      const answering = ['-index', index, '-CA', issuer, '-rsigner', signer, '-rkey', signerKey, '-ndays', '1'];
      openssl('ocsp', ...answering, '-reqin', request, '-respout', response);
      const checking = ['-issuer', issuer, '-cert', leaf, '-CAfile', anchors, '-no_nonce'];
      expect(openssl('ocsp', '-respin', response, ...checking)).toMatch(verdict);
    }
  });

  it('is written as a folder whose PKCS #12 files open', async () => {
    const files = await testPkiFiles(pki, [ana, rui], 'palavra-passe');
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        'anchors/root.pem',
        'crls/v2-authentication.crl',
        'people/ana-conceicao-authentication-1.p12',
      ]),
    );
    const file = files.find(({ path }) => path === 'people/rui-sa-authentication-2.p12')!;
    const signer = await openPkcs12(file.bytes, { password: 'palavra-passe' });
    expect(signer.chain).toEqual(rui.chain);
  });

  it('refuses a generation that it does not have', async () => {
    const small = { ...pki, hierarchies: new Map() };
    const person = { generation: 'v1', givenName: 'A', surname: 'B', civilNumber: '1' } as const;
    await expect(createTestPerson(small, person)).rejects.toMatchObject({ code: 'cc/invalid-argument' });
  });
});
