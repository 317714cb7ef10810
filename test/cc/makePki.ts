/** Certificates, lists and responses for tests, each part of which can be made wrong. */
import { createHash, generateKeyPairSync, sign as nodeSign, type KeyObject } from 'node:crypto';
import {
  bitString,
  booleanTrue,
  element,
  enumerated,
  generalizedTime,
  integer,
  namedBits,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  tagged,
  taggedPrimitive,
  time,
  utf8String,
} from '../../src/cc/createDer.ts';

export const AT: number = Date.parse('2026-06-01T00:00:00Z');
export const DAY: number = 86_400_000;

export interface Key {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly algorithm: Uint8Array;
  readonly hash: string | null;
}

export type KeyKind = 'P-256' | 'P-384' | 'P-521' | 'Ed25519' | 'RSA' | 'RSA-PSS' | 'RSA-1024';

export function makeKey(kind: KeyKind = 'P-256'): Key {
  const pair =
    kind === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : kind.startsWith('RSA')
        ? generateKeyPairSync('rsa', { modulusLength: kind === 'RSA-1024' ? 1024 : 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind });
  const spki = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }));
  return { privateKey: pair.privateKey, spki, ...ALGORITHMS[kind] };
}

const sha256 = (): Uint8Array => sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'), nullValue());
export const PSS_SHA256: Uint8Array = sequence(
  objectIdentifier('1.2.840.113549.1.1.10'),
  sequence(
    tagged(0, sha256()),
    tagged(1, sequence(objectIdentifier('1.2.840.113549.1.1.8'), sha256())),
    tagged(2, integer(32)),
  ),
);
const ALGORITHMS: Record<KeyKind, { algorithm: Uint8Array; hash: string | null }> = {
  'P-256': { algorithm: sequence(objectIdentifier('1.2.840.10045.4.3.2')), hash: 'sha256' },
  'P-384': { algorithm: sequence(objectIdentifier('1.2.840.10045.4.3.3')), hash: 'sha384' },
  'P-521': { algorithm: sequence(objectIdentifier('1.2.840.10045.4.3.4')), hash: 'sha512' },
  Ed25519: { algorithm: sequence(objectIdentifier('1.3.101.112')), hash: null },
  RSA: { algorithm: sequence(objectIdentifier('1.2.840.113549.1.1.11'), nullValue()), hash: 'sha256' },
  'RSA-1024': { algorithm: sequence(objectIdentifier('1.2.840.113549.1.1.11'), nullValue()), hash: 'sha256' },
  'RSA-PSS': { algorithm: PSS_SHA256, hash: 'sha256' },
};

/** Signs: SEQUENCE of what is signed, algorithm, signature. */
export function signed(body: Uint8Array, key: Key, ...rest: Uint8Array[]): Uint8Array {
  return sequence(body, key.algorithm, bitString(signature(body, key)), ...rest);
}

function signature(body: Uint8Array, key: Key): Uint8Array {
  const isPss = key.algorithm === PSS_SHA256;
  return new Uint8Array(
    nodeSign(key.hash, body, isPss ? { key: key.privateKey, padding: 6, saltLength: 32 } : key.privateKey),
  );
}

export function name(...parts: string[]): Uint8Array {
  return sequence(...parts.map((part) => setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(part)))));
}

export function extension(oid: string, value: Uint8Array, isCritical = false): Uint8Array {
  return sequence(objectIdentifier(oid), ...(isCritical ? [booleanTrue()] : []), octetString(value));
}

export const dns = (text: string): Uint8Array => taggedPrimitive(2, new TextEncoder().encode(text));
export const uri = (text: string): Uint8Array => taggedPrimitive(6, new TextEncoder().encode(text));
export const directory = (encoded: Uint8Array): Uint8Array => tagged(4, encoded);

export function keyBits(spki: Uint8Array): Uint8Array {
  // SEQUENCE { SEQUENCE algorithm, BIT STRING }: lengths here are short or one octet long.
  const skip = (at: number): number => at + 2 + (spki[at + 1]! >= 0x80 ? spki[at + 1]! & 0x7f : 0);
  const inner = skip(0);
  const algorithmEnd = skip(inner) + spki[inner + 1]!;
  return spki.subarray(skip(algorithmEnd) + 1);
}

export const sha1 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha1').update(bytes).digest());
export const keyId = (key: Key): Uint8Array => sha1(keyBits(key.spki));

export const basicConstraints = (pathLength?: number, isCritical = true): Uint8Array =>
  extension(
    '2.5.29.19',
    sequence(booleanTrue(), ...(pathLength === undefined ? [] : [integer(pathLength)])),
    isCritical,
  );
export const keyUsage = (...bits: number[]): Uint8Array => extension('2.5.29.15', namedBits(bits), true);
export const subjectKeyId = (key: Key): Uint8Array => extension('2.5.29.14', octetString(keyId(key)));
export const authorityKeyId = (key: Key): Uint8Array =>
  extension('2.5.29.35', sequence(taggedPrimitive(0, keyId(key))));
export const extendedKeyUsage = (...oids: string[]): Uint8Array =>
  extension('2.5.29.37', sequence(...oids.map(objectIdentifier)));
export const altNames = (...names: Uint8Array[]): Uint8Array => extension('2.5.29.17', sequence(...names));
export const policies = (...oids: string[]): Uint8Array =>
  extension('2.5.29.32', sequence(...oids.map((oid) => sequence(objectIdentifier(oid)))));
export const subtrees = (permitted: Uint8Array[], excluded: Uint8Array[]): Uint8Array =>
  extension(
    '2.5.29.30',
    sequence(
      ...(permitted.length > 0 ? [tagged(0, ...permitted.map((each) => sequence(each)))] : []),
      ...(excluded.length > 0 ? [tagged(1, ...excluded.map((each) => sequence(each)))] : []),
    ),
    true,
  );
export const distributionPoints = (...urls: string[]): Uint8Array =>
  extension('2.5.29.31', sequence(...urls.map((url) => sequence(tagged(0, tagged(0, uri(url)))))));
export const ocspAt = (url: string): Uint8Array =>
  extension('1.3.6.1.5.5.7.1.1', sequence(sequence(objectIdentifier('1.3.6.1.5.5.7.48.1'), uri(url))));

export interface CertificateParts {
  readonly subject: Uint8Array;
  readonly key: Key;
  readonly issuer: Uint8Array;
  readonly issuerKey: Key;
  readonly extensions?: readonly Uint8Array[];
  readonly serial?: number | Uint8Array;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Another algorithm inside what is signed. */
  readonly innerAlgorithm?: Uint8Array;
  readonly spki?: Uint8Array;
}

let lastSerial = 1000;

export function certificate(parts: CertificateParts): Uint8Array {
  const { extensions = [] } = parts;
  const body = sequence(
    tagged(0, integer(2)),
    integer(parts.serial ?? (lastSerial += 1)),
    parts.innerAlgorithm ?? parts.issuerKey.algorithm,
    parts.issuer,
    sequence(time(parts.notBefore ?? AT - 100 * DAY), time(parts.notAfter ?? AT + 100 * DAY)),
    parts.subject,
    parts.spki ?? parts.key.spki,
    ...(extensions.length > 0 ? [tagged(3, sequence(...extensions))] : []),
  );
  return signed(body, parts.issuerKey);
}

export interface Authority {
  readonly name: Uint8Array;
  readonly key: Key;
  readonly der: Uint8Array;
}

export function root(commonName: string, key: Key = makeKey(), more: readonly Uint8Array[] = []): Authority {
  const own = name(commonName);
  const extensions = [basicConstraints(), keyUsage(5, 6), subjectKeyId(key), ...more];
  return { name: own, key, der: certificate({ subject: own, key, issuer: own, issuerKey: key, extensions }) };
}

export function authority(
  commonName: string,
  issuer: Authority,
  key: Key = makeKey(),
  more: readonly Uint8Array[] = [],
  parts: Partial<CertificateParts> = {},
): Authority {
  const own = name(commonName);
  const extensions = [basicConstraints(), keyUsage(5, 6), subjectKeyId(key), authorityKeyId(issuer.key), ...more];
  const der = certificate({ subject: own, key, issuer: issuer.name, issuerKey: issuer.key, extensions, ...parts });
  return { name: own, key, der };
}

export function leaf(
  commonName: string,
  issuer: Authority,
  more: readonly Uint8Array[] = [],
  parts: Partial<CertificateParts> = {},
): Authority & { readonly serial: number } {
  const key = parts.key ?? makeKey();
  const own = name(commonName);
  const serial = (lastSerial += 1);
  const extensions = [keyUsage(0), authorityKeyId(issuer.key), ...more];
  const der = certificate({
    subject: own,
    key,
    issuer: issuer.name,
    issuerKey: issuer.key,
    extensions,
    serial,
    ...parts,
  });
  return { name: own, key, der, serial };
}

export interface CrlParts {
  readonly revoked?: readonly {
    readonly serial: number;
    readonly reason?: number;
    readonly extensions?: readonly Uint8Array[];
  }[];
  readonly thisUpdate?: number;
  readonly nextUpdate?: number | undefined;
  readonly number?: number;
  readonly extensions?: readonly Uint8Array[];
}

export function crl(issuer: Authority, parts: CrlParts = {}): Uint8Array {
  const entries = (parts.revoked ?? []).map(({ serial, reason, extensions = [] }) => {
    const all = [...(reason === undefined ? [] : [extension('2.5.29.21', enumerated(reason))]), ...extensions];
    return sequence(integer(serial), time(AT - 2 * DAY), ...(all.length > 0 ? [sequence(...all)] : []));
  });
  const nextUpdate = 'nextUpdate' in parts ? parts.nextUpdate : AT + 7 * DAY;
  const body = sequence(
    integer(1),
    issuer.key.algorithm,
    issuer.name,
    time(parts.thisUpdate ?? AT - DAY),
    ...(nextUpdate === undefined ? [] : [time(nextUpdate)]),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    tagged(
      0,
      sequence(
        extension('2.5.29.20', integer(parts.number ?? 7)),
        authorityKeyId(issuer.key),
        ...(parts.extensions ?? []),
      ),
    ),
  );
  return signed(body, issuer.key);
}

export interface OcspParts {
  readonly issuer: Authority;
  readonly serial: number;
  readonly status?: 'good' | 'revoked' | 'unknown';
  /** Who signs; default the issuer. */
  readonly signer?: Authority;
  readonly certificates?: readonly Uint8Array[];
  readonly thisUpdate?: number;
  readonly nextUpdate?: number | undefined;
  readonly producedAt?: number;
  readonly nonce?: Uint8Array;
  readonly byKey?: boolean;
  readonly nameHash?: Uint8Array;
  readonly keyHash?: Uint8Array;
  readonly responseStatus?: number;
}

export function ocspResponse(parts: OcspParts): Uint8Array {
  const signer = parts.signer ?? parts.issuer;
  const status = parts.status ?? 'good';
  const nextUpdate = 'nextUpdate' in parts ? parts.nextUpdate : AT + DAY;
  const single = sequence(
    sequence(
      sequence(objectIdentifier('1.3.14.3.2.26'), nullValue()),
      octetString(parts.nameHash ?? sha1(parts.issuer.name)),
      octetString(parts.keyHash ?? keyId(parts.issuer.key)),
      integer(parts.serial),
    ),
    status === 'revoked'
      ? tagged(1, generalizedTime(AT - 2 * DAY))
      : taggedPrimitive(status === 'good' ? 0 : 2, new Uint8Array()),
    generalizedTime(parts.thisUpdate ?? AT - DAY / 2),
    ...(nextUpdate === undefined ? [] : [tagged(0, generalizedTime(nextUpdate))]),
  );
  const data = sequence(
    parts.byKey === true ? tagged(2, octetString(keyId(signer.key))) : tagged(1, signer.name),
    generalizedTime(parts.producedAt ?? AT - DAY / 2),
    sequence(single),
    ...(parts.nonce === undefined ? [] : [tagged(1, sequence(extension('1.3.6.1.5.5.7.48.1.2', parts.nonce)))]),
  );
  const certificates = parts.certificates ?? [];
  const basic = signed(data, signer.key, ...(certificates.length > 0 ? [tagged(0, sequence(...certificates))] : []));
  return sequence(
    enumerated(parts.responseStatus ?? 0),
    tagged(0, sequence(objectIdentifier('1.3.6.1.5.5.7.48.1.1'), octetString(basic))),
  );
}

export function pem(der: Uint8Array, label = 'CERTIFICATE'): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
    .trimEnd();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}

export { element };
