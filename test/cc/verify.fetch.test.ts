/** Revocation data over HTTP on the loopback, with both fetchers; openssl as the responder; the cache. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { octetString } from '../../src/cc/createDer.ts';
import {
  ANY_CERTIFICATE,
  createFetcher,
  createTrustStore,
  RevocationCache,
  verifyCertificate,
  type Fetcher,
  type FetcherOptions,
  type Verification,
  type VerifyOptions,
} from '../../src/cc/index.ts';
import { createNodeFetcher } from '../../src/cc/node/index.ts';
import * as pki from './makePki.ts';
import { AT, DAY } from './makePki.ts';

let server: Server;
let host = '';
let requests: string[] = [];
let answer: (
  request: IncomingMessage,
  body: Buffer,
) => { status?: number; body: Uint8Array; headers?: Record<string, string> };

beforeAll(async () => {
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      requests.push(`${request.method} ${request.url}`);
      if (request.url === '/never') return;
      const { status = 200, body, headers = {} } = answer(request, Buffer.concat(parts));
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const FETCHERS: readonly (readonly [string, (options: FetcherOptions) => Fetcher])[] = [
  ['the fetcher over fetch', createFetcher],
  ['the fetcher of Node', createNodeFetcher],
];

describe.each(FETCHERS)('%s', (_, create) => {
  const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'resolved',
      (error: unknown) => (error as { code?: unknown }).code,
    );

  it('gives the body of an allowed host', async () => {
    answer = () => ({ body: Uint8Array.of(1, 2, 3) });
    const body = await create({ allowedHosts: [host] })({ url: `http://${host}/list`, maxBytes: 3 });
    expect([...body]).toEqual([1, 2, 3]);
  });

  it('posts a request with its media type', async () => {
    answer = (request, body) => ({ body: Buffer.from(`${request.headers['content-type']} ${body.length}`) });
    const body = await create({ allowedHosts: [host] })({
      url: `http://${host}/`,
      ocspRequest: new Uint8Array(7),
      maxBytes: 99,
    });
    expect(Buffer.from(body).toString()).toBe('application/ocsp-request 7');
  });

  it('asks no other host, scheme or user, and sends nothing', async () => {
    requests = [];
    const fetcher = create({ allowedHosts: [host] });
    for (const url of [
      `http://localhost:${host.split(':')[1]}/`,
      `http://user@${host}/`,
      `ldap://${host}/`,
      'file:///etc/passwd',
      'x',
      `http://${host}.evil.test/`,
    ]) {
      expect(await codeOf(fetcher({ url, maxBytes: 9 })), url).toBe('cc/fetch-refused');
    }
    expect(requests).toEqual([]);
  });

  it('follows no redirect, takes no error page, nothing above the limit, and waits no longer than told', async () => {
    const fetcher = create({ allowedHosts: [host], timeoutMs: 100 });
    answer = () => ({ status: 302, body: new Uint8Array(), headers: { location: `http://${host}/else` } });
    expect(await codeOf(fetcher({ url: `http://${host}/a`, maxBytes: 9 }))).toBe('cc/fetch-failed');
    answer = () => ({ status: 404, body: new Uint8Array() });
    expect(await codeOf(fetcher({ url: `http://${host}/a`, maxBytes: 9 }))).toBe('cc/fetch-failed');
    answer = () => ({ body: new Uint8Array(10) });
    expect(await codeOf(fetcher({ url: `http://${host}/a`, maxBytes: 9 }))).toBe('cc/fetch-failed');
    expect(await codeOf(create({ allowedHosts: [host], maxBytes: 5 })({ url: `http://${host}/a`, maxBytes: 9 }))).toBe(
      'cc/fetch-failed',
    );
    expect(await codeOf(fetcher({ url: `http://${host}/never`, maxBytes: 9 }))).toBe('cc/fetch-failed');
    expect(await codeOf(create({ allowedHosts: ['127.0.0.1:1'] })({ url: 'http://127.0.0.1:1/', maxBytes: 9 }))).toBe(
      'cc/fetch-failed',
    );
  });
});

describe('verification that fetches', () => {
  const anchor = pki.root('Root');
  const trust = createTrustStore({ purpose: 'person', anchors: [anchor.der] });
  const verify = (certificate: Uint8Array, more: Partial<VerifyOptions> = {}): Promise<Verification> =>
    verifyCertificate({
      certificate,
      trust,
      profile: ANY_CERTIFICATE,
      atMs: AT,
      fetch: createNodeFetcher({ allowedHosts: [host] }),
      ...more,
    });
  const reasons = (verdict: Verification): readonly string[] => (verdict.valid ? ['valid'] : verdict.reasons);

  it('fetches the list of a distribution point, once until nextUpdate', async () => {
    requests = [];
    const person = pki.leaf('Person', anchor, [pki.distributionPoints(`http://${host}/root.crl`)]);
    answer = () => ({ body: pki.crl(anchor) });
    const cache = new RevocationCache();
    expect(reasons(await verify(person.der, { cache }))).toEqual(['valid']);
    expect(reasons(await verify(person.der, { cache, atMs: AT + DAY }))).toEqual(['valid']);
    expect(requests).toEqual(['GET /root.crl']);
    expect(cache.size).toBeGreaterThan(100);
    expect(reasons(await verify(person.der, { cache, atMs: AT + 8 * DAY }))).toEqual(['revocation-unknown']);
    expect(requests.length).toBe(2);
    answer = () => ({ body: pki.crl(anchor, { revoked: [{ serial: person.serial }] }) });
    expect(reasons(await verify(person.der))).toEqual(['revoked']);
  });

  it('keeps nothing that did not verify', async () => {
    const person = pki.leaf('Person', anchor, [pki.distributionPoints(`http://${host}/root.crl`)]);
    const cache = new RevocationCache();
    answer = () => ({ body: pki.crl(pki.root('Root'), { nextUpdate: AT + 9_000 * DAY }) });
    expect(reasons(await verify(person.der, { cache }))).toEqual(['revocation-unknown']);
    expect(cache.size).toBe(0);
    answer = () => ({ body: pki.crl(anchor) });
    expect(reasons(await verify(person.der, { cache }))).toEqual(['valid']);
  });

  it('fetches a delta where freshestCRL says', async () => {
    const freshest = pki.element(
      0x30,
      pki.element(0x30, pki.element(0xa0, pki.element(0xa0, pki.uri(`http://${host}/delta.crl`)))),
    );
    const person = pki.leaf('Person', anchor, [
      pki.distributionPoints(`http://${host}/root.crl`),
      pki.extension('2.5.29.46', freshest),
    ]);
    const delta = pki.crl(anchor, {
      number: 9,
      revoked: [{ serial: person.serial }],
      extensions: [pki.extension('2.5.29.27', Uint8Array.of(2, 1, 7), true)],
    });
    answer = (request) => ({ body: request.url === '/delta.crl' ? delta : pki.crl(anchor) });
    expect(reasons(await verify(person.der))).toEqual(['revoked']);
  });

  it('asks a responder with a nonce and refuses an answer to another question', async () => {
    const person = pki.leaf('Person', anchor, [pki.ocspAt(`http://${host}/ocsp`)]);
    const respond = (nonce?: Uint8Array): void => {
      answer = () => ({
        body: pki.ocspResponse({ issuer: anchor, serial: person.serial, ...(nonce === undefined ? {} : { nonce }) }),
      });
    };
    respond();
    expect(reasons(await verify(person.der))).toEqual(['valid']);
    expect(reasons(await verify(person.der, { isNonceRequired: true }))).toEqual(['revocation-unknown']);
    respond(octetString(new Uint8Array(32)));
    expect(reasons(await verify(person.der))).toEqual(['revocation-unknown']);
    answer = (_, body) => {
      // The nonce is the last 32 octets of the request.
      const nonce = octetString(Uint8Array.from(body.subarray(-32)));
      return { body: pki.ocspResponse({ issuer: anchor, serial: person.serial, nonce }) };
    };
    expect(reasons(await verify(person.der, { isNonceRequired: true }))).toEqual(['valid']);
  });

  it('falls back to lists when the responder fails, and says what failed', async () => {
    const person = pki.leaf('Person', anchor, [
      pki.ocspAt(`http://${host}/ocsp`),
      pki.distributionPoints(`http://${host}/root.crl`),
    ]);
    answer = (request) =>
      request.url === '/ocsp' ? { status: 500, body: new Uint8Array() } : { body: pki.crl(anchor) };
    expect(reasons(await verify(person.der))).toEqual(['valid']);
    answer = () => ({ status: 500, body: new Uint8Array() });
    const verdict = await verify(person.der);
    expect(verdict.attempts[0]?.detail).toBe(
      'OCSP: asking the responder: cc/fetch-failed. CRL: no list of this issuer',
    );
  });

  it('gives up on a fetcher that never answers, throws, or gives no bytes', async () => {
    const person = pki.leaf('Person', anchor, [
      pki.ocspAt(`http://${host}/ocsp`),
      pki.distributionPoints(`http://${host}/root.crl`),
    ]);
    const hanging: Fetcher = () => new Promise(() => {});
    expect(reasons(await verify(person.der, { fetch: hanging, fetchTimeoutMs: 20 }))).toEqual(['revocation-unknown']);
    const throwing: Fetcher = () => {
      throw new TypeError('offline');
    };
    expect(reasons(await verify(person.der, { fetch: throwing }))).toEqual(['revocation-unknown']);
    const wrong = (() => Promise.resolve('text')) as unknown as Fetcher;
    expect(reasons(await verify(person.der, { fetch: wrong }))).toEqual(['revocation-unknown']);
  });

  it('makes no more requests than its limit', async () => {
    requests = [];
    const person = pki.leaf('Person', anchor, [
      pki.distributionPoints(...Array.from({ length: 50 }, (_, at) => `http://${host}/${at}`)),
    ]);
    answer = () => ({ status: 404, body: new Uint8Array() });
    const verdict = await verify(person.der, { limits: { fetches: 5 } });
    expect(reasons(verdict)).toContain('work-limit');
    expect(requests.length).toBe(5);
  });
});

describe('openssl ocsp as the responder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sims-ocsp-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is believed when it answers for the issuer, by the CA key and by a delegate', async () => {
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const ca = pki.root('Root');
    const good = pki.leaf('Good', ca, [pki.ocspAt(`http://127.0.0.1:${port}`)]);
    const bad = pki.leaf('Bad', ca, [pki.ocspAt(`http://127.0.0.1:${port}`)]);
    const delegate = pki.leaf('Responder', ca, [pki.extendedKeyUsage('1.3.6.1.5.5.7.3.9')]);
    const index = [good, bad].map((each, at) => {
      const serial = each.serial.toString(16).toUpperCase().padStart(4, '0');
      return `${at === 0 ? 'V' : 'R'}\t361231235959Z\t${at === 0 ? '' : '260101000000Z'}\t${serial}\tunknown\t/CN=${at === 0 ? 'Good' : 'Bad'}\n`;
    });
    writeFileSync(join(folder, 'index.txt'), index.join(''));
    writeFileSync(join(folder, 'ca.pem'), pki.pem(ca.der));
    writeFileSync(join(folder, 'delegate.pem'), pki.pem(delegate.der));
    writeFileSync(join(folder, 'ca.key'), ca.key.privateKey.export({ format: 'pem', type: 'pkcs8' }));
    writeFileSync(join(folder, 'delegate.key'), delegate.key.privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const store = createTrustStore({ purpose: 'person', anchors: [ca.der] });
    for (const signer of ['ca', 'delegate']) {
      const responder = spawn(
        'openssl',
        [
          'ocsp',
          '-index',
          'index.txt',
          '-CA',
          'ca.pem',
          '-rsigner',
          `${signer}.pem`,
          '-rkey',
          `${signer}.key`,
          '-port',
          String(port),
          '-nmin',
          '5',
        ],
        { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
      );
      try {
        await listening(responder);
        const verify = async (certificate: Uint8Array): Promise<readonly string[]> => {
          const verdict = await verifyCertificate({
            certificate,
            trust: store,
            profile: ANY_CERTIFICATE,
            atMs: Math.min(Date.now(), AT + 99 * DAY),
            // The responder answers for this moment; the certificates above are valid around AT.
            clockSkewMs: 400 * DAY,
            isNonceRequired: true,
            fetch: createNodeFetcher({ allowedHosts: [`127.0.0.1:${port}`] }),
          });
          return verdict.valid ? ['valid'] : [...verdict.reasons, ...verdict.attempts.map((each) => each.detail ?? '')];
        };
        expect(await verify(good.der), signer).toEqual(['valid']);
        expect((await verify(bad.der))[0], signer).toBe('revoked');
      } finally {
        const ended = new Promise((resolve) => responder.once('exit', resolve));
        responder.kill();
        await ended;
      }
    }
  });
});

/** openssl says so when it listens. */
function listening(responder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (part: Buffer): void => {
      said += part.toString();
      if (/waiting/i.test(said)) resolve();
    };
    responder.stdout?.on('data', hear);
    responder.stderr?.on('data', hear);
    responder.once('exit', () => reject(new Error(`openssl ocsp ended: ${said}`)));
  });
}
