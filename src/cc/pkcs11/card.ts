/**
 * A signer on a smart card or any PKCS #11 token, and the list of those that are there.
 *
 * @packageDocumentation
 */
import { SimsError } from '../../errors.ts';
import { abortError, chooseAlgorithm, type Signer, type SignerEvent, type SignerSignature } from '../signer.ts';
import { chainFrom } from '../signerCertificate.ts';
import { isSignatureOf } from '../signerKey.ts';
import type { Cryptoki, Handle, StartCryptoki } from './cryptoki.ts';
import { Device } from './device.ts';
import { login, type LoginQuestions } from './login.ts';
import { valueOf } from './meanings.ts';
import { findModule, type ModuleOptions } from './modules.ts';
import { startCryptokiProcess } from './process.ts';
import type { CardProfile } from './profiles.ts';
import { chooseCertificate, findKey, mechanismOf, supportedAlgorithms } from './select.ts';
import {
  isSameToken,
  readCertificates,
  readTokens,
  type PlacedToken,
  type Token,
  type TokenCertificate,
} from './tokens.ts';
import { watch } from './watch.ts';

/** How the module is reached. */
export interface CardModuleOptions extends ModuleOptions {
  /** Name or absolute path to import pkcs11js by; default its name. */
  readonly pkcs11js?: string;
  /** A module behind the same interface instead of one in a process of its own: for tests. */
  readonly startForTesting?: StartCryptoki;
}

/** Which card, and whom to ask. */
export interface OpenCardOptions extends CardModuleOptions, LoginQuestions {
  /** Label or serial number of the token; needed where several fit. */
  readonly token?: string;
  /** Label of the certificate; needed where a token holds several that fit. */
  readonly certificate?: string;
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

interface FoundCard {
  readonly token: Token;
  readonly leaf: TokenCertificate;
  readonly chain: readonly Uint8Array[];
  readonly algorithms: Signer['algorithms'];
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

async function findCard(
  cryptoki: Cryptoki,
  profile: CardProfile,
  options: OpenCardOptions,
  signal: AbortSignal,
): Promise<FoundCard> {
  const wanted = options.token;
  const all = await readTokens(cryptoki, profile);
  const fitting = all.filter(
    ({ token }) => wanted === undefined || token.label === wanted || token.serialNumber === wanted,
  );
  if (fitting.length === 0) throw noCard(all, wanted);
  const found: FoundCard[] = [];
  let failure: unknown;
  for (const placed of fitting) {
    try {
      const card = await orRemoved(cryptoki, profile, placed.token, 'card/no-card', () =>
        readCard(cryptoki, placed, profile, options, signal),
      );
      if (card !== undefined) found.push(card);
    } catch (error) {
      // One token that fails does not hide another that fits.
      if (cryptoki.isStopped || signal.aborted) throw error;
      failure ??= error;
    }
  }
  if (found.length === 0 && failure !== undefined) throw failure;
  const [first, ...others] = found;
  if (first === undefined) {
    throw new SimsError(
      'card/no-certificate',
      `no certificate for logging in was found on ${fitting.map(({ token }) => JSON.stringify(token.label)).join(', ')}`,
    );
  }
  if (others.length === 0) return first;
  const names = found.map(({ token }) => `${JSON.stringify(token.label)} (${token.serialNumber})`).join(', ');
  throw new SimsError(
    'card/no-certificate',
    `${found.length} cards fit, say which by label or serial number: ${names}`,
  );
}

async function readCard(
  cryptoki: Cryptoki,
  { slot, token }: PlacedToken,
  profile: CardProfile,
  options: OpenCardOptions,
  signal: AbortSignal,
): Promise<FoundCard | undefined> {
  return inSession(cryptoki, slot, profile, async (session) => {
    // A contactless card shows nothing before it was given its access number.
    if (profile.login === 'can') await login(cryptoki, session, token, profile, options, signal);
    let certificates = await readCertificates(cryptoki, session, profile);
    if (certificates.length === 0 && profile.login === 'pin' && options.pin !== undefined) {
      // Some tokens hide even certificates before the PIN.
      await login(cryptoki, session, token, profile, options, signal);
      certificates = await readCertificates(cryptoki, session, profile);
    }
    const leaf = chooseCertificate(certificates, profile, options.certificate);
    if (leaf === undefined || leaf.certificate.keyKind === undefined) return undefined;
    const mechanisms = valueOf(await cryptoki.call('C_GetMechanismList', slot), profile);
    const algorithms = supportedAlgorithms(leaf.certificate.keyKind, mechanisms);
    if (algorithms.length === 0) {
      throw new SimsError('card/mechanism', `the token has no mechanism for its ${leaf.certificate.keyKind} key`);
    }
    const others = certificates.map(({ certificate }) => certificate);
    return { token, leaf, chain: chainFrom(leaf.certificate, others).map(({ der }) => der), algorithms };
  });
}

async function inSession<Value>(
  cryptoki: Cryptoki,
  slot: Handle,
  profile: CardProfile,
  work: (session: Handle) => Promise<Value>,
): Promise<Value> {
  const session = valueOf(await cryptoki.call('C_OpenSession', slot), profile);
  try {
    return await work(session);
  } finally {
    // Ends the login too; the session may be gone with its card, or the module with its process.
    if (!cryptoki.isStopped) await cryptoki.call('C_CloseSession', session).catch(() => undefined);
  }
}

/** "No card" also comes as PIN_LOCKED and as failures of the device: look before anybody is told so. */
async function orRemoved<Value>(
  cryptoki: Cryptoki,
  profile: CardProfile,
  token: Token,
  code: 'card/removed' | 'card/no-card',
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    const isDoubtful = error instanceof SimsError && DOUBTFUL.includes(error.code);
    if (!isDoubtful || cryptoki.isStopped) throw error;
    const tokens = await readTokens(cryptoki, profile).catch(() => []);
    if (tokens.some((placed) => isSameToken(placed.token, token))) throw error;
    throw new SimsError(code, 'the card was taken out of its reader', { cause: error });
  }
}

const DOUBTFUL: readonly string[] = ['card/pin-locked', 'card/device', 'card/no-card', 'card/removed'];

function chosenOrNone(certificates: readonly TokenCertificate[], profile: CardProfile): TokenCertificate | undefined {
  try {
    return chooseCertificate(certificates, profile, undefined);
  } catch {
    return undefined;
  }
}

function noCard(all: readonly PlacedToken[], wanted: string | undefined): SimsError {
  if (wanted === undefined || all.length === 0) {
    return new SimsError('card/no-card', 'no reader holds a card; put one in, and see that its reader is connected');
  }
  const there = all.map(({ token }) => JSON.stringify(token.label)).join(', ');
  return new SimsError('card/no-card', `no token is called ${JSON.stringify(wanted)}; there are ${there}`);
}

async function digest(hash: string, bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest(hash, bytes.slice()));
}
