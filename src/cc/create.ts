/**
 * A relay's own certificate, self-signed. Relays need no CA: clients pin the key, by {@link spkiFingerprint}.
 *
 * @packageDocumentation
 */
import { hex } from '../bytes.ts';
import type { SignatureKeyPair } from '../crypto/provider.ts';
import { SimsError } from '../errors.ts';
import {
  bitString,
  booleanTrue,
  integer,
  namedBits,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  tagged,
  time,
  utf8String,
} from './createDer.ts';
import { generalName } from './createNames.ts';

/** What goes into a relay's certificate. */
export interface RelayCertificateOptions {
  /** The relay's key. The private half stays with the caller, who signs. */
  readonly keyPair: Pick<SignatureKeyPair, 'algorithm' | 'spki'>;
  /** DNS names and IP addresses that clients ask for, at least one; the first is also the common name. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Serial number, unsigned big-endian, 1 to 20 bytes, not zero; default 16 random bytes. */
  readonly serial?: Uint8Array;
  /** Signs the to-be-signed bytes. ECDSA signatures are raw r ‖ s, as the crypto provider's `sign` gives them. */
  readonly sign: (toBeSigned: Uint8Array) => Uint8Array | Promise<Uint8Array>;
}

/**
 * Self-signed certificate (DER) of a relay: not a CA, digitalSignature, serverAuth, names as subjectAltName.
 *
 * @throws `cc/invalid-argument` for names, times or serials that a certificate cannot hold, or a signature of the
 * wrong length
 */
export async function createRelayCertificate(options: RelayCertificateOptions): Promise<Uint8Array> {
  const { keyPair, names, notBeforeMs, notAfterMs } = options;
  const [firstName] = names;
  if (firstName === undefined)
    throw new SimsError('cc/invalid-argument', 'a relay certificate needs at least one name');
  if (!(notBeforeMs < notAfterMs))
    throw new SimsError('cc/invalid-argument', 'a certificate has to end after it begins');
  const keyIdentifier = await keyIdentifierOf(keyPair.spki);
  const algorithm = sequence(objectIdentifier(keyPair.algorithm === 'Ed25519' ? '1.3.101.112' : '1.2.840.10045.4.3.2'));
  // A common name has 64 characters at most; the full names are in subjectAltName.
  const subject = sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(firstName.slice(0, 64)))));
  const toBeSigned = sequence(
    tagged(0, integer(2)),
    integer(options.serial === undefined ? randomSerialNumber() : serialNumber(options.serial)),
    algorithm,
    subject,
    sequence(time(notBeforeMs), time(notAfterMs)),
    subject,
    keyPair.spki,
    tagged(
      3,
      sequence(
        extension('2.5.29.19', true, sequence()),
        extension('2.5.29.15', true, namedBits([0])),
        extension('2.5.29.37', false, sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'))),
        extension('2.5.29.17', false, sequence(...names.map(generalName))),
        extension('2.5.29.14', false, octetString(keyIdentifier)),
      ),
    ),
  );
  const signature = await options.sign(toBeSigned);
  if (signature.length !== 64) {
    throw new SimsError('cc/invalid-argument', `a signature has 64 bytes, sign gave ${signature.length}`);
  }
  const signatureValue = keyPair.algorithm === 'Ed25519' ? signature : ecdsaSignatureToDer(signature);
  return sequence(toBeSigned, algorithm, bitString(signatureValue));
}

/** What clients pin: `sha256:` and 64 lower-case hexadecimal digits, over the DER SubjectPublicKeyInfo. */
export async function spkiFingerprint(spki: Uint8Array): Promise<string> {
  return `sha256:${hex(await sha256(spki))}`;
}

/** One entry of an extensions list. */
export function extension(oid: string, isCritical: boolean, value: Uint8Array): Uint8Array {
  return sequence(objectIdentifier(oid), ...(isCritical ? [booleanTrue()] : []), octetString(value));
}

/** Subject key identifier, 20 bytes: the leftmost of SHA-256 over the public key's bits (RFC 7093 §2 method 1). */
export async function keyIdentifierOf(spki: Uint8Array): Promise<Uint8Array> {
  return (await sha256(publicKeyBits(spki))).slice(0, 20);
}

/** Raw r ‖ s as the DER Ecdsa-Sig-Value (RFC 3279 §2.2.3). */
export function ecdsaSignatureToDer(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  return sequence(integer(signature.subarray(0, half)), integer(signature.subarray(half)));
}

/** A serial number that RFC 5280 §4.1.2.2 allows: positive, at most 20 octets when encoded. */
export function serialNumber(serial: Uint8Array): Uint8Array {
  const isZero = serial.every((byte) => byte === 0);
  if (isZero || serial.length > 20 || (serial.length === 20 && serial[0]! >= 0x80)) {
    throw new SimsError(
      'cc/invalid-argument',
      `a serial number has 1 to 20 bytes and is not zero: ${serial.length} given`,
    );
  }
  return serial;
}

/** 16 random bytes, never zero. */
export function randomSerialNumber(): Uint8Array {
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0]! |= 1;
  return serial;
}

/** Contents of the last element of a SubjectPublicKeyInfo, without the unused-bits octet. */
function publicKeyBits(spki: Uint8Array): Uint8Array {
  const body = skipHeader(spki, 0);
  const algorithmBody = skipHeader(spki, body.start);
  const bits = skipHeader(spki, algorithmBody.end);
  return spki.subarray(bits.start + 1, bits.end);
}

function skipHeader(der: Uint8Array, offset: number): { start: number; end: number } {
  const first = der[offset + 1] ?? 0;
  const count = first < 0x80 ? 0 : first & 0x7f;
  let length = first < 0x80 ? first : 0;
  for (let index = 0; index < Math.min(count, 4); index += 1) length = length * 256 + (der[offset + 2 + index] ?? 0);
  const start = offset + 2 + count;
  if (start + length > der.length)
    throw new SimsError('cc/invalid-argument', 'the public key is not a SubjectPublicKeyInfo');
  return { start, end: start + length };
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()));
}
