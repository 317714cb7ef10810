/**
 * OCSP requests (RFC 6960 §4.1) for one certificate, with a nonce (RFC 9654).
 *
 * @packageDocumentation
 */
import type { Certificate } from './certificate.ts';
import type { SignatureHash } from './certificateAlgorithms.ts';
import { TAG, enterWhole } from './certificateDer.ts';
import { element, nullValue, objectIdentifier, octetString, sequence, tagged } from './createDer.ts';
import { OCSP_NONCE } from './ocsp.ts';

/** Hashes of the issuer that name a certificate together with its serial number. */
export interface IssuerHashes {
  readonly nameHash: Uint8Array;
  readonly keyHash: Uint8Array;
}

/** Hashes of the issuer's name, as the certificate spells it, and of the bits of its public key. */
export async function issuerHashes(
  certificate: Certificate,
  issuer: Certificate,
  hash: SignatureHash,
): Promise<IssuerHashes> {
  const [nameHash, keyHash] = await Promise.all([digest(hash, certificate.issuer.bytes), publicKeyHash(issuer, hash)]);
  return { nameHash, keyHash };
}

/** Hash of the contents of the BIT STRING in a certificate's SubjectPublicKeyInfo, without its count of unused bits. */
export function publicKeyHash(certificate: Certificate, hash: SignatureHash): Promise<Uint8Array> {
  const info = enterWhole(certificate.spki, TAG.sequence);
  info.expect(TAG.sequence);
  return digest(hash, info.take(TAG.bitString).subarray(1));
}

/** DER of a request, and the nonce's extension value to look for in the answer. The CertID uses SHA-1, which every responder takes. */
export async function encodeOcspRequest(
  certificate: Certificate,
  issuer: Certificate,
  nonce: Uint8Array,
): Promise<{ readonly request: Uint8Array; readonly nonceValue: Uint8Array }> {
  const { nameHash, keyHash } = await issuerHashes(certificate, issuer, 'SHA-1');
  const id = sequence(
    sequence(objectIdentifier('1.3.14.3.2.26'), nullValue()),
    octetString(nameHash),
    octetString(keyHash),
    element(TAG.integer, certificate.serial),
  );
  const nonceValue = octetString(nonce);
  const extension = sequence(objectIdentifier(OCSP_NONCE), octetString(nonceValue));
  return { request: sequence(sequence(sequence(sequence(id)), tagged(2, sequence(extension)))), nonceValue };
}

async function digest(hash: SignatureHash, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(hash, Uint8Array.from(bytes)));
}
