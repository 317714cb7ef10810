/**
 * Verifies a relay by its certificate, where it is not pinned. What {@link createRelayVerifier} gives is a `VerifyRelay` of
 * the handshake.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { parseCertificate, same } from './certificate.ts';
import { hostToName } from './nameCheck.ts';
import { checkPath, endOfPath, type PathOptions, type PersonVerifierOptions } from './personVerifier.ts';
import { RELAY_CERTIFICATE, type Profile } from './profile.ts';
import { RevocationCache } from './revocationCache.ts';
import type { TrustStore } from './trust.ts';

/** What {@link createRelayVerifier} takes. */
export interface RelayVerifierOptions extends PathOptions, Pick<PersonVerifierOptions, 'crls' | 'timeoutMs' | 'now'> {
  /** Anchors kept for relays. A self-signed relay is taken only if its certificate is itself among them. */
  readonly trust: TrustStore;
  /** The host that was asked for: a DNS name or an IP address, without a port. */
  readonly host: string;
  /** Default {@link RELAY_CERTIFICATE}: server authentication, and the host among the names. */
  readonly profile?: Profile;
}

/** A relay's credential, as docs/protocol.md §1.2 has it. */
export interface ShownRelay {
  readonly spki: Uint8Array;
  /** DER certificates, leaf first. */
  readonly chain: readonly Uint8Array[];
}

/** Verifies a relay's credential; rejects with a SimsError to refuse. */
export type VerifyShownRelay = (
  credential: ShownRelay,
) => Promise<{ readonly name: string; readonly verifiedUntilMs: number }>;

/**
 * A verifier of relays by anchors. It refuses with `cc/relay-key-mismatch`, `cc/name-mismatch`, `cc/untrusted` and the
 * other codes of `verifyCertificate`.
 *
 * @throws `cc/invalid-argument` for a trust store that is not for relays
 */
export function createRelayVerifier(options: RelayVerifierOptions): VerifyShownRelay {
  const { host, now = Date.now, profile = RELAY_CERTIFICATE, ...rest } = options;
  if (options.trust.purpose !== 'relay' || profile.purpose !== 'relay') {
    throw new SimsError('cc/invalid-argument', 'relays are verified with a profile and a trust store for relays');
  }
  const settings = { ...rest, cache: options.cache ?? new RevocationCache() };
  return async ({ spki, chain }) => {
    const [first, ...intermediates] = chain;
    const leaf = parseCertificate(first ?? new Uint8Array());
    if (!same(leaf.spki, spki)) {
      throw new SimsError('cc/relay-key-mismatch', 'the certificate of the relay is for another key');
    }
    const path = await checkPath(settings, {
      certificate: leaf,
      intermediates,
      profile,
      names: [hostToName(host)],
      atMs: now(),
    });
    return { name: host, verifiedUntilMs: endOfPath(path) };
  };
}
