/**
 * Extensions of certificates (RFC 5280 §4.2), each parsed by the schema or refused.
 *
 * @packageDocumentation
 */
import { DerReader, TAG, context, contextConstructed, enterWhole, malformed } from './certificateDer.ts';
import { extendedKey, readRelativeName, type Name } from './name.ts';
import { readGeneralName, readGeneralNames, type GeneralName } from './nameGeneral.ts';

/** Object identifiers of the extensions that are understood here. */
export const EXTENSION = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  cRLDistributionPoints: '2.5.29.31',
  certificatePolicies: '2.5.29.32',
  policyMappings: '2.5.29.33',
  authorityKeyIdentifier: '2.5.29.35',
  policyConstraints: '2.5.29.36',
  extKeyUsage: '2.5.29.37',
  freshestCRL: '2.5.29.46',
  inhibitAnyPolicy: '2.5.29.54',
  authorityInfoAccess: '1.3.6.1.5.5.7.1.1',
  subjectInfoAccess: '1.3.6.1.5.5.7.1.11',
  ocspNoCheck: '1.3.6.1.5.5.7.48.1.5',
} as const;

/** Bits of keyUsage (RFC 5280 §4.2.1.3), by name. */
export const KEY_USAGE = {
  digitalSignature: 1,
  nonRepudiation: 2,
  keyEncipherment: 4,
  dataEncipherment: 8,
  keyAgreement: 16,
  keyCertSign: 32,
  cRLSign: 64,
  encipherOnly: 128,
  decipherOnly: 256,
} as const;

/** A usage of a key, by name. */
export type KeyUsageName = keyof typeof KEY_USAGE;

/** Which key signed the certificate (RFC 5280 §4.2.1.1). */
export interface AuthorityKeyIdentifier {
  readonly keyIdentifier: Uint8Array | undefined;
  readonly issuer: readonly GeneralName[] | undefined;
  readonly serial: Uint8Array | undefined;
}

/** Names that certificates below a CA may and may not have (RFC 5280 §4.2.1.10). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** A distribution point of a certificate, or of freshestCRL. */
export interface DistributionPoint {
  /** Full names, or the one directory name that a relative name makes; `undefined` where the point has no name. */
  readonly names: readonly GeneralName[] | undefined;
  /** Relative name that still needs the name of the CRL issuer before it. */
  readonly relativeName: string | undefined;
  /** Bits of ReasonFlags; `undefined` for all. */
  readonly reasons: number | undefined;
  readonly crlIssuer: readonly GeneralName[] | undefined;
}

/** Every extension that is understood, parsed. */
export interface Extensions {
  readonly basicConstraints?: { readonly isCa: boolean; readonly pathLength: number | undefined };
  readonly keyUsage?: number;
  readonly extendedKeyUsage?: readonly string[];
  readonly subjectAltName?: readonly GeneralName[];
  readonly nameConstraints?: NameConstraints;
  readonly policies?: readonly string[];
  readonly policyMappings?: readonly { readonly issuerDomain: string; readonly subjectDomain: string }[];
  readonly policyConstraints?: {
    readonly requireExplicit: number | undefined;
    readonly inhibitMapping: number | undefined;
  };
  readonly inhibitAnyPolicy?: number;
  readonly authorityKeyIdentifier?: AuthorityKeyIdentifier;
  readonly subjectKeyIdentifier?: Uint8Array;
  readonly distributionPoints?: readonly DistributionPoint[];
  readonly freshestCrl?: readonly DistributionPoint[];
  readonly ocspUrls?: readonly string[];
  readonly isOcspNoCheck?: boolean;
}

/** What {@link readExtensions} gives. */
export interface ParsedExtensions {
  readonly parsed: Extensions;
  /** Object identifiers of all extensions present, in order. */
  readonly present: readonly string[];
  readonly critical: ReadonlySet<string>;
  /** Critical extensions that nothing here processes. */
  readonly unknownCritical: readonly string[];
}

type Writable = { -readonly [K in keyof Extensions]: Extensions[K] };
type Parser = (value: Uint8Array, into: Writable) => void;

const MOST_EXTENSIONS = 64;
const MOST_ITEMS = 1_024;

const PARSERS: Readonly<Record<string, Parser>> = {
  [EXTENSION.basicConstraints]: (value, into) => {
    const reader = enterWhole(value, TAG.sequence);
    const isCa = reader.boolean(false);
    const pathLength = reader.done ? undefined : reader.natural();
    reader.finish();
    into.basicConstraints = { isCa, pathLength };
  },
  [EXTENSION.keyUsage]: (value, into) => {
    const reader = new DerReader(value);
    into.keyUsage = reader.namedBits();
    reader.finish();
  },
  [EXTENSION.extKeyUsage]: (value, into) => {
    into.extendedKeyUsage = list(enterWhole(value, TAG.sequence), (reader) => reader.objectIdentifier());
  },
  [EXTENSION.subjectAltName]: (value, into) => {
    const names = readGeneralNames(enterWhole(value, TAG.sequence));
    for (const name of names) {
      if (name.form === 'iPAddress' && name.bytes.length !== 4 && name.bytes.length !== 16) {
        throw malformed(`an address of ${name.bytes.length} octets`, 0);
      }
    }
    into.subjectAltName = names;
  },
  [EXTENSION.nameConstraints]: (value, into) => {
    const reader = enterWhole(value, TAG.sequence);
    const permitted = subtrees(reader.enterOptional(contextConstructed(0)));
    const excluded = subtrees(reader.enterOptional(contextConstructed(1)));
    reader.finish();
    into.nameConstraints = { permitted, excluded };
  },
  [EXTENSION.certificatePolicies]: (value, into) => {
    const policies = list(enterWhole(value, TAG.sequence), (reader) => {
      const information = reader.enter(TAG.sequence);
      const policy = information.objectIdentifier();
      const qualifiers = information.enterOptional(TAG.sequence);
      information.finish();
      if (qualifiers !== undefined) {
        list(qualifiers, (each) => {
          const qualifier = each.enter(TAG.sequence);
          qualifier.objectIdentifier();
          qualifier.next();
          qualifier.finish();
        });
      }
      return policy;
    });
    if (new Set(policies).size !== policies.length) throw malformed('a policy named twice', 0);
    into.policies = policies;
  },
  [EXTENSION.policyMappings]: (value, into) => {
    into.policyMappings = list(enterWhole(value, TAG.sequence), (reader) => {
      const pair = reader.enter(TAG.sequence);
      const mapping = { issuerDomain: pair.objectIdentifier(), subjectDomain: pair.objectIdentifier() };
      pair.finish();
      return mapping;
    });
  },
  [EXTENSION.policyConstraints]: (value, into) => {
    const reader = enterWhole(value, TAG.sequence);
    const requireExplicit = reader.peek() === context(0) ? reader.natural(context(0)) : undefined;
    const inhibitMapping = reader.peek() === context(1) ? reader.natural(context(1)) : undefined;
    reader.finish();
    into.policyConstraints = { requireExplicit, inhibitMapping };
  },
  [EXTENSION.inhibitAnyPolicy]: (value, into) => {
    const reader = new DerReader(value);
    into.inhibitAnyPolicy = reader.natural();
    reader.finish();
  },
  [EXTENSION.authorityKeyIdentifier]: (value, into) => {
    into.authorityKeyIdentifier = readAuthorityKeyIdentifier(value);
  },
  [EXTENSION.subjectKeyIdentifier]: (value, into) => {
    const reader = new DerReader(value);
    into.subjectKeyIdentifier = reader.take(TAG.octetString);
    reader.finish();
  },
  [EXTENSION.cRLDistributionPoints]: (value, into) => {
    into.distributionPoints = readDistributionPoints(value);
  },
  [EXTENSION.freshestCRL]: (value, into) => {
    into.freshestCrl = readDistributionPoints(value);
  },
  [EXTENSION.authorityInfoAccess]: (value, into) => {
    const urls: string[] = [];
    list(enterWhole(value, TAG.sequence), (reader) => {
      const description = reader.enter(TAG.sequence);
      const method = description.objectIdentifier();
      const location = readGeneralName(description);
      description.finish();
      if (method === '1.3.6.1.5.5.7.48.1' && location.form === 'uniformResourceIdentifier') urls.push(location.text);
    });
    into.ocspUrls = urls;
  },
  [EXTENSION.ocspNoCheck]: (value, into) => {
    const reader = new DerReader(value);
    if (reader.take(TAG.null).length !== 0) throw malformed('NULL with contents', 0);
    reader.finish();
    into.isOcspNoCheck = true;
  },
};

/** Reads Extensions: the contents of the SEQUENCE. @throws `cc/malformed`, also for an extension that comes twice */
export function readExtensions(sequence: DerReader): ParsedExtensions {
  const parsed: Writable = {};
  const present: string[] = [];
  const critical = new Set<string>();
  const unknownCritical: string[] = [];
  do {
    const { oid, isCritical, value } = readExtension(sequence);
    if (present.includes(oid)) throw malformed(`extension ${oid} comes twice`, sequence.start);
    if (present.push(oid) > MOST_EXTENSIONS) throw malformed(`more than ${MOST_EXTENSIONS} extensions`, sequence.start);
    if (isCritical) critical.add(oid);
    const parser = Object.hasOwn(PARSERS, oid) ? PARSERS[oid] : undefined;
    if (parser !== undefined) parser(value, parsed);
    else if (isCritical) unknownCritical.push(oid);
  } while (!sequence.done);
  return { parsed, present, critical, unknownCritical };
}

/** Reads one Extension. */
export function readExtension(sequence: DerReader): { oid: string; isCritical: boolean; value: Uint8Array } {
  const extension = sequence.enter(TAG.sequence);
  const oid = extension.objectIdentifier();
  const isCritical = extension.boolean(false);
  const value = extension.take(TAG.octetString);
  extension.finish();
  return { oid, isCritical, value };
}

/** Reads AuthorityKeyIdentifier. @throws `cc/malformed` */
export function readAuthorityKeyIdentifier(value: Uint8Array): AuthorityKeyIdentifier {
  const reader = enterWhole(value, TAG.sequence);
  const keyIdentifier = reader.takeOptional(context(0));
  const names = reader.enterOptional(contextConstructed(1));
  const issuer = names === undefined ? undefined : readGeneralNames(names);
  const serial = reader.peek() === context(2) ? reader.integer(context(2)) : undefined;
  reader.finish();
  if ((issuer === undefined) !== (serial === undefined)) throw malformed('issuer and serial go together', 0);
  return { keyIdentifier, issuer, serial };
}

/** Reads the contents of a DistributionPointName field, after its explicit tag. */
export function readDistributionPointName(field: DerReader): Pick<DistributionPoint, 'names' | 'relativeName'> {
  if (field.peek() === contextConstructed(0)) {
    const names = readGeneralNames(field.enter(contextConstructed(0)));
    field.finish();
    return { names, relativeName: undefined };
  }
  const relativeName = readRelativeName(field.enter(contextConstructed(1)));
  field.finish();
  return { names: undefined, relativeName };
}

/** Keys of the names of a point, a relative name taken below `issuer`. */
export function distributionPointKeys(
  point: Pick<DistributionPoint, 'names' | 'relativeName'>,
  issuer: Name,
): readonly string[] | undefined {
  if (point.names !== undefined) return point.names.map((name) => name.key);
  if (point.relativeName === undefined) return undefined;
  return [`directoryName:${extendedKey(issuer, point.relativeName)}`];
}

/** Reads CRLDistributionPoints. @throws `cc/malformed` */
export function readDistributionPoints(value: Uint8Array): readonly DistributionPoint[] {
  return list(enterWhole(value, TAG.sequence), (reader) => {
    const point = reader.enter(TAG.sequence);
    const field = point.enterOptional(contextConstructed(0));
    const { names, relativeName } =
      field === undefined ? { names: undefined, relativeName: undefined } : readDistributionPointName(field);
    const reasons = point.peek() === context(1) ? point.namedBits(context(1)) : undefined;
    const issuers = point.enterOptional(contextConstructed(2));
    const crlIssuer = issuers === undefined ? undefined : readGeneralNames(issuers);
    point.finish();
    if (field === undefined && crlIssuer === undefined) throw malformed('a distribution point without any name', 0);
    return { names, relativeName, reasons, crlIssuer };
  });
}

function subtrees(reader: DerReader | undefined): readonly GeneralName[] {
  if (reader === undefined) return [];
  return list(
    reader,
    (each) => {
      const subtree = each.enter(TAG.sequence);
      const base = readGeneralName(subtree);
      // minimum is always 0 and maximum always absent (RFC 5280 §4.2.1.10); 0 may stand there although it is the default.
      if (subtree.peek() === context(0) && subtree.natural(context(0)) !== 0) throw malformed('minimum above 0', 0);
      subtree.finish();
      return base;
    },
    65_536,
  );
}

function list<T>(reader: DerReader, read: (reader: DerReader) => T, most: number = MOST_ITEMS): readonly T[] {
  const items: T[] = [];
  do {
    if (items.length >= most) throw malformed(`more than ${most} items`, reader.at);
    items.push(read(reader));
  } while (!reader.done);
  return items;
}
