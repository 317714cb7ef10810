/**
 * Path validation (RFC 5280 §6.1) of one whole path whose signatures were verified while it was built. The anchor is a
 * certificate; its own constraints apply to the path below it (RFC 5937).
 *
 * @packageDocumentation
 */
import { same, type Certificate } from './certificate.ts';
import { KEY_USAGE } from './certificateExtensions.ts';
import { checkNameConstraints } from './nameConstraints.ts';
import { findNonconformity, type Position } from './pathConformance.ts';
import type { Budget } from './pathLimits.ts';
import { refuse, type Refusal } from './pathReasons.ts';
import type { SignatureChecker } from './pathSignature.ts';
import { ANY_POLICY, PolicyGraph } from './policy.ts';

/** Inputs (c), (e), (f), (g) of RFC 5280 §6.1.1. */
export interface PolicyInputs {
  /** Policies that the user accepts, dotted; default anyPolicy. */
  readonly initialPolicySet?: readonly string[];
  /** Default false. */
  readonly initialExplicitPolicy?: boolean;
  /** Default false. */
  readonly initialPolicyMappingInhibit?: boolean;
  /** Default false. */
  readonly initialAnyPolicyInhibit?: boolean;
}

/** What every check of a verification needs. */
export interface PathRules {
  readonly atMs: number;
  readonly isStrict: boolean;
  readonly signatures: SignatureChecker;
  readonly budget: Budget;
}

/** A refusal, and the place in the path (0 is the anchor) of the certificate that it is about. */
export interface PathRefusal extends Refusal {
  readonly index: number;
}

/** What a valid path gives: the user-constrained policies, in the anchor's terms. */
export interface PathPolicies {
  readonly policies: readonly string[];
}

/** Extensions that are processed in a path; others that are critical refuse it. */
export function checkCertificate(certificate: Certificate, position: Position, rules: PathRules): Refusal | undefined {
  const [unknown] = certificate.unknownCriticalExtensions;
  if (unknown !== undefined) return refuse('critical-extension-unknown', unknown);
  if (rules.atMs < certificate.notBeforeMs) return refuse('not-yet-valid');
  if (rules.atMs > lastMillisecond(certificate.notAfterMs)) return refuse('expired');
  const nonconformity = rules.isStrict ? findNonconformity(certificate, position) : undefined;
  if (nonconformity !== undefined) return refuse('nonconforming', nonconformity);
  return rules.signatures.checkKey(certificate.publicKey);
}

/** Whether a certificate may issue others (§6.1.4 k, n). */
export function checkIssuer(issuer: Certificate): Refusal | undefined {
  const { basicConstraints, keyUsage } = issuer.extensions;
  if (basicConstraints?.isCa !== true) return refuse('issuer-not-ca');
  if (keyUsage !== undefined && (keyUsage & KEY_USAGE.keyCertSign) === 0)
    return refuse('key-usage-missing', 'keyCertSign');
  return undefined;
}

/** Whether the child's authority key identifier can mean this issuer. */
export function checkKeyIdentifier(child: Certificate, issuer: Certificate): Refusal | undefined {
  const authority = child.extensions.authorityKeyIdentifier;
  if (authority === undefined) return undefined;
  const own = issuer.extensions.subjectKeyIdentifier;
  if (authority.keyIdentifier !== undefined && own !== undefined && !same(authority.keyIdentifier, own)) {
    return refuse('issuer-key-id-mismatch');
  }
  if (authority.serial !== undefined && authority.issuer !== undefined) {
    const isNamed = authority.issuer.some(
      (name) => name.form === 'directoryName' && name.name.key === issuer.issuer.key,
    );
    if (!isNamed || !same(authority.serial, issuer.serial))
      return refuse('issuer-key-id-mismatch', 'issuer and serial');
  }
  return undefined;
}

/**
 * The rules of §6.1.3 to §6.1.5 that need the whole path: lengths, names and policies. `path[0]` is the anchor, the last
 * one the target. Each certificate has passed {@link checkCertificate}, each issuer {@link checkIssuer}, each signature
 * was verified.
 */
export function validatePath(
  path: readonly Certificate[],
  inputs: PolicyInputs,
  rules: Pick<PathRules, 'budget'>,
): PathPolicies | PathRefusal {
  const length = path.length - 1;
  const anchor = path[0]!;
  const userPolicies = new Set(inputs.initialPolicySet ?? [ANY_POLICY]);
  const graph = new PolicyGraph(rules.budget);
  let explicitPolicy = inputs.initialExplicitPolicy === true ? 0 : length + 1;
  let policyMapping = inputs.initialPolicyMappingInhibit === true ? 0 : length + 1;
  let inhibitAnyPolicy = inputs.initialAnyPolicyInhibit === true ? 0 : length + 1;
  let maxPathLength = anchor.extensions.basicConstraints?.pathLength ?? Number.POSITIVE_INFINITY;
  const constraining = anchor.extensions.nameConstraints === undefined ? [] : [anchor.extensions.nameConstraints];
  const anchorConstraints = anchor.extensions.policyConstraints;
  explicitPolicy = Math.min(explicitPolicy, anchorConstraints?.requireExplicit ?? explicitPolicy);
  policyMapping = Math.min(policyMapping, anchorConstraints?.inhibitMapping ?? policyMapping);
  inhibitAnyPolicy = Math.min(inhibitAnyPolicy, anchor.extensions.inhibitAnyPolicy ?? inhibitAnyPolicy);

  for (let index = 1; index <= length; index += 1) {
    const certificate = path[index]!;
    const { extensions, isSelfIssued } = certificate;
    const isTarget = index === length;

    if (!isSelfIssued || isTarget) {
      for (const constraints of constraining) {
        const breach = checkNameConstraints(constraints, certificate, rules.budget);
        if (breach !== undefined) return { ...breach, index };
      }
    }
    graph.addLevel(extensions.policies, inhibitAnyPolicy > 0 || (!isTarget && isSelfIssued));
    if (explicitPolicy === 0 && graph.isNull) return { ...refuse('policy-not-acceptable'), index };

    const constraints = extensions.policyConstraints;
    if (isTarget) {
      if (explicitPolicy > 0) explicitPolicy -= 1;
      if (constraints?.requireExplicit === 0) explicitPolicy = 0;
      break;
    }

    for (const { issuerDomain, subjectDomain } of extensions.policyMappings ?? []) {
      if (issuerDomain === ANY_POLICY || subjectDomain === ANY_POLICY)
        return { ...refuse('policy-mapping-invalid'), index };
    }
    if (extensions.policyMappings !== undefined) graph.map(extensions.policyMappings, policyMapping > 0);
    if (extensions.nameConstraints !== undefined) constraining.push(extensions.nameConstraints);
    if (!isSelfIssued) {
      if (explicitPolicy > 0) explicitPolicy -= 1;
      if (policyMapping > 0) policyMapping -= 1;
      if (inhibitAnyPolicy > 0) inhibitAnyPolicy -= 1;
      if (maxPathLength === 0) return { ...refuse('path-too-long', 'pathLenConstraint'), index };
      maxPathLength -= 1;
    }
    explicitPolicy = Math.min(explicitPolicy, constraints?.requireExplicit ?? explicitPolicy);
    policyMapping = Math.min(policyMapping, constraints?.inhibitMapping ?? policyMapping);
    inhibitAnyPolicy = Math.min(inhibitAnyPolicy, extensions.inhibitAnyPolicy ?? inhibitAnyPolicy);
    maxPathLength = Math.min(maxPathLength, extensions.basicConstraints?.pathLength ?? maxPathLength);
  }
  const policies = graph.userConstrained(userPolicies);
  if (explicitPolicy === 0 && policies.size === 0) return { ...refuse('policy-not-acceptable'), index: length };
  return { policies: [...policies] };
}

/** A time holds for its whole second. */
function lastMillisecond(atMs: number): number {
  return atMs + 999;
}
