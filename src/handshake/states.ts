/**
 * Inputs and outputs that both machines share.
 *
 * @packageDocumentation
 */
import type { KemKeyPair, RawEncapsulation } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import type { SimsError } from '../errors.ts';
import type { Address } from '../messages/address.ts';
import type { Credential } from '../messages/credential.ts';
import type { Phase } from '../messages/schema.ts';
import type { Plane, Role } from './context.ts';
import type { Expectation, VerifiedIdentity } from './identity.ts';
import type { DirectionSecrets } from './keySchedule.ts';
import type { HandshakeParameters } from './parameters.ts';
import type { SigningPurpose } from './signing.ts';

/** A message of the peer: its phase, and its body as received. The machine copies what it keeps. */
export interface MessageInput {
  readonly type: 'message';
  readonly phase: Phase;
  readonly body: Uint8Array;
}

/** Answers {@link VerifyOutput}: credential and signature are good. */
export interface VerifiedInput {
  readonly type: 'verified';
  readonly identity: VerifiedIdentity;
  /** To an initiator: what to say to that responder, in place of the parameters given at the start. */
  readonly parameters?: HandshakeParameters;
}

/** Answers {@link VerifyOutput}: they are not, or it could not be found out. The handshake ends with that error. */
export interface RefusedInput {
  readonly type: 'refused';
  readonly error: SimsError;
}

/** Answers {@link SignOutput}. */
export interface SignatureInput {
  readonly type: 'signature';
  readonly signature: Uint8Array;
  readonly nowMs: number;
}

/** The time has come that a `timer` output asked for; early or late does no harm. Milliseconds since 1970. */
export interface TimerInput {
  readonly type: 'timer';
  readonly nowMs: number;
}

/** The host gives up; the handshake ends with that error, by default `handshake/aborted`. */
export interface AbortInput {
  readonly type: 'abort';
  readonly error?: SimsError;
}

/** Send this body, as the `data` of a `connect` or `client-connect` of that phase. */
export interface SendOutput {
  readonly type: 'send';
  readonly phase: Phase;
  readonly body: Uint8Array;
}

/** Verify a credential and, with its signature key, a signature; answer `verified` or `refused`. */
export interface VerifyOutput {
  readonly type: 'verify';
  readonly plane: Plane;
  /** What a delegation must be for, where that is not the plane: starts with who is away. */
  readonly purpose?: 'prekey';
  /** Of the peer: `responder` when the credential came in phase 2. */
  readonly role: Role;
  readonly credential: Credential;
  /** All that was signed, with its purpose. */
  readonly signedContent: Uint8Array;
  readonly signature: Uint8Array;
  readonly expected: Expectation;
  /** In a conversation: the peer's address, which a delegation must name. */
  readonly address?: Address;
  /** On a hop, of a client: the device that it claims, 8 bytes. */
  readonly device?: Uint8Array;
  /** SHA-256 of the relay's SPKI, where the context tells it. */
  readonly relayIdentity?: Uint8Array;
  /** In a conversation: the peer's label, as the relay told it. */
  readonly label?: string;
}

/** Sign this, exactly; answer `signature`, when a card and its PIN are ready. */
export interface SignOutput {
  readonly type: 'sign';
  readonly purpose: SigningPurpose;
  readonly toBeSigned: Uint8Array;
}

/** Encapsulate to this key; answer `encapsulated`. */
export interface EncapsulateOutput {
  readonly type: 'encapsulate';
  readonly suite: Suite;
  readonly encapsulationKey: Uint8Array;
}

/** Answers {@link EncapsulateOutput}; `undefined` when the KEM refused the key. The secret is taken over and wiped. */
export interface EncapsulatedInput {
  readonly type: 'encapsulated';
  readonly result: RawEncapsulation | undefined;
}

/** Make a fresh key pair, or take one that was never used; answer `key-pair`. */
export interface GenerateKeyPairOutput {
  readonly type: 'generate-key-pair';
  readonly suite: Suite;
}

/** Answers {@link GenerateKeyPairOutput}. The pair is taken over and wiped after its one use. */
export interface KeyPairInput {
  readonly type: 'key-pair';
  readonly keyPair: KemKeyPair;
}

/** Decapsulate; answer `decapsulated`. */
export interface DecapsulateOutput {
  readonly type: 'decapsulate';
  readonly suite: Suite;
  /** Its fields do not print. */
  readonly keyPair: KemKeyPair;
  readonly ciphertext: Uint8Array;
}

/** Answers {@link DecapsulateOutput}; `undefined` when the KEM refused the ciphertext. Taken over and wiped. */
export interface DecapsulatedInput {
  readonly type: 'decapsulated';
  readonly raw: Uint8Array | undefined;
}

/** The keys are there: at the initiator with phase 3, which also leaves now; at the responder with phase 4. */
export interface EstablishedOutput {
  readonly type: 'established';
  readonly suite: Suite;
  /** 8 bytes. */
  readonly conversationId: Uint8Array;
  /** tr4, 64 bytes. */
  readonly finalTranscriptHash: Uint8Array;
  /** The host's from here on: the machine keeps no copy. They do not print. */
  readonly secrets: DirectionSecrets;
  readonly peer: VerifiedIdentity;
}

/** What a peer says of itself inside its box. */
export interface Introduction {
  /** The peer's word, unless its certificate says the same. */
  readonly name: string;
  readonly parameters: HandshakeParameters;
}
