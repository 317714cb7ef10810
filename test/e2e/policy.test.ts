/**
 * Two levels as people meet them: one with a certificate, one without, by the command's processes; and the policy's own
 * commands.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  endAll,
  openBetween,
  run,
  SIMS,
  startRelayProcess,
  type ChatProcess,
  type LineProcess,
  type RelayProcess,
} from '../support/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'sims-policy-'));
const at = (...parts: string[]): string => join(folder, ...parts);
const PASSWORD = 'segredo';
const TWO_LEVELS = `{ "levels": ["everyone", "card-holders"],
  "clearance": [
    { "kind": "certificate", "verified": true, "label": "card-holders" },
    { "label": "everyone" } ] }
`;
const TRUST = [
  '--anchors',
  at('pki', 'anchors'),
  '--intermediates',
  at('pki', 'intermediates'),
  '--crls',
  at('pki', 'crls'),
];

beforeAll(async () => {
  const made = await sims(['cert', 'create', 'test-pki', '--out', at('pki'), '--password', PASSWORD]);
  if (made.code !== 0) throw new Error(made.log);
  writeFileSync(at('policy.json'), TWO_LEVELS);
}, 120_000);

afterEach(endAll);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly log: string;
}

function sims(parameters: readonly string[]): Promise<Outcome> {
  const [command, ...first] = SIMS;
  return new Promise((resolve) => {
    execFile(command, [...first, ...parameters], (error, out, log) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, log });
    });
  });
}

/** Ana, with her certificate. */
async function startAna(
  relay: RelayProcess,
  parameters: readonly string[] = [],
): Promise<ChatProcess & { label: unknown }> {
  const file = readdirSync(at('pki', 'people')).find((name) => name.startsWith('ana') && name.endsWith('.p12'))!;
  const own = ['--p12', at('pki', 'people', file), '--pin', relay.fingerprint, '--json', ...TRUST];
  const process = run(SIMS, ['chat', relay.tcp, ...own, ...parameters], {
    env: { ...globalThis.process.env, SIMS_P12_PASSWORD: PASSWORD },
  });
  const { id, label } = await process.next('ready');
  return { process, id: id as string, name: 'Ana', label };
}

/** Bruno, with a key of his own. */
async function startBruno(
  relay: RelayProcess,
  parameters: readonly string[] = [],
): Promise<ChatProcess & { label: unknown }> {
  const own = ['--name', 'Bruno', '--pin', relay.fingerprint, '--json', ...TRUST];
  const process = run(SIMS, ['chat', relay.tcp, ...own, ...parameters]);
  const { id, label } = await process.next('ready');
  return { process, id: id as string, name: 'Bruno', label };
}

interface Listed {
  readonly id: string;
  readonly label: string;
}

async function listOf({ process }: ChatProcess): Promise<readonly Listed[]> {
  await process.send({ do: 'list' });
  return (await process.next('list'))['clients'] as readonly Listed[];
}

/** Asks again until somebody is there. */
async function untilSeen(chat: ChatProcess, id: string): Promise<Listed> {
  for (;;) {
    const found = (await listOf(chat)).find((client) => client.id === id);
    if (found !== undefined) return found;
    await pause(50);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

describe('of two people, one with a certificate and one without,', () => {
  it('the first sees the second, the second sees nobody, and neither reaches the other', async () => {
    const audit = at('audit.jsonl');
    const relay = await startRelayProcess(['--policy', at('policy.json'), '--audit', audit, ...TRUST]);
    const [ana, bruno] = [await startAna(relay), await startBruno(relay)];
    expect([ana.label, bruno.label]).toEqual(['card-holders', 'everyone']);
    expect(await untilSeen(ana, bruno.id)).toMatchObject({ label: 'everyone' });
    await pause(500);
    expect(await listOf(bruno)).toEqual([]);

    await ana.process.send({ do: 'open', peer: bruno.id });
    const down = await ana.process.next('error', { peer: bruno.id });
    await bruno.process.send({ do: 'open', peer: ana.id });
    const up = await bruno.process.next('error', { peer: ana.id });
    // Somebody who does not exist.
    const nobody = `${ana.id.slice(0, -4)}AAAA`;
    await bruno.process.send({ do: 'open', peer: nobody });
    const none = await bruno.process.next('error', { peer: nobody });
    expect([down['code'], up['code']]).toEqual([none['code'], none['code']]);
    expect(up['message']).toBe(none['message']);
    expect(bruno.process.events.filter(({ event }) => event === 'opened' || event === 'message')).toEqual([]);
    expect(ana.process.events.filter(({ event }) => event === 'opened' || event === 'message')).toEqual([]);

    await relay.process.kill('SIGTERM');
    const entries = readFileSync(audit, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { entry: Record<string, string> }).entry);
    expect(entries.slice(0, 2)).toMatchObject([{ event: 'started' }, { event: 'policy' }]);
    const denied = entries.filter(({ event }) => event === 'denied');
    expect(denied).toContainEqual(
      expect.objectContaining({ kind: 'connect', rule: 'star-property', from: 'card-holders', to: 'everyone' }),
    );
    const verified = await sims(['policy', 'audit', 'verify', audit, '--json']);
    expect([verified.code, JSON.parse(verified.out)]).toMatchObject([0, { valid: true, entries: entries.length }]);
  }, 90_000);

  it('the first logged in at the lower level converses with the second, who sees a verified name', async () => {
    const relay = await startRelayProcess(['--policy', at('policy.json'), ...TRUST]);
    const [ana, bruno] = [await startAna(relay, ['--level', 'everyone']), await startBruno(relay)];
    expect(ana.label).toBe('everyone');
    const [opened, openedToo] = await openBetween(bruno, ana);
    expect([opened['label'], openedToo['label']]).toEqual(['everyone', 'everyone']);
    await bruno.process.send({ do: 'send', peer: ana.id, text: 'good day', ref: 1 });
    expect(await ana.process.next('message', { text: 'good day' })).toMatchObject({ label: 'everyone' });
    await bruno.process.next('state', { ref: 1, state: 'delivered' });
    await ana.process.send({ do: 'send', peer: bruno.id, text: 'and to you', ref: 2 });
    expect(await bruno.process.next('message', { text: 'and to you' })).toMatchObject({ label: 'everyone' });
    await ana.process.next('state', { ref: 2, state: 'delivered' });
    expect(await listOf(bruno)).toMatchObject([{ id: ana.id, label: 'everyone', identity: { verified: true } }]);
  }, 90_000);

  it('the second cannot log in above, and is told no more than for a level that is not there', async () => {
    const relay = await startRelayProcess(['--policy', at('policy.json'), ...TRUST]);
    for (const level of ['card-holders', 'no-such-level']) {
      const own = ['--name', 'Bruno', '--pin', relay.fingerprint, '--json', '--level', level];
      const process = run(SIMS, ['chat', relay.tcp, ...own]);
      expect(await process.next('error')).toMatchObject({ code: 'client/relay-refused' });
      expect(await process.ended).toBe(1);
    }
  }, 60_000);
});

describe('SIGHUP', () => {
  it.skipIf(process.platform === 'win32')(
    'puts the policy in force that the file has now, and leaves the old one where it is wrong',
    async () => {
      const file = at('changing.json');
      writeFileSync(file, '{ "levels": ["office"], "clearance": [{ "label": "office" }] }');
      const relay = await startRelayProcess(['--policy', file]);
      const bruno = await startBruno(relay);
      expect(bruno.label).toBe('office');
      const told = async (words: string, { process }: { process: LineProcess } = relay): Promise<void> => {
        while (!process.log.includes(words)) await pause(20);
      };
      writeFileSync(file, '{ "levels": ["office"], "clearance": [{ "label": "attic" }] }');
      relay.process.child.kill('SIGHUP');
      await told('policy-rejected');
      expect(relay.process.log).toContain('line 1, column 50');
      const carla = await startBruno(relay);
      expect(carla.label).toBe('office');
      writeFileSync(file, '{ "levels": ["garden"], "clearance": [{ "label": "garden" }] }');
      relay.process.child.kill('SIGHUP');
      await told('policy-loaded');
      await told('not-authorised', bruno);
      expect((await startBruno(relay)).label).toBe('garden');
    },
    60_000,
  );
});

describe('sims policy', () => {
  it('checks a file: exit 0 sound, 1 with the place of each fault, 2 not understood', async () => {
    expect(await sims(['policy', 'check', at('policy.json')])).toMatchObject({ code: 0, log: '' });
    writeFileSync(at('wrong.json'), '{ "levels": ["a"],\n  "clearance": [{ "label": "b" },\n    { "label": "c" }] }\n');
    const { code, out } = await sims(['policy', 'check', at('wrong.json')]);
    expect(code).toBe(1);
    expect(out.trim().split('\n')).toEqual([
      expect.stringContaining('wrong.json:2:28: clearance[0].label: No level "b".'),
      expect.stringContaining('wrong.json:3:16: clearance[1].label: No level "c".'),
    ]);
    for (const wrong of [
      [],
      ['check'],
      ['check', at('nothing.json')],
      ['explain', at('policy.json')],
      ['audit'],
      ['x'],
    ]) {
      const outcome = await sims(['policy', ...wrong]);
      expect([outcome.code, outcome.out], wrong.join(' ')).toEqual([2, '']);
    }
  }, 60_000);

  it('explains a flow: exit 0 permitted, 1 denied', async () => {
    const ask = (from: string, to: string, flow: string): Promise<Outcome> =>
      sims(['policy', 'explain', at('policy.json'), '--from', from, '--to', to, '--flow', flow]);
    const up = await ask('everyone', 'card-holders', 'message');
    expect(up.code).toBe(0);
    expect(up.out).toContain('never learn whether it was delivered');
    const down = await ask('card-holders', 'everyone', 'message');
    expect(down.code).toBe(1);
    expect(down.out).toContain('The rule that denies it is star-property.');
    for (const [label, flow] of [
      ['nobody', 'message'],
      ['everyone', 'gossip'],
    ] as const) {
      expect((await ask('everyone', label, flow)).code).toBe(2);
    }
  }, 60_000);

  it('finds an edit, a cut and a reorder in an audit log, by kept heads also a cut at the end', async () => {
    const file = at('log.jsonl');
    const relay = await startRelayProcess(['--audit', file, '--policy', at('policy.json')]);
    await relay.process.kill('SIGTERM');
    const again = await startRelayProcess(['--audit', file, '--policy', at('policy.json')]);
    await again.process.kill('SIGTERM');
    const text = readFileSync(file, 'utf8');
    const lines = text.trim().split('\n');
    expect(lines).toHaveLength(4);
    const verify = async (content: string, ...more: string[]): Promise<[number, string | undefined]> => {
      writeFileSync(at('copy.jsonl'), content);
      const { code, out } = await sims(['policy', 'audit', 'verify', at('copy.jsonl'), '--json', ...more]);
      return [code, (JSON.parse(out) as { fault?: string }).fault];
    };
    const whole = await sims(['policy', 'audit', 'verify', file]);
    const head = /: (?<head>3:[\da-f]{64})/u.exec(whole.out)!.groups!['head']!;
    expect(await verify(text, '--head', head)).toEqual([0, undefined]);
    expect(await verify(text.replace('"event":"policy"', '"event":"denied"'))).toEqual([1, 'edit']);
    expect(await verify([lines[0], ...lines.slice(2)].join('\n'))).toEqual([1, 'cut']);
    expect(await verify([lines[0], lines[2], lines[1], lines[3]].join('\n'))).toEqual([1, 'reorder']);
    expect(await verify(`${lines.slice(0, 3).join('\n')}\n`, '--head', head)).toEqual([1, 'cut']);
  }, 60_000);
});
