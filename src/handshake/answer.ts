/**
 * Answers what a machine asks of its host with a provider's and a signer's means: relay and client use it alike.
 *
 * @packageDocumentation
 */
import type { AsyncKem, Kem, KemKeyPair, RandomBytes } from '../crypto/provider.ts';
import { SimsError } from '../errors.ts';
import type { InitiatorOutput } from './initiator.ts';
import { andThen, attempt, type MaybePromise } from './maybePromise.ts';
import type { HandshakeParameters } from './parameters.ts';
import type { ResponderOutput } from './responder.ts';
import { conceal } from './secrets.ts';
import type * as shared from './states.ts';
import type { VerifyCredential } from './verification.ts';

/** What answers need. */
export interface AnswerHost {
  /** Signs with the own credential's signature key; may ask a card. A SimsError that it throws ends the handshake. */
  readonly sign: (request: shared.SignOutput) => MaybePromise<Uint8Array>;
  readonly verifyCredential: VerifyCredential;
  /** Of an initiator: what to say to a responder that is verified now, in place of the parameters given at the start. */
  readonly parameters?: () => HandshakeParameters;
  readonly random: RandomBytes;
  /** RSA pairs made ahead; without it, or when it is empty, a pair is generated, which takes about a second. */
  readonly rsaPool?: {
    /** A pair that nobody else gets; `undefined` when none is ready. */
    take(): KemKeyPair | undefined;
  };
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The input that answers an output; `never` for outputs that ask for nothing or that only the application can answer. */
export type AnswerTo<Output> = Output extends shared.VerifyOutput
  ? shared.VerifiedInput | shared.RefusedInput
  : Output extends shared.SignOutput
    ? shared.SignatureInput | shared.AbortInput
    : Output extends shared.EncapsulateOutput
      ? shared.EncapsulatedInput | shared.AbortInput
      : Output extends shared.GenerateKeyPairOutput
        ? shared.KeyPairInput | shared.AbortInput
        : Output extends shared.DecapsulateOutput
          ? shared.DecapsulatedInput | shared.AbortInput
          : never;

/**
 * The answer to `verify`, `sign`, `encapsulate`, `generate-key-pair` or `decapsulate`, at once where all it needs is
 * synchronous; `undefined` for every other output. Never throws and never rejects: a failure of the host is an `abort`
 * with the host's error, or with `handshake/host-failed`. Drop an answer that the machine does not take any more
 * (`initiatorTakes`, `responderTakes`).
 */
export function answerOutput<Output extends InitiatorOutput | ResponderOutput>(
  output: Output,
  host: AnswerHost,
): MaybePromise<AnswerTo<Output>> | undefined {
  return answer(output, host) as MaybePromise<AnswerTo<Output>> | undefined;
}

type Answer = AnswerTo<InitiatorOutput | ResponderOutput>;

function answer(output: InitiatorOutput | ResponderOutput, host: AnswerHost): MaybePromise<Answer> | undefined {
  switch (output.type) {
    case 'verify':
      return attempt<Answer, Answer>(
        () =>
          andThen(host.verifyCredential(output), (identity) => ({
            type: 'verified',
            identity,
            ...(host.parameters === undefined ? {} : { parameters: host.parameters() }),
          })),
        (error) => ({ type: 'refused', error: asSimsError(error, 'verification') }),
      );
    case 'sign':
      return orAbort('signature', () =>
        andThen(host.sign(output), (signature) => ({ type: 'signature', signature, nowMs: host.now() })),
      );
    case 'encapsulate':
      return orAbort('encapsulation', () =>
        andThen(output.suite.kem.encapsulate(output.encapsulationKey, host.random), (result) =>
          conceal({ result }, { type: 'encapsulated' } as const),
        ),
      );
    case 'generate-key-pair':
      return orAbort('key generation', () =>
        andThen(generate(output.suite.kem, host), (keyPair) => conceal({ keyPair }, { type: 'key-pair' } as const)),
      );
    case 'decapsulate':
      return orAbort('decapsulation', () =>
        andThen(decapsulate(output, host.random), (raw) => conceal({ raw }, { type: 'decapsulated' } as const)),
      );
    default:
      return undefined;
  }
}

function generate(kem: Kem | AsyncKem, host: AnswerHost): MaybePromise<KemKeyPair> {
  return isAsync(kem) ? (host.rsaPool?.take() ?? kem.generateKeyPair()) : kem.generateKeyPair(host.random);
}

function decapsulate(output: shared.DecapsulateOutput, random: RandomBytes): MaybePromise<Uint8Array | undefined> {
  const { suite, keyPair, ciphertext } = output;
  return isAsync(suite.kem)
    ? suite.kem.decapsulate(keyPair, ciphertext, random)
    : suite.kem.decapsulate(keyPair, ciphertext);
}

function isAsync(kem: Kem | AsyncKem): kem is AsyncKem {
  return kem.name === 'RSA-4096';
}

function orAbort(what: string, work: () => MaybePromise<Answer>): MaybePromise<Answer> {
  return attempt<Answer, Answer>(work, (error) => ({ type: 'abort', error: asSimsError(error, what) }));
}

function asSimsError(error: unknown, what: string): SimsError {
  if (error instanceof SimsError) return error;
  return new SimsError('handshake/host-failed', `the ${what} failed`, { cause: error });
}
