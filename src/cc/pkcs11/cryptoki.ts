/**
 * What is used of PKCS #11 (v2.40), as a message interface: the module itself runs in a process of its own, since a
 * card's middleware may block for as long as its PIN dialog is open. Tests put a scripted one behind the same interface.
 *
 * @packageDocumentation
 */

/** Opaque handle of a slot, session or object. */
export type Handle = Uint8Array;

/** Of CK_TOKEN_INFO; texts come as the module pads them. */
export interface CryptokiTokenInfo {
  readonly label: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serialNumber: string;
  readonly flags: number;
}

/** A signature mechanism; PSS with SHA-256, MGF1-SHA-256 and a salt of 32 bytes where `isPss`. */
export interface CryptokiMechanism {
  readonly type: number;
  readonly isPss: boolean;
}

/** The functions, one for one, but for searching and signing, whose steps belong together. */
export interface CryptokiFunctions {
  /** Slots that hold a token. */
  C_GetSlotList(): readonly Handle[];
  C_GetTokenInfo(slot: Handle): CryptokiTokenInfo;
  C_GetMechanismList(slot: Handle): readonly number[];
  /** Serial and read-only. */
  C_OpenSession(slot: Handle): Handle;
  C_CloseSession(session: Handle): void;
  /** As CKU_USER. */
  C_Login(session: Handle, pin: string): void;
  C_Logout(session: Handle): void;
  /** Init, all objects of a class up to 256, Final. */
  C_FindObjects(session: Handle, objectClass: number): readonly Handle[];
  /** One attribute; `undefined` where the object has none or hides it. */
  C_GetAttributeValue(session: Handle, object: Handle, attribute: number): Uint8Array | undefined;
  /** Init and Sign, with room for 512 bytes: after CKR_BUFFER_TOO_SMALL an operation stays active. */
  C_Sign(session: Handle, mechanism: CryptokiMechanism, key: Handle, data: Uint8Array): Uint8Array;
}

/** Names of {@link CryptokiFunctions}. */
export type CryptokiName = keyof CryptokiFunctions;

/** What a function gave, or its CK_RV. */
export type Answer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly returnValue: number; readonly during: string };

/** A module that was loaded and initialised. */
export interface Cryptoki {
  /** Calls come to the module one after the other. @throws `card/device` if its process ends; what `stop` was given */
  call<Name extends CryptokiName>(
    name: Name,
    ...parameters: Parameters<CryptokiFunctions[Name]>
  ): Promise<Answer<ReturnType<CryptokiFunctions[Name]>>>;
  /** Whether no further call can succeed. */
  readonly isStopped: boolean;
  /** Ends it at once; calls under way fail with the error. */
  stop(error: Error): void;
  /** Ends it in order: C_Finalize, if it was initialised here. */
  close(): Promise<void>;
}

/** Loads and initialises the module. */
export type StartCryptoki = (signal: AbortSignal) => Promise<Cryptoki>;

/** Object classes and attributes. */
export const CKO_CERTIFICATE = 1;
export const CKO_PRIVATE_KEY = 3;
export const CKA_LABEL = 0x03;
export const CKA_VALUE = 0x11;
export const CKA_ID = 0x102;
export const CKA_MODULUS = 0x120;

/** Token flags. */
export const CKF_LOGIN_REQUIRED = 0x4;
export const CKF_PROTECTED_AUTHENTICATION_PATH = 0x100;
export const CKF_TOKEN_INITIALIZED = 0x400;
export const CKF_USER_PIN_COUNT_LOW = 0x1_0000;
export const CKF_USER_PIN_FINAL_TRY = 0x2_0000;
export const CKF_USER_PIN_LOCKED = 0x4_0000;

/** Mechanisms. */
export const CKM_RSA_PKCS_PSS = 0x0d;
export const CKM_SHA256_RSA_PKCS = 0x40;
export const CKM_SHA256_RSA_PKCS_PSS = 0x43;
export const CKM_ECDSA = 0x1041;
export const CKM_EDDSA = 0x1057;

/** Return values that mean something here. */
export const CKR_PIN_INCORRECT = 0xa0;
export const CKR_PIN_INVALID = 0xa1;
export const CKR_PIN_LEN_RANGE = 0xa2;
export const CKR_USER_ALREADY_LOGGED_IN = 0x100;

/** Name of a return value, for messages: `CKR_PIN_INCORRECT (0xa0)`. */
export function returnValueName(returnValue: number): string {
  const name = RETURN_VALUES[returnValue];
  const number = `0x${returnValue.toString(16)}`;
  return name === undefined ? number : `CKR_${name} (${number})`;
}

const RETURN_VALUES: Readonly<Record<number, string>> = {
  0x01: 'CANCEL',
  0x02: 'HOST_MEMORY',
  0x03: 'SLOT_ID_INVALID',
  0x05: 'GENERAL_ERROR',
  0x06: 'FUNCTION_FAILED',
  0x07: 'ARGUMENTS_BAD',
  0x20: 'DATA_INVALID',
  0x21: 'DATA_LEN_RANGE',
  0x30: 'DEVICE_ERROR',
  0x31: 'DEVICE_MEMORY',
  0x32: 'DEVICE_REMOVED',
  0x50: 'FUNCTION_CANCELED',
  0x54: 'FUNCTION_NOT_SUPPORTED',
  0x60: 'KEY_HANDLE_INVALID',
  0x63: 'KEY_TYPE_INCONSISTENT',
  0x68: 'KEY_FUNCTION_NOT_PERMITTED',
  0x70: 'MECHANISM_INVALID',
  0x71: 'MECHANISM_PARAM_INVALID',
  0x90: 'OPERATION_ACTIVE',
  0xa0: 'PIN_INCORRECT',
  0xa1: 'PIN_INVALID',
  0xa2: 'PIN_LEN_RANGE',
  0xa3: 'PIN_EXPIRED',
  0xa4: 'PIN_LOCKED',
  0xb0: 'SESSION_CLOSED',
  0xb3: 'SESSION_HANDLE_INVALID',
  0xe0: 'TOKEN_NOT_PRESENT',
  0xe1: 'TOKEN_NOT_RECOGNIZED',
  0x100: 'USER_ALREADY_LOGGED_IN',
  0x101: 'USER_NOT_LOGGED_IN',
  0x102: 'USER_PIN_NOT_INITIALIZED',
  0x150: 'BUFFER_TOO_SMALL',
  0x190: 'CRYPTOKI_NOT_INITIALIZED',
  0x191: 'CRYPTOKI_ALREADY_INITIALIZED',
  0x200: 'FUNCTION_REJECTED',
};
