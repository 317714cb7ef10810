/** Who appears in the vectors: fixed keys, credentials and addresses. */
import { concat, hex } from '../../src/bytes.ts';
import { nobleProvider } from '../../src/crypto/noble.ts';
import type { SignatureKeyPair } from '../../src/crypto/provider.ts';
import { fingerprint, relayIdentityOf } from '../../src/handshake/identity.ts';
import { addressFromBytes, type Address } from '../../src/messages/address.ts';
import { encodeCredential, type Credential } from '../../src/messages/credential.ts';
import { seeded, unhex, type JsonObject } from './shared.ts';

/** Someone with a signature key. */
export interface Person {
  readonly name: string;
  readonly keyPair: SignatureKeyPair;
  readonly credential: Credential;
  readonly fingerprint: Uint8Array;
  readonly device: Uint8Array;
  readonly address: Address;
}

const provider = nobleProvider;

function person(name: string, kind: 'none' | 'key' | 'relay', algorithm: SignatureKeyPair['algorithm']): Person {
  const random = seeded(`person ${name}`);
  const keyPair = provider.generateSignatureKeyPair(algorithm, random);
  const { spki } = keyPair;
  const device = random(8);
  const print = fingerprint(provider, kind, spki);
  return {
    name,
    keyPair,
    // A chain that nobody validates: who pins a relay looks at its key alone.
    credential: kind === 'relay' ? { kind, spki, chain: [unhex('3000')] } : { kind, spki },
    fingerprint: print,
    device,
    address: addressFromBytes(concat(print.subarray(0, 20), device)),
  };
}

export const alice: Person = person('alice', 'key', 'Ed25519');
export const bob: Person = person('bob', 'none', 'ECDSA-P256-SHA256');
/** Away at times: has bundles. */
export const carol: Person = person('carol', 'key', 'ECDSA-P256-SHA256');
export const mallory: Person = person('mallory', 'key', 'Ed25519');
export const relay: Person = person('relay', 'relay', 'Ed25519');
export const relayIdentity: Uint8Array = relayIdentityOf(provider, relay.keyPair.spki);

/** All of them. */
export const PEOPLE: readonly Person[] = [alice, bob, carol, mallory, relay];

/** What a handshake's vector says of one. */
export function describePerson(one: Person): JsonObject {
  return {
    name: one.name,
    'signature algorithm': one.keyPair.algorithm,
    'signature private key': hex(one.keyPair.privateKey),
    spki: hex(one.keyPair.spki),
    credential: hex(encodeCredential(one.credential)),
    fingerprint: hex(one.fingerprint),
    device: hex(one.device),
    address: one.address,
  };
}
