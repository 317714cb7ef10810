/** The vectors, computed again in another language with another library: they are not our code's word alone. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

// Debian's python3-cryptography belongs to Debian's Python, whatever other python3 is first on PATH.
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('vectors.py', import.meta.url));
const FOLDER = fileURLToPath(new URL('../vectors', import.meta.url));

const available = spawnSync(PYTHON, ['-c', 'import cryptography.fernet']).status === 0;

function check(folder: string): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(PYTHON, [SCRIPT, folder], { encoding: 'utf8', timeout: 50_000 });
}

describe.skipIf(!available)('the vectors (needs python3-cryptography)', () => {
  it('hold for python3-cryptography: keys, handshakes, boxes, records, rekeys and histories of every suite', () => {
    const { status, stdout, stderr } = check(FOLDER);
    expect([status, stderr]).toEqual([0, '']);
    const checked = JSON.parse(stdout) as Readonly<Record<string, number>>;
    expect(checked).toMatchObject({ handshake: 12, 'start from a bundle': 4, conversation: 23 });
    for (const what of ['hs', 'mac', 'plaintext', 'record key', 'H_m', 'KEM secret of a rekey', 'message in a hop']) {
      expect(checked[what], what).toBeGreaterThan(10);
    }
  });

  // One digit of what only a rekey, a Fernet record, or a box gives: the check must find each.
  it.each([
    ['rekeys.json', /("s_k": "[0-9a-f]+",\n[^]*?"root": ")(.)/],
    ['conversations.json', /(ECDHE_WITH_AES_128_CBC_SHA256"[^]*?"plaintext": ")(.)/],
    ['handshakes.json', /("key of box_R": ")(.)/],
  ])('are not taken when %s is changed', (name, pattern) => {
    const folder = mkdtempSync(join(tmpdir(), 'sims-vectors-'));
    try {
      cpSync(FOLDER, folder, { recursive: true });
      const text = readFileSync(join(folder, name), 'utf8');
      const changed = text.replace(pattern, (_, before: string, digit: string) => before + (digit === '0' ? '1' : '0'));
      expect(changed).not.toBe(text);
      writeFileSync(join(folder, name), changed);
      const { status, stderr } = check(folder);
      expect(status).not.toBe(0);
      expect(stderr).toContain('AssertionError');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
