import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, sign as nodeSign, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRelayCertificate, spkiFingerprint } from '../../src/cc/create.ts';
import { generalName, ipAddress } from '../../src/cc/createNames.ts';
import { hex } from '../../src/bytes.ts';

const DAY_MS = 86_400_000;
const now = Math.floor(Date.now() / 1000) * 1000;
const hasOpenssl = canRun('openssl', ['version']);

function canRun(command: string, args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function keyOf(algorithm: 'Ed25519' | 'ECDSA-P256-SHA256'): {
  keyPair: { algorithm: 'Ed25519' | 'ECDSA-P256-SHA256'; spki: Uint8Array };
  sign: (toBeSigned: Uint8Array) => Uint8Array;
  privateKey: KeyObject;
} {
  const pair =
    algorithm === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    keyPair: { algorithm, spki: pair.publicKey.export({ type: 'spki', format: 'der' }) },
    sign: (toBeSigned) =>
      algorithm === 'Ed25519'
        ? nodeSign(null, toBeSigned, pair.privateKey)
        : nodeSign('sha256', toBeSigned, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }),
    privateKey: createPrivateKey(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

describe('createRelayCertificate', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sims-create-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  for (const algorithm of ['Ed25519', 'ECDSA-P256-SHA256'] as const) {
    it(`makes a certificate that Node reads and verifies with ${algorithm}`, async () => {
      const { keyPair, sign, privateKey } = keyOf(algorithm);
      const der = await createRelayCertificate({
        keyPair,
        sign,
        names: ['relay.example', '127.0.0.1', '::1'],
        notBeforeMs: now,
        notAfterMs: now + 3650 * DAY_MS,
        serial: Uint8Array.of(0xff, 1),
      });
      const certificate = new X509Certificate(der);
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(certificate.checkPrivateKey(privateKey)).toBe(true);
      expect(certificate.ca).toBe(false);
      expect(certificate.serialNumber).toBe('FF01');
      expect(certificate.checkHost('relay.example')).toBe('relay.example');
      expect(certificate.checkHost('other.example')).toBeUndefined();
      expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
      expect(certificate.checkIP('::1')).toBe('::1');
      expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
      expect(Date.parse(certificate.validFrom)).toBe(now);
      expect(Date.parse(certificate.validTo)).toBe(now + 3650 * DAY_MS);
    });

    it.skipIf(!hasOpenssl)(
      `makes a certificate that openssl verifies under itself with ${algorithm} (needs openssl)`,
      async () => {
        const { keyPair, sign } = keyOf(algorithm);
        const der = await createRelayCertificate({
          keyPair,
          sign: (bytes) => Promise.resolve(sign(bytes)),
          names: ['relay.example'],
          notBeforeMs: now - DAY_MS,
          notAfterMs: now + DAY_MS,
        });
        const file = join(folder, `${algorithm}.pem`);
        writeFileSync(file, new X509Certificate(der).toString());
        const text = execFileSync('openssl', ['x509', '-in', file, '-noout', '-text'], {
          encoding: 'utf8',
        });
        expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
        expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
        expect(text).toMatch(/Extended Key Usage:\s+TLS Web Server Authentication/);
        expect(text).toMatch(/Subject Alternative Name:\s+DNS:relay.example/);
        const flags = ['-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'relay.example', '-check_ss_sig'];
        expect(
          execFileSync('openssl', ['verify', ...flags, '-CAfile', file, file], {
            encoding: 'utf8',
          }),
        ).toContain(': OK');
      },
    );
  }

  it('gives the fingerprint of the key that sha256 gives', async () => {
    const { keyPair } = keyOf('Ed25519');
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', keyPair.spki.slice()));
    expect(await spkiFingerprint(keyPair.spki)).toBe(`sha256:${hex(digest)}`);
  });

  it('writes times from 2050 on so that they read back', async () => {
    const { keyPair, sign } = keyOf('Ed25519');
    const notAfterMs = Date.UTC(2060, 0, 2, 3, 4, 5);
    const der = await createRelayCertificate({
      keyPair,
      sign,
      names: ['a.b'],
      notBeforeMs: 0,
      notAfterMs,
    });
    const certificate = new X509Certificate(der);
    expect(Date.parse(certificate.validFrom)).toBe(0);
    expect(Date.parse(certificate.validTo)).toBe(notAfterMs);
  });

  it('refuses what a certificate cannot hold', async () => {
    const { keyPair, sign } = keyOf('Ed25519');
    const good = { keyPair, sign, names: ['a.b'], notBeforeMs: now, notAfterMs: now + 1000 };
    const refused = [
      { ...good, names: [] },
      { ...good, names: [''] },
      { ...good, names: ['a b'] },
      { ...good, names: ['a..b'] },
      { ...good, names: ['300.1.1.1'] },
      { ...good, names: ['relay.example\0.evil'] },
      { ...good, names: ['é.example'] },
      { ...good, notAfterMs: now },
      { ...good, notAfterMs: Number.NaN },
      { ...good, notAfterMs: Date.UTC(10_000, 0) },
      { ...good, serial: new Uint8Array(0) },
      { ...good, serial: new Uint8Array(4) },
      { ...good, serial: new Uint8Array(21).fill(1) },
      { ...good, serial: new Uint8Array(20).fill(0x80) },
      { ...good, sign: () => new Uint8Array(63) },
      { ...good, keyPair: { ...keyPair, spki: Uint8Array.of(0x30, 0x20) } },
    ];
    for (const options of refused) {
      await expect(createRelayCertificate(options)).rejects.toMatchObject({
        code: 'cc/invalid-argument',
      });
    }
  });
});

describe('names of machines', () => {
  it('reads addresses', () => {
    expect(hex(ipAddress('127.0.0.1')!)).toBe('7f000001');
    expect(hex(ipAddress('::')!)).toBe('0'.repeat(32));
    expect(hex(ipAddress('2001:db8::1:2')!)).toBe('20010db8000000000000000000010002');
    expect(hex(ipAddress('::ffff:1.2.3.4')!)).toBe('00000000000000000000ffff01020304');
    expect(hex(generalName('[::1]'))).toBe(`8710${'0'.repeat(31)}1`);
  });

  it('takes nothing that is no address', () => {
    for (const text of [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '256.1.1.1',
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      'g::',
      'fe80::1%eth0',
      '1.2.3.4::',
      '1:2:3:4:5:6:7::8',
    ]) {
      expect(ipAddress(text), text).toBeUndefined();
    }
  });
});
