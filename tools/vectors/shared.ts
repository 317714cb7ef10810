/** What vectors are written with and read with: hexadecimal, fixed randomness, classes of refusal. */
import { createHash } from 'node:crypto';
import { hex } from '../../src/bytes.ts';
import type { RandomBytes } from '../../src/crypto/provider.ts';
import type { Suite, SuiteName } from '../../src/crypto/suite.ts';
import { SimsError, type ErrorCode } from '../../src/errors.ts';

/** A value of a vector file; what is `undefined` is left out. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined };

/** An object of a vector file. */
export interface JsonObject {
  readonly [name: string]: Json | undefined;
}

/** Why something is refused, in words that any implementation has. */
export type RefusalClass =
  | 'malformed'
  | 'over-limit'
  | 'unknown-type'
  | 'version'
  | 'suite'
  | 'key'
  | 'identity'
  | 'authentication'
  | 'out-of-turn'
  | 'not-awaited'
  | 'repeated'
  | 'expired'
  | 'ended'
  | 'delegation';

/** Time of every vector, in milliseconds since 1970, unless it says another. */
export const NOW = 1_700_000_000_000;

/** Bytes that look random and depend on the seed alone. */
export function seeded(seed: string): RandomBytes {
  let counter = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    for (let offset = 0; offset < length; offset += 64) {
      counter += 1;
      const block = createHash('sha512').update(`vectors/${seed}/${counter}`).digest();
      bytes.set(block.subarray(0, Math.min(64, length - offset)), offset);
    }
    return bytes;
  };
}

/** Randomness that is written down as it is drawn. */
export interface Recorder {
  readonly random: RandomBytes;
  /** What was drawn since this was called last, in hexadecimal. */
  taken(): string[];
}

/** Writes down what is drawn from a source. */
export function record(source: RandomBytes): Recorder {
  const draws: string[] = [];
  return {
    random: (length) => {
      const bytes = source(length);
      draws.push(hex(bytes));
      return bytes;
    },
    taken: () => draws.splice(0),
  };
}

/** Randomness that was written down. */
export interface Player {
  readonly random: RandomBytes;
  /** Adds draws. */
  feed(draws: readonly string[]): void;
  /** How many draws nobody took. */
  left(): number;
}

/** Gives the draws one by one; throws for another length, or when there is none left. */
export function play(): Player {
  const waiting: Uint8Array[] = [];
  return {
    random: (length) => {
      const next = waiting.shift();
      if (next?.length !== length) throw new Error(`${length} random bytes asked for, the vector has ${next?.length}`);
      return next;
    },
    feed: (draws) => waiting.push(...draws.map(unhex)),
    left: () => waiting.length,
  };
}

/** Bytes of hexadecimal. */
export function unhex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** Suites whose senders rekey only where a vector says so: when to is a policy. */
export function byHand(suites: readonly Suite[]): readonly Suite[] {
  return suites.map((suite) => ({
    ...suite,
    rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false },
  }));
}

/** The suite of a name. */
export function suiteOf(suites: readonly Suite[], name: string): Suite {
  const suite = suites.find((candidate) => candidate.name === (name as SuiteName));
  if (suite === undefined) throw new Error(`no suite ${name}`);
  return suite;
}

/** The class of an error code. */
export function classOf(code: ErrorCode): RefusalClass {
  const known = CLASSES[code];
  if (known !== undefined) return known;
  if (code.endsWith('-over-limit')) return 'over-limit';
  if (code.startsWith('codec/')) return 'malformed';
  if (code.startsWith('cc/delegation-')) return 'delegation';
  throw new Error(`${code} has no class: tools/vectors/shared.ts has the table`);
}

const CLASSES: Partial<Record<ErrorCode, RefusalClass>> = {
  'bytes/invalid-base64url': 'malformed',
  'cc/delegation-key': 'key',
  'cc/delegation-malformed': 'malformed',
  'cc/delegation-signature': 'authentication',
  'handshake/authentication-failed': 'authentication',
  'handshake/bundle-expired': 'expired',
  'handshake/bundle-foreign': 'identity',
  'handshake/bundle-mismatch': 'identity',
  'handshake/bundle-suite': 'suite',
  'handshake/credential-kind': 'identity',
  'handshake/identity-mismatch': 'identity',
  'handshake/no-common-suite': 'suite',
  'handshake/own-identity': 'identity',
  'handshake/peer-key-invalid': 'key',
  'handshake/suite-not-offered': 'suite',
  'handshake/unexpected-message': 'out-of-turn',
  'handshake/unsupported-version': 'version',
  'messages/field-invalid': 'malformed',
  'messages/field-missing': 'malformed',
  'messages/invalid-address': 'malformed',
  'messages/invalid-message-id': 'malformed',
  'messages/unknown-type': 'unknown-type',
  'session/authentication-failed': 'authentication',
  'session/ended': 'ended',
  'session/malformed-record': 'malformed',
  'session/not-awaited': 'not-awaited',
  'session/out-of-order': 'out-of-turn',
  'session/repeated': 'repeated',
};

/** The error that work ends in. @throws when it succeeds, or fails otherwise */
export function errorOf(work: () => unknown): SimsError {
  try {
    work();
  } catch (error) {
    if (error instanceof SimsError) return error;
    throw error;
  }
  throw new Error('accepted, though it has to be refused');
}

/** The same for work that takes its time. */
export async function errorLater(work: () => Promise<unknown>): Promise<SimsError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof SimsError) return error;
    throw error;
  }
  throw new Error('accepted, though it has to be refused');
}

/** Checks a class that is written by hand against what the code refuses with. */
export function refusal(expected: RefusalClass, error: SimsError, what: string): RefusalClass {
  const found = classOf(error.code);
  if (found !== expected)
    throw new Error(`${what}: ${error.code} (${error.message}) is of class ${found}, not ${expected}`);
  return expected;
}
