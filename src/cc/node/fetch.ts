/**
 * A fetcher of revocation data for Node, over `node:http` and `node:https`: one connection a request, no redirects, no
 * proxy, allowed hosts only, time and size bounded.
 *
 * @packageDocumentation
 */
import http from 'node:http';
import https from 'node:https';
import { SimsError } from '../../errors.ts';
import { FETCH_DEFAULTS, checkFetchUrl, fetchHeaders, joined, type Fetcher, type FetcherOptions } from '../fetch.ts';

/** What {@link createNodeFetcher} takes. */
export interface NodeFetcherOptions extends FetcherOptions {
  /** Certificates (PEM) of CAs for `https:`; default Node's own. Revocation data is signed, so `http:` is usual. */
  readonly ca?: string;
}

/** A fetcher on Node's own client. */
export function createNodeFetcher(options: NodeFetcherOptions): Fetcher {
  const timeoutMs = options.timeoutMs ?? FETCH_DEFAULTS.timeoutMs;
  const mostBytes = options.maxBytes ?? FETCH_DEFAULTS.maxBytes;
  return (request) =>
    new Promise((resolve, reject) => {
      const url = checkFetchUrl(request.url, options.allowedHosts);
      const maxBytes = Math.min(request.maxBytes, mostBytes);
      const body = request.ocspRequest;
      const signal = AbortSignal.timeout(timeoutMs);
      const fail = (cause: unknown): void => {
        const isKnown = cause instanceof SimsError;
        const what = signal.aborted
          ? `no answer from ${url.host} within ${timeoutMs} ms`
          : `no answer from ${url.host}`;
        reject(isKnown ? cause : new SimsError('cc/fetch-failed', what, { cause }));
      };
      const outgoing = (url.protocol === 'https:' ? https : http).request(
        url,
        {
          method: body === undefined ? 'GET' : 'POST',
          headers: { ...fetchHeaders(request), ...(body === undefined ? {} : { 'content-length': body.length }) },
          agent: false,
          signal,
          ...(options.ca === undefined ? {} : { ca: options.ca }),
        },
        (response) => {
          const parts: Uint8Array[] = [];
          let length = 0;
          response.on('error', fail);
          if (response.statusCode !== 200) {
            fail(new SimsError('cc/fetch-failed', `${url.host} answered ${response.statusCode}`));
            response.destroy();
            return;
          }
          response.on('data', (part: Uint8Array) => {
            length += part.length;
            if (length <= maxBytes) {
              parts.push(part);
              return;
            }
            fail(new SimsError('cc/fetch-failed', `${url.host} sent more than ${maxBytes} bytes`));
            response.destroy();
          });
          response.on('end', () => {
            if (response.complete) resolve(joined(parts, length));
            else fail(new SimsError('cc/fetch-failed', `${url.host} stopped after ${length} bytes`));
          });
        },
      );
      outgoing.on('error', fail);
      outgoing.end(body);
    });
}
