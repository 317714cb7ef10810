/**
 * Keys of a test PKI. They are extractable: nothing here protects anything.
 *
 * @packageDocumentation
 */
import { nullValue, objectIdentifier, sequence } from './createDer.ts';
import { ecdsaSignatureToDer } from './create.ts';

/** Kinds of keys that a test PKI makes. */
export type TestKeyKind = 'RSA-2048' | 'RSA-3072' | 'RSA-4096' | 'P-256' | 'P-384' | 'P-521';

/** A key pair whose private half lies open. */
export interface TestKey {
  readonly kind: TestKeyKind;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** PKCS #8, unencrypted. */
  readonly privateKey: Uint8Array;
}

/** A fresh key pair. RSA takes from tenths of a second to seconds. */
export async function createTestKey(kind: TestKeyKind): Promise<TestKey> {
  const pair = await crypto.subtle.generateKey(parametersOf(kind), true, ['sign', 'verify']);
  const [spki, privateKey] = await Promise.all([
    crypto.subtle.exportKey('spki', pair.publicKey),
    crypto.subtle.exportKey('pkcs8', pair.privateKey),
  ]);
  return { kind, spki: new Uint8Array(spki), privateKey: new Uint8Array(privateKey) };
}

/** Signature with SHA-256 whatever the curve, as the citizen card's authorities make theirs: DER for ECDSA. */
export async function signWithTestKey(key: TestKey, toBeSigned: Uint8Array): Promise<Uint8Array> {
  const isRsa = key.kind.startsWith('RSA');
  const parameters = isRsa
    ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    : { name: 'ECDSA', namedCurve: key.kind, hash: 'SHA-256' };
  const privateKey = await crypto.subtle.importKey('pkcs8', key.privateKey.slice(), parameters, false, ['sign']);
  const signature = new Uint8Array(await crypto.subtle.sign(parameters, privateKey, toBeSigned.slice()));
  return isRsa ? signature : ecdsaSignatureToDer(signature);
}

/** DER AlgorithmIdentifier of {@link signWithTestKey}'s signatures. */
export function testSignatureAlgorithm(key: TestKey): Uint8Array {
  return key.kind.startsWith('RSA')
    ? sequence(objectIdentifier('1.2.840.113549.1.1.11'), nullValue())
    : sequence(objectIdentifier('1.2.840.10045.4.3.2'));
}

function parametersOf(kind: TestKeyKind): RsaHashedKeyGenParams | EcKeyGenParams {
  if (!kind.startsWith('RSA')) return { name: 'ECDSA', namedCurve: kind };
  const publicExponent = Uint8Array.of(1, 0, 1);
  return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: Number(kind.slice(4)), publicExponent };
}
