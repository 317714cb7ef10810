/**
 * Checks a target and its path against a profile.
 *
 * @packageDocumentation
 */
import { fingerprint, type Certificate } from './certificate.ts';
import { KEY_USAGE } from './certificateExtensions.ts';
import { attributeTexts } from './name.ts';
import { refuse, type Refusal } from './pathReasons.ts';
import { EXTENDED_KEY_USAGE, type Profile } from './profile.ts';

const COMMON_NAME = '2.5.4.3';

/** Every rule of the profile that the target alone breaks. */
export function checkTarget(target: Certificate, profile: Profile): readonly Refusal[] {
  const refusals: Refusal[] = [];
  const { basicConstraints, keyUsage } = target.extensions;
  if (!profile.isCaAllowed && basicConstraints?.isCa === true) refusals.push(refuse('ca-as-target'));
  if (keyUsage === undefined) {
    if (profile.isKeyUsageRequired) refusals.push(refuse('key-usage-missing', 'no keyUsage'));
  } else {
    const missing = profile.requiredKeyUsage.filter((name) => (keyUsage & KEY_USAGE[name]) === 0);
    const excess = profile.forbiddenKeyUsage.filter((name) => (keyUsage & KEY_USAGE[name]) !== 0);
    if (missing.length > 0) refusals.push(refuse('key-usage-missing', missing.join(', ')));
    if (excess.length > 0) refusals.push(refuse('key-usage-excess', excess.join(', ')));
  }
  if (!hasExtendedKeyUsage(target, profile, profile.isExtendedKeyUsageRequired)) {
    refusals.push(refuse('extended-key-usage-missing', profile.extendedKeyUsage.join(', ')));
  }
  return refusals;
}

/** The first rule that the path breaks: what its CAs may issue for, who issued the target, which anchor it ends at. */
export async function checkPathProfile(path: readonly Certificate[], profile: Profile): Promise<Refusal | undefined> {
  // A CA that is limited to some uses by its own extKeyUsage does not vouch for others.
  for (const certificate of path.slice(1, -1)) {
    if (!hasExtendedKeyUsage(certificate, profile, false)) return refuse('extended-key-usage-missing', 'of an issuer');
  }
  if (profile.issuer !== undefined && !(await isIssuerAllowed(path, profile.issuer)))
    return refuse('issuer-not-allowed');
  if (profile.anchorFingerprints !== undefined) {
    if (!profile.anchorFingerprints.includes(await fingerprint(path[0]!))) return refuse('anchor-not-allowed');
  }
  return undefined;
}

function hasExtendedKeyUsage(certificate: Certificate, profile: Profile, isRequired: boolean): boolean {
  if (profile.extendedKeyUsage.length === 0) return true;
  const present = certificate.extensions.extendedKeyUsage;
  if (present === undefined) return !isRequired;
  return present.includes(EXTENDED_KEY_USAGE.any) || profile.extendedKeyUsage.some((oid) => present.includes(oid));
}

async function isIssuerAllowed(path: readonly Certificate[], rule: NonNullable<Profile['issuer']>): Promise<boolean> {
  const issuer = path.at(-2);
  if (issuer === undefined) return false;
  if (issuer.extensions.policies?.some((policy) => rule.policies.includes(policy)) === true) return true;
  const parent = path.at(-3);
  const isNamed = (certificate: Certificate | undefined, names: readonly string[]): boolean =>
    certificate !== undefined && attributeTexts(certificate.subject, COMMON_NAME).some((name) => names.includes(name));
  if (isNamed(issuer, rule.commonNames) && isNamed(parent, rule.parents)) return true;
  return rule.fingerprints.includes(await fingerprint(issuer));
}
