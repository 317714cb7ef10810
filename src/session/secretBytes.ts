/**
 * Keys that a log cannot leak: bytes and key pairs that print their length and nothing else.
 *
 * @packageDocumentation
 */
import { wipe } from '../bytes.ts';
import type { Kem, KemKeyPair } from '../crypto/provider.ts';

const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Bytes that inspect, JSON and text show as their length alone. Copies and parts of them are plain again. */
class SecretBytes extends Uint8Array {
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array;
  }

  toJSON(): string {
    return shown(this);
  }

  override toString(): string {
    return shown(this);
  }

  override toLocaleString(): string {
    return shown(this);
  }

  [INSPECT](): string {
    return shown(this);
  }
}

/** A key pair that prints no private key. */
class SecretKeyPair implements KemKeyPair {
  readonly decapsulationKey: Uint8Array;
  readonly #compute: () => Uint8Array;
  #encapsulationKey: Uint8Array | undefined;

  constructor(decapsulationKey: Uint8Array, compute: () => Uint8Array) {
    this.decapsulationKey = decapsulationKey;
    this.#compute = compute;
  }

  get encapsulationKey(): Uint8Array {
    this.#encapsulationKey ??= this.#compute();
    return this.#encapsulationKey;
  }

  toJSON(): string {
    return shown(this.decapsulationKey);
  }

  [INSPECT](): string {
    return shown(this.decapsulationKey);
  }
}

/** The same memory, or bytes `start` to `end` of it, as bytes that do not print. */
export function secretBytes(bytes: Uint8Array, start = 0, end: number = bytes.length): Uint8Array {
  return new SecretBytes(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, end - start);
}

/** The same pair, with the same arrays, as one that does not print its private key. */
export function secretKeyPair(pair: KemKeyPair): KemKeyPair {
  return new SecretKeyPair(pair.decapsulationKey, () => pair.encapsulationKey);
}

/**
 * The pair of a stored private key. The public key is computed when it is first asked for: a KEM's private key is the
 * randomness that its pair is generated from.
 */
export function storedKeyPair(kem: Kem, decapsulationKey: Uint8Array): KemKeyPair {
  return new SecretKeyPair(decapsulationKey, () => {
    const pair = kem.generateKeyPair(() => Uint8Array.from(decapsulationKey));
    wipe(pair.decapsulationKey);
    return pair.encapsulationKey;
  });
}

function shown(bytes: Uint8Array): string {
  return `[secret, ${bytes.length} bytes]`;
}
