/**
 * Profiles: what a certificate has to be for a use, as data. Path validation says that the issuer vouches for it; a
 * profile says whether it was meant for this.
 *
 * @packageDocumentation
 */
import type { KeyUsageName } from './certificateExtensions.ts';
import type { TrustPurpose } from './trust.ts';

/** What is asked of a target certificate beyond a valid path. */
export interface Profile {
  /** Shown in results. */
  readonly name: string;
  /** The kind of trust store that it goes with. */
  readonly purpose: TrustPurpose;
  /** Bits that keyUsage has to have. */
  readonly requiredKeyUsage: readonly KeyUsageName[];
  /** Bits that keyUsage must not have. */
  readonly forbiddenKeyUsage: readonly KeyUsageName[];
  /** Whether a certificate without keyUsage is refused where bits are required. */
  readonly isKeyUsageRequired: boolean;
  /** Object identifiers of which extKeyUsage has to hold one, or anyExtendedKeyUsage; empty for no rule. */
  readonly extendedKeyUsage: readonly string[];
  /** Whether a certificate without extKeyUsage is refused where one is asked for. */
  readonly isExtendedKeyUsageRequired: boolean;
  /** Whether a CA's certificate may be the target. */
  readonly isCaAllowed: boolean;
  /** Whether an anchor may itself be the target: a self-signed certificate that was chosen as such. */
  readonly isAnchorAllowed: boolean;
  /** Whether a name has to be asked for. */
  readonly isNameRequired: boolean;
  /** What the issuing CA has to be: one rule that holds is enough. `undefined` for no rule. */
  readonly issuer?: {
    /** One of these is among the CA's own certificate policies. */
    readonly policies: readonly string[];
    /** The CA's common name is one of these, and its issuer's one of `parents`. */
    readonly commonNames: readonly string[];
    readonly parents: readonly string[];
    /** SHA-256 of the CA's certificate, lower-case hexadecimal. */
    readonly fingerprints: readonly string[];
  };
  /** SHA-256 of the only anchors that are accepted, lower-case hexadecimal; `undefined` for any in the store. */
  readonly anchorFingerprints?: readonly string[];
}

/** Object identifiers of extended key usages. */
export const EXTENDED_KEY_USAGE = {
  any: '2.5.29.37.0',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
  clientAuthentication: '1.3.6.1.5.5.7.3.2',
} as const;

/** No rule beyond path validation. For tools and tests; a protocol has a purpose and names it. */
export const ANY_CERTIFICATE: Profile = {
  name: 'any',
  purpose: 'person',
  requiredKeyUsage: [],
  forbiddenKeyUsage: [],
  isKeyUsageRequired: false,
  extendedKeyUsage: [],
  isExtendedKeyUsageRequired: false,
  isCaAllowed: true,
  isAnchorAllowed: false,
  isNameRequired: false,
};

/** A person's authentication certificate of any electronic identity. */
export const GENERIC_EID: Profile = {
  ...ANY_CERTIFICATE,
  name: 'generic-eid',
  requiredKeyUsage: ['digitalSignature'],
  isKeyUsageRequired: true,
  extendedKeyUsage: [EXTENDED_KEY_USAGE.clientAuthentication],
  isCaAllowed: false,
};

/** A relay's certificate: server authentication, for the name that was asked for. */
export const RELAY_CERTIFICATE: Profile = {
  ...ANY_CERTIFICATE,
  name: 'relay',
  purpose: 'relay',
  requiredKeyUsage: ['digitalSignature'],
  extendedKeyUsage: [EXTENDED_KEY_USAGE.serverAuthentication],
  isExtendedKeyUsageRequired: true,
  isCaAllowed: false,
  isAnchorAllowed: true,
  isNameRequired: true,
};
