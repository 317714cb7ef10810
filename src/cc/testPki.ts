/**
 * A whole PKI in the shape of the citizen card's, for tests and demonstrations: root, authority, authentication and
 * signature authorities below it, and people. Names say that it is a test; no anchor of it belongs in a real store.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { createPkcs12, pemOf } from './pkcs12Create.ts';
import {
  createTestCertificate,
  createTestCrl,
  type TestCertificateContents,
  type TestCrlContents,
  type TestIssuer,
  type TestName,
  type TestRevocation,
} from './testPkiCertificate.ts';
import { createTestKey, type TestKey, type TestKeyKind } from './testPkiKeys.ts';

/** `v1`: RSA throughout, a person's key of 3,072 bits. `v2`: a person on P-256 under authorities on P-384 and P-521. */
export type CardGeneration = 'v1' | 'v2';

/** Policy that authorities for authentication hold. */
export const AUTHENTICATION_POLICY = '2.16.620.1.1.1.2.4.0.1.3';
/** Policy that authorities for signatures hold. */
export const SIGNATURE_POLICY = '2.16.620.1.1.1.2.4.0.1.2';

/** How a test PKI is made. */
export interface TestPkiOptions {
  /** Middle of everything's validity: authorities hold 10 years before and after, people 5. */
  readonly atMs: number;
  /** Default both. Each takes a few RSA keys, or none. */
  readonly generations?: readonly CardGeneration[];
  /** Where revocation lists, OCSP and certificates are said to be, without a final slash. */
  readonly baseUrl?: string;
  /** Size of the RSA keys of authorities; default 3072. */
  readonly authorityRsaBits?: 2048 | 3072 | 4096;
}

/** An authority of the test PKI. */
export interface TestAuthority extends TestIssuer {
  /** Part of file names and URLs. */
  readonly slug: string;
  readonly certificate: Uint8Array;
}

/** The authorities of one generation. */
export interface TestHierarchy {
  readonly authority: TestAuthority;
  readonly authentication: TestAuthority;
  readonly signature: TestAuthority;
}

/** Who gets a certificate, and what is odd about it. */
export interface TestPersonOptions {
  readonly generation: CardGeneration;
  readonly givenName: string;
  readonly surname: string;
  /** Digits; `BI` is put before them. */
  readonly civilNumber: string;
  /** Default `authentication`. */
  readonly use?: 'authentication' | 'signature';
  /** Reuses a key instead of making one. */
  readonly key?: TestKey;
  /** Changes of the certificate, for tests of refusals. */
  readonly changes?: Partial<TestCertificateContents>;
}

/** A person's certificate, chain and key. */
export interface TestPerson {
  readonly commonName: string;
  readonly use: 'authentication' | 'signature';
  readonly key: TestKey;
  readonly serial: Uint8Array;
  readonly issuer: TestAuthority;
  readonly certificate: Uint8Array;
  /** Leaf first, to the authority below the root. */
  readonly chain: readonly Uint8Array[];
}

/** A test PKI. */
export interface TestPki {
  readonly options: TestPkiOptions;
  readonly root: TestAuthority;
  readonly hierarchies: ReadonlyMap<CardGeneration, TestHierarchy>;
  /** Root certificates. */
  readonly anchors: readonly Uint8Array[];
  readonly intermediates: readonly Uint8Array[];
}

/** Authorities of a new test PKI. */
export async function createTestPki(options: TestPkiOptions): Promise<TestPki> {
  const rsa: TestKeyKind = `RSA-${options.authorityRsaBits ?? 3072}`;
  const rootKey = await createTestKey(rsa);
  const rootName = authorityName('Raiz de Teste SIMS');
  const rootIssuer = { name: rootName, key: rootKey };
  const root = await createAuthority(options, rootIssuer, 'root', rootName, rootKey, {
    ca: {},
    policies: [ANY_POLICY],
  });
  const hierarchies = new Map<CardGeneration, TestHierarchy>();
  for (const generation of options.generations ?? ['v1', 'v2']) {
    hierarchies.set(generation, await createHierarchy(options, root, generation, rsa));
  }
  const intermediates = [...hierarchies.values()].flatMap(({ authority, authentication, signature }) => [
    authority.certificate,
    authentication.certificate,
    signature.certificate,
  ]);
  return { options, root, hierarchies, anchors: [root.certificate], intermediates };
}

/** Issues a certificate to a person. Its generation has to be one of the PKI's. */
export async function createTestPerson(pki: TestPki, person: TestPersonOptions): Promise<TestPerson> {
  const hierarchy = hierarchyOf(pki, person.generation);
  const use = person.use ?? 'authentication';
  const issuer = hierarchy[use];
  const key = person.key ?? (await createTestKey(person.generation === 'v1' ? 'RSA-3072' : 'P-256'));
  const serial = person.changes?.serial ?? crypto.getRandomValues(new Uint8Array(8)).with(0, 0x11);
  const commonName = `${person.givenName} ${person.surname}`.toUpperCase();
  const { atMs } = pki.options;
  const urls = revocationUrls(pki.options, issuer.slug);
  const certificate = await createTestCertificate({
    issuer,
    subject: [
      ['C', 'PT'],
      ['O', 'Cartão de Cidadão de Teste'],
      ['OU', 'Cidadão Português'],
      ['OU', use === 'authentication' ? 'Autenticação do Cidadão' : 'Assinatura Qualificada do Cidadão'],
      ['surname', person.surname.toUpperCase()],
      ['givenName', person.givenName.toUpperCase()],
      ['serialNumber', `BI${person.civilNumber}`],
      ['CN', commonName],
    ],
    spki: key.spki,
    notBeforeMs: atMs - 5 * YEAR_MS,
    notAfterMs: atMs + 5 * YEAR_MS,
    serial,
    keyUsage: use === 'authentication' ? (person.generation === 'v1' ? [0, 4] : [0]) : [1],
    policies: [use === 'authentication' ? AUTHENTICATION_POLICY : SIGNATURE_POLICY],
    ...urls,
    // Only cards of the first generation name delta lists.
    ...(person.generation === 'v1' ? { deltaCrlUrl: `${baseUrlOf(pki.options)}/crl/${issuer.slug}-delta.crl` } : {}),
    ...person.changes,
  });
  const chain = [certificate, issuer.certificate, hierarchy.authority.certificate];
  return { commonName, use, key, serial, issuer, certificate, chain };
}

/** A list of an authority, at the PKI's time unless told otherwise: full, or with `baseNumber` a delta. */
export function createTestPkiCrl(
  pki: TestPki,
  authority: TestAuthority,
  revoked: readonly TestRevocation[],
  changes: Partial<TestCrlContents> = {},
): Promise<Uint8Array> {
  const { atMs } = pki.options;
  return createTestCrl({
    issuer: authority,
    thisUpdateMs: atMs - HOUR_MS,
    nextUpdateMs: atMs + 7 * 24 * HOUR_MS,
    number: 1,
    revoked,
    ...changes,
  });
}

/** Certificate and key of an OCSP responder that the authority trusts (RFC 6960 §4.2.2.2). */
export async function createTestOcspResponder(
  pki: TestPki,
  authority: TestAuthority,
): Promise<{ certificate: Uint8Array; key: TestKey }> {
  const key = await createTestKey('P-256');
  const certificate = await createTestCertificate({
    issuer: authority,
    subject: [
      ['C', 'PT'],
      ['CN', `OCSP de Teste SIMS ${authority.slug}`],
    ],
    spki: key.spki,
    notBeforeMs: pki.options.atMs - YEAR_MS,
    notAfterMs: pki.options.atMs + YEAR_MS,
    keyUsage: [0],
    extendedKeyUsage: ['1.3.6.1.5.5.7.3.9'],
    noCheck: true,
  });
  return { certificate, key };
}

/** PKCS #12 file of a person, with the chain. */
export function exportTestPerson(person: TestPerson, password: string): Promise<Uint8Array> {
  const { privateKey } = person.key;
  return createPkcs12({ privateKey, chain: person.chain, password, friendlyName: person.commonName });
}

/** One file of a folder. */
export interface TestPkiFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * The PKI as a folder: `anchors/`, `intermediates/`, `crls/` (an empty full list of every authority), `people/` (a
 * PKCS #12 file and a PEM certificate each) and `keys/` (of the authorities, so that more can be issued).
 */
export async function testPkiFiles(
  pki: TestPki,
  people: readonly TestPerson[],
  password: string,
): Promise<TestPkiFile[]> {
  const files: TestPkiFile[] = [];
  for (const authority of testAuthorities(pki)) {
    const { slug, certificate, key } = authority;
    const folder = authority === pki.root ? 'anchors' : 'intermediates';
    files.push(
      { path: `${folder}/${slug}.pem`, bytes: pemOf('CERTIFICATE', certificate) },
      { path: `keys/${slug}.key`, bytes: pemOf('PRIVATE KEY', key.privateKey) },
      { path: `crls/${slug}.crl`, bytes: await createTestPkiCrl(pki, authority, []) },
    );
  }
  for (const [index, person] of people.entries()) {
    const name = `${plainName(person.commonName)}-${person.use}-${index + 1}`;
    files.push(
      { path: `people/${name}.pem`, bytes: pemOf('CERTIFICATE', person.certificate) },
      { path: `people/${name}.p12`, bytes: await exportTestPerson(person, password) },
    );
  }
  return files;
}

/** Every authority, the root first. */
export function testAuthorities(pki: TestPki): TestAuthority[] {
  const below = [...pki.hierarchies.values()].flatMap((all) => [all.authority, all.authentication, all.signature]);
  return [pki.root, ...below];
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const ANY_POLICY = '2.5.29.32.0';
const PRACTICES_POLICY = '2.16.620.1.1.1.2.4.0.7';

async function createHierarchy(
  options: TestPkiOptions,
  root: TestAuthority,
  generation: CardGeneration,
  rsa: TestKeyKind,
): Promise<TestHierarchy> {
  const number = generation === 'v1' ? '001' : '002';
  const name = authorityName(`Cartão de Cidadão de Teste ${number}`);
  const key = await createTestKey(generation === 'v1' ? rsa : 'P-521');
  const contents = { ca: {}, policies: [ANY_POLICY] };
  const authority = await createAuthority(options, root, `${generation}-authority`, name, key, contents);
  const below = async (slug: string, title: string, policy: string): Promise<TestAuthority> =>
    createAuthority(
      options,
      authority,
      `${generation}-${slug}`,
      authorityName(`${title} do Cartão de Cidadão de Teste 0${number}`),
      await createTestKey(generation === 'v1' ? rsa : 'P-384'),
      { ca: { pathLen: 0 }, policies: [ANY_POLICY, policy, PRACTICES_POLICY] },
    );
  return {
    authority,
    authentication: await below('authentication', 'EC de Autenticação', AUTHENTICATION_POLICY),
    signature: await below('signature', 'EC de Assinatura Digital Qualificada', SIGNATURE_POLICY),
  };
}

async function createAuthority(
  options: TestPkiOptions,
  issuer: TestIssuer & { readonly slug?: string },
  slug: string,
  name: TestName,
  key: TestKey,
  contents: Pick<TestCertificateContents, 'ca' | 'policies'>,
): Promise<TestAuthority> {
  const certificate = await createTestCertificate({
    issuer,
    subject: name,
    spki: key.spki,
    notBeforeMs: options.atMs - 10 * YEAR_MS,
    notAfterMs: options.atMs + 10 * YEAR_MS,
    keyUsage: [5, 6],
    ...contents,
    ...(issuer.slug === undefined ? {} : revocationUrls(options, issuer.slug)),
  });
  return { slug, name, key, certificate };
}

function authorityName(commonName: string): TestName {
  return [
    ['C', 'PT'],
    ['O', 'SIMS - só para testes'],
    ['OU', 'Cartão de Cidadão de Teste'],
    ['CN', commonName],
  ];
}

function revocationUrls(options: TestPkiOptions, slug: string): { crlUrl: string; ocspUrl: string; issuerUrl: string } {
  const base = baseUrlOf(options);
  return { crlUrl: `${base}/crl/${slug}.crl`, ocspUrl: `${base}/ocsp/${slug}`, issuerUrl: `${base}/ca/${slug}.crt` };
}

/** A name for a file: accents gone, lower case, hyphens. */
function plainName(name: string): string {
  const letters = name.normalize('NFD').replace(/[\u0300-\u036f]/g, '');
  return letters.toLowerCase().replace(/[^a-z0-9]+/g, '-');
}

function baseUrlOf(options: TestPkiOptions): string {
  return options.baseUrl ?? 'http://pki.test.invalid';
}

function hierarchyOf(pki: TestPki, generation: CardGeneration): TestHierarchy {
  const hierarchy = pki.hierarchies.get(generation);
  if (hierarchy === undefined)
    throw new SimsError('cc/invalid-argument', `this test PKI has no generation ${generation}`);
  return hierarchy;
}
