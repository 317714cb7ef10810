/** Any bytes give a verdict: never an exception, never a hang. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { octetString, sequence, setOf } from '../../src/cc/createDer.ts';
import {
  ANY_CERTIFICATE,
  createTrustStore,
  parseCertificate,
  parseCrl,
  parseOcspResponse,
  readCertificates,
  RELAY_CERTIFICATE,
  verifyBatch,
  verifyCertificate,
  type VerifyOptions,
} from '../../src/cc/index.ts';
import { SimsError } from '../../src/errors.ts';
import * as pki from './makePki.ts';
import { AT } from './makePki.ts';

const anchor = pki.root('Root');
const ca = pki.authority('CA', anchor, pki.makeKey(), [
  pki.policies('1.2.3.4', '2.5.29.32.0'),
  pki.subtrees([pki.dns('example.test')], [pki.directory(pki.name('X'))]),
  pki.distributionPoints('http://lists.test/a'),
  pki.ocspAt('http://ocsp.test/'),
]);
const person = pki.leaf('Person', ca, [
  pki.altNames(pki.dns('a.example.test')),
  pki.policies('1.2.3.4'),
  pki.extendedKeyUsage('1.3.6.1.5.5.7.3.2'),
]);
const samples = {
  certificate: [anchor.der, ca.der, person.der],
  crl: [pki.crl(ca, { revoked: [{ serial: 5, reason: 1 }, { serial: 6 }] }), pki.crl(anchor)],
  ocsp: [pki.ocspResponse({ issuer: ca, serial: person.serial, certificates: [anchor.der] })],
};
const trust = createTrustStore({ purpose: 'person', anchors: [anchor.der], intermediates: [ca.der] });
const RUNS = 300;

/** Valid bytes with some octets changed, cut, put in, or moved. */
function mutated(from: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({
    at: fc.nat(),
    to: fc.nat(255),
    kind: fc.constantFrom('set', 'cut', 'insert', 'repeat', 'flip' as const),
  });
  return fc.tuple(fc.constantFrom(...from), fc.array(edit, { minLength: 1, maxLength: 4 })).map(([bytes, edits]) => {
    let now = [...bytes];
    for (const { at, to, kind } of edits) {
      const place = at % Math.max(1, now.length);
      if (kind === 'set') now[place] = to;
      else if (kind === 'flip') now[place] = (now[place] ?? 0) ^ (1 << (to % 8));
      else if (kind === 'cut') now.splice(place, 1 + (to % 16));
      else if (kind === 'insert') now.splice(place, 0, to);
      else
        now = [...now.slice(0, place), ...now.slice(Math.max(0, place - (to % 64))), ...now.slice(place)].slice(
          0,
          4_096,
        );
    }
    return Uint8Array.from(now);
  });
}

const anyBytes = (from: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated(from));

describe('hostile bytes', () => {
  const parsers = [
    ['a certificate', parseCertificate, samples.certificate],
    ['a list', parseCrl, samples.crl],
    ['a response', parseOcspResponse, samples.ocsp],
    ['a PEM or DER file', readCertificates, samples.certificate],
  ] as const;
  for (const [what, parse, from] of parsers) {
    it(`are ${what} or cc/malformed`, () => {
      fc.assert(
        fc.property(anyBytes(from), (bytes) => {
          try {
            parse(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(SimsError);
            expect((error as SimsError).code).toBe('cc/malformed');
          }
        }),
        { numRuns: RUNS },
      );
    });

    it(`cut anywhere are not ${what}`, () => {
      if (parse === readCertificates) return;
      for (const bytes of from) {
        for (let length = 0; length < bytes.length; length += 1) {
          expect(() => parse(bytes.slice(0, length))).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
        }
        expect(() => parse(Uint8Array.from([...bytes, 0]))).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
      }
    });
  }

  it('give a verdict, whichever of the inputs they are, and no mutant is accepted', async () => {
    const honest: VerifyOptions = {
      certificate: person.der,
      trust,
      profile: ANY_CERTIFICATE,
      atMs: AT,
      crls: samples.crl,
      ocspResponses: samples.ocsp,
    };
    expect((await verifyCertificate(honest)).valid).toBe(true);
    await fc.assert(
      fc.asyncProperty(anyBytes([person.der]), async (certificate) => {
        const verdict = await verifyCertificate({ ...honest, certificate });
        const isSame =
          certificate.length === person.der.length && certificate.every((octet, at) => octet === person.der[at]);
        expect(verdict.valid).toBe(isSame);
        if (!verdict.valid) expect(verdict.reasons.length).toBeGreaterThan(0);
      }),
      { numRuns: RUNS },
    );
    await fc.assert(
      fc.asyncProperty(
        anyBytes(samples.certificate),
        anyBytes(samples.crl),
        anyBytes(samples.ocsp),
        async (one, list, response) => {
          const verdict = await verifyCertificate({
            ...honest,
            intermediates: [one],
            crls: [list],
            ocspResponses: [response],
          });
          expect(typeof verdict.valid).toBe('boolean');
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('in parts of a re-signed certificate give a verdict', async () => {
    const oids = [
      '2.5.29.14',
      '2.5.29.15',
      '2.5.29.17',
      '2.5.29.19',
      '2.5.29.30',
      '2.5.29.31',
      '2.5.29.32',
      '2.5.29.33',
      '2.5.29.35',
      '2.5.29.36',
      '2.5.29.37',
      '2.5.29.46',
      '2.5.29.54',
      '1.3.6.1.5.5.7.1.1',
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...oids),
        anyBytes([octetString(Uint8Array.of(1)), sequence(sequence()), setOf()]),
        fc.boolean(),
        async (oid, value, isCritical) => {
          const issuer = pki.authority('Odd', anchor, ca.key, [], {
            extensions: [pki.basicConstraints(), pki.authorityKeyId(anchor.key), pki.extension(oid, value, isCritical)],
          });
          const target = pki.leaf('T', issuer, [], { extensions: [pki.extension(oid, value, isCritical)] });
          const verdict = await verifyCertificate({
            certificate: target.der,
            intermediates: [issuer.der],
            trust,
            profile: ANY_CERTIFICATE,
            atMs: AT,
            revocation: 'none',
            isStrict: false,
          });
          expect(typeof verdict.valid).toBe('boolean');
        },
      ),
      { numRuns: RUNS },
    );
  });

  it('nested deeply are refused without recursion', () => {
    const depth = 16_000;
    const nested = new Uint8Array(depth * 4);
    for (let at = 0; at < depth; at += 1) {
      const length = (depth - at - 1) * 4;
      nested.set(length < 256 ? [0x30, 0x84, 0, 0] : [0x30, 0x82, length >> 8, length & 255], at * 4);
    }
    for (const parse of [parseCertificate, parseCrl, parseOcspResponse]) {
      expect(() => parse(nested)).toThrow(expect.objectContaining({ code: 'cc/malformed' }));
    }
  });
});

describe('misuse', () => {
  const honest: VerifyOptions = {
    certificate: person.der,
    trust,
    profile: ANY_CERTIFICATE,
    atMs: AT,
    revocation: 'none',
  };
  const codeOf = async (options: VerifyOptions): Promise<unknown> =>
    verifyCertificate(options).then(
      () => 'resolved',
      (error: unknown) => (error as SimsError).code,
    );

  it('throws for a store of another purpose, a time that is none, a relay without a name', async () => {
    expect(await codeOf({ ...honest, profile: { ...ANY_CERTIFICATE, purpose: 'relay' } })).toBe('cc/invalid-argument');
    expect(await codeOf({ ...honest, atMs: Number.NaN })).toBe('cc/invalid-argument');
    const relays = createTrustStore({ purpose: 'relay', anchors: [anchor.der] });
    expect(await codeOf({ ...honest, trust: relays, profile: RELAY_CERTIFICATE })).toBe('cc/invalid-argument');
    expect(() => createTrustStore({ purpose: 'person', anchors: [Uint8Array.of(1)] })).toThrow(
      expect.objectContaining({ code: 'cc/invalid-argument' }),
    );
  });
});

describe('a batch', () => {
  const collect = async (cases: unknown): Promise<unknown[]> => {
    const lines: unknown[] = [];
    for await (const { ms, ...line } of verifyBatch(cases, {
      certificate: () => undefined,
      crl: () => undefined,
      atMs: AT,
    })) {
      expect(ms).toBeGreaterThanOrEqual(0);
      lines.push(line);
    }
    return lines;
  };

  it('prints every case, also one that does not parse', async () => {
    const limbo = {
      id: 'a::good',
      validation_kind: 'CLIENT',
      trusted_certs: [pki.pem(anchor.der)],
      untrusted_intermediates: [pki.pem(ca.der), 'no certificate'],
      peer_certificate: pki.pem(person.der),
      validation_time: new Date(AT).toISOString(),
    };
    expect(
      await collect({
        testcases: [
          limbo,
          { ...limbo, id: 'a::server', validation_kind: 'SERVER' },
          { ...limbo, id: 'a::name', expected_peer_name: { kind: 'DNS', value: 'b.example.test' } },
          { ...limbo, id: 'a::algorithms', signature_algorithms: ['ED25519'] },
          { ...limbo, id: 'a::depth', max_chain_depth: 0 },
          { ...limbo, id: 'a::time', validation_time: 'never' },
          { ...limbo, id: 'a::torn', peer_certificate: pki.pem(person.der.slice(1)) },
          { ...limbo, id: 'a::anchor', trusted_certs: ['x'] },
          { id: 'a::empty' },
          7,
        ],
      }),
    ).toEqual([
      { case: 'a::good', valid: true, reasons: [] },
      { case: 'a::server', valid: false, reasons: ['extended-key-usage-missing'] },
      { case: 'a::name', valid: false, reasons: ['name-mismatch'] },
      { case: 'a::algorithms', valid: false, reasons: ['no-path', 'signature-algorithm-unsupported'] },
      { case: 'a::depth', valid: false, reasons: ['no-path', 'path-too-long'] },
      { case: 'a::time', valid: false, reasons: ['unreadable-case'] },
      { case: 'a::torn', valid: false, reasons: ['malformed'] },
      { case: 'a::anchor', valid: false, reasons: ['no-path'] },
      { case: 'a::empty', valid: false, reasons: ['unreadable-case'] },
      { case: '#10', valid: false, reasons: ['unreadable-case'] },
    ]);
    expect(await collect([{ number: '4.1.1', certs: ['A', 'B'] }, null])).toEqual([
      { case: '4.1.1', valid: false, reasons: ['unreadable-case'] },
      { case: '#2', valid: false, reasons: ['unreadable-case'] },
    ]);
  });

  it('refuses a file of another form', async () => {
    for (const other of [7, null, {}, 'x'])
      await expect(collect(other)).rejects.toMatchObject({ code: 'cc/invalid-argument' });
  });
});
