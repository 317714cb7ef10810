/**
 * A signer on a smart card or any PKCS #11 token, and the list of those that are there.
 *
 * @packageDocumentation
 */
import { SimsError } from '../../errors.ts';
import { abortError, chooseAlgorithm, type Signer, type SignerEvent, type SignerSignature } from '../signer.ts';
import { isSignatureOf } from '../signerKey.ts';
import type { Cryptoki, StartCryptoki } from './cryptoki.ts';
import { Device } from './device.ts';
import { findCard, inSession, orRemoved, type FindOptions, type FoundCard } from './find.ts';
import { login } from './login.ts';
import { valueOf } from './meanings.ts';
import { findModule, type ModuleOptions } from './modules.ts';
import { startCryptokiProcess } from './process.ts';
import type { CardProfile } from './profiles.ts';
import { chooseCertificate, findKey, mechanismOf } from './select.ts';
import { isSameToken, readCertificates, readTokens, type Token, type TokenCertificate } from './tokens.ts';
import { watch } from './watch.ts';

/** How the module is reached. */
export interface CardModuleOptions extends ModuleOptions {
  /** Name or absolute path to import pkcs11js by; default its name. */
  readonly pkcs11js?: string;
  /** A module behind the same interface instead of one in a process of its own: for tests. */
  readonly startForTesting?: StartCryptoki;
}

/** Which card, and whom to ask. */
export interface OpenCardOptions extends CardModuleOptions, FindOptions {
  /** Limit for opening and for each signature, the time of a person at a PIN dialog included; default 120,000. */
  readonly timeoutMs?: number;
  /** Between two looks for the card while somebody listens; default 1,000. */
  readonly pollIntervalMs?: number;
  /** Cancels the opening; a signature has its own. */
  readonly signal?: AbortSignal;
}

/** A signer on a token. */
export interface Card extends Signer {
  readonly token: Token;
  readonly profile: CardProfile;
  /** The module in use. */
  readonly module: string;
  subscribe(listener: (event: SignerEvent) => void): () => void;
}

/** A token with what can be read from it without a PIN. */
export interface TokenDescription {
  readonly token: Token;
  /** Personal data: certificates name their holder. Also those that are never used to log in. */
  readonly certificates: readonly TokenCertificate[];
  /** The one that `openCard` would use. */
  readonly chosen: TokenCertificate | undefined;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const LIST_TIMEOUT_MS = 30_000;
const DEFAULT_POLL_INTERVAL_MS = 1000;

/**
 * Tokens in all readers, and their certificates. No PIN is asked for.
 *
 * @throws `card/module-missing`, `card/module-unusable`, `card/pkcs11js-missing`, `card/pkcs11js-not-built`, `card/device`,
 * `card/timeout`
 */
export async function listTokens(options: CardModuleOptions = {}): Promise<readonly TokenDescription[]> {
  const { profile, device } = deviceOf(options);
  try {
    return await device.run(
      async (cryptoki) => {
        const described: TokenDescription[] = [];
        for (const { slot, token } of await readTokens(cryptoki, profile)) {
          const reading = inSession(cryptoki, slot, profile, (session) => readCertificates(cryptoki, session, profile));
          // One token that fails, or that shows nothing yet, does not hide the others.
          const certificates = await reading.catch((): TokenCertificate[] => []);
          described.push({ token, certificates, chosen: chosenOrNone(certificates, profile) });
        }
        return described;
      },
      { timeoutMs: LIST_TIMEOUT_MS },
    );
  } finally {
    await device.close();
  }
}

/**
 * Hears of every token that is there, comes and goes, until the function that it gives is called.
 *
 * @throws `card/module-missing`
 */
export function watchTokens(
  options: CardModuleOptions & { readonly pollIntervalMs?: number },
  listener: (event: SignerEvent, token: Token) => void,
): () => void {
  const { profile, device } = deviceOf(options);
  const stop = watch({
    list: () => tokensOf(device, profile),
    intervalMs: options.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS,
    known: [],
    listener,
  });
  return () => {
    stop();
    void device.close();
  };
}

/**
 * Signer on a token: by default on the Portuguese citizen card. Certificates are read now, once; the key is used only by
 * `sign`, each time with a login of its own.
 *
 * @throws `card/no-card`, `card/no-certificate`, `card/can-required`, `card/mechanism` and the other `card/…` codes
 */
export async function openCard(options: OpenCardOptions = {}): Promise<Card> {
  const { module, profile, device } = deviceOf(options);
  try {
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const found = await device.run((cryptoki, signal) => findCard(cryptoki, profile, options, signal), {
      timeoutMs,
      signal: options.signal,
    });
    return new TokenCard(device, module, profile, options, found);
  } catch (error) {
    await device.close();
    throw error;
  }
}

class TokenCard implements Card {
  readonly token: Token;
  readonly module: string;
  readonly profile: CardProfile;
  readonly chain: readonly Uint8Array[];
  readonly algorithms: Signer['algorithms'];
  readonly #device: Device;
  readonly #options: OpenCardOptions;
  readonly #leaf: TokenCertificate;
  readonly #listeners = new Set<(event: SignerEvent) => void>();
  #stopWatching: (() => void) | undefined;

  constructor(device: Device, module: string, profile: CardProfile, options: OpenCardOptions, found: FoundCard) {
    this.token = found.token;
    this.module = module;
    this.profile = profile;
    this.chain = found.chain;
    this.algorithms = found.algorithms;
    this.#device = device;
    this.#options = options;
    this.#leaf = found.leaf;
  }

  async sign(toBeSigned: Uint8Array, options: Parameters<Signer['sign']>[1] = {}): Promise<SignerSignature> {
    if (this.#device.isClosed) throw new SimsError('card/closed', 'this card was closed');
    const algorithm = chooseAlgorithm(this.algorithms, options.algorithm);
    if (options.signal?.aborted === true) throw abortError(options.signal);
    const bytes = toBeSigned.slice();
    const signature = await this.#device.run((cryptoki, signal) => this.#signNow(cryptoki, bytes, algorithm, signal), {
      timeoutMs: this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      signal: options.signal,
    });
    return { algorithm, signature };
  }

  subscribe(listener: (event: SignerEvent) => void): () => void {
    // A function of its own, so that one listener may subscribe twice.
    const own = (event: SignerEvent): void => listener(event);
    this.#listeners.add(own);
    this.#stopWatching ??= watch({
      list: () => tokensOf(this.#device, this.profile),
      intervalMs: this.#options.pollIntervalMs ?? DEFAULT_POLL_INTERVAL_MS,
      known: [this.token],
      listener: (event, token) => {
        if (!isSameToken(token, this.token)) return;
        for (const each of this.#listeners) each(event);
      },
    });
    return () => {
      this.#listeners.delete(own);
      if (this.#listeners.size === 0) this.#endWatching();
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#endWatching();
    await this.#device.close();
  }

  #endWatching(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  async #signNow(
    cryptoki: Cryptoki,
    toBeSigned: Uint8Array,
    algorithm: SignerSignature['algorithm'],
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { profile } = this;
    const { certificate } = this.#leaf;
    const present = (await readTokens(cryptoki, profile)).find(({ token }) => isSameToken(token, this.token));
    if (present === undefined) throw new SimsError('card/removed', 'the card is not in its reader any more');
    const { slot, token } = present;
    const signature = await orRemoved(cryptoki, profile, token, 'card/removed', async () => {
      const chosen = mechanismOf(algorithm, valueOf(await cryptoki.call('C_GetMechanismList', slot), profile));
      if (chosen === undefined) throw new SimsError('card/mechanism', `the card does not offer ${algorithm} any more`);
      const data = chosen.hash === undefined ? toBeSigned : await digest(chosen.hash, toBeSigned);
      return inSession(cryptoki, slot, profile, async (session) => {
        await login(cryptoki, session, token, profile, this.#options, signal);
        const key = await findKey(cryptoki, session, profile, this.#leaf);
        const answer = await cryptoki.call('C_Sign', session, chosen.mechanism, key, data);
        // The login ends with the signature it was for; what the module answers to that is noise.
        await cryptoki.call('C_Logout', session);
        return Uint8Array.from(valueOf(answer, profile));
      });
    });
    if (!(await isSignatureOf(certificate.spki, algorithm, toBeSigned, signature))) {
      throw new SimsError('card/key-mismatch', 'what the card signed does not verify with its certificate');
    }
    return signature;
  }
}

function deviceOf(options: CardModuleOptions): { module: string; profile: CardProfile; device: Device } {
  const { startForTesting, pkcs11js } = options;
  const { module, profile } = findModule(options);
  const start: StartCryptoki =
    startForTesting ??
    ((signal) => startCryptokiProcess({ module, ...(pkcs11js === undefined ? {} : { pkcs11js }) }, signal));
  return { module, profile, device: new Device(start) };
}

async function tokensOf(device: Device, profile: CardProfile): Promise<Token[]> {
  const placed = await device.run((cryptoki) => readTokens(cryptoki, profile), { timeoutMs: LIST_TIMEOUT_MS });
  return placed.map(({ token }) => token);
}

function chosenOrNone(certificates: readonly TokenCertificate[], profile: CardProfile): TokenCertificate | undefined {
  try {
    return chooseCertificate(certificates, profile, undefined);
  } catch {
    return undefined;
  }
}

async function digest(hash: string, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(hash, bytes.slice()));
}
