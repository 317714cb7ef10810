/**
 * Who a party is: fingerprints, ids, safety numbers, and the proof that a credential was verified
 * (docs/protocol.md §1.2).
 *
 * @packageDocumentation
 */
import { base64url, equal, lengthPrefixed } from '../bytes.ts';
import type { HashProvider, SignaturePublicKey } from '../crypto/provider.ts';
import { SimsError } from '../errors.ts';
import { CLIENT_ID_BYTES, clientIdOf, type ClientId } from '../messages/address.ts';
import { CREDENTIAL_KIND_NUMBERS, type Credential } from '../messages/credential.ts';
import { endsOf, type HandshakeContext, type Plane, type Role } from './context.ts';
import { sixtyDigits } from './digits.ts';

/** How a party is known. */
export type CredentialKind = Credential['kind'];

/** What a certificate says of a person, for rules of clearance. Personal data: never logged. */
export interface PersonDescription {
  /** The issuing CA: SHA-256 of its certificate, 64 lower-case hexadecimal digits, and its name as RFC 4514 text. */
  readonly issuer: { readonly fingerprint: string; readonly name: string };
  /** Policies for which the path is valid, dotted. */
  readonly policyOids: readonly string[];
  /** Attributes of the subject, by short name (`O`) and by dotted object identifier. */
  readonly subject: Readonly<Record<string, readonly string[]>>;
  /** Highest label that the delegation covers; absent for no limit. */
  readonly highestLabel?: string;
}

declare const verified: unique symbol;

/**
 * The outcome of verifying a credential together with a signature by its key. Only a verifier makes one
 * ({@link createCredentialVerifier}), so that nothing unverified passes for an identity.
 */
export interface VerifiedIdentity {
  readonly [verified]: true;
  readonly kind: CredentialKind;
  /** 32 bytes, of kind and long-term key. */
  readonly fingerprint: Uint8Array;
  /** The first 20 bytes of the fingerprint. */
  readonly id: ClientId;
  /** What signs from here on: the long-term key, or the delegated one of a certificate. */
  readonly signatureKey: SignaturePublicKey;
  /** SHA-256 of the SPKI, 32 bytes; of a relay alone. What clients pin. */
  readonly relayIdentity?: Uint8Array;
  /** The name in a certificate. Absent otherwise: any other name is its bearer's word. */
  readonly name?: string;
  /** Until when the verification holds, in milliseconds since 1970; absent for no end. */
  readonly verifiedUntilMs?: number;
  /** Of a person with a certificate. Not enumerable, so that it does not print. */
  readonly person?: PersonDescription;
  /**
   * Verifies certificate and delegation once more, at the time of the call; gives the new end in milliseconds since 1970.
   * Of a person with a certificate; not enumerable. Rejects with the error of the refusal.
   */
  readonly recheck?: () => Promise<number>;
}

/** Fingerprint of a long-term key, 32 bytes; the same key has another one under another kind. */
export function fingerprint(provider: HashProvider, kind: CredentialKind, longTermSpki: Uint8Array): Uint8Array {
  const kindByte = Uint8Array.of(CREDENTIAL_KIND_NUMBERS[kind]);
  return provider.hash('SHA-256', lengthPrefixed('SIMS id', kindByte, longTermSpki));
}

/** The client's id in a fingerprint. */
export function clientId(fingerprintBytes: Uint8Array): ClientId {
  return base64url(fingerprintBytes.subarray(0, CLIENT_ID_BYTES)) as ClientId;
}

/** The identity of a relay, 32 bytes: SHA-256 of its SPKI. */
export function relayIdentityOf(provider: HashProvider, spki: Uint8Array): Uint8Array {
  return provider.hash('SHA-256', spki);
}

/**
 * Sixty digits in twelve groups, the same on both sides, for two people to compare by another channel.
 *
 * @param own fingerprint, 32 bytes; the order of the two does not matter
 */
export function safetyNumber(provider: HashProvider, own: Uint8Array, peer: Uint8Array): string {
  const [first, second] = isSmaller(own, peer) ? [own, peer] : [peer, own];
  const digest = provider.hash('SHA-512', lengthPrefixed('SIMS 1 safety number', first, second));
  return sixtyDigits(digest);
}

/** Whether a kind has a place in that plane and role: relays answer on hops and do nothing else. */
export function isKindInPlace(kind: CredentialKind, plane: Plane, role: Role): boolean {
  return (kind === 'relay') === (plane === 'hop' && role === 'responder');
}

/** Refuses a peer's kind that is out of place. @throws `handshake/credential-kind` */
export function checkKind(kind: CredentialKind, plane: Plane, role: Role): void {
  if (!isKindInPlace(kind, plane, role)) {
    throw new SimsError('handshake/credential-kind', `the ${role} of a ${plane} shows a credential of kind ${kind}`);
  }
}

/**
 * Refuses a handshake with oneself, whatever the devices.
 *
 * @throws `handshake/own-identity`
 */
export function checkEnds(context: HandshakeContext, role: Role): void {
  const ends = endsOf(context, role);
  if (ends !== undefined && clientIdOf(ends.peer) === ends.own) {
    throw new SimsError('handshake/own-identity', 'both addresses have the id of this side');
  }
}

/**
 * Holds a verified identity against the credential that was shown and the party that is expected.
 *
 * @throws `handshake/identity-mismatch`, or `handshake/invalid-argument` when a verifier answered for another credential
 */
export function checkIdentity(
  identity: VerifiedIdentity,
  credential: Credential,
  context: HandshakeContext,
  role: Role,
): void {
  const spki = credential.kind === 'certificate' ? undefined : credential.spki;
  if (identity.kind !== credential.kind || (spki !== undefined && !equal(identity.signatureKey.spki, spki))) {
    throw new SimsError('handshake/invalid-argument', 'the verified identity is not that of the credential');
  }
  const expected = expectationOf(context, role);
  checkExpected(expected, identity.id, identity.relayIdentity);
}

/** Who must be behind the peer's credential. */
export interface Expectation {
  /** In a conversation: the id in the peer's address. */
  readonly id?: ClientId;
  /** At a client on a hop that pins: SHA-256 of the relay's SPKI. */
  readonly relayIdentity?: Uint8Array;
}

/** What the context says of the peer of that role's side. */
export function expectationOf(context: HandshakeContext, role: Role): Expectation {
  if (context.plane === 'conversation') {
    return { id: clientIdOf(role === 'initiator' ? context.responder : context.initiator) };
  }
  return role === 'initiator' && context.relayIdentity !== undefined ? { relayIdentity: context.relayIdentity } : {};
}

/** @throws `handshake/identity-mismatch` */
export function checkExpected(expected: Expectation, id: ClientId, relayIdentity: Uint8Array | undefined): void {
  if (expected.id !== undefined && expected.id !== id) {
    throw new SimsError('handshake/identity-mismatch', `the credential has the id ${id}, expected was ${expected.id}`);
  }
  const pin = expected.relayIdentity;
  if (pin !== undefined && (relayIdentity === undefined || !equal(pin, relayIdentity))) {
    throw new SimsError('handshake/identity-mismatch', 'the relay does not have the pinned key');
  }
}

function isSmaller(left: Uint8Array, right: Uint8Array): boolean {
  for (let index = 0; index < left.length; index += 1) {
    if (left[index] !== right[index]) return left[index]! < (right[index] ?? 0);
  }
  return left.length < right.length;
}
