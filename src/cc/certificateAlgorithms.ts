/**
 * Signature algorithms and public keys as certificates name them (RFC 3279, 4055, 5480, 8410). One table; what is not
 * in it is parsed, kept as `undefined`, and refused when a signature has to be checked with it.
 *
 * @packageDocumentation
 */
import { DerReader, TAG, contextConstructed, malformed } from './certificateDer.ts';

/** Hashes of signatures; SHA-1 is known so that it can be refused by name, or allowed by a caller. */
export type SignatureHash = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512';

/** A signature algorithm with its parameters. */
export type CertificateSignatureAlgorithm =
  | { readonly scheme: 'RSASSA-PKCS1-v1_5' | 'ECDSA'; readonly hash: SignatureHash }
  | { readonly scheme: 'RSA-PSS'; readonly hash: SignatureHash; readonly saltLength: number }
  | { readonly scheme: 'Ed25519' };

/** A public key by kind; `curve` as WebCrypto names it. */
export type CertificatePublicKey =
  | {
      readonly kind: 'RSA';
      readonly modulus: Uint8Array;
      readonly exponent: Uint8Array;
      readonly bits: number;
      /** What a key of id-RSASSA-PSS with parameters is restricted to. */
      readonly pss: Extract<CertificateSignatureAlgorithm, { scheme: 'RSA-PSS' }> | 'any' | undefined;
    }
  | {
      readonly kind: 'EC';
      readonly curve: 'P-256' | 'P-384' | 'P-521';
      readonly point: Uint8Array;
      readonly bits: number;
    }
  | { readonly kind: 'Ed25519'; readonly point: Uint8Array; readonly bits: 256 };

const RSA_PSS = '1.2.840.113549.1.1.10';
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';
const ED25519 = '1.3.101.112';
const MGF1 = '1.2.840.113549.1.1.8';

const SIGNATURES: Readonly<Record<string, CertificateSignatureAlgorithm>> = {
  '1.2.840.113549.1.1.5': { scheme: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' },
  '1.2.840.113549.1.1.11': { scheme: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  '1.2.840.113549.1.1.12': { scheme: 'RSASSA-PKCS1-v1_5', hash: 'SHA-384' },
  '1.2.840.113549.1.1.13': { scheme: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' },
  '1.2.840.10045.4.1': { scheme: 'ECDSA', hash: 'SHA-1' },
  '1.2.840.10045.4.3.2': { scheme: 'ECDSA', hash: 'SHA-256' },
  '1.2.840.10045.4.3.3': { scheme: 'ECDSA', hash: 'SHA-384' },
  '1.2.840.10045.4.3.4': { scheme: 'ECDSA', hash: 'SHA-512' },
  [ED25519]: { scheme: 'Ed25519' },
};

/** Hash functions by object identifier, also of OCSP's CertID. */
export const HASHES: Readonly<Record<string, SignatureHash>> = {
  '1.3.14.3.2.26': 'SHA-1',
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
};

const CURVES: Readonly<Record<string, { readonly curve: 'P-256' | 'P-384' | 'P-521'; readonly bits: number }>> = {
  '1.2.840.10045.3.1.7': { curve: 'P-256', bits: 256 },
  '1.3.132.0.34': { curve: 'P-384', bits: 384 },
  '1.3.132.0.35': { curve: 'P-521', bits: 521 },
};

/** Reads an AlgorithmIdentifier of a signature; the algorithm is `undefined` if it is not in the table. */
export function readSignatureAlgorithm(reader: DerReader): {
  readonly bytes: Uint8Array;
  readonly oid: string;
  readonly algorithm: CertificateSignatureAlgorithm | undefined;
} {
  const identifier = reader.enter(TAG.sequence);
  const bytes = reader.bytes.subarray(reader.start, reader.stop);
  const oid = identifier.objectIdentifier();
  if (oid === RSA_PSS) return { bytes, oid, algorithm: readPssParameters(identifier) };
  const algorithm = Object.hasOwn(SIGNATURES, oid) ? SIGNATURES[oid] : undefined;
  if (algorithm?.scheme === 'RSASSA-PKCS1-v1_5') skipNull(identifier);
  if (algorithm !== undefined) identifier.finish();
  return { bytes, oid, algorithm };
}

/** Reads a SubjectPublicKeyInfo; the key is `undefined` if its kind is not in the table. */
export function readPublicKey(reader: DerReader): {
  readonly spki: Uint8Array;
  readonly key: CertificatePublicKey | undefined;
} {
  const info = reader.enter(TAG.sequence);
  const spki = reader.bytes.subarray(reader.start, reader.stop);
  const identifier = info.enter(TAG.sequence);
  const oid = identifier.objectIdentifier();
  const value = info.take(TAG.bitString);
  info.finish();
  if (value.length < 1) throw malformed('empty BIT STRING', info.start);
  if (value[0] !== 0) return { spki, key: undefined };
  return { spki, key: keyOf(oid, identifier, value.subarray(1)) };
}

function keyOf(oid: string, parameters: DerReader, value: Uint8Array): CertificatePublicKey | undefined {
  if (oid === RSA_ENCRYPTION) {
    skipNull(parameters);
    parameters.finish();
    return rsaKey(value, undefined);
  }
  if (oid === RSA_PSS) {
    if (parameters.done) return rsaKey(value, 'any');
    const pss = readPssParameters(parameters);
    return pss === undefined ? undefined : rsaKey(value, pss);
  }
  if (oid === EC_PUBLIC_KEY && parameters.peek() === TAG.objectIdentifier) {
    const name = parameters.objectIdentifier();
    parameters.finish();
    const found = Object.hasOwn(CURVES, name) ? CURVES[name] : undefined;
    if (found === undefined || value.length !== 1 + 2 * Math.ceil(found.bits / 8) || value[0] !== 4) return undefined;
    return { kind: 'EC', ...found, point: value };
  }
  if (oid === ED25519 && value.length === 32) {
    parameters.finish();
    return { kind: 'Ed25519', point: value, bits: 256 };
  }
  return undefined;
}

function rsaKey(
  value: Uint8Array,
  pss: Extract<CertificatePublicKey, { kind: 'RSA' }>['pss'],
): CertificatePublicKey | undefined {
  const outer = new DerReader(value);
  const reader = outer.enter(TAG.sequence);
  outer.finish();
  const modulus = reader.integer();
  const exponent = reader.integer();
  reader.finish();
  if (modulus[0]! >= 0x80 || exponent[0]! >= 0x80) return undefined;
  const magnitude = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  if (magnitude.length === 0) return undefined;
  const bits = magnitude.length * 8 - Math.clz32(magnitude[0]!) + 24;
  // An even modulus or exponent, or exponent 1, is no key: with 1 anybody signs.
  const isOdd = (magnitude.at(-1)! & 1) === 1 && (exponent.at(-1)! & 1) === 1;
  const isOne = exponent.length === 1 && exponent[0] === 1;
  return isOdd && !isOne && exponent.length <= 8 ? { kind: 'RSA', modulus, exponent, bits, pss } : undefined;
}

/** RSASSA-PSS-params; `undefined` for combinations that no WebCrypto verifies. */
function readPssParameters(
  identifier: DerReader,
): Extract<CertificateSignatureAlgorithm, { scheme: 'RSA-PSS' }> | undefined {
  const parameters = identifier.enter(TAG.sequence);
  identifier.finish();
  const hashField = parameters.enterOptional(contextConstructed(0));
  const hash = hashField === undefined ? 'SHA-1' : readHash(hashField);
  const maskField = parameters.enterOptional(contextConstructed(1));
  let maskHash: SignatureHash | undefined = 'SHA-1';
  if (maskField !== undefined) {
    const mask = maskField.enter(TAG.sequence);
    maskField.finish();
    maskHash = mask.objectIdentifier() === MGF1 ? readHash(mask) : undefined;
  }
  const saltField = parameters.enterOptional(contextConstructed(2));
  const saltLength = saltField === undefined ? 20 : saltField.natural();
  saltField?.finish();
  const trailerField = parameters.enterOptional(contextConstructed(3));
  const trailer = trailerField === undefined ? 1 : trailerField.natural();
  trailerField?.finish();
  parameters.finish();
  if (hash === undefined || hash !== maskHash || trailer !== 1 || saltLength > 512) return undefined;
  return { scheme: 'RSA-PSS', hash, saltLength };
}

/** Reads an AlgorithmIdentifier of a hash, the last element of `reader`. */
export function readHash(reader: DerReader): SignatureHash | undefined {
  const identifier = reader.enter(TAG.sequence);
  reader.finish();
  const oid = identifier.objectIdentifier();
  skipNull(identifier);
  identifier.finish();
  return Object.hasOwn(HASHES, oid) ? HASHES[oid] : undefined;
}

function skipNull(reader: DerReader): void {
  if (reader.peek() === TAG.null && reader.take(TAG.null).length !== 0)
    throw malformed('NULL with contents', reader.start);
}
