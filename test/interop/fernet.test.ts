import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { implementations } from '../crypto/implementations.ts';

// Debian's python3-cryptography belongs to Debian's Python, whatever other python3 is first on PATH.
const PYTHON = '/usr/bin/python3';

/** One process for all: lines "seal|open key payload" in, base64 of the result out. */
const SCRIPT = `
import sys, base64
from cryptography.fernet import Fernet
for line in sys.stdin:
    command, key, payload = line.split(' ')
    fernet = Fernet(key)
    data = base64.b64decode(payload)
    result = fernet.encrypt(data) if command == 'seal' else fernet.decrypt(base64.urlsafe_b64encode(data))
    print(base64.b64encode(result).decode())
`;

const available = spawnSync(PYTHON, ['-c', 'import cryptography.fernet']).status === 0;

function python(lines: readonly string[]): readonly Buffer[] {
  const run = spawnSync(PYTHON, ['-c', SCRIPT], { input: lines.join('\n'), encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'base64'));
}

const padded = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');

for (const { name, tokens, fernet } of implementations) {
  describe.skipIf(!available)(
    `exchanges Fernet tokens with python3-cryptography, ${name} (needs python3-cryptography)`,
    () => {
      const key = new Uint8Array(randomBytes(32));
      const payloads = [0, 1, 15, 16, 17, 1000, 70_000].map((length) => new Uint8Array(randomBytes(length)));

      it('which opens ours', () => {
        const made = payloads.map((payload) => tokens.seal(key, new Uint8Array(randomBytes(16)), payload, Date.now()));
        const opened = python(made.map((token) => `open ${padded(key)} ${Buffer.from(token).toString('base64')}`));
        expect(opened.map((bytes) => bytes.toString('hex'))).toEqual(
          payloads.map((payload) => Buffer.from(payload).toString('hex')),
        );
      });

      it('and whose tokens we open', () => {
        const texts = python(
          payloads.map((payload) => `seal ${padded(key)} ${Buffer.from(payload).toString('base64')}`),
        );
        for (const [at, text] of texts.entries()) {
          const token = new Uint8Array(Buffer.from(text.toString('latin1'), 'base64url'));
          expect(tokens.open(key, token)).toEqual(payloads[at]);
        }
      });

      it('which opens our records, finding the hash of the associated data before the plaintext', () => {
        const record = fernet.seal(key, new Uint8Array(randomBytes(16)), new Uint8Array(5), payloads[5]!, Date.now());
        const [opened] = python([`open ${padded(key)} ${Buffer.from(record).toString('base64')}`]);
        expect(new Uint8Array(opened!.subarray(32))).toEqual(payloads[5]);
      });
    },
  );
}
