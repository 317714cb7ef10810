import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeProvider } from '../../../src/crypto/node/index.ts';
import { SimsError } from '../../../src/errors.ts';
import { verifyAudit, type AuditEntry } from '../../../src/ifc/index.ts';
import { openAuditFile, type AuditFile } from '../../../src/relay/node/auditFile.ts';
import { AuditThrottle, DEFAULT_AUDIT_RATE } from '../../../src/relay/node/auditThrottle.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => nodeProvider.hash('SHA-256', bytes);
let directory: string;
let path: string;
let now: number;
const opened: AuditFile[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sims-audit-'));
  path = join(directory, 'audit.jsonl');
  now = 1_700_000_000_000;
});
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  rmSync(directory, { recursive: true });
});

async function open(options: Partial<Parameters<typeof openAuditFile>[1]> = {}): Promise<AuditFile> {
  const file = await openAuditFile(path, { now: () => now, ...options });
  opened.push(file);
  return file;
}

function denial(subject: string, messageId = 'aaaaaaaaaaa'): AuditEntry {
  return { event: 'denied', kind: 'message', rule: 'star-property', from: 'high', to: 'low', subject, messageId };
}

const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);
const entries = (): (AuditEntry & object)[] => lines().map((line) => (JSON.parse(line) as { entry: AuditEntry }).entry);
const codeOf = (error: unknown): string | undefined => (error instanceof SimsError ? error.code : undefined);

describe('the audit file', () => {
  it('is made, readable by its owner alone, and begins with the start', async () => {
    await open();
    expect(entries()).toEqual([{ event: 'started' }]);
    if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('goes on where it ended, also when it is longer than what is read of it', async () => {
    const first = await open();
    for (let index = 0; index < 20_000; index += 1) {
      first.write({ event: 'policy', note: `${'x'.repeat(200)}${index}` });
      if (index % 1_000 === 0) await first.flush();
    }
    await first.flush();
    const head = first.head();
    await first.close();
    expect(statSync(path).size).toBeGreaterThan(4 * 1_048_576);
    const second = await open();
    second.write(denial('a'));
    await second.flush();
    expect(second.head()?.seq).toBe(20_002);
    expect(verifyAudit(lines(), { sha256, heads: [head!, second.head()!] })).toMatchObject({
      ok: true,
      state: { counts: { entries: 20_003, denied: 1 } },
    });
  });

  it('cuts off a last line that was not written whole, and says so', async () => {
    const first = await open();
    first.write(denial('a'));
    await first.close();
    appendFileSync(path, '{"seq":2,"timeMs":17');
    await open();
    expect(entries().at(-1)).toEqual({ event: 'started', note: '20 bytes of an unfinished line were cut off' });
    expect(verifyAudit(lines(), { sha256 }).ok).toBe(true);
  });

  it('is refused when its last lines are not what was written, and left as it is', async () => {
    const first = await open();
    for (const subject of ['a', 'b', 'c']) first.write(denial(subject));
    await first.close();
    const text = readFileSync(path, 'utf8');
    for (const damaged of [
      text.replace('"subject":"b"', '"subject":"x"'),
      text.split('\n').toSpliced(1, 1).join('\n'),
      'no log\n',
    ]) {
      writeFileSync(path, damaged);
      expect(await open().catch(codeOf)).toBe('relay/audit-unusable');
      expect(readFileSync(path, 'utf8')).toBe(damaged);
    }
    expect(await openAuditFile(join(directory, 'no', 'such'), { now: () => now }).catch(codeOf)).toBe(
      'relay/audit-unusable',
    );
  });

  it('counts what it cannot hold while the disk refuses, and says how many were lost', async () => {
    const file = await open();
    for (let index = 0; index < 10_000; index += 1) file.write({ event: 'policy', note: 'x'.repeat(200) });
    await file.flush();
    expect(lines().length).toBeLessThan(5_000);
    const kept = lines().length;
    await file.close();
    expect(entries().at(-1)).toEqual({
      event: 'lost',
      note: `${10_001 - kept} entries, while the file could not be written`,
    });
    expect(verifyAudit(lines(), { sha256 }).ok).toBe(true);
  });

  it('notices that something else writes to it, and tells', async () => {
    const told: string[] = [];
    const file = await open({ onError: (error) => told.push(error.code) });
    appendFileSync(path, 'something\n');
    file.write(denial('a'));
    expect(await file.flush().catch(codeOf)).toBe('relay/audit-unusable');
    truncateSync(path, statSync(path).size - 'something\n'.length);
    await file.flush();
    expect(verifyAudit(lines(), { sha256 }).ok).toBe(true);
    await file.close();
    expect(entries().at(-1)).toMatchObject({ event: 'denied' });
  });

  it('takes no more than a bounded number of lines from clients that are denied without end', async () => {
    const file = await open();
    for (let index = 0; index < 200_000; index += 1) file.write(denial(`client ${index % 5_000}`, `${index}`));
    await file.flush();
    expect(lines().length).toBeLessThan(1_010);
    now += 60_000;
    file.write(denial('another'));
    await file.close();
    expect(lines().length).toBeLessThan(1_200);
    const written = entries().filter(({ event }) => event === 'denied');
    const counted = written.map(({ note }) => Number(/^and (\d+) more/.exec(note ?? '')?.[1] ?? 0));
    const sum =
      written.filter(({ note }) => note === undefined).length + counted.reduce((one, other) => one + other, 0);
    expect(sum).toBe(200_001);
    expect(verifyAudit(lines(), { sha256 }).ok).toBe(true);
  });
});

describe('the throttle', () => {
  it('writes the first of its kind, counts repeats, and tells them when the window is over', () => {
    const throttle = new AuditThrottle(DEFAULT_AUDIT_RATE, 0);
    expect([
      throttle.take(denial('a', 'x'), 0),
      throttle.take(denial('a', 'y'), 1),
      throttle.take(denial('b'), 2),
    ]).toEqual([true, false, true]);
    expect(throttle.nextMs).toBe(60_000);
    expect(throttle.due(59_999)).toEqual([]);
    const { messageId: _messageId, ...common } = denial('a');
    expect(throttle.due(60_002)).toEqual([{ ...common, note: 'and 1 more' }]);
    expect(throttle.nextMs).toBeUndefined();
    expect(throttle.take(denial('a'), 60_003)).toBe(true);
  });

  it('lets one client have no more than its lines, and no denial crowd out an exemption', () => {
    const throttle = new AuditThrottle({ ...DEFAULT_AUDIT_RATE, burst: 40, perSecond: 0 }, 0);
    const kinds = Array.from({ length: 50 }, (_, index) => ({ ...denial('a'), to: `label-${index}` }));
    expect(kinds.filter((entry) => throttle.take(entry, 0))).toHaveLength(32);
    const others = Array.from({ length: 50 }, (_, index) => denial(`other ${index}`));
    expect(others.filter((entry) => throttle.take(entry, 0))).toHaveLength(8);
    expect(throttle.take({ ...denial('trusted'), event: 'exempted', exemptions: ['press'] }, 0)).toBe(true);
    expect(throttle.due(60_000)).toEqual([{ event: 'denied', note: 'and 60 more, of any client' }]);
  });
});
