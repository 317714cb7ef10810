/**
 * Why a path or a certificate was refused: a closed list, each reason with its meaning and the error code under which a
 * protocol layer reports it.
 *
 * @packageDocumentation
 */
import type { ErrorCode } from '../errors.ts';

interface Entry {
  readonly code: ErrorCode;
  readonly meaning: string;
}

/** The closed list, sorted. A reason is never renamed once released. */
export const REFUSALS = {
  'anchor-not-allowed': { code: 'cc/untrusted', meaning: 'The profile accepts other trust anchors only.' },
  'ca-as-target': { code: 'cc/wrong-purpose', meaning: 'The profile accepts no CA certificate as a target.' },
  'critical-extension-unknown': { code: 'cc/path-invalid', meaning: 'A critical extension is not understood.' },
  'deadline-passed': { code: 'cc/work-limit', meaning: 'The deadline passed before the verification was done.' },
  expired: { code: 'cc/expired', meaning: 'The time is after notAfter.' },
  'extended-key-usage-missing': { code: 'cc/wrong-purpose', meaning: 'The extended key usage asked for is not there.' },
  'hash-too-weak': { code: 'cc/path-invalid', meaning: 'The signature uses a hash that is not allowed.' },
  'issuer-not-allowed': { code: 'cc/wrong-purpose', meaning: 'The profile accepts other issuing CAs only.' },
  'issuer-key-id-mismatch': { code: 'cc/path-invalid', meaning: 'The authority key identifier names another key.' },
  'issuer-not-ca': { code: 'cc/path-invalid', meaning: 'The issuer is not a CA by its basic constraints.' },
  'key-too-small': { code: 'cc/path-invalid', meaning: 'A key is smaller than allowed.' },
  'key-unsupported': { code: 'cc/path-invalid', meaning: 'A public key is of an unsupported kind, or no valid key.' },
  'key-usage-excess': { code: 'cc/wrong-purpose', meaning: 'The key usage holds a bit that the profile forbids.' },
  'key-usage-missing': { code: 'cc/wrong-purpose', meaning: 'The key usage lacks a bit that is needed.' },
  malformed: { code: 'cc/malformed', meaning: 'The bytes are not a certificate.' },
  'name-constraint-malformed': { code: 'cc/path-invalid', meaning: 'A name constraint is not of its form.' },
  'name-constraint-unsupported': { code: 'cc/path-invalid', meaning: 'A constrained name is of a form without rules.' },
  'name-excluded': { code: 'cc/path-invalid', meaning: 'A name is in an excluded subtree.' },
  'name-mismatch': { code: 'cc/name-mismatch', meaning: 'The certificate does not hold the name asked for.' },
  'name-not-permitted': { code: 'cc/path-invalid', meaning: 'A name is outside every permitted subtree of its form.' },
  'no-path': { code: 'cc/untrusted', meaning: 'No chain of signatures leads to a trust anchor.' },
  nonconforming: { code: 'cc/path-invalid', meaning: 'The certificate breaks a rule of the RFC 5280 profile.' },
  'not-yet-valid': { code: 'cc/expired', meaning: 'The time is before notBefore.' },
  'path-too-long': {
    code: 'cc/path-invalid',
    meaning: 'A path length constraint, or the limit on depth, is exceeded.',
  },
  'policy-mapping-invalid': { code: 'cc/path-invalid', meaning: 'A policy mapping to or from anyPolicy.' },
  'policy-not-acceptable': { code: 'cc/path-invalid', meaning: 'No policy that is required is valid along the path.' },
  'revocation-unknown': {
    code: 'cc/revocation-unknown',
    meaning: 'No usable response or list covers the certificate.',
  },
  revoked: { code: 'cc/revoked', meaning: 'The certificate was revoked.' },
  'signature-algorithm-unsupported': { code: 'cc/path-invalid', meaning: 'The signature algorithm is not supported.' },
  'signature-invalid': { code: 'cc/path-invalid', meaning: 'The signature does not verify with the issuer key.' },
  'work-limit': { code: 'cc/work-limit', meaning: 'A limit on work was reached.' },
} as const;

/** A reason of {@link REFUSALS}. */
export type RefusalReason = keyof typeof REFUSALS;

/** One refusal. `detail` holds figures and object identifiers, never a name of a person. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly detail?: string | undefined;
}

/** A refusal, for `return`. */
export function refuse(reason: RefusalReason, detail?: string): Refusal {
  return { reason, detail };
}

/**
 * Error code of a list of reasons: that of the first that says more than "invalid" or "no path". One expired CA means
 * `no-path` and `expired`, of which the second is what a caller needs.
 */
export function errorCodeOf(reasons: readonly RefusalReason[]): ErrorCode {
  const codes = reasons.map((reason): ErrorCode => {
    const entry: Entry = REFUSALS[reason];
    return entry.code;
  });
  const isTelling = (code: ErrorCode): boolean => code !== 'cc/path-invalid' && code !== 'cc/untrusted';
  return codes.find(isTelling) ?? codes[0] ?? 'cc/path-invalid';
}
