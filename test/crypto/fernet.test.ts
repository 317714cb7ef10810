import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromHex, implementations } from './implementations.ts';

const data = process.env['SIMS_DATA'];

interface Vector {
  readonly desc?: string;
  readonly token: string;
  readonly now: string;
  readonly iv?: readonly number[];
  readonly src?: string;
  readonly secret: string;
}

/** These two are wrong for their time alone, which we never judge: they open, to nothing, which is what they hold. */
const ONLY_TIME = ['far-future TS (unacceptable clock skew)', 'expired TTL'];

const vectors = (file: string): readonly Vector[] =>
  JSON.parse(readFileSync(join(data!, 'fernet-spec', `${file}.json`), 'utf8')) as Vector[];

/** Base64url with padding; `undefined` for any other text. */
function decode(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_') === text
    ? new Uint8Array(bytes)
    : undefined;
}

for (const { name, tokens, fernet } of implementations) {
  describe.skipIf(!data)(`Fernet specification, ${name} (needs SIMS_DATA)`, () => {
    it('generates its tokens', () => {
      const cases = vectors('generate');
      expect(cases.length).toBeGreaterThan(0);
      for (const { token, now, iv, src, secret } of cases) {
        const made = tokens.seal(decode(secret)!, Uint8Array.from(iv!), new TextEncoder().encode(src), Date.parse(now));
        expect(made).toEqual(decode(token));
      }
    });

    it('verifies its tokens', () => {
      const cases = vectors('verify');
      expect(cases.length).toBeGreaterThan(0);
      for (const { token, src, secret } of cases) {
        expect(new TextDecoder().decode(tokens.open(decode(secret)!, decode(token)!))).toBe(src);
      }
    });

    it('refuses all invalid ones but those that are only late or early', () => {
      const cases = vectors('invalid');
      expect(cases.map((vector) => vector.desc)).toEqual(expect.arrayContaining(ONLY_TIME));
      for (const { desc, token, secret } of cases) {
        const bytes = decode(token);
        const opened = bytes && tokens.open(decode(secret)!, bytes);
        if (ONLY_TIME.includes(desc!)) expect(opened, desc).toEqual(new Uint8Array(0));
        else expect(opened, desc).toBeUndefined();
      }
    });
  });

  describe(`Fernet of ${name}`, () => {
    const key = new Uint8Array(32).fill(1);
    const iv = new Uint8Array(16).fill(2);

    it('writes times above 32 bits and refuses those before 1970', () => {
      const token = tokens.seal(key, iv, new Uint8Array(0), 2 ** 40 * 1000);
      expect(token.slice(0, 9)).toEqual(fromHex('800000010000000000'));
      expect(tokens.open(key, token)).toEqual(new Uint8Array(0));
      for (const nowMs of [-1, NaN, Infinity]) {
        expect(() => tokens.seal(key, iv, new Uint8Array(0), nowMs)).toThrow(
          expect.objectContaining({ code: 'crypto/invalid-argument' }),
        );
      }
    });

    it('holds SHA-256 of the associated data and the plaintext: any Fernet library opens a record', () => {
      const sealed = fernet.seal(key, iv, new TextEncoder().encode('abc'), Uint8Array.of(9), 0);
      expect(tokens.open(key, sealed)).toEqual(
        fromHex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad09'),
      );
      // A token too short to hold the hash is no record.
      expect(
        fernet.open(key, new Uint8Array(0), new Uint8Array(0), tokens.seal(key, iv, new Uint8Array(31), 0)),
      ).toBeUndefined();
    });
  });
}
