/**
 * What the protocol asks of a cryptographic library. `noble.ts` answers it on every runtime; `node/` answers it
 * faster where Node does. The protocol never names a library. Mechanisms are separate values, not fields of one
 * object, so that a bundle holds only those that its suites and credentials use.
 *
 * @packageDocumentation
 */

/** Hash functions of the suites and of signatures. */
export type HashName = 'SHA-256' | 'SHA-384' | 'SHA-512';

/** Bytes from the platform's CSPRNG, in new memory that the callee may keep or wipe; passed in, so that tests can fix them. */
export type RandomBytes = (length: number) => Uint8Array;

/** A fresh key pair of a KEM. The decapsulation key is the serialised private key, fit to be stored. */
export interface KemKeyPair {
  readonly encapsulationKey: Uint8Array;
  readonly decapsulationKey: Uint8Array;
}

/** What an encapsulation gives: the raw secret of the primitive, not yet bound to suite, key and ciphertext. */
export interface RawEncapsulation {
  readonly raw: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/**
 * A key encapsulation mechanism whose operations are quick enough to be synchronous. A key or ciphertext of the
 * wrong length, a point off the curve, an all-zero X25519 secret (also inside X-Wing) or a failed ML-KEM modulus
 * check gives `undefined`: the caller has to face it. What it draws from `random`, in order: X25519, 32 bytes for a
 * key pair or an encapsulation; X-Wing, 32 for a key pair and 64 for an encapsulation; P-384, 48 for either, drawn
 * again while zero or not below the group's order. A provider handed its own platform's random bytes may let the
 * platform draw instead: the result is as random, and not reproducible anyway.
 *
 * A key pair's arrays must not be changed while it is in use: a provider may keep what it derived from them. Its own
 * decapsulation key of the wrong length or range throws `crypto/invalid-argument`.
 */
export interface Kem {
  readonly name: 'X25519' | 'X-Wing' | 'P-384' | 'P-384-ConcatenationKDF';
  readonly encapsulationKeyLength: number;
  readonly decapsulationKeyLength: number;
  readonly ciphertextLength: number;
  /** A fresh key pair. */
  generateKeyPair(random: RandomBytes): KemKeyPair;
  /** A fresh secret and its ciphertext for the owner of the key. */
  encapsulate(encapsulationKey: Uint8Array, random: RandomBytes): RawEncapsulation | undefined;
  /** The raw secret in a ciphertext. */
  decapsulate(keyPair: KemKeyPair, ciphertext: Uint8Array): Uint8Array | undefined;
}

/**
 * RSA-4096 with OAEP, SHA-256 and MGF1-SHA-256. Asynchronous: WebCrypto in browsers, a thread pool in Node. The
 * encapsulation key is DER SubjectPublicKeyInfo, the decapsulation key PKCS #8.
 */
export interface AsyncKem {
  readonly name: 'RSA-4096';
  readonly ciphertextLength: 512;
  /** A fresh key pair; takes about a second. */
  generateKeyPair(): Promise<KemKeyPair>;
  /** `undefined` if the key is not RSA of 4096 bits with exponent 65537 in canonical DER. */
  encapsulate(encapsulationKey: Uint8Array, random: RandomBytes): Promise<RawEncapsulation | undefined>;
  /** A wrong ciphertext gives 32 random bytes, so that the failure shows only as a box that does not open. */
  decapsulate(keyPair: KemKeyPair, ciphertext: Uint8Array, random: RandomBytes): Promise<Uint8Array>;
}

/** Encryption of one record under a key that is never used again. Keys are 32 bytes in every cipher. */
export interface RecordCipher {
  readonly name: 'ChaCha20-Poly1305' | 'AES-256-GCM' | 'Fernet';
  /** Bytes of fresh randomness that {@link RecordCipher.seal} takes: 6 for the AEADs, 16 (the IV) for Fernet. */
  readonly randomnessLength: number;
  /** Bytes of that randomness that travel beside the record: 6, or 0 for Fernet, whose token holds its IV. */
  readonly nonceLength: number;
  /** AEADs: nonce is the 6 bytes and 6 zeros. Fernet: SHA-256(associatedData) ‖ plaintext is what is encrypted. */
  seal(
    key: Uint8Array,
    randomness: Uint8Array,
    associatedData: Uint8Array,
    plaintext: Uint8Array,
    nowMs: number,
  ): Uint8Array;
  /** The plaintext; `undefined` for every failure alike. */
  open(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** Signature algorithms; each public key has exactly one. ECDSA signatures are raw r ‖ s of fixed length. */
export type SignatureAlgorithm = 'Ed25519' | 'ECDSA-P256-SHA256' | 'ECDSA-P384-SHA384' | 'RSA-PSS-SHA256';

/** A public key that was parsed from canonical DER SubjectPublicKeyInfo and checked (point on curve, not low-order). */
export interface SignaturePublicKey {
  readonly algorithm: SignatureAlgorithm;
  /** The SubjectPublicKeyInfo itself. */
  readonly spki: Uint8Array;
}

/** A signature key pair that a program may hold: Ed25519 or P-256. */
export interface SignatureKeyPair {
  readonly algorithm: 'Ed25519' | 'ECDSA-P256-SHA256';
  readonly spki: Uint8Array;
  /** 32 bytes: the Ed25519 seed, or the P-256 scalar. */
  readonly privateKey: Uint8Array;
}

/**
 * One signature algorithm. Schemes are given to a provider in a list, so that a bundle holds only those in use.
 * `generateKeyPair` and `sign` are absent where a program never holds the private key (P-384, RSA: cards do).
 */
export interface SignatureScheme {
  readonly algorithm: SignatureAlgorithm;
  /** `undefined` unless the key is of this algorithm, in canonical DER, and sound. */
  parsePublicKey(spki: Uint8Array): SignaturePublicKey | undefined;
  /** Whether the signature is of that message and key; `false` too when its length is wrong. */
  verify(publicKey: SignaturePublicKey, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
  /** A fresh key pair. */
  readonly generateKeyPair?: (random: RandomBytes) => SignatureKeyPair;
  /** The signature of a message. */
  readonly sign?: (keyPair: SignatureKeyPair, message: Uint8Array) => Uint8Array;
}

/** Hash, MAC and key derivation: what the key schedule, the ratchet and a {@link Suite} need. */
export interface HashProvider {
  readonly name: string;
  /** SHA-2 (FIPS 180-4). */
  hash(name: HashName, bytes: Uint8Array): Uint8Array;
  /** HMAC (RFC 2104). */
  hmac(name: HashName, key: Uint8Array, bytes: Uint8Array): Uint8Array;
  /** RFC 5869 §2.2. */
  hkdfExtract(name: HashName, salt: Uint8Array, inputKeyMaterial: Uint8Array): Uint8Array;
  /** RFC 5869 §2.3. At most 255 hashes long. */
  hkdfExpand(name: HashName, pseudorandomKey: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** PBKDF2-HMAC (RFC 8018 §5.2). */
  pbkdf2(name: HashName, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Uint8Array;
}

/** Hashes, signatures and randomness of one implementation. KEMs and record ciphers come with the suites. */
export interface CryptoProvider extends HashProvider {
  /** @throws `crypto/invalid-argument` when the provider was made without that algorithm */
  generateSignatureKeyPair(algorithm: SignatureKeyPair['algorithm'], random: RandomBytes): SignatureKeyPair;
  /** `undefined` for an unknown algorithm, non-canonical DER, a point off the curve or of low order, RSA below 2048 bits. */
  parsePublicKey(spki: Uint8Array): SignaturePublicKey | undefined;
  /** The signature of a message; `crypto/invalid-argument` without that algorithm. */
  sign(keyPair: SignatureKeyPair, message: Uint8Array): Uint8Array;
  /**
   * Ed25519 strictly (RFC 8032 §5.1.7: canonical encodings, S below the order, the equation without the cofactor).
   * `false` for a signature of the wrong length. Asynchronous for RSA where only WebCrypto has it.
   */
  verify(publicKey: SignaturePublicKey, message: Uint8Array, signature: Uint8Array): boolean | Promise<boolean>;
  /** The platform's CSPRNG. */
  readonly random: RandomBytes;
}
