/**
 * Being a person with a certificate: the card signs one delegation at login, a fresh session key everything afterwards.
 *
 * @packageDocumentation
 */
import { createDelegation, type DelegationPurpose, type SignedDelegation } from '../cc/delegation.ts';
import type { Signer, SigningAlgorithm } from '../cc/signer.ts';
import { readSignerCertificate } from '../cc/signerCertificate.ts';
import { SimsError } from '../errors.ts';
import { fingerprint } from '../handshake/index.ts';
import type { IdentityRequest, MakeIdentity, OwnIdentity } from './identity.ts';
import { makeSessionKey, type SessionKey, type SessionKeyAlgorithm } from './sessionKey.ts';

/** What happens to the identity after login. */
export type CertificateIdentityEvent =
  /** The card is asked to sign again, unless `onRenewalDue` was given. */
  | { readonly type: 'renewal-due'; readonly endsAtMs: number }
  | { readonly type: 'renewed'; readonly endsAtMs: number }
  | { readonly type: 'renewal-failed'; readonly error: unknown }
  /** Relay and peers do not take it any more. A renewal still helps. */
  | { readonly type: 'ended' };

/** What {@link certificateIdentity} takes. */
export interface CertificateIdentityOptions {
  /** A card, a PKCS #12 file, or a key. It stays the caller's to close; renewals need it open. */
  readonly signer: Signer;
  /** Certificates to show behind the signer's own chain, for peers that do not have them: cards may hold none. */
  readonly intermediates?: readonly Uint8Array[];
  /** Highest label that the session key may work at; default no limit. */
  readonly highestLabel?: string;
  /** Lifetimes in milliseconds; default 12 hours for hop and conversation. */
  readonly lifetimesMs?: Readonly<Partial<Record<DelegationPurpose, number>>>;
  /** The key that the card delegates to; default Ed25519. */
  readonly sessionKey?: SessionKeyAlgorithm;
  /** Algorithm of the card's signature; default its first that delegations have. */
  readonly algorithm?: SigningAlgorithm;
  /**
   * Whether a relay that nobody vouches for yet may learn who this person is: asked before the card is, with the relay's
   * fingerprint. Default: no; a relay has to be pinned, remembered or verified by its certificate.
   */
  readonly trustRelay?: (request: IdentityRequest) => boolean | Promise<boolean>;
  /** How long before its end the delegation is renewed; default 30 minutes, and at most half of its lifetime. */
  readonly renewBeforeMs?: number;
  /** Called when a renewal is due: calling `renew` asks the card. Default: it is asked at once. */
  readonly onRenewalDue?: (renew: () => Promise<void>) => void;
  /** Told of renewals, of their failures, and of the end. */
  readonly onEvent?: (event: CertificateIdentityEvent) => void;
}

/**
 * What makes the identity, for `identity` of `connect`. The delegation names the relay and the device, so that it is made
 * when both are known, with one signature of the card; the session key lives as long as the client.
 *
 * The made identity's promise rejects with `client/relay-untrusted`, `card/…` codes, or `cc/invalid-argument`.
 */
export function certificateIdentity(options: CertificateIdentityOptions): MakeIdentity {
  return async (request) => {
    await checkTrust(options, request);
    const sessionKey = await makeSessionKey(options.sessionKey ?? 'Ed25519', request.provider);
    const identity = new CertificateIdentity(options, request, sessionKey);
    await identity.delegate(request.signal);
    return identity.own();
  };
}

const RENEW_BEFORE_MS = 30 * 60_000;
const MAX_CHAIN = 8;

async function checkTrust({ trustRelay }: CertificateIdentityOptions, request: IdentityRequest): Promise<void> {
  if (request.relayTrust !== 'first-use') return;
  if (trustRelay !== undefined && (await trustRelay(request))) return;
  throw new SimsError(
    'client/relay-untrusted',
    `nothing says that ${request.relayFingerprint} is the right relay: no certificate is shown to it`,
  );
}

class CertificateIdentity {
  readonly #options: CertificateIdentityOptions;
  readonly #request: IdentityRequest;
  readonly #sessionKey: SessionKey;
  readonly #fingerprint: Uint8Array;
  readonly #chain: readonly Uint8Array[];
  #signed: SignedDelegation | undefined;
  #isClosed = false;
  #renewing: Promise<void> | undefined;
  #cancelTimer: () => void = () => {};

  constructor(options: CertificateIdentityOptions, request: IdentityRequest, sessionKey: SessionKey) {
    const { provider } = request;
    const { signer, intermediates = [] } = options;
    const leaf = signer.chain[0] === undefined ? undefined : readSignerCertificate(signer.chain[0]);
    if (leaf === undefined) throw new SimsError('cc/invalid-argument', 'a signer without a readable certificate');
    this.#options = options;
    this.#request = request;
    this.#sessionKey = sessionKey;
    this.#fingerprint = fingerprint(provider, 'certificate', leaf.spki);
    this.#chain = [...signer.chain, ...intermediates].slice(0, MAX_CHAIN);
  }

  /** Asks the card for a delegation, which replaces the one before; one question at a time. */
  async delegate(signal?: AbortSignal): Promise<void> {
    this.#renewing ??= this.#delegate(signal).finally(() => {
      this.#renewing = undefined;
    });
    await this.#renewing;
  }

  own(): OwnIdentity {
    const sessionKey = this.#sessionKey;
    const credential = (): OwnIdentity['credential'] => ({
      kind: 'certificate',
      chain: this.#chain,
      delegation: this.#signed!.delegation,
      delegationSignature: this.#signed!.signature,
    });
    const prekeyUntilMs = (): number | undefined => this.#signed!.content.notAfterMs.prekey;
    return {
      get prekeyUntilMs() {
        return prekeyUntilMs();
      },
      // The newest: each handshake asks for it.
      get credential() {
        return credential();
      },
      fingerprint: this.#fingerprint,
      sign: ({ toBeSigned }) => sessionKey.sign(toBeSigned),
      close: () => {
        this.#isClosed = true;
        this.#cancelTimer();
      },
    };
  }

  async #delegate(signal: AbortSignal | undefined): Promise<void> {
    const { signer, highestLabel, lifetimesMs, algorithm } = this.#options;
    const { device, relayIdentity, clock } = this.#request;
    const sign = {
      ...(signal === undefined ? {} : { signal }),
      ...(algorithm === undefined ? {} : { algorithm }),
    };
    this.#signed = await createDelegation({
      signer,
      sessionSpki: this.#sessionKey.spki,
      device,
      relayIdentity,
      nowMs: clock.now(),
      sign,
      ...(highestLabel === undefined ? {} : { highestLabel }),
      ...(lifetimesMs === undefined ? {} : { lifetimesMs }),
    });
    this.#waitForRenewal();
  }

  /** The end of hop or conversation, whichever comes first: without either, not much is left. */
  get #endsAtMs(): number {
    const { hop, conversation } = this.#signed!.content.notAfterMs;
    return Math.min(hop ?? Infinity, conversation ?? Infinity);
  }

  #waitForRenewal(): void {
    this.#cancelTimer();
    const { clock } = this.#request;
    const endsAtMs = this.#endsAtMs;
    if (this.#isClosed || endsAtMs === Infinity) return;
    const lifetimeMs = endsAtMs - this.#signed!.content.notBeforeMs;
    const beforeMs = Math.min(this.#options.renewBeforeMs ?? RENEW_BEFORE_MS, lifetimeMs / 2);
    this.#cancelTimer = clock.setTimer(endsAtMs - beforeMs, () => {
      if (clock.now() < endsAtMs - beforeMs) {
        // A platform's timer may be shorter than what was asked for.
        this.#waitForRenewal();
        return;
      }
      this.#cancelTimer = clock.setTimer(endsAtMs, () => this.#emit({ type: 'ended' }));
      this.#emit({ type: 'renewal-due', endsAtMs });
      const { onRenewalDue } = this.#options;
      if (onRenewalDue === undefined) void this.#renew().catch(() => {});
      else onRenewalDue(() => this.#renew());
    });
  }

  async #renew(): Promise<void> {
    if (this.#isClosed) throw new SimsError('client/closed', 'the client is closed');
    try {
      await this.delegate();
    } catch (error) {
      this.#emit({ type: 'renewal-failed', error });
      throw error;
    }
    this.#emit({ type: 'renewed', endsAtMs: this.#endsAtMs });
  }

  #emit(event: CertificateIdentityEvent): void {
    if (!this.#isClosed) this.#options.onEvent?.(event);
  }
}
