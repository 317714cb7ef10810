/**
 * Who this client is: its credential, and what signs with it.
 *
 * @packageDocumentation
 */
import { concat, fromBase64url } from '../bytes.ts';
import type { CryptoProvider, SignatureKeyPair } from '../crypto/provider.ts';
import { clientId, fingerprint, type MaybePromise, type SignOutput } from '../handshake/index.ts';
import { addressFromBytes, type Address } from '../messages/address.ts';
import type { Credential } from '../messages/credential.ts';
import type { Clock } from './clock.ts';

/**
 * Why a relay is trusted: pinned by the caller, remembered in the store, verified by its certificate, or taken as it came.
 */
export type RelayTrust = 'pinned' | 'remembered' | 'verified' | 'first-use';

/** A credential and its signature key, wherever that key is. */
export interface OwnIdentity {
  readonly credential: Credential;
  /** Of the long-term key, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Signs with the credential's signature key; may ask a card. */
  readonly sign: (request: SignOutput) => MaybePromise<Uint8Array>;
  /**
   * Until when bundles may be signed for, in milliseconds since 1970. A certificate without it is not written to while its
   * owner is away; a kept key needs none.
   */
  readonly prekeyUntilMs?: number | undefined;
  /** Called once, when the client has closed. */
  readonly close?: () => void;
}

/** What is known when an identity is made for one relay. */
export interface IdentityRequest {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  /** SHA-256 of the relay's SPKI, 32 bytes. */
  readonly relayIdentity: Uint8Array;
  /** The same, as `sha256:` and hexadecimal digits. */
  readonly relayFingerprint: string;
  /** `first-use`: nobody vouches for it. Nothing that names a person should be shown to it unasked. */
  readonly relayTrust: RelayTrust;
  /** 8 bytes, part of the address. */
  readonly device: Uint8Array;
  readonly signal?: AbortSignal;
}

/** Makes an identity when relay and device are known; may ask a person. */
export type MakeIdentity = (request: IdentityRequest) => Promise<OwnIdentity>;

/** An identity whose key lives as long as the client object. The relay gives it the lowest clearance. */
export function anonymousIdentity(provider: CryptoProvider): OwnIdentity {
  return keyIdentity(provider, provider.generateSignatureKeyPair('Ed25519', provider.random), 'none');
}

/**
 * An identity that is a kept key: peers trust it at first use, or pin its fingerprint.
 *
 * @param kind - `key`; `none` for a key that will not be kept
 */
export function keyIdentity(
  provider: CryptoProvider,
  keyPair: SignatureKeyPair,
  kind: 'key' | 'none' = 'key',
): OwnIdentity {
  return {
    credential: { kind, spki: keyPair.spki },
    fingerprint: fingerprint(provider, kind, keyPair.spki),
    sign: (request) => provider.sign(keyPair, request.toBeSigned),
  };
}

/** The address of an identity on one device. */
export function addressOf(identity: OwnIdentity, device: Uint8Array): Address {
  return addressFromBytes(concat(fromBase64url(clientId(identity.fingerprint)), device));
}
