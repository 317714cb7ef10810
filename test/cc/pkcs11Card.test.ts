import { verify, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { openCard, type OpenCardOptions } from '../../src/cc/pkcs11/index.ts';
import { citizenCard, citizenCardOpenSc, generic, idNumber, profileOf } from '../../src/cc/pkcs11/profiles.ts';
import { findModule } from '../../src/cc/pkcs11/modules.ts';
import { watchTokens, listTokens } from '../../src/cc/pkcs11/card.ts';
import type { CanRequest, PinRequest, SignerEvent } from '../../src/cc/signer.ts';
import { createTestPerson, createTestPki, type TestPerson, type TestPki } from '../../src/cc/testPki.ts';
import { testSigner } from '../../src/testing/signerConformance.ts';
import { certificateObject, nativeUlong, objectsOf, scriptCard, startScripted, type Script } from './pkcs11Scripted.ts';

const LOGIN_REQUIRED = 0x404;

let pki: TestPki;
let rui: TestPerson;
let qualified: TestPerson;

beforeAll(async () => {
  pki = await createTestPki({ atMs: Date.now(), authorityRsaBits: 2048, generations: ['v2'] });
  const person = { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' } as const;
  rui = await createTestPerson(pki, person);
  qualified = await createTestPerson(pki, { ...person, use: 'signature' });
});

function options(script: Script, more: OpenCardOptions = {}): OpenCardOptions {
  return { module: 'scripted', profile: citizenCard, startForTesting: startScripted(script), ...more };
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}

describe('the citizen card by a scripted module', () => {
  it('signs without a PIN of ours: its middleware asks', async () => {
    const script = scriptCard(rui);
    const card = await openCard(options(script, { pin: never }));
    const { signature } = await card.sign(utf8('olá'));
    const { publicKey } = new X509Certificate(rui.certificate);
    expect(verify('sha256', utf8('olá'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    expect(script.calls).not.toContain('C_Login');
    await testSigner(card);
    await card.close();
    expect(script.closes).toBe(1);
  });

  it('brings no intermediates in its second generation, and those there are otherwise', async () => {
    const bare = await openCard(options(scriptCard(rui)));
    expect(bare.chain).toEqual([rui.certificate]);
    const script = scriptCard(rui);
    // In any order, beside others, and without the root.
    script.objects.unshift(certificateObject('ROOT', pki.root.certificate));
    script.objects.push(certificateObject('CA', rui.chain[2]!), certificateObject('SUB CA', rui.chain[1]!));
    const full = await openCard(options(script));
    expect(full.chain).toEqual(rui.chain);
  });

  it('is found by label or number, in every width of CKA_ID, with padded certificates', async () => {
    for (const id of [nativeUlong(0x45, 1), nativeUlong(0x45, 4), nativeUlong(0x45, 8), new Uint8Array(0)]) {
      const card = await openCard(options(scriptCard(rui, { objects: objectsOf(rui, id) })));
      await card.sign(utf8('olá'));
    }
    const [certificate, key] = objectsOf(rui, nativeUlong(0x45, 8));
    const padded = {
      ...certificate!,
      label: 'Citizen Auth',
      value: Buffer.concat([rui.certificate, Buffer.alloc(40)]),
    };
    const mixed = { ...key!, label: 'Auth', id: nativeUlong(0x45, 1) };
    const card = await openCard(options(scriptCard(rui, { objects: [padded, mixed] })));
    expect(card.chain).toEqual([rui.certificate]);
    await card.sign(utf8('olá'));
  });

  it('never signs with the signature key', async () => {
    const only = scriptCard(qualified);
    await expect(openCard(options(only))).rejects.toMatchObject({ code: 'card/no-certificate' });
    // Also where its objects carry the labels and numbers of the other key.
    const [certificate, key] = objectsOf(qualified, nativeUlong(0x45, 8));
    const disguised = [
      { ...certificate!, label: 'CITIZEN AUTHENTICATION CERTIFICATE' },
      { ...key!, label: 'CITIZEN AUTHENTICATION KEY' },
    ];
    const liar = scriptCard(qualified, { objects: disguised });
    await expect(openCard(options(liar))).rejects.toMatchObject({ code: 'card/no-certificate' });
    const both = scriptCard(rui, {
      objects: [...objectsOf(qualified, nativeUlong(0x46, 8)), ...objectsOf(rui, nativeUlong(0x45, 8))],
    });
    const card = await openCard(options(both));
    await card.sign(utf8('olá'));
    expect(card.chain[0]).toEqual(rui.certificate);
    expect([...only.calls, ...liar.calls]).not.toContain('C_Sign');
  });

  it('asks for the access number only where the card wants a login, at opening and at each signature', async () => {
    const requests: CanRequest[] = [];
    const can = (request: CanRequest): string => {
      requests.push(request);
      return '123456';
    };
    const script = scriptCard(rui, { flags: LOGIN_REQUIRED, onLogin: (secret) => (secret === '123456' ? 0 : 0xa0) });
    const card = await openCard(options(script, { can }));
    await card.sign(utf8('olá'));
    expect(requests.map(({ retry, tokenLabel }) => [retry, tokenLabel])).toEqual([
      [false, 'CARTAO DE CIDADAO'],
      [false, 'CARTAO DE CIDADAO'],
    ]);
    await expect(openCard(options(script))).rejects.toMatchObject({ code: 'card/can-required' });
    const wrong = openCard(options(script, { can: () => '000000' }));
    await expect(wrong).rejects.toMatchObject({ code: 'card/can-wrong' });
    await expect(openCard(options(script, { can: () => undefined }))).rejects.toMatchObject({ code: 'card/cancelled' });
  });

  it('says what its return values mean', async () => {
    const meanings: [number, string][] = [
      [0xa0, 'card/pin-wrong'],
      [0xa4, 'card/pin-locked'],
      [0x50, 'card/cancelled'],
      [0x70, 'card/mechanism'],
      [0x30, 'card/device'],
      [0x06, 'card/device'],
      [0x12345, 'card/device'],
    ];
    for (const [returnValue, code] of meanings) {
      const card = await openCard(options(scriptCard(rui, { onSign: () => returnValue })));
      await expect(card.sign(utf8('olá'))).rejects.toMatchObject({
        code,
        message: expect.stringContaining(`0x${returnValue.toString(16)}`) as string,
      });
    }
  });

  it('taken out inside the PIN dialog is removed, whatever the return value, and PIN_LOCKED above all', async () => {
    for (const returnValue of [0xa4, 0x32, 0x30, 0xe0, 0xb3]) {
      const script = scriptCard(rui);
      script.onSign = () => {
        script.isPresent = false;
        return returnValue;
      };
      const card = await openCard(options(script));
      await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/removed' });
      await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/removed' });
      // Put back, it goes on.
      script.isPresent = true;
      script.onSign = () => 0;
      await card.sign(utf8('olá'));
    }
  });

  it('replaced by another card of the same name is not signed with', async () => {
    const script = scriptCard(rui);
    const card = await openCard(options(script));
    script.serialNumber = '0002';
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/removed' });
    expect(script.calls).not.toContain('C_Sign');
  });

  it('that is missing, or cannot be read, is told in a sentence', async () => {
    const absent = scriptCard(rui, { isPresent: false });
    await expect(openCard(options(absent))).rejects.toMatchObject({
      code: 'card/no-card',
      message: expect.stringContaining('put one in') as string,
    });
    const locked = scriptCard(rui);
    locked.failing.C_OpenSession = 0xa4;
    await expect(openCard(options(locked))).rejects.toMatchObject({ code: 'card/pin-locked' });
    const broken = scriptCard(rui);
    broken.failing.C_GetSlotList = 0x05;
    await expect(openCard(options(broken))).rejects.toMatchObject({ code: 'card/device' });
    const blank = scriptCard(rui, { objects: [certificateObject('JUNK', Uint8Array.of(0x30, 0x82, 0xff, 0xff))] });
    await expect(openCard(options(blank))).rejects.toMatchObject({ code: 'card/no-certificate' });
    const keyless = scriptCard(rui, { objects: objectsOf(rui, nativeUlong(0x45, 8)).slice(0, 1) });
    const card = await openCard(options(keyless));
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/no-certificate' });
  });

  it('with a dialog left open times out or is cancelled, and the module is ended and started anew', async () => {
    const script = scriptCard(rui, { onSign: never });
    const card = await openCard(options(script, { timeoutMs: 60 }));
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/timeout' });
    expect(script.stops).toBe(1);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 10);
    await expect(card.sign(utf8('olá'), { signal: controller.signal })).rejects.toMatchObject({
      code: 'card/cancelled',
    });
    script.onSign = () => 0;
    await card.sign(utf8('olá'));
    expect(script.starts).toBe(3);
    script.onSign = never;
    const left = card.sign(utf8('olá'), {});
    await Promise.resolve();
    await Promise.all([card.close(), expect(left).rejects.toMatchObject({ code: 'card/closed' })]);
  });

  it('of the first generation signs with PKCS #1 where it has no PSS', async () => {
    const old = await createTestPki({ atMs: Date.now(), authorityRsaBits: 2048, generations: ['v1'] });
    const ana = await createTestPerson(old, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '1' });
    const script = scriptCard(ana, { mechanisms: [0x01, 0x06, 0x40], objects: objectsOf(ana, nativeUlong(0x45, 8)) });
    const card = await openCard(options(script));
    expect(card.algorithms).toEqual(['RS256']);
    const { algorithm, signature } = await card.sign(utf8('olá'));
    expect(algorithm).toBe('RS256');
    expect(verify('sha256', utf8('olá'), new X509Certificate(ana.certificate).publicKey, signature)).toBe(true);
    await expect(card.sign(utf8('olá'), { algorithm: 'PS256' })).rejects.toMatchObject({ code: 'card/mechanism' });
  });

  it('signs one thing at a time; one cancelled in the queue leaves the others', async () => {
    let open = 0;
    let most = 0;
    const script = scriptCard(rui, {
      onSign: async () => {
        open += 1;
        most = Math.max(most, open);
        await new Promise((resolve) => setTimeout(resolve, 20));
        open -= 1;
        return 0;
      },
    });
    const card = await openCard(options(script));
    const controller = new AbortController();
    const first = card.sign(utf8('1'));
    const second = card.sign(utf8('2'), { signal: controller.signal });
    const third = card.sign(utf8('3'));
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'card/cancelled' });
    await Promise.all([first, third]);
    expect([most, script.stops]).toEqual([1, 0]);
  });

  it('logs in once for each signature, and takes the answer to the logout for noise', async () => {
    const script = scriptCard(rui, { flags: LOGIN_REQUIRED, onLogout: () => 0x30 });
    const card = await openCard(options(script, { can: () => '123456' }));
    script.calls.length = 0;
    await card.sign(utf8('1'));
    await card.sign(utf8('2'));
    const steps = script.calls.filter((name) => ['C_Login', 'C_Sign', 'C_CloseSession'].includes(name));
    expect(steps).toEqual(['C_Login', 'C_Sign', 'C_CloseSession', 'C_Login', 'C_Sign', 'C_CloseSession']);
  });
});

describe('other tokens by a scripted module', () => {
  const pinOptions = (script: Script, more: OpenCardOptions): OpenCardOptions =>
    options(script, { profile: generic, ...more });

  it('are asked for the PIN, with the last try told', async () => {
    const requests: PinRequest[] = [];
    const answers = ['1', '2', '1234'];
    const pin = (request: PinRequest): string | undefined => {
      requests.push(request);
      return answers[requests.length - 1];
    };
    const script = scriptCard(rui);
    const card = await openCard(pinOptions(script, { pin }));
    script.flags = LOGIN_REQUIRED;
    script.onLogin = (secret) => {
      if (secret === '1234') return 0;
      script.flags |= secret === '1' ? 0x1_0000 : 0x2_0000;
      return 0xa0;
    };
    await card.sign(utf8('olá'));
    expect(requests.map(({ retry, isTriesLow, triesLeft }) => [retry, isTriesLow, triesLeft])).toEqual([
      [false, false, undefined],
      [true, true, undefined],
      [true, true, 1],
    ]);
  });

  it('that hide their certificates are asked for the PIN when opened', async () => {
    const script = scriptCard(rui, { flags: LOGIN_REQUIRED });
    await expect(openCard(pinOptions(script, {}))).rejects.toMatchObject({ code: 'card/no-certificate' });
    const card = await openCard(pinOptions(script, { pin: () => '1234' }));
    expect(card.chain).toEqual([rui.certificate]);
    await card.sign(utf8('olá'));
  });

  it('that lock while PINs are tried say so and are not asked again', async () => {
    let asked = 0;
    const script = scriptCard(rui);
    const card = await openCard(pinOptions(script, { pin: () => String((asked += 1)) }));
    script.flags = LOGIN_REQUIRED;
    script.onLogin = () => {
      script.flags |= 0x4_0000;
      return 0xa0;
    };
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/pin-locked' });
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/pin-locked' });
    expect(asked).toBe(1);
    script.flags = LOGIN_REQUIRED;
    script.onLogin = () => 0xa4;
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/pin-locked' });
  });

  it('with keys on the reader are not asked for a PIN here', async () => {
    const secrets: string[] = [];
    const script = scriptCard(rui);
    const card = await openCard(pinOptions(script, { pin: never }));
    script.flags = 0x504;
    script.onLogin = (secret) => {
      secrets.push(secret);
      return 0;
    };
    await card.sign(utf8('olá'));
    expect(secrets).toEqual(['']);
  });

  it('that offer no mechanism for their key are told so', async () => {
    const script = scriptCard(rui, { mechanisms: [0x40] });
    await expect(openCard(pinOptions(script, {}))).rejects.toMatchObject({ code: 'card/mechanism' });
  });
});

describe('cards coming and going', () => {
  it('are events of the card that is open', async () => {
    const script = scriptCard(rui);
    const card = await openCard(options(script, { pollIntervalMs: 5 }));
    const events: SignerEvent[] = [];
    const stop = card.subscribe((event) => events.push(event));
    script.isPresent = false;
    await expect.poll(() => events.length, { interval: 5 }).toBe(1);
    script.serialNumber = 'another';
    script.isPresent = true;
    await new Promise((resolve) => setTimeout(resolve, 30));
    script.serialNumber = '0001';
    await expect.poll(() => events.length, { interval: 5 }).toBe(2);
    expect(events.map(({ type }) => type)).toEqual(['removed', 'inserted']);
    stop();
    const { length } = script.calls;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(script.calls.length - length).toBeLessThan(4);
    await card.close();
  });

  it('are events without an open card, also while the module fails', async () => {
    const script = scriptCard(rui, { isPresent: false });
    script.failing.C_GetSlotList = 0x05;
    const events: SignerEvent['type'][] = [];
    const stop = watchTokens({ ...options(script), pollIntervalMs: 5 }, ({ type }) => events.push(type));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toEqual([]);
    delete script.failing.C_GetSlotList;
    script.isPresent = true;
    await expect.poll(() => events.length).toBe(1);
    script.isPresent = false;
    await expect.poll(() => events.length).toBe(2);
    expect(events).toEqual(['inserted', 'removed']);
    stop();
  });
});

describe('lists of cards', () => {
  it('name the certificates, also those that are never used, and choose one', async () => {
    const script = scriptCard(rui, {
      objects: [...objectsOf(qualified, nativeUlong(0x46, 8)), ...objectsOf(rui, nativeUlong(0x45, 8))],
    });
    const [listed] = await listTokens(options(script));
    expect(listed!.token).toMatchObject({
      label: 'CARTAO DE CIDADAO',
      manufacturer: 'Scripted',
      isLoginRequired: false,
    });
    expect(listed!.certificates.map(({ label }) => label)).toHaveLength(2);
    expect(listed!.chosen?.label).toBe('CITIZEN AUTHENTICATION CERTIFICATE');
    expect(script.calls).not.toContain('C_Login');
  });
});

describe('profiles', () => {
  it('are chosen by the name of the module', () => {
    expect(profileOf('/usr/local/lib/libpteidpkcs11.so')).toBe(citizenCard);
    expect(profileOf('C:\\Windows\\System32\\pteidpkcs11.dll')).toBe(citizenCard);
    expect(profileOf('/home/pteid/libsofthsm2.so')).toBe(generic);
  });

  it('find the middleware, else OpenSC, else say where they looked', () => {
    const only =
      (...paths: string[]) =>
      (path: string): boolean =>
        paths.includes(path);
    const own = '/usr/local/lib/libpteidpkcs11.so';
    const openSc = '/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so';
    expect(findModule({}, 'linux', only(own, openSc))).toEqual({ module: own, profile: citizenCard });
    expect(findModule({}, 'linux', only(openSc))).toEqual({ module: openSc, profile: citizenCardOpenSc });
    expect(findModule({ profile: generic }, 'linux', only(openSc)).profile).toBe(generic);
    expect(findModule({}, 'win32', () => true).module).toBe('C:\\Windows\\System32\\pteidpkcs11.dll');
    expect(findModule({}, 'darwin', () => true).module).toBe('/usr/local/lib/libpteidpkcs11.dylib');
    expect(() => findModule({}, 'linux', () => false)).toThrow(/libpteidpkcs11\.so.*opensc-pkcs11\.so.*install it/);
    expect(() => findModule({}, 'sunos', () => true)).toThrow(/nothing on sunos/);
  });

  it('read CKA_ID as a number in every width, and nothing else', () => {
    for (const length of [1, 4, 8] as const) expect(idNumber(nativeUlong(0x45, length))).toBe(0x45);
    expect(idNumber(nativeUlong(0x45, 8).reverse())).toBe(0x45);
    for (const other of [
      [],
      [0],
      [0, 0x45, 0, 0],
      [0x45, 0x45, 0, 0],
      [0x45, 0],
      new Array<number>(20).fill(0).with(0, 0x45),
    ]) {
      expect(idNumber(Uint8Array.from(other))).toBeUndefined();
    }
  });
});
