import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { smallNobleProvider } from '../../src/crypto/noble.ts';
import { ed25519Spki, p256Spki, p384Spki, rawRsa, rsaSpki } from '../../src/crypto/signature/spki.ts';
import { fromHex, implementations } from './implementations.ts';

const bytesOf = (buffer: Buffer): Uint8Array => new Uint8Array(buffer);
const rsa = (bits: number): Uint8Array =>
  bytesOf(generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ type: 'spki', format: 'der' }));

const RSA_1024 = rsa(1024);
const RSA_2048 = rsa(2048);
const ED25519 = bytesOf(generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }));
const P256 = bytesOf(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' }),
);
const P384 = bytesOf(
  generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'der' }),
);
const KEYS = [
  ['Ed25519', ED25519],
  ['ECDSA-P256-SHA256', P256],
  ['ECDSA-P384-SHA384', P384],
  ['RSA-PSS-SHA256', RSA_2048],
] as const;

describe('SubjectPublicKeyInfo', () => {
  it('is built as OpenSSL writes it', () => {
    const { modulus, exponent } = rawRsa(RSA_2048)!;
    expect(exponent).toBe(65_537);
    expect(rsaSpki(modulus, Uint8Array.of(1, 0, 1))).toEqual(RSA_2048);
    expect(rsaSpki(concat(new Uint8Array(3), modulus), Uint8Array.of(0, 1, 0, 1))).toEqual(RSA_2048);
    expect(ed25519Spki(ED25519.slice(12))).toEqual(ED25519);
    expect(p256Spki(P256.slice(26))).toEqual(P256);
    expect(p384Spki(P384.slice(23))).toEqual(P384);
    expect(() => ed25519Spki(new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'crypto/invalid-argument' }));
  });

  it('of RSA tells size and exponent', () => {
    const odd = (length: number, first: number): Uint8Array => {
      const modulus = new Uint8Array(length).fill(0x55);
      modulus[0] = first;
      return modulus;
    };
    expect(rawRsa(rsaSpki(odd(256, 0x80), Uint8Array.of(3)))?.modulusBits).toBe(2048);
    expect(rawRsa(rsaSpki(odd(256, 0x01), Uint8Array.of(3)))?.modulusBits).toBe(2041);
    expect(rawRsa(rsaSpki(odd(257, 0x01), Uint8Array.of(3)))?.modulusBits).toBe(2049);
    for (const exponent of [[1], [2], [4], [1, 0, 0, 0, 1], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1]]) {
      expect(rawRsa(rsaSpki(odd(256, 0x80), Uint8Array.from(exponent))), String(exponent)).toBeUndefined();
    }
    expect(rawRsa(rsaSpki(odd(256, 0x80), Uint8Array.of(255, 255, 255, 255)))?.exponent).toBe(2 ** 32 - 1);
    const even = odd(256, 0x80);
    even[255] = 2;
    expect(rawRsa(rsaSpki(even, Uint8Array.of(3)))).toBeUndefined();
  });
});

for (const provider of [...implementations.map((each) => each.provider), smallNobleProvider]) {
  describe(`parsePublicKey of ${provider === smallNobleProvider ? 'small noble' : provider.name}`, () => {
    for (const [algorithm, spki] of KEYS) {
      it(`takes ${algorithm}, keeps a copy, and refuses every truncation and a trailing byte`, () => {
        const given = spki.slice();
        const parsed = provider.parsePublicKey(given)!;
        given.fill(0);
        expect(parsed).toEqual({ algorithm, spki });
        for (let length = 0; length < spki.length; length += 1)
          expect(provider.parsePublicKey(spki.slice(0, length))).toBeUndefined();
        expect(provider.parsePublicKey(concat(spki, Uint8Array.of(0)))).toBeUndefined();
      });

      it(`refuses any other DER of ${algorithm}: one structure, one text of bytes`, () => {
        const end =
          algorithm === 'RSA-PSS-SHA256' ? 32 : spki.length - (algorithm === 'Ed25519' ? 32 : (spki.length - 26) & ~31);
        for (let at = 0; at < end; at += 1) {
          for (const bit of [1, 4, 64, 128]) {
            const changed = spki.slice();
            changed[at]! ^= bit;
            expect(provider.parsePublicKey(changed), `byte ${at}`).toBeUndefined();
          }
        }
      });
    }

    it('refuses RSA outside 2,048 to 8,192 bits', () => {
      const modulus = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);
      expect(provider.parsePublicKey(RSA_1024)).toBeUndefined();
      expect(provider.parsePublicKey(rsaSpki(modulus(1024), Uint8Array.of(1, 0, 1)))).toBeDefined();
      expect(provider.parsePublicKey(rsaSpki(modulus(1025), Uint8Array.of(1, 0, 1)))).toBeUndefined();
    });

    it('refuses BER: long lengths, padded integers, absent parameters, id-RSASSA-PSS', () => {
      const { modulus } = rawRsa(RSA_2048)!;
      const body = (integer: Uint8Array): Uint8Array => concat(fromHex('300d06092a864886f70d010101'), integer);
      const withoutNull = concat(fromHex('3082012030'), fromHex('0b06092a864886f70d010101'), RSA_2048.slice(19));
      const pss = RSA_2048.slice();
      pss[16] = 0x0a;
      for (const bad of [
        withoutNull,
        pss,
        body(modulus),
        concat(fromHex('3083000122'), RSA_2048.slice(4)),
        fromHex('3080'),
      ]) {
        expect(provider.parsePublicKey(bad)).toBeUndefined();
      }
      const small = concat(Uint8Array.of(0x7f), modulus);
      expect(provider.parsePublicKey(rsaSpki(small, Uint8Array.of(3)))).toBeDefined();
      const padded = rsaSpki(concat(Uint8Array.of(1), small), Uint8Array.of(3));
      padded[padded.indexOf(0x7f, 24) - 1] = 0;
      expect(provider.parsePublicKey(padded)).toBeUndefined();
    });

    it('refuses points off the curve, and coordinates that are not reduced', () => {
      for (const spki of [P256, P384]) {
        const off = spki.slice();
        off[off.length - 1]! ^= 1;
        expect(provider.parsePublicKey(off)).toBeUndefined();
        const large = spki.slice();
        large.fill(255, spki.length - 64);
        expect(provider.parsePublicKey(large)).toBeUndefined();
      }
    });

    it('never throws, whatever the bytes', () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...KEYS.map(([, spki]) => spki)),
          fc.nat(),
          fc.uint8Array({ maxLength: 20 }),
          (spki, at, bytes) => {
            const start = at % spki.length;
            const parsed = provider.parsePublicKey(
              concat(spki.slice(0, start), bytes, spki.slice(start + bytes.length)),
            );
            if (parsed !== undefined) createPublicKey({ key: Buffer.from(parsed.spki), format: 'der', type: 'spki' });
          },
        ),
        { numRuns: 150 },
      );
    });
  });
}
