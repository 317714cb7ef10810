/**
 * Verifies people inside the protocol: chain, revocation, profile and delegation, for relays and for clients alike. What
 * {@link createPersonVerifier} gives is a `VerifyCertificate` of the handshake.
 *
 * @packageDocumentation
 */
import { fromBase64url } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { fingerprint, parseCertificate, type Certificate } from './certificate.ts';
import { verifyDelegation, type DelegationPurpose, type VerifiedDelegation } from './delegation.ts';
import { ATTRIBUTE, attributeTexts, displayName, type Name } from './name.ts';
import { verificationError, verifyCertificate, type VerifiedCertificate, type VerifyOptions } from './path.ts';
import { GENERIC_EID, type Profile } from './profile.ts';
import { RevocationCache } from './revocationCache.ts';
import type { TrustStore } from './trust.ts';

/** What is passed on to path validation. */
export type PathOptions = Omit<
  VerifyOptions,
  'certificate' | 'intermediates' | 'trust' | 'profile' | 'names' | 'atMs' | 'crls' | 'deadline'
>;

/** What {@link createPersonVerifier} takes. */
export interface PersonVerifierOptions extends PathOptions {
  /** Anchors and intermediates kept for persons. */
  readonly trust: TrustStore;
  /** Default {@link GENERIC_EID}. */
  readonly profile?: Profile;
  /** Revocation lists at hand; a function is asked at each verification, so that lists can be renewed. */
  readonly crls?: VerifyOptions['crls'] | (() => VerifyOptions['crls']);
  /** Lower bounds on lifetimes of delegations, in milliseconds; by default 12 hours, for prekeys 30 days. */
  readonly maxLifetimesMs?: Readonly<Partial<Record<DelegationPurpose, number>>>;
  /** Takes delegations that an old card signed with SHA-1; default false. */
  readonly allowSha1?: boolean;
  /** Time for one verification; default 8,000 ms. Fetching has limits of its own. */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970; default the platform's clock. */
  readonly now?: () => number;
}

/** A person's credential, as docs/protocol.md §1.2 has it. */
export interface PersonCredential {
  /** DER certificates, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly delegation: Uint8Array;
  readonly delegationSignature: Uint8Array;
}

/** What the handshake knows when it asks. */
export interface PersonRequest {
  readonly plane: 'hop' | 'conversation';
  /** What the session key must be for, where that is not the plane: starts with who is away. */
  readonly purpose?: 'prekey';
  /** In a conversation: the peer's address, which ends with its device. */
  readonly address?: string;
  /** On a hop: the device that the client claims, 8 bytes. */
  readonly device?: Uint8Array;
  /** SHA-256 of the relay's SPKI. */
  readonly relayIdentity?: Uint8Array;
}

/** What is known of a person afterwards. */
export interface VerifiedPerson {
  /** SPKI of the leaf certificate. */
  readonly longTermSpki: Uint8Array;
  /** SPKI of the session key. */
  readonly signatureSpki: Uint8Array;
  /** The name in the certificate; empty if it has none. */
  readonly name: string;
  /** End of the delegation's purpose, or of the first certificate of the path; milliseconds since 1970. */
  readonly verifiedUntilMs: number;
  readonly person: {
    readonly issuer: { readonly fingerprint: string; readonly name: string };
    readonly policyOids: readonly string[];
    readonly subject: Readonly<Record<string, readonly string[]>>;
    readonly highestLabel?: string;
  };
  /** Verifies the same once more, now; gives the new end. */
  readonly recheck: () => Promise<number>;
}

/** Verifies one person's credential; rejects with a SimsError to refuse. */
export type VerifyPerson = (credential: PersonCredential, request: PersonRequest) => Promise<VerifiedPerson>;

/**
 * A verifier of people. Delegation first, since it costs one signature; then the path and revocation, which may fetch.
 * It refuses with the codes of `verifyDelegation` and of `verifyCertificate`: `cc/expired`, `cc/revoked`,
 * `cc/revocation-unknown`, `cc/untrusted` (wrong CA), `cc/wrong-purpose` (not an authentication certificate),
 * `cc/path-invalid`, `cc/malformed`, `cc/work-limit`. That the certificate is that of the expected address is checked by
 * the handshake: `handshake/identity-mismatch`.
 *
 * @throws `cc/invalid-argument` for a trust store of another purpose than the profile's
 */
export function createPersonVerifier(options: PersonVerifierOptions): VerifyPerson {
  const profile = options.profile ?? GENERIC_EID;
  if (profile.purpose !== 'person' || options.trust.purpose !== 'person') {
    throw new SimsError('cc/invalid-argument', 'people are verified with a profile and a trust store for persons');
  }
  // One cache for all verifications, so that a list is fetched once.
  const settings: Settings = { ...options, profile, cache: options.cache ?? new RevocationCache() };
  return (credential, request) => verifyPerson(settings, ownCredential(credential), request);
}

type Settings = PersonVerifierOptions & Required<Pick<PersonVerifierOptions, 'profile' | 'cache'>>;

async function verifyPerson(
  settings: Settings,
  credential: PersonCredential,
  request: PersonRequest,
): Promise<VerifiedPerson> {
  const { leaf, delegated, path } = await check(settings, credential, request);
  const { content } = delegated;
  // An anchor that a profile takes as a target vouches for itself.
  const issuer = path.path.at(-2) ?? leaf;
  return {
    longTermSpki: leaf.spki,
    signatureSpki: content.sessionSpki,
    name: personName(leaf.subject),
    verifiedUntilMs: endOf(delegated, path),
    person: {
      issuer: { fingerprint: await fingerprint(issuer), name: displayName(issuer.subject) },
      policyOids: path.policies,
      subject: attributesOf(leaf.subject),
      ...(content.highestLabel === undefined ? {} : { highestLabel: content.highestLabel }),
    },
    recheck: async () => {
      const again = await check(settings, credential, request);
      return endOf(again.delegated, again.path);
    },
  };
}

interface Checked {
  readonly leaf: Certificate;
  readonly delegated: VerifiedDelegation;
  readonly path: VerifiedCertificate;
}

async function check(settings: Settings, credential: PersonCredential, request: PersonRequest): Promise<Checked> {
  const nowMs = (settings.now ?? Date.now)();
  const [first, ...intermediates] = credential.chain;
  const leaf = parseCertificate(first ?? new Uint8Array());
  const delegated = await verifyDelegation({
    delegation: credential.delegation,
    signature: credential.delegationSignature,
    leaf,
    purpose: request.purpose ?? request.plane,
    // What the context does not tell matches nothing: a check is never left out.
    device: deviceOf(request),
    relayIdentity: request.relayIdentity ?? new Uint8Array(),
    nowMs,
    ...(settings.maxLifetimesMs === undefined ? {} : { maxLifetimesMs: settings.maxLifetimesMs }),
    ...(settings.allowSha1 === undefined ? {} : { allowSha1: settings.allowSha1 }),
  });
  const path = await checkPath(settings, { certificate: leaf, intermediates, profile: settings.profile, atMs: nowMs });
  return { leaf, delegated, path };
}

/** The proof for a path. @throws the error of the verdict */
export async function checkPath(
  settings: PathOptions & Pick<PersonVerifierOptions, 'trust' | 'crls' | 'timeoutMs'>,
  target: Pick<VerifyOptions, 'certificate' | 'intermediates' | 'profile' | 'names' | 'atMs'>,
): Promise<VerifiedCertificate> {
  const { crls, timeoutMs = DEFAULT_TIMEOUT_MS, ...path } = settings;
  const lists = typeof crls === 'function' ? crls() : crls;
  const verification = await verifyCertificate({
    ...path,
    ...target,
    ...(lists === undefined ? {} : { crls: lists }),
    // Real time, whatever `now` says: this bounds work.
    deadline: { now: Date.now, atMs: Date.now() + timeoutMs },
  });
  if (!verification.valid) throw verificationError(verification);
  return verification.verified;
}

/** The first moment at which a certificate of the path ends. */
export function endOfPath(path: VerifiedCertificate): number {
  return Math.min(...path.path.map(({ notAfterMs }) => notAfterMs));
}

const DEFAULT_TIMEOUT_MS = 8_000;
/** Characters of an id and the dot in the text of an address. */
const ID_CHARACTERS = 28;
const COMMON_NAME = '2.5.4.3';
const GIVEN_NAME = '2.5.4.42';
const SURNAME = '2.5.4.4';
const MAX_NAME_CHARACTERS = 128;

function endOf(delegated: VerifiedDelegation, path: VerifiedCertificate): number {
  return Math.min(delegated.untilMs, endOfPath(path));
}

function deviceOf(request: PersonRequest): Uint8Array {
  if (request.plane === 'hop') return request.device ?? new Uint8Array();
  return request.address === undefined ? new Uint8Array() : fromBase64url(request.address.slice(ID_CHARACTERS));
}

/** A copy: the credential is a view of a message, and is looked at again later. */
function ownCredential({ chain, delegation, delegationSignature }: PersonCredential): PersonCredential {
  return {
    chain: chain.map((certificate) => certificate.slice()),
    delegation: delegation.slice(),
    delegationSignature: delegationSignature.slice(),
  };
}

function personName(subject: Name): string {
  const common = attributeTexts(subject, COMMON_NAME).at(-1);
  const name = common ?? [GIVEN_NAME, SURNAME].flatMap((type) => attributeTexts(subject, type)).join(' ');
  // No control characters, line breaks or marks that turn the direction of text.
  const shown = name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '');
  return Array.from(shown).slice(0, MAX_NAME_CHARACTERS).join('');
}

function attributesOf(subject: Name): Readonly<Record<string, readonly string[]>> {
  const attributes = Object.create(null) as Record<string, readonly string[]>;
  for (const { type } of subject.relativeNames.flat()) {
    const texts = attributeTexts(subject, type);
    attributes[type] = texts;
    const short = Object.hasOwn(ATTRIBUTE, type) ? ATTRIBUTE[type] : undefined;
    if (short !== undefined) attributes[short] = texts;
  }
  return attributes;
}
