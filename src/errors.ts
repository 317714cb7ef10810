/**
 * Every error this package throws or reports, in one closed list.
 *
 * @packageDocumentation
 */

/** Who can mend it: `peer` sent bad data, `caller` misused the API, `local` failed here. */
export type Fault = 'peer' | 'caller' | 'local';

/** What an application should do: try again, start a new conversation, check who the peer is, or stop. */
export type Action = 'retry' | 'rekey' | 'verify' | 'give-up';

interface Entry {
  readonly fault: Fault;
  readonly action: Action;
  /** One sentence for the reference page, without figures: those are in the message. */
  readonly meaning: string;
}

/** The closed list, sorted by area. A code is never renamed once released. */
export const ERRORS = {
  'bytes/invalid-base64url': { fault: 'peer', action: 'give-up', meaning: 'Text is not base64url without padding.' },
  'card/can-required': {
    fault: 'caller',
    action: 'retry',
    meaning: 'A contactless card needs the access number (CAN) that is printed on it, and none was given.',
  },
  'card/can-wrong': { fault: 'caller', action: 'retry', meaning: 'The card refused the access number (CAN).' },
  'card/cancelled': {
    fault: 'caller',
    action: 'retry',
    meaning: 'The person, or the application, cancelled the operation.',
  },
  'card/closed': { fault: 'caller', action: 'give-up', meaning: 'The signer was closed.' },
  'card/device': { fault: 'local', action: 'retry', meaning: 'The reader or the card failed.' },
  'card/key-mismatch': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The certificate does not belong to the private key beside it.',
  },
  'card/mechanism': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The key cannot sign with the algorithm that was asked for.',
  },
  'card/module-missing': {
    fault: 'local',
    action: 'give-up',
    meaning: 'No PKCS #11 module was found: the middleware of the card is not installed where it was looked for.',
  },
  'card/module-unusable': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The PKCS #11 module cannot be loaded or started.',
  },
  'card/no-card': { fault: 'local', action: 'retry', meaning: 'No reader holds a card that fits.' },
  'card/no-certificate': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The card holds no certificate, with its key, that may be used here.',
  },
  'card/pin-locked': { fault: 'local', action: 'give-up', meaning: 'The PIN is locked after too many wrong ones.' },
  'card/pin-required': {
    fault: 'caller',
    action: 'retry',
    meaning: 'The card needs a PIN and no way to ask for it was given.',
  },
  'card/pin-wrong': { fault: 'caller', action: 'retry', meaning: 'The card refused the PIN.' },
  'card/pkcs11js-missing': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The optional package pkcs11js is not installed.',
  },
  'card/pkcs11js-not-built': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The optional package pkcs11js is installed, but its native part was not built.',
  },
  'card/removed': { fault: 'local', action: 'retry', meaning: 'The card was taken out.' },
  'card/timeout': {
    fault: 'local',
    action: 'retry',
    meaning: 'The card, or the person at it, took longer than allowed.',
  },
  'cc/delegation-certificate': {
    fault: 'peer',
    action: 'verify',
    meaning: 'The delegation names another certificate than the one that came with it.',
  },
  'cc/delegation-device': { fault: 'peer', action: 'verify', meaning: 'The delegation is for another device.' },
  'cc/delegation-expired': {
    fault: 'peer',
    action: 'retry',
    meaning: 'The delegation of a person to a session key has ended, or has not begun.',
  },
  'cc/delegation-key': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The session key of a delegation is of a kind or size that is not allowed.',
  },
  'cc/delegation-malformed': { fault: 'peer', action: 'give-up', meaning: 'The bytes are not a delegation.' },
  'cc/delegation-purpose': {
    fault: 'peer',
    action: 'verify',
    meaning: 'The delegation does not cover what the session key is used for.',
  },
  'cc/delegation-relay': { fault: 'peer', action: 'verify', meaning: 'The delegation is for another relay.' },
  'cc/delegation-signature': {
    fault: 'peer',
    action: 'verify',
    meaning: 'The signature of a delegation is not by the key of the certificate.',
  },
  'cc/expired': {
    fault: 'peer',
    action: 'verify',
    meaning: 'A certificate on the way to the trust anchor is not valid at this time.',
  },
  'cc/fetch-failed': { fault: 'local', action: 'retry', meaning: 'Revocation data could not be fetched.' },
  'cc/fetch-refused': {
    fault: 'local',
    action: 'give-up',
    meaning: 'An address is not among the hosts that revocation data may be fetched from.',
  },
  'cc/invalid-argument': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A certificate cannot be made, or read, from what was given.',
  },
  'cc/malformed': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The bytes are not the certificate, revocation list or response that they should be.',
  },
  'cc/name-mismatch': { fault: 'peer', action: 'verify', meaning: 'The certificate does not name who was asked for.' },
  'cc/path-invalid': {
    fault: 'peer',
    action: 'verify',
    meaning: 'Every path from the certificate to a trust anchor breaks a rule of path validation.',
  },
  'cc/pkcs12-legacy': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The PKCS #12 file uses encryption that is no longer safe.',
  },
  'cc/pkcs12-malformed': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The bytes are not a PKCS #12 file that can be read here.',
  },
  'cc/pkcs12-no-key': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The PKCS #12 file holds no private key with its certificate.',
  },
  'cc/pkcs12-password': { fault: 'caller', action: 'retry', meaning: 'The password does not open the PKCS #12 file.' },
  'cc/pkcs12-unsupported': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The PKCS #12 file uses a form, or a cost, that is not supported.',
  },
  'cc/relay-key-mismatch': {
    fault: 'peer',
    action: 'verify',
    meaning: 'The certificate of a relay holds another key than the relay shows.',
  },
  'cc/revocation-unknown': {
    fault: 'peer',
    action: 'retry',
    meaning: 'Whether a certificate was revoked could not be determined.',
  },
  'cc/revoked': {
    fault: 'peer',
    action: 'verify',
    meaning: 'A certificate on the way to the trust anchor was revoked.',
  },
  'cc/sha1-not-allowed': {
    fault: 'peer',
    action: 'verify',
    meaning: 'A card signed with SHA-1, which is taken only where the application asks for it.',
  },
  'cc/untrusted': { fault: 'peer', action: 'verify', meaning: 'No path leads from the certificate to a trust anchor.' },
  'cc/work-limit': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'Verifying the certificate would take more work than the limits allow.',
  },
  'cc/wrong-purpose': { fault: 'peer', action: 'verify', meaning: 'The certificate is not meant for this use.' },
  'codec/depth-over-limit': { fault: 'peer', action: 'give-up', meaning: 'Values are nested deeper than the limit.' },
  'codec/duplicate-key': { fault: 'peer', action: 'give-up', meaning: 'A map holds one key twice.' },
  'codec/invalid-utf8': { fault: 'peer', action: 'give-up', meaning: 'Text is not valid UTF-8.' },
  'codec/invalid-value': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A value to be encoded is of a kind, size or depth that the encoding cannot hold.',
  },
  'codec/items-over-limit': { fault: 'peer', action: 'give-up', meaning: 'The bytes hold more values than the limit.' },
  'codec/length-over-limit': { fault: 'peer', action: 'give-up', meaning: 'A length is above its limit.' },
  'codec/lone-surrogate': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'Text to be sent holds half of a surrogate pair.',
  },
  'codec/malformed': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The bytes are not one well-formed item of their encoding.',
  },
  'codec/not-deterministic': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'CBOR is valid but not in the deterministic form.',
  },
  'codec/number-over-limit': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'An integer is beyond what is exact in JavaScript.',
  },
  'codec/received-lone-surrogate': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'Text that was received holds half of a surrogate pair as an escape.',
  },
  'codec/trailing-bytes': { fault: 'peer', action: 'give-up', meaning: 'Bytes follow the end of the item.' },
  'codec/truncated': { fault: 'peer', action: 'give-up', meaning: 'The bytes end inside an item.' },
  'codec/unsupported-item': {
    fault: 'peer',
    action: 'give-up',
    meaning:
      'CBOR is well-formed but of a kind that the protocol does not use: a tag, a float, undefined, or an odd key.',
  },
  'crypto/invalid-argument': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A key, randomness or length that the caller gave does not fit the operation.',
  },
  'crypto/random-failed': { fault: 'local', action: 'give-up', meaning: 'The source of random bytes does not work.' },
  'crypto/unavailable': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The platform lacks an operation that is needed, such as WebCrypto outside a secure context.',
  },
  'handshake/aborted': {
    fault: 'caller',
    action: 'retry',
    meaning: 'The application, or the person, ended the handshake before it was complete.',
  },
  'handshake/authentication-failed': {
    fault: 'peer',
    action: 'verify',
    meaning: 'A box did not open or a signature does not verify; the cause is not told apart.',
  },
  'handshake/credential-kind': {
    fault: 'peer',
    action: 'verify',
    meaning: 'The kind of the credential does not fit: a relay as a person, or the reverse.',
  },
  'handshake/host-failed': {
    fault: 'local',
    action: 'retry',
    meaning: 'What a handshake asked of its host, such as a signature, failed for an unforeseen reason.',
  },
  'handshake/identity-mismatch': {
    fault: 'peer',
    action: 'verify',
    meaning: 'The credential belongs to someone other than the party that was expected.',
  },
  'handshake/invalid-argument': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'An input of a handshake machine has a wrong length, time or choice.',
  },
  'handshake/no-common-suite': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'No cipher suite is both offered and served.',
  },
  'handshake/own-identity': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The peer shows the very identity of this side.',
  },
  'handshake/peer-key-invalid': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A key, or a ciphertext of the KEM, that the peer sent is malformed or of low order.',
  },
  'handshake/rejected': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The owner of this side did not consent to the handshake.',
  },
  'handshake/state-spent': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A state of a handshake was used again after a step had left it.',
  },
  'handshake/suite-not-offered': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The responder chose a suite that was not in the offer.',
  },
  'handshake/timeout': { fault: 'peer', action: 'retry', meaning: 'The handshake was not complete in time.' },
  'handshake/unexpected-input': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A handshake machine was given an input that its state does not take.',
  },
  'handshake/unexpected-message': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A handshake message came out of turn.',
  },
  'handshake/unsupported-credential': {
    fault: 'local',
    action: 'give-up',
    meaning: 'No verifier was given for this kind of credential.',
  },
  'handshake/unsupported-version': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'No version of the protocol is common to both sides.',
  },
  'ifc/audit-entry-invalid': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'An audit entry has a field that is not of the closed list, or a text above its limit.',
  },
  'ifc/label-not-canonical': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The text of a label is not the one canonical text of that label.',
  },
  'ifc/label-over-limit': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The text of a label is longer than 255 bytes.',
  },
  'ifc/label-unknown': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A label names a level or a compartment that the lattice does not have.',
  },
  'ifc/lattice-mismatch': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'Labels of two lattices were compared, or a lattice was not made by createLattice.',
  },
  'ifc/policy-invalid': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The definition of a lattice or policy is wrong; the message names the fields.',
  },
  'messages/field-invalid': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A field of a message has a value of a wrong type, length or form.',
  },
  'messages/field-missing': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A message lacks a field that its type requires.',
  },
  'messages/field-over-limit': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A field of a message is longer than its limit.',
  },
  'messages/invalid-address': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'Text or bytes are not the address of a client.',
  },
  'messages/invalid-message': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A message to be sent lacks a field or has a wrong one.',
  },
  'messages/invalid-message-id': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'Text or bytes are not the id of a message.',
  },
  'messages/unknown-type': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A message is well-formed but of a type that this version does not know.',
  },
  'relay/identity-unusable': {
    fault: 'local',
    action: 'give-up',
    meaning: 'The key or certificate that a relay keeps cannot be read, or is not one.',
  },
  'relay/invalid-option': { fault: 'caller', action: 'give-up', meaning: 'An option or limit is not one that the relay takes.' },
  'transport/aborted': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The caller gave up a connection or the attempt to make it.',
  },
  'transport/closed': {
    fault: 'local',
    action: 'retry',
    meaning: 'A message was to be sent over a transport that is closing or closed.',
  },
  'transport/connect-failed': { fault: 'local', action: 'retry', meaning: 'No connection could be made.' },
  'transport/listen-failed': {
    fault: 'local',
    action: 'give-up',
    meaning: 'A listener could not take its address, or failed later.',
  },
  'transport/lost': { fault: 'local', action: 'retry', meaning: 'The connection broke without an orderly end.' },
  'transport/message-size': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'A message to be sent is empty or larger than any transport carries.',
  },
  'transport/overrun': {
    fault: 'peer',
    action: 'retry',
    meaning: 'Messages came faster than they were taken, over a transport that cannot slow its peer.',
  },
  'transport/receiver-failed': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The receiver of a transport threw or rejected.',
  },
  'transport/rejected': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'The peer closed the connection and named a breach of rules.',
  },
  'transport/started': { fault: 'caller', action: 'give-up', meaning: 'A transport was started a second time.' },
  'transport/timeout': { fault: 'local', action: 'retry', meaning: 'Connecting or closing took longer than allowed.' },
  'transport/truncated': { fault: 'peer', action: 'retry', meaning: 'The connection ended inside a message.' },
  'transport/unsupported': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'This runtime lacks what the transport needs.',
  },
  'transport/ws-missing': { fault: 'caller', action: 'give-up', meaning: 'The optional package ws is not installed.' },
  'session/authentication-failed': { fault: 'peer', action: 'retry', meaning: 'A record does not open.' },
  'session/ended': { fault: 'caller', action: 'rekey', meaning: 'The hop or conversation has ended.' },
  'session/exhausted': { fault: 'local', action: 'rekey', meaning: 'All record numbers of a hop or epoch are used.' },
  'session/malformed-record': {
    fault: 'peer',
    action: 'give-up',
    meaning: 'A record is not of the form of the protocol.',
  },
  'session/not-awaited': {
    fault: 'peer',
    action: 'retry',
    meaning: 'A record is too far ahead, or of an epoch that is not open.',
  },
  'session/out-of-order': { fault: 'peer', action: 'retry', meaning: 'A record of a hop is missing or repeated.' },
  'session/outbox-full': {
    fault: 'caller',
    action: 'retry',
    meaning: 'More messages wait for their acknowledgement than the limit.',
  },
  'session/repeated': { fault: 'peer', action: 'retry', meaning: 'A record was opened before.' },
  'session/unexpected-input': {
    fault: 'caller',
    action: 'give-up',
    meaning: 'The conversation takes no such input in its state.',
  },
  'session/state-malformed': {
    fault: 'local',
    action: 'give-up',
    meaning: 'Stored bytes are not the state of a conversation.',
  },
  'session/state-version': {
    fault: 'local',
    action: 'give-up',
    meaning: 'A stored state has a version that this release does not read.',
  },
  'store/locked': { fault: 'local', action: 'retry', meaning: 'Another client has the store open.' },
  'store/conflict': { fault: 'local', action: 'give-up', meaning: 'Another client wrote to the store meanwhile.' },
  'store/failed': { fault: 'local', action: 'retry', meaning: 'The store did not do what was asked of it.' },
  'client/aborted': { fault: 'caller', action: 'give-up', meaning: 'The signal of an operation was aborted.' },
  'client/closed': { fault: 'caller', action: 'give-up', meaning: 'The client has been closed.' },
  'client/connection-lost': { fault: 'local', action: 'retry', meaning: 'The connection to the relay ended.' },
  'client/conversation-closed': { fault: 'caller', action: 'retry', meaning: 'The conversation has ended: open a new one.' },
  'client/invalid-argument': { fault: 'caller', action: 'give-up', meaning: 'An argument or option is not one that the client takes.' },
  'client/rejected': { fault: 'peer', action: 'give-up', meaning: 'The peer does not want the conversation.' },
  'client/relay-changed': { fault: 'peer', action: 'verify', meaning: 'The relay does not have the key that was pinned or remembered.' },
  'client/relay-refused': { fault: 'peer', action: 'retry', meaning: 'The relay does not take this client.' },
  'client/text-too-long': { fault: 'caller', action: 'give-up', meaning: 'A message is longer than the limit.' },
  'client/unknown-peer': { fault: 'peer', action: 'retry', meaning: 'The relay cannot reach that peer, or may not.' },
  'client/not-open': { fault: 'caller', action: 'retry', meaning: 'The conversation is not open yet.' },
} as const;

/** `area/reason`. */
export type ErrorCode = keyof typeof ERRORS;

/** The only error class; switch on {@link SimsError.code}. Messages and causes never hold a secret. */
export class SimsError extends Error {
  override readonly name = 'SimsError';
  readonly code: ErrorCode;
  readonly fault: Fault;
  readonly action: Action;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    const entry: Entry = ERRORS[code];
    this.fault = entry.fault;
    this.action = entry.action;
  }
}
