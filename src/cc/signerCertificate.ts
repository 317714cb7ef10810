/**
 * The few facts of a certificate that a signer needs to find its key: no judgement on whether it is valid.
 *
 * @packageDocumentation
 */
import { equal, fromUtf8 } from '../bytes.ts';
import { context, contextConstructed, DerReader, enterWhole, TAG } from './certificateDer.ts';
import type { SigningAlgorithm } from './signer.ts';

/** Kinds of keys that signers know. */
export type SignerKeyKind = 'RSA' | 'P-256' | 'P-384' | 'P-521' | 'Ed25519';

/** What a signer reads from a certificate. */
export interface SignerCertificate {
  readonly der: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** `undefined` for a key of another kind. */
  readonly keyKind: SignerKeyKind | undefined;
  /** RSA modulus, unsigned, without leading zeros. */
  readonly rsaModulus: Uint8Array | undefined;
  /** DER Names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Last commonName of the subject, as text. */
  readonly commonName: string | undefined;
  readonly isCa: boolean;
  /** Bits of keyUsage by number (0 digitalSignature, 1 nonRepudiation); `undefined` without that extension. */
  readonly keyUsage: ReadonlySet<number> | undefined;
}

/**
 * Facts of a DER certificate; `undefined` if the bytes are not one. Bytes after it are dropped: some tokens pad their
 * objects.
 */
export function readSignerCertificate(padded: Uint8Array): SignerCertificate | undefined {
  try {
    const der = new DerReader(padded).raw(TAG.sequence).slice();
    const fields = enterWhole(der, TAG.sequence).enter(TAG.sequence);
    fields.takeOptional(contextConstructed(0));
    fields.integer();
    fields.raw(TAG.sequence);
    const issuer = fields.raw(TAG.sequence);
    fields.raw(TAG.sequence);
    const subject = fields.raw(TAG.sequence);
    const spki = fields.raw(TAG.sequence);
    fields.takeOptional(context(1));
    fields.takeOptional(context(2));
    const extensions = readExtensions(fields.enterOptional(contextConstructed(3)));
    return { der, spki, ...readKey(spki), issuer, subject, commonName: readCommonName(subject), ...extensions };
  } catch {
    return undefined;
  }
}

/** Algorithms that a key of this kind can make, preferred first. */
export function algorithmsOf(keyKind: SignerKeyKind): readonly SigningAlgorithm[] {
  return ALGORITHMS[keyKind];
}

/**
 * The leaf and the issuers found for it among others, leaf first, at most 8; a self-signed certificate ends it and is
 * left out, since an anchor convinces nobody.
 */
export function chainFrom(leaf: SignerCertificate, others: readonly SignerCertificate[]): SignerCertificate[] {
  const chain = [leaf];
  while (chain.length < 8) {
    const last = chain.at(-1)!;
    const issuer = others.find(
      (other) => equal(other.subject, last.issuer) && !equal(other.subject, other.issuer) && !chain.includes(other),
    );
    if (issuer === undefined) break;
    chain.push(issuer);
  }
  return chain;
}

/** Whether the certificate is for logging in: digitalSignature without nonRepudiation, and not a CA. */
export function isForAuthentication(certificate: SignerCertificate): boolean {
  const { keyUsage } = certificate;
  return !certificate.isCa && keyUsage?.has(0) === true && !keyUsage.has(1);
}

const ALGORITHMS: Readonly<Record<SignerKeyKind, readonly SigningAlgorithm[]>> = {
  RSA: ['PS256', 'RS256'],
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  Ed25519: ['EdDSA'],
};

const KEY_KINDS: Readonly<Record<string, SignerKeyKind>> = {
  '1.3.101.112': 'Ed25519',
  '1.2.840.113549.1.1.1': 'RSA',
  '1.2.840.10045.3.1.7': 'P-256',
  '1.3.132.0.34': 'P-384',
  '1.3.132.0.35': 'P-521',
};
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';

function readKey(spki: Uint8Array): Pick<SignerCertificate, 'keyKind' | 'rsaModulus'> {
  const fields = enterWhole(spki, TAG.sequence);
  const algorithm = fields.enter(TAG.sequence);
  const name = algorithm.objectIdentifier();
  const isNamedCurve = name === EC_PUBLIC_KEY && algorithm.peek() === TAG.objectIdentifier;
  const keyKind = KEY_KINDS[isNamedCurve ? algorithm.objectIdentifier() : name];
  if (keyKind !== 'RSA') return { keyKind, rsaModulus: undefined };
  const modulus = enterWhole(fields.bitString(), TAG.sequence).integer();
  return { keyKind, rsaModulus: withoutLeadingZeros(modulus) };
}

/** The magnitude without zeros in front. */
export function withoutLeadingZeros(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start += 1;
  return magnitude.subarray(start);
}

function readExtensions(wrapper: DerReader | undefined): Pick<SignerCertificate, 'isCa' | 'keyUsage'> {
  let isCa = false;
  let keyUsage: Set<number> | undefined;
  const list = wrapper?.enter(TAG.sequence);
  while (list !== undefined && !list.done) {
    const entry = list.enter(TAG.sequence);
    const oid = entry.objectIdentifier();
    entry.boolean(false);
    const value = entry.take(TAG.octetString);
    if (oid === '2.5.29.19') isCa = enterWhole(value, TAG.sequence).boolean(false);
    if (oid === '2.5.29.15') {
      const bits = new DerReader(value).namedBits();
      keyUsage = new Set(Array.from({ length: 16 }, (_, bit) => bit).filter((bit) => (bits & (1 << bit)) !== 0));
    }
  }
  return { isCa, keyUsage };
}

const READABLE_STRINGS: readonly number[] = [TAG.utf8String, TAG.printableString, TAG.ia5String];

function readCommonName(subject: Uint8Array): string | undefined {
  let commonName: string | undefined;
  const names = enterWhole(subject, TAG.sequence);
  while (!names.done) {
    const attributes = names.enter(TAG.set);
    while (!attributes.done) {
      const attribute = attributes.enter(TAG.sequence);
      if (attribute.objectIdentifier() !== '2.5.4.3' || !READABLE_STRINGS.includes(attribute.peek())) continue;
      commonName = fromUtf8(attribute.take(attribute.peek()));
    }
  }
  return commonName;
}
