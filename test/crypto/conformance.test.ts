import { ed25519 as curve } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, equal } from '../../src/bytes.ts';
import type { Kem, RandomBytes, SignatureKeyPair } from '../../src/crypto/provider.ts';
import { ed25519Spki } from '../../src/crypto/signature/spki.ts';
import { fromHex, implementations, noble, node, seededRandomForTesting } from './implementations.ts';

const misuse = expect.objectContaining({ code: 'crypto/invalid-argument', fault: 'caller' });
const RUNS = { numRuns: 8 };
const LOW_ORDER_U = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(fromHex);

const littleEndian = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`);

for (const implementation of implementations) {
  const { provider, name } = implementation;
  const { random } = provider;

  describe(`KEMs of ${name}`, () => {
    const kems: readonly Kem[] = [
      implementation.x25519,
      implementation.xWing,
      implementation.p384,
      implementation.p384WithConcatenationKdf,
    ];
    for (const kem of kems) {
      for (const [source, draw] of [
        ['the platform', random],
        ['given randomness', seededRandomForTesting(1)],
      ] as readonly (readonly [string, RandomBytes])[]) {
        it(`${kem.name} agrees with itself, randomness from ${source}`, () => {
          const pair = kem.generateKeyPair(draw);
          expect(pair.encapsulationKey.length).toBe(kem.encapsulationKeyLength);
          expect(pair.decapsulationKey.length).toBe(kem.decapsulationKeyLength);
          const { raw, ciphertext } = kem.encapsulate(pair.encapsulationKey, draw)!;
          expect(ciphertext.length).toBe(kem.ciphertextLength);
          expect(kem.decapsulate(pair, ciphertext)).toEqual(raw);
          // As a state that was stored and read again: no cached key can be used.
          const copy = {
            encapsulationKey: pair.encapsulationKey.slice(),
            decapsulationKey: pair.decapsulationKey.slice(),
          };
          expect(kem.decapsulate(copy, ciphertext)).toEqual(raw);
          for (const bytes of [pair.encapsulationKey, pair.decapsulationKey, raw, ciphertext]) {
            expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
          }
        });
      }

      it(`${kem.name} refuses every wrong length of a peer's bytes, and throws at a wrong own key`, () => {
        const pair = kem.generateKeyPair(random);
        for (const length of [0, 1, kem.encapsulationKeyLength - 1, kem.encapsulationKeyLength + 1]) {
          expect(kem.encapsulate(new Uint8Array(length).fill(9), random)).toBeUndefined();
        }
        for (const length of [0, 1, kem.ciphertextLength - 1, kem.ciphertextLength + 1]) {
          expect(kem.decapsulate(pair, new Uint8Array(length).fill(9))).toBeUndefined();
        }
        const short = { ...pair, decapsulationKey: pair.decapsulationKey.slice(1) };
        expect(() => kem.decapsulate(short, new Uint8Array(kem.ciphertextLength))).toThrow(misuse);
      });

      it(`${kem.name} gives another secret for each key pair and ciphertext`, () => {
        const pair = kem.generateKeyPair(random);
        const [first, second] = [
          kem.encapsulate(pair.encapsulationKey, random)!,
          kem.encapsulate(pair.encapsulationKey, random)!,
        ];
        expect(first.raw).not.toEqual(second.raw);
        expect(kem.decapsulate(kem.generateKeyPair(random), first.ciphertext)).not.toEqual(first.raw);
      });
    }

    it('X25519 matches the first vector of RFC 7748 §5.2', () => {
      const scalar = fromHex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4');
      const u = fromHex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c');
      const pair = implementation.x25519.generateKeyPair(() => scalar);
      expect(implementation.x25519.decapsulate(pair, u)).toEqual(
        fromHex('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552'),
      );
    });

    it('refuses X25519 points of low order, alone and inside X-Wing, in both directions', () => {
      const pair = implementation.x25519.generateKeyPair(random);
      const hybrid = implementation.xWing.generateKeyPair(random);
      const { ciphertext } = implementation.xWing.encapsulate(hybrid.encapsulationKey, random)!;
      for (const point of LOW_ORDER_U) {
        for (const draw of [random, seededRandomForTesting(2)]) {
          expect(implementation.x25519.encapsulate(point, draw)).toBeUndefined();
          const key = hybrid.encapsulationKey.slice();
          key.set(point, 1184);
          expect(implementation.xWing.encapsulate(key, draw)).toBeUndefined();
        }
        expect(implementation.x25519.decapsulate(pair, point)).toBeUndefined();
        const share = ciphertext.slice();
        share.set(point, 1088);
        expect(implementation.xWing.decapsulate(hybrid, share)).toBeUndefined();
      }
    });

    it('X-Wing refuses a key that fails the modulus check, and rejects a changed ciphertext implicitly', () => {
      const pair = implementation.xWing.generateKeyPair(random);
      const bad = pair.encapsulationKey.slice();
      bad.fill(0xff, 0, 3); // two coefficients of 4095, above q = 3329
      for (const draw of [random, seededRandomForTesting(3)]) {
        expect(implementation.xWing.encapsulate(bad, draw)).toBeUndefined();
      }
      const { raw, ciphertext } = implementation.xWing.encapsulate(pair.encapsulationKey, random)!;
      ciphertext[5]! ^= 1;
      const other = implementation.xWing.decapsulate(pair, ciphertext);
      expect(other?.length).toBe(32);
      expect(other).not.toEqual(raw);
    });

    it('X-Wing matches the draft’s first test vector', () => {
      const seed = fromHex('7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26');
      const randomness = fromHex(
        '3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2',
      );
      const pair = implementation.xWing.generateKeyPair(() => seed.slice());
      const { raw, ciphertext } = implementation.xWing.encapsulate(pair.encapsulationKey, () => randomness.slice())!;
      const expected = fromHex('d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384');
      expect(raw).toEqual(expected);
      expect(implementation.xWing.decapsulate(pair, ciphertext)).toEqual(expected);
    });

    it('P-384 refuses points off the curve, compressed, hybrid and at infinity', () => {
      const { p384 } = implementation;
      const pair = p384.generateKeyPair(random);
      const off = pair.encapsulationKey.slice();
      off[96]! ^= 1;
      const hybrid = pair.encapsulationKey.slice();
      hybrid[0] = 6 + (hybrid[96]! & 1);
      const compressed = pair.encapsulationKey.slice(0, 49);
      compressed[0] = 2 + (pair.encapsulationKey[96]! & 1);
      for (const point of [
        off,
        hybrid,
        compressed,
        Uint8Array.of(0),
        new Uint8Array(97),
        new Uint8Array(97).fill(255),
      ]) {
        expect(p384.encapsulate(point, random)).toBeUndefined();
        expect(p384.decapsulate(pair, point)).toBeUndefined();
      }
      for (const scalar of [new Uint8Array(48), new Uint8Array(48).fill(255)]) {
        expect(() => p384.decapsulate({ ...pair, decapsulationKey: scalar }, pair.encapsulationKey)).toThrow(misuse);
      }
    });

    it('P-384 gives up on randomness that never is a scalar', () => {
      expect(() => implementation.p384.generateKeyPair((length) => new Uint8Array(length).fill(255))).toThrow(
        expect.objectContaining({ code: 'crypto/random-failed' }),
      );
    });

    it(
      'RSA-4096 agrees with itself, repeats under given randomness, and hides failure',
      { timeout: 60_000 },
      async () => {
        const { rsa4096 } = implementation;
        const pair = await rsa4096.generateKeyPair();
        const first = (await rsa4096.encapsulate(pair.encapsulationKey, seededRandomForTesting(4)))!;
        const again = (await noble.rsa4096.encapsulate(pair.encapsulationKey, seededRandomForTesting(4)))!;
        expect(first).toEqual(again);
        expect(first.ciphertext.length).toBe(512);
        expect(await rsa4096.decapsulate(pair, first.ciphertext, random)).toEqual(first.raw);
        const fallback = new Uint8Array(32).fill(3);
        for (const bad of [
          first.ciphertext.map((byte, at) => (at === 9 ? byte ^ 1 : byte)),
          new Uint8Array(0),
          new Uint8Array(512).fill(255),
        ]) {
          expect(await rsa4096.decapsulate(pair, bad, () => fallback.slice())).toEqual(fallback);
        }
        for (const key of [new Uint8Array(0), pair.encapsulationKey.slice(0, -1), pair.decapsulationKey]) {
          expect(await rsa4096.encapsulate(key, random)).toBeUndefined();
        }
        await expect(
          rsa4096.decapsulate({ ...pair, decapsulationKey: new Uint8Array(9) }, first.ciphertext, random),
        ).rejects.toThrow(misuse);
      },
    );
  });

  describe(`record ciphers of ${name}`, () => {
    for (const cipher of [implementation.chacha20Poly1305, implementation.aes256Gcm, implementation.fernet]) {
      const key = seededRandomForTesting(5)(32);
      const randomness = seededRandomForTesting(6)(cipher.randomnessLength);
      const nonce = randomness.slice(0, cipher.nonceLength);
      const data = new TextEncoder().encode('associated data');

      it(`${cipher.name} opens what it sealed, of any length, and its output is plain bytes`, () => {
        for (const length of [0, 1, 15, 16, 17, 64, 1000, 70_000]) {
          const plaintext = seededRandomForTesting(length)(length);
          const sealed = cipher.seal(key, randomness, data, plaintext, 1e12);
          const opened = cipher.open(key, nonce, data, sealed)!;
          expect(equal(opened, plaintext)).toBe(true);
          for (const bytes of [sealed, opened]) expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
        }
      });

      it(`${cipher.name} gives undefined for every changed bit, truncation, other key, nonce and associated data`, () => {
        const sealed = cipher.seal(key, randomness, data, new TextEncoder().encode('hello'), 1e12);
        for (let bit = 0; bit < sealed.length * 8; bit += 3) {
          const changed = sealed.slice();
          changed[bit >> 3]! ^= 1 << (bit & 7);
          expect(cipher.open(key, nonce, data, changed)).toBeUndefined();
        }
        for (let length = 0; length < sealed.length; length += 1) {
          expect(cipher.open(key, nonce, data, sealed.slice(0, length))).toBeUndefined();
        }
        expect(cipher.open(key, nonce, data, Uint8Array.of(...sealed, 0))).toBeUndefined();
        expect(
          cipher.open(
            key.map((byte) => byte ^ 1),
            nonce,
            data,
            sealed,
          ),
        ).toBeUndefined();
        expect(cipher.open(key, nonce, data.slice(1), sealed)).toBeUndefined();
        expect(cipher.open(key, new Uint8Array(cipher.nonceLength + 1), data, sealed)).toBeUndefined();
        if (cipher.nonceLength > 0)
          expect(
            cipher.open(
              key,
              nonce.map((byte) => byte ^ 1),
              data,
              sealed,
            ),
          ).toBeUndefined();
      });

      it(`${cipher.name} throws at a caller's wrong key or randomness`, () => {
        const plaintext = new Uint8Array(3);
        expect(() => cipher.seal(key.slice(1), randomness, data, plaintext, 0)).toThrow(misuse);
        expect(() => cipher.seal(key, randomness.slice(1), data, plaintext, 0)).toThrow(misuse);
        expect(() => cipher.open(key.slice(1), nonce, data, plaintext)).toThrow(misuse);
      });
    }
  });

  describe(`signatures of ${name}`, () => {
    for (const algorithm of ['Ed25519', 'ECDSA-P256-SHA256'] as const) {
      for (const [source, draw] of [
        ['the platform', random],
        ['given randomness', seededRandomForTesting(7)],
      ] as readonly (readonly [string, RandomBytes])[]) {
        it(`${algorithm} verifies what it signed and nothing else, keys from ${source}`, async () => {
          const pair = provider.generateSignatureKeyPair(algorithm, draw);
          const publicKey = provider.parsePublicKey(pair.spki)!;
          expect(publicKey.algorithm).toBe(algorithm);
          const message = new TextEncoder().encode('message');
          const signature = provider.sign(pair, message);
          expect(signature.length).toBe(64);
          expect(await provider.verify(publicKey, message, signature)).toBe(true);
          expect(await provider.verify({ algorithm, spki: pair.spki }, message, signature)).toBe(true);
          expect(await provider.verify(publicKey, message.slice(1), signature)).toBe(false);
          for (let at = 0; at < 64; at += 7) {
            const changed = signature.map((byte, index) => (index === at ? byte ^ 1 : byte));
            expect(await provider.verify(publicKey, message, changed)).toBe(false);
          }
          for (const length of [0, 63, 65]) {
            expect(await provider.verify(publicKey, message, new Uint8Array(length))).toBe(false);
          }
        });
      }

      it(`${algorithm} throws at a private key of the wrong length`, () => {
        const pair = provider.generateSignatureKeyPair(algorithm, random);
        const short: SignatureKeyPair = { ...pair, privateKey: pair.privateKey.slice(1) };
        expect(() => provider.sign(short, new Uint8Array(1))).toThrow(misuse);
      });
    }

    it('Ed25519 matches RFC 8032 §7.1, test 2', () => {
      const seed = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
      const pair = provider.generateSignatureKeyPair('Ed25519', () => seed.slice());
      expect(pair.spki.slice(12)).toEqual(fromHex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'));
      expect(provider.sign(pair, Uint8Array.of(0x72))).toEqual(
        fromHex(
          '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
        ),
      );
    });

    it('Ed25519 refuses keys of low order, non-canonical ones and those off the curve, also when not parsed before', async () => {
      const p = 2n ** 255n - 19n;
      const little = (value: bigint): Uint8Array => {
        const bytes = new Uint8Array(32);
        for (let at = 0, rest = value; at < 32; at += 1, rest >>= 8n) bytes[at] = Number(rest & 255n);
        return bytes;
      };
      const orderEight = fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');
      const keys = [
        0n,
        1n,
        p - 1n,
        p,
        p + 1n,
        p + 3n,
        1n + 2n ** 255n,
        p - 1n + 2n ** 255n,
        2n ** 255n,
        2n ** 256n - 1n,
      ].map(little);
      keys.push(orderEight, fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'), little(2n));
      for (const raw of keys) {
        const spki = ed25519Spki(raw);
        expect(provider.parsePublicKey(spki), Buffer.from(raw).toString('hex')).toBeUndefined();
        // The identity as R and 0 as S verify under any key of low order, by the bare equation.
        const forged = new Uint8Array(64);
        forged[0] = 1;
        expect(await provider.verify({ algorithm: 'Ed25519', spki }, new Uint8Array(0), forged)).toBe(false);
      }
    });

    it('Ed25519 checks the equation without the cofactor: a signature that is right but for torsion is refused', async () => {
      const { Point } = curve;
      const torsion = Point.fromBytes(fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'));
      const [a, r] = [987_654_321n, 123_456_789n];
      const message = Uint8Array.of(1);
      // The public key itself is of mixed order: it is not low, and allowed.
      const publicKey = Point.BASE.multiply(a).add(torsion).toBytes();
      const sign = (R: Uint8Array): Uint8Array => {
        const k = littleEndian(provider.hash('SHA-512', concat(R, publicKey, message))) % Point.Fn.ORDER;
        const s = (r + k * a) % Point.Fn.ORDER;
        const bytes = new Uint8Array(64);
        bytes.set(R);
        for (let at = 32, rest = s; at < 64; at += 1, rest >>= 8n) bytes[at] = Number(rest & 255n);
        return bytes;
      };
      // S·B − k·A = r·B − k·torsion: what R has to be depends on k modulo 8, so R is searched for.
      const parsed = provider.parsePublicKey(ed25519Spki(publicKey))!;
      const verdicts: boolean[] = [];
      for (let multiple = 0n; multiple < 8n; multiple += 1n) {
        const R = Point.BASE.multiply(r).add(torsion.multiplyUnsafe(multiple)).toBytes();
        const signature = sign(R);
        const k = littleEndian(provider.hash('SHA-512', concat(R, publicKey, message))) % Point.Fn.ORDER;
        const exact = (multiple + k) % 8n === 0n;
        expect(curve.verify(signature, message, publicKey)).toBe(true); // with the cofactor, all are right
        verdicts.push(await provider.verify(parsed, message, signature));
        expect(verdicts.at(-1)).toBe(exact);
      }
      expect(verdicts).toContain(false);
    });

    it('refuses an algorithm that it does not have', () => {
      expect(() =>
        provider.verify(
          { algorithm: 'RSA-MD5' as 'Ed25519', spki: new Uint8Array(0) },
          new Uint8Array(0),
          new Uint8Array(0),
        ),
      ).toThrow(misuse);
    });
  });

  describe(`hashes of ${name}`, () => {
    it('throw at lengths that they cannot make', () => {
      expect(() => provider.hkdfExpand('SHA-256', new Uint8Array(32), new Uint8Array(0), 255 * 32 + 1)).toThrow(misuse);
      expect(() => provider.pbkdf2('SHA-256', new Uint8Array(1), new Uint8Array(1), 0, 32)).toThrow(misuse);
      expect(() => provider.pbkdf2('SHA-256', new Uint8Array(1), new Uint8Array(1), 1, 0)).toThrow(misuse);
    });

    it('draw as many random bytes as asked for, above WebCrypto’s limit too', () => {
      for (const length of [0, 1, 65_536, 65_537, 200_000]) expect(random(length).length).toBe(length);
      expect(
        random(200_000)
          .subarray(-32)
          .some((byte) => byte !== 0),
      ).toBe(true);
    });
  });
}

describe('both implementations', () => {
  const names = fc.constantFrom('SHA-256', 'SHA-384', 'SHA-512');

  it('hash, authenticate and derive the same bytes', () => {
    const any = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(names, any, any, fc.integer({ min: 1, max: 200 }), (name, key, bytes, length) => {
        const [a, b] = [noble.provider, node.provider];
        expect(b.hash(name, bytes)).toEqual(a.hash(name, bytes));
        expect(b.hmac(name, key, bytes)).toEqual(a.hmac(name, key, bytes));
        expect(b.hkdfExtract(name, key, bytes)).toEqual(a.hkdfExtract(name, key, bytes));
        expect(b.hkdfExpand(name, a.hash(name, key), bytes, length)).toEqual(
          a.hkdfExpand(name, a.hash(name, key), bytes, length),
        );
        expect(b.pbkdf2(name, key, bytes, 3, length)).toEqual(a.pbkdf2(name, key, bytes, 3, length));
      }),
      { numRuns: 60 },
    );
  });

  for (const mechanism of ['x25519', 'xWing', 'p384', 'p384WithConcatenationKdf'] as const) {
    it(`${mechanism}: the same bytes from the same randomness, and each decapsulates for the other`, () => {
      fc.assert(
        fc.property(fc.integer(), (seed) => {
          const [a, b] = [noble[mechanism], node[mechanism]];
          const pair = a.generateKeyPair(seededRandomForTesting(seed));
          expect(b.generateKeyPair(seededRandomForTesting(seed))).toEqual(pair);
          const draw = seededRandomForTesting(seed + 1);
          const fromA = a.encapsulate(pair.encapsulationKey, draw)!;
          expect(b.encapsulate(pair.encapsulationKey, seededRandomForTesting(seed + 1))).toEqual(fromA);
          expect(b.decapsulate(pair, fromA.ciphertext)).toEqual(fromA.raw);
          const native = b.generateKeyPair(node.provider.random);
          const fromB = b.encapsulate(native.encapsulationKey, node.provider.random)!;
          expect(a.decapsulate(native, fromB.ciphertext)).toEqual(fromB.raw);
        }),
        RUNS,
      );
    });
  }

  for (const cipher of ['chacha20Poly1305', 'aes256Gcm', 'fernet'] as const) {
    it(`${cipher}: seal the same bytes, and each opens for the other`, () => {
      const any = fc.uint8Array({ maxLength: 200 });
      fc.assert(
        fc.property(fc.integer(), any, any, fc.integer({ min: 0, max: 4e12 }), (seed, data, plaintext, nowMs) => {
          const [a, b] = [noble[cipher], node[cipher]];
          const draw = seededRandomForTesting(seed);
          const [key, randomness] = [draw(32), draw(a.randomnessLength)];
          const sealed = a.seal(key, randomness, data, plaintext, nowMs);
          expect(b.seal(key, randomness, data, plaintext, nowMs)).toEqual(sealed);
          expect(b.open(key, randomness.slice(0, b.nonceLength), data, sealed)).toEqual(plaintext);
        }),
        { numRuns: 60 },
      );
    });
  }

  it('verify each other’s signatures', async () => {
    const message = new TextEncoder().encode('to be signed');
    for (const algorithm of ['Ed25519', 'ECDSA-P256-SHA256'] as const) {
      const pair = noble.provider.generateSignatureKeyPair(algorithm, seededRandomForTesting(8));
      expect(node.provider.generateSignatureKeyPair(algorithm, seededRandomForTesting(8))).toEqual(pair);
      const native = node.provider.generateSignatureKeyPair(algorithm, node.provider.random);
      for (const [signer, verifier, key] of [
        [noble.provider, node.provider, pair],
        [node.provider, noble.provider, pair],
        [noble.provider, node.provider, native],
        [node.provider, noble.provider, native],
      ] as const) {
        expect(await verifier.verify(verifier.parsePublicKey(key.spki)!, message, signer.sign(key, message))).toBe(
          true,
        );
      }
    }
  });
});
