/**
 * Who signs for a person: a card, a file or a key, all behind one interface.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/**
 * Algorithms by their JOSE names (RFC 7518 §3.1, RFC 8037 §3.1). ES signatures are raw r ‖ s of fixed length; PS256
 * has MGF1-SHA-256 and a salt of 32 bytes; EdDSA is Ed25519.
 */
export type SigningAlgorithm = 'ES256' | 'ES384' | 'ES512' | 'PS256' | 'RS256' | 'EdDSA';

/** How one signature is made. */
export interface SignOptions {
  /** One of the signer's algorithms; default the first. */
  readonly algorithm?: SigningAlgorithm;
  /** Ends the wait: `card/cancelled`, or `card/timeout` if its reason is a TimeoutError. */
  readonly signal?: AbortSignal;
}

/** A signature and how it was made. */
export interface SignerSignature {
  readonly algorithm: SigningAlgorithm;
  readonly signature: Uint8Array;
}

/** A card was put in or taken out. */
export interface SignerEvent {
  readonly type: 'inserted' | 'removed';
  readonly tokenLabel: string;
}

/** A person's certificate and the private key behind it. */
export interface Signer {
  /** DER certificates, leaf first. Intermediates may be missing: some cards hold none. */
  readonly chain: readonly Uint8Array[];
  /** What the key can do, preferred first; never empty. */
  readonly algorithms: readonly SigningAlgorithm[];
  /**
   * Signature over exactly these bytes; the signer hashes. May ask a person, and so take long.
   *
   * @throws `card/…` codes; `card/mechanism` for an algorithm that is not among {@link Signer.algorithms}
   */
  sign(toBeSigned: Uint8Array, options?: SignOptions): Promise<SignerSignature>;
  /** Hears of the card being taken out and put back; gives the function that stops it. Absent where nothing can be. */
  subscribe?(listener: (event: SignerEvent) => void): () => void;
  /** Lets go of devices and keys; afterwards `sign` fails with `card/closed`. Twice does no harm. */
  close(): Promise<void>;
}

/** What a person is asked when a PIN is needed. */
export interface PinRequest {
  readonly tokenLabel: string;
  /** How many tries are left, where the token tells. */
  readonly triesLeft?: number;
  /** The token says that wrong PINs were given lately, without a number. */
  readonly isTriesLow: boolean;
  /** The last PIN was wrong. */
  readonly retry: boolean;
  /** Aborted when the answer is no longer wanted: close the dialog. */
  readonly signal: AbortSignal;
}

/** Asks for the PIN; `undefined` cancels. The answer is used at once and not kept. */
export type AskPin = (request: PinRequest) => Promise<string | undefined> | string | undefined;

/** What a person is asked when a contactless card needs the access number printed on it. */
export interface CanRequest {
  readonly tokenLabel: string;
  readonly retry: boolean;
  readonly signal: AbortSignal;
}

/** Asks for the CAN; `undefined` cancels. */
export type AskCan = (request: CanRequest) => Promise<string | undefined> | string | undefined;

/**
 * The algorithm asked for, or the signer's first.
 *
 * @throws `card/mechanism` if it is not among them
 */
export function chooseAlgorithm(
  algorithms: readonly SigningAlgorithm[],
  asked: SigningAlgorithm | undefined,
): SigningAlgorithm {
  const chosen = asked ?? algorithms[0];
  if (chosen === undefined || !algorithms.includes(chosen)) {
    throw new SimsError(
      'card/mechanism',
      `the key signs with ${algorithms.join(', ')}; ${asked ?? 'any'} was asked for`,
    );
  }
  return chosen;
}

/** The error that an aborted signal stands for: `card/timeout` or `card/cancelled`. */
export function abortError(signal: AbortSignal): SimsError {
  const reason: unknown = signal.reason;
  if (reason instanceof SimsError) return reason;
  const isTimeout = reason instanceof Error && reason.name === 'TimeoutError';
  return isTimeout
    ? new SimsError('card/timeout', 'the signature took longer than allowed', { cause: reason })
    : new SimsError('card/cancelled', 'the operation was cancelled', { cause: reason });
}

/** The promise's outcome, or the signal's error if that comes first. The work itself goes on: end it by other means. */
export function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortError(signal));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
