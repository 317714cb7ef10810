/** Runs the public suites through the same function as the command line, and counts. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  ANY_CERTIFICATE,
  createTrustStore,
  verifyBatch,
  verifyCertificate,
  type BatchVerdict,
  type Work,
} from '../../src/cc/index.ts';

export interface SuiteResult {
  readonly verdict: BatchVerdict;
  readonly section: string;
  readonly expected: boolean;
}

interface Case {
  readonly number?: string;
  readonly id?: string;
  readonly shouldValidate?: boolean;
  readonly expected_result?: string;
}

const PKITS_AT = Date.parse('2011-04-15T00:00:00Z');

export async function runPkits(folder: string): Promise<readonly SuiteResult[]> {
  const cases = JSON.parse(readFileSync(join(folder, 'pkits/pkits-tests.json'), 'utf8')) as readonly Case[];
  const read = (kind: string, name: string): Uint8Array | undefined => {
    const file = join(folder, 'pkits', kind, `${name}.${kind === 'certs' ? 'crt' : 'crl'}`);
    return existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined;
  };
  const files = {
    certificate: (name: string) => read('certs', name),
    crl: (name: string) => read('crls', name),
    atMs: PKITS_AT,
  };
  return results(cases, verifyBatch(cases, files), (name) => name.split('.').slice(0, 2).join('.'));
}

/** Every target of the PKITS folder whose name says what it is, with all CAs and all lists of the folder at hand. */
export async function runPkitsFolder(
  folder: string,
): Promise<
  readonly { readonly name: string; readonly expected: boolean; readonly valid: boolean; readonly work: Work }[]
> {
  const all = (kind: string): readonly string[] => readdirSync(join(folder, 'pkits', kind));
  const read = (kind: string, file: string): Uint8Array =>
    new Uint8Array(readFileSync(join(folder, 'pkits', kind, file)));
  const anchor = 'TrustAnchorRootCertificate.crt';
  const trust = createTrustStore({
    purpose: 'person',
    anchors: [read('certs', anchor)],
    intermediates: all('certs')
      .filter((file) => !file.endsWith('EE.crt') && file !== anchor)
      .map((file) => read('certs', file)),
  });
  const crls = all('crls').map((file) => read('crls', file));
  const found = [];
  for (const name of all('certs').filter((file) => /^(?:Inv|V)alid.*EE\.crt$/.test(file))) {
    const certificate = read('certs', name);
    const verdict = await verifyCertificate({
      certificate,
      trust,
      profile: ANY_CERTIFICATE,
      atMs: PKITS_AT,
      crls,
      isStrict: false,
    });
    found.push({ name, expected: name.startsWith('V'), valid: verdict.valid, work: verdict.work });
  }
  return found;
}

export async function runLimbo(folder: string): Promise<readonly SuiteResult[]> {
  const suite = JSON.parse(readFileSync(join(folder, 'limbo/limbo.json'), 'utf8')) as {
    readonly testcases: readonly Case[];
  };
  const none = (): undefined => undefined;
  return results(suite.testcases, verifyBatch(suite, { certificate: none, crl: none }), (name) =>
    name.split('::').slice(0, -1).join('::'),
  );
}

async function results(
  cases: readonly Case[],
  verdicts: AsyncIterable<BatchVerdict>,
  sectionOf: (name: string) => string,
): Promise<readonly SuiteResult[]> {
  const found: SuiteResult[] = [];
  for await (const verdict of verdicts) {
    const each = cases[found.length]!;
    const expected = each.shouldValidate ?? each.expected_result === 'SUCCESS';
    found.push({ verdict, section: sectionOf(verdict.case), expected });
  }
  return found;
}

/** A table by section: cases, passes, false accepts, false rejects, slowest. */
export function table(
  title: string,
  all: readonly SuiteResult[],
  titles: Readonly<Record<string, string>> = {},
): string {
  const sections = [...new Set(all.map((each) => each.section))];
  const row = (name: string, of: readonly SuiteResult[]): string => {
    const accepts = of.filter((each) => each.verdict.valid && !each.expected).length;
    const rejects = of.filter((each) => !each.verdict.valid && each.expected).length;
    const slowest = Math.max(...of.map((each) => each.verdict.ms));
    const cells = [of.length, of.length - accepts - rejects, accepts, rejects, slowest.toFixed(1)];
    return `${name.padEnd(36)}${cells.map((cell) => String(cell).padStart(10)).join('')}`;
  };
  const head = ['cases', 'pass', 'f.accept', 'f.reject', 'max ms'].map((cell) => cell.padStart(10)).join('');
  return [
    `\n${title.padEnd(36)}${head}`,
    ...sections.map((section) =>
      row(
        `${section} ${titles[section] ?? ''}`,
        all.filter((each) => each.section === section),
      ),
    ),
    row('all', all),
  ].join('\n');
}
