/**
 * C_Login, with a person asked for what it takes.
 *
 * @packageDocumentation
 */
import { SimsError } from '../../errors.ts';
import { untilAborted, type AskCan, type AskPin } from '../signer.ts';
import {
  CKR_PIN_INCORRECT,
  CKR_PIN_INVALID,
  CKR_PIN_LEN_RANGE,
  CKR_USER_ALREADY_LOGGED_IN,
  type Cryptoki,
  type Handle,
} from './cryptoki.ts';
import { meaningOf } from './meanings.ts';
import type { CardProfile } from './profiles.ts';
import { readTokens, isSameToken, type Token } from './tokens.ts';

/** Whom to ask. */
export interface LoginQuestions {
  /** Asks for the PIN that C_Login takes; never called where the middleware asks in a dialog of its own. */
  readonly pin?: AskPin;
  /** Asks for the access number of a contactless card. */
  readonly can?: AskCan;
}

/**
 * Logs in where the token asks for it. A wrong answer is asked for again, at most three times in all, and the answer
 * just refused is never given twice: an answer from a program would lock the card.
 *
 * @throws `card/pin-wrong`, `card/pin-locked`, `card/pin-required`, `card/can-wrong`, `card/can-required`,
 * `card/cancelled`, and what the module answers otherwise
 */
export async function login(
  cryptoki: Cryptoki,
  session: Handle,
  opened: Token,
  profile: CardProfile,
  questions: LoginQuestions,
  signal: AbortSignal,
): Promise<void> {
  let token = opened;
  if (!token.isLoginRequired) return;
  if (token.hasPinPad && profile.login === 'pin') return loginByPinPad(cryptoki, session, profile);
  let refused: string | undefined;
  for (let attempt = 1; ; attempt += 1) {
    if (token.isPinLocked) throw new SimsError('card/pin-locked', 'the token says that its PIN is locked');
    const secret = await ask(token, profile, questions, attempt > 1, signal);
    if (secret === refused) throw wrong(profile, 'the same one was given again, and not tried');
    const answer = await cryptoki.call('C_Login', session, secret);
    if (answer.ok || answer.returnValue === CKR_USER_ALREADY_LOGGED_IN) return;
    if (!WRONG.includes(answer.returnValue)) throw meaningOf(answer, profile);
    if (attempt === MOST_ATTEMPTS) throw wrong(profile, `${MOST_ATTEMPTS} were given`);
    refused = secret;
    // How many tries are left shows in the flags, read anew.
    token = (await readTokens(cryptoki, profile)).find((other) => isSameToken(other.token, opened))?.token ?? token;
  }
}

const MOST_ATTEMPTS = 3;
const WRONG: readonly number[] = [CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE];

async function loginByPinPad(cryptoki: Cryptoki, session: Handle, profile: CardProfile): Promise<void> {
  const answer = await cryptoki.call('C_Login', session, '');
  if (!answer.ok && answer.returnValue !== CKR_USER_ALREADY_LOGGED_IN) throw meaningOf(answer, profile);
}

async function ask(
  token: Token,
  profile: CardProfile,
  questions: LoginQuestions,
  retry: boolean,
  signal: AbortSignal,
): Promise<string> {
  const question = profile.login === 'can' ? questions.can : questions.pin;
  if (question === undefined) {
    throw profile.login === 'can'
      ? new SimsError('card/can-required', 'this contactless card needs the access number (CAN) printed on it')
      : new SimsError('card/pin-required', 'the card needs a PIN, and no "pin" callback was given');
  }
  const answer = question({
    tokenLabel: token.label,
    ...(token.isLastPinTry ? { triesLeft: 1 } : {}),
    isTriesLow: token.isPinTriesLow || token.isLastPinTry,
    retry,
    signal,
  });
  const secret = await untilAborted(Promise.resolve(answer), signal);
  if (secret === undefined) throw new SimsError('card/cancelled', 'no PIN or access number was given');
  return secret;
}

function wrong(profile: CardProfile, detail: string): SimsError {
  return profile.login === 'can'
    ? new SimsError('card/can-wrong', `the access number (CAN) was wrong: ${detail}`)
    : new SimsError('card/pin-wrong', `the PIN was wrong: ${detail}`);
}
