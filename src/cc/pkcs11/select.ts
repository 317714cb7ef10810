/**
 * Which certificate, key and mechanism of a token are used.
 *
 * @packageDocumentation
 */
import { equal } from '../../bytes.ts';
import { SimsError } from '../../errors.ts';
import type { SigningAlgorithm } from '../signer.ts';
import { algorithmsOf, isForAuthentication, withoutLeadingZeros } from '../signerCertificate.ts';
import {
  CKA_ID,
  CKA_LABEL,
  CKA_MODULUS,
  CKM_ECDSA,
  CKM_EDDSA,
  CKM_RSA_PKCS_PSS,
  CKM_SHA256_RSA_PKCS,
  CKM_SHA256_RSA_PKCS_PSS,
  CKO_PRIVATE_KEY,
  type Cryptoki,
  type CryptokiMechanism,
  type Handle,
} from './cryptoki.ts';
import { valueOf } from './meanings.ts';
import { idNumber, type CardProfile, type ObjectNames } from './profiles.ts';
import { textOf, type TokenCertificate } from './tokens.ts';

/**
 * The certificate to sign with; `undefined` if none fits.
 *
 * @param wantedLabel of the certificate; it has to fit the profile all the same
 * @throws `card/no-certificate` if several fit equally well
 */
export function chooseCertificate(
  certificates: readonly TokenCertificate[],
  profile: CardProfile,
  wantedLabel: string | undefined,
): TokenCertificate | undefined {
  const { authentication, never } = profile;
  const usable = certificates.filter((entry) => {
    if (never !== undefined && isNamed(entry, never)) return false;
    if (authentication !== undefined && !isNamed(entry, authentication)) return false;
    if (wantedLabel !== undefined && entry.label !== wantedLabel) return false;
    return isUsable(entry, profile) && entry.certificate.keyKind !== undefined;
  });
  const best = usable.filter(({ certificate }) => isForAuthentication(certificate));
  const [first, ...others] = best.length > 0 ? best : usable;
  if (others.length === 0) return first;
  const labels = [first!, ...others].map(({ label }) => JSON.stringify(label)).join(', ');
  throw new SimsError('card/no-certificate', `${others.length + 1} certificates fit, say which: ${labels}`);
}

/**
 * The private key of a certificate: of its CKA_ID, else with its modulus, else of the profile's label.
 *
 * @throws `card/no-certificate` if it is not there
 */
export async function findKey(
  cryptoki: Cryptoki,
  session: Handle,
  profile: CardProfile,
  chosen: TokenCertificate,
): Promise<Handle> {
  const keys = valueOf(await cryptoki.call('C_FindObjects', session, CKO_PRIVATE_KEY), profile);
  const read = async (key: Handle, attribute: number): Promise<Uint8Array | undefined> =>
    valueOf(await cryptoki.call('C_GetAttributeValue', session, key, attribute), profile);
  const described: { key: Handle; id: Uint8Array; label: string }[] = [];
  for (const key of keys) {
    const id = Uint8Array.from((await read(key, CKA_ID)) ?? []);
    const label = textOf(await read(key, CKA_LABEL));
    const { never } = profile;
    if (never !== undefined && (label === never.keyLabel || hasNumber(id, never))) continue;
    described.push({ key, id, label });
  }
  const byId = described.find(({ id }) => isSameId(id, chosen.id, profile));
  if (byId !== undefined) return byId.key;
  const { rsaModulus } = chosen.certificate;
  for (const { key } of rsaModulus === undefined ? [] : described) {
    const modulus = await read(key, CKA_MODULUS);
    if (modulus !== undefined && equal(withoutLeadingZeros(modulus), rsaModulus!)) return key;
  }
  const byLabel = described.find(({ label }) => label === profile.authentication?.keyLabel);
  if (byLabel !== undefined) return byLabel.key;
  throw new SimsError('card/no-certificate', `none of ${keys.length} private keys belongs to the certificate`);
}

/** What a key can do, by its certificate and the token's mechanisms, preferred first. */
export function supportedAlgorithms(
  keyKind: Parameters<typeof algorithmsOf>[0],
  mechanisms: readonly number[],
): SigningAlgorithm[] {
  return algorithmsOf(keyKind).filter((algorithm) => mechanismOf(algorithm, mechanisms) !== undefined);
}

/** A mechanism and whether what it takes is the hash. */
export interface ChosenMechanism {
  readonly mechanism: CryptokiMechanism;
  /** WebCrypto's name of the hash to be made outside; `undefined` if the token hashes. */
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512' | undefined;
}

/** The mechanism for an algorithm among those of a token. */
export function mechanismOf(algorithm: SigningAlgorithm, mechanisms: readonly number[]): ChosenMechanism | undefined {
  return CHOICES[algorithm].find(({ mechanism }) => mechanisms.includes(mechanism.type));
}

const CHOICES: Readonly<Record<SigningAlgorithm, readonly ChosenMechanism[]>> = {
  ES256: [{ mechanism: { type: CKM_ECDSA, isPss: false }, hash: 'SHA-256' }],
  ES384: [{ mechanism: { type: CKM_ECDSA, isPss: false }, hash: 'SHA-384' }],
  ES512: [{ mechanism: { type: CKM_ECDSA, isPss: false }, hash: 'SHA-512' }],
  PS256: [
    { mechanism: { type: CKM_SHA256_RSA_PKCS_PSS, isPss: true }, hash: undefined },
    { mechanism: { type: CKM_RSA_PKCS_PSS, isPss: true }, hash: 'SHA-256' },
  ],
  RS256: [{ mechanism: { type: CKM_SHA256_RSA_PKCS, isPss: false }, hash: undefined }],
  EdDSA: [{ mechanism: { type: CKM_EDDSA, isPss: false }, hash: undefined }],
};

function isNamed(entry: TokenCertificate, names: ObjectNames): boolean {
  return entry.label === names.certificateLabel || hasNumber(entry.id, names);
}

function hasNumber(id: Uint8Array, names: ObjectNames): boolean {
  return names.id !== undefined && idNumber(id) === names.id;
}

function isUsable({ certificate }: TokenCertificate, profile: CardProfile): boolean {
  if (profile.keyUsage === 'authentication') return isForAuthentication(certificate);
  return !certificate.isCa && (certificate.keyUsage === undefined || certificate.keyUsage.has(0));
}

function isSameId(left: Uint8Array, right: Uint8Array, profile: CardProfile): boolean {
  if (left.length > 0 && equal(left, right)) return true;
  // Where CKA_ID is a number by the profile, its width may differ between objects.
  const number = idNumber(left);
  return profile.authentication !== undefined && number !== undefined && number === idNumber(right);
}
