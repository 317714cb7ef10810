/** The parts of verification by themselves: DER, names, profiles, trust stores from files, proofs and errors. */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DerReader, TAG, timeAt } from '../../src/cc/certificateDer.ts';
import { objectIdentifier, printableString, sequence, setOf, utf8String } from '../../src/cc/createDer.ts';
import { createRelayCertificate } from '../../src/cc/create.ts';
import {
  ANY_CERTIFICATE,
  createTrustStore,
  displayName,
  errorCodeOf,
  GENERIC_EID,
  hasName,
  hostToName,
  isVerifiedCertificate,
  parseCertificate,
  profileOf,
  PROFILES,
  REFUSALS,
  RELAY_CERTIFICATE,
  verificationError,
  verifyCertificate,
  verifyOne,
  type Profile,
  type RefusalReason,
  type VerifiedCertificate,
} from '../../src/cc/index.ts';
import { loadCrls, loadTrustStore } from '../../src/cc/node/index.ts';
import { readName } from '../../src/cc/name.ts';
import { ERRORS } from '../../src/errors.ts';
import * as pki from './makePki.ts';
import { AT, DAY } from './makePki.ts';

describe('the DER reader', () => {
  const read = (...octets: number[]): void => new DerReader(Uint8Array.from(octets)).next();

  it('takes definite, minimal lengths inside the input, and no others', () => {
    expect(() => read(0x30, 0x00)).not.toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    expect(() => read(0x30, 0x81, 0x80, ...new Array<number>(128).fill(0))).not.toThrow(
      expect.objectContaining({ code: 'cc/malformed' }),
    );
    for (const octets of [
      [],
      [0x30],
      [0x30, 1],
      [0x30, 0x80, 0, 0],
      [0x30, 0x81, 5, 0, 0, 0, 0, 0],
      [0x30, 0x82, 0, 200],
      [0x30, 0x85, 0, 0, 0, 0, 0],
      [0x30, 0xff],
      [0x1f, 1, 0],
      [0x3f, 0x81, 1, 0],
    ]) {
      expect(() => read(...octets), octets.join()).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    }
  });

  it('takes minimal integers, booleans of 00 and ff, and canonical object identifiers', () => {
    const reader = (...octets: number[]): DerReader => new DerReader(Uint8Array.from(octets));
    expect(reader(2, 1, 0x7f).natural()).toBe(127);
    expect(reader(2, 2, 0, 0x80).natural()).toBe(128);
    for (const octets of [
      [2, 0],
      [2, 2, 0, 1],
      [2, 2, 0xff, 0x80],
      [2, 1, 0x80],
      [2, 5, 1, 0, 0, 0, 0],
    ])
      expect(() => reader(...octets).natural()).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    expect(reader(1, 1, 0xff).boolean(false)).toBe(true);
    expect(() => reader(1, 1, 1).boolean(false)).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    expect(reader(6, 3, 0x55, 0x1d, 0x0f).objectIdentifier()).toBe('2.5.29.15');
    expect(reader(6, 3, 0x88, 0x37, 0x03).objectIdentifier()).toBe('2.999.3');
    expect(reader(6, 11, 0x2a, 0x90, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00).objectIdentifier()).toMatch(
      /^1\.2\.\d{19,}$/,
    );
    for (const octets of [
      [6, 0],
      [6, 2, 0x55, 0x9d],
      [6, 3, 0x55, 0x80, 1],
    ])
      expect(() => reader(...octets).objectIdentifier()).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    expect(reader(3, 2, 1, 0x06).namedBits()).toBe(0b1100000);
    for (const octets of [
      [3, 0],
      [3, 2, 1, 0x01],
      [3, 2, 8, 0],
      [3, 1, 1],
    ])
      expect(() => reader(...octets).namedBits()).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
  });

  it('reads the times that exist', () => {
    const at = (text: string): number =>
      timeAt(new TextEncoder().encode(text), 0, text.length, text.length === 13 ? TAG.utcTime : TAG.generalizedTime);
    expect(at('491231235959Z')).toBe(Date.UTC(2049, 11, 31, 23, 59, 59));
    expect(at('500101000000Z')).toBe(Date.UTC(1950, 0, 1));
    expect(at('20240229120000Z')).toBe(Date.UTC(2024, 1, 29, 12));
    expect(at('99991231235959Z')).toBe(253_402_300_799_000);
    expect(new Date(at('00500101000000Z')).getUTCFullYear()).toBe(50);
    for (const text of [
      '230229120000Z',
      '20230001000000Z',
      '20231301000000Z',
      '20230132000000Z',
      '20230101240000Z',
      '20230101006000Z',
      '20230101000060Z',
      '2023010100000+Z',
      '202301010000Z',
      '20230101000000+',
    ]) {
      expect(() => at(text), text).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    }
  });
});

describe('names', () => {
  const key = (...values: Uint8Array[]): string =>
    readName(new DerReader(sequence(...values.map((value) => setOf(sequence(objectIdentifier('2.5.4.3'), value))))))
      .key;
  const bmp = (text: string): Uint8Array =>
    pki.element(
      TAG.bmpString,
      Uint8Array.from(Array.from(text).flatMap((each) => [each.charCodeAt(0) >> 8, each.charCodeAt(0) & 255])),
    );
  const teletex = (text: string): Uint8Array =>
    pki.element(
      TAG.teletexString,
      Uint8Array.from(text, (each) => each.charCodeAt(0)),
    );

  it('are equal without regard to case, encoding and runs of spaces', () => {
    const wanted = key(utf8String('João da Silva'));
    for (const same of [bmp('JOÃO DA SILVA'), teletex('joão  da silva '), utf8String(' Joa\u0303o\u00a0da\tSilva')])
      expect(key(same)).toBe(wanted);
    expect(key(printableString('Good CA'))).toBe(key(utf8String('good  ca')));
  });

  it('differ in anything else', () => {
    const wanted = key(utf8String('Good CA'));
    for (const other of [
      [utf8String('GoodCA')],
      [utf8String('Good CA'), utf8String('X')],
      [pki.element(4, new TextEncoder().encode('Good CA'))],
      [],
    ]) {
      expect(key(...other)).not.toBe(wanted);
    }
    const pair = (first: string, second: string): string =>
      readName(
        new DerReader(
          sequence(
            setOf(
              sequence(objectIdentifier('2.5.4.3'), utf8String(first)),
              sequence(objectIdentifier('2.5.4.10'), utf8String(second)),
            ),
          ),
        ),
      ).key;
    expect(pair('a', 'b')).not.toBe(pair('b', 'a'));
  });

  it('print bounded and without control characters', () => {
    const shown = displayName(
      readName(
        new DerReader(
          sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(`a\u001b[31m,\u202e${'x'.repeat(9_999)}`)))),
        ),
      ),
    );
    expect(shown.length).toBeLessThan(200);
    expect(shown).toContain(String.raw`\,`);
    expect(/[\p{Cc}\p{Cf}]/u.test(shown)).toBe(false);
  });

  it('of hosts match whole labels, with a wildcard for the first alone', () => {
    const certificate = parseCertificate(
      pki.leaf('X', pki.root('R'), [
        pki.altNames(
          pki.dns('a.Example.test'),
          pki.dns('*.wild.test'),
          pki.dns('*.test'),
          pki.dns('f*.part.test'),
          pki.element(0x87, Uint8Array.of(127, 0, 0, 1)),
          pki.element(0x81, new TextEncoder().encode('Me@example.test')),
        ),
      ]).der,
    );
    const has = (host: string): boolean => hasName(certificate, hostToName(host));
    for (const host of ['A.example.TEST', 'a.example.test.', 'x.wild.test', '127.0.0.1'])
      expect(has(host), host).toBe(true);
    for (const host of [
      'example.test',
      'b.a.example.test',
      'wild.test',
      'x.y.wild.test',
      'other.test',
      'foo.part.test',
      '127.0.0.2',
      '::1',
      '',
      '*.wild.test',
      '127.1',
    ])
      expect(has(host), host).toBe(false);
    expect(hasName(certificate, { kind: 'email', value: 'Me@EXAMPLE.test' })).toBe(true);
    expect(hasName(certificate, { kind: 'email', value: 'me@example.test' })).toBe(false);
    expect(hasName(certificate, { kind: 'dns', value: '127.0.0.1' })).toBe(false);
  });
});

describe('profiles', () => {
  const anchor = pki.root('Root');
  const verdict = async (
    profile: Profile,
    certificate: Uint8Array,
    anchors = [anchor.der],
    name = 'relay.test',
  ): Promise<readonly string[]> => {
    const result = await verifyCertificate({
      certificate,
      trust: createTrustStore({ purpose: profile.purpose, anchors }),
      profile,
      atMs: AT,
      revocation: 'none',
      ...(profile.isNameRequired ? { names: [hostToName(name)] } : {}),
    });
    return result.valid ? ['valid'] : result.reasons;
  };
  const SERVER = pki.extendedKeyUsage('1.3.6.1.5.5.7.3.1');
  const CLIENT = pki.extendedKeyUsage('1.3.6.1.5.5.7.3.2');
  const NAME = pki.altNames(pki.dns('relay.test'));

  it('of a relay asks for server authentication and the name, and never takes a common name', async () => {
    expect(await verdict(RELAY_CERTIFICATE, pki.leaf('relay', anchor, [SERVER, NAME]).der)).toEqual(['valid']);
    expect(
      await verdict(RELAY_CERTIFICATE, pki.leaf('relay', anchor, [SERVER, NAME]).der, undefined, 'other.test'),
    ).toEqual(['name-mismatch']);
    expect(await verdict(RELAY_CERTIFICATE, pki.leaf('relay.test', anchor, [SERVER]).der)).toEqual(['name-mismatch']);
    expect(await verdict(RELAY_CERTIFICATE, pki.leaf('relay', anchor, [CLIENT, NAME]).der)).toEqual([
      'extended-key-usage-missing',
    ]);
    expect(await verdict(RELAY_CERTIFICATE, pki.leaf('relay', anchor, [NAME]).der)).toEqual([
      'extended-key-usage-missing',
    ]);
    const limited = pki.authority('Limited', anchor, pki.makeKey(), [CLIENT]);
    const result = await verifyCertificate({
      certificate: pki.leaf('relay', limited, [SERVER, NAME]).der,
      intermediates: [limited.der],
      trust: createTrustStore({ purpose: 'relay', anchors: [anchor.der] }),
      profile: RELAY_CERTIFICATE,
      names: [hostToName('relay.test')],
      atMs: AT,
      revocation: 'none',
    });
    expect(result.valid ? [] : result.reasons).toEqual(['extended-key-usage-missing']);
  });

  it('of a relay takes its self-signed certificate where that is the anchor', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
    const signing = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const own = await createRelayCertificate({
      keyPair: { algorithm: 'Ed25519', spki },
      names: ['relay.test', '127.0.0.1'],
      notBeforeMs: AT - DAY,
      notAfterMs: AT + DAY,
      sign: (bytes) => new Uint8Array(sign(null, bytes, signing)),
    });
    expect(await verdict(RELAY_CERTIFICATE, own, [own])).toEqual(['valid']);
    expect(await verdict(RELAY_CERTIFICATE, own, [own], '127.0.0.1')).toEqual(['valid']);
    expect(await verdict(RELAY_CERTIFICATE, own, [own], 'other.test')).toEqual(['name-mismatch']);
    expect(await verdict(RELAY_CERTIFICATE, own, [anchor.der])).toEqual(['no-path']);
    expect(await verdict({ ...RELAY_CERTIFICATE, isAnchorAllowed: false }, own, [own])).toEqual(['no-path']);
  });

  it('of a person ask for a signature key that is no CA', async () => {
    expect(await verdict(GENERIC_EID, pki.leaf('P', anchor).der)).toEqual(['valid']);
    expect(await verdict(GENERIC_EID, pki.leaf('P', anchor, [CLIENT]).der)).toEqual(['valid']);
    expect(await verdict(GENERIC_EID, pki.leaf('P', anchor, [SERVER]).der)).toEqual(['extended-key-usage-missing']);
    expect(await verdict(GENERIC_EID, pki.authority('CA', anchor).der)).toEqual(['ca-as-target', 'key-usage-missing']);
    expect(await verdict({ ...GENERIC_EID, anchorFingerprints: ['00'] }, pki.leaf('P', anchor).der)).toEqual([
      'anchor-not-allowed',
    ]);
  });

  it('have names of their own', () => {
    expect(PROFILES.map((each) => each.name)).toEqual(['generic-eid', 'citizen-card-authentication', 'relay', 'any']);
    expect(profileOf('relay')).toBe(RELAY_CERTIFICATE);
    expect(profileOf('toString')).toBeUndefined();
  });

  it('keep stores apart by purpose', async () => {
    const trust = createTrustStore({ purpose: 'relay', anchors: [anchor.der] });
    const certificate = pki.leaf('P', anchor).der;
    await expect(verifyCertificate({ certificate, trust, profile: GENERIC_EID, atMs: AT })).rejects.toMatchObject({
      code: 'cc/invalid-argument',
    });
  });
});

describe('verdicts', () => {
  const anchor = pki.root('Root');
  const ca = pki.authority('CA', anchor, pki.makeKey(), [], { notAfter: AT - DAY });
  const trust = createTrustStore({ purpose: 'person', anchors: [anchor.der] });
  const base = { trust, profile: ANY_CERTIFICATE, atMs: AT, revocation: 'none' } as const;

  it('name every path tried, the target only as such', async () => {
    const certificate = pki.leaf('Maria Secreta', ca).der;
    const verdict = await verifyCertificate({ ...base, certificate, intermediates: [ca.der] });
    expect(verdict).toMatchObject({
      valid: false,
      reasons: ['no-path', 'expired'],
      attempts: [
        { path: ['target'], at: 0, reason: 'no-path' },
        { path: ['CN=CA', 'target'], at: 0, reason: 'expired' },
      ],
    });
    expect(JSON.stringify(verdict)).not.toContain('Secreta');
    if (!verdict.valid) expect(verificationError(verdict)).toMatchObject({ code: 'cc/expired', fault: 'peer' });
  });

  it('prove what was verified, and only that is a proof', async () => {
    const verdict = await verifyCertificate({ ...base, certificate: pki.leaf('P', anchor).der });
    if (!verdict.valid) throw new Error(verdict.reasons.join());
    expect(isVerifiedCertificate(verdict.verified)).toBe(true);
    expect(Object.isFrozen(verdict.verified)).toBe(true);
    const forged = { ...verdict.verified } as VerifiedCertificate;
    for (const other of [forged, undefined, null, 1, {}]) expect(isVerifiedCertificate(other)).toBe(false);
  });

  it('do not change when the caller changes the bytes afterwards', async () => {
    const bytes = pki.leaf('P', anchor).der.slice();
    const verdict = await verifyCertificate({ ...base, certificate: bytes });
    const before = verdict.valid ? verdict.verified.certificate.bytes.slice() : undefined;
    bytes.fill(0);
    expect(verdict.valid && verdict.verified.certificate.bytes).toEqual(before);
  });

  it('have an error code for each reason, the most telling first', () => {
    for (const reason of Object.keys(REFUSALS) as RefusalReason[]) expect(ERRORS[errorCodeOf([reason])]).toBeDefined();
    expect(errorCodeOf(['no-path', 'revoked'])).toBe('cc/revoked');
    expect(errorCodeOf(['no-path', 'signature-invalid'])).toBe('cc/untrusted');
    expect(errorCodeOf([])).toBe('cc/path-invalid');
  });

  it('of one file are reported as JSON', async () => {
    const file = pki.pem(pki.leaf('P', anchor).der) + pki.pem(anchor.der);
    const crlFiles = [pki.pem(pki.crl(anchor), 'X509 CRL'), 'nothing'];
    const report = await verifyOne({ file, crlFiles, trust, profile: ANY_CERTIFICATE, atMs: AT });
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({
      valid: true,
      reasons: [],
      profile: 'any',
      at: '2026-06-01T00:00:00.000Z',
      revocation: 'good',
      notes: ['list file 1: no X509 CRL in it'],
    });
    expect(await verifyOne({ file: 'no certificate', trust, profile: ANY_CERTIFICATE })).toMatchObject({
      valid: false,
      reasons: ['malformed'],
    });
  });
});

describe('trust stores from files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sims-trust-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const anchor = pki.root('Root');
  const ca = pki.authority('CA', anchor);

  it('read PEM and DER, files and folders, and list what they pass over', async () => {
    const all = join(folder, 'all');
    mkdirSync(join(all, 'folder.crt'), { recursive: true });
    writeFileSync(join(all, 'a.crt'), anchor.der);
    writeFileSync(join(all, 'b.pem'), `text before\n${pki.pem(ca.der)}${pki.pem(anchor.der)}`);
    writeFileSync(join(all, 'c.cer'), 'no certificate');
    writeFileSync(join(all, 'd.txt'), pki.pem(ca.der));
    writeFileSync(join(all, 'e.crl'), pki.crl(anchor));
    const { trust, skipped } = await loadTrustStore({
      purpose: 'person',
      anchors: [join(all, 'a.crt')],
      intermediates: [all],
    });
    expect([trust.anchors.length, trust.intermediates.length]).toEqual([1, 2]);
    expect(skipped.map((each) => each.file)).toEqual([join(all, 'c.cer')]);
    const lists = await loadCrls([all]);
    expect(lists.crls.map((crl) => displayName(crl.issuer))).toEqual(['CN=Root']);
  });

  it('say what is wrong with a file that was named, or a folder without anchors', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const broken = join(folder, 'broken.pem');
    writeFileSync(broken, '-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----');
    for (const anchors of [[empty], [broken], [join(folder, 'missing.pem')]]) {
      await expect(loadTrustStore({ purpose: 'person', anchors })).rejects.toMatchObject({
        code: 'cc/invalid-argument',
      });
    }
    await expect(loadCrls([broken])).rejects.toMatchObject({ code: 'cc/invalid-argument' });
  });
});
