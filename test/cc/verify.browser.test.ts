/** The same verdicts in a browser, where one is installed: every signature scheme, lists, responses, x509-limbo. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBatch, type BatchVerdict } from '../../src/cc/index.ts';
import * as pki from './makePki.ts';
import { AT } from './makePki.ts';

const executablePath = [
  process.env['SIMS_CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => existsSync(path));
const data = process.env['SIMS_DATA'];

/** What the page has under the name of the bundle. */
interface Bundle {
  verifyBatch: typeof verifyBatch;
}

describe.skipIf(executablePath === undefined)('in a browser (needs Chromium)', () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const entry = new URL('../../src/cc/index.ts', import.meta.url).pathname;
    const bundle = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'cc',
      platform: 'browser',
    });
    server = createServer((_, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>cc</title>'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.addScriptTag({ content: bundle.outputFiles[0]!.text });
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const inPage = (cases: unknown): Promise<readonly Omit<BatchVerdict, 'ms'>[]> =>
    page.evaluate(async (each) => {
      const { cc } = globalThis as unknown as { cc: Bundle };
      const lines = [];
      const none = (): undefined => undefined;
      for await (const { case: name, valid, reasons } of cc.verifyBatch(each, { certificate: none, crl: none }))
        lines.push({ case: name, valid, reasons });
      return lines;
    }, cases);

  const here = async (cases: unknown): Promise<readonly Omit<BatchVerdict, 'ms'>[]> => {
    const lines = [];
    const none = (): undefined => undefined;
    for await (const { case: name, valid, reasons } of verifyBatch(cases, { certificate: none, crl: none }))
      lines.push({ case: name, valid, reasons });
    return lines;
  };

  it('verifies every signature scheme, and a list', async () => {
    const kinds = ['P-256', 'P-384', 'P-521', 'Ed25519', 'RSA', 'RSA-PSS'] as const;
    const testcases = kinds.flatMap((kind) => {
      const root = pki.root('Root', pki.makeKey(kind));
      const person = pki.leaf('Person', root);
      const base = {
        validation_kind: 'CLIENT',
        trusted_certs: [pki.pem(root.der)],
        untrusted_intermediates: [],
        validation_time: new Date(AT).toISOString(),
      };
      const changed = person.der.slice();
      changed[changed.length - 5]! ^= 1;
      return [
        {
          ...base,
          id: `good::${kind}`,
          peer_certificate: pki.pem(person.der),
          crls: [pki.pem(pki.crl(root), 'X509 CRL')],
        },
        { ...base, id: `bad::${kind}`, peer_certificate: pki.pem(changed) },
      ];
    });
    const verdicts = await inPage({ testcases });
    expect(verdicts.map((each) => [each.case, each.valid])).toEqual(
      testcases.map((each) => [each.id, each.id.startsWith('good')]),
    );
  });

  it.skipIf(data === undefined)('decides x509-limbo as Node does (needs SIMS_DATA)', async () => {
    const cases: unknown = JSON.parse(readFileSync(join(data!, 'limbo/limbo.json'), 'utf8'));
    expect(await inPage(cases)).toEqual(await here(cases));
  });
});
