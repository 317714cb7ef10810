/**
 * Trust stores, kept apart by purpose: what is trusted to name relays never names a person, nor the other way round.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { parseCertificate, same, type Certificate } from './certificate.ts';
import { decodePemOrDer } from './certificatePem.ts';

/** What the certificates under a store's anchors are for. */
export type TrustPurpose = 'relay' | 'person';

/** A certificate, or a file of them: DER, PEM bytes, or PEM text. */
export type CertificateInput = Certificate | Uint8Array | string;

/** Anchors and intermediates of one purpose. */
export interface TrustStore {
  readonly purpose: TrustPurpose;
  readonly anchors: readonly Certificate[];
  /** Helpful certificates; nothing is believed of them. */
  readonly intermediates: readonly Certificate[];
  /** What could not be read, by the number of the input (anchors first, then intermediates) and why. */
  readonly unreadable: readonly { readonly input: number; readonly error: SimsError }[];
}

/** What {@link createTrustStore} takes. */
export interface TrustStoreOptions {
  readonly purpose: TrustPurpose;
  readonly anchors: readonly CertificateInput[];
  readonly intermediates?: readonly CertificateInput[];
}

/**
 * A store from certificates in memory. What cannot be read is listed in `unreadable` and left out.
 *
 * @throws `cc/invalid-argument` if no anchor could be read: such a store would refuse everybody, without saying why
 */
export function createTrustStore(options: TrustStoreOptions): TrustStore {
  const unreadable: { input: number; error: SimsError }[] = [];
  const read = (inputs: readonly CertificateInput[], first: number): readonly Certificate[] =>
    withoutRepeats(
      inputs.flatMap((input, at) => {
        try {
          return readCertificates(input);
        } catch (error) {
          if (!(error instanceof SimsError)) throw error;
          unreadable.push({ input: first + at, error });
          return [];
        }
      }),
    );
  const anchors = read(options.anchors, 0);
  const intermediates = read(options.intermediates ?? [], options.anchors.length);
  if (anchors.length === 0) {
    throw new SimsError(
      'cc/invalid-argument',
      `no trust anchor in ${options.anchors.length} inputs for ${options.purpose}`,
    );
  }
  return { purpose: options.purpose, anchors, intermediates, unreadable };
}

/**
 * Every certificate of an input, in order.
 *
 * @throws `cc/malformed`
 */
export function readCertificates(input: CertificateInput): readonly Certificate[] {
  if (typeof input !== 'string' && !(input instanceof Uint8Array)) return [input];
  return decodePemOrDer(input, 'CERTIFICATE').map(parseCertificate);
}

function withoutRepeats(certificates: readonly Certificate[]): readonly Certificate[] {
  const kept: Certificate[] = [];
  const bySubject = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    const namesakes = bySubject.get(certificate.subject.key) ?? [];
    if (namesakes.some((other) => same(other.bytes, certificate.bytes))) continue;
    bySubject.set(certificate.subject.key, [...namesakes, certificate]);
    kept.push(certificate);
  }
  return kept;
}
