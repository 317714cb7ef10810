/**
 * How revocation data is fetched: through a function that the application injects. Nothing in this folder reaches the
 * network without one. The one here is for browsers, workers and any runtime with `fetch`; `node/fetch.ts` has Node's.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** One request for revocation data. */
export interface FetchRequest {
  /** An `http:` or `https:` address out of a certificate: chosen by whoever made that, so not to be trusted. */
  readonly url: string;
  /** DER of an OCSP request, to be posted; absent for a list. */
  readonly ocspRequest?: Uint8Array;
  /** Most bytes that the answer may have. */
  readonly maxBytes: number;
}

/** Gives the body of a successful answer; rejects for everything else. */
export type Fetcher = (request: FetchRequest) => Promise<Uint8Array>;

/** What a fetcher keeps to. */
export interface FetcherOptions {
  /** Hosts that may be asked, lower case, with `:port` where it is not the scheme's own. No wildcard. */
  readonly allowedHosts: readonly string[];
  /** Time for the whole exchange; default 10,000 ms. */
  readonly timeoutMs?: number;
  /** Most bytes of an answer, whatever the request allows; default 16 MiB. */
  readonly maxBytes?: number;
}

/** Where no other number is given. */
export const FETCH_DEFAULTS = { timeoutMs: 10_000, maxBytes: 16_777_216 } as const;

/**
 * The address, if it may be asked: http or https, an allowed host, no user or password in it.
 *
 * @throws `cc/fetch-refused`
 */
export function checkFetchUrl(url: string, allowedHosts: readonly string[]): URL {
  if (!URL.canParse(url)) throw new SimsError('cc/fetch-refused', 'not an address');
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new SimsError('cc/fetch-refused', `scheme ${parsed.protocol} is neither http: nor https:`);
  }
  if (parsed.username !== '' || parsed.password !== '') throw new SimsError('cc/fetch-refused', 'user in the address');
  if (!allowedHosts.includes(parsed.host))
    throw new SimsError('cc/fetch-refused', `host ${parsed.host} is not allowed`);
  return parsed;
}

/** Headers of a request: the media types of RFC 6960 appendix A.1. */
export function fetchHeaders(request: FetchRequest): Readonly<Record<string, string>> {
  return request.ocspRequest === undefined ? {} : { 'content-type': 'application/ocsp-request' };
}

/**
 * A fetcher over the platform's `fetch`: no cookies, no redirects, allowed hosts only, the body cut off at the limit. In
 * a page, the browser's rules on mixed content and cross-origin requests apply as well.
 */
export function createFetcher(options: FetcherOptions): Fetcher {
  const timeoutMs = options.timeoutMs ?? FETCH_DEFAULTS.timeoutMs;
  const mostBytes = options.maxBytes ?? FETCH_DEFAULTS.maxBytes;
  return async (request) => {
    const url = checkFetchUrl(request.url, options.allowedHosts);
    const maxBytes = Math.min(request.maxBytes, mostBytes);
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    try {
      const response = await fetch(url, {
        method: request.ocspRequest === undefined ? 'GET' : 'POST',
        headers: fetchHeaders(request),
        ...(request.ocspRequest === undefined ? {} : { body: Uint8Array.from(request.ocspRequest) }),
        credentials: 'omit',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
        signal: controller.signal,
      });
      if (response.status !== 200) throw new SimsError('cc/fetch-failed', `${url.host} answered ${response.status}`);
      return await readBody(response, maxBytes, url.host);
    } catch (cause) {
      if (cause instanceof SimsError) throw cause;
      throw new SimsError('cc/fetch-failed', `no answer from ${url.host} within ${timeoutMs} ms`, { cause });
    } finally {
      clearTimeout(timer);
      controller.abort();
    }
  };
}

async function readBody(response: Response, maxBytes: number, host: string): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) throw new SimsError('cc/fetch-failed', `${host} sent more than ${maxBytes} bytes`);
    parts.push(value);
  }
  return joined(parts, length);
}

/** The parts of a body in one piece. */
export function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}
