/** SoftHSM2 in a folder of its own, as cards with certificates of the test PKI. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemOf } from '../../src/cc/pkcs12Create.ts';
import type { TestPerson } from '../../src/cc/testPki.ts';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

/** Path of the module; undefined where SoftHSM2 is not installed. */
export const softHsmModule: string | undefined = MODULES.find((path) => existsSync(path));

/** What to import pkcs11js by; undefined where it is not installed and built. */
export const pkcs11js: string | undefined = findPkcs11js();

/** Says what is missing, for the title of a skipped group. */
export const missingForCards: string = [
  ...(softHsmModule === undefined ? ['softhsm2'] : []),
  ...(canRun('pkcs11-tool', '--version') ? [] : ['opensc']),
  ...(pkcs11js === undefined ? ['pkcs11js, built'] : []),
].join(' and ');

/** A SoftHSM2 whose tokens live in one temporary folder. */
export interface SoftHsm {
  readonly module: string;
  /** What SOFTHSM2_CONF has to name. */
  readonly configuration: string;
  readonly tokenFolder: string;
  initToken(label: string): void;
  /** Puts a person's key and certificate on a token, with labels and CKA_ID (hexadecimal) of the citizen card's. */
  put(token: string, person: TestPerson, id?: string): void;
  putCertificate(token: string, der: Uint8Array, label: string, id: string): void;
  remove(): void;
}

export const PIN = '1234';

export function createSoftHsm(): SoftHsm {
  const folder = mkdtempSync(join(tmpdir(), 'sims-softhsm-'));
  const tokenFolder = join(folder, 'tokens');
  const configuration = join(folder, 'softhsm2.conf');
  mkdirSync(tokenFolder);
  writeFileSync(
    configuration,
    `directories.tokendir = ${tokenFolder}\nobjectstore.backend = file\nslots.removable = true\nlog.level = ERROR\n`,
  );
  const environment = { ...process.env, SOFTHSM2_CONF: configuration };
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const putCertificate = (token: string, der: Uint8Array, label: string, id: string): void => {
    const file = join(folder, 'certificate.der');
    writeFileSync(file, der);
    run(
      'pkcs11-tool',
      '--module',
      softHsmModule!,
      '--token-label',
      token,
      '--login',
      '--pin',
      PIN,
      '--write-object',
      file,
      '--type',
      'cert',
      '--id',
      id,
      '--label',
      label,
    );
  };
  return {
    module: softHsmModule!,
    configuration,
    tokenFolder,
    initToken: (label) =>
      run('softhsm2-util', '--init-token', '--free', '--label', label, '--so-pin', '12345678', '--pin', PIN),
    put: (token, person, id = person.use === 'authentication' ? '45' : '46') => {
      const name = `CITIZEN ${person.use.toUpperCase()}`;
      const file = join(folder, 'key.p8');
      writeFileSync(file, pemOf('PRIVATE KEY', person.key.privateKey));
      run('softhsm2-util', '--import', file, '--token', token, '--label', `${name} KEY`, '--id', id, '--pin', PIN);
      putCertificate(token, person.certificate, `${name} CERTIFICATE`, id);
    },
    putCertificate,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function findPkcs11js(): string | undefined {
  const { SIMS_PKCS11JS } = process.env;
  const require = createRequire(import.meta.url);
  try {
    const path = require.resolve(SIMS_PKCS11JS ?? 'pkcs11js');
    // Loading it tells whether its native part was built.
    require(path);
    return path;
  } catch {
    return undefined;
  }
}

function canRun(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
