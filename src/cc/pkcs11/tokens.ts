/**
 * The tokens that are there, and the certificates on them.
 *
 * @packageDocumentation
 */
import { equal } from '../../bytes.ts';
import { readSignerCertificate, type SignerCertificate } from '../signerCertificate.ts';
import {
  CKA_ID,
  CKA_LABEL,
  CKA_VALUE,
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_TOKEN_INITIALIZED,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKO_CERTIFICATE,
  type Cryptoki,
  type CryptokiTokenInfo,
  type Handle,
} from './cryptoki.ts';
import { valueOf } from './meanings.ts';
import type { CardProfile } from './profiles.ts';

/** A token in a reader. */
export interface Token {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  /** Tells two tokens of one label apart; not a civil number, but does identify the card. */
  readonly serialNumber: string;
  readonly isLoginRequired: boolean;
  /** The reader has keys of its own for the PIN. */
  readonly hasPinPad: boolean;
  readonly isPinLocked: boolean;
  readonly isPinTriesLow: boolean;
  readonly isLastPinTry: boolean;
}

/** A token and where it is. */
export interface PlacedToken {
  readonly slot: Handle;
  readonly token: Token;
}

/** A certificate on a token. */
export interface TokenCertificate {
  readonly label: string;
  /** CKA_ID; empty where there is none. */
  readonly id: Uint8Array;
  readonly certificate: SignerCertificate;
}

/** Tokens in all readers. A reader that fails while it is asked counts as empty. */
export async function readTokens(cryptoki: Cryptoki, profile: CardProfile): Promise<PlacedToken[]> {
  const slots = valueOf(await cryptoki.call('C_GetSlotList'), profile);
  const tokens: PlacedToken[] = [];
  for (const slot of slots) {
    const answer = await cryptoki.call('C_GetTokenInfo', slot);
    if (!answer.ok) continue;
    const token = tokenOf(answer.value);
    // SoftHSM shows one empty token more. A module that forgets the flag still names its token.
    const isBlank = (answer.value.flags & CKF_TOKEN_INITIALIZED) === 0 && token.label === '';
    if (!isBlank) tokens.push({ slot, token });
  }
  return tokens;
}

/** Whether both are one token. Labels and serial numbers are all that PKCS #11 has to tell by. */
export function isSameToken(left: Token, right: Token): boolean {
  return left.serialNumber === right.serialNumber && left.label === right.label;
}

/** Readable certificates that the session sees. */
export async function readCertificates(
  cryptoki: Cryptoki,
  session: Handle,
  profile: CardProfile,
): Promise<TokenCertificate[]> {
  const found: TokenCertificate[] = [];
  for (const object of valueOf(await cryptoki.call('C_FindObjects', session, CKO_CERTIFICATE), profile)) {
    const read = async (attribute: number): Promise<Uint8Array | undefined> => {
      const answer = await cryptoki.call('C_GetAttributeValue', session, object, attribute);
      return valueOf(answer, profile);
    };
    const value = await read(CKA_VALUE);
    const certificate = value === undefined ? undefined : readSignerCertificate(Uint8Array.from(value));
    if (certificate === undefined || found.some((other) => equal(other.certificate.der, certificate.der))) continue;
    const id = Uint8Array.from((await read(CKA_ID)) ?? []);
    found.push({ label: textOf(await read(CKA_LABEL)), id, certificate });
  }
  return found;
}

/** Text of a padded or zero-terminated field. */
export function textOf(field: Uint8Array | undefined): string {
  return new TextDecoder().decode(field).replace(/[\0\s]+$/, '');
}

function tokenOf({ label, manufacturer, model, serialNumber, flags }: CryptokiTokenInfo): Token {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    label: trimmed(label),
    manufacturer: trimmed(manufacturer),
    model: trimmed(model),
    serialNumber: trimmed(serialNumber),
    isLoginRequired: has(CKF_LOGIN_REQUIRED),
    hasPinPad: has(CKF_PROTECTED_AUTHENTICATION_PATH),
    isPinLocked: has(CKF_USER_PIN_LOCKED),
    isPinTriesLow: has(CKF_USER_PIN_COUNT_LOW),
    isLastPinTry: has(CKF_USER_PIN_FINAL_TRY),
  };
}

function trimmed(text: string): string {
  return text.replace(/[\0\s]+$/, '');
}
