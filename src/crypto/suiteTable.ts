/** The six rows as data, and how a row becomes a {@link Suite}: by handing it an implementation of each part. */
import { bindKemSecret } from './kdf.ts';
import type { AsyncKem, HashName, HashProvider, Kem, RecordCipher } from './provider.ts';
import type { RekeyPolicy, Suite, SuiteName } from './suite.ts';

/** What a row fixes, whoever implements it. */
export interface SuiteRow {
  readonly number: number;
  readonly kem: Kem['name'] | AsyncKem['name'];
  readonly hash: HashName;
  readonly cipher: RecordCipher['name'];
  readonly rekeyIterations: number;
  readonly rekeyNonce: Suite['rekeyNonce'];
  readonly rekey: RekeyPolicy;
}

const MINUTE = 60_000;
const MEBIBYTE = 1_048_576;

// Costs decide: a step of X25519 is small enough for every change of speaker, P-384's time and X-Wing's bytes are not.
const X25519_REKEY: RekeyPolicy = { records: 50, bytes: 16 * MEBIBYTE, milliseconds: 10 * MINUTE, onTurn: true };
const X_WING_REKEY: RekeyPolicy = { records: 50, bytes: 16 * MEBIBYTE, milliseconds: 10 * MINUTE, onTurn: false };
const P384_REKEY: RekeyPolicy = { records: 20, bytes: 16 * MEBIBYTE, milliseconds: 5 * MINUTE, onTurn: false };
// CBC under one HMAC key: a smaller amount than for the AEADs.
const P384_FERNET_REKEY: RekeyPolicy = { records: 20, bytes: MEBIBYTE, milliseconds: 5 * MINUTE, onTurn: false };
const RSA_REKEY: RekeyPolicy = { records: 50, bytes: MEBIBYTE, milliseconds: 10 * MINUTE, onTurn: false };

/** The table of section 3 of the protocol. */
export const SUITE_TABLE: Readonly<Record<SuiteName, SuiteRow>> = {
  X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256: {
    number: 1,
    kem: 'X-Wing',
    hash: 'SHA-256',
    cipher: 'ChaCha20-Poly1305',
    rekeyIterations: 1,
    rekeyNonce: 'bytes',
    rekey: X_WING_REKEY,
  },
  X25519MLKEM768_WITH_AES_256_GCM_SHA384: {
    number: 2,
    kem: 'X-Wing',
    hash: 'SHA-384',
    cipher: 'AES-256-GCM',
    rekeyIterations: 1,
    rekeyNonce: 'bytes',
    rekey: X_WING_REKEY,
  },
  X25519_WITH_CHACHA20_POLY1305_SHA256: {
    number: 3,
    kem: 'X25519',
    hash: 'SHA-256',
    cipher: 'ChaCha20-Poly1305',
    rekeyIterations: 1,
    rekeyNonce: 'bytes',
    rekey: X25519_REKEY,
  },
  ECDHE_WITH_AES_256_GCM_SHA384: {
    number: 4,
    kem: 'P-384',
    hash: 'SHA-384',
    cipher: 'AES-256-GCM',
    rekeyIterations: 1,
    rekeyNonce: 'bytes',
    rekey: P384_REKEY,
  },
  ECDHE_WITH_AES_128_CBC_SHA256: {
    number: 5,
    kem: 'P-384-ConcatenationKDF',
    hash: 'SHA-256',
    cipher: 'Fernet',
    rekeyIterations: 1000,
    rekeyNonce: 'digits',
    rekey: P384_FERNET_REKEY,
  },
  RSA_WITH_AES_128_CBC_SHA256: {
    number: 6,
    kem: 'RSA-4096',
    hash: 'SHA-256',
    cipher: 'Fernet',
    rekeyIterations: 1000,
    rekeyNonce: 'digits',
    rekey: RSA_REKEY,
  },
};

/** An implementation of each part of a suite. */
export interface SuiteParts {
  readonly kem: Kem | AsyncKem;
  readonly cipher: RecordCipher;
  readonly provider: HashProvider;
}

/**
 * The suite of that name over these parts. An asynchronous KEM takes no part in rekeys: they are forward only.
 *
 * @throws TypeError when a part is not the one that the row names: a mistake in a table, not in data
 */
export function bindSuite(name: SuiteName, parts: SuiteParts): Suite {
  const row = SUITE_TABLE[name];
  const { kem, cipher, provider } = parts;
  if (kem.name !== row.kem || cipher.name !== row.cipher) {
    throw new TypeError(`${name} needs ${row.kem} and ${row.cipher}, was given ${kem.name} and ${cipher.name}`);
  }
  return {
    name,
    number: row.number,
    kem,
    ratchetKem: kem.name === 'RSA-4096' ? undefined : kem,
    hash: row.hash,
    cipher,
    rekeyIterations: row.rekeyIterations,
    rekeyNonce: row.rekeyNonce,
    rekey: row.rekey,
    kemSecret: (raw, ciphertext, encapsulationKey) => bindKemSecret(provider, name, raw, ciphertext, encapsulationKey),
    provider,
  };
}
