/**
 * Signatures of certificates, revocation lists and OCSP responses, verified with WebCrypto, which every supported
 * runtime has. What WebCrypto leaves open is decided here: key kinds, hash and key-size minima, DER of ECDSA
 * signatures, Ed25519 keys of low order.
 *
 * @packageDocumentation
 */
import { concat, hex } from '../bytes.ts';
import type { CertificatePublicKey, CertificateSignatureAlgorithm, SignatureHash } from './certificateAlgorithms.ts';
import { TAG, enterWhole } from './certificateDer.ts';
import { bitString, integer, nullValue, objectIdentifier, sequence } from './createDer.ts';
import type { Budget } from './pathLimits.ts';
import { refuse, type Refusal } from './pathReasons.ts';

/** What signatures have to be made of. */
export interface AlgorithmPolicy {
  /** Hashes that a signature may use; default SHA-256, SHA-384, SHA-512. */
  readonly hashes: readonly SignatureHash[];
  /** Smallest RSA modulus; default 2,048. */
  readonly minRsaBits: number;
  /** Largest RSA modulus, against keys made to be slow; default 8,192. */
  readonly maxRsaBits: number;
  /** Smallest elliptic curve field; default 256. */
  readonly minEcBits: number;
  /** The only algorithms allowed, as `signatureAlgorithmName` spells them; default all that are supported. */
  readonly signatures?: readonly string[];
}

/** The minima where nothing else is said. */
export const DEFAULT_ALGORITHMS: AlgorithmPolicy = {
  hashes: ['SHA-256', 'SHA-384', 'SHA-512'],
  minRsaBits: 2_048,
  maxRsaBits: 8_192,
  minEcBits: 256,
};

/** `Ed25519`, or scheme and hash: `ECDSA/SHA-256`. */
export function signatureAlgorithmName(algorithm: CertificateSignatureAlgorithm): string {
  return 'hash' in algorithm ? `${algorithm.scheme}/${algorithm.hash}` : algorithm.scheme;
}

/** Anything signed in the way of certificates. */
export interface Signed {
  readonly toBeSigned: Uint8Array;
  readonly signatureAlgorithm: CertificateSignatureAlgorithm | undefined;
  readonly signatureAlgorithmOid: string;
  readonly signature: Uint8Array;
}

/** A key that may have signed it. */
export interface SigningKey {
  readonly publicKey: CertificatePublicKey | undefined;
  readonly spkiKey: string;
}

/** Verifies signatures within a budget, each pair of signature and key once. */
export class SignatureChecker {
  readonly #policy: AlgorithmPolicy;
  readonly #budget: Budget;
  readonly #known = new Map<Signed, Map<string, Refusal | undefined>>();

  constructor(policy: AlgorithmPolicy, budget: Budget) {
    this.#policy = policy;
    this.#budget = budget;
  }

  /** `undefined` if the signature verifies and keeps to the policy; else why not. */
  async check(signed: Signed, key: SigningKey): Promise<Refusal | undefined> {
    let byKey = this.#known.get(signed);
    if (byKey === undefined) {
      byKey = new Map<string, Refusal | undefined>();
      this.#known.set(signed, byKey);
    }
    if (!byKey.has(key.spkiKey)) byKey.set(key.spkiKey, await this.#checkOnce(signed, key));
    return byKey.get(key.spkiKey);
  }

  /** Whether a public key keeps to the policy, whatever it signs. */
  checkKey(publicKey: CertificatePublicKey | undefined): Refusal | undefined {
    const policy = this.#policy;
    if (publicKey === undefined) return refuse('key-unsupported');
    const isRsa = publicKey.kind === 'RSA';
    const least = isRsa ? policy.minRsaBits : policy.minEcBits;
    if (publicKey.bits < least) return refuse('key-too-small', `${publicKey.bits} bits, least ${least}`);
    if (isRsa && publicKey.bits > policy.maxRsaBits) {
      return refuse('key-unsupported', `${publicKey.bits} bits, most ${policy.maxRsaBits}`);
    }
    return undefined;
  }

  async #checkOnce(signed: Signed, { publicKey }: SigningKey): Promise<Refusal | undefined> {
    const algorithm = signed.signatureAlgorithm;
    if (algorithm === undefined) return refuse('signature-algorithm-unsupported', signed.signatureAlgorithmOid);
    if ('hash' in algorithm && !this.#policy.hashes.includes(algorithm.hash)) {
      return refuse('hash-too-weak', algorithm.hash);
    }
    const name = signatureAlgorithmName(algorithm);
    if (this.#policy.signatures?.includes(name) === false) return refuse('signature-algorithm-unsupported', name);
    const weakness = this.checkKey(publicKey);
    if (weakness !== undefined || publicKey === undefined) return weakness;
    if (!fits(publicKey, algorithm))
      return refuse('signature-invalid', `${algorithm.scheme} under a key of ${publicKey.kind}`);
    this.#budget.spend('signatureChecks');
    const outcome = await verify(publicKey, algorithm, signed);
    if (outcome === 'unsupported') return refuse('signature-algorithm-unsupported', `${name} on this platform`);
    return outcome === 'valid' ? undefined : refuse('signature-invalid');
  }
}

function fits(key: CertificatePublicKey, algorithm: CertificateSignatureAlgorithm): boolean {
  if (key.kind === 'EC') return algorithm.scheme === 'ECDSA';
  if (key.kind === 'Ed25519') return algorithm.scheme === 'Ed25519';
  if (algorithm.scheme === 'RSASSA-PKCS1-v1_5') return key.pss === undefined;
  if (algorithm.scheme !== 'RSA-PSS') return false;
  if (key.pss === undefined || key.pss === 'any') return true;
  return key.pss.hash === algorithm.hash && algorithm.saltLength >= key.pss.saltLength;
}

async function verify(
  key: CertificatePublicKey,
  algorithm: CertificateSignatureAlgorithm,
  signed: Signed,
): Promise<'valid' | 'invalid' | 'unsupported'> {
  const signature = signatureFor(key, signed.signature);
  if (signature === undefined) return 'invalid';
  const { subtle } = crypto;
  try {
    const imported = await importKey(key, algorithm);
    const parameters =
      algorithm.scheme === 'ECDSA'
        ? { name: 'ECDSA', hash: algorithm.hash }
        : algorithm.scheme === 'RSA-PSS'
          ? { name: 'RSA-PSS', saltLength: algorithm.saltLength }
          : { name: algorithm.scheme };
    const isValid = await subtle.verify(parameters, imported, owned(signature), owned(signed.toBeSigned));
    return isValid ? 'valid' : 'invalid';
  } catch (error) {
    // A key that the platform refuses (a point off the curve, an exponent it does not take) verifies nothing.
    return error instanceof DOMException && error.name === 'NotSupportedError' ? 'unsupported' : 'invalid';
  }
}

function importKey(key: CertificatePublicKey, algorithm: CertificateSignatureAlgorithm): Promise<CryptoKey> {
  const { subtle } = crypto;
  if (key.kind === 'RSA') {
    const hash = 'hash' in algorithm ? algorithm.hash : 'SHA-256';
    const spki = sequence(
      sequence(objectIdentifier('1.2.840.113549.1.1.1'), nullValue()),
      bitString(sequence(integer(key.modulus), integer(key.exponent))),
    );
    return subtle.importKey('spki', owned(spki), { name: algorithm.scheme, hash }, false, ['verify']);
  }
  const parameters = key.kind === 'EC' ? { name: 'ECDSA', namedCurve: key.curve } : { name: 'Ed25519' };
  return subtle.importKey('raw', owned(key.point), parameters, false, ['verify']);
}

/** The signature in WebCrypto's form; `undefined` if it cannot be one of this key. */
function signatureFor(key: CertificatePublicKey, signature: Uint8Array): Uint8Array | undefined {
  if (key.kind === 'RSA') return signature.length === Math.ceil(key.bits / 8) ? signature : undefined;
  if (key.kind === 'EC') return rawEcdsa(signature, Math.ceil(key.bits / 8));
  const isLowOrder = LOW_ORDER.has(hex(key.point));
  return signature.length === 64 && !isLowOrder && isBelowGroupOrder(signature.subarray(32)) ? signature : undefined;
}

/** r ‖ s of an Ecdsa-Sig-Value (RFC 3279 §2.2.3). */
function rawEcdsa(signature: Uint8Array, length: number): Uint8Array | undefined {
  try {
    const reader = enterWhole(signature, TAG.sequence);
    const r = fixedLength(reader.integer(), length);
    const s = fixedLength(reader.integer(), length);
    reader.finish();
    return r === undefined || s === undefined ? undefined : concat(r, s);
  } catch {
    return undefined;
  }
}

function fixedLength(value: Uint8Array, length: number): Uint8Array | undefined {
  const magnitude = value[0] === 0 ? value.subarray(1) : value;
  if (value[0]! >= 0x80 || magnitude.length > length || magnitude.length === 0) return undefined;
  const padded = new Uint8Array(length);
  padded.set(magnitude, length - magnitude.length);
  return padded;
}

/** Encodings of the points of order 1, 2, 4 and 8, also those not canonical: under them anyone can sign. */
const LOW_ORDER: ReadonlySet<string> = /* @__PURE__ */ new Set(
  ['00', '80'].flatMap((sign) => [
    `01${'00'.repeat(30)}${sign}`,
    `${'00'.repeat(31)}${sign}`,
    `ec${'ff'.repeat(30)}${sign === '00' ? '7f' : 'ff'}`,
    `ed${'ff'.repeat(30)}${sign === '00' ? '7f' : 'ff'}`,
    `ee${'ff'.repeat(30)}${sign === '00' ? '7f' : 'ff'}`,
    `26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc${sign === '00' ? '05' : '85'}`,
    `c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03${sign === '00' ? '7a' : 'fa'}`,
  ]),
);

/** The order of the base point, little-endian. */
const GROUP_ORDER = 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010';

function isBelowGroupOrder(scalar: Uint8Array): boolean {
  for (let at = 31; at >= 0; at -= 1) {
    const order = Number.parseInt(GROUP_ORDER.slice(at * 2, at * 2 + 2), 16);
    if (scalar[at]! !== order) return scalar[at]! < order;
  }
  return false;
}

/** WebCrypto takes no views of shared memory by type: a view with its own type. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : Uint8Array.from(bytes);
}
