/**
 * A certificate (RFC 5280 §4.1), parsed once and whole. Parsing checks the encoding and each extension's schema; what the
 * certificate is worth is decided by path validation.
 *
 * @packageDocumentation
 */
import { hex } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import {
  readPublicKey,
  readSignatureAlgorithm,
  type CertificatePublicKey,
  type CertificateSignatureAlgorithm,
} from './certificateAlgorithms.ts';
import { type DerReader, TAG, context, contextConstructed, enterWhole, malformed } from './certificateDer.ts';
import { readExtensions, type Extensions } from './certificateExtensions.ts';
import { readName, type Name } from './name.ts';

/** A parsed certificate. Byte fields are views of {@link Certificate.bytes}. */
export interface Certificate {
  /** The certificate's DER. */
  readonly bytes: Uint8Array;
  /** What is signed. */
  readonly toBeSigned: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** Contents of the serial number INTEGER. */
  readonly serial: Uint8Array;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** A text that is equal for equal SubjectPublicKeyInfos. */
  readonly spkiKey: string;
  /** `undefined` for kinds of keys that are not supported. */
  readonly publicKey: CertificatePublicKey | undefined;
  readonly signatureAlgorithm: CertificateSignatureAlgorithm | undefined;
  readonly signatureAlgorithmOid: string;
  readonly signature: Uint8Array;
  readonly extensions: Extensions;
  /** Object identifiers of all extensions present. */
  readonly extensionsPresent: readonly string[];
  readonly criticalExtensions: ReadonlySet<string>;
  readonly unknownCriticalExtensions: readonly string[];
  /** Whether issuer and subject are the same name. */
  readonly isSelfIssued: boolean;
}

/** Largest certificate that is read, in bytes. */
export const MAX_CERTIFICATE_LENGTH = 65_536;

/**
 * Parses one certificate from DER.
 *
 * @throws `cc/malformed`
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_LENGTH) {
    throw new SimsError('cc/malformed', `a certificate of ${der.length} bytes, limit ${MAX_CERTIFICATE_LENGTH}`);
  }
  // Copied: the caller's buffer may change, and a proof must not change with it.
  const bytes = der.slice();
  const outer = enterWhole(bytes, TAG.sequence);
  const body = outer.enter(TAG.sequence);
  const toBeSigned = bytes.subarray(outer.start, outer.stop);
  const algorithm = readSignatureAlgorithm(outer);
  const signature = outer.bitString();
  outer.finish();

  const version = readVersion(body);
  const serial = body.integer();
  const innerAlgorithm = body.raw(TAG.sequence);
  if (!same(innerAlgorithm, algorithm.bytes)) throw malformed('the two signature algorithms differ', body.start);
  const issuer = readName(body);
  const validity = body.enter(TAG.sequence);
  const notBeforeMs = validity.time();
  const notAfterMs = validity.time();
  validity.finish();
  const subject = readName(body);
  const { spki, key } = readPublicKey(body);
  for (const number of [1, 2]) {
    if (body.takeOptional(context(number)) !== undefined && version === 1) {
      throw malformed('unique identifiers in version 1', body.start);
    }
  }
  const field = body.enterOptional(contextConstructed(3));
  body.finish();
  if (field !== undefined && version !== 3) throw malformed(`extensions in version ${version}`, field.at);
  const extensions = field === undefined ? undefined : readExtensions(field.enter(TAG.sequence));
  field?.finish();

  return {
    bytes,
    toBeSigned,
    version,
    serial,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    spki,
    spkiKey: hex(spki),
    publicKey: key,
    signatureAlgorithm: algorithm.algorithm,
    signatureAlgorithmOid: algorithm.oid,
    signature,
    extensions: extensions?.parsed ?? {},
    extensionsPresent: extensions?.present ?? [],
    criticalExtensions: extensions?.critical ?? new Set(),
    unknownCriticalExtensions: extensions?.unknownCritical ?? [],
    isSelfIssued: issuer.key === subject.key,
  };
}

/** SHA-256 of a certificate's DER, lower-case hexadecimal. */
export async function fingerprint(certificate: Certificate | Uint8Array): Promise<string> {
  const bytes = certificate instanceof Uint8Array ? certificate : certificate.bytes;
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))));
}

/** Whether both are the same bytes. For public data: time depends on the contents. */
export function same(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += 1) if (left[at] !== right[at]) return false;
  return true;
}

function readVersion(body: DerReader): 1 | 2 | 3 {
  const field = body.enterOptional(contextConstructed(0));
  if (field === undefined) return 1;
  const version = field.natural() + 1;
  field.finish();
  if (version !== 1 && version !== 2 && version !== 3) throw malformed(`version ${version}`, field.start);
  return version;
}
