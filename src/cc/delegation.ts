/**
 * Delegation (docs/protocol.md §1.3): a card signs once, at login, that a session key acts for it, on one device at one
 * relay, for some purposes and some hours. Everything afterwards is signed by the session key.
 *
 * @packageDocumentation
 */
import { concat, equal, utf8 } from '../bytes.ts';
import { decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { BODY_LIMITS } from '../codec/limits.ts';
import { SimsError } from '../errors.ts';
import type { Certificate } from './certificate.ts';
import {
  readPublicKey,
  type CertificatePublicKey,
  type CertificateSignatureAlgorithm,
} from './certificateAlgorithms.ts';
import { DerReader } from './certificateDer.ts';
import { ecdsaSignatureToDer } from './create.ts';
import { Budget } from './pathLimits.ts';
import { DEFAULT_ALGORITHMS, SignatureChecker } from './pathSignature.ts';
import type { Signer, SignOptions, SigningAlgorithm } from './signer.ts';

/** What a session key may do. */
export type DelegationPurpose = 'hop' | 'conversation' | 'prekey';

/** Algorithms of the card's signature. `RS1`, PKCS #1 with SHA-1, is verified only where a caller asks for it. */
export type DelegationAlgorithm = Exclude<SigningAlgorithm, 'ES512'> | 'RS1';

/** What a delegation says. Times are whole seconds, in milliseconds since 1970. */
export interface Delegation {
  /** Highest label that the session key may work at; absent for no limit. At most 255 bytes. */
  readonly highestLabel?: string;
  /** DER SubjectPublicKeyInfo: Ed25519, P-256, or RSA of 2,048 to 8,192 bits, which signs with PSS and SHA-256. */
  readonly sessionSpki: Uint8Array;
  /** 8 bytes. */
  readonly device: Uint8Array;
  /** SHA-256 of the leaf certificate, 32 bytes. */
  readonly leafHash: Uint8Array;
  /** SHA-256 of the relay's SPKI, 32 bytes. */
  readonly relayIdentity: Uint8Array;
  /** The last moment of each purpose; at least one. */
  readonly notAfterMs: Readonly<Partial<Record<DelegationPurpose, number>>>;
  readonly notBeforeMs: number;
  readonly algorithm: DelegationAlgorithm;
  /** 16 random bytes. */
  readonly random: Uint8Array;
}

/** A delegation as a credential holds it. */
export interface SignedDelegation {
  readonly content: Delegation;
  /** Deterministic CBOR. */
  readonly delegation: Uint8Array;
  /** The card's; ECDSA as raw r ‖ s. */
  readonly signature: Uint8Array;
}

/** Longest lifetimes, in milliseconds from not-before; a verifier counts no purpose for longer. */
export const MAX_LIFETIMES_MS: Readonly<Record<DelegationPurpose, number>> = {
  hop: 12 * 3_600_000,
  conversation: 12 * 3_600_000,
  prekey: 30 * 86_400_000,
};

/** How far a not-before may lie ahead. */
export const NOT_BEFORE_SKEW_MS = 300_000;

/** What {@link createDelegation} takes. */
export interface CreateDelegationOptions {
  readonly signer: Signer;
  /** SPKI of the session key, whose private half stays with the caller. */
  readonly sessionSpki: Uint8Array;
  readonly device: Uint8Array;
  readonly relayIdentity: Uint8Array;
  readonly highestLabel?: string;
  /** Lifetime of each purpose from now, in milliseconds; default hop and conversation, 12 hours each. */
  readonly lifetimesMs?: Readonly<Partial<Record<DelegationPurpose, number>>>;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** For the one signature. */
  readonly sign?: SignOptions;
}

/**
 * Lets the card sign once. Takes as long as the person at the PIN dialog does.
 *
 * @throws `cc/invalid-argument` for what a delegation cannot hold, `card/…` codes of the signer
 */
export async function createDelegation(options: CreateDelegationOptions): Promise<SignedDelegation> {
  const { signer, sessionSpki, device, relayIdentity, highestLabel, nowMs } = options;
  const lifetimesMs = options.lifetimesMs ?? { hop: MAX_LIFETIMES_MS.hop, conversation: MAX_LIFETIMES_MS.conversation };
  const [leaf] = signer.chain;
  if (leaf === undefined) throw new SimsError('cc/invalid-argument', 'a signer without a certificate');
  const algorithm = options.sign?.algorithm ?? signer.algorithms.find(isDelegationAlgorithm);
  if (algorithm === undefined || !isDelegationAlgorithm(algorithm)) {
    throw new SimsError('card/mechanism', `no delegation is signed with ${algorithm ?? signer.algorithms.join(', ')}`);
  }
  const notBeforeMs = Math.floor(nowMs / 1000) * 1000;
  const notAfterMs: Partial<Record<DelegationPurpose, number>> = {};
  for (const purpose of PURPOSES) {
    const lifetimeMs = lifetimesMs[purpose];
    if (lifetimeMs !== undefined) notAfterMs[purpose] = notBeforeMs + Math.floor(lifetimeMs / 1000) * 1000;
  }
  const content: Delegation = {
    sessionSpki,
    device,
    leafHash: await sha256(leaf),
    relayIdentity,
    notAfterMs,
    notBeforeMs,
    algorithm,
    random: crypto.getRandomValues(new Uint8Array(16)),
    ...(highestLabel === undefined ? {} : { highestLabel }),
  };
  const delegation = encodeDelegation(content);
  const made = await signer.sign(delegationToBeSigned(delegation), { ...options.sign, algorithm });
  // A signer that did as it liked would give a delegation that says something else.
  if (made.algorithm !== algorithm) {
    throw new SimsError('card/mechanism', `asked for ${algorithm}, the signer used ${made.algorithm}`);
  }
  return { content, delegation, signature: made.signature };
}

/** What {@link verifyDelegation} takes. */
export interface VerifyDelegationOptions {
  readonly delegation: Uint8Array;
  readonly signature: Uint8Array;
  /** The leaf that came with it. That it is valid has to be found out as well. */
  readonly leaf: Certificate;
  readonly purpose: DelegationPurpose;
  /** Of the address in a conversation, of the box on a hop. */
  readonly device: Uint8Array;
  readonly relayIdentity: Uint8Array;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** Lower bounds than {@link MAX_LIFETIMES_MS}; higher ones have no effect. */
  readonly maxLifetimesMs?: Readonly<Partial<Record<DelegationPurpose, number>>>;
  /** Takes signatures with SHA-1, of old cards; default false. */
  readonly allowSha1?: boolean;
}

/** What a good delegation gives. */
export interface VerifiedDelegation {
  readonly content: Delegation;
  /** The last moment at which the purpose holds. */
  readonly untilMs: number;
}

/**
 * Verifies all that §1.3 asks of a delegation but the path of its leaf.
 *
 * @throws `cc/delegation-malformed`, `cc/delegation-key`, `cc/delegation-certificate`, `cc/delegation-relay`,
 * `cc/delegation-device`, `cc/delegation-purpose`, `cc/delegation-expired`, `cc/sha1-not-allowed`,
 * `cc/delegation-signature`
 */
export async function verifyDelegation(options: VerifyDelegationOptions): Promise<VerifiedDelegation> {
  const { leaf, purpose, device, relayIdentity, nowMs } = options;
  const content = decodeDelegation(options.delegation);
  if (!equal(content.leafHash, await sha256(leaf.bytes))) {
    throw new SimsError('cc/delegation-certificate', 'the delegation names another certificate');
  }
  if (!equal(content.relayIdentity, relayIdentity)) {
    throw new SimsError('cc/delegation-relay', 'the delegation is for another relay');
  }
  if (!equal(content.device, device)) {
    throw new SimsError('cc/delegation-device', 'the delegation is for another device');
  }
  const untilMs = untilOf(content, purpose, options.maxLifetimesMs);
  if (untilMs === undefined) throw new SimsError('cc/delegation-purpose', `the delegation is not for ${purpose}`);
  if (nowMs < content.notBeforeMs - NOT_BEFORE_SKEW_MS) {
    throw new SimsError('cc/delegation-expired', `the delegation begins ${content.notBeforeMs - nowMs} ms from now`);
  }
  if (nowMs > untilMs) throw new SimsError('cc/delegation-expired', `the delegation ended ${nowMs - untilMs} ms ago`);
  if (content.algorithm === 'RS1' && options.allowSha1 !== true) {
    throw new SimsError('cc/sha1-not-allowed', 'the card signed with SHA-1');
  }
  if (!(await isSignedBy(leaf, content.algorithm, options.delegation, options.signature))) {
    throw new SimsError('cc/delegation-signature', 'the signature of the delegation does not verify');
  }
  return { content, untilMs };
}

/** All that the card signs: the purpose's prefix and the delegation. */
export function delegationToBeSigned(delegation: Uint8Array): Uint8Array {
  return concat(utf8('SIMS 1 delegation\0'), delegation);
}

/**
 * Deterministic CBOR of a delegation.
 *
 * @throws `cc/invalid-argument` for what it cannot hold
 */
export function encodeDelegation(content: Delegation): Uint8Array {
  const purposes = new Map<number, number>();
  for (const [number, purpose] of PURPOSES.entries()) {
    const notAfterMs = content.notAfterMs[purpose];
    if (notAfterMs !== undefined) purposes.set(number, notAfterMs / 1000);
  }
  const map = new Map<number, unknown>([
    [1, content.sessionSpki],
    [2, content.device],
    [3, content.leafHash],
    [4, content.relayIdentity],
    [5, purposes],
    [6, content.notBeforeMs / 1000],
    [7, content.algorithm],
    [8, content.random],
  ]);
  if (content.highestLabel !== undefined) map.set(0, content.highestLabel);
  const problem = problemOf(map);
  if (problem !== undefined) throw new SimsError('cc/invalid-argument', `delegation: ${problem}`);
  const sessionKey = sessionKeyProblem(content.sessionSpki);
  if (sessionKey !== undefined) throw new SimsError('cc/invalid-argument', `delegation: ${sessionKey}`);
  return encodeCbor(map);
}

/**
 * What the bytes of a delegation say; byte strings are views of them.
 *
 * @throws `cc/delegation-malformed`, `cc/delegation-key`
 */
export function decodeDelegation(bytes: Uint8Array): Delegation {
  const map = decodedMap(bytes);
  const problem = problemOf(map);
  if (problem !== undefined) throw new SimsError('cc/delegation-malformed', problem);
  const sessionSpki = map.get(1) as Uint8Array;
  const sessionKey = sessionKeyProblem(sessionSpki);
  if (sessionKey !== undefined) throw new SimsError('cc/delegation-key', sessionKey);
  const notAfterMs: Partial<Record<DelegationPurpose, number>> = {};
  for (const [number, seconds] of map.get(5) as ReadonlyMap<number, number>) {
    const purpose = PURPOSES[number];
    // Later versions may know more purposes: they are none of ours.
    if (purpose !== undefined) notAfterMs[purpose] = seconds * 1000;
  }
  const highestLabel = map.get(0) as string | undefined;
  return {
    sessionSpki,
    device: map.get(2) as Uint8Array,
    leafHash: map.get(3) as Uint8Array,
    relayIdentity: map.get(4) as Uint8Array,
    notAfterMs,
    notBeforeMs: (map.get(6) as number) * 1000,
    algorithm: map.get(7) as DelegationAlgorithm,
    random: map.get(8) as Uint8Array,
    ...(highestLabel === undefined ? {} : { highestLabel }),
  };
}

const PURPOSES: readonly DelegationPurpose[] = ['hop', 'conversation', 'prekey'];
const HIGHEST_KEY = 8;
const MAX_LABEL_BYTES = 255;
const MAX_SPKI_BYTES = 2_048;
const MAX_PURPOSES = 16;
/** The year 9999: times beyond it are somebody's mistake, and milliseconds stay exact. */
const MAX_SECONDS = 253_402_300_799;
const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 8_192;

interface Algorithm {
  readonly scheme: CertificateSignatureAlgorithm;
  readonly kind: CertificatePublicKey['kind'];
  readonly curve?: 'P-256' | 'P-384';
}

const ALGORITHMS: Readonly<Record<DelegationAlgorithm, Algorithm>> = {
  ES256: { scheme: { scheme: 'ECDSA', hash: 'SHA-256' }, kind: 'EC', curve: 'P-256' },
  ES384: { scheme: { scheme: 'ECDSA', hash: 'SHA-384' }, kind: 'EC', curve: 'P-384' },
  PS256: { scheme: { scheme: 'RSA-PSS', hash: 'SHA-256', saltLength: 32 }, kind: 'RSA' },
  RS256: { scheme: { scheme: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, kind: 'RSA' },
  EdDSA: { scheme: { scheme: 'Ed25519' }, kind: 'Ed25519' },
  RS1: { scheme: { scheme: 'RSASSA-PKCS1-v1_5', hash: 'SHA-1' }, kind: 'RSA' },
};

function isDelegationAlgorithm(name: SigningAlgorithm): name is Exclude<DelegationAlgorithm, 'RS1'> {
  return Object.hasOwn(ALGORITHMS, name);
}

function untilOf(
  { notAfterMs, notBeforeMs }: Delegation,
  purpose: DelegationPurpose,
  maxLifetimesMs: VerifyDelegationOptions['maxLifetimesMs'],
): number | undefined {
  const ownMs = notAfterMs[purpose];
  if (ownMs === undefined) return undefined;
  const mostMs = Math.min(MAX_LIFETIMES_MS[purpose], maxLifetimesMs?.[purpose] ?? MAX_LIFETIMES_MS[purpose]);
  return Math.min(ownMs, notBeforeMs + mostMs);
}

async function isSignedBy(
  leaf: Certificate,
  name: DelegationAlgorithm,
  delegation: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const { scheme, kind, curve } = ALGORITHMS[name];
  const { publicKey } = leaf;
  if (publicKey?.kind !== kind) return false;
  let checked = signature;
  if (publicKey.kind === 'EC') {
    if (publicKey.curve !== curve || signature.length !== (curve === 'P-256' ? 64 : 96)) return false;
    // As certificates hold it: one verification serves both.
    checked = ecdsaSignatureToDer(signature);
  }
  const hashes = [...DEFAULT_ALGORITHMS.hashes, 'SHA-1'] as const;
  const checker = new SignatureChecker({ ...DEFAULT_ALGORITHMS, hashes }, new Budget());
  const refusal = await checker.check(
    {
      toBeSigned: delegationToBeSigned(delegation),
      signatureAlgorithm: scheme,
      signatureAlgorithmOid: '',
      signature: checked,
    },
    leaf,
  );
  return refusal === undefined;
}

function decodedMap(bytes: Uint8Array): ReadonlyMap<unknown, unknown> {
  try {
    const value = decodeCbor(bytes, BODY_LIMITS);
    if (value instanceof Map) return value;
  } catch (cause) {
    if (!(cause instanceof SimsError)) throw cause;
    throw new SimsError('cc/delegation-malformed', `not deterministic CBOR: ${cause.message}`, { cause });
  }
  throw new SimsError('cc/delegation-malformed', 'not a map');
}

/** What is wrong with the fields; unknown ones too, since a restriction that is not understood must not be lost. */
function problemOf(map: ReadonlyMap<unknown, unknown>): string | undefined {
  for (const key of map.keys()) {
    if (typeof key !== 'number' || key < 0 || key > HIGHEST_KEY) return `unknown field ${String(key).slice(0, 32)}`;
  }
  const label = map.get(0);
  if (map.has(0) && !(typeof label === 'string' && utf8(label).length <= MAX_LABEL_BYTES)) {
    return `field 0 is no text of at most ${MAX_LABEL_BYTES} bytes`;
  }
  const spki = map.get(1);
  if (!(spki instanceof Uint8Array) || spki.length > MAX_SPKI_BYTES) return 'field 1 is no public key';
  for (const [field, length] of [
    [2, 8],
    [3, 32],
    [4, 32],
    [8, 16],
  ] as const) {
    const value = map.get(field);
    if (!(value instanceof Uint8Array) || value.length !== length) return `field ${field} is not ${length} bytes`;
  }
  if (!isSeconds(map.get(6))) return 'field 6 is no time';
  const algorithm = map.get(7);
  if (typeof algorithm !== 'string' || !Object.hasOwn(ALGORITHMS, algorithm)) return 'field 7 is no known algorithm';
  return purposesProblem(map.get(5), map.get(6) as number);
}

function purposesProblem(purposes: unknown, notBefore: number): string | undefined {
  if (!(purposes instanceof Map) || purposes.size === 0 || purposes.size > MAX_PURPOSES) {
    return `field 5 is no map of 1 to ${MAX_PURPOSES} purposes`;
  }
  for (const [purpose, notAfter] of purposes as ReadonlyMap<unknown, unknown>) {
    if (typeof purpose !== 'number' || purpose < 0) return 'field 5 holds a purpose that is no number';
    if (!isSeconds(notAfter)) return `field 5, purpose ${purpose}: no time`;
    if (notAfter < notBefore) return `field 5, purpose ${purpose}: ends before it begins`;
  }
  return undefined;
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_SECONDS;
}

function sessionKeyProblem(spki: Uint8Array): string | undefined {
  const key = publicKeyOf(spki);
  if (key?.kind === 'Ed25519' || (key?.kind === 'EC' && key.curve === 'P-256')) return undefined;
  if (key?.kind === 'RSA' && key.pss === undefined && key.bits >= MIN_RSA_BITS && key.bits <= MAX_RSA_BITS) {
    return undefined;
  }
  return 'the session key is neither Ed25519 nor P-256 nor RSA of 2,048 to 8,192 bits';
}

function publicKeyOf(spki: Uint8Array): CertificatePublicKey | undefined {
  try {
    const reader = new DerReader(spki);
    const { key } = readPublicKey(reader);
    reader.finish();
    return key;
  } catch (error) {
    if (error instanceof SimsError) return undefined;
    throw error;
  }
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)));
}
