/**
 * Verifies a credential and the signature made with it, and so makes a {@link VerifiedIdentity}.
 *
 * @packageDocumentation
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import { SimsError } from '../errors.ts';
import type { CertificateCredential, Credential, RelayCredential } from '../messages/credential.ts';
import {
  checkExpected,
  clientId,
  fingerprint,
  relayIdentityOf,
  type PersonDescription,
  type VerifiedIdentity,
} from './identity.ts';
import { andThen, type MaybePromise } from './maybePromise.ts';
import { conceal } from './secrets.ts';
import type { VerifyOutput } from './states.ts';

/** What a valid chain and delegation say. */
export interface CertificateFacts {
  /** SubjectPublicKeyInfo of the leaf: the long-term key. */
  readonly longTermSpki: Uint8Array;
  /** SubjectPublicKeyInfo of the delegated session key, which signs. */
  readonly signatureSpki: Uint8Array;
  readonly name?: string;
  /** Milliseconds since 1970. */
  readonly verifiedUntilMs?: number;
  readonly person?: PersonDescription;
  /** Verifies the same once more, at the time of the call; gives the new end in milliseconds since 1970. */
  readonly recheck?: () => Promise<number>;
}

/** What a valid chain says of a relay. */
export interface RelayFacts {
  readonly name?: string;
  /** Milliseconds since 1970. */
  readonly verifiedUntilMs?: number;
}

/** Validates a person's chain, revocation and delegation against the request; throws a SimsError to refuse. */
export type VerifyCertificate = (
  credential: CertificateCredential,
  request: VerifyOutput,
) => MaybePromise<CertificateFacts>;

/** Validates a relay's chain, whose leaf must have the credential's key; throws a SimsError to refuse. */
export type VerifyRelay = (credential: RelayCredential, request: VerifyOutput) => MaybePromise<RelayFacts>;

/** Verifies credential, signature and expectation; throws a SimsError to refuse. */
export type VerifyCredential = (request: VerifyOutput) => MaybePromise<VerifiedIdentity>;

/** What {@link createCredentialVerifier} takes. */
export interface CredentialVerifierOptions {
  readonly provider: CryptoProvider;
  /** Without it certificates are refused: `handshake/unsupported-credential`. */
  readonly verifyCertificate?: VerifyCertificate;
  /** Without it the key of a relay is what counts: the pinned one, or, where none is expected, any (trust on first use). */
  readonly verifyRelay?: VerifyRelay;
}

interface Facts extends CertificateFacts {
  readonly relayIdentity?: Uint8Array;
}

/**
 * The verifier of all kinds of credentials; synchronous where its parts are. It throws
 *
 * - `handshake/identity-mismatch` for another party than was expected,
 * - `handshake/peer-key-invalid` for a public key that is malformed, of low order or too small,
 * - `handshake/authentication-failed` for a signature that does not verify,
 * - `handshake/unsupported-credential` for a certificate without a verifier, and what the given verifiers throw.
 */
export function createCredentialVerifier(options: CredentialVerifierOptions): VerifyCredential {
  return (request) =>
    andThen(factsOf(request.credential, request, options), (facts) => identify(facts, request, options.provider));
}

function factsOf(
  credential: Credential,
  request: VerifyOutput,
  { provider, verifyCertificate, verifyRelay }: CredentialVerifierOptions,
): MaybePromise<Facts> {
  if (credential.kind === 'certificate') {
    if (verifyCertificate !== undefined) return verifyCertificate(credential, request);
    throw new SimsError('handshake/unsupported-credential', 'certificates are not verified here');
  }
  const facts: Facts = { longTermSpki: credential.spki, signatureSpki: credential.spki };
  if (credential.kind !== 'relay') return facts;
  const relay: Facts = { ...facts, relayIdentity: relayIdentityOf(provider, credential.spki) };
  if (verifyRelay === undefined) return relay;
  return andThen(verifyRelay(credential, request), (said) => ({ ...relay, ...said }));
}

function identify(facts: Facts, request: VerifyOutput, provider: CryptoProvider): MaybePromise<VerifiedIdentity> {
  const { relayIdentity, name, verifiedUntilMs, person, recheck } = facts;
  const { kind } = request.credential;
  const print = fingerprint(provider, kind, facts.longTermSpki);
  const id = clientId(print);
  // Before the signature: a stranger is told from a forger, and costs less.
  checkExpected(request.expected, id, relayIdentity);
  const signatureKey = provider.parsePublicKey(facts.signatureSpki);
  if (signatureKey === undefined) {
    throw new SimsError(
      'handshake/peer-key-invalid',
      `a public key of ${facts.signatureSpki.length} bytes is not sound`,
    );
  }
  return andThen(provider.verify(signatureKey, request.signedContent, request.signature), (isGood) => {
    if (!isGood) throw new SimsError('handshake/authentication-failed', 'the signature does not verify');
    const identity = {
      kind,
      fingerprint: print,
      id,
      signatureKey,
      ...(relayIdentity === undefined ? {} : { relayIdentity }),
      ...(name === undefined ? {} : { name }),
      ...(verifiedUntilMs === undefined ? {} : { verifiedUntilMs }),
    };
    const hidden = { ...(person === undefined ? {} : { person }), ...(recheck === undefined ? {} : { recheck }) };
    // The one place where the proof is given.
    return conceal(hidden, identity) as VerifiedIdentity;
  });
}
