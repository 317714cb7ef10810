/**
 * PEM (RFC 7468): certificates and revocation lists out of text, or out of a file that may be DER.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** Most bytes of PEM or DER that one call reads. */
export const MAX_PEM_LENGTH = 134_217_728;

/**
 * DER of every block with this label. Text around the blocks is passed over.
 *
 * @throws `cc/malformed` for a block that does not end or is not base64
 */
export function decodePem(text: string, label: string): readonly Uint8Array[] {
  if (text.length > MAX_PEM_LENGTH) throw new SimsError('cc/malformed', `PEM of ${text.length} characters`);
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  let at = text.indexOf(begin);
  while (at >= 0) {
    const stop = text.indexOf(end, at);
    if (stop < 0) throw new SimsError('cc/malformed', `PEM block ${blocks.length + 1} does not end`);
    blocks.push(decodeBase64(text.slice(at + begin.length, stop)));
    at = text.indexOf(begin, stop + end.length);
  }
  return blocks;
}

/**
 * DER of every certificate (or CRL) in a file: PEM blocks, or the bytes themselves where there are none.
 *
 * @throws `cc/malformed`
 */
export function decodePemOrDer(file: Uint8Array | string, label: 'CERTIFICATE' | 'X509 CRL'): readonly Uint8Array[] {
  if (typeof file === 'string') return decodePem(file, label);
  // DER of either begins with a SEQUENCE, which no text does with a long length behind it.
  if (file[0] === 0x30 && (file[1] ?? 0) >= 0x80) return [file];
  return decodePem(latin1Text(file), label);
}

function decodeBase64(text: string): Uint8Array {
  const compact = text.replace(/[\s]+/g, '');
  try {
    return Uint8Array.from(atob(compact), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw new SimsError('cc/malformed', `PEM block of ${compact.length} characters is not base64`, { cause });
  }
}

function latin1Text(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return text;
}
