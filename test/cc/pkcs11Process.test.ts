import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listTokens, openCard } from '../../src/cc/pkcs11/index.ts';
import { startCryptokiProcess } from '../../src/cc/pkcs11/process.ts';
import { pkcs11js } from './softHsm.ts';

const unlimited = new AbortController().signal;
let folder: string;
let module: string;

/** A package in place of pkcs11js, so that what a native module does to its process can be shown. */
function fakePackage(name: string, body: string): string {
  const path = join(folder, name, 'index.cjs');
  mkdirSync(join(folder, name));
  writeFileSync(
    path,
    `const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60000);
     const refuse = (code) => { throw Object.assign(new Error('CKR'), { code }); };
     class PKCS11 {
       load() {} C_Initialize() {} C_Finalize() {}
       C_GetSlotList() { return [Buffer.from([1])]; }
       C_GetTokenInfo() { return { label: 'T', manufacturerID: 'M', model: 'X', serialNumber: '1', flags: 1024 }; }
       C_SignInit() {} C_Sign(session, data, room) { room.fill(7); return room.subarray(0, 64); }
       ${body}
     }
     module.exports = { PKCS11, CK_PARAMS_RSA_PSS: 1 };`,
  );
  return path;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sims-p11-'));
  module = join(folder, 'module.so');
  writeFileSync(module, 'no library at all');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a PKCS #11 module that cannot be used', () => {
  it('is missing', async () => {
    const absent = join(folder, 'absent.so');
    await expect(listTokens({ module: absent })).rejects.toMatchObject({
      code: 'card/module-missing',
      message: expect.stringContaining(absent) as string,
    });
  });

  it('has no pkcs11js: the command to install it is named', async () => {
    const listing = listTokens({ module, pkcs11js: 'pkcs11js-of-nobody' });
    await expect(listing).rejects.toMatchObject({
      code: 'card/pkcs11js-missing',
      message: expect.stringContaining('npm install pkcs11js') as string,
    });
  });

  it('has a pkcs11js that was not built: npm\u2019s blocked scripts are named', async () => {
    const path = join(folder, 'unbuilt', 'index.js');
    mkdirSync(join(folder, 'unbuilt'));
    writeFileSync(path, 'module.exports = require("./build/Release/pkcs11.node");');
    await expect(openCard({ module, pkcs11js: path })).rejects.toMatchObject({
      code: 'card/pkcs11js-not-built',
      message: expect.stringMatching(
        /install scripts.*npm install-scripts approve pkcs11js.*npm rebuild pkcs11js/,
      ) as string,
    });
  });

  it.skipIf(pkcs11js === undefined)('is no library (needs pkcs11js, built)', async () => {
    await expect(listTokens({ module, pkcs11js: pkcs11js! })).rejects.toMatchObject({
      code: 'card/module-unusable',
      message: expect.stringContaining(module) as string,
    });
  });

  it('fails to initialise', async () => {
    const failing = fakePackage('failing', 'C_Initialize() { refuse(0x30); }');
    await expect(listTokens({ module, pkcs11js: failing })).rejects.toMatchObject({ code: 'card/module-unusable' });
  });
});

describe('the process of a module', () => {
  const start = (body: string, name: string) =>
    startCryptokiProcess({ module, pkcs11js: fakePackage(name, body) }, unlimited);

  it('answers with values and return values', async () => {
    const cryptoki = await start(
      'C_OpenSession() { refuse(0xe0); } C_Login() { throw new Error("odd"); }',
      'answering',
    );
    const slots = await cryptoki.call('C_GetSlotList');
    const slot = slots.ok ? slots.value[0] : undefined;
    expect(await cryptoki.call('C_GetTokenInfo', slot!)).toMatchObject({
      ok: true,
      value: { label: 'T', manufacturer: 'M' },
    });
    expect(await cryptoki.call('C_OpenSession', slot!)).toEqual({
      ok: false,
      returnValue: 0xe0,
      during: 'C_OpenSession',
    });
    expect(await cryptoki.call('C_Login', slot!, '1')).toEqual({ ok: false, returnValue: 0x06, during: 'C_Login' });
    const signed = await cryptoki.call('C_Sign', slot!, { type: 0x1041, isPss: false }, slot!, new Uint8Array(32));
    expect(signed.ok && signed.value.length).toBe(64);
    await cryptoki.close();
    await expect(cryptoki.call('C_GetSlotList')).rejects.toMatchObject({ code: 'card/closed' });
    await cryptoki.close();
  });

  it('takes a module that is initialised already, and leaves the end to whoever did it', async () => {
    const body = `C_Initialize() { refuse(0x191); } C_Finalize() { require('node:fs').writeFileSync(${JSON.stringify(join(folder, 'finalized'))}, ''); }`;
    const cryptoki = await start(body, 'initialised');
    await cryptoki.close();
    expect(readdirSync(folder)).not.toContain('finalized');
    const own = await start(body.replace('refuse(0x191);', ''), 'finalising');
    await own.close();
    expect(readdirSync(folder)).toContain('finalized');
  });

  it('leaves the application free while the module blocks, and is killed with the wait', async () => {
    const cryptoki = await start('C_Login() { block(); }', 'blocking');
    const session = Uint8Array.of(1);
    const blocked = cryptoki.call('C_Login', session, '1');
    let ticks = 0;
    const ticking = setInterval(() => (ticks += 1), 5);
    await new Promise((resolve) => setTimeout(resolve, 100));
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(5);
    cryptoki.stop(new Error('enough'));
    await expect(blocked).rejects.toThrow('enough');
    expect(cryptoki.isStopped).toBe(true);
    await cryptoki.close();
  });

  it.skipIf(process.platform === 'win32')(
    'is killed with the dialog that it opened (needs process groups)',
    async () => {
      const pidFile = join(folder, 'dialog.pid');
      const body = `C_Login() {
      const { pid } = require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' });
      require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(pid));
      block();
    }`;
      const cryptoki = await start(body, 'dialog');
      const blocked = cryptoki.call('C_Login', Uint8Array.of(1), '1');
      await expect.poll(() => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '').toBe(true);
      const state = (): string =>
        spawnSync('ps', ['-o', 'stat=', '-p', readFileSync(pidFile, 'utf8')]).stdout.toString();
      expect(state()).not.toBe('');
      cryptoki.stop(new Error('enough'));
      await expect(blocked).rejects.toThrow('enough');
      // Gone, or a zombie that nobody has collected.
      await expect.poll(state).toMatch(/^(Z.*)?\s*$/);
    },
  );

  it('takes nothing with it when it crashes', async () => {
    const cryptoki = await start('C_Login() { process.abort(); }', 'crashing');
    await expect(cryptoki.call('C_Login', Uint8Array.of(1), '1')).rejects.toMatchObject({
      code: 'card/device',
      message: expect.stringContaining('SIGABRT') as string,
    });
    await expect(cryptoki.call('C_GetSlotList')).rejects.toMatchObject({ code: 'card/device' });
  });

  it('is given up when it takes too long to start', async () => {
    const slow = fakePackage('slow', 'C_Initialize() { block(); }');
    const starting = startCryptokiProcess({ module, pkcs11js: slow }, AbortSignal.timeout(200));
    await expect(starting).rejects.toMatchObject({ code: 'card/timeout' });
  });

  it('does not keep an idle application alive', () => {
    const idle = fakePackage('idle', '');
    const program = `
      const { startCryptokiProcess } = await import(${JSON.stringify(new URL('../../src/cc/pkcs11/process.ts', import.meta.url).href)});
      const cryptoki = await startCryptokiProcess({ module: ${JSON.stringify(module)}, pkcs11js: ${JSON.stringify(idle)} }, new AbortController().signal);
      await cryptoki.call('C_GetSlotList');
      console.log('done');`;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      timeout: 20_000,
    });
    expect([stdout.toString().trim(), status]).toEqual(['done', 0]);
  });
});
