/**
 * What a side shows of itself in a handshake (docs/protocol.md section 1.2). Only the form is judged here: whether
 * keys, chains and signatures are good is for those who verify.
 *
 * @packageDocumentation
 */
import * as v from 'valibot';
import { decodeBody, encodeBody, type Body } from './body.ts';
import { arrayUpTo, bytesUpTo, type Schema } from './schema.ts';
import type { Field } from './wire.ts';

/** A raw public key: `none` lives as long as the client object, `key` is kept. */
export interface KeyCredential {
  readonly kind: 'none' | 'key';
  /** DER SubjectPublicKeyInfo, at most 2,048 bytes. */
  readonly spki: Uint8Array;
}

/** A person: an X.509 chain and a session key that it delegates to. */
export interface CertificateCredential {
  readonly kind: 'certificate';
  /** DER certificates, leaf first: 1 to 8 of at most 16 KiB. */
  readonly chain: readonly Uint8Array[];
  /** At most 4,096 bytes. */
  readonly delegation: Uint8Array;
  /** By the key of the leaf; at most 1,024 bytes. */
  readonly delegationSignature: Uint8Array;
}

/** A relay, on a hop only. */
export interface RelayCredential {
  readonly kind: 'relay';
  /** DER SubjectPublicKeyInfo, at most 2,048 bytes. */
  readonly spki: Uint8Array;
  /** DER certificates, leaf first: 1 to 8 of at most 16 KiB. */
  readonly chain: readonly Uint8Array[];
}

/** Every kind of credential. */
export type Credential = KeyCredential | CertificateCredential | RelayCredential;

/** Numbers of the kinds, on the wire and in fingerprints. */
export const CREDENTIAL_KIND_NUMBERS: { readonly [Kind in Credential['kind']]: number } = {
  none: 0,
  key: 1,
  certificate: 2,
  relay: 3,
};

/**
 * Deterministic CBOR of a credential.
 *
 * @throws `messages/invalid-message`
 */
export function encodeCredential(credential: Credential): Uint8Array {
  return encodeBody(CREDENTIAL, credential);
}

/**
 * The credential that bytes hold; byte strings are views of them.
 *
 * @throws `codec/*`, `messages/field-*`
 */
export function decodeCredential(bytes: Uint8Array): Credential {
  return decodeBody(CREDENTIAL, bytes);
}

const MAX_SPKI_BYTES = 2_048;
const MAX_CERTIFICATES = 8;
const MAX_CERTIFICATE_BYTES = 16_384;
const MAX_DELEGATION_BYTES = 4_096;
const MAX_SIGNATURE_BYTES = 1_024;

const spki: Schema<Uint8Array> = bytesUpTo(MAX_SPKI_BYTES);
const chain: Schema<readonly Uint8Array[]> = v.pipe(
  arrayUpTo(bytesUpTo(MAX_CERTIFICATE_BYTES), MAX_CERTIFICATES),
  v.check((certificates) => certificates.length > 0, 'no certificate'),
);

const keyCredential: Schema<KeyCredential> = v.object({ kind: v.picklist(['none', 'key']), spki });
const relayCredential: Schema<RelayCredential> = v.object({ kind: v.literal('relay'), spki, chain });
const certificateCredential: Schema<CertificateCredential> = v.object({
  kind: v.literal('certificate'),
  chain,
  delegation: bytesUpTo(MAX_DELEGATION_BYTES),
  delegationSignature: bytesUpTo(MAX_SIGNATURE_BYTES),
});

/** Validates a {@link Credential}. */
export const credentialSchema: Schema<Credential> = v.lazy((input): Schema<Credential> => {
  const kind = typeof input === 'object' && input !== null && 'kind' in input ? input.kind : undefined;
  if (kind === 'relay') return relayCredential;
  return kind === 'certificate' ? certificateCredential : keyCredential;
});

const FIELDS: readonly Field[] = [
  { property: 'kind', number: 0, name: 'kind', wire: 'kind' },
  { property: 'spki', number: 1, name: 'spki', wire: 'plain' },
  { property: 'chain', number: 2, name: 'chain', wire: 'plain' },
  { property: 'delegation', number: 3, name: 'delegation', wire: 'plain' },
  { property: 'delegationSignature', number: 4, name: 'delegation signature', wire: 'plain' },
];

const CREDENTIAL: Body<Credential> = { what: 'credential', schema: credentialSchema, fields: FIELDS };
