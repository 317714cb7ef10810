/**
 * Passwords of PKCS #12 files: PBES2 with AES (RFC 8018), the MAC of RFC 7292 appendix B and PBMAC1 (RFC 9579). What
 * came before, RC2, RC4 and triple DES, is refused by name.
 *
 * @packageDocumentation
 */
import { concat, equal, utf8, wipe } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { TAG, type DerReader } from './certificateDer.ts';

const MAXIMUM_PBKDF2_ITERATIONS = 10_000_000;
// Each round is one asynchronous digest.
const MAXIMUM_MAC_ITERATIONS = 1_000_000;

const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const PBMAC1 = '1.2.840.113549.1.5.14';
const LEGACY_PBE = '1.2.840.113549.1.12.1.';
const LEGACY_PBES1 = /^1\.2\.840\.113549\.1\.5\.(1|3|4|6|10|11)$/;
const LEGACY_CIPHER = /^1\.2\.840\.113549\.3\.\d+$|^1\.3\.14\.3\.2\.7$/;

const AES_KEY_LENGTHS: Readonly<Record<string, number>> = {
  '2.16.840.1.101.3.4.1.2': 16,
  '2.16.840.1.101.3.4.1.22': 24,
  '2.16.840.1.101.3.4.1.42': 32,
};
const HMAC_HASHES: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'SHA-1',
  '1.2.840.113549.2.9': 'SHA-256',
  '1.2.840.113549.2.10': 'SHA-384',
  '1.2.840.113549.2.11': 'SHA-512',
};
const HASHES: Readonly<Record<string, { readonly name: string; readonly blockLength: number }>> = {
  '1.3.14.3.2.26': { name: 'SHA-1', blockLength: 64 },
  '2.16.840.1.101.3.4.2.1': { name: 'SHA-256', blockLength: 64 },
  '2.16.840.1.101.3.4.2.2': { name: 'SHA-384', blockLength: 128 },
  '2.16.840.1.101.3.4.2.3': { name: 'SHA-512', blockLength: 128 },
};

/**
 * Contents of an encrypted part.
 *
 * @param algorithm reader of an AlgorithmIdentifier's contents
 * @throws `cc/pkcs12-legacy`, `cc/pkcs12-unsupported`, `cc/pkcs12-password`
 */
export async function decrypt(algorithm: DerReader, encrypted: Uint8Array, password: string): Promise<Uint8Array> {
  const name = algorithm.objectIdentifier();
  if (name.startsWith(LEGACY_PBE) || LEGACY_PBES1.test(name)) throw legacy(name);
  if (name !== PBES2) throw unsupported(`encryption ${name}`);
  const parameters = algorithm.enter(TAG.sequence);
  const derivation = parameters.enter(TAG.sequence);
  const cipher = parameters.enter(TAG.sequence);
  const cipherName = cipher.objectIdentifier();
  if (LEGACY_CIPHER.test(cipherName)) throw legacy(cipherName);
  const keyLength = AES_KEY_LENGTHS[cipherName];
  if (keyLength === undefined) throw unsupported(`cipher ${cipherName}`);
  const iv = cipher.take(TAG.octetString);
  if (iv.length !== 16) throw new SimsError('cc/pkcs12-malformed', `an AES IV has 16 bytes, not ${iv.length}`);
  const rawKey = await deriveKey(derivation, password, keyLength);
  try {
    const key = await crypto.subtle.importKey('raw', rawKey, 'AES-CBC', false, ['decrypt']);
    return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-CBC', iv: iv.slice() }, key, encrypted.slice()));
  } catch (cause) {
    throw new SimsError('cc/pkcs12-password', 'the password does not open the file', { cause });
  } finally {
    wipe(rawKey);
  }
}

/**
 * Checks the MAC over the authenticated safe.
 *
 * @param macData reader of a MacData's contents
 * @throws `cc/pkcs12-password` if it does not fit: the password is wrong or the file was changed
 */
export async function checkMac(macData: DerReader, authenticated: Uint8Array, password: string): Promise<void> {
  const digestInfo = macData.enter(TAG.sequence);
  const algorithm = digestInfo.enter(TAG.sequence);
  const expected = digestInfo.take(TAG.octetString);
  const salt = macData.take(TAG.octetString);
  const iterations = macData.done ? 1 : macData.natural();
  const name = algorithm.objectIdentifier();
  if (name === PBMAC1) {
    const parameters = algorithm.enter(TAG.sequence);
    const derivation = parameters.enter(TAG.sequence);
    const hash = HMAC_HASHES[parameters.enter(TAG.sequence).objectIdentifier()];
    if (hash === undefined) throw unsupported('MAC');
    const key = await deriveKey(derivation, password, undefined);
    if (!equal(await hmac(hash, key, authenticated), expected)) throw wrongPassword();
    return;
  }
  const hash = HASHES[name];
  if (hash === undefined) throw unsupported(`MAC with ${name}`);
  // Writers disagree on what an empty password is: no bytes, or the terminator alone.
  const passwords = password === '' ? [new Uint8Array(2), new Uint8Array(0)] : [bmpPassword(password)];
  for (const candidate of passwords) {
    const key = await macKey(hash, candidate, salt, iterations);
    if (equal(await hmac(hash.name, key, authenticated), expected)) return;
  }
  throw wrongPassword();
}

/** Key of the MAC with diversifier 3 (RFC 7292 appendix B.2), as long as the hash. */
export async function macKey(
  hash: { readonly name: string; readonly blockLength: number },
  bmp: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (iterations < 1 || iterations > MAXIMUM_MAC_ITERATIONS) throw unsupported(`${iterations} MAC iterations`);
  const { name, blockLength } = hash;
  const diversifier = new Uint8Array(blockLength).fill(3);
  let digest: Uint8Array = concat(diversifier, stretched(salt, blockLength), stretched(bmp, blockLength));
  for (let round = 0; round < iterations; round += 1) {
    digest = new Uint8Array(await crypto.subtle.digest(name, digest as Uint8Array<ArrayBuffer>));
  }
  return digest as Uint8Array<ArrayBuffer>;
}

/** HMAC by WebCrypto. */
export async function hmac(hash: string, rawKey: Uint8Array<ArrayBuffer>, bytes: Uint8Array): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey('raw', rawKey, { name: 'HMAC', hash }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, bytes.slice()));
}

/** PBKDF2 by WebCrypto, of a password in UTF-8. */
export async function pbkdf2(
  hash: string,
  password: string,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey('raw', utf8(password).slice(), 'PBKDF2', false, ['deriveBits']);
  const parameters = { name: 'PBKDF2', hash, salt: salt.slice(), iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, length * 8));
}

/** The password as RFC 7292 appendix B.1 has it: UTF-16, big-endian, with a terminator. */
export function bmpPassword(password: string): Uint8Array {
  const bytes = new Uint8Array(password.length * 2 + 2);
  for (let index = 0; index < password.length; index += 1) {
    bytes[index * 2] = password.charCodeAt(index) >> 8;
    bytes[index * 2 + 1] = password.charCodeAt(index) & 255;
  }
  return bytes;
}

async function deriveKey(
  derivation: DerReader,
  password: string,
  cipherKeyLength: number | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const name = derivation.objectIdentifier();
  if (name !== PBKDF2) throw unsupported(`key derivation ${name}`);
  const parameters = derivation.enter(TAG.sequence);
  if (parameters.peek() !== TAG.octetString) throw unsupported('salt');
  const salt = parameters.take(TAG.octetString);
  const iterations = parameters.natural();
  const statedLength = parameters.peek() === TAG.integer ? parameters.natural() : undefined;
  const hashName = parameters.done ? '1.2.840.113549.2.7' : parameters.enter(TAG.sequence).objectIdentifier();
  const hash = HMAC_HASHES[hashName];
  const length = cipherKeyLength ?? statedLength;
  if (hash === undefined) throw unsupported(`hash ${hashName}`);
  if (iterations < 1 || iterations > MAXIMUM_PBKDF2_ITERATIONS) throw unsupported(`${iterations} PBKDF2 iterations`);
  if (length === undefined || length < 16 || length > 64 || (statedLength ?? length) !== length) {
    throw new SimsError('cc/pkcs12-malformed', `a derived key of ${statedLength ?? 'no'} bytes does not fit`);
  }
  return pbkdf2(hash, password, salt, iterations, length);
}

function stretched(bytes: Uint8Array, blockLength: number): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / blockLength) * blockLength);
  for (let index = 0; index < result.length; index += 1) result[index] = bytes[index % bytes.length]!;
  return result;
}

function legacy(name: string): SimsError {
  return new SimsError(
    'cc/pkcs12-legacy',
    `the file is encrypted with ${name} (RC2, RC4 or DES), which is not safe any more; write it anew with AES, ` +
      'for example: openssl pkcs12 -legacy -in OLD.p12 -nodes -out KEY.pem, then openssl pkcs12 -export -in KEY.pem -out NEW.p12',
  );
}

function unsupported(what: string): SimsError {
  return new SimsError('cc/pkcs12-unsupported', `the file uses something not supported here: ${what}`);
}

function wrongPassword(): SimsError {
  return new SimsError('cc/pkcs12-password', 'the password does not open the file, or the file was changed');
}
