/**
 * Verifies a certificate: path building, path validation, revocation and profile, with a verdict that says for each path
 * and each certificate tried why it was refused.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { parseCertificate, same, type Certificate } from './certificate.ts';
import { parseCrl, type Crl } from './crl.ts';
import type { Fetcher } from './fetch.ts';
import { displayName } from './name.ts';
import { hasName, type ExpectedName } from './nameCheck.ts';
import { parseOcspResponse, type OcspResponse } from './ocsp.ts';
import { buildPaths, type IssuerSource } from './pathBuild.ts';
import { Budget, WorkLimitReached, type Limits, type Work } from './pathLimits.ts';
import { errorCodeOf, type Refusal, type RefusalReason } from './pathReasons.ts';
import { DEFAULT_ALGORITHMS, SignatureChecker, type AlgorithmPolicy } from './pathSignature.ts';
import { checkCertificate, validatePath, type PathRules, type PolicyInputs } from './pathValidate.ts';
import { checkPathProfile, checkTarget } from './profileCheck.ts';
import type { Profile } from './profile.ts';
import { RevocationChecker, type RevocationMode } from './revocation.ts';
import type { RevocationCache } from './revocationCache.ts';
import type { TrustStore } from './trust.ts';

/** What {@link verifyCertificate} takes. */
export interface VerifyOptions {
  /** The target: DER, or parsed. */
  readonly certificate: Uint8Array | Certificate;
  /** What came with it; nothing is believed of these. At most 64 are looked at. */
  readonly intermediates?: readonly (Uint8Array | Certificate)[];
  /** Anchors and intermediates of the profile's purpose. */
  readonly trust: TrustStore;
  readonly profile: Profile;
  /** Names that the target has to hold, every one of them. */
  readonly names?: readonly ExpectedName[];
  /** The time that counts, in milliseconds since 1970; default now. */
  readonly atMs?: number;
  /** Default `require`. */
  readonly revocation?: RevocationMode;
  /** Lists at hand, DER or parsed. */
  readonly crls?: readonly (Uint8Array | Crl)[];
  /** OCSP responses at hand, DER or parsed. */
  readonly ocspResponses?: readonly (Uint8Array | OcspResponse)[];
  /** Certificates of responders that are trusted for every issuer. */
  readonly trustedResponders?: readonly Certificate[];
  /** Fetches revocation data; without it only what is at hand counts. */
  readonly fetch?: Fetcher;
  /** Time for each call of `fetch`, whatever that does; default 15,000 ms. */
  readonly fetchTimeoutMs?: number;
  /** Keeps what was fetched; share one between verifications. */
  readonly cache?: RevocationCache;
  /** Whether a fetched OCSP response without our nonce is refused; default false: many responders sign ahead. */
  readonly isNonceRequired?: boolean;
  /** How far ahead of the time a thisUpdate may be; default 300,000 ms. */
  readonly clockSkewMs?: number;
  /** Age up to which an OCSP response without nextUpdate counts; default 86,400,000 ms. */
  readonly maxOcspAgeMs?: number;
  readonly policies?: PolicyInputs;
  /** Hash and key-size minima; default {@link DEFAULT_ALGORITHMS}. */
  readonly algorithms?: Partial<AlgorithmPolicy>;
  /** Whether the rules of RFC 5280 §4 that its path validation does not ask about are asked too; default true. */
  readonly isStrict?: boolean;
  /** Limits on work; default {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<Limits>;
  /** Ends the verification when `now()` reaches `atMs`, looked at before each piece of work. */
  readonly deadline?: {
    /** Milliseconds, of the clock that `atMs` is of. */
    readonly now: () => number;
    readonly atMs: number;
  };
}

declare const verified: unique symbol;

/** Proof that a certificate was verified: only {@link verifyCertificate} makes it. */
export interface VerifiedCertificate {
  readonly [verified]: true;
  readonly certificate: Certificate;
  /** From the anchor to the target. */
  readonly path: readonly Certificate[];
  /** Name of the profile. */
  readonly profile: string;
  readonly purpose: TrustStore['purpose'];
  /** The time for which it was verified. */
  readonly atMs: number;
  /** The names that were asked for, all of which it holds. */
  readonly names: readonly ExpectedName[];
  /** Policies valid for the path, in the anchor's terms. */
  readonly policies: readonly string[];
  /** `unknown`: in mode `soft`, some status could not be determined. */
  readonly revocation: 'good' | 'unknown' | 'not-checked';
}

/** A path, or the beginning of one, that was refused. */
export interface Attempt {
  /** From the top down; CAs by name, the target only as such: its name may be a person's. */
  readonly path: readonly string[];
  /** Place in the path of the certificate that is at fault. */
  readonly at: number;
  readonly reason: RefusalReason;
  readonly detail?: string | undefined;
}

/** The verdict. */
export type Verification =
  | {
      readonly valid: true;
      readonly verified: VerifiedCertificate;
      readonly attempts: readonly Attempt[];
      readonly notes: readonly string[];
      readonly work: Readonly<Work>;
    }
  | {
      readonly valid: false;
      /** Without repeats; never empty. Those of whole paths come before those of candidates. */
      readonly reasons: readonly RefusalReason[];
      readonly attempts: readonly Attempt[];
      /** What was given and could not be read. */
      readonly notes: readonly string[];
      readonly work: Readonly<Work>;
    };

const proofs = /* @__PURE__ */ new WeakSet<VerifiedCertificate>();
const MOST_ATTEMPTS = 64;
const MOST_INTERMEDIATES = 64;

/**
 * Verifies a certificate for a profile. Whatever bytes a peer or a responder sends, the answer is a verdict.
 *
 * @throws `cc/invalid-argument` for a trust store of another purpose, a time that is none, or a profile that needs a name;
 * `crypto/unavailable` where the platform has no WebCrypto
 */
export async function verifyCertificate(options: VerifyOptions): Promise<Verification> {
  const { trust, profile, names = [] } = options;
  const atMs = options.atMs ?? Date.now();
  const platform: { readonly crypto?: { readonly subtle?: unknown } } = globalThis;
  if (platform.crypto?.subtle === undefined) {
    throw new SimsError('crypto/unavailable', 'no WebCrypto here: a page needs https: or the loopback');
  }
  if (trust.purpose !== profile.purpose) {
    throw new SimsError(
      'cc/invalid-argument',
      `profile ${profile.name} is for ${profile.purpose}, the store for ${trust.purpose}`,
    );
  }
  if (!Number.isFinite(atMs)) throw new SimsError('cc/invalid-argument', `not a time: ${atMs}`);
  if (profile.isNameRequired && names.length === 0) {
    throw new SimsError('cc/invalid-argument', `profile ${profile.name} needs the name that was asked for`);
  }
  return new Verifier(options, atMs).run();
}

/** Whether a value is a proof that {@link verifyCertificate} made, also where types were cast away. */
export function isVerifiedCertificate(value: unknown): value is VerifiedCertificate {
  return typeof value === 'object' && value !== null && proofs.has(value as VerifiedCertificate);
}

/** The error for a verdict that is not valid: its code is that of the first reason. */
export function verificationError(verification: Extract<Verification, { valid: false }>): SimsError {
  return new SimsError(errorCodeOf(verification.reasons), `certificate refused: ${verification.reasons.join(', ')}`);
}

class Verifier {
  readonly #options: VerifyOptions;
  readonly #atMs: number;
  readonly #budget: Budget;
  readonly #whole: Attempt[] = [];
  readonly #partial: Attempt[] = [];
  readonly #notes: string[] = [];

  constructor(options: VerifyOptions, atMs: number) {
    const { deadline } = options;
    this.#options = options;
    this.#atMs = atMs;
    this.#budget = new Budget(
      options.limits,
      deadline === undefined ? undefined : () => deadline.now() >= deadline.atMs,
    );
  }

  async run(): Promise<Verification> {
    try {
      const target = this.#target();
      const proof = target === undefined ? undefined : await this.#verify(target);
      if (proof !== undefined) {
        return {
          valid: true,
          verified: proof,
          attempts: this.#attempts(),
          notes: this.#notes,
          work: this.#budget.work,
        };
      }
    } catch (error) {
      if (!(error instanceof WorkLimitReached)) throw error;
      const reason = error.limit === 'deadline' ? 'deadline-passed' : 'work-limit';
      this.#whole.unshift({ path: ['target'], at: 0, reason, detail: error.limit });
    }
    const attempts = this.#attempts();
    const reasons = [...new Set(attempts.map((attempt) => attempt.reason))];
    return { valid: false, reasons, attempts, notes: this.#notes, work: this.#budget.work };
  }

  #target(): Certificate | undefined {
    const { certificate } = this.#options;
    try {
      return certificate instanceof Uint8Array ? parseCertificate(certificate) : certificate;
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      this.#whole.push({ path: ['target'], at: 0, reason: 'malformed', detail: error.message });
      return undefined;
    }
  }

  async #verify(target: Certificate): Promise<VerifiedCertificate | undefined> {
    const { profile, trust, names = [], revocation = 'require' } = this.#options;
    const signatures = new SignatureChecker({ ...DEFAULT_ALGORITHMS, ...this.#options.algorithms }, this.#budget);
    const rules = { atMs: this.#atMs, isStrict: this.#options.isStrict ?? true, signatures, budget: this.#budget };
    const isAnchor = profile.isAnchorAllowed && trust.anchors.some((anchor) => same(anchor.bytes, target.bytes));
    const faults = this.#targetFaults(target, rules, names);
    if (faults.length > 0) {
      for (const fault of faults) this.#whole.push({ path: ['target'], at: 0, ...fault });
      return undefined;
    }
    const shared = { profile: profile.name, purpose: trust.purpose, atMs: this.#atMs, names: [...names] };
    if (isAnchor)
      return prove({ ...shared, certificate: target, path: [target], policies: [], revocation: 'not-checked' });

    const source = this.#source();
    const revocations = this.#revocations(revocation, source, rules);
    const onRejected = ({
      path,
      isAnchor: isTop,
      refusal,
    }: {
      path: readonly Certificate[];
      isAnchor: boolean;
      refusal: Refusal;
    }): void => {
      // A signature concerns the child, everything else the candidate.
      this.#record(this.#partial, path, refusal.reason === 'signature-invalid' ? 1 : 0, refusal, isTop);
    };
    let isAnchored = false;
    for await (const path of buildPaths(target, source, rules, onRejected)) {
      isAnchored = true;
      this.#budget.spend('paths');
      const outcome = await this.#checkPath(path, rules, revocations);
      if ('reason' in outcome) {
        this.#record(this.#whole, path, outcome.index, outcome, true);
        continue;
      }
      const status = revocation === 'none' ? 'not-checked' : revocations.hasUnknown ? 'unknown' : 'good';
      return prove({ ...shared, certificate: target, path, policies: outcome.policies, revocation: status });
    }
    if (!isAnchored) this.#whole.push({ path: ['target'], at: 0, reason: 'no-path' });
    return undefined;
  }

  #targetFaults(target: Certificate, rules: PathRules, names: readonly ExpectedName[]): readonly Refusal[] {
    const faults = [...checkTarget(target, this.#options.profile)];
    const own = checkCertificate(target, 'target', rules);
    if (own !== undefined) faults.unshift(own);
    for (const name of names) if (!hasName(target, name)) faults.push({ reason: 'name-mismatch', detail: name.kind });
    return faults;
  }

  async #checkPath(
    path: readonly Certificate[],
    rules: PathRules,
    revocations: RevocationChecker,
  ): Promise<ReturnType<typeof validatePath>> {
    const outcome = validatePath(path, this.#options.policies ?? {}, rules);
    if ('reason' in outcome) return outcome;
    const fault = await checkPathProfile(path, this.#options.profile);
    if (fault !== undefined) return { ...fault, index: path.length - 1 };
    return (await revocations.check(path)) ?? outcome;
  }

  #source(): IssuerSource {
    const { trust, intermediates = [] } = this.#options;
    const sent: Certificate[] = [];
    if (intermediates.length > MOST_INTERMEDIATES) {
      this.#notes.push(`${intermediates.length} intermediates were sent, ${MOST_INTERMEDIATES} looked at`);
    }
    for (const [at, each] of intermediates.slice(0, MOST_INTERMEDIATES).entries()) {
      this.#reading(`intermediate ${at}`, () => sent.push(each instanceof Uint8Array ? parseCertificate(each) : each));
    }
    const anchors = bySubject(trust.anchors);
    const others = bySubject([...trust.intermediates, ...sent]);
    return { anchors: (key) => anchors.get(key) ?? [], intermediates: (key) => others.get(key) ?? [] };
  }

  #revocations(mode: RevocationMode, source: IssuerSource, rules: PathRules): RevocationChecker {
    const { crls = [], ocspResponses = [], trustedResponders = [] } = this.#options;
    const lists: Crl[] = [];
    const responses: OcspResponse[] = [];
    if (mode !== 'none') {
      for (const [at, each] of crls.entries()) {
        this.#reading(`list ${at}`, () => lists.push(each instanceof Uint8Array ? parseCrl(each) : each));
      }
      for (const [at, each] of ocspResponses.entries()) {
        this.#reading(`response ${at}`, () =>
          responses.push(each instanceof Uint8Array ? parseOcspResponse(each) : each),
        );
      }
    }
    return new RevocationChecker(mode, {
      rules,
      source,
      crls: lists,
      ocspResponses: responses,
      trustedResponders,
      fetch: this.#options.fetch && withTimeout(this.#options.fetch, this.#options.fetchTimeoutMs ?? 15_000),
      cache: this.#options.cache,
      clockSkewMs: this.#options.clockSkewMs ?? 300_000,
      maxOcspAgeMs: this.#options.maxOcspAgeMs ?? 86_400_000,
      isNonceRequired: this.#options.isNonceRequired ?? false,
    });
  }

  #reading(what: string, read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof SimsError)) throw error;
      if (this.#notes.length < MOST_ATTEMPTS) this.#notes.push(`${what}: ${error.message}`);
    }
  }

  #record(
    into: Attempt[],
    path: readonly Certificate[],
    at: number,
    { reason, detail }: Refusal,
    isAnchored: boolean,
  ): void {
    if (into.length >= MOST_ATTEMPTS) return;
    const names = path.map((certificate, place) => {
      if (place === path.length - 1) return 'target';
      return `${place === 0 && isAnchored ? 'anchor ' : ''}${displayName(certificate.subject)}`;
    });
    into.push({ path: names, at, reason, detail });
  }

  #attempts(): readonly Attempt[] {
    return [...this.#whole, ...this.#partial].slice(0, MOST_ATTEMPTS);
  }
}

/** Gives up on a fetcher that does not: a verification never hangs. */
function withTimeout(fetcher: Fetcher, timeoutMs: number): Fetcher {
  return (request) =>
    new Promise((resolve, reject) => {
      const late = (): void => reject(new SimsError('cc/fetch-failed', `the fetcher took more than ${timeoutMs} ms`));
      const timer = setTimeout(late, timeoutMs);
      void Promise.resolve()
        .then(() => fetcher(request))
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    });
}

function prove(proof: Omit<VerifiedCertificate, typeof verified>): VerifiedCertificate {
  const made = Object.freeze({ ...proof }) as VerifiedCertificate;
  proofs.add(made);
  return made;
}

function bySubject(certificates: readonly Certificate[]): ReadonlyMap<string, readonly Certificate[]> {
  const map = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    const namesakes = map.get(certificate.subject.key);
    if (namesakes === undefined) map.set(certificate.subject.key, [certificate]);
    else namesakes.push(certificate);
  }
  return map;
}
