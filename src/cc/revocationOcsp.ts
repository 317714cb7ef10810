/**
 * Revocation by OCSP (RFC 6960): whether a response is about the certificate, of this time, and signed by who may.
 *
 * @packageDocumentation
 */
import { hex } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { parseCertificate, same, type Certificate } from './certificate.ts';
import { KEY_USAGE } from './certificateExtensions.ts';
import {
  MAX_OCSP_RESPONSE_LENGTH,
  parseOcspResponse,
  type OcspBasicResponse,
  type OcspResponse,
  type OcspSingleResponse,
} from './ocsp.ts';
import { encodeOcspRequest, issuerHashes, publicKeyHash } from './ocspRequest.ts';
import { checkCertificate } from './pathValidate.ts';
import { fetchableUrls, isCurrent, type RevocationContext, type RevocationStatus } from './revocationContext.ts';
import { checkByCrl } from './revocationCrl.ts';

/** Extended key usage of a delegated responder. */
export const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const MOST_URLS = 2;

/** Whether `path[index]` is revoked, by the responses at hand and then by asking the responders that it names. */
export async function checkByOcsp(
  context: RevocationContext,
  path: readonly Certificate[],
  index: number,
): Promise<RevocationStatus> {
  const problems = new Set<string>();
  let answer = await firstAnswer(context, context.ocspResponses, path, index, problems);
  if (answer !== undefined || context.fetch === undefined) return answer ?? unknown(problems);
  const { cache, rules } = context;
  const certificate = path[index]!;
  const key = `ocsp:${path[index - 1]!.spkiKey}:${hex(certificate.serial)}`;
  const cached = cache?.get(key, rules.atMs);
  if (cached !== undefined && 'ocsp' in cached) {
    answer = await firstAnswer(context, [cached.ocsp], path, index, problems);
    if (answer !== undefined) return answer;
  }
  for (const url of fetchableUrls(certificate.extensions.ocspUrls ?? [], MOST_URLS)) {
    const fetched = await ask(context, url, certificate, path[index - 1]!);
    if (typeof fetched === 'string') {
      problems.add(fetched);
      continue;
    }
    answer = await firstAnswer(context, [fetched.response], path, index, problems);
    if (answer === undefined) continue;
    const expiresAtMs = Math.min(...(fetched.response.basic?.responses ?? []).map((each) => each.nextUpdateMs ?? 0));
    cache?.set(key, { ocsp: fetched.response }, fetched.size, expiresAtMs);
    return answer;
  }
  return unknown(problems);
}

/** The first response that decides; revoked goes before good where several are at hand. */
async function firstAnswer(
  context: RevocationContext,
  responses: readonly OcspResponse[],
  path: readonly Certificate[],
  index: number,
  problems: Set<string>,
): Promise<RevocationStatus | undefined> {
  let good: RevocationStatus | undefined;
  for (const response of responses) {
    const answer = await evaluate(context, response, path, index);
    if (typeof answer === 'string') problems.add(answer);
    else if (answer.status === 'revoked') return answer;
    else good = answer;
  }
  return good;
}

/** What a response says, or why it says nothing. */
async function evaluate(
  context: RevocationContext,
  response: OcspResponse,
  path: readonly Certificate[],
  index: number,
): Promise<RevocationStatus | string> {
  const { basic } = response;
  if (response.status !== 0 || basic === undefined) return `the responder answered with status ${response.status}`;
  if (basic.hasCriticalUnknown) return 'the response has a critical extension that is not understood';
  const certificate = path[index]!;
  const issuer = path[index - 1]!;
  const singles: OcspSingleResponse[] = [];
  for (const single of basic.responses) if (await isAbout(single, certificate, issuer)) singles.push(single);
  if (singles.length === 0) return 'the response is about other certificates';
  const current = singles.filter((single) =>
    isCurrent(single.thisUpdateMs, single.nextUpdateMs ?? single.thisUpdateMs + context.maxOcspAgeMs, context),
  );
  if (current.length === 0) return 'the response is not of this time';
  if (basic.producedAtMs > context.rules.atMs + context.clockSkewMs) return 'the response is from the future';
  const problem = await findSignerProblem(context, basic, path, index);
  if (problem !== undefined) return problem;
  if (current.some((single) => single.status === 'revoked')) return { status: 'revoked', detail: 'OCSP' };
  if (current.some((single) => single.status === 'unknown')) return 'the responder does not know the certificate';
  return { status: 'good', by: 'ocsp' };
}

async function isAbout({ id }: OcspSingleResponse, certificate: Certificate, issuer: Certificate): Promise<boolean> {
  if (id.hash === undefined || !same(id.serial, certificate.serial)) return false;
  const { nameHash, keyHash } = await issuerHashes(certificate, issuer, id.hash);
  return same(id.issuerNameHash, nameHash) && same(id.issuerKeyHash, keyHash);
}

/** Why nobody who may answer for the issuer signed the response (§4.2.2.2); `undefined` if somebody did. */
async function findSignerProblem(
  context: RevocationContext,
  basic: OcspBasicResponse,
  path: readonly Certificate[],
  index: number,
): Promise<string | undefined> {
  const { signatures } = context.rules;
  const issuer = path[index - 1]!;
  for (const trusted of [issuer, ...context.trustedResponders]) {
    if (!(await isResponder(basic, trusted))) continue;
    if ((await signatures.check(basic, trusted)) === undefined) return undefined;
  }
  let problem = 'the responder is neither the issuer nor authorised by it';
  for (const bytes of basic.certificates) {
    const delegate = tryParse(bytes);
    if (delegate === undefined || !(await isResponder(basic, delegate))) continue;
    context.rules.budget.spend('certificates');
    const fault = await findDelegateProblem(context, delegate, path.slice(0, index));
    if (fault === undefined && (await signatures.check(basic, delegate)) === undefined) return undefined;
    problem = fault ?? 'the signature of the response does not verify';
  }
  return problem;
}

async function isResponder({ responder }: OcspBasicResponse, certificate: Certificate): Promise<boolean> {
  if (responder.by === 'name') return responder.name.key === certificate.subject.key;
  return same(responder.keyHash, await publicKeyHash(certificate, 'SHA-1'));
}

/** Why a delegate may not answer for the issuer at the end of `issuerPath`. */
async function findDelegateProblem(
  context: RevocationContext,
  delegate: Certificate,
  issuerPath: readonly Certificate[],
): Promise<string | undefined> {
  const { rules } = context;
  const issuer = issuerPath.at(-1)!;
  const { extendedKeyUsage, keyUsage, isOcspNoCheck, distributionPoints, ocspUrls } = delegate.extensions;
  if (delegate.issuer.key !== issuer.subject.key) return 'the responder has a certificate of another issuer';
  if (extendedKeyUsage?.includes(OCSP_SIGNING) !== true) return 'the responder has no OCSPSigning';
  if (keyUsage !== undefined && (keyUsage & (KEY_USAGE.digitalSignature | KEY_USAGE.nonRepudiation)) === 0) {
    return 'the responder has no digitalSignature';
  }
  // Responders' certificates are short-lived and plain: the rules of §6.1 are asked of them, not those of the profile.
  const refusal =
    checkCertificate(delegate, 'target', { ...rules, isStrict: false }) ??
    (await rules.signatures.check(delegate, issuer));
  if (refusal !== undefined) return `the certificate of the responder: ${refusal.reason}`;
  if (isOcspNoCheck === true) return undefined;
  // §4.2.2.2.1: an issuer says by the no-check extension, by addresses, or not at all, how to check its responder.
  const isCheckable = distributionPoints !== undefined || (ocspUrls !== undefined && ocspUrls.length > 0);
  const status = await checkByCrl(context, [...issuerPath, delegate], issuerPath.length);
  if (status.status === 'revoked') return 'the certificate of the responder was revoked';
  return isCheckable && status.status === 'unknown' ? 'the responder may have been revoked' : undefined;
}

async function ask(
  context: RevocationContext,
  url: string,
  certificate: Certificate,
  issuer: Certificate,
): Promise<{ readonly response: OcspResponse; readonly size: number } | string> {
  context.rules.budget.spend('fetches');
  const nonce = crypto.getRandomValues(new Uint8Array(32));
  const { request, nonceValue } = await encodeOcspRequest(certificate, issuer, nonce);
  try {
    const body = await context.fetch!({ url, ocspRequest: request, maxBytes: MAX_OCSP_RESPONSE_LENGTH });
    const response = parseOcspResponse(body);
    const answered = response.basic?.nonce;
    if (answered === undefined && context.isNonceRequired) return 'the response has no nonce';
    if (answered !== undefined && !same(answered, nonceValue)) return 'the response has another nonce';
    return { response, size: body.length };
  } catch (error) {
    return error instanceof SimsError ? `asking the responder: ${error.code}` : 'asking the responder failed';
  }
}

function tryParse(bytes: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(bytes);
  } catch {
    return undefined;
  }
}

function unknown(problems: ReadonlySet<string>): RevocationStatus {
  return { status: 'unknown', detail: problems.size === 0 ? 'no response' : [...problems].slice(0, 4).join('; ') };
}
