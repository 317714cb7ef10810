import { execFileSync } from 'node:child_process';
import { createHmac, pbkdf2Sync, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concat, utf8 } from '../../src/bytes.ts';
import { integer, nullValue, objectIdentifier, octetString, sequence } from '../../src/cc/createDer.ts';
import { DerReader, TAG } from '../../src/cc/certificateDer.ts';
import { openPkcs12 } from '../../src/cc/pkcs12.ts';
import { derFromBer } from '../../src/cc/pkcs12Ber.ts';
import { createPkcs12, pemOf } from '../../src/cc/pkcs12Create.ts';
import { createTestPerson, createTestPki, type TestPerson, type TestPki } from '../../src/cc/testPki.ts';
import { SimsError } from '../../src/errors.ts';
import { testSigner } from '../../src/testing/signerConformance.ts';

const password = 'pássword 1';
let hasOpenssl = true;
try {
  execFileSync('openssl', ['version'], { stdio: 'ignore' });
} catch {
  hasOpenssl = false;
}

describe('PKCS #12 files', () => {
  let pki: TestPki;
  let ana: TestPerson;
  let rui: TestPerson;
  let file: Uint8Array;
  let folder: string;

  beforeAll(async () => {
    pki = await createTestPki({ atMs: Date.now(), authorityRsaBits: 2048 });
    ana = await createTestPerson(pki, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '11111111' });
    rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
    file = await createPkcs12({ privateKey: rui.key.privateKey, chain: rui.chain, password, iterations: 2000 });
    folder = mkdtempSync(join(tmpdir(), 'sims-p12-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const opensslExport = (person: TestPerson, ...args: string[]): Uint8Array => {
    const key = write('key.pem', pemOf('PRIVATE KEY', person.key.privateKey));
    const chain = write('chain.pem', pemOf('CERTIFICATE', ...person.chain));
    const out = join(folder, 'made.p12');
    openssl('pkcs12', '-export', '-inkey', key, '-in', chain, '-out', out, '-passout', `pass:${password}`, ...args);
    return readFileSync(out);
  };

  it('open to a signer that a user could have written', async () => {
    for (const person of [ana, rui]) {
      const made = await createPkcs12({
        privateKey: person.key.privateKey,
        chain: person.chain,
        password,
        iterations: 2000,
      });
      const signer = await openPkcs12(made, { password });
      expect(signer.chain).toEqual(person.chain);
      expect(signer.algorithms).toEqual(person === ana ? ['PS256', 'RS256'] : ['ES256']);
      await testSigner(signer);
      expect(inspect(signer, { depth: 9 })).not.toContain(password);
    }
  });

  it('signs what node:crypto verifies', async () => {
    const signer = await openPkcs12(file, { password });
    const { signature } = await signer.sign(utf8('olá'));
    const { publicKey } = new X509Certificate(rui.certificate);
    expect(verify('sha256', utf8('olá'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    await signer.close();
    await expect(signer.sign(utf8('olá'))).rejects.toMatchObject({ code: 'card/closed' });
  });

  it.skipIf(!hasOpenssl)('from openssl open in every modern form (needs openssl)', async () => {
    const forms = [
      [],
      ['-macalg', 'sha512'],
      ['-macalg', 'sha1'],
      ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-192-CBC'],
      ['-certpbe', 'NONE'],
      ['-nomac'],
      ['-iter', '1'],
      ['-name', 'Não sei'],
    ];
    for (const form of forms) {
      const signer = await openPkcs12(opensslExport(rui, ...form), { password });
      expect(signer.chain[0], form.join(' ')).toEqual(rui.certificate);
    }
    expect((await openPkcs12(opensslExport(ana), { password })).algorithms).toContain('RS256');
  });

  it.skipIf(!hasOpenssl)('made here are read by openssl (needs openssl)', () => {
    const path = write('ours.p12', file);
    const pem = openssl('pkcs12', '-in', path, '-passin', `pass:${password}`, '-nodes').toString();
    expect(pem.match(/BEGIN CERTIFICATE/g)).toHaveLength(3);
    expect(pem).toContain('BEGIN PRIVATE KEY');
  });

  it.skipIf(!hasOpenssl)(
    'encrypted with RC2 or triple DES are refused with the way out named (needs openssl)',
    async () => {
      for (const form of [
        ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES'],
        ['-keypbe', 'DES-EDE3-CBC', '-certpbe', 'NONE'],
      ]) {
        const old = opensslExport(rui, ...form);
        await expect(openPkcs12(old, { password })).rejects.toMatchObject({
          code: 'cc/pkcs12-legacy',
          message: expect.stringContaining('openssl pkcs12') as string,
        });
      }
    },
  );

  it('refuse a wrong password, also an empty one', async () => {
    for (const wrong of ['', 'password 1', `${password} `]) {
      await expect(openPkcs12(file, { password: wrong })).rejects.toMatchObject({ code: 'cc/pkcs12-password' });
    }
    const unlocked = await createPkcs12({
      privateKey: rui.key.privateKey,
      chain: rui.chain,
      password: '',
      iterations: 1,
    });
    expect((await openPkcs12(unlocked, { password: '' })).algorithms).toEqual(['ES256']);
  });

  it('with PBMAC1 open', async () => {
    const outer = new DerReader(file).enter(TAG.sequence);
    outer.natural();
    const contentInfo = outer.raw(TAG.sequence);
    const reader = new DerReader(contentInfo).enter(TAG.sequence);
    reader.objectIdentifier();
    const authenticatedSafe = reader.enter(0xa0).take(TAG.octetString);
    const made = (guess: string): Uint8Array => {
      const salt = utf8('salt and pepper!');
      const key = pbkdf2Sync(guess, salt, 1000, 32, 'sha256');
      const hmacSha256 = sequence(objectIdentifier('1.2.840.113549.2.9'), nullValue());
      const derivation = sequence(
        objectIdentifier('1.2.840.113549.1.5.12'),
        sequence(octetString(salt), integer(1000), integer(32), hmacSha256),
      );
      const algorithm = sequence(objectIdentifier('1.2.840.113549.1.5.14'), sequence(derivation, hmacSha256));
      const mac = createHmac('sha256', key).update(authenticatedSafe).digest();
      return sequence(
        integer(3),
        contentInfo,
        sequence(sequence(algorithm, octetString(mac)), octetString(utf8('NOT USED')), integer(1)),
      );
    };
    expect((await openPkcs12(made(password), { password })).chain).toEqual(rui.chain);
    await expect(openPkcs12(made('another'), { password })).rejects.toMatchObject({ code: 'cc/pkcs12-password' });
  });

  it('open in BER, with indefinite lengths and strings in pieces', async () => {
    const asBer = (der: Uint8Array): Uint8Array => {
      const reader = new DerReader(der);
      reader.next();
      const contents = der.subarray(reader.content, reader.stop);
      const end = new Uint8Array(2);
      if (reader.tag === TAG.octetString && contents.length > 1) {
        const [first, second] = [contents.subarray(0, 1), contents.subarray(1)];
        return concat(Uint8Array.of(0x24, 0x80), octetString(first), octetString(second), end);
      }
      if ((reader.tag & 0x20) === 0) return der;
      const parts: Uint8Array[] = [];
      for (const inner = new DerReader(contents); !inner.done;) parts.push(asBer(inner.raw()));
      return concat(Uint8Array.of(reader.tag, 0x80), ...parts, end);
    };
    const ber = asBer(file);
    expect(derFromBer(ber)).toEqual(file);
    expect((await openPkcs12(ber, { password })).chain).toEqual(rui.chain);
  });

  it('without the key of their certificate are told apart', async () => {
    const mismatched = await createPkcs12({
      privateKey: ana.key.privateKey,
      chain: rui.chain,
      password,
      iterations: 1,
    });
    await expect(openPkcs12(mismatched, { password })).rejects.toMatchObject({ code: 'cc/pkcs12-no-key' });
    const bare = await createPkcs12({ privateKey: rui.key.privateKey, chain: [], password, iterations: 1 });
    await expect(openPkcs12(bare, { password })).rejects.toMatchObject({ code: 'cc/pkcs12-no-key' });
  });

  it('cut short, changed or hostile give a listed code and nothing else', async () => {
    const contents = { privateKey: rui.key.privateKey, chain: rui.chain, password };
    const quick = await createPkcs12({ ...contents, iterations: 1, macIterations: 1 });
    const hostile: Uint8Array[] = [
      new Uint8Array(0),
      new Uint8Array(100),
      utf8('not a file'),
      new Uint8Array(5_000_000),
    ];
    for (let length = 1; length < quick.length; length += 37) hostile.push(quick.subarray(0, length));
    for (let at = 0; at < quick.length; at += 7) hostile.push(quick.with(at, quick[at]! ^ 0xff));
    hostile.push(
      new Uint8Array(100_000).fill(0x30),
      Uint8Array.from({ length: 100_000 }, (_, at) => (at % 2 === 0 ? 0x30 : 0x80)),
    );
    let opened = 0;
    for (const bytes of hostile) {
      try {
        await openPkcs12(bytes, { password });
        opened += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(SimsError);
        expect((error as SimsError).code).toMatch(/^cc\/pkcs12-/);
      }
    }
    expect(opened).toBe(0);
  });

  it('with a cost beyond all reason are refused at once', async () => {
    const dear = await createPkcs12({ privateKey: rui.key.privateKey, chain: rui.chain, password, iterations: 1 });
    const reader = new DerReader(dear).enter(TAG.sequence);
    reader.natural();
    const contentInfo = reader.raw();
    const macData = reader.enter(TAG.sequence);
    const hugeMac = sequence(macData.raw(), macData.raw(), integer(2 ** 31 - 1));
    await expect(openPkcs12(sequence(integer(3), contentInfo, hugeMac), { password })).rejects.toMatchObject({
      code: 'cc/pkcs12-unsupported',
    });
  });
});
