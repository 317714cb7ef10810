/** Work is bounded: asserted as counts; times are reported. */
import { describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { integer, objectIdentifier, sequence, tagged, time } from '../../src/cc/createDer.ts';
import { findEntry, parseCrl } from '../../src/cc/crl.ts';
import { parseCertificate } from '../../src/cc/certificate.ts';
import {
  ANY_CERTIFICATE,
  createTrustStore,
  verifyCertificate,
  type Verification,
  type VerifyOptions,
} from '../../src/cc/index.ts';
import { Budget } from '../../src/cc/pathLimits.ts';
import { PolicyGraph } from '../../src/cc/policy.ts';
import * as pki from './makePki.ts';
import { AT, DAY } from './makePki.ts';

const anchor = pki.root('Root', pki.makeKey('Ed25519'));

function verify(
  certificate: Uint8Array,
  intermediates: readonly Uint8Array[],
  more: Partial<VerifyOptions> = {},
): Promise<Verification> {
  const trust = createTrustStore({ purpose: 'person', anchors: [anchor.der], intermediates });
  return verifyCertificate({ certificate, trust, profile: ANY_CERTIFICATE, atMs: AT, revocation: 'none', ...more });
}

function largeCrl(issuer: pki.Authority, count: number): Uint8Array {
  const revokedAt = time(AT - 2 * DAY);
  const entries: Uint8Array[] = [];
  // Serial numbers of 16 octets, the most usual length.
  for (let at = 0; at < count; at += 1) {
    const serial = new Uint8Array(16).fill(0x5a);
    new DataView(serial.buffer).setUint32(12, at);
    entries.push(sequence(integer(serial), revokedAt));
  }
  const head = [integer(1), issuer.key.algorithm, issuer.name, time(AT - DAY), time(AT + DAY)];
  const tail = tagged(0, sequence(pki.extension('2.5.29.20', integer(1)), pki.authorityKeyId(issuer.key)));
  return pki.signed(sequence(...head, pki.element(0x30, concat(...entries)), tail), issuer.key);
}

describe('a revocation list of 50,000 entries', () => {
  const count = 50_000;
  const der = largeCrl(anchor, count);
  const listed = new Uint8Array(16).fill(0x5a);
  new DataView(listed.buffer).setUint32(12, count - 1);

  it('is read in one pass, each entry once, building nothing of them', () => {
    const issuer = parseCertificate(anchor.der).subject;
    let counted = 0;
    findEntry(parseCrl(der), listed, issuer, () => {});
    const heapBefore = process.memoryUsage().heapUsed;
    const startedMs = performance.now();
    const crl = parseCrl(der);
    const found = findEntry(crl, listed, issuer, (entries) => (counted += entries));
    const tookMs = performance.now() - startedMs;
    const grownMb = (process.memoryUsage().heapUsed - heapBefore) / 1_048_576;
    console.log(
      `50,000 entries, ${(der.length / 1e6).toFixed(2)} MB: ${tookMs.toFixed(1)} ms, heap ${grownMb.toFixed(1)} MB`,
    );
    expect(found).toEqual({ listed: true, reason: 0, revokedAtMs: AT - 2 * DAY });
    expect(counted).toBe(count);
    expect(crl.bytes).toBe(der);
    expect(crl.toBeSigned.buffer).toBe(der.buffer);
    expect(findEntry(crl, Uint8Array.of(1), issuer, () => {})).toEqual({ listed: false });
    expect(grownMb).toBeLessThan(20);
  });

  it('is verified with one signature check a certificate', async () => {
    const person = pki.leaf('Person', anchor, [], { serial: listed });
    const other = pki.leaf('Other', anchor);
    const trust = createTrustStore({ purpose: 'person', anchors: [anchor.der] });
    const options = { trust, profile: ANY_CERTIFICATE, atMs: AT, crls: [der] };
    const revoked = await verifyCertificate({ ...options, certificate: person.der });
    expect(revoked.valid ? [] : revoked.reasons).toEqual(['revoked']);
    const good = await verifyCertificate({ ...options, certificate: other.der });
    expect(good.valid).toBe(true);
    expect(good.work).toMatchObject({ signatureChecks: 2, crlEntries: count });
    const limited = await verifyCertificate({ ...options, certificate: other.der, limits: { crlEntries: 49_999 } });
    expect(limited.valid ? [] : limited.reasons).toContain('work-limit');
  });
});

describe('path building', () => {
  it('goes as deep as it is told', async () => {
    const chain = [anchor];
    for (let depth = 0; depth < 6; depth += 1)
      chain.push(pki.authority(`CA ${depth}`, chain.at(-1)!, pki.makeKey('Ed25519')));
    const target = pki.leaf('Target', chain.at(-1)!);
    const intermediates = chain.slice(1).map((each) => each.der);
    expect((await verify(target.der, intermediates)).valid).toBe(true);
    expect((await verify(target.der, intermediates, { limits: { intermediates: 6 } })).valid).toBe(true);
    const refused = await verify(target.der, intermediates, { limits: { intermediates: 5 } });
    expect(refused.valid ? [] : refused.reasons).toContain('path-too-long');
  });

  it('checks one signature a certificate on the way up', async () => {
    const ca = pki.authority('CA', anchor);
    const { work } = await verify(pki.leaf('Target', ca).der, [ca.der]);
    expect(work).toMatchObject({ certificates: 2, signatureChecks: 2, paths: 1 });
  });

  it('does not try each of a hundred namesakes where the key identifier names one', async () => {
    const real = pki.authority('CA', anchor);
    const namesakes = Array.from({ length: 100 }, () => pki.authority('CA', anchor, pki.makeKey('Ed25519')).der);
    const verdict = await verify(pki.leaf('Target', real).der, [...namesakes, real.der]);
    expect(verdict.valid).toBe(true);
    expect(verdict.work.signatureChecks).toBe(2);
  });

  it('stops at the limit on signatures where a hundred namesakes claim the key identifier', async () => {
    const real = pki.authority('CA', anchor);
    const claim = pki.subjectKeyId(real.key);
    const claimants = Array.from({ length: 100 }, () => {
      const key = pki.makeKey();
      const extensions = [pki.basicConstraints(), pki.keyUsage(5, 6), claim, pki.authorityKeyId(anchor.key)];
      return pki.certificate({ subject: real.name, key, issuer: anchor.name, issuerKey: anchor.key, extensions });
    });
    const target = pki.leaf('Target', real, [], { issuerKey: pki.makeKey() });
    const verdict = await verify(target.der, claimants, { limits: { signatureChecks: 20 } });
    expect(verdict.valid ? [] : verdict.reasons).toContain('work-limit');
    expect(verdict.work.signatureChecks).toBe(20);
  });

  it('stops when the deadline passes', async () => {
    let now = 0;
    const chain = pki.authority('CA', anchor);
    const deadline = { now: () => (now += 1), atMs: 2 };
    const verdict = await verify(pki.leaf('Target', chain).der, [chain.der], { deadline });
    expect(verdict.valid ? [] : verdict.reasons).toContain('deadline-passed');
  });

  it('looks at 64 intermediates of a peer and says so', async () => {
    const ca = pki.authority('CA', anchor);
    const target = pki.leaf('Target', ca);
    const junk = Array.from({ length: 64 }, () => Uint8Array.of(0x30, 0));
    const verdict = await verify(target.der, [], { intermediates: [...junk, ca.der] });
    expect(verdict.valid).toBe(false);
    expect(verdict.notes[0]).toBe('65 intermediates were sent, 64 looked at');
  });
});

describe('policies', () => {
  it('grow with the certificates, not with the ways through them', () => {
    const budget = new Budget();
    const graph = new PolicyGraph(budget);
    const names = Array.from({ length: 12 }, (_, at) => `1.2.3.${at}`);
    const everyPair = names.flatMap((issuerDomain) => names.map((subjectDomain) => ({ issuerDomain, subjectDomain })));
    // The tree of RFC 5280 would have 12 to the 20th nodes here.
    for (let depth = 0; depth < 20; depth += 1) {
      graph.addLevel(names, true);
      graph.map(everyPair, true);
    }
    graph.addLevel(names, true);
    expect(graph.isNull).toBe(false);
    expect([...graph.userConstrained(new Set(['2.5.29.32.0']))].sort()).toEqual([...names].sort());
    expect(budget.work.policyNodes).toBeLessThan(20_000);
  });

  it('stop at their limit', async () => {
    const many = Array.from({ length: 1_000 }, (_, at) => `1.2.3.${at}`);
    const ca = pki.authority('CA', anchor, pki.makeKey(), [pki.policies(...many)]);
    const target = pki.leaf('Target', ca, [pki.policies(...many)]);
    const verdict = await verify(target.der, [ca.der], { limits: { policyNodes: 3_000 } });
    expect(verdict.valid ? [] : verdict.reasons).toContain('work-limit');
    expect(verdict.work.policyNodes).toBeLessThanOrEqual(3_000);
  });
});

describe('name constraints', () => {
  it('stop at their limit on comparisons', async () => {
    const bases = Array.from({ length: 300 }, (_, at) => pki.dns(`x${at}.test`));
    const names = Array.from({ length: 300 }, (_, at) => pki.dns(`y${at}.test`));
    const ca = pki.authority('CA', anchor, pki.makeKey(), [pki.subtrees([], bases)]);
    const target = pki.leaf('Target', ca, [pki.altNames(...names)]);
    expect((await verify(target.der, [ca.der])).valid).toBe(true);
    const verdict = await verify(target.der, [ca.der], { limits: { nameComparisons: 89_999 } });
    expect(verdict.valid ? [] : verdict.reasons).toContain('work-limit');
  });
});

describe('sizes', () => {
  it('refuses a certificate above 64 KiB before reading it', async () => {
    const verdict = await verify(new Uint8Array(65_537), []);
    expect(verdict.valid ? undefined : verdict.attempts[0]).toMatchObject({
      reason: 'malformed',
      detail: 'a certificate of 65537 bytes, limit 65536',
    });
  });

  it('refuses an object identifier longer than any in use', async () => {
    const long = pki.extension('1.2.3', Uint8Array.of(5, 0));
    const huge = pki.extension(`1.2.${'4294967295.'.repeat(20)}1`, Uint8Array.of(5, 0));
    expect(objectIdentifier('1.2.3').length).toBe(4);
    expect((await verify(pki.leaf('T', anchor, [long]).der, [])).valid).toBe(true);
    expect((await verify(pki.leaf('T', anchor, [huge]).der, [])).valid).toBe(false);
  });
});
