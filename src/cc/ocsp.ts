/**
 * OCSP responses (RFC 6960 §4.2), parsed. Whether one may be believed is decided in `revocationOcsp.ts`.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import {
  readSignatureAlgorithm,
  readHash,
  type CertificateSignatureAlgorithm,
  type SignatureHash,
} from './certificateAlgorithms.ts';
import { DerReader, TAG, context, contextConstructed, enterWhole, malformed } from './certificateDer.ts';
import { readExtension } from './certificateExtensions.ts';
import { readName, type Name } from './name.ts';

/** Which certificate a single response is about. */
export interface OcspCertificateId {
  /** `undefined` for a hash that is not supported. */
  readonly hash: SignatureHash | undefined;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serial: Uint8Array;
}

/** One answer of a response. */
export interface OcspSingleResponse {
  readonly id: OcspCertificateId;
  readonly status: 'good' | 'revoked' | 'unknown';
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | undefined;
}

/** Who says that it signed. */
export type OcspResponderId =
  | { readonly by: 'name'; readonly name: Name }
  /** SHA-1 of the responder's public key bits. */
  | { readonly by: 'key'; readonly keyHash: Uint8Array };

/** A basic response. Byte fields are views of the input. */
export interface OcspBasicResponse {
  readonly toBeSigned: Uint8Array;
  readonly signatureAlgorithm: CertificateSignatureAlgorithm | undefined;
  readonly signatureAlgorithmOid: string;
  readonly signature: Uint8Array;
  readonly responder: OcspResponderId;
  readonly producedAtMs: number;
  readonly responses: readonly OcspSingleResponse[];
  readonly nonce: Uint8Array | undefined;
  readonly hasCriticalUnknown: boolean;
  /** DER of the certificates that the responder sent along. */
  readonly certificates: readonly Uint8Array[];
}

/** A response: its status (0 is successful), and what it carries if it is. */
export interface OcspResponse {
  readonly status: number;
  readonly basic: OcspBasicResponse | undefined;
}

/** Largest response that is read, in bytes. */
export const MAX_OCSP_RESPONSE_LENGTH = 262_144;
const MOST_RESPONSES = 256;
const MOST_CERTIFICATES = 8;
const BASIC_RESPONSE = '1.3.6.1.5.5.7.48.1.1';

/** Object identifier of the nonce (RFC 9654). */
export const OCSP_NONCE = '1.3.6.1.5.5.7.48.1.2';

/**
 * Parses an OCSPResponse from DER.
 *
 * @throws `cc/malformed`
 */
export function parseOcspResponse(der: Uint8Array): OcspResponse {
  if (der.length > MAX_OCSP_RESPONSE_LENGTH) {
    throw new SimsError('cc/malformed', `a response of ${der.length} bytes, limit ${MAX_OCSP_RESPONSE_LENGTH}`);
  }
  const outer = enterWhole(der.slice(), TAG.sequence);
  const status = outer.natural(TAG.enumerated);
  const field = outer.enterOptional(contextConstructed(0));
  outer.finish();
  if (field === undefined) return { status, basic: undefined };
  const body = field.enter(TAG.sequence);
  field.finish();
  const type = body.objectIdentifier();
  const response = body.take(TAG.octetString);
  body.finish();
  return { status, basic: type === BASIC_RESPONSE ? readBasicResponse(response) : undefined };
}

function readBasicResponse(bytes: Uint8Array): OcspBasicResponse {
  const outer = enterWhole(bytes, TAG.sequence);
  const data = outer.enter(TAG.sequence);
  const toBeSigned = bytes.subarray(outer.start, outer.stop);
  const algorithm = readSignatureAlgorithm(outer);
  const signature = outer.bitString();
  const certificates: Uint8Array[] = [];
  const field = outer.enterOptional(contextConstructed(0));
  outer.finish();
  const list = field?.enterOptional(TAG.sequence);
  field?.finish();
  while (list !== undefined && !list.done) {
    if (certificates.push(list.raw(TAG.sequence)) > MOST_CERTIFICATES) {
      throw malformed(`more than ${MOST_CERTIFICATES} certificates`, list.start);
    }
  }

  const version = data.enterOptional(contextConstructed(0));
  if (version !== undefined && version.natural() !== 0) throw malformed('version of a response', version.start);
  version?.finish();
  const responder = readResponderId(data);
  const producedAtMs = data.time();
  const sequence = data.enter(TAG.sequence);
  const responses: OcspSingleResponse[] = [];
  const flags = { hasCriticalUnknown: false };
  while (!sequence.done) {
    if (responses.push(readSingleResponse(sequence, flags)) > MOST_RESPONSES) {
      throw malformed(`more than ${MOST_RESPONSES} responses`, sequence.start);
    }
  }
  const extensions = data.enterOptional(contextConstructed(1));
  data.finish();
  const nonce = extensions === undefined ? undefined : readExtensions(extensions, flags);
  return {
    toBeSigned,
    signatureAlgorithm: algorithm.algorithm,
    signatureAlgorithmOid: algorithm.oid,
    signature,
    responder,
    producedAtMs,
    responses,
    nonce,
    hasCriticalUnknown: flags.hasCriticalUnknown,
    certificates,
  };
}

function readResponderId(data: DerReader): OcspResponderId {
  if (data.peek() === contextConstructed(1)) {
    const field = data.enter(contextConstructed(1));
    const name = readName(field);
    field.finish();
    return { by: 'name', name };
  }
  const field = data.enter(contextConstructed(2));
  const keyHash = field.take(TAG.octetString);
  field.finish();
  return { by: 'key', keyHash };
}

function readSingleResponse(sequence: DerReader, flags: { hasCriticalUnknown: boolean }): OcspSingleResponse {
  const single = sequence.enter(TAG.sequence);
  const identifier = single.enter(TAG.sequence);
  const algorithm = new DerReader(identifier.raw(TAG.sequence));
  const id = {
    hash: readHash(algorithm),
    issuerNameHash: identifier.take(TAG.octetString),
    issuerKeyHash: identifier.take(TAG.octetString),
    serial: identifier.integer(),
  };
  identifier.finish();
  const status = readStatus(single);
  const thisUpdateMs = single.time();
  const next = single.enterOptional(contextConstructed(0));
  const nextUpdateMs = next?.time();
  next?.finish();
  const extensions = single.enterOptional(contextConstructed(1));
  single.finish();
  if (extensions !== undefined) readExtensions(extensions, flags);
  return { id, status, thisUpdateMs, nextUpdateMs };
}

function readStatus(single: DerReader): OcspSingleResponse['status'] {
  const tag = single.peek();
  if (tag === contextConstructed(1)) {
    single.enter(tag).time();
    return 'revoked';
  }
  if (tag !== context(0) && tag !== context(2)) throw malformed('certificate status expected', single.at);
  if (single.take(tag).length !== 0) throw malformed('status with contents', single.start);
  return tag === context(0) ? 'good' : 'unknown';
}

/** Reads Extensions behind their explicit tag; gives the nonce. */
function readExtensions(field: DerReader, flags: { hasCriticalUnknown: boolean }): Uint8Array | undefined {
  const sequence = field.enter(TAG.sequence);
  field.finish();
  const seen = new Set<string>();
  let nonce: Uint8Array | undefined;
  while (!sequence.done) {
    const { oid, isCritical, value } = readExtension(sequence);
    if (seen.has(oid)) throw malformed(`extension ${oid} comes twice`, sequence.start);
    seen.add(oid);
    if (oid === OCSP_NONCE) nonce = value;
    else if (isCritical) flags.hasCriticalUnknown = true;
  }
  return nonce;
}
