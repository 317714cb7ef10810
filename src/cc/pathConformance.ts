/**
 * Rules of the RFC 5280 profile (§4) that its path validation (§6.1) does not ask about, and that a certificate made in
 * good order keeps. Breaking one refuses the certificate in strict mode, which is the default.
 *
 * @packageDocumentation
 */
import { same, type Certificate } from './certificate.ts';
import { EXTENSION, KEY_USAGE } from './certificateExtensions.ts';

/** Where in the path the certificate stands. */
export type Position = 'target' | 'intermediate' | 'anchor';

/** Which rule a certificate breaks; `undefined` if none. */
export function findNonconformity(certificate: Certificate, position: Position): string | undefined {
  const { extensions, serial, subject, issuer, criticalExtensions } = certificate;
  const isCa = extensions.basicConstraints?.isCa === true;
  const keyUsage = extensions.keyUsage;
  const has = (oid: string): boolean => certificate.extensionsPresent.includes(oid);
  const isCritical = (oid: string): boolean => criticalExtensions.has(oid);

  // An anchor is trusted for its name and key; well-known roots have the serial number 0.
  if (position !== 'anchor') {
    if (serial[0]! >= 0x80) return 'the serial number is negative';
    if (serial.length === 1 && serial[0] === 0) return 'the serial number is zero';
    if (serial.length > 20) return 'the serial number is longer than 20 octets';
  }
  if (issuer.relativeNames.length === 0) return 'the issuer is empty';
  if (subject.relativeNames.length === 0) {
    if (isCa || position !== 'target') return 'the subject of a CA is empty';
    if (!isCritical(EXTENSION.subjectAltName)) return 'the subject is empty and subjectAltName not critical';
  }
  if (isCritical(EXTENSION.authorityKeyIdentifier)) return 'authorityKeyIdentifier is critical';
  if (isCritical(EXTENSION.subjectKeyIdentifier)) return 'subjectKeyIdentifier is critical';
  if (isCritical(EXTENSION.authorityInfoAccess)) return 'authorityInfoAccess is critical';
  if (isCritical(EXTENSION.subjectInfoAccess)) return 'subjectInfoAccess is critical';
  if (isCritical(EXTENSION.freshestCRL)) return 'freshestCRL is critical';
  for (const [name, oid] of MUST_BE_CRITICAL) if (has(oid) && !isCritical(oid)) return `${name} is not critical`;

  if (isCa && !isCritical(EXTENSION.basicConstraints)) return 'basicConstraints of a CA is not critical';
  if (extensions.basicConstraints?.pathLength !== undefined) {
    if (!isCa) return 'a path length without a CA';
    if (keyUsage !== undefined && (keyUsage & KEY_USAGE.keyCertSign) === 0) return 'a path length without keyCertSign';
  }
  if (keyUsage === 0) return 'keyUsage without any bit';
  if (keyUsage !== undefined && (keyUsage & KEY_USAGE.keyCertSign) !== 0 && !isCa) return 'keyCertSign without a CA';
  if (extensions.nameConstraints !== undefined) {
    if (!isCa) return 'nameConstraints without a CA';
    const { permitted, excluded } = extensions.nameConstraints;
    if (permitted.length + excluded.length === 0) return 'nameConstraints without a subtree';
  }
  const { policyConstraints } = extensions;
  if (
    policyConstraints !== undefined &&
    policyConstraints.requireExplicit === undefined &&
    policyConstraints.inhibitMapping === undefined
  ) {
    return 'policyConstraints without a constraint';
  }
  if ((isCa || position !== 'target') && extensions.subjectKeyIdentifier === undefined) {
    return 'a CA without subjectKeyIdentifier';
  }
  const isSelfSignedByKey = certificate.isSelfIssued && isOwnKey(certificate);
  if (extensions.authorityKeyIdentifier?.keyIdentifier === undefined && !isSelfSignedByKey) {
    return 'no authorityKeyIdentifier with a key identifier';
  }
  return undefined;
}

const MUST_BE_CRITICAL: readonly (readonly [string, string])[] = [
  ['nameConstraints', EXTENSION.nameConstraints],
  ['policyConstraints', EXTENSION.policyConstraints],
  ['inhibitAnyPolicy', EXTENSION.inhibitAnyPolicy],
];

/** A self-issued certificate without an authority key identifier, or with its own, is taken as self-signed. */
function isOwnKey({ extensions: { authorityKeyIdentifier, subjectKeyIdentifier } }: Certificate): boolean {
  const authority = authorityKeyIdentifier?.keyIdentifier;
  return authority === undefined || (subjectKeyIdentifier !== undefined && same(authority, subjectKeyIdentifier));
}
