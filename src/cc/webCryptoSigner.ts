/**
 * A signer from a WebCrypto private key and its certificates.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import {
  abortError,
  chooseAlgorithm,
  untilAborted,
  type Signer,
  type SignerSignature,
  type SigningAlgorithm,
} from './signer.ts';
import { algorithmsOf, readSignerCertificate } from './signerCertificate.ts';
import { isSignatureOf, webCryptoParameters } from './signerKey.ts';

/** A key that WebCrypto holds, and the certificates for it. */
export interface WebCryptoSignerOptions {
  /** Usable for `sign`; need not be extractable. RSA keys sign with the hash SHA-256 only. */
  readonly privateKey: CryptoKey;
  /** DER certificates, leaf first. */
  readonly chain: readonly Uint8Array[];
}

/**
 * Signer from a WebCrypto key. One signature is made and checked first, so that a key beside another's certificate
 * is found here.
 *
 * @throws `cc/invalid-argument` without a readable leaf; `card/mechanism` for a key that cannot be used;
 * `card/key-mismatch` if the certificate is another key's
 */
export async function webCryptoSigner(options: WebCryptoSignerOptions): Promise<Signer> {
  const { privateKey } = options;
  const chain = options.chain.map((der) => der.slice());
  const leaf = chain[0] === undefined ? undefined : readSignerCertificate(chain[0]);
  if (leaf === undefined) throw new SimsError('cc/invalid-argument', 'a signer needs a certificate for its key');
  const algorithms = usableAlgorithms(privateKey, leaf.keyKind === undefined ? [] : algorithmsOf(leaf.keyKind));
  const signer = signerFrom(chain, algorithms, (algorithm, toBeSigned) => signWith(privateKey, algorithm, toBeSigned));
  await checkSigner(signer, leaf.spki);
  return signer;
}

/** Signer over a function that signs; shared by WebCrypto keys and PKCS #12 files. */
export function signerFrom(
  chain: readonly Uint8Array[],
  algorithms: readonly SigningAlgorithm[],
  signNow: (algorithm: SigningAlgorithm, toBeSigned: Uint8Array) => Promise<Uint8Array>,
): Signer {
  let isClosed = false;
  return {
    chain,
    algorithms,
    async sign(toBeSigned, signOptions = {}): Promise<SignerSignature> {
      if (isClosed) throw new SimsError('card/closed', 'this signer was closed');
      const algorithm = chooseAlgorithm(algorithms, signOptions.algorithm);
      if (signOptions.signal?.aborted === true) throw abortError(signOptions.signal);
      return { algorithm, signature: await untilAborted(signNow(algorithm, toBeSigned), signOptions.signal) };
    },
    close(): Promise<void> {
      isClosed = true;
      return Promise.resolve();
    },
  };
}

/** One signature, thrown away. @throws `card/key-mismatch` */
export async function checkSigner(signer: Signer, spki: Uint8Array): Promise<void> {
  const probe = crypto.getRandomValues(new Uint8Array(32));
  const { algorithm, signature } = await signer.sign(probe);
  if (!(await isSignatureOf(spki, algorithm, probe, signature))) {
    throw new SimsError('card/key-mismatch', 'the first certificate does not belong to the private key');
  }
}

/** Signature by a WebCrypto key. @throws `card/mechanism` */
export async function signWith(
  privateKey: CryptoKey,
  algorithm: SigningAlgorithm,
  toBeSigned: Uint8Array,
): Promise<Uint8Array> {
  try {
    return new Uint8Array(
      await crypto.subtle.sign(webCryptoParameters(algorithm).signature, privateKey, toBeSigned.slice()),
    );
  } catch (cause) {
    throw new SimsError('card/mechanism', `the key does not sign with ${algorithm}`, { cause });
  }
}

function usableAlgorithms(privateKey: CryptoKey, ofCertificate: readonly SigningAlgorithm[]): SigningAlgorithm[] {
  const own = privateKey.algorithm as { name: string; namedCurve?: string; hash?: { name: string } };
  const usable = ofCertificate.filter((algorithm) => {
    const { key } = webCryptoParameters(algorithm);
    return (
      key.name === own.name &&
      key.namedCurve === own.namedCurve &&
      (key.hash === undefined || key.hash === own.hash?.name)
    );
  });
  if (usable.length === 0 || !privateKey.usages.includes('sign')) {
    throw new SimsError(
      'card/mechanism',
      `a key for ${own.name} and ${privateKey.usages.join(', ') || 'nothing'} cannot sign here`,
    );
  }
  return usable;
}
