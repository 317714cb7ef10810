/**
 * Trust stores and revocation lists from files and folders.
 *
 * @packageDocumentation
 */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SimsError } from '../../errors.ts';
import { MAX_PEM_LENGTH, decodePemOrDer } from '../certificatePem.ts';
import { parseCrl, type Crl } from '../crl.ts';
import { createTrustStore, readCertificates, type TrustPurpose, type TrustStore } from '../trust.ts';

/** What {@link loadTrustStore} takes. */
export interface TrustFiles {
  readonly purpose: TrustPurpose;
  /** Files or folders, PEM or DER. */
  readonly anchors: readonly string[];
  readonly intermediates?: readonly string[];
}

/** A file that was passed over. */
export interface SkippedFile {
  readonly file: string;
  readonly error: SimsError;
}

const CERTIFICATE_NAMES = /\.(?:pem|crt|cer|der|cert)$/i;
const LIST_NAMES = /\.(?:pem|crl|der)$/i;
const MOST_FILES = 10_000;

/**
 * A store from files and folders. Of a folder, files with the usual extensions are read (pem, crt, cer, der), not its
 * folders; what is no certificate there is passed over and listed. A file that is named itself has to be readable.
 *
 * @throws `cc/invalid-argument` for a path that cannot be read, a named file without a certificate, or no anchor at all
 */
export async function loadTrustStore(
  files: TrustFiles,
): Promise<{ readonly trust: TrustStore; readonly skipped: readonly SkippedFile[] }> {
  const skipped: SkippedFile[] = [];
  const read = async (paths: readonly string[]): Promise<Uint8Array[]> => {
    const found: Uint8Array[] = [];
    for (const path of paths) {
      for (const { file, bytes, isNamed } of await filesAt(path, CERTIFICATE_NAMES)) {
        const error = problemOf(() => readCertificates(bytes).length);
        if (error === undefined) found.push(bytes);
        else if (isNamed) throw new SimsError('cc/invalid-argument', `${file}: ${error.message}`, { cause: error });
        else skipped.push({ file, error });
      }
    }
    return found;
  };
  const anchors = await read(files.anchors);
  const intermediates = await read(files.intermediates ?? []);
  return { trust: createTrustStore({ purpose: files.purpose, anchors, intermediates }), skipped };
}

/**
 * Every revocation list in files and folders, PEM or DER (extensions crl, pem, der in folders).
 *
 * @throws `cc/invalid-argument` for a path that cannot be read, or a named file without a list
 */
export async function loadCrls(
  paths: readonly string[],
): Promise<{ readonly crls: readonly Crl[]; readonly skipped: readonly SkippedFile[] }> {
  const crls: Crl[] = [];
  const skipped: SkippedFile[] = [];
  for (const path of paths) {
    for (const { file, bytes, isNamed } of await filesAt(path, LIST_NAMES)) {
      const error = problemOf(() => {
        const found = decodePemOrDer(bytes, 'X509 CRL').map(parseCrl);
        for (const crl of found) crls.push(crl);
        return found.length;
      });
      if (error === undefined) continue;
      if (isNamed) throw new SimsError('cc/invalid-argument', `${file}: ${error.message}`, { cause: error });
      skipped.push({ file, error });
    }
  }
  return { crls, skipped };
}

function problemOf(read: () => number): SimsError | undefined {
  try {
    return read() > 0 ? undefined : new SimsError('cc/malformed', 'nothing of the kind in it');
  } catch (error) {
    if (error instanceof SimsError) return error;
    throw error;
  }
}

interface FoundFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly isNamed: boolean;
}

async function filesAt(path: string, names: RegExp): Promise<readonly FoundFile[]> {
  try {
    const about = await stat(path);
    if (!about.isDirectory()) return [{ file: path, bytes: await readBounded(path), isNamed: true }];
    const entries = (await readdir(path, { withFileTypes: true }))
      .filter((entry) => !entry.isDirectory() && names.test(entry.name))
      .map((entry) => join(path, entry.name))
      .sort();
    if (entries.length > MOST_FILES) throw new Error(`${entries.length} files, limit ${MOST_FILES}`);
    const found: FoundFile[] = [];
    for (const file of entries) found.push({ file, bytes: await readBounded(file), isNamed: false });
    return found;
  } catch (cause) {
    if (cause instanceof SimsError) throw cause;
    const why = cause instanceof Error ? cause.message : 'unknown error';
    throw new SimsError('cc/invalid-argument', `cannot read ${path}: ${why}`, { cause });
  }
}

async function readBounded(file: string): Promise<Uint8Array> {
  const { size } = await stat(file);
  if (size > MAX_PEM_LENGTH)
    throw new SimsError('cc/invalid-argument', `${file} has ${size} bytes, limit ${MAX_PEM_LENGTH}`);
  const buffer = await readFile(file);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
