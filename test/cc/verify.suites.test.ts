/** NIST PKITS and x509-limbo, whole but for what is named here. */
import { describe, expect, it } from 'vitest';
import { runLimbo, runPkits, runPkitsFolder, table } from './suites.ts';

const folder = process.env['SIMS_DATA'];

/** DSA; and a list that only its own signer's status depends on. */
const PKITS_EXCEPTIONS = ['4.1.4', '4.1.5', '4.14.30'];
/** Rules of the web's own profile, and certificates of live sites. */
const isWeb = (id: string): boolean => /^(?:webpki|online)::/.test(id);

const SECTIONS: Readonly<Record<string, string>> = {
  4.1: 'signatures',
  4.2: 'validity',
  4.3: 'name chaining',
  4.4: 'basic revocation',
  4.5: 'self-issued',
  4.6: 'basic constraints',
  4.7: 'key usage',
  4.8: 'policies',
  4.9: 'require explicit policy',
  '4.10': 'policy mappings',
  4.11: 'inhibit policy mapping',
  4.12: 'inhibit any policy',
  4.13: 'name constraints',
  4.14: 'distribution points',
  4.15: 'delta lists',
  4.16: 'private extensions',
};

/** On the suite's 249 cases: passes, false accepts, false rejects. */
const OTHERS: readonly (readonly [string, number, number, number])[] = [
  ['openssl verify, all its flags', 247, 0, 2],
  ['BoringSSL', 226, 1, 22],
  ['pkijs 4.0.0', 204, 22, 23],
  ['openssl verify -crl_check_all', 190, 46, 13],
  ['node:crypto, naive search', 129, 119, 1],
  ['@peculiar/x509 2.2.0', 118, 125, 6],
];

describe.skipIf(folder === undefined)('public suites (needs SIMS_DATA)', () => {
  it('decides every PKITS case as NIST does, each within a second', async () => {
    const results = await runPkits(folder!);
    const others = OTHERS.map(
      ([name, ...cells]) => `${name.padEnd(36)}${['249', ...cells].map((cell) => String(cell).padStart(10)).join('')}`,
    );
    console.log([table('PKITS', results, SECTIONS), 'other engines, on all 249:', ...others].join('\n'));
    const wrong = results.filter(({ verdict, expected }) => verdict.valid !== expected);
    expect(wrong.filter((each) => each.verdict.valid).map((each) => each.verdict.case)).toEqual([]);
    expect(wrong.map((each) => each.verdict.case).filter((name) => !PKITS_EXCEPTIONS.includes(name))).toEqual([]);
    expect(results.filter((each) => each.verdict.ms > 1_000)).toEqual([]);
    expect(results.length).toBeGreaterThan(100);
    expect(new Set(results.map((each) => each.expected)).size).toBe(2);
  });

  it('decides every target of the PKITS folder with all its CAs and lists in one store', async () => {
    const results = await runPkitsFolder(folder!);
    const wrong = results.filter((each) => each.valid !== each.expected);
    expect(wrong.filter((each) => each.valid).map((each) => each.name)).toEqual([]);
    expect(wrong.map((each) => each.name)).toEqual([
      'ValidDSAParameterInheritanceTest5EE.crt',
      'ValidDSASignaturesTest4EE.crt',
      'ValidcRLIssuerTest30EE.crt',
    ]);
    expect(results.length).toBeGreaterThan(200);
    expect(Math.max(...results.map((each) => each.work.signatureChecks))).toBeLessThanOrEqual(20);
  });

  it('decides every x509-limbo case as expected, web rules apart, each within a second', async () => {
    const all = await runLimbo(folder!);
    const results = all.filter(({ verdict }) => !isWeb(verdict.case));
    console.log(table('x509-limbo', results));
    const wrong = results.filter(({ verdict, expected }) => verdict.valid !== expected);
    expect(wrong.filter((each) => each.verdict.valid).map((each) => each.verdict.case)).toEqual([]);
    expect(wrong.map((each) => each.verdict.case)).toEqual([]);
    expect(all.filter((each) => each.verdict.ms > 1_000)).toEqual([]);
    expect(results.length).toBeGreaterThan(80);
    expect(new Set(results.map((each) => each.expected)).size).toBe(2);
  });
});
