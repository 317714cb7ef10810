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
    hash: (name, bytes) => hashes.hash(name, bytes),
    hmac: (name, key, bytes) => hashes.hmac(name, key, bytes),
    hkdfExtract: (name, salt, inputKeyMaterial) => hashes.hkdfExtract(name, salt, inputKeyMaterial),
    hkdfExpand: (name, key, info, length) => hashes.hkdfExpand(name, key, info, length),
    pbkdf2: (name, password, salt, iterations, length) => hashes.pbkdf2(name, password, salt, iterations, length),
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
