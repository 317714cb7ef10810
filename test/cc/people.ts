/** People of a test PKI as signers and credentials, each part of which can be made wrong. */
import { SimsError } from '../../src/errors.ts';
import {
  createDelegation,
  webCryptoSigner,
  type CreateDelegationOptions,
  type SignedDelegation,
  type Signer,
  type TestPerson,
} from '../../src/cc/index.ts';
import { nobleProvider } from '../../src/crypto/noble.ts';
import type { SignatureKeyPair } from '../../src/crypto/provider.ts';
import type { CertificateCredential } from '../../src/messages/credential.ts';

export const RELAY: Uint8Array = new Uint8Array(32).fill(7);
export const DEVICE: Uint8Array = new Uint8Array(8).fill(3);

/** A signer with the person's key; RSA with PSS unless PKCS #1 is asked for. */
export async function signerOf(person: TestPerson, scheme = 'RSA-PSS'): Promise<Signer> {
  const isRsa = person.key.kind.startsWith('RSA');
  const parameters = isRsa ? { name: scheme, hash: 'SHA-256' } : { name: 'ECDSA', namedCurve: person.key.kind };
  const privateKey = await crypto.subtle.importKey('pkcs8', person.key.privateKey.slice(), parameters, false, ['sign']);
  return await webCryptoSigner({ privateKey, chain: person.chain });
}

export interface Delegated extends SignedDelegation {
  readonly sessionKey: SignatureKeyPair;
  readonly credential: CertificateCredential;
}

export async function delegate(signer: Signer, changes: Partial<CreateDelegationOptions> = {}): Promise<Delegated> {
  const sessionKey = nobleProvider.generateSignatureKeyPair('Ed25519', nobleProvider.random);
  const signed = await createDelegation({
    signer,
    sessionSpki: sessionKey.spki,
    device: DEVICE,
    relayIdentity: RELAY,
    nowMs: Date.now(),
    ...changes,
  });
  const credential = {
    kind: 'certificate',
    chain: signer.chain,
    delegation: signed.delegation,
    delegationSignature: signed.signature,
  } as const;
  return { ...signed, sessionKey, credential };
}

/** The code that a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof SimsError) return error.code;
    throw error;
  }
  return 'no error';
}
