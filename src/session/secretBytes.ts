/**
 * Keys that a log cannot leak: bytes and key pairs that print their length and nothing else.
 *
 * @packageDocumentation
 */
import type { KemKeyPair } from '../crypto/provider.ts';

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

/** A key pair that prints no private key. Both arrays are those of the pair that it is made of. */
class SecretKeyPair implements KemKeyPair {
  readonly encapsulationKey: Uint8Array;
  readonly decapsulationKey: Uint8Array;

  constructor(pair: KemKeyPair) {
    this.encapsulationKey = pair.encapsulationKey;
    this.decapsulationKey = pair.decapsulationKey;
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

/** The same pair as one that does not print its private key. */
export function secretKeyPair(pair: KemKeyPair): KemKeyPair {
  return new SecretKeyPair(pair);
}

function shown(bytes: Uint8Array): string {
  return `[secret, ${bytes.length} bytes]`;
}
