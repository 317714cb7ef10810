import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { p384 as curve384 } from '@noble/curves/nist.js';
import { x25519 as montgomery } from '@noble/curves/ed25519.js';
import { describe, expect, it } from 'vitest';
import type { HashName } from '../../src/crypto/provider.ts';
import { rawP384 } from '../../src/crypto/signature/spki.ts';
import { fromHex, implementations } from './implementations.ts';

const data = process.env['SIMS_DATA'];

type Vector = Readonly<Record<string, string | number | undefined>>;
type Group = { readonly tests: readonly Vector[]; readonly publicKey: Record<string, string> } & Record<
  string,
  unknown
>;

/** Runs every vector of the groups that `wanted` takes; fails when there was none, or `run` found none that counts. */
async function each(
  file: string,
  run: (vector: Vector, group: Group) => void | boolean | Promise<void | boolean>,
  wanted: (group: Group) => boolean = () => true,
): Promise<void> {
  const path = join(data!, 'wycheproof', `${file}_test.json`);
  const { testGroups } = JSON.parse(readFileSync(path, 'utf8')) as { testGroups: readonly Group[] };
  let count = 0;
  for (const group of testGroups.filter(wanted)) {
    for (const vector of group.tests) {
      try {
        await run(vector, group);
      } catch (error) {
        throw new Error(`${file} tcId ${vector['tcId']} (${vector['result']}): ${String(error)}`, { cause: error });
      }
      count += 1;
    }
  }
  expect(count, `vectors of ${file}`).toBeGreaterThan(0);
}

const bytes = (vector: Vector, member: string): Uint8Array => fromHex(String(vector[member]));
const valid = (vector: Vector): boolean => vector['result'] === 'valid';

for (const implementation of implementations) {
  const { provider } = implementation;
  // The portable one does not look at it, and computing it would double the time.
  const ownPublicKey = (key: Uint8Array, curve: typeof montgomery | typeof curve384): Uint8Array =>
    implementation.name === 'noble' ? new Uint8Array(0) : curve.getPublicKey(key, false as never);
  describe.skipIf(!data)(`Wycheproof, ${implementation.name} (needs SIMS_DATA)`, () => {
    it('has the files', () => {
      expect(existsSync(join(data!, 'wycheproof'))).toBe(true);
    });

    it('agrees on X25519, refusing shared secrets of zeros', () =>
      each('x25519', (vector) => {
        const decapsulationKey = bytes(vector, 'private');
        const pair = { decapsulationKey, encapsulationKey: ownPublicKey(decapsulationKey, montgomery) };
        const shared = bytes(vector, 'shared');
        const expected = shared.every((byte) => byte === 0) ? undefined : shared;
        expect(implementation.x25519.decapsulate(pair, bytes(vector, 'public'))).toEqual(expected);
      }));

    it('agrees on ECDH P-384, refusing all but checked uncompressed points', () =>
      each('ecdh_secp384r1', (vector) => {
        const point = rawP384(bytes(vector, 'public'));
        if (point === undefined) return expect(valid(vector)).toBe(false);
        const decapsulationKey = fromHex(String(vector['private']).padStart(96, '0').slice(-96));
        const pair = { decapsulationKey, encapsulationKey: ownPublicKey(decapsulationKey, curve384) };
        const expected = valid(vector) ? bytes(vector, 'shared') : undefined;
        return expect(implementation.p384.decapsulate(pair, point)).toEqual(expected);
      }));

    for (const file of [
      'ed25519',
      'ecdsa_secp256r1_sha256_p1363',
      'ecdsa_secp384r1_sha384_p1363',
      'rsa_pss_2048_sha256_mgf1_32',
      'rsa_pss_3072_sha256_mgf1_32',
      'rsa_pss_4096_sha256_mgf1_32',
    ]) {
      it(`verifies ${file}`, () =>
        each(file, async (vector, group) => {
          const publicKey = provider.parsePublicKey(fromHex(String(group['publicKeyDer'] ?? group['publicKeyAsn'])));
          expect(publicKey).toBeDefined();
          expect(await provider.verify(publicKey!, bytes(vector, 'msg'), bytes(vector, 'sig'))).toBe(valid(vector));
        }));
    }

    it('decapsulates RSA-OAEP; what fails, or is not 32 bytes, gives the random secret', async () => {
      const fallback = new Uint8Array(32).fill(7);
      let opened = 0;
      await each('rsa_oaep_4096_sha256_mgf1sha256', async (vector, group) => {
        const decapsulationKey = fromHex(String(group['privateKeyPkcs8']));
        const pair = { decapsulationKey, encapsulationKey: new Uint8Array(0) };
        const raw = await implementation.rsa4096.decapsulate(pair, bytes(vector, 'ct'), () => fallback.slice());
        const message = bytes(vector, 'msg');
        const ours = valid(vector) && message.length === 32 && vector['label'] === '';
        if (ours) opened += 1;
        expect(raw).toEqual(ours ? message : fallback);
      });
      expect(opened).toBeGreaterThan(0);
    });

    it('agrees on ML-KEM-768', () =>
      each('mlkem_768', (vector) => {
        const [seed, ciphertext] = [bytes(vector, 'seed'), bytes(vector, 'c')];
        if (!valid(vector)) {
          return expect(() => implementation.mlKem().fromSeed(seed).decapsulate(ciphertext)).toThrow(Error);
        }
        const key = implementation.mlKem().fromSeed(seed);
        expect(key.encapsulationKey).toEqual(bytes(vector, 'ek'));
        return expect(key.decapsulate(ciphertext)).toEqual(bytes(vector, 'K'));
      }));

    for (const [file, aead] of [
      ['chacha20_poly1305', implementation.chacha20Poly1305Aead],
      ['aes_gcm', implementation.aes256GcmAead],
    ] as const) {
      it(`seals and opens ${file}`, () =>
        each(
          file,
          (vector) => {
            const [key, iv, aad, message] = ['key', 'iv', 'aad', 'msg'].map((member) => bytes(vector, member)) as [
              Uint8Array,
              Uint8Array,
              Uint8Array,
              Uint8Array,
            ];
            const sealed = fromHex(String(vector['ct']) + String(vector['tag']));
            if (!valid(vector)) return expect(() => aead.open(key, iv, aad, sealed)).toThrow(Error);
            expect(aead.seal(key, iv, aad, message)).toEqual(sealed);
            return expect(aead.open(key, iv, aad, sealed)).toEqual(message);
          },
          (group) => group['keySize'] === 256 && group['ivSize'] === 96 && group['tagSize'] === 128,
        ));
    }

    it('encrypts and decrypts AES-128-CBC with PKCS #7', () =>
      each(
        'aes_cbc_pkcs5',
        (vector) => {
          const [key, iv, message, ciphertext] = ['key', 'iv', 'msg', 'ct'].map((member) => bytes(vector, member)) as [
            Uint8Array,
            Uint8Array,
            Uint8Array,
            Uint8Array,
          ];
          if (!valid(vector)) return expect(() => implementation.cbc.decryptCbc(key, iv, ciphertext)).toThrow(Error);
          expect(implementation.cbc.encryptCbc(key, iv, message)).toEqual(ciphertext);
          return expect(implementation.cbc.decryptCbc(key, iv, ciphertext)).toEqual(message);
        },
        (group) => group['keySize'] === 128,
      ));

    for (const [file, name] of [
      ['hmac_sha256', 'SHA-256'],
      ['hmac_sha384', 'SHA-384'],
      ['hmac_sha512', 'SHA-512'],
    ] as const satisfies readonly (readonly [string, HashName])[]) {
      it(`computes ${file}`, () =>
        each(file, (vector, group) => {
          const mac = provider.hmac(name, bytes(vector, 'key'), bytes(vector, 'msg'));
          const tag = mac.slice(0, Number(group['tagSize']) / 8);
          if (valid(vector)) expect(tag).toEqual(bytes(vector, 'tag'));
          else expect(tag).not.toEqual(bytes(vector, 'tag'));
        }));
    }

    for (const [file, name] of [
      ['hkdf_sha256', 'SHA-256'],
      ['hkdf_sha384', 'SHA-384'],
    ] as const satisfies readonly (readonly [string, HashName])[]) {
      it(`derives ${file}`, () =>
        each(file, (vector) => {
          const key = provider.hkdfExtract(name, bytes(vector, 'salt'), bytes(vector, 'ikm'));
          const derive = (): Uint8Array =>
            provider.hkdfExpand(name, key, bytes(vector, 'info'), Number(vector['size']));
          if (valid(vector)) expect(derive()).toEqual(bytes(vector, 'okm'));
          else expect(derive).toThrow(expect.objectContaining({ code: 'crypto/invalid-argument' }));
        }));
    }

    it('derives pbkdf2_hmacsha256', () =>
      each('pbkdf2_hmacsha256', (vector) => {
        const [password, salt] = [bytes(vector, 'password'), bytes(vector, 'salt')];
        const [iterations, length] = [Number(vector['iterationCount']), Number(vector['dkLen'])];
        expect(provider.pbkdf2('SHA-256', password, salt, iterations, length)).toEqual(bytes(vector, 'dk'));
      }));
  });
}
