/**
 * Finds the card to sign with.
 *
 * @packageDocumentation
 */
import { SimsError } from '../../errors.ts';
import type { Signer } from '../signer.ts';
import { chainFrom } from '../signerCertificate.ts';
import type { Cryptoki, Handle } from './cryptoki.ts';
import { login, type LoginQuestions } from './login.ts';
import { valueOf } from './meanings.ts';
import type { CardProfile } from './profiles.ts';
import { chooseCertificate, supportedAlgorithms } from './select.ts';
import {
  isSameToken,
  readCertificates,
  readTokens,
  type PlacedToken,
  type Token,
  type TokenCertificate,
} from './tokens.ts';

/** Which card. */
export interface FindOptions extends LoginQuestions {
  /** Label or serial number of the token; needed where several fit. */
  readonly token?: string;
  /** Label of the certificate; needed where a token holds several that fit. */
  readonly certificate?: string;
}

/** A card that fits. */
export interface FoundCard {
  readonly token: Token;
  readonly leaf: TokenCertificate;
  readonly chain: readonly Uint8Array[];
  readonly algorithms: Signer['algorithms'];
}

/**
 * The one card that fits, with its certificates read.
 *
 * @throws `card/no-card`, `card/no-certificate`, `card/mechanism`, and what a login throws
 */
export async function findCard(
  cryptoki: Cryptoki,
  profile: CardProfile,
  options: FindOptions,
  signal: AbortSignal,
): Promise<FoundCard> {
  const wanted = options.token;
  const all = await readTokens(cryptoki, profile);
  const fitting = all.filter(
    ({ token }) => wanted === undefined || token.label === wanted || token.serialNumber === wanted,
  );
  if (fitting.length === 0) throw noCard(all, wanted);
  const found: FoundCard[] = [];
  let failure: Error | undefined;
  for (const placed of fitting) {
    try {
      const card = await orRemoved(cryptoki, profile, placed.token, 'card/no-card', () =>
        readCard(cryptoki, placed, profile, options, signal),
      );
      if (card !== undefined) found.push(card);
    } catch (error) {
      // One token that fails does not hide another that fits.
      if (cryptoki.isStopped || signal.aborted) throw error;
      failure ??= error instanceof Error ? error : new SimsError('card/device', String(error));
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
  options: FindOptions,
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

/** Work in a session that is closed afterwards, which ends its login too. */
export async function inSession<Value>(
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
export async function orRemoved<Value>(
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

function noCard(all: readonly PlacedToken[], wanted: string | undefined): SimsError {
  if (wanted === undefined || all.length === 0) {
    return new SimsError('card/no-card', 'no reader holds a card; put one in, and see that its reader is connected');
  }
  const there = all.map(({ token }) => JSON.stringify(token.label)).join(', ');
  return new SimsError('card/no-card', `no token is called ${JSON.stringify(wanted)}; there are ${there}`);
}
