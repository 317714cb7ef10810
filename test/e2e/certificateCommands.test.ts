/** The command's cards and certificates, as processes. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseCommand } from '../../examples/cli/arguments.ts';
import { runCert } from '../../examples/cli/cert.ts';
import { UsageError } from '../../examples/cli/usage.ts';
import {
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  testPkiFiles,
  type TestPerson,
  type TestPki,
} from '../../src/cc/index.ts';
import { createSoftHsm, missingForCards, PIN, type SoftHsm } from '../cc/softHsm.ts';
import { endAll, openBetween, run, SIMS, startRelayProcess, type ChatProcess } from '../support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sims-certificates-'));
const at = (...parts: string[]): string => join(folder, ...parts);
const TRUST = ['--anchors', at('anchors'), '--intermediates', at('intermediates'), '--crls', at('crls')];
const needs = missingForCards === '' ? '' : ` (needs ${missingForCards})`;
let pki: TestPki;
let ana: TestPerson;
let rui: TestPerson;

beforeAll(async () => {
  pki = await createTestPki({ atMs: Date.now(), authorityRsaBits: 2048 });
  ana = await createTestPerson(pki, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '11111111' });
  rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
  for (const name of ['anchors', 'intermediates', 'crls', 'people', 'keys', 'revoked']) mkdirSync(at(name));
  for (const { path, bytes } of await testPkiFiles(pki, [ana, rui], 'segredo')) writeFileSync(at(path), bytes);
  const { authentication } = pki.hierarchies.get('v2')!;
  const list = await createTestPkiCrl(pki, authentication, [{ serial: rui.serial, atMs: Date.now() - 3_600_000 }]);
  writeFileSync(at('revoked', 'list.crl'), list);
}, 60_000);

afterEach(endAll);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly log: string;
}

function sims(parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const [command, ...first] = SIMS;
  const env = { ...process.env, ...environment };
  return new Promise((resolve) => {
    execFile(command, [...first, ...parameters], { env, maxBuffer: 2 ** 26 }, (error, out, log) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, log });
    });
  });
}

const person = (name: string, extension: string): string =>
  at(
    'people',
    readdirSync(at('people')).find((file) => file.startsWith(name) && file.endsWith(extension))!,
  );

describe('sims cert verify', () => {
  it('prints a verdict: exit 0 valid, 1 not, 2 not understood', async () => {
    const file = person('rui', '.pem');
    const good = await sims(['cert', 'verify', file, ...TRUST, '--profile', 'citizen-card']);
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out)).toMatchObject({ valid: true, reasons: [], revocation: 'good' });
    // The target is not named: it may be a person.
    expect(good.out).not.toContain('RUI');
    const bad = async (parameters: readonly string[]): Promise<unknown> => {
      const { code, out } = await sims(['cert', 'verify', file, ...parameters]);
      expect(code).toBe(1);
      return (JSON.parse(out) as { reasons: readonly string[] }).reasons;
    };
    const lists = ['--crls', at('revoked'), ...TRUST];
    expect(await bad(['--profile', 'citizen-card', ...lists])).toContain('revoked');
    expect(await bad([...TRUST, '--at', '1999-01-01T00:00:00Z'])).toContain('not-yet-valid');
    expect(await bad(['--anchors', at('anchors')])).toEqual(['no-path']);
    expect(await bad([...TRUST, '--policy', '1.2.3', '--require-policy'])).toContain('policy-not-acceptable');
    for (const wrong of [
      [],
      ['verify'],
      ['verify', file],
      ['verify', file, ...TRUST, '--profile', 'toString'],
      ['verify', file, ...TRUST, '--revocation', 'maybe'],
      ['verify', file, ...TRUST, '--at', 'yesterday'],
      ['verify', file, ...TRUST, '--no-such-option'],
      ['verify', at('nowhere.pem'), ...TRUST],
      ['verify', '--batch', file],
      ['create'],
      ['create', 'relay', '--out', folder],
      ['create', 'test-pki'],
    ]) {
      await expect(runCert(wrong), wrong.join(' ')).rejects.toThrow(UsageError);
    }
    const { code, out, log } = await sims(['cert', 'verify', file]);
    expect([code, out, log]).toEqual([2, '', expect.stringMatching(/^sims: cert verify needs --anchors/u)]);
  }, 60_000);

  it('prints a line for every case of a batch, also for those that are none', async () => {
    writeFileSync(at('keys', 'anchor.crt'), pki.anchors[0]!);
    writeFileSync(at('keys', 'authority.crt'), pki.hierarchies.get('v2')!.authority.certificate);
    writeFileSync(at('keys', 'rest.crl'), await createTestPkiCrl(pki, pki.root, []));
    const cases = [
      { number: '1', certs: ['anchor', 'authority'], crls: ['rest'] },
      { number: '2', certs: ['anchor', 'authority'], crls: [] },
      { number: '3', certs: ['anchor', 'nothing'], crls: [] },
      { number: '4', certs: ['anchor', '../anchors/root'], crls: [] },
      7,
    ];
    writeFileSync(at('cases.json'), JSON.stringify(cases));
    const folders = ['--certs', at('keys'), '--crls', at('keys')];
    const { code, out } = await sims(['cert', 'verify', '--batch', at('cases.json'), ...folders]);
    expect(code).toBe(0);
    const verdicts = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(verdicts.map((verdict) => [verdict['case'], verdict['valid'], verdict['reasons']])).toEqual([
      ['1', true, []],
      ['2', false, ['revocation-unknown']],
      ['3', false, ['unreadable-case']],
      ['4', false, ['unreadable-case']],
      ['#5', false, ['unreadable-case']],
    ]);
    expect(verdicts.every(({ ms }) => typeof ms === 'number')).toBe(true);
  });
});

describe('sims cert create', () => {
  it('makes a relay’s certificate, which the relay then has', async () => {
    const { code, out } = await sims(['cert', 'create', 'relay', '--name', 'localhost', '--out', at('relay')]);
    expect(code).toBe(0);
    const { fingerprint, certificate } = JSON.parse(out) as { fingerprint: string; certificate: string };
    const relay = await startRelayProcess(['--state', at('relay')]);
    expect(relay.fingerprint).toBe(fingerprint);
    const own = ['--profile', 'relay', '--anchors', certificate];
    expect((await sims(['cert', 'verify', certificate, ...own, '--name', 'localhost'])).code).toBe(0);
    expect((await sims(['cert', 'verify', certificate, ...own, '--name', 'elsewhere'])).code).toBe(1);
  });

  it('makes a PKI whose people verify', async () => {
    const { code, out } = await sims(['cert', 'create', 'test-pki', '--out', at('demo')]);
    expect(code).toBe(0);
    const { files } = JSON.parse(out) as { files: readonly string[] };
    const people = files.filter((file) => /^people\/.*\.pem$/u.test(file));
    expect(people).toHaveLength(2);
    const trust = TRUST.map((parameter) => parameter.replace(folder, at('demo')));
    for (const file of people) {
      expect((await sims(['cert', 'verify', at('demo', file), ...trust, '--profile', 'citizen-card'])).code).toBe(0);
    }
  }, 60_000);
});

describe('sims chat', () => {
  it('--p12 is somebody: the relay and the peer each verify', async () => {
    const relay = await startRelayProcess(TRUST);
    const [first, second] = await Promise.all([
      chat(relay.tcp, 'Ana', ['--pin', relay.fingerprint, '--p12', person('ana', '.p12'), ...TRUST]),
      chat(relay.ws, 'Rui', ['--pin', relay.fingerprint, '--p12', person('rui', '.p12'), ...TRUST]),
    ]);
    expect(await identities(first, second)).toEqual([
      { kind: 'certificate', verified: true, name: 'RUI SÁ', fingerprint: expect.any(String) },
      { kind: 'certificate', verified: true, name: 'ANA MAIA', fingerprint: expect.any(String) },
    ]);
    expect(relay.process.log).not.toMatch(/MAIA|RUI|11111111|22222222/u);
  });

  it('shows no certificate to a relay that nobody vouches for, and none goes in that was revoked', async () => {
    const relay = await startRelayProcess(['--crls', at('revoked'), ...TRUST]);
    const p12 = ['--p12', person('rui', '.p12')];
    const environment = { SIMS_P12_PASSWORD: 'segredo' };
    const stranger = await sims(['chat', relay.tcp, '--json', ...p12], environment);
    expect(stranger.code).toBe(1);
    expect(JSON.parse(stranger.out)).toMatchObject({ event: 'error', code: 'client/relay-untrusted' });
    const revoked = await sims(['chat', relay.tcp, '--json', '--pin', relay.fingerprint, ...p12], environment);
    expect(revoked.code).toBe(1);
    expect(JSON.parse(revoked.out)).toMatchObject({ event: 'error', code: 'client/relay-refused' });
    expect(relay.process.log).toContain('cc/revoked');
    const wrong = await sims(['chat', relay.tcp, '--json', ...p12], { SIMS_P12_PASSWORD: 'outro' });
    expect(JSON.parse(wrong.out)).toMatchObject({ event: 'error', code: 'cc/pkcs12-password' });
  });

  it('does not go on where the options contradict one another', () => {
    for (const wrong of [
      ['chat', 'tcp://127.0.0.1:1'],
      ['chat', 'tcp://127.0.0.1:1', '--card', '--p12', 'x'],
      ['chat', 'tcp://127.0.0.1:1', '--name', 'x', '--token', 'y'],
      ['chat', 'tcp://127.0.0.1:1', '--name', 'x', '--crls', at('crls')],
      ['relay', '--crls', at('crls')],
      ['relay', ...TRUST, '--profile', 'relay'],
    ]) {
      expect(() => parseCommand(wrong), wrong.join(' ')).toThrow(UsageError);
    }
  });
});

describe.skipIf(missingForCards !== '')(`a card in SoftHSM2${needs}`, () => {
  let hsm: SoftHsm;
  beforeAll(() => {
    hsm = createSoftHsm();
    process.env['SOFTHSM2_CONF'] = hsm.configuration;
    hsm.initToken('ANA');
    hsm.put('ANA', ana);
    hsm.initToken('RUI');
    hsm.put('RUI', rui);
  });
  afterAll(() => {
    hsm.remove();
    delete process.env['SOFTHSM2_CONF'];
  });

  it('is listed without its holder, and described with', async () => {
    const list = await sims(['card', 'list', '--module', hsm.module, '--json']);
    expect(list.code).toBe(0);
    const { tokens } = JSON.parse(list.out) as { tokens: readonly { label: string; usable: boolean }[] };
    expect(tokens.map(({ label, usable }) => `${label} ${usable}`).sort()).toEqual(['ANA true', 'RUI true']);
    expect(list.out).not.toContain('MAIA');
    const info = await sims(['card', 'info', '--module', hsm.module, '--token', 'ANA']);
    expect(info.code).toBe(0);
    expect(info.out).toMatch(/^ {2}\* CITIZEN AUTHENTICATION CERTIFICATE {2}RSA {2}ANA MAIA$/mu);
    expect(info.out).not.toContain('RUI');
    expect((await sims(['card', 'list', '--module', hsm.module, '--token', 'EVA'])).code).toBe(1);
    const missing = await sims(['card', 'list', '--module', at('nothing.so')]);
    expect([missing.code, missing.log]).toEqual([1, expect.stringMatching(/^sims: card\/module-/u)]);
  });

  it('is who chats with --card', async () => {
    const relay = await startRelayProcess(TRUST);
    const card = (token: string): string[] => ['--card', '--module', hsm.module, '--token', token];
    const [first, second] = await Promise.all([
      chat(relay.tcp, 'Ana', ['--pin', relay.fingerprint, ...card('ANA'), ...TRUST]),
      chat(relay.tcp, 'Rui', ['--pin', relay.fingerprint, ...card('RUI'), ...TRUST]),
    ]);
    expect(await identities(first, second)).toMatchObject([
      { verified: true, name: 'RUI SÁ' },
      { verified: true, name: 'ANA MAIA' },
    ]);
  });
});

async function chat(url: string, name: string, parameters: readonly string[]): Promise<ChatProcess> {
  const env = { ...process.env, SIMS_P12_PASSWORD: 'segredo', SIMS_PIN: PIN };
  const child = run(SIMS, ['chat', url, '--json', ...parameters], { env });
  const { id } = await child.next('ready');
  return { process: child, id: id as string, name };
}

/** What each shows of the other once they talk. */
async function identities(first: ChatProcess, second: ChatProcess): Promise<readonly unknown[]> {
  await openBetween(first, second);
  const seen = async (from: ChatProcess, of: ChatProcess): Promise<unknown> => {
    await from.process.send({ do: 'list' });
    const { clients } = await from.process.next('list');
    return (clients as readonly { id: string; identity: unknown }[]).find(({ id }) => id === of.id)?.identity;
  };
  return [await seen(first, second), await seen(second, first)];
}
