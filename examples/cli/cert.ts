/** `sims cert`: verifies certificates, and makes them for relays and demonstrations. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  createTestPerson,
  createTestPki,
  createTrustStore,
  decodePemOrDer,
  hostToName,
  pemOf,
  spkiFingerprint,
  testPkiFiles,
  verifyBatch,
  verifyOne,
  type BatchFiles,
} from '../../src/cc/index.ts';
import { createNodeFetcher, loadTrustStore } from '../../src/cc/node/index.ts';
import { keptIdentity } from '../../src/relay/node/index.ts';
import { PEOPLE_OPTIONS, peopleOptions } from './people.ts';
import { parsed, printable, UsageError } from './usage.ts';

const TEXTS = { type: 'string', multiple: true } as const;
const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

const VERIFY_OPTIONS = {
  ...PEOPLE_OPTIONS,
  ocsp: TEXTS,
  at: TEXT,
  policy: TEXTS,
  'require-policy': FLAG,
  'inhibit-policy-mapping': FLAG,
  'inhibit-any-policy': FLAG,
  name: TEXTS,
  batch: TEXT,
  certs: TEXTS,
} as const;

const CREATE_OPTIONS = { out: TEXT, name: TEXTS, password: TEXT } as const;

/** Resolves to the exit code: of `verify` 0 valid, 1 not. @throws UsageError */
export async function runCert(parameters: readonly string[]): Promise<number> {
  const [action, ...rest] = parameters;
  if (action === 'verify') return await verify(rest);
  if (action === 'create') return await create(rest);
  throw new UsageError('cert verify or cert create');
}

async function verify(parameters: readonly string[]): Promise<number> {
  const { values, positionals } = parsed({ args: parameters, options: VERIFY_OPTIONS });
  const [file, ...more] = positionals;
  const atMs = values.at === undefined ? Date.now() : timeOf(values.at);
  if (values.batch !== undefined) {
    if (file !== undefined) throw new UsageError('either a certificate or --batch');
    return await batch(values.batch, values.certs ?? [], values.crls ?? [], atMs);
  }
  if (file === undefined) throw new UsageError('cert verify needs a certificate, or --batch');
  if (more.length > 0) throw new UsageError(`cert verify takes one certificate, and then no ${printable(more[0]!)}`);
  if (values.certs !== undefined) throw new UsageError('--certs goes with --batch');
  const { anchors, intermediates, crls, profile, revocation, fetchHosts } = peopleOptions(values, 'any');
  if (anchors.length === 0) throw new UsageError('cert verify needs --anchors');
  if (profile.isNameRequired && values.name === undefined) throw new UsageError(`profile ${profile.name} needs --name`);
  for (const policy of values.policy ?? []) {
    if (!/^[0-2](\.\d+)+$/u.test(policy)) throw new UsageError(`--policy is a dotted number, not ${printable(policy)}`);
  }
  const { trust } = await loadTrustStore({ purpose: profile.purpose, anchors, intermediates });
  const report = await verifyOne({
    file: readOrRefuse(file),
    trust,
    profile,
    revocation,
    atMs,
    names: (values.name ?? []).map(hostToName),
    crlFiles: crls.flatMap((path) => filesAt(path, /\.(?:crl|pem|der)$/iu).map(readOrRefuse)),
    ocspResponses: (values.ocsp ?? []).flatMap((path) => filesAt(path, /\.(?:ors|der|ocsp|resp)$/iu).map(readOrRefuse)),
    policies: {
      ...(values.policy === undefined ? {} : { initialPolicySet: values.policy }),
      initialExplicitPolicy: values['require-policy'] ?? false,
      initialPolicyMappingInhibit: values['inhibit-policy-mapping'] ?? false,
      initialAnyPolicyInhibit: values['inhibit-any-policy'] ?? false,
    },
    ...(fetchHosts.length === 0 ? {} : { fetch: createNodeFetcher({ allowedHosts: fetchHosts }) }),
  });
  print(report);
  return report.valid ? 0 : 1;
}

async function batch(
  path: string,
  certificateFolders: readonly string[],
  crlFolders: readonly string[],
  atMs: number,
): Promise<number> {
  let cases: unknown;
  try {
    cases = JSON.parse(Buffer.from(readOrRefuse(path)).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${path} is no JSON`, { cause: error });
    throw error;
  }
  if (!Array.isArray(cases) && !Array.isArray((cases as { testcases?: unknown } | null)?.testcases)) {
    throw new UsageError(`${path} has neither the form of PKITS nor that of x509-limbo`);
  }
  const files: BatchFiles = {
    certificate: (name) => derIn(certificateFolders, name, 'crt', 'CERTIFICATE'),
    crl: (name) => derIn(crlFolders, name, 'crl', 'X509 CRL'),
    atMs,
  };
  for await (const verdict of verifyBatch(cases, files)) print(verdict);
  return 0;
}

/** A file of that name in one of the folders; what is no certificate or list is for the verifier to say. */
function derIn(
  folders: readonly string[],
  name: string,
  extension: string,
  label: 'CERTIFICATE' | 'X509 CRL',
): Uint8Array | undefined {
  // Names are a file's word: they do not leave the folder.
  if (basename(name) !== name || name.startsWith('.')) return undefined;
  for (const folder of folders) {
    const bytes = readIfThere(join(folder, `${name}.${extension}`));
    if (bytes === undefined) continue;
    try {
      return decodePemOrDer(bytes, label)[0] ?? bytes;
    } catch {
      return bytes;
    }
  }
  return undefined;
}

async function create(parameters: readonly string[]): Promise<number> {
  const { values, positionals } = parsed({ args: parameters, options: CREATE_OPTIONS });
  const [kind, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`cert create takes no ${printable(more[0]!)}`);
  if (kind !== 'relay' && kind !== 'test-pki') throw new UsageError('cert create relay or cert create test-pki');
  if (values.out === undefined) throw new UsageError('cert create needs --out DIR');
  return kind === 'relay' ? await createRelay(values.out, values.name) : await createPki(values.out, values.password);
}

/** Key and certificate where `sims relay --state` looks for them, and the certificate alone for clients. */
async function createRelay(out: string, names: readonly string[] = []): Promise<number> {
  if (names.length === 0) throw new UsageError('cert create relay needs --name');
  const { credential } = await keptIdentity(out, { names, nowMs: Date.now() });
  const certificate = join(out, 'relay.pem');
  await writeFile(certificate, pemOf('CERTIFICATE', ...credential.chain));
  print({ state: out, certificate, fingerprint: await spkiFingerprint(credential.spki) });
  return 0;
}

/** A test PKI with two people, one with a card of each generation. */
async function createPki(out: string, password = 'sims'): Promise<number> {
  const pki = await createTestPki({ atMs: Date.now() });
  const people = [
    await createTestPerson(pki, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '11111111' }),
    await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' }),
  ];
  const files = await testPkiFiles(pki, people, password);
  for (const { path, bytes } of files) {
    const target = join(out, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await writeFile(target, bytes, { mode: 0o600 });
  }
  // Reading it back shows that it is whole.
  createTrustStore({ purpose: 'person', anchors: pki.anchors, intermediates: pki.intermediates });
  print({ out, password, files: files.map(({ path }) => path) });
  return 0;
}

function timeOf(text: string): number {
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs)) throw new UsageError(`--at is a time such as 2011-04-15T00:00:00Z, not ${printable(text)}`);
  return atMs;
}

/** The file, or the files of a folder that have one of the usual endings, by name. */
function filesAt(path: string, endings: RegExp): readonly string[] {
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (error) {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  }
  if (!isFolder) return [path];
  const names = readdirSync(path).filter((name) => endings.test(name));
  return names.sort().map((name) => join(path, name));
}

function readOrRefuse(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    throw new UsageError(`cannot read ${path}`, { cause: error });
  }
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return new Uint8Array(readFileSync(path));
  } catch {
    return undefined;
  }
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
