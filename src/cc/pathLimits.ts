/**
 * Limits on the work of one verification, and the counts that tests and results show. Every count is raised before the
 * work is done.
 *
 * @packageDocumentation
 */

/** Most work that one verification does. */
export interface Limits {
  /** Certificates between target and anchor; self-issued ones are not counted against it, but against `certificates`. */
  readonly intermediates: number;
  /** Candidate issuers looked at, revocation included. */
  readonly certificates: number;
  /** Signatures checked, of certificates, revocation lists and responses. */
  readonly signatureChecks: number;
  /** Whole paths validated. */
  readonly paths: number;
  /** Comparisons of a name with a name constraint. */
  readonly nameComparisons: number;
  /** Nodes and edges of policy graphs. */
  readonly policyNodes: number;
  /** Entries of revocation lists walked over. */
  readonly crlEntries: number;
  /** Requests for revocation data. */
  readonly fetches: number;
}

/** The limits where nothing else is said. */
export const DEFAULT_LIMITS: Limits = {
  intermediates: 12,
  certificates: 1_000,
  signatureChecks: 200,
  paths: 64,
  nameComparisons: 250_000,
  policyNodes: 20_000,
  crlEntries: 5_000_000,
  fetches: 24,
};

/** What has been done so far. */
export type Work = { -readonly [K in Exclude<keyof Limits, 'intermediates'>]: number };

/** Thrown inside this folder when a limit is reached, never out of it. */
export class WorkLimitReached extends Error {
  readonly limit: keyof Work | 'deadline';

  constructor(limit: keyof Work | 'deadline') {
    super(`limit on ${limit} reached`);
    this.limit = limit;
  }
}

/** Counts work against the limits, and looks at the deadline. */
export class Budget {
  readonly limits: Limits;
  readonly work: Work = {
    certificates: 0,
    signatureChecks: 0,
    paths: 0,
    nameComparisons: 0,
    policyNodes: 0,
    crlEntries: 0,
    fetches: 0,
  };
  readonly #isPastDeadline: () => boolean;

  constructor(limits: Partial<Limits> = {}, isPastDeadline: () => boolean = () => false) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.#isPastDeadline = isPastDeadline;
  }

  /** Takes `amount` from the limit. @throws WorkLimitReached */
  spend(kind: keyof Work, amount = 1): void {
    if (this.work[kind] + amount > this.limits[kind]) throw new WorkLimitReached(kind);
    this.work[kind] += amount;
    if (amount === 1 && this.#isPastDeadline()) throw new WorkLimitReached('deadline');
  }
}
