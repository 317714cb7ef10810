/** What both machines do alike. */
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import { MESSAGE_ID_BYTES, messageIdFromBytes, type MessageId } from '../messages/address.ts';
import { encodeCredential, type Credential } from '../messages/credential.ts';
import { NONCE_BYTES } from '../messages/handshakeBodies.ts';
import type { Phase } from '../messages/schema.ts';
import { endsOf, type HandshakeContext, type Plane, type Role } from './context.ts';
import { expectationOf, isKindInPlace } from './identity.ts';
import type { VerifyOutput } from './states.ts';

/** Bytes of randomness for a side's box. */
export const BOX_RANDOMNESS_BYTES = 16;

/** @throws `handshake/invalid-argument` unless the nonce has 32 bytes and the randomness of the box 16 */
export function checkRandomness(nonce: Uint8Array, boxRandomness: Uint8Array): void {
  if (nonce.length !== NONCE_BYTES || boxRandomness.length !== BOX_RANDOMNESS_BYTES) {
    throw new SimsError(
      'handshake/invalid-argument',
      `nonce of ${nonce.length} bytes and box randomness of ${boxRandomness.length}; need ${NONCE_BYTES} and ${BOX_RANDOMNESS_BYTES}`,
    );
  }
}

/**
 * The own credential, encoded.
 *
 * @throws `handshake/invalid-argument` for a kind that has no place there, `messages/invalid-message`
 */
export function encodeOwn(credential: Credential, plane: Plane, role: Role): Uint8Array {
  if (!isKindInPlace(credential.kind, plane, role)) {
    throw new SimsError(
      'handshake/invalid-argument',
      `a ${role} on a ${plane} has no credential of kind ${credential.kind}`,
    );
  }
  return encodeCredential(credential);
}

/**
 * The suites of those names, in their order.
 *
 * @throws `handshake/invalid-argument` for one twice, or one that the context does not have
 */
export function suitesOf(names: readonly SuiteName[], context: HandshakeContext): readonly Suite[] {
  if (new Set(names).size !== names.length) throw new SimsError('handshake/invalid-argument', 'a suite twice');
  return names.map((name) => {
    const suite = context.suites.find((candidate) => candidate.name === name);
    if (suite === undefined) throw new SimsError('handshake/invalid-argument', `the context has no suite ${name}`);
    return suite;
  });
}

/** The request to verify what a peer showed; `role` is the peer's. */
export function verificationOf(
  context: HandshakeContext,
  role: Role,
  credential: Credential,
  signedContent: Uint8Array,
  signature: Uint8Array,
  device?: Uint8Array,
): VerifyOutput {
  const own: Role = role === 'initiator' ? 'responder' : 'initiator';
  const ends = endsOf(context, own);
  return {
    type: 'verify',
    plane: context.plane,
    role,
    credential,
    signedContent,
    signature,
    expected: expectationOf(context, own),
    ...(ends === undefined ? {} : { address: ends.peer, label: ends.peerLabel }),
    ...(device === undefined ? {} : { device }),
    ...(context.relayIdentity === undefined ? {} : { relayIdentity: context.relayIdentity }),
  };
}

/** The name of a handshake: the first 8 bytes of nonce_I, the `id` of its `connect` or `client-connect` messages. */
export function handshakeId(nonce: Uint8Array): MessageId {
  return messageIdFromBytes(nonce.subarray(0, MESSAGE_ID_BYTES));
}

/** A message that no state of this kind takes. */
export function outOfTurn(at: string, phase: Phase): SimsError {
  return new SimsError('handshake/unexpected-message', `phase ${phase} came while ${at}`);
}
