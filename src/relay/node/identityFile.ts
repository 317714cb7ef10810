/**
 * The relay's key and certificate, made at the first start and kept: clients pin the key.
 *
 * @packageDocumentation
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { base64url, fromBase64url } from '../../bytes.ts';
import { createRelayCertificate } from '../../cc/create.ts';
import { nodeProvider } from '../../crypto/node/index.ts';
import type { SignatureKeyPair } from '../../crypto/provider.ts';
import { SimsError } from '../../errors.ts';
import type { RelayIdentity } from '../hopHandshake.ts';

/** How an identity is made or read. */
export interface IdentityOptions {
  /** DNS names and IP addresses for the certificate, at least one. Of a certificate that is kept they are not changed. */
  readonly names: readonly string[];
  /** Of a new key. Default P-256. */
  readonly algorithm?: SignatureKeyPair['algorithm'];
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

const FILE_NAME = 'relay-identity.json';
const YEAR_MS = 365 * 86_400_000;
const LARGEST_FILE_BYTES = 65_536;

/** A new key, with its self-signed certificate of ten years; kept nowhere. */
export async function createIdentity(options: IdentityOptions): Promise<RelayIdentity> {
  const algorithm = options.algorithm ?? 'ECDSA-P256-SHA256';
  const keyPair = nodeProvider.generateSignatureKeyPair(algorithm, nodeProvider.random);
  return identityOf(keyPair, await certificateFor(keyPair, options));
}

/**
 * The identity in a directory, made there if there is none: the file `relay-identity.json`, readable by its owner alone.
 * Relays that start at once in one directory get one identity.
 *
 * @throws `relay/identity-unusable`
 */
export async function keptIdentity(directory: string, options: IdentityOptions): Promise<RelayIdentity> {
  const path = join(directory, FILE_NAME);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return (await readIdentity(path)) ?? (await makeIdentity(path, options));
  } catch (error) {
    if (error instanceof SimsError) throw error;
    throw new SimsError('relay/identity-unusable', `${path} cannot be read or written`, { cause: error });
  }
}

async function readIdentity(path: string): Promise<RelayIdentity | undefined> {
  let text: string;
  try {
    const { mode, size } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new SimsError('relay/identity-unusable', `${path} has mode ${(mode & 0o777).toString(8)}; it must be 600`);
    }
    if (size > LARGEST_FILE_BYTES) throw new SimsError('relay/identity-unusable', `${path} has ${size} bytes`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return parseIdentity(text, path);
}

function parseIdentity(text: string, path: string): RelayIdentity {
  try {
    const kept = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    const algorithm = kept?.['algorithm'];
    if (kept?.['version'] === 1 && (algorithm === 'Ed25519' || algorithm === 'ECDSA-P256-SHA256')) {
      const [spki, privateKey, certificate] = ['spki', 'privateKey', 'certificate'].map((name) =>
        fromBase64url(String(kept[name])),
      );
      const keyPair: SignatureKeyPair = { algorithm, spki: spki!, privateKey: privateKey! };
      // Both halves must be of one key, or no client could ever connect.
      const probe = Uint8Array.of(1);
      const publicKey = nodeProvider.parsePublicKey(keyPair.spki);
      if (
        publicKey !== undefined &&
        nodeProvider.verify(publicKey, probe, nodeProvider.sign(keyPair, probe)) === true
      ) {
        return identityOf(keyPair, certificate!);
      }
    }
  } catch {
    // Whatever is wrong with it, no part of it is told: it may be the key.
  }
  throw new SimsError(
    'relay/identity-unusable',
    `${path} is damaged: restore it, or remove it and tell clients the new key`,
  );
}

/** The file appears whole or not at all, and only one of several writers makes it. */
async function makeIdentity(path: string, options: IdentityOptions): Promise<RelayIdentity> {
  const algorithm = options.algorithm ?? 'ECDSA-P256-SHA256';
  const keyPair = nodeProvider.generateSignatureKeyPair(algorithm, nodeProvider.random);
  const certificate = await certificateFor(keyPair, options);
  const text = JSON.stringify({
    version: 1,
    algorithm,
    spki: base64url(keyPair.spki),
    privateKey: base64url(keyPair.privateKey),
    certificate: base64url(certificate),
  });
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    try {
      await link(temporary, path);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EEXIST') return (await readIdentity(path))!;
      // A file system without hard links: the last of several writers wins.
      await rename(temporary, path);
    }
  } finally {
    await rm(temporary, { force: true });
  }
  return identityOf(keyPair, certificate);
}

function certificateFor(keyPair: SignatureKeyPair, { names, nowMs }: IdentityOptions): Promise<Uint8Array> {
  return createRelayCertificate({
    keyPair,
    names,
    // A client's clock may be behind.
    notBeforeMs: nowMs - 86_400_000,
    notAfterMs: nowMs + 10 * YEAR_MS,
    sign: (toBeSigned) => nodeProvider.sign(keyPair, toBeSigned),
  });
}

function identityOf(keyPair: SignatureKeyPair, certificate: Uint8Array): RelayIdentity {
  return {
    credential: { kind: 'relay', spki: keyPair.spki, chain: [certificate] },
    sign: ({ toBeSigned }) => nodeProvider.sign(keyPair, toBeSigned),
  };
}
