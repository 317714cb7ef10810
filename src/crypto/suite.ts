/**
 * What a cipher suite is: key encapsulation, hash and record cipher in one row.
 *
 * @packageDocumentation
 */
import type { AsyncKem, HashName, HashProvider, Kem, RecordCipher } from './provider.ts';

/** Registered names of the suites. */
export type SuiteName =
  | 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256'
  | 'X25519MLKEM768_WITH_AES_256_GCM_SHA384'
  | 'X25519_WITH_CHACHA20_POLY1305_SHA256'
  | 'ECDHE_WITH_AES_256_GCM_SHA384'
  | 'ECDHE_WITH_AES_128_CBC_SHA256'
  | 'RSA_WITH_AES_128_CBC_SHA256';

/** When a side renews its sending keys of its own accord; whichever comes first. */
export interface RekeyPolicy {
  readonly records: number;
  readonly bytes: number;
  readonly milliseconds: number;
  /** Also when the peer has spoken since this side's last rekey. */
  readonly onTurn: boolean;
}

/** One row of the table, bound to an implementation of its parts. */
export interface Suite {
  readonly name: SuiteName;
  /** On the wire, in handshake bodies. */
  readonly number: number;
  readonly kem: Kem | AsyncKem;
  /** The mechanism of rekeys; absent where a rekey has no KEM secret (forward secrecy only). */
  readonly ratchetKem: Kem | undefined;
  readonly hash: HashName;
  readonly cipher: RecordCipher;
  readonly rekeyIterations: number;
  /** How s_k is written: 16 decimal digits as ASCII, or 16 random bytes. */
  readonly rekeyNonce: 'digits' | 'bytes';
  readonly rekey: RekeyPolicy;
  /** Bound secret of section 3: 32 bytes from the raw secret, the ciphertext and the encapsulation key. */
  kemSecret(raw: Uint8Array, ciphertext: Uint8Array, encapsulationKey: Uint8Array): Uint8Array;
  /** Hash, HMAC, HKDF and PBKDF2; signatures are not a suite's matter and come from the client's CryptoProvider. */
  readonly provider: HashProvider;
}
