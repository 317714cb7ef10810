/**
 * Every error this package throws or reports, in one closed list.
 *
 * @packageDocumentation
 */

/** Who can mend it: `peer` sent bad data, `caller` misused the API, `local` failed here. */
export type Fault = 'peer' | 'caller' | 'local';

/** What an application should do: try again, start a new conversation, check who the peer is, or stop. */
export type Action = 'retry' | 'rekey' | 'verify' | 'give-up';

/** Whose fault, and what to do. */
export type Disposition = `${Fault} ${Action}`;

/**
 * The closed list, sorted. Each comment is the code's meaning, one sentence without figures (those are in the message);
 * the reference page takes it from here, and no bundle carries it. A code is never renamed once released.
 */
export const ERRORS = {
  /** Text is not base64url without padding. */
  'bytes/invalid-base64url': 'peer give-up',
  /** A contactless card needs the access number (CAN) that is printed on it, and none was given. */
  'card/can-required': 'caller retry',
  /** The card refused the access number (CAN). */
  'card/can-wrong': 'caller retry',
  /** The person, or the application, cancelled the operation. */
  'card/cancelled': 'caller retry',
  /** The signer was closed. */
  'card/closed': 'caller give-up',
  /** The reader or the card failed. */
  'card/device': 'local retry',
  /** The certificate does not belong to the private key beside it. */
  'card/key-mismatch': 'local give-up',
  /** The key cannot sign with the algorithm that was asked for. */
  'card/mechanism': 'caller give-up',
  /** No PKCS #11 module was found: the middleware of the card is not installed where it was looked for. */
  'card/module-missing': 'local give-up',
  /** The PKCS #11 module cannot be loaded or started. */
  'card/module-unusable': 'local give-up',
  /** No reader holds a card that fits. */
  'card/no-card': 'local retry',
  /** The card holds no certificate, with its key, that may be used here. */
  'card/no-certificate': 'local give-up',
  /** The PIN is locked after too many wrong ones. */
  'card/pin-locked': 'local give-up',
  /** The card needs a PIN and no way to ask for it was given. */
  'card/pin-required': 'caller retry',
  /** The card refused the PIN. */
  'card/pin-wrong': 'caller retry',
  /** The optional package pkcs11js is not installed. */
  'card/pkcs11js-missing': 'local give-up',
  /** The optional package pkcs11js is installed, but its native part was not built. */
  'card/pkcs11js-not-built': 'local give-up',
  /** The card was taken out. */
  'card/removed': 'local retry',
  /** The card, or the person at it, took longer than allowed. */
  'card/timeout': 'local retry',
  /** The delegation names another certificate than the one that came with it. */
  'cc/delegation-certificate': 'peer verify',
  /** The delegation is for another device. */
  'cc/delegation-device': 'peer verify',
  /** The delegation of a person to a session key has ended, or has not begun. */
  'cc/delegation-expired': 'peer retry',
  /** The session key of a delegation is of a kind or size that is not allowed. */
  'cc/delegation-key': 'peer give-up',
  /** The bytes are not a delegation. */
  'cc/delegation-malformed': 'peer give-up',
  /** The delegation does not cover what the session key is used for. */
  'cc/delegation-purpose': 'peer verify',
  /** The delegation is for another relay. */
  'cc/delegation-relay': 'peer verify',
  /** The signature of a delegation is not by the key of the certificate. */
  'cc/delegation-signature': 'peer verify',
  /** A certificate on the way to the trust anchor is not valid at this time. */
  'cc/expired': 'peer verify',
  /** Revocation data could not be fetched. */
  'cc/fetch-failed': 'local retry',
  /** An address is not among the hosts that revocation data may be fetched from. */
  'cc/fetch-refused': 'local give-up',
  /** A certificate cannot be made, or read, from what was given. */
  'cc/invalid-argument': 'caller give-up',
  /** The bytes are not the certificate, revocation list or response that they should be. */
  'cc/malformed': 'peer give-up',
  /** The certificate does not name who was asked for. */
  'cc/name-mismatch': 'peer verify',
  /** Every path from the certificate to a trust anchor breaks a rule of path validation. */
  'cc/path-invalid': 'peer verify',
  /** The PKCS #12 file uses encryption that is no longer safe. */
  'cc/pkcs12-legacy': 'caller give-up',
  /** The bytes are not a PKCS #12 file that can be read here. */
  'cc/pkcs12-malformed': 'caller give-up',
  /** The PKCS #12 file holds no private key with its certificate. */
  'cc/pkcs12-no-key': 'caller give-up',
  /** The password does not open the PKCS #12 file. */
  'cc/pkcs12-password': 'caller retry',
  /** The PKCS #12 file uses a form, or a cost, that is not supported. */
  'cc/pkcs12-unsupported': 'caller give-up',
  /** The certificate of a relay holds another key than the relay shows. */
  'cc/relay-key-mismatch': 'peer verify',
  /** Whether a certificate was revoked could not be determined. */
  'cc/revocation-unknown': 'peer retry',
  /** A certificate on the way to the trust anchor was revoked. */
  'cc/revoked': 'peer verify',
  /** A card signed with SHA-1, which is taken only where the application asks for it. */
  'cc/sha1-not-allowed': 'peer verify',
  /** No path leads from the certificate to a trust anchor. */
  'cc/untrusted': 'peer verify',
  /** Verifying the certificate would take more work than the limits allow. */
  'cc/work-limit': 'peer give-up',
  /** The certificate is not meant for this use. */
  'cc/wrong-purpose': 'peer verify',
  /** The signal of an operation was aborted. */
  'client/aborted': 'caller give-up',
  /** The client has been closed. */
  'client/closed': 'caller give-up',
  /** The connection to the relay ended. */
  'client/connection-lost': 'local retry',
  /** The data to be sent does not fit the schema of the content. */
  'client/content-invalid': 'caller give-up',
  /** The data that a peer sent does not fit the schema of the content. */
  'client/content-refused': 'peer give-up',
  /** The conversation has ended: open a new one. */
  'client/conversation-closed': 'caller retry',
  /** An argument or option is not one that the client takes. */
  'client/invalid-argument': 'caller give-up',
  /** The peer is away, and the relay has no bundle left to begin with: try again when it was there. */
  'client/later': 'peer retry',
  /** The conversation is not open yet. */
  'client/not-open': 'caller retry',
  /** The peer does not want the conversation. */
  'client/rejected': 'peer give-up',
  /** The relay does not have the key that was pinned or remembered. */
  'client/relay-changed': 'peer verify',
  /** The relay does not take this client. */
  'client/relay-refused': 'peer retry',
  /** Nobody vouches for the relay, and so no certificate of a person is shown to it. */
  'client/relay-untrusted': 'caller verify',
  /** A message is longer than the limit. */
  'client/text-too-long': 'caller give-up',
  /** The relay cannot reach that peer, or may not. */
  'client/unknown-peer': 'peer retry',
  /** Values are nested deeper than the limit. */
  'codec/depth-over-limit': 'peer give-up',
  /** A map holds one key twice. */
  'codec/duplicate-key': 'peer give-up',
  /** Text is not valid UTF-8. */
  'codec/invalid-utf8': 'peer give-up',
  /** A value to be encoded is of a kind, size or depth that the encoding cannot hold. */
  'codec/invalid-value': 'caller give-up',
  /** The bytes hold more values than the limit. */
  'codec/items-over-limit': 'peer give-up',
  /** A length is above its limit. */
  'codec/length-over-limit': 'peer give-up',
  /** Text to be sent holds half of a surrogate pair. */
  'codec/lone-surrogate': 'caller give-up',
  /** The bytes are not one well-formed item of their encoding. */
  'codec/malformed': 'peer give-up',
  /** CBOR is valid but not in the deterministic form. */
  'codec/not-deterministic': 'peer give-up',
  /** An integer is beyond what is exact in JavaScript. */
  'codec/number-over-limit': 'peer give-up',
  /** Text that was received holds half of a surrogate pair as an escape. */
  'codec/received-lone-surrogate': 'peer give-up',
  /** Bytes follow the end of the item. */
  'codec/trailing-bytes': 'peer give-up',
  /** The bytes end inside an item. */
  'codec/truncated': 'peer give-up',
  /** CBOR is well-formed but of a kind that the protocol does not use: a tag, a float, undefined, or an odd key. */
  'codec/unsupported-item': 'peer give-up',
  /** A key, randomness or length that the caller gave does not fit the operation. */
  'crypto/invalid-argument': 'caller give-up',
  /** The source of random bytes does not work. */
  'crypto/random-failed': 'local give-up',
  /** The platform lacks an operation that is needed, such as WebCrypto outside a secure context. */
  'crypto/unavailable': 'local give-up',
  /** The application, or the person, ended the handshake before it was complete. */
  'handshake/aborted': 'caller retry',
  /** A box did not open or a signature does not verify; the cause is not told apart. */
  'handshake/authentication-failed': 'peer verify',
  /** A bundle ends later than the credential in it. */
  'handshake/bundle-beyond-credential': 'peer retry',
  /** A bundle has ended, or ends too far ahead. */
  'handshake/bundle-expired': 'peer retry',
  /** A bundle was made for another relay. */
  'handshake/bundle-foreign': 'peer verify',
  /** A bundle is of another address or label, or not the one that was answered. */
  'handshake/bundle-mismatch': 'peer verify',
  /** A bundle is of another suite than both sides would have picked. */
  'handshake/bundle-suite': 'peer verify',
  /** The kind of the credential does not fit: a relay as a person, or the reverse. */
  'handshake/credential-kind': 'peer verify',
  /** What a handshake asked of its host, such as a signature, failed for an unforeseen reason. */
  'handshake/host-failed': 'local retry',
  /** The credential belongs to someone other than the party that was expected. */
  'handshake/identity-mismatch': 'peer verify',
  /** An input of a handshake machine has a wrong length, time or choice. */
  'handshake/invalid-argument': 'caller give-up',
  /** No cipher suite is both offered and served. */
  'handshake/no-common-suite': 'peer give-up',
  /** The peer shows the very identity of this side. */
  'handshake/own-identity': 'peer give-up',
  /** A key, or a ciphertext of the KEM, that the peer sent is malformed or of low order. */
  'handshake/peer-key-invalid': 'peer give-up',
  /** The owner of this side did not consent to the handshake. */
  'handshake/rejected': 'caller give-up',
  /** A state of a handshake was used again after a step had left it. */
  'handshake/state-spent': 'caller give-up',
  /** The responder chose a suite that was not in the offer. */
  'handshake/suite-not-offered': 'peer give-up',
  /** The handshake was not complete in time. */
  'handshake/timeout': 'peer retry',
  /** A handshake machine was given an input that its state does not take. */
  'handshake/unexpected-input': 'caller give-up',
  /** A handshake message came out of turn. */
  'handshake/unexpected-message': 'peer give-up',
  /** No verifier was given for this kind of credential. */
  'handshake/unsupported-credential': 'local give-up',
  /** No version of the protocol is common to both sides. */
  'handshake/unsupported-version': 'peer give-up',
  /** An audit entry has a field that is not of the closed list, or a text above its limit. */
  'ifc/audit-entry-invalid': 'caller give-up',
  /** The text of a label is not the one canonical text of that label. */
  'ifc/label-not-canonical': 'peer give-up',
  /** The text of a label is longer than 255 bytes. */
  'ifc/label-over-limit': 'peer give-up',
  /** A label names a level or a compartment that the lattice does not have. */
  'ifc/label-unknown': 'peer give-up',
  /** Labels of two lattices were compared, or a lattice was not made by createLattice. */
  'ifc/lattice-mismatch': 'caller give-up',
  /** The definition of a lattice or policy is wrong; the message names the fields. */
  'ifc/policy-invalid': 'caller give-up',
  /** A field of a message has a value of a wrong type, length or form. */
  'messages/field-invalid': 'peer give-up',
  /** A message lacks a field that its type requires. */
  'messages/field-missing': 'peer give-up',
  /** A field of a message is longer than its limit. */
  'messages/field-over-limit': 'peer give-up',
  /** Text or bytes are not the address of a client. */
  'messages/invalid-address': 'caller give-up',
  /** A message to be sent lacks a field or has a wrong one. */
  'messages/invalid-message': 'caller give-up',
  /** Text or bytes are not the id of a message. */
  'messages/invalid-message-id': 'caller give-up',
  /** A message is well-formed but of a type that this version does not know. */
  'messages/unknown-type': 'peer give-up',
  /** An audit file cannot be read or written, or its last lines are not what a relay wrote. */
  'relay/audit-unusable': 'local give-up',
  /** The key or certificate that a relay keeps cannot be read, or is not one. */
  'relay/identity-unusable': 'local give-up',
  /** An option or limit is not one that the relay takes. */
  'relay/invalid-option': 'caller give-up',
  /** A record does not open. */
  'session/authentication-failed': 'peer retry',
  /** The hop or conversation has ended. */
  'session/ended': 'caller rekey',
  /** All record numbers of a hop or epoch are used. */
  'session/exhausted': 'local rekey',
  /** A record is not of the form of the protocol. */
  'session/malformed-record': 'peer give-up',
  /** A record is too far ahead, or of an epoch that is not open. */
  'session/not-awaited': 'peer retry',
  /** A record of a hop is missing or repeated. */
  'session/out-of-order': 'peer retry',
  /** More messages wait for their acknowledgement than the limit. */
  'session/outbox-full': 'caller retry',
  /** A record was opened before. */
  'session/repeated': 'peer retry',
  /** Stored bytes are not the state of a conversation. */
  'session/state-malformed': 'local give-up',
  /** A stored state has a version that this release does not read. */
  'session/state-version': 'local give-up',
  /** The conversation takes no such input in its state. */
  'session/unexpected-input': 'caller give-up',
  /** Another client wrote to the store meanwhile. */
  'store/conflict': 'local give-up',
  /** The store did not do what was asked of it. */
  'store/failed': 'local retry',
  /** Another client has the store open. */
  'store/locked': 'local retry',
  /** A stored value is not what was written under its name and version. */
  'store/tampered': 'local give-up',
  /** A store was sealed under another key. */
  'store/wrong-key': 'caller give-up',
  /** The caller gave up a connection or the attempt to make it. */
  'transport/aborted': 'caller give-up',
  /** A message was to be sent over a transport that is closing or closed. */
  'transport/closed': 'local retry',
  /** No connection could be made. */
  'transport/connect-failed': 'local retry',
  /** A listener could not take its address, or failed later. */
  'transport/listen-failed': 'local give-up',
  /** The connection broke without an orderly end. */
  'transport/lost': 'local retry',
  /** A message to be sent is empty or larger than any transport carries. */
  'transport/message-size': 'caller give-up',
  /** Messages came faster than they were taken, over a transport that cannot slow its peer. */
  'transport/overrun': 'peer retry',
  /** The receiver of a transport threw or rejected. */
  'transport/receiver-failed': 'caller give-up',
  /** The peer closed the connection and named a breach of rules. */
  'transport/rejected': 'peer give-up',
  /** A transport was started a second time. */
  'transport/started': 'caller give-up',
  /** Connecting or closing took longer than allowed. */
  'transport/timeout': 'local retry',
  /** The connection ended inside a message. */
  'transport/truncated': 'peer retry',
  /** This runtime lacks what the transport needs. */
  'transport/unsupported': 'caller give-up',
  /** The optional package ws is not installed. */
  'transport/ws-missing': 'caller give-up',
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
    const disposition: Disposition = ERRORS[code];
    const [fault, action] = disposition.split(' ') as [Fault, Action];
    this.fault = fault;
    this.action = action;
  }
}
