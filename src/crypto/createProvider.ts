/** Puts a provider together from hashes, randomness and the signature schemes that are wanted. */
import { SimsError } from '../errors.ts';
import type { CryptoProvider, HashProvider, RandomBytes, SignatureAlgorithm, SignatureScheme } from './provider.ts';

/** What {@link createProvider} takes. */
export interface ProviderParts {
  readonly hashes: HashProvider;
  readonly random: RandomBytes;
  /** Keys of other algorithms are refused. */
  readonly schemes: readonly SignatureScheme[];
}

/** One provider of these parts. */
export function createProvider(parts: ProviderParts): CryptoProvider {
  const { hashes, random, schemes } = parts;
  return {
    name: hashes.name,
    hash: hashes.hash,
    hmac: hashes.hmac,
    hkdfExtract: hashes.hkdfExtract,
    hkdfExpand: hashes.hkdfExpand,
    pbkdf2: hashes.pbkdf2,
    random,
    generateSignatureKeyPair(algorithm, source) {
      const { generateKeyPair } = schemeOf(schemes, algorithm);
      if (generateKeyPair === undefined) throw notHere('generate', algorithm);
      return generateKeyPair(source);
    },
    parsePublicKey(spki) {
      for (const scheme of schemes) {
        const publicKey = scheme.parsePublicKey(spki);
        if (publicKey !== undefined) return publicKey;
      }
      return undefined;
    },
    sign(keyPair, message) {
      const { sign } = schemeOf(schemes, keyPair.algorithm);
      if (sign === undefined) throw notHere('sign', keyPair.algorithm);
      return sign(keyPair, message);
    },
    verify: (publicKey, message, signature) =>
      schemeOf(schemes, publicKey.algorithm).verify(publicKey, message, signature),
  };
}

function schemeOf(schemes: readonly SignatureScheme[], algorithm: SignatureAlgorithm): SignatureScheme {
  const scheme = schemes.find((candidate) => candidate.algorithm === algorithm);
  if (scheme === undefined) throw notHere('use', algorithm);
  return scheme;
}

function notHere(operation: string, algorithm: SignatureAlgorithm): SimsError {
  return new SimsError('crypto/invalid-argument', `this provider cannot ${operation} ${algorithm}`);
}
