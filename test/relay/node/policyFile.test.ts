import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SimsError } from '../../../src/errors.ts';
import { loadPolicy, type AuditEntry } from '../../../src/ifc/index.ts';
import { startRelay, type RelayServer, type RelayServerOptions } from '../../../src/relay/node/index.ts';

const OFFICE = '{ "levels": ["office"], "clearance": [{ "label": "office" }] }';
let directory: string;
let policyFile: string;
let auditFile: string;
const running: RelayServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sims-policy-file-'));
  policyFile = join(directory, 'policy.json');
  auditFile = join(directory, 'audit.jsonl');
  writeFileSync(policyFile, OFFICE);
});
afterEach(async () => {
  for (const relay of running.splice(0)) await relay.close();
  rmSync(directory, { recursive: true });
});

async function start(options: Partial<RelayServerOptions>): Promise<RelayServer> {
  const relay = await startRelay({ listen: [{ scheme: 'tcp' }], ...options });
  running.push(relay);
  return relay;
}

async function errorOf(promise: Promise<unknown>): Promise<SimsError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof SimsError) return error;
  throw new Error('no SimsError', { cause: error });
}

describe('a relay with a policy in a file', () => {
  it('does not start where it is wrong, missing, or given twice', async () => {
    const policy = loadPolicy(OFFICE);
    expect((await errorOf(start({ policyFile, policy }))).code).toBe('relay/invalid-option');
    expect((await errorOf(start({ policyFile: join(directory, 'none') }))).code).toBe('relay/invalid-option');
    writeFileSync(policyFile, '{ "levels": ["a"],\n "clearance": [] }');
    const error = await errorOf(start({ policyFile, auditFile }));
    expect([error.code, error.message]).toEqual(['ifc/policy-invalid', expect.stringContaining('line 2, column ')]);
  });

  it('reads it again, keeps the old one where the new one is wrong, and has each in the audit log', async () => {
    const events: string[] = [];
    const audited: AuditEntry[] = [];
    const relay = await start({
      policyFile,
      auditFile,
      audit: (entry) => audited.push(entry),
      log: ({ event }) => events.push(event),
    });
    writeFileSync(policyFile, 'nothing');
    expect((await errorOf(relay.reloadPolicy())).code).toBe('ifc/policy-invalid');
    writeFileSync(policyFile, OFFICE);
    await relay.reloadPolicy();
    await relay.reloadPolicy(loadPolicy(OFFICE));
    expect(events).toEqual(['policy-rejected', 'policy-loaded', 'policy-loaded']);
    await relay.close();
    const entries = readFileSync(auditFile, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { entry: AuditEntry }).entry);
    const hash = expect.stringMatching(/^sha256:[\da-f]{64}$/u) as string;
    expect(audited.map(({ note }) => note)).toEqual([hash, hash, 'given by the program']);
    expect(entries).toEqual([{ event: 'started' }, ...audited]);
    expect(relay.auditHead()?.seq).toBe(3);
  });

  it('without a file takes another policy from the program alone', async () => {
    const relay = await start({});
    expect((await errorOf(relay.reloadPolicy())).code).toBe('relay/invalid-option');
    await relay.reloadPolicy(loadPolicy(OFFICE));
    expect(relay.auditHead()).toBeUndefined();
  });

  it('does not start on an audit log that was tampered with', async () => {
    writeFileSync(auditFile, 'something else\n');
    expect((await errorOf(start({ auditFile }))).code).toBe('relay/audit-unusable');
    expect(readFileSync(auditFile, 'utf8')).toBe('something else\n');
  });
});
