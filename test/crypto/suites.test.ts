import { describe, expect, it } from 'vitest';
import { concat, lengthPrefixed } from '../../src/bytes.ts';
import { bindSuite, SUITE_TABLE } from '../../src/crypto/suiteTable.ts';
import type { SuiteName } from '../../src/crypto/suite.ts';
import { fromHex, implementations, noble, seededRandomForTesting } from './implementations.ts';

const { provider } = noble;

describe('suite table', () => {
  it('numbers the six suites in the order of the protocol', () => {
    expect(Object.entries(SUITE_TABLE).map(([name, row]) => [row.number, name])).toEqual([
      [1, 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256'],
      [2, 'X25519MLKEM768_WITH_AES_256_GCM_SHA384'],
      [3, 'X25519_WITH_CHACHA20_POLY1305_SHA256'],
      [4, 'ECDHE_WITH_AES_256_GCM_SHA384'],
      [5, 'ECDHE_WITH_AES_128_CBC_SHA256'],
      [6, 'RSA_WITH_AES_128_CBC_SHA256'],
    ]);
  });

  it('follows the names: hash, cipher and the reference’s rekey', () => {
    for (const [name, row] of Object.entries(SUITE_TABLE)) {
      expect(row.hash).toBe(name.endsWith('SHA384') ? 'SHA-384' : 'SHA-256');
      const reference = name.includes('AES_128_CBC');
      expect([row.rekeyIterations, row.rekeyNonce]).toEqual(reference ? [1000, 'digits'] : [1, 'bytes']);
      expect(row.rekey.bytes).toBe(reference ? 1_048_576 : 16_777_216);
      expect(row.rekey.onTurn).toBe(row.kem === 'X25519');
    }
  });

  it('refuses parts that the row does not name', () => {
    const parts = { kem: noble.x25519, cipher: noble.fernet, provider };
    expect(() => bindSuite('X25519_WITH_CHACHA20_POLY1305_SHA256', parts)).toThrow(TypeError);
  });
});

for (const implementation of implementations) {
  describe(`suites of ${implementation.name}`, () => {
    it('are all six, and all but RSA by default', () => {
      expect(implementation.suites.map((suite) => suite.name)).toEqual(Object.keys(SUITE_TABLE));
      expect(implementation.defaultSuites).toEqual(implementation.suites.slice(0, 5));
      for (const suite of implementation.suites) {
        expect(suite.ratchetKem).toBe(suite.kem.name === 'RSA-4096' ? undefined : suite.kem);
        expect(suite.provider.name).toBe(implementation.name);
      }
    });

    it('bind the KEM secret to suite, raw secret, ciphertext and key', () => {
      const [raw, ciphertext, key] = ['01', '0203', '040506'].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array];
      const secrets = implementation.suites.map((suite) => suite.kemSecret(raw, ciphertext, key));
      for (const [at, suite] of implementation.suites.entries()) {
        const input = lengthPrefixed('SIMS KEM', suite.name, raw, ciphertext, key);
        expect(secrets[at]).toEqual(provider.hash('SHA-512', input).slice(0, 32));
        expect(suite.kemSecret(raw, key, ciphertext)).not.toEqual(secrets[at]);
      }
      expect(new Set(secrets.map(String)).size).toBe(6);
    });

    it('run the reference’s P-384 through the concatenation KDF', () => {
      const pair = implementation.p384.generateKeyPair(seededRandomForTesting(1));
      const plain = implementation.p384.encapsulate(pair.encapsulationKey, seededRandomForTesting(2))!;
      const name: SuiteName = 'ECDHE_WITH_AES_128_CBC_SHA256';
      const kem = implementation.suites.find((suite) => suite.name === name)!.ratchetKem!;
      const derived = kem.encapsulate(pair.encapsulationKey, seededRandomForTesting(2))!;
      expect(derived.ciphertext).toEqual(plain.ciphertext);
      expect(derived.raw).toEqual(
        provider.hash('SHA-256', concat(fromHex('00000001'), plain.raw, plain.ciphertext, pair.encapsulationKey)),
      );
      expect(kem.decapsulate(pair, derived.ciphertext)).toEqual(derived.raw);
    });
  });
}
