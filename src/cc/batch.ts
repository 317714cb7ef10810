/**
 * What the command line's `sims cert verify` prints: a verdict for one certificate, and for every case of a file of test
 * cases in the form of NIST's PKITS list or of x509-limbo. Inputs are parsed values and bytes; nothing here reads files.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { parseCertificate, type Certificate } from './certificate.ts';
import { KEY_USAGE, type KeyUsageName } from './certificateExtensions.ts';
import { decodePemOrDer } from './certificatePem.ts';
import type { ExpectedName } from './nameCheck.ts';
import { verifyCertificate, type Verification, type VerifyOptions } from './path.ts';
import { ANY_CERTIFICATE, EXTENDED_KEY_USAGE, type Profile } from './profile.ts';
import { createTrustStore } from './trust.ts';

/** One line of output. */
export interface BatchVerdict {
  /** Number or id of the case. */
  readonly case: string;
  readonly valid: boolean;
  /** Reasons of a refusal; empty where valid. `unreadable-case` where the case itself has not its form. */
  readonly reasons: readonly string[];
  /** Milliseconds, to a tenth. */
  readonly ms: number;
}

/** Where the cases of PKITS get their files from: DER by name without extension, `undefined` where there is none. */
export interface BatchFiles {
  /** The DER of the certificate of that name; `undefined` when there is none. */
  readonly certificate: (name: string) => Uint8Array | undefined;
  /** The DER of the revocation list of that name, alike. */
  readonly crl: (name: string) => Uint8Array | undefined;
  /** Time that counts for cases that give none, in milliseconds since 1970; default now. */
  readonly atMs?: number;
}

/**
 * Verifies every case, in order, also those that do not parse.
 *
 * @param cases - what `JSON.parse` gave: an array of PKITS cases, or an object with limbo's `testcases`
 * @throws `cc/invalid-argument` if it is neither
 */
export async function* verifyBatch(cases: unknown, files: BatchFiles): AsyncGenerator<BatchVerdict, void, undefined> {
  const list = Array.isArray(cases) ? cases : isRecord(cases) ? cases['testcases'] : undefined;
  if (!Array.isArray(list)) {
    throw new SimsError('cc/invalid-argument', 'neither an array of cases nor an object with testcases');
  }
  for (const [at, each] of (list as readonly unknown[]).entries()) {
    const record = isRecord(each) ? each : {};
    const isLimbo = typeof record['id'] === 'string';
    const name = isLimbo ? record['id'] : record['number'];
    const startedMs = performance.now();
    const outcome = await verdictOf(() => (isLimbo ? verifyLimboCase(record, files) : verifyPkitsCase(record, files)));
    const ms = Math.round((performance.now() - startedMs) * 10) / 10;
    yield { case: typeof name === 'string' || typeof name === 'number' ? String(name) : `#${at + 1}`, ...outcome, ms };
  }
}

/** A verdict as JSON: what `sims cert verify` prints for one certificate. */
export interface VerdictReport {
  readonly valid: boolean;
  readonly reasons: readonly string[];
  readonly profile: string;
  /** The time that counts, ISO 8601. */
  readonly at: string;
  readonly revocation?: string;
  readonly policies?: readonly string[];
  readonly attempts: Verification['attempts'];
  readonly notes: readonly string[];
  readonly work: Verification['work'];
  readonly ms: number;
}

/** Inputs of {@link verifyOne} and of its command: those of `verifyCertificate`, the target as a PEM or DER file. */
export interface VerifyOneInput extends Omit<VerifyOptions, 'certificate' | 'intermediates' | 'crls'> {
  /** PEM or DER. The first certificate is the target, further ones are intermediates. */
  readonly file: Uint8Array | string;
  /** PEM or DER files of lists. */
  readonly crlFiles?: readonly (Uint8Array | string)[];
}

/**
 * Verifies one certificate out of a file and reports it.
 *
 * @throws `cc/invalid-argument` as `verifyCertificate` does
 */
export async function verifyOne(input: VerifyOneInput): Promise<VerdictReport> {
  const { file, crlFiles = [], ...options } = input;
  const startedMs = performance.now();
  const atMs = options.atMs ?? Date.now();
  const notes: string[] = [];
  const read = (each: Uint8Array | string, label: 'CERTIFICATE' | 'X509 CRL', what: string): readonly Uint8Array[] => {
    try {
      const found = decodePemOrDer(each, label);
      if (found.length === 0) notes.push(`${what}: no ${label} in it`);
      return found;
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      notes.push(`${what}: ${error.message}`);
      return [];
    }
  };
  const [target = new Uint8Array(), ...intermediates] = read(file, 'CERTIFICATE', 'certificate');
  const crls = crlFiles.flatMap((each, at) => read(each, 'X509 CRL', `list file ${at}`));
  const verification = await verifyCertificate({ ...options, atMs, certificate: target, intermediates, crls });
  return {
    valid: verification.valid,
    reasons: verification.valid ? [] : verification.reasons,
    profile: options.profile.name,
    at: new Date(atMs).toISOString(),
    ...(verification.valid
      ? { revocation: verification.verified.revocation, policies: verification.verified.policies }
      : {}),
    attempts: verification.attempts,
    notes: [...notes, ...verification.notes],
    work: verification.work,
    ms: Math.round((performance.now() - startedMs) * 10) / 10,
  };
}

type Outcome = Pick<BatchVerdict, 'valid' | 'reasons'>;
type JsonRecord = Readonly<Record<string, unknown>>;

const UNREADABLE: Outcome = { valid: false, reasons: ['unreadable-case'] };

async function verdictOf(verify: () => Promise<Verification | undefined>): Promise<Outcome> {
  try {
    const verification = await verify();
    if (verification === undefined) return UNREADABLE;
    return verification.valid ? { valid: true, reasons: [] } : { valid: false, reasons: verification.reasons };
  } catch (error) {
    // A case that is no case: its anchors do not parse, its fields are of other types.
    if (error instanceof SimsError)
      return { valid: false, reasons: [error.code === 'cc/invalid-argument' ? 'no-path' : 'malformed'] };
    throw error;
  }
}

/** PKITS: the rules of path validation alone, since its certificates break some of the profile on purpose. */
async function verifyPkitsCase(record: JsonRecord, files: BatchFiles): Promise<Verification | undefined> {
  const certificates = texts(record['certs']).map(files.certificate);
  const crls = texts(record['crls']).map(files.crl);
  const [anchor, ...others] = certificates;
  const target = others.pop();
  if (anchor === undefined || target === undefined) return undefined;
  const initialPolicySet = texts(record['initialPolicySet']).map(policyOid);
  return verifyCertificate({
    certificate: target,
    intermediates: others.filter((each) => each !== undefined),
    trust: createTrustStore({ purpose: 'person', anchors: [anchor] }),
    profile: ANY_CERTIFICATE,
    crls: crls.filter((each) => each !== undefined),
    revocation: 'require',
    isStrict: false,
    atMs: files.atMs ?? Date.now(),
    policies: {
      ...(initialPolicySet.length === 0 ? {} : { initialPolicySet }),
      initialExplicitPolicy: record['initialExplicitPolicy'] === true,
      initialPolicyMappingInhibit: record['initialPolicyMappingInhibit'] === true,
      initialAnyPolicyInhibit: record['initialInhibitAnyPolicy'] === true,
    },
  });
}

async function verifyLimboCase(record: JsonRecord, files: BatchFiles): Promise<Verification | undefined> {
  const peer = record['peer_certificate'];
  if (typeof peer !== 'string') return undefined;
  const [target = new Uint8Array()] = decodePemOrDer(peer, 'CERTIFICATE');
  const time = record['validation_time'];
  const atMs = typeof time === 'string' ? Date.parse(time) : (files.atMs ?? Date.now());
  if (!Number.isFinite(atMs)) return undefined;
  const depth = record['max_chain_depth'];
  const names = [record['expected_peer_name'], ...array(record['expected_peer_names'])].flatMap(expectedName);
  const crls = texts(record['crls']).flatMap((each) => decodePemOrDer(each, 'X509 CRL'));
  const signatures = texts(record['signature_algorithms']).flatMap((each) => LIMBO_SIGNATURES[each] ?? [each]);
  return verifyCertificate({
    certificate: target,
    intermediates: texts(record['untrusted_intermediates']).flatMap(readable),
    trust: createTrustStore({ purpose: 'person', anchors: texts(record['trusted_certs']) }),
    profile: limboProfile(record),
    names,
    crls,
    revocation: crls.length > 0 ? 'require' : 'none',
    atMs,
    ...(typeof depth === 'number' ? { limits: { intermediates: depth } } : {}),
    ...(signatures.length > 0 ? { algorithms: { signatures } } : {}),
  });
}

function limboProfile(record: JsonRecord): Profile {
  const usages = texts(record['key_usage']).map((name) => (name === 'contentCommitment' ? 'nonRepudiation' : name));
  const extended = texts(record['extended_key_usage']);
  const fallback = record['validation_kind'] === 'CLIENT' ? 'clientAuth' : 'serverAuth';
  return {
    ...ANY_CERTIFICATE,
    name: 'limbo',
    requiredKeyUsage: usages.filter((name): name is KeyUsageName => Object.hasOwn(KEY_USAGE, name)),
    extendedKeyUsage: (extended.length > 0 ? extended : [fallback]).map((name) => LIMBO_USAGES[name] ?? name),
  };
}

const LIMBO_USAGES: Readonly<Record<string, string>> = {
  anyExtendedKeyUsage: EXTENDED_KEY_USAGE.any,
  serverAuth: EXTENDED_KEY_USAGE.serverAuthentication,
  clientAuth: EXTENDED_KEY_USAGE.clientAuthentication,
  codeSigning: '1.3.6.1.5.5.7.3.3',
  emailProtection: '1.3.6.1.5.5.7.3.4',
  timeStamping: '1.3.6.1.5.5.7.3.8',
  OCSPSigning: '1.3.6.1.5.5.7.3.9',
};

const LIMBO_SIGNATURES: Readonly<Record<string, readonly string[]>> = {
  RSA_WITH_SHA1: ['RSASSA-PKCS1-v1_5/SHA-1'],
  RSA_WITH_SHA256: ['RSASSA-PKCS1-v1_5/SHA-256'],
  RSA_WITH_SHA384: ['RSASSA-PKCS1-v1_5/SHA-384'],
  RSA_WITH_SHA512: ['RSASSA-PKCS1-v1_5/SHA-512'],
  RSASSA_PSS: ['RSA-PSS/SHA-256', 'RSA-PSS/SHA-384', 'RSA-PSS/SHA-512'],
  ECDSA_WITH_SHA1: ['ECDSA/SHA-1'],
  ECDSA_WITH_SHA256: ['ECDSA/SHA-256'],
  ECDSA_WITH_SHA384: ['ECDSA/SHA-384'],
  ECDSA_WITH_SHA512: ['ECDSA/SHA-512'],
  ED25519: ['Ed25519'],
};

function expectedName(value: unknown): readonly ExpectedName[] {
  if (!isRecord(value)) return [];
  const { kind, value: text } = value;
  const kinds: Readonly<Record<string, ExpectedName['kind']>> = { DNS: 'dns', IP: 'ip', RFC822: 'email' };
  const known = typeof kind === 'string' ? kinds[kind] : undefined;
  if (known === undefined || typeof text !== 'string') {
    throw new SimsError('cc/malformed', 'an expected name of an unknown kind');
  }
  return [{ kind: known, value: text }];
}

/** Certificates of a PEM text; none where it does not parse: an intermediate that is no certificate helps nobody. */
function readable(pem: string): readonly Certificate[] {
  try {
    return decodePemOrDer(pem, 'CERTIFICATE').map(parseCertificate);
  } catch (error) {
    if (error instanceof SimsError) return [];
    throw error;
  }
}

/** `anyPolicy`, `NIST-test-policy-N`, or an object identifier as it stands. */
function policyOid(name: string): string {
  if (name === 'anyPolicy') return '2.5.29.32.0';
  return name.replace(/^NIST-test-policy-(\d+)$/, '2.16.840.1.101.3.2.1.48.$1');
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function texts(value: unknown): readonly string[] {
  return array(value).filter((each): each is string => typeof each === 'string');
}
