/**
 * What the two ways of checking revocation share.
 *
 * @packageDocumentation
 */
import type { Certificate } from './certificate.ts';
import type { Crl } from './crl.ts';
import type { Fetcher } from './fetch.ts';
import type { OcspResponse } from './ocsp.ts';
import type { IssuerSource } from './pathBuild.ts';
import type { PathRefusal, PathRules } from './pathValidate.ts';
import type { RevocationCache } from './revocationCache.ts';

/** Whether a certificate was revoked; `detail` says why that is not known. */
export type RevocationStatus =
  | { readonly status: 'good'; readonly by: 'ocsp' | 'crl' }
  | { readonly status: 'revoked'; readonly detail: string }
  | { readonly status: 'unknown'; readonly detail: string };

/** Data at hand, ways to more, and the rules. */
export interface RevocationContext {
  readonly rules: PathRules;
  readonly source: IssuerSource;
  readonly crls: readonly Crl[];
  readonly ocspResponses: readonly OcspResponse[];
  /** Certificates whose keys may sign responses for anyone: RFC 6960 §4.2.2.2, first way. */
  readonly trustedResponders: readonly Certificate[];
  readonly fetch: Fetcher | undefined;
  readonly cache: RevocationCache | undefined;
  /** How far ahead of our clock a thisUpdate may be. */
  readonly clockSkewMs: number;
  /** Age up to which a response without nextUpdate counts. */
  readonly maxOcspAgeMs: number;
  readonly isNonceRequired: boolean;
  /** Checks the certificates of another path, that of who signed a list or a response. */
  readonly checkPath: (path: readonly Certificate[]) => Promise<PathRefusal | undefined>;
}

/** Whether a time is between the two, with the clock's skew at its beginning. */
export function isCurrent(
  thisUpdateMs: number,
  nextUpdateMs: number,
  context: Pick<RevocationContext, 'rules' | 'clockSkewMs'>,
): boolean {
  const { atMs } = context.rules;
  return thisUpdateMs <= atMs + context.clockSkewMs && atMs <= nextUpdateMs + 999;
}

/** Addresses of http and https, at most `most`. */
export function fetchableUrls(urls: readonly string[], most: number): readonly string[] {
  return [...new Set(urls)].filter((url) => /^https?:\/\//i.test(url)).slice(0, most);
}
