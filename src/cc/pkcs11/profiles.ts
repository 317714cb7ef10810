/**
 * What is particular about kinds of tokens, as data.
 *
 * @packageDocumentation
 */
import type { ErrorCode } from '../../errors.ts';

/** Operating systems that modules are looked for on, as Node names them. */
export type ModulePlatform = 'linux' | 'darwin' | 'win32';

/** How to deal with a kind of token. */
export interface CardProfile {
  readonly name: string;
  /** Shown to people when its module is missing. */
  readonly title: string;
  /** Where its module is looked for, first found first used. */
  readonly modules: Readonly<Record<ModulePlatform, readonly string[]>>;
  /**
   * What C_Login takes where the token says CKF_LOGIN_REQUIRED: the PIN; or the access number printed on a contactless
   * card, whose middleware asks for the PIN itself, in a dialog of its own, inside C_Sign.
   */
  readonly login: 'pin' | 'can';
  /** The certificate and key to use; absent: whatever fits by its key usage. */
  readonly authentication?: ObjectNames;
  /** What is never used, whatever it says of itself. */
  readonly never?: ObjectNames;
  /**
   * Key usage of the certificate: digitalSignature without nonRepudiation; or only not nonRepudiation alone, the former
   * first.
   */
  readonly keyUsage: 'authentication' | 'digital-signature';
  /** Where to read what the kind of token says by a return value other than PKCS #11 does. */
  readonly meanings: Readonly<Record<number, ErrorCode>>;
}

/** Labels and CKA_IDs of a certificate and its key. */
export interface ObjectNames {
  readonly certificateLabel: string;
  readonly keyLabel: string;
  /** CKA_ID as a number: a CK_ULONG in the module's memory, 8 or 4 bytes of either order, or 1 byte. */
  readonly id?: number;
}

const OPENSC_MODULES: Readonly<Record<ModulePlatform, readonly string[]>> = {
  linux: [
    '/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so',
    '/usr/lib/aarch64-linux-gnu/opensc-pkcs11.so',
    '/usr/lib64/opensc-pkcs11.so',
    '/usr/lib/opensc-pkcs11.so',
    '/usr/local/lib/opensc-pkcs11.so',
  ],
  darwin: [
    '/Library/OpenSC/lib/opensc-pkcs11.so',
    '/usr/local/lib/opensc-pkcs11.so',
    '/opt/homebrew/lib/opensc-pkcs11.so',
  ],
  win32: [
    'C:\\Program Files\\OpenSC Project\\OpenSC\\pkcs11\\opensc-pkcs11.dll',
    'C:\\Windows\\System32\\opensc-pkcs11.dll',
  ],
};

const CITIZEN_OBJECTS: Pick<CardProfile, 'authentication' | 'never' | 'keyUsage' | 'title'> = {
  title: 'the Portuguese citizen card (Cartão de Cidadão); its middleware is at https://www.autenticacao.gov.pt',
  authentication: {
    certificateLabel: 'CITIZEN AUTHENTICATION CERTIFICATE',
    keyLabel: 'CITIZEN AUTHENTICATION KEY',
    id: 0x45,
  },
  // A signature by this key is a qualified one in law.
  never: { certificateLabel: 'CITIZEN SIGNATURE CERTIFICATE', keyLabel: 'CITIZEN SIGNATURE KEY', id: 0x46 },
  keyUsage: 'authentication',
};

/** The Portuguese citizen card behind its own middleware: v1 (RSA) and v2 (EC P-256), in a reader or contactless. */
export const citizenCard: CardProfile = {
  ...CITIZEN_OBJECTS,
  name: 'citizenCard',
  modules: {
    linux: ['/usr/local/lib/libpteidpkcs11.so'],
    darwin: ['/usr/local/lib/libpteidpkcs11.dylib'],
    win32: ['C:\\Windows\\System32\\pteidpkcs11.dll'],
  },
  login: 'can',
  meanings: {},
};

/** The citizen card of the first generation behind OpenSC, which takes the PIN by C_Login. */
export const citizenCardOpenSc: CardProfile = {
  ...CITIZEN_OBJECTS,
  name: 'citizenCardOpenSc',
  modules: OPENSC_MODULES,
  login: 'pin',
  meanings: {},
};

/** Any PKCS #11 token. */
export const generic: CardProfile = {
  name: 'generic',
  title: 'smart cards in general',
  modules: OPENSC_MODULES,
  login: 'pin',
  // By label alone: elsewhere the number may be anyone's.
  never: { certificateLabel: 'CITIZEN SIGNATURE CERTIFICATE', keyLabel: 'CITIZEN SIGNATURE KEY' },
  keyUsage: 'digital-signature',
  meanings: {},
};

/** Profile for a module that was named without one: the citizen card's by its file name, else the generic one. */
export function profileOf(module: string): CardProfile {
  return /pteid/i.test(module.slice(Math.max(module.lastIndexOf('/'), module.lastIndexOf('\\')) + 1))
    ? citizenCard
    : generic;
}

/** CKA_ID as the number that was stored in it, in any of its widths and orders; `undefined` if it is no such number. */
export function idNumber(id: Uint8Array): number | undefined {
  const bytes = id.filter((byte) => byte !== 0);
  const isAtAnEnd = id.length > 0 && (id[0] !== 0 || id.at(-1) !== 0);
  return bytes.length === 1 && isAtAnEnd && [1, 4, 8].includes(id.length) ? bytes[0] : undefined;
}
