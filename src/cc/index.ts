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
export { createRelayCertificate, spkiFingerprint, type RelayCertificateOptions } from './create.ts';
export {
  createDelegation,
  decodeDelegation,
  delegationToBeSigned,
  encodeDelegation,
  MAX_LIFETIMES_MS,
  NOT_BEFORE_SKEW_MS,
  verifyDelegation,
  type CreateDelegationOptions,
  type Delegation,
  type DelegationAlgorithm,
  type DelegationPurpose,
  type SignedDelegation,
  type VerifiedDelegation,
  type VerifyDelegationOptions,
} from './delegation.ts';
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
export {
  createPersonVerifier,
  type PathOptions,
  type PersonCredential,
  type PersonRequest,
  type PersonVerifierOptions,
  type VerifiedPerson,
  type VerifyPerson,
} from './personVerifier.ts';
export { openPkcs12, type Pkcs12Options } from './pkcs12.ts';
export { createPkcs12, pemOf, type Pkcs12Contents } from './pkcs12Create.ts';
export { ANY_CERTIFICATE, EXTENDED_KEY_USAGE, GENERIC_EID, RELAY_CERTIFICATE, type Profile } from './profile.ts';
export {
  checkCitizenCardCertificates,
  CITIZEN_CARD_AUTHENTICATION,
  CITIZEN_CARD_AUTHENTICATION_POLICY,
  CITIZEN_CARD_CERTIFICATES,
  type KnownCertificate,
  type KnownCertificateCheck,
} from './profileCitizenCard.ts';
export { profileOf, PROFILES } from './profiles.ts';
export {
  createRelayVerifier,
  type RelayVerifierOptions,
  type ShownRelay,
  type VerifyShownRelay,
} from './relayVerifier.ts';
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
  createTestOcspResponder,
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  exportTestPerson,
  testPkiFiles,
  type CardGeneration,
  type TestAuthority,
  type TestHierarchy,
  type TestPerson,
  type TestPersonOptions,
  type TestPki,
  type TestPkiFile,
  type TestPkiOptions,
} from './testPki.ts';
export type {
  TestCertificateContents,
  TestCrlContents,
  TestIssuer,
  TestName,
  TestRevocation,
} from './testPkiCertificate.ts';
export type { TestKey, TestKeyKind } from './testPkiKeys.ts';
export {
  createTrustStore,
  readCertificates,
  type CertificateInput,
  type TrustPurpose,
  type TrustStore,
  type TrustStoreOptions,
} from './trust.ts';
export { webCryptoSigner, type WebCryptoSignerOptions } from './webCryptoSigner.ts';
