import { constants, createHash, verify, X509Certificate } from 'node:crypto';
import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { citizenCard, listTokens, openCard, watchTokens, type OpenCardOptions } from '../../src/cc/pkcs11/index.ts';
import type { Answer, Cryptoki, CryptokiName, StartCryptoki } from '../../src/cc/pkcs11/cryptoki.ts';
import { startCryptokiProcess } from '../../src/cc/pkcs11/process.ts';
import type { PinRequest, SignerEvent } from '../../src/cc/signer.ts';
import { createTestPerson, createTestPki, type TestPerson, type TestPki } from '../../src/cc/testPki.ts';
import { testSigner } from '../../src/testing/signerConformance.ts';
import { createSoftHsm, missingForCards, PIN, pkcs11js, type SoftHsm } from './softHsm.ts';

const needs = missingForCards === '' ? '' : ` (needs ${missingForCards})`;

describe.skipIf(missingForCards !== '')(`cards in SoftHSM2${needs}`, () => {
  let hsm: SoftHsm;
  let pki: TestPki;
  let ana: TestPerson;
  let rui: TestPerson;
  const previous = process.env['SOFTHSM2_CONF'];

  const options = (more: OpenCardOptions = {}): OpenCardOptions => ({
    module: hsm.module,
    pkcs11js: pkcs11js!,
    pin: () => PIN,
    ...more,
  });

  beforeAll(async () => {
    pki = await createTestPki({ atMs: Date.now(), authorityRsaBits: 2048 });
    ana = await createTestPerson(pki, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '11111111' });
    rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
    const signature = await createTestPerson(pki, {
      generation: 'v2',
      givenName: 'Rui',
      surname: 'Sá',
      civilNumber: '22222222',
      use: 'signature',
    });
    hsm = createSoftHsm();
    process.env['SOFTHSM2_CONF'] = hsm.configuration;
    hsm.initToken('CARTAO DE CIDADAO');
    hsm.put('CARTAO DE CIDADAO', ana);
    hsm.putCertificate('CARTAO DE CIDADAO', ana.chain[1]!, 'AUTHENTICATION SUB CA', '51');
    hsm.putCertificate('CARTAO DE CIDADAO', ana.chain[2]!, 'ROOT CA', '50');
    hsm.putCertificate('CARTAO DE CIDADAO', pki.root.certificate, 'ANCHOR', '52');
    hsm.initToken('CARTAO DE CIDADAO 2');
    // The number as libpteidpkcs11 stores it on Linux.
    hsm.put('CARTAO DE CIDADAO 2', rui, '4500000000000000');
    hsm.put('CARTAO DE CIDADAO 2', signature);
  });
  afterAll(() => {
    hsm.remove();
    if (previous === undefined) delete process.env['SOFTHSM2_CONF'];
    else process.env['SOFTHSM2_CONF'] = previous;
  });

  it('are listed with what each would log in with', async () => {
    const tokens = await listTokens(options());
    const chosen = tokens.map(({ token, chosen: entry }) => [token.label, entry?.label, entry?.certificate.commonName]);
    expect(chosen.sort(([left], [right]) => left!.localeCompare(right!))).toEqual([
      ['CARTAO DE CIDADAO', 'CITIZEN AUTHENTICATION CERTIFICATE', 'ANA MAIA'],
      ['CARTAO DE CIDADAO 2', 'CITIZEN AUTHENTICATION CERTIFICATE', 'RUI SÁ'],
    ]);
    expect(tokens.find(({ token }) => token.label.endsWith('2'))!.certificates).toHaveLength(2);
  });

  it('of the first generation sign with RSA-3072 and bring their chain', async () => {
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO' }));
    expect(card.chain).toEqual(ana.chain);
    expect(card.algorithms).toEqual(['PS256', 'RS256']);
    const { publicKey } = new X509Certificate(card.chain[0]!);
    const pss = await card.sign(utf8('olá'), { algorithm: 'PS256' });
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(verify('sha256', utf8('olá'), { key: publicKey, ...padding }, pss.signature)).toBe(true);
    const pkcs1 = await card.sign(utf8('olá'), { algorithm: 'RS256' });
    expect(verify('sha256', utf8('olá'), publicKey, pkcs1.signature)).toBe(true);
    expect(pkcs1.signature).toHaveLength(384);
    await card.close();
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/closed' });
  });

  it('that pad for PSS without hashing are given the hash', async () => {
    const startForTesting: StartCryptoki = async (signal) => {
      const cryptoki = await startCryptokiProcess({ module: hsm.module, pkcs11js: pkcs11js! }, signal);
      const forward = cryptoki.call.bind(cryptoki) as (
        name: CryptokiName,
        ...all: unknown[]
      ) => Promise<Answer<unknown>>;
      const call = async (name: CryptokiName, ...parameters: unknown[]): Promise<Answer<unknown>> => {
        const answer = await forward(name, ...parameters);
        if (name !== 'C_GetMechanismList' || !answer.ok) return answer;
        // Leaves CKM_RSA_PKCS_PSS alone.
        return { ok: true, value: (answer.value as number[]).filter((type) => type === 0x0d) };
      };
      return {
        call: call as Cryptoki['call'],
        isStopped: false,
        stop: (error) => cryptoki.stop(error),
        close: () => cryptoki.close(),
      };
    };
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO', startForTesting }));
    expect(card.algorithms).toEqual(['PS256']);
    await card.sign(utf8('olá'));
    await card.close();
  });

  it('of the second generation sign with P-256 and bring no intermediates', async () => {
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO 2' }));
    expect(card.chain).toEqual([rui.certificate]);
    const { algorithm, signature } = await card.sign(utf8('olá'));
    expect([algorithm, signature.length]).toEqual(['ES256', 64]);
    const { publicKey } = new X509Certificate(rui.certificate);
    expect(verify('sha256', utf8('olá'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    await card.close();
  });

  it('pass the conformance suite of signers', async () => {
    for (const token of ['CARTAO DE CIDADAO', 'CARTAO DE CIDADAO 2']) {
      const card = await openCard(options({ token }));
      await expect(testSigner(card)).resolves.toBeUndefined();
      await card.close();
    }
  });

  it('take what the citizen card takes for its access number, and no PIN, by its profile', async () => {
    let asked = 0;
    const can = (): string => {
      asked += 1;
      return PIN;
    };
    const pin = (): never => {
      throw new Error('the middleware asks for the PIN itself');
    };
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO 2', profile: citizenCard, can, pin }));
    await card.sign(utf8('olá'));
    expect(asked).toBe(2);
    await card.close();
    const none = openCard({
      module: hsm.module,
      pkcs11js: pkcs11js!,
      profile: citizenCard,
      token: 'CARTAO DE CIDADAO 2',
    });
    await expect(none).rejects.toMatchObject({ code: 'card/can-required' });
  });

  it('are told apart: without a name two are too many, and a wrong name finds none', async () => {
    await expect(openCard(options())).rejects.toMatchObject({
      code: 'card/no-certificate',
      message: expect.stringMatching(/^2 cards fit(?=.*"CARTAO DE CIDADAO")(?=.*"CARTAO DE CIDADAO 2")/) as string,
    });
    await expect(openCard(options({ token: 'another' }))).rejects.toMatchObject({
      code: 'card/no-card',
      message: expect.stringContaining('"CARTAO DE CIDADAO 2"') as string,
    });
  });

  it('ask again after a wrong PIN, then sign', async () => {
    const requests: PinRequest[] = [];
    const answers = ['9999', PIN];
    const pin = (request: PinRequest): Promise<string | undefined> => {
      requests.push(request);
      return Promise.resolve(answers.shift());
    };
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO 2', pin }));
    await card.sign(utf8('olá'));
    expect(requests.map(({ tokenLabel, retry }) => [tokenLabel, retry])).toEqual([
      ['CARTAO DE CIDADAO 2', false],
      ['CARTAO DE CIDADAO 2', true],
    ]);
    await card.close();
  });

  it('do not try a refused PIN a second time, nor a fourth one', async () => {
    const wrong = await openCard(options({ token: 'CARTAO DE CIDADAO 2', pin: () => '0000' }));
    await expect(wrong.sign(utf8('olá'))).rejects.toMatchObject({
      code: 'card/pin-wrong',
      message: expect.not.stringContaining('0000') as string,
    });
    await wrong.close();
    let next = 5000;
    const guessing = await openCard(options({ token: 'CARTAO DE CIDADAO 2', pin: () => String((next += 1)) }));
    await expect(guessing.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/pin-wrong' });
    expect(next).toBe(5003);
    await guessing.close();
  });

  it('end with a sentence where the PIN is not given', async () => {
    const silent = await openCard(options({ token: 'CARTAO DE CIDADAO 2', pin: () => undefined }));
    await expect(silent.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/cancelled' });
    await silent.close();
    const { pin: _, ...without } = options({ token: 'CARTAO DE CIDADAO 2' });
    const none = await openCard(without);
    await expect(none.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/pin-required' });
    await none.close();
  });

  it('can be cancelled and time out at the PIN, and work afterwards', async () => {
    let isPatient = false;
    let lastSignal: AbortSignal | undefined;
    const pin = ({ signal }: PinRequest): Promise<string> => {
      lastSignal = signal;
      return isPatient ? Promise.resolve(PIN) : new Promise(() => undefined);
    };
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO 2', pin }));
    const started = Date.now();
    await expect(card.sign(utf8('a'), { signal: AbortSignal.timeout(150) })).rejects.toMatchObject({
      code: 'card/timeout',
    });
    expect(Date.now() - started).toBeLessThan(5000);
    expect(lastSignal?.aborted).toBe(true);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 150);
    await expect(card.sign(utf8('b'), { signal: controller.signal })).rejects.toMatchObject({ code: 'card/cancelled' });
    isPatient = true;
    await card.sign(utf8('c'));
    await card.close();
  });

  it('never use the signature key, even when it is the only one', async () => {
    const signature = await createTestPerson(pki, {
      generation: 'v2',
      givenName: 'Eva',
      surname: 'Luz',
      civilNumber: '3',
      use: 'signature',
    });
    hsm.initToken('SIGNATURE ONLY');
    hsm.put('SIGNATURE ONLY', signature);
    for (const profile of [undefined, citizenCard]) {
      const more = profile === undefined ? {} : { profile, can: () => PIN };
      await expect(openCard(options({ token: 'SIGNATURE ONLY', ...more }))).rejects.toMatchObject({
        code: 'card/no-certificate',
      });
    }
  });

  it('with another key than their certificate say so after one signature', async () => {
    const other = await createTestPerson(pki, {
      generation: 'v2',
      givenName: 'Ivo',
      surname: 'Cruz',
      civilNumber: '4',
    });
    hsm.initToken('MIXED');
    hsm.put('MIXED', { ...other, certificate: rui.certificate });
    const card = await openCard(options({ token: 'MIXED' }));
    await expect(card.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/key-mismatch' });
    await card.close();
  });

  it('show neither PIN nor person when they are printed', async () => {
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO 2' }));
    const printed = inspect(card, { depth: 9 }) + JSON.stringify({ ...card, chain: undefined });
    expect(printed).not.toContain(PIN);
    expect(printed).not.toContain('RUI');
    await card.close();
  });

  it('are noticed when they are there from the start', async () => {
    const events: SignerEvent[] = [];
    await new Promise<void>((resolve) => {
      const stop = watchTokens({ ...options(), pollIntervalMs: 50 }, (event) => {
        events.push(event);
        if (events.length < 2) return;
        stop();
        resolve();
      });
    });
    expect(events.every(({ type }) => type === 'inserted')).toBe(true);
  });

  it('taken out while open are reported as removed, and work when they are back', async () => {
    const person = await createTestPerson(pki, { generation: 'v2', givenName: 'Zé', surname: 'Fim', civilNumber: '5' });
    const before = new Set(readdirSync(hsm.tokenFolder));
    hsm.initToken('TAKEN');
    hsm.put('TAKEN', person);
    const name = readdirSync(hsm.tokenFolder).find((each) => !before.has(each))!;
    const inside = join(hsm.tokenFolder, name);
    const outside = join(hsm.tokenFolder, '..', name);
    let isPatient = true;
    const pin = (): Promise<string> => (isPatient ? Promise.resolve(PIN) : new Promise(() => undefined));
    const card = await openCard(options({ token: 'TAKEN', pin }));
    await card.sign(utf8('there'));
    renameSync(inside, outside);
    // SoftHSM looks into its folder only when it starts, and a time-out ends its process.
    isPatient = false;
    await expect(card.sign(utf8('x'), { signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      code: expect.stringMatching(/^card\/(timeout|removed)$/) as string,
    });
    isPatient = true;
    await expect(card.sign(utf8('gone'))).rejects.toMatchObject({ code: 'card/removed' });
    await expect(openCard(options({ token: 'TAKEN' }))).rejects.toMatchObject({ code: 'card/no-card' });
    renameSync(outside, inside);
    await card.close();
    const again = await openCard(options({ token: 'TAKEN' }));
    await again.sign(utf8('back'));
    await again.close();
  });

  it('give signatures over what was given, whatever happens to the caller\u2019s memory meanwhile', async () => {
    const card = await openCard(options({ token: 'CARTAO DE CIDADAO 2' }));
    const bytes = utf8('as it was');
    const signing = card.sign(bytes);
    bytes.fill(0);
    const { signature } = await signing;
    const { publicKey } = new X509Certificate(rui.certificate);
    expect(createHash('sha256').update(bytes).digest()).not.toEqual(createHash('sha256').update('as it was').digest());
    expect(verify('sha256', utf8('as it was'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    await card.close();
  });
});
