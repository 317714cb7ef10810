/**
 * Revocation by lists: RFC 5280 §6.3.3, whole. Scope, reasons, indirect lists, deltas, and the path of who signed a list
 * to the same anchor.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { same, type Certificate } from './certificate.ts';
import { KEY_USAGE, distributionPointKeys, type DistributionPoint } from './certificateExtensions.ts';
import { REMOVE_FROM_CRL, compareNumbers, findEntry, parseCrl, type Crl, type CrlEntry } from './crl.ts';
import { buildPaths } from './pathBuild.ts';
import { checkCertificate, validatePath } from './pathValidate.ts';
import { fetchableUrls, isCurrent, type RevocationContext, type RevocationStatus } from './revocationContext.ts';

/** Bits 1 to 8 of ReasonFlags: bit 0 is unused. */
const ALL_REASONS = 0b1_1111_1110;
const MOST_URLS = 4;
const MOST_BYTES = 67_108_864;

/** Whether `path[index]` is revoked, by the lists at hand and then by those at its distribution points. */
export async function checkByCrl(
  context: RevocationContext,
  path: readonly Certificate[],
  index: number,
): Promise<RevocationStatus> {
  const local = await checkByLists(context, context.crls, path, index);
  if (local.status !== 'unknown' || context.fetch === undefined) return local;
  const fetched = await fetchLists(context, path[index]!, path[index - 1]!);
  if (fetched.size === 0) return local;
  return checkByLists(context, [...fetched.keys(), ...context.crls], path, index, (crl) => keep(context, fetched, crl));
}

async function checkByLists(
  context: RevocationContext,
  crls: readonly Crl[],
  path: readonly Certificate[],
  index: number,
  onUsed: (crl: Crl) => void = () => {},
): Promise<RevocationStatus> {
  const certificate = path[index]!;
  const newestFirst = [...crls].sort((left, right) => right.thisUpdateMs - left.thisUpdateMs);
  const problems = new Set<string>();
  let covered = 0;
  for (const point of [...(certificate.extensions.distributionPoints ?? []), implicitPoint(certificate)]) {
    const issuers = issuersOf(point, certificate);
    for (const crl of newestFirst) {
      if (crl.baseCrlNumber !== undefined || !issuers.includes(crl.issuer.key)) continue;
      const problem = findScopeProblem(crl, point, certificate) ?? findUseProblem(crl, context);
      if (problem !== undefined) {
        problems.add(problem);
        continue;
      }
      const reasons = (point.reasons ?? ALL_REASONS) & (crl.issuingDistributionPoint?.onlySomeReasons ?? ALL_REASONS);
      if ((reasons & ALL_REASONS & ~covered) === 0) continue;
      const signer = await findSigner(context, crl, path, index, point.crlIssuer !== undefined);
      if (typeof signer === 'string') {
        problems.add(signer);
        continue;
      }
      const entry = await readEntry(context, crl, newestFirst, signer, certificate);
      if (typeof entry === 'string') {
        problems.add(entry);
        continue;
      }
      onUsed(crl);
      if (entry.listed) return { status: 'revoked', detail: `CRL reason ${entry.reason}` };
      covered |= reasons & ALL_REASONS;
      if (covered === ALL_REASONS) return { status: 'good', by: 'crl' };
    }
  }
  if (covered !== 0) problems.add('the lists do not cover all reasons');
  return {
    status: 'unknown',
    detail: problems.size === 0 ? 'no list of this issuer' : [...problems].slice(0, 4).join('; '),
  };
}

/** §6.3.3, last part: lists of the issuer that no distribution point names. */
function implicitPoint(certificate: Certificate): DistributionPoint {
  const issuer = {
    form: 'directoryName',
    name: certificate.issuer,
    key: `directoryName:${certificate.issuer.key}`,
  } as const;
  return { names: [issuer], relativeName: undefined, reasons: undefined, crlIssuer: undefined };
}

function issuersOf(point: DistributionPoint, certificate: Certificate): readonly string[] {
  if (point.crlIssuer === undefined) return [certificate.issuer.key];
  return point.crlIssuer.flatMap((name) => (name.form === 'directoryName' ? [name.name.key] : []));
}

/** §6.3.3 (b): why the list is not about this certificate and point. */
function findScopeProblem(crl: Crl, point: DistributionPoint, certificate: Certificate): string | undefined {
  const scope = crl.issuingDistributionPoint;
  if (point.crlIssuer !== undefined && scope?.isIndirect !== true) return 'the list of another issuer is not indirect';
  if (scope === undefined) return undefined;
  const scopeKeys = distributionPointKeys(scope, crl.issuer);
  if (scopeKeys !== undefined) {
    const pointKeys = distributionPointKeys(point, crl.issuer) ?? point.crlIssuer?.map((name) => name.key) ?? [];
    if (!scopeKeys.some((key) => pointKeys.includes(key))) return 'the list is for another distribution point';
  }
  const isCa = certificate.extensions.basicConstraints?.isCa === true;
  if (scope.onlyUserCertificates && isCa) return 'the list is for user certificates only';
  if (scope.onlyCaCertificates && !isCa) return 'the list is for CA certificates only';
  if (scope.onlyAttributeCertificates) return 'the list is for attribute certificates only';
  return undefined;
}

/** Why the list cannot be used at this time, or at all. */
function findUseProblem(crl: Crl, context: RevocationContext): string | undefined {
  if (crl.hasCriticalUnknown) return 'the list has a critical extension that is not understood';
  if (crl.nextUpdateMs === undefined) return 'the list has no nextUpdate';
  if (!isCurrent(crl.thisUpdateMs, crl.nextUpdateMs, context)) return 'the list is not of this time';
  if (!context.rules.isStrict) return undefined;
  if (crl.version === 1 || crl.crlNumber === undefined) return 'the list has no CRL number';
  return crl.isCrlNumberCritical ? 'the CRL number is critical' : undefined;
}

/** (h) to (l): what the list, and a delta of it, say. */
async function readEntry(
  context: RevocationContext,
  crl: Crl,
  crls: readonly Crl[],
  signer: Certificate,
  certificate: Certificate,
): Promise<CrlEntry | string> {
  const read = (list: Crl): CrlEntry =>
    findEntry(list, certificate.serial, certificate.issuer, (entries) =>
      context.rules.budget.spend('crlEntries', entries),
    );
  try {
    const entry = read(crl);
    for (const delta of crls) {
      if (!isDeltaOf(delta, crl) || findUseProblem(delta, context) !== undefined) continue;
      if ((await context.rules.signatures.check(delta, signer)) !== undefined) continue;
      const change = read(delta);
      if (change.listed) return change.reason === REMOVE_FROM_CRL ? { listed: false } : change;
      break;
    }
    return entry;
  } catch (error) {
    if (error instanceof SimsError) return `the list is malformed: ${error.message}`;
    throw error;
  }
}

/** (c): whether a list is a delta that this complete list can be brought up to date with. */
function isDeltaOf(delta: Crl, crl: Crl): boolean {
  const { baseCrlNumber: base, crlNumber: number } = delta;
  if (base === undefined || number === undefined || crl.crlNumber === undefined) return false;
  return (
    delta.issuer.key === crl.issuer.key &&
    isSameOptional(delta.issuingDistributionPoint?.bytes, crl.issuingDistributionPoint?.bytes) &&
    isSameOptional(delta.authorityKeyIdentifier?.keyIdentifier, crl.authorityKeyIdentifier?.keyIdentifier) &&
    compareNumbers(base, crl.crlNumber) <= 0 &&
    compareNumbers(number, crl.crlNumber) > 0
  );
}

function isSameOptional(left: Uint8Array | undefined, right: Uint8Array | undefined): boolean {
  return left === undefined || right === undefined ? left === right : same(left, right);
}

/**
 * (f) and (g): a certificate whose key signed the list and that may sign it; else why there is none. Beyond the
 * standard's "same trust anchor", who signs a direct list has to stand at the same place of the hierarchy as the issuer
 * of the certificate, so that a CA of the same name elsewhere under the anchor cannot speak for it.
 */
async function findSigner(
  context: RevocationContext,
  crl: Crl,
  path: readonly Certificate[],
  index: number,
  isDelegated: boolean,
): Promise<Certificate | string> {
  const { rules, source } = context;
  const above = path.slice(0, index).reverse();
  const candidates = new Set([
    ...above.filter((certificate) => certificate.subject.key === crl.issuer.key),
    ...source.intermediates(crl.issuer.key),
  ]);
  let problem = 'nobody known signs for the issuer of the list';
  for (const candidate of candidates) {
    rules.budget.spend('certificates');
    const { keyUsage, subjectKeyIdentifier } = candidate.extensions;
    const wanted = crl.authorityKeyIdentifier?.keyIdentifier;
    if (wanted !== undefined && subjectKeyIdentifier !== undefined && !same(wanted, subjectKeyIdentifier)) continue;
    if (keyUsage !== undefined && (keyUsage & KEY_USAGE.cRLSign) === 0) {
      problem = 'the signer of the list has no cRLSign';
      continue;
    }
    const refusal = await rules.signatures.check(crl, candidate);
    if (refusal !== undefined) {
      problem = `the signature of the list: ${refusal.reason}`;
      continue;
    }
    if (above.includes(candidate) || (await isTrustedSigner(context, candidate, path.slice(0, index), isDelegated))) {
      return candidate;
    }
    problem = 'the signer of the list has no valid path to the same anchor';
  }
  return problem;
}

async function isTrustedSigner(
  context: RevocationContext,
  signer: Certificate,
  issuerPath: readonly Certificate[],
  isDelegated: boolean,
): Promise<boolean> {
  const { rules, source } = context;
  const anchor = issuerPath[0]!;
  if (same(signer.bytes, anchor.bytes)) return true;
  if (checkCertificate(signer, 'target', rules) !== undefined) return false;
  for await (const path of buildPaths(signer, source, rules, () => {})) {
    if (!same(path[0]!.bytes, anchor.bytes)) continue;
    if (!isDelegated && namesAlong(path) !== namesAlong(issuerPath)) continue;
    rules.budget.spend('paths');
    if ('reason' in validatePath(path, {}, rules)) continue;
    if ((await context.checkPath(path)) === undefined) return true;
  }
  return false;
}

/** The names on the way down, those of self-issued certificates once. */
function namesAlong(path: readonly Certificate[]): string {
  return path
    .map((certificate) => certificate.subject.key)
    .filter((key, at, keys) => key !== keys[at - 1])
    .join('\u0003');
}

/** Lists at the distribution points, each with the key that it is kept under. */
async function fetchLists(
  context: RevocationContext,
  certificate: Certificate,
  issuer: Certificate,
): Promise<Map<Crl, string>> {
  const found = new Map<Crl, string>();
  const { distributionPoints = [], freshestCrl = [] } = certificate.extensions;
  // By issuer and address: what one issuer's certificates brought here says nothing to those of another.
  const prefix = `crl:${issuer.spkiKey}:`;
  await fetchPoints(context, prefix, distributionPoints, found);
  const deltas = [...freshestCrl, ...[...found.keys()].flatMap((crl) => crl.freshestCrl ?? [])];
  await fetchPoints(context, prefix, deltas, found);
  return found;
}

async function fetchPoints(
  context: RevocationContext,
  prefix: string,
  points: readonly DistributionPoint[],
  into: Map<Crl, string>,
): Promise<void> {
  for (const point of points) {
    const uris = (point.names ?? []).flatMap((name) => (name.form === 'uniformResourceIdentifier' ? [name.text] : []));
    // One point's addresses lead to one list: the first that answers will do.
    for (const url of fetchableUrls(uris, MOST_URLS)) {
      const key = prefix + url;
      if ([...into.values()].includes(key)) break;
      const crl = await fetchList(context, key, url);
      if (crl === undefined) continue;
      into.set(crl, key);
      break;
    }
  }
}

async function fetchList(context: RevocationContext, key: string, url: string): Promise<Crl | undefined> {
  const { cache, fetch, rules } = context;
  const cached = cache?.get(key, rules.atMs);
  if (cached !== undefined && 'crl' in cached) return cached.crl;
  rules.budget.spend('fetches');
  try {
    return parseCrl(await fetch!({ url, maxBytes: MOST_BYTES }));
  } catch {
    // Not to be had, or no list: the status stays unknown.
    return undefined;
  }
}

function keep({ cache }: RevocationContext, fetched: ReadonlyMap<Crl, string>, crl: Crl): void {
  const key = fetched.get(crl);
  if (key !== undefined && crl.nextUpdateMs !== undefined) cache?.set(key, { crl }, crl.bytes.length, crl.nextUpdateMs);
}
