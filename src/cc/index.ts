/**
 * Certificates: who you talk to. Verification by RFC 5280 and RFC 6960, trust stores, profiles; signers and files that hold
 * keys. Loaded lazily by the client: nothing else imports it but for types.
 *
 * @packageDocumentation
 */
export {
  verifyBatch,
  verifyOne,
  type BatchFiles,
  type BatchVerdict,
  type VerdictReport,
  type VerifyOneInput,
} from './batch.ts';
export { fingerprint, MAX_CERTIFICATE_LENGTH, parseCertificate, type Certificate } from './certificate.ts';
export type { CertificatePublicKey, CertificateSignatureAlgorithm, SignatureHash } from './certificateAlgorithms.ts';
export type {
  AuthorityKeyIdentifier,
  DistributionPoint,
  Extensions,
  KeyUsageName,
  NameConstraints,
} from './certificateExtensions.ts';
export { KEY_USAGE } from './certificateExtensions.ts';
export { decodePem, decodePemOrDer } from './certificatePem.ts';
export { MAX_CRL_LENGTH, parseCrl, type Crl, type IssuingDistributionPoint } from './crl.ts';
export { createFetcher, type Fetcher, type FetcherOptions, type FetchRequest } from './fetch.ts';
export { attributeTexts, displayName, type Name, type NameAttribute } from './name.ts';
export { hasName, hostToName, type ExpectedName } from './nameCheck.ts';
export type { GeneralName, NameForm } from './nameGeneral.ts';
export {
  parseOcspResponse,
  type OcspBasicResponse,
  type OcspCertificateId,
  type OcspResponderId,
  type OcspResponse,
  type OcspSingleResponse,
} from './ocsp.ts';
export {
  isVerifiedCertificate,
  verificationError,
  verifyCertificate,
  type Attempt,
  type Verification,
  type VerifiedCertificate,
  type VerifyOptions,
} from './path.ts';
export { DEFAULT_LIMITS, type Limits, type Work } from './pathLimits.ts';
export { errorCodeOf, REFUSALS, type RefusalReason } from './pathReasons.ts';
export { DEFAULT_ALGORITHMS, type AlgorithmPolicy } from './pathSignature.ts';
export type { PolicyInputs } from './pathValidate.ts';
export { ANY_CERTIFICATE, EXTENDED_KEY_USAGE, GENERIC_EID, RELAY_CERTIFICATE, type Profile } from './profile.ts';
export {
  checkCitizenCardCertificates,
  CITIZEN_CARD_AUTHENTICATION,
  CITIZEN_CARD_AUTHENTICATION_POLICY,
  CITIZEN_CARD_CERTIFICATES,
  type KnownCertificate,
  type KnownCertificateCheck,
} from './profileCitizenCard.ts';
export type { RevocationMode } from './revocation.ts';
export { RevocationCache, type CachedRevocationData } from './revocationCache.ts';
export type {
  AskCan,
  AskPin,
  CanRequest,
  PinRequest,
  Signer,
  SignerEvent,
  SignerSignature,
  SigningAlgorithm,
  SignOptions,
} from './signer.ts';
export type { SignerCertificate, SignerKeyKind } from './signerCertificate.ts';
export {
  createTrustStore,
  readCertificates,
  type CertificateInput,
  type TrustPurpose,
  type TrustStore,
  type TrustStoreOptions,
} from './trust.ts';
