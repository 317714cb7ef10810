/**
 * Revocation lists (RFC 5280 §5). The head is parsed; the entries are walked over in place, and nothing is built of them:
 * a list of any size costs one pass and no memory of its own.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { same } from './certificate.ts';
import { readSignatureAlgorithm, type CertificateSignatureAlgorithm } from './certificateAlgorithms.ts';
import { DerReader, TAG, context, contextConstructed, enterWhole, malformed, timeAt } from './certificateDer.ts';
import {
  readAuthorityKeyIdentifier,
  readDistributionPointName,
  readDistributionPoints,
  readExtension,
  type AuthorityKeyIdentifier,
  type DistributionPoint,
} from './certificateExtensions.ts';
import { readName, type Name } from './name.ts';
import { readGeneralNames } from './nameGeneral.ts';

/** The scope of a list (RFC 5280 §5.2.5). */
export interface IssuingDistributionPoint extends Pick<DistributionPoint, 'names' | 'relativeName'> {
  readonly onlyUserCertificates: boolean;
  readonly onlyCaCertificates: boolean;
  readonly onlyAttributeCertificates: boolean;
  /** Bits of ReasonFlags; `undefined` for all. */
  readonly onlySomeReasons: number | undefined;
  readonly isIndirect: boolean;
  /** The extension's DER, to compare a delta with its base. */
  readonly bytes: Uint8Array;
}

/** A parsed revocation list. Byte fields are views of {@link Crl.bytes}. */
export interface Crl {
  readonly bytes: Uint8Array;
  readonly toBeSigned: Uint8Array;
  readonly version: 1 | 2;
  readonly issuer: Name;
  readonly thisUpdateMs: number;
  /** `undefined` where the list does not say, which RFC 5280 does not allow. */
  readonly nextUpdateMs: number | undefined;
  readonly signatureAlgorithm: CertificateSignatureAlgorithm | undefined;
  readonly signatureAlgorithmOid: string;
  readonly signature: Uint8Array;
  /** Contents of the CRL number INTEGER. */
  readonly crlNumber: Uint8Array | undefined;
  /** Contents of BaseCRLNumber: this is a delta. */
  readonly baseCrlNumber: Uint8Array | undefined;
  readonly issuingDistributionPoint: IssuingDistributionPoint | undefined;
  readonly authorityKeyIdentifier: AuthorityKeyIdentifier | undefined;
  /** Where deltas of this list are. */
  readonly freshestCrl: readonly DistributionPoint[] | undefined;
  readonly hasCriticalUnknown: boolean;
  /** Whether the CRL number is marked critical, which RFC 5280 §5.2.3 does not allow. */
  readonly isCrlNumberCritical: boolean;
  /** Where the entries begin and end in {@link Crl.bytes}. */
  readonly entries: { readonly start: number; readonly end: number };
}

/** What a list says of a serial number. */
export type CrlEntry =
  | { readonly listed: false }
  /** `reason` is the CRLReason number, 0 where the entry has none. */
  | { readonly listed: true; readonly reason: number; readonly revokedAtMs: number };

/** CRLReason 8: an entry of a delta that takes a certificate off the list. */
export const REMOVE_FROM_CRL = 8;

/** Largest list that is read, in bytes. */
export const MAX_CRL_LENGTH = 67_108_864;

/**
 * Parses the head of a list from DER; the entries are left to `findEntry`. The bytes are not copied: they must not
 * change afterwards.
 *
 * @throws `cc/malformed`
 */
export function parseCrl(bytes: Uint8Array): Crl {
  if (bytes.length > MAX_CRL_LENGTH)
    throw new SimsError('cc/malformed', `a list of ${bytes.length} bytes, limit ${MAX_CRL_LENGTH}`);
  const outer = enterWhole(bytes, TAG.sequence);
  const body = outer.enter(TAG.sequence);
  const toBeSigned = bytes.subarray(outer.start, outer.stop);
  const algorithm = readSignatureAlgorithm(outer);
  const signature = outer.bitString();
  outer.finish();

  const isVersion2 = body.peek() === TAG.integer;
  if (isVersion2 && body.natural() !== 1) throw malformed('version of a list', body.start);
  if (!same(body.raw(TAG.sequence), algorithm.bytes))
    throw malformed('the two signature algorithms differ', body.start);
  const issuer = readName(body);
  const thisUpdateMs = body.time();
  const nextTag = body.peek();
  const nextUpdateMs = nextTag === TAG.utcTime || nextTag === TAG.generalizedTime ? body.time() : undefined;
  const revoked = body.enterOptional(TAG.sequence);
  const entries = revoked === undefined ? { start: body.at, end: body.at } : { start: revoked.at, end: revoked.end };
  const field = body.enterOptional(contextConstructed(0));
  body.finish();
  if (field !== undefined && !isVersion2) throw malformed('extensions in version 1', field.at);
  const extensions = field === undefined ? {} : readCrlExtensions(field.enter(TAG.sequence));
  field?.finish();
  return {
    bytes,
    toBeSigned,
    version: isVersion2 ? 2 : 1,
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    signatureAlgorithm: algorithm.algorithm,
    signatureAlgorithmOid: algorithm.oid,
    signature,
    crlNumber: undefined,
    baseCrlNumber: undefined,
    issuingDistributionPoint: undefined,
    authorityKeyIdentifier: undefined,
    freshestCrl: undefined,
    hasCriticalUnknown: false,
    isCrlNumberCritical: false,
    ...extensions,
    entries,
  };
}

/**
 * What the list says of a serial number of `certificateIssuer`. Walks over every entry, also behind a hit: an entry that
 * is malformed, or holds a critical extension that is not understood, makes the whole list unusable (RFC 5280 §5.3).
 *
 * @param count - told how many entries were walked over, in steps, before they are
 * @throws `cc/malformed`
 */
export function findEntry(
  crl: Crl,
  serial: Uint8Array,
  certificateIssuer: Name,
  count: (entries: number) => void,
): CrlEntry {
  const { bytes } = crl;
  const reader = new DerReader(bytes, crl.entries.start, crl.entries.end);
  const isIndirect = crl.issuingDistributionPoint?.isIndirect === true;
  // In an indirect list an entry without an issuer has that of the entry before it (RFC 5280 §5.3.3).
  let isOfIssuer = crl.issuer.key === certificateIssuer.key;
  let found: CrlEntry = { listed: false };
  let sinceCount = 0;
  while (!reader.done) {
    if (sinceCount === 0) count(COUNT_STEP);
    sinceCount = (sinceCount + 1) % COUNT_STEP;
    reader.expect(TAG.sequence);
    const { stop } = reader;
    const entry = reader;
    entry.at = reader.content;
    if (entry.peek() !== TAG.integer) throw malformed('serial number expected', entry.at);
    entry.next();
    const start = entry.content;
    const end = entry.stop;
    if (end === start || end > stop) throw malformed('serial number of an entry', start);
    if (end - start > 1 && isPadded(bytes[start]!, bytes[start + 1]!)) throw malformed('INTEGER not minimal', start);
    entry.next();
    const { tag, content: timeStart, stop: timeEnd } = entry;
    if (timeEnd > stop || (tag !== TAG.utcTime && tag !== TAG.generalizedTime))
      throw malformed('time of an entry', timeStart);
    const revokedAtMs = timeAt(bytes, timeStart, timeEnd, tag);
    let reason = 0;
    if (entry.at < stop) {
      if (crl.version === 1) throw malformed('entry extensions in version 1', entry.at);
      const extensions = readEntryExtensions(new DerReader(bytes, entry.at, stop));
      reason = extensions.reason;
      if (extensions.issuers !== undefined) {
        if (!isIndirect) throw malformed('certificateIssuer in a list that is not indirect', entry.at);
        isOfIssuer = extensions.issuers.includes(certificateIssuer.key);
      }
    }
    reader.at = stop;
    if (isOfIssuer && end - start === serial.length && isAt(bytes, start, serial)) {
      found = { listed: true, reason, revokedAtMs };
    }
  }
  return found;
}

/** Numbers of CRLs, compared as the unsigned integers that they are; negative ones do not parse. */
export function compareNumbers(left: Uint8Array, right: Uint8Array): number {
  const a = left[0] === 0 ? left.subarray(1) : left;
  const b = right[0] === 0 ? right.subarray(1) : right;
  if (a.length !== b.length) return a.length - b.length;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return 0;
}

const COUNT_STEP = 1_000;

function isPadded(first: number, second: number): boolean {
  return (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
}

function isAt(bytes: Uint8Array, start: number, wanted: Uint8Array): boolean {
  for (let index = wanted.length - 1; index >= 0; index -= 1) if (bytes[start + index] !== wanted[index]) return false;
  return true;
}

type Extensions = Partial<{
  -readonly [
    K in
      | 'crlNumber'
      | 'baseCrlNumber'
      | 'issuingDistributionPoint'
      | 'authorityKeyIdentifier'
      | 'freshestCrl'
      | 'hasCriticalUnknown'
      | 'isCrlNumberCritical'
  ]: Crl[K];
}>;

function readCrlExtensions(sequence: DerReader): Extensions {
  const into: Extensions = {};
  const seen = new Set<string>();
  do {
    const { oid, isCritical, value } = readExtension(sequence);
    if (seen.has(oid)) throw malformed(`extension ${oid} comes twice`, sequence.start);
    seen.add(oid);
    if (oid === '2.5.29.20') {
      into.crlNumber = wholeNumber(value);
      into.isCrlNumberCritical = isCritical;
    } else if (oid === '2.5.29.27') into.baseCrlNumber = wholeNumber(value);
    else if (oid === '2.5.29.28') into.issuingDistributionPoint = readIssuingDistributionPoint(value);
    else if (oid === '2.5.29.35') into.authorityKeyIdentifier = readAuthorityKeyIdentifier(value);
    else if (oid === '2.5.29.46') into.freshestCrl = readDistributionPoints(value);
    else if (isCritical) into.hasCriticalUnknown = true;
  } while (!sequence.done);
  return into;
}

function wholeNumber(value: Uint8Array): Uint8Array {
  const reader = new DerReader(value);
  const number = reader.integer();
  reader.finish();
  if (number[0]! >= 0x80 || number.length > 21) throw malformed('CRL number out of range', 0);
  return number;
}

function readIssuingDistributionPoint(value: Uint8Array): IssuingDistributionPoint {
  const reader = enterWhole(value, TAG.sequence);
  const field = reader.enterOptional(contextConstructed(0));
  const name = field === undefined ? { names: undefined, relativeName: undefined } : readDistributionPointName(field);
  const onlyUserCertificates = reader.boolean(false, context(1));
  const onlyCaCertificates = reader.boolean(false, context(2));
  const onlySomeReasons = reader.peek() === context(3) ? reader.namedBits(context(3)) : undefined;
  const isIndirect = reader.boolean(false, context(4));
  const onlyAttributeCertificates = reader.boolean(false, context(5));
  reader.finish();
  return {
    ...name,
    onlyUserCertificates,
    onlyCaCertificates,
    onlyAttributeCertificates,
    onlySomeReasons,
    isIndirect,
    bytes: value,
  };
}

function readEntryExtensions(rest: DerReader): {
  readonly reason: number;
  readonly issuers: readonly string[] | undefined;
} {
  const sequence = rest.enter(TAG.sequence);
  rest.finish();
  let reason = 0;
  let issuers: readonly string[] | undefined;
  do {
    const { oid, isCritical, value } = readExtension(sequence);
    if (oid === '2.5.29.21') {
      const reader = new DerReader(value);
      reason = reader.natural(TAG.enumerated);
      reader.finish();
    } else if (oid === '2.5.29.29') {
      issuers = readGeneralNames(enterWhole(value, TAG.sequence)).flatMap((name) =>
        name.form === 'directoryName' ? [name.name.key] : [],
      );
    } else if (isCritical && oid !== '2.5.29.24' && oid !== '2.5.29.23') {
      throw malformed(`critical entry extension ${oid}`, sequence.start);
    }
  } while (!sequence.done);
  return { reason, issuers };
}
