/** The attacks that engines fall for, each refused, beside the honest case that is accepted. */
import { describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { bitString, integer, objectIdentifier, sequence, taggedPrimitive } from '../../src/cc/createDer.ts';
import {
  ANY_CERTIFICATE,
  createTrustStore,
  verifyCertificate,
  type Verification,
  type VerifyOptions,
} from '../../src/cc/index.ts';
import * as pki from './makePki.ts';
import { AT, DAY } from './makePki.ts';

const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const anchor = pki.root('Root');
const ca = pki.authority('CA', anchor);
const person = pki.leaf('Person', ca);
const trust = createTrustStore({ purpose: 'person', anchors: [anchor.der], intermediates: [ca.der] });
const rootCrl = pki.crl(anchor);
const caCrl = pki.crl(ca);

function verify(options: Partial<VerifyOptions> = {}): Promise<Verification> {
  return verifyCertificate({
    certificate: person.der,
    trust,
    profile: ANY_CERTIFICATE,
    atMs: AT,
    crls: [rootCrl],
    ...options,
  });
}

async function reasonsOf(options: Partial<VerifyOptions>): Promise<readonly string[]> {
  const verdict = await verify(options);
  return verdict.valid ? ['valid'] : verdict.reasons;
}

const answer = (parts: Partial<pki.OcspParts>): Promise<readonly string[]> =>
  reasonsOf({ ocspResponses: [pki.ocspResponse({ issuer: ca, serial: person.serial, ...parts })] });

/** A responder that the CA authorised. */
function responder(
  issuer: pki.Authority,
  more: readonly Uint8Array[] = [],
  parts: Partial<pki.CertificateParts> = {},
): pki.Authority {
  return pki.leaf('Responder', issuer, [pki.extendedKeyUsage(OCSP_SIGNING), ...more], parts);
}

describe('OCSP', () => {
  it('accepts a response that the issuer signed, by name and by key', async () => {
    expect(await answer({})).toEqual(['valid']);
    expect(await answer({ byKey: true })).toEqual(['valid']);
  });

  it('accepts a response of a responder that the issuer authorised', async () => {
    const signer = responder(ca);
    expect(await answer({ signer, certificates: [signer.der] })).toEqual(['valid']);
  });

  it('refuses what a response says is revoked, also in soft mode', async () => {
    expect(await answer({ status: 'revoked' })).toEqual(['revoked']);
    const ocspResponses = [pki.ocspResponse({ issuer: ca, serial: person.serial, status: 'revoked' })];
    expect(await reasonsOf({ ocspResponses, revocation: 'soft' })).toEqual(['revoked']);
    expect(await reasonsOf({ ocspResponses, revocation: 'none' })).toEqual(['valid']);
  });

  it('puts a revoked answer before a good one', async () => {
    const good = pki.ocspResponse({ issuer: ca, serial: person.serial });
    const revoked = pki.ocspResponse({ issuer: ca, serial: person.serial, status: 'revoked' });
    expect(await reasonsOf({ ocspResponses: [good, revoked] })).toEqual(['revoked']);
    expect(await reasonsOf({ ocspResponses: [revoked, good] })).toEqual(['revoked']);
  });

  const fake = pki.root('CA');
  const refused: Record<string, () => Partial<pki.OcspParts>> = {
    'forged: signed by a key of nobody under the name of the issuer': () => ({ signer: fake }),
    'forged: a responder of a fake CA of the same name': () => {
      const signer = responder(fake);
      return { signer, certificates: [signer.der, fake.der] };
    },
    'signed by a certificate of the issuer that is no responder': () => {
      const signer = pki.leaf('Responder', ca);
      return { signer, certificates: [signer.der] };
    },
    'signed by a responder of the CA above, not of the issuer': () => {
      const signer = responder(anchor);
      return { signer, certificates: [signer.der] };
    },
    'signed by the person whom it is about': () => ({ signer: person, certificates: [person.der] }),
    'signed by a responder whose certificate has expired': () => {
      const signer = responder(ca, [], { notAfter: AT - DAY });
      return { signer, certificates: [signer.der] };
    },
    'signed by a responder that may have been revoked, with an address to ask': () => {
      const signer = responder(ca, [pki.distributionPoints('http://nowhere.test/list.crl')]);
      return { signer, certificates: [signer.der] };
    },
    'stale: nextUpdate has passed': () => ({ thisUpdate: AT - 3 * DAY, nextUpdate: AT - DAY }),
    'stale: no nextUpdate, and old': () => ({ thisUpdate: AT - 3 * DAY, nextUpdate: undefined }),
    'of the future': () => ({ thisUpdate: AT + DAY, nextUpdate: AT + 2 * DAY }),
    'produced in the future': () => ({ producedAt: AT + DAY }),
    'about another serial number': () => ({ serial: person.serial + 1 }),
    'about an issuer of another name': () => ({ nameHash: pki.sha1(anchor.name) }),
    'about an issuer of another key': () => ({ keyHash: pki.keyId(anchor.key) }),
    'of status unknown': () => ({ status: 'unknown' }),
    'of status tryLater': () => ({ responseStatus: 3 }),
  };
  for (const [what, parts] of Object.entries(refused)) {
    it(`does not believe a response ${what}`, async () => {
      expect(await answer(parts())).toEqual(['revocation-unknown']);
    });
  }

  it('does not believe a responder that a list revokes, unless it is marked as not to be checked', async () => {
    const signer = pki.leaf('Responder', ca, [pki.extendedKeyUsage(OCSP_SIGNING)]);
    const list = pki.crl(ca, { revoked: [{ serial: signer.serial }, { serial: person.serial }] });
    const ocspResponses = [pki.ocspResponse({ issuer: ca, serial: person.serial, signer, certificates: [signer.der] })];
    expect(await reasonsOf({ ocspResponses, crls: [rootCrl, list] })).toEqual(['revoked']);
    const unchecked = responder(ca, [pki.extension('1.3.6.1.5.5.7.48.1.5', Uint8Array.of(5, 0))]);
    const believed = pki.ocspResponse({
      issuer: ca,
      serial: person.serial,
      signer: unchecked,
      certificates: [unchecked.der],
    });
    expect(await reasonsOf({ ocspResponses: [believed], crls: [rootCrl, list] })).toEqual(['valid']);
  });

  it('does not believe a response with one bit changed', async () => {
    const response = pki.ocspResponse({ issuer: ca, serial: person.serial });
    for (let at = 60; at < response.length; at += 7) {
      const changed = response.slice();
      changed[at]! ^= 1;
      expect(await reasonsOf({ ocspResponses: [changed] }), `octet ${at}`).toEqual(['revocation-unknown']);
    }
  });
});

describe('revocation lists', () => {
  it('accepts a certificate that no list names', async () => {
    expect(await reasonsOf({ crls: [rootCrl, caCrl] })).toEqual(['valid']);
  });

  it('refuses a certificate that its list names, and one whose CA is named', async () => {
    expect(await reasonsOf({ crls: [rootCrl, pki.crl(ca, { revoked: [{ serial: person.serial }] })] })).toEqual([
      'revoked',
    ]);
    const revokedCa = pki.authority('CA', anchor, ca.key, [], { serial: 77 });
    const crls = [pki.crl(anchor, { revoked: [{ serial: 77 }] }), caCrl];
    const only = createTrustStore({ purpose: 'person', anchors: [anchor.der], intermediates: [revokedCa.der] });
    expect(await reasonsOf({ crls, trust: only })).toEqual(['revoked']);
  });

  it('refuses a path with no revocation data, unless it is told not to ask', async () => {
    expect(await reasonsOf({ crls: [] })).toEqual(['revocation-unknown']);
    expect(await reasonsOf({ crls: [rootCrl] })).toEqual(['revocation-unknown']);
    expect(await reasonsOf({ crls: [caCrl] })).toEqual(['revocation-unknown']);
    const soft = await verify({ crls: [], revocation: 'soft' });
    expect(soft.valid && soft.verified.revocation).toBe('unknown');
    const none = await verify({ crls: [], revocation: 'none' });
    expect(none.valid && none.verified.revocation).toBe('not-checked');
    const full = await verify({ crls: [rootCrl, caCrl] });
    expect(full.valid && full.verified.revocation).toBe('good');
  });

  it('does not believe an empty list of a fake CA of the same name', async () => {
    const fake = pki.root('CA');
    expect(await reasonsOf({ crls: [rootCrl, pki.crl(fake)], intermediates: [fake.der] })).toContain(
      'revocation-unknown',
    );
  });

  it('does not believe a CA of the same name elsewhere under the same anchor', async () => {
    const other = pki.authority('Other', anchor);
    const namesake = pki.authority('CA', other);
    const crls = [rootCrl, pki.crl(other), pki.crl(namesake)];
    expect(await reasonsOf({ crls, intermediates: [other.der, namesake.der] })).toContain('revocation-unknown');
  });

  it('believes the issuer under a key of its own for lists', async () => {
    const key = pki.makeKey('P-384');
    const own = pki.name('CA');
    const extensions = [pki.keyUsage(6), pki.authorityKeyId(anchor.key), pki.subjectKeyId(key)];
    const der = pki.certificate({ subject: own, key, issuer: anchor.name, issuerKey: anchor.key, extensions });
    expect(await reasonsOf({ crls: [rootCrl, pki.crl({ name: own, key, der })], intermediates: [der] })).toEqual([
      'valid',
    ]);
  });

  const odd: Record<string, () => Uint8Array> = {
    'has expired': () => pki.crl(ca, { nextUpdate: AT - DAY }),
    'is of the future': () => pki.crl(ca, { thisUpdate: AT + DAY }),
    'has no nextUpdate': () => pki.crl(ca, { nextUpdate: undefined }),
    'has an unknown critical extension': () =>
      pki.crl(ca, { extensions: [pki.extension('1.2.3.4', Uint8Array.of(5, 0), true)] }),
    'has an unknown critical entry extension, even of another certificate': () =>
      pki.crl(ca, { revoked: [{ serial: 5, extensions: [pki.extension('1.2.3.4', Uint8Array.of(5, 0), true)] }] }),
    'is for CA certificates only': () =>
      pki.crl(ca, {
        extensions: [pki.extension('2.5.29.28', sequence(taggedPrimitive(2, Uint8Array.of(0xff))), true)],
      }),
    'covers some reasons only': () =>
      pki.crl(ca, {
        extensions: [pki.extension('2.5.29.28', sequence(taggedPrimitive(3, Uint8Array.of(6, 0x40))), true)],
      }),
    'is a delta without its base': () => pki.crl(ca, { extensions: [pki.extension('2.5.29.27', integer(3), true)] }),
    'was signed by the CA above': () => pki.crl({ ...ca, key: anchor.key }),
    'is cut short': () => caCrl.slice(0, -1),
  };
  for (const [what, make] of Object.entries(odd)) {
    it(`does not count a list that ${what}`, async () => {
      expect(await reasonsOf({ crls: [rootCrl, make()] })).toEqual(['revocation-unknown']);
    });
  }

  it('does not believe a list with one bit changed', async () => {
    for (let at = 0; at < caCrl.length; at += 3) {
      const changed = caCrl.slice();
      changed[at]! ^= 4;
      expect(await reasonsOf({ crls: [rootCrl, changed] }), `octet ${at}`).toEqual(['revocation-unknown']);
    }
  });

  it('brings a list up to date with its delta', async () => {
    const delta = (parts: pki.CrlParts): Uint8Array =>
      pki.crl(ca, { ...parts, number: 9, extensions: [pki.extension('2.5.29.27', integer(7), true)] });
    const held = pki.crl(ca, { revoked: [{ serial: person.serial, reason: 6 }] });
    expect(await reasonsOf({ crls: [rootCrl, caCrl, delta({ revoked: [{ serial: person.serial }] })] })).toEqual([
      'revoked',
    ]);
    expect(
      await reasonsOf({ crls: [rootCrl, held, delta({ revoked: [{ serial: person.serial, reason: 8 }] })] }),
    ).toEqual(['valid']);
    expect(await reasonsOf({ crls: [rootCrl, held, delta({})] })).toEqual(['revoked']);
  });
});

describe('paths', () => {
  const noRevocation = { revocation: 'none', crls: [] } as const;

  it('ends the search in cyclic cross-certificates, with few signatures checked', async () => {
    const keys = Array.from({ length: 12 }, () => pki.makeKey('Ed25519'));
    const crossed = keys.flatMap((key, at) =>
      keys.flatMap((other, to) =>
        at === to
          ? []
          : [pki.authority(`Ring ${to}`, { name: pki.name(`Ring ${at}`), key, der: new Uint8Array() }, other).der],
      ),
    );
    const target = pki.leaf('Target', { name: pki.name('Ring 0'), key: keys[0]!, der: new Uint8Array() });
    const store = createTrustStore({ purpose: 'person', anchors: [anchor.der], intermediates: crossed });
    const verdict = await verify({ ...noRevocation, certificate: target.der, trust: store });
    expect(verdict.valid ? [] : verdict.reasons).toContain('work-limit');
    expect(verdict.work.signatureChecks).toBeLessThanOrEqual(200);
    expect(verdict.work.certificates).toBeLessThanOrEqual(1_000);
  });

  it('finds the one honest path among crossed ones', async () => {
    const a = pki.authority('A', anchor);
    const b = pki.authority('B', a);
    const back = pki.authority('A', b, a.key);
    const target = pki.leaf('Target', b);
    const verdict = await verify({ ...noRevocation, certificate: target.der, intermediates: [back.der, b.der, a.der] });
    expect(verdict.valid && verdict.verified.path.length).toBe(4);
  });

  it('refuses a person who signs another', async () => {
    const forged = pki.leaf('Forged', person);
    expect(await reasonsOf({ ...noRevocation, certificate: forged.der, intermediates: [person.der] })).toContain(
      'issuer-not-ca',
    );
  });

  it('refuses a self-signed certificate that carries the name and key identifier of the anchor', async () => {
    const fake = pki.root('Root');
    const target = pki.leaf('Target', fake);
    expect(await reasonsOf({ ...noRevocation, certificate: target.der, intermediates: [fake.der] })).toContain(
      'no-path',
    );
  });

  it('refuses an RSA key of exponent 1, under which anyone signs', async () => {
    const rsa = pki.makeKey('RSA');
    const modulus = pki.keyBits(rsa.spki).slice(9, 9 + 256);
    const spki = sequence(
      sequence(objectIdentifier('1.2.840.113549.1.1.1'), Uint8Array.of(5, 0)),
      bitString(sequence(integer(modulus), integer(1))),
    );
    const weak = pki.authority('Weak', anchor, rsa, [], { spki });
    const target = pki.leaf('Target', weak);
    expect(await reasonsOf({ ...noRevocation, certificate: target.der, intermediates: [weak.der] })).toContain(
      'key-unsupported',
    );
  });

  it('refuses an Ed25519 key of low order, under which anyone signs', async () => {
    const key = pki.makeKey('Ed25519');
    const zero = new Uint8Array(32);
    zero[0] = 1;
    const spki = sequence(sequence(objectIdentifier('1.3.101.112')), bitString(zero));
    const extensions = [
      pki.basicConstraints(),
      pki.keyUsage(5, 6),
      pki.authorityKeyId(anchor.key),
      pki.subjectKeyId(key),
    ];
    const weak = pki.certificate({
      subject: pki.name('Weak'),
      key,
      spki,
      issuer: anchor.name,
      issuerKey: anchor.key,
      extensions,
    });
    const bytes = pki.leaf('Target', { name: pki.name('Weak'), key, der: weak }, [], {}).der;
    // Signature R = identity, S = 0: a verifier without the check takes it for any message.
    const forged = concat(bytes.slice(0, -64), zero, new Uint8Array(32));
    expect(await reasonsOf({ ...noRevocation, certificate: forged, intermediates: [weak] })).toEqual([
      'no-path',
      'signature-invalid',
    ]);
  });

  it('refuses weak hashes and small keys, and takes SHA-1 only where a caller says so', async () => {
    const rsa = pki.makeKey('RSA');
    const sha1 = {
      ...rsa,
      algorithm: sequence(objectIdentifier('1.2.840.113549.1.1.5'), Uint8Array.of(5, 0)),
      hash: 'sha1',
    };
    const old = pki.root('Old', sha1);
    const target = pki.leaf('Target', old);
    const store = createTrustStore({ purpose: 'person', anchors: [old.der] });
    const options = { ...noRevocation, certificate: target.der, trust: store };
    expect(await reasonsOf(options)).toContain('hash-too-weak');
    expect(await reasonsOf({ ...options, algorithms: { hashes: ['SHA-1'] } })).toEqual(['valid']);
    expect(await reasonsOf({ ...options, algorithms: { hashes: ['SHA-1'], minRsaBits: 3072 } })).toContain(
      'key-too-small',
    );
  });

  for (const kind of ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA', 'RSA-PSS'] as const) {
    it(`verifies a chain of ${kind}, and refuses it with a bit of the signature changed`, async () => {
      const top = pki.root('Top', pki.makeKey(kind));
      const target = pki.leaf('Target', top);
      const store = createTrustStore({ purpose: 'person', anchors: [top.der] });
      const options = { ...noRevocation, trust: store, certificate: target.der };
      expect(await reasonsOf(options)).toEqual(['valid']);
      const changed = target.der.slice();
      changed[changed.length - 9]! ^= 1;
      expect(await reasonsOf({ ...options, certificate: changed })).not.toEqual(['valid']);
    });
  }
});
