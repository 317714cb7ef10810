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
  'codec/depth-over-limit': { fault: 'peer', action: 'give-up', meaning: 'Values are nested deeper than the limit.' },
  'codec/duplicate-key': { fault: 'peer', action: 'give-up', meaning: 'A map holds one key twice.' },
  'codec/invalid-utf8': { fault: 'peer', action: 'give-up', meaning: 'Text is not valid UTF-8.' },
  'codec/length-over-limit': { fault: 'peer', action: 'give-up', meaning: 'A length is above its limit.' },
  'codec/lone-surrogate': { fault: 'caller', action: 'give-up', meaning: 'Text to be sent holds half of a surrogate pair.' },
  'codec/malformed': { fault: 'peer', action: 'give-up', meaning: 'The bytes are not one well-formed item of their encoding.' },
  'codec/not-deterministic': { fault: 'peer', action: 'give-up', meaning: 'CBOR is valid but not in the deterministic form.' },
  'codec/trailing-bytes': { fault: 'peer', action: 'give-up', meaning: 'Bytes follow the end of the item.' },
  'codec/truncated': { fault: 'peer', action: 'give-up', meaning: 'The bytes end inside an item.' },
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
