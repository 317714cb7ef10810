/**
 * The process that a PKCS #11 module runs in: a program, started by `process.ts` and spoken to over its channel. It may
 * block inside the module, crash with it, or be killed, and the application goes on.
 *
 * @packageDocumentation
 */
import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Answer, CryptokiFunctions, CryptokiName } from './cryptoki.ts';

/** First message to the host. */
export interface HostStart {
  /** Path of the PKCS #11 module. */
  readonly module: string;
  /** What to import pkcs11js as: its name, or the absolute path of its folder's main file. */
  readonly pkcs11js: string;
}

/** Answer to {@link HostStart}. */
export type HostStarted =
  | { readonly problem: 'none' }
  | {
      readonly problem: 'pkcs11js-missing' | 'pkcs11js-not-built' | 'module-unusable';
      readonly detail: string;
    };

/** Every later message to the host; `stop` has no answer. */
export type HostRequest =
  | { readonly stop: true }
  | { readonly id: number; readonly name: CryptokiName; readonly parameters: readonly unknown[] };

/** Answer to a request. */
export interface HostAnswer {
  readonly id: number;
  readonly answer: Answer<unknown>;
}

/** What is used of pkcs11js. */
interface Pkcs11 {
  load(path: string): void;
  C_Initialize(options?: { flags: number }): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Buffer[];
  C_GetTokenInfo(slot: Buffer): {
    label: string;
    manufacturerID: string;
    model: string;
    serialNumber: string;
    flags: number;
  };
  C_GetMechanismList(slot: Buffer): number[];
  C_OpenSession(slot: Buffer, flags: number): Buffer;
  C_CloseSession(session: Buffer): void;
  C_Login(session: Buffer, userType: number, pin: string): void;
  C_Logout(session: Buffer): void;
  C_FindObjectsInit(session: Buffer, template: { type: number; value: number }[]): void;
  C_FindObjects(session: Buffer, count: number): Buffer[];
  C_FindObjectsFinal(session: Buffer): void;
  C_GetAttributeValue(session: Buffer, object: Buffer, template: { type: number }[]): { value?: Buffer }[];
  C_SignInit(session: Buffer, mechanism: { mechanism: number; parameter?: object }, key: Buffer): void;
  C_Sign(session: Buffer, data: Buffer, room: Buffer): Buffer;
}

interface Pkcs11Package {
  readonly PKCS11: new () => Pkcs11;
  readonly CK_PARAMS_RSA_PSS: number;
}

const CKF_SERIAL_SESSION = 4;
const CKF_OS_LOCKING_OK = 2;
const CKU_USER = 1;
const CKA_CLASS = 0;
const CKM_SHA256 = 0x250;
const CKG_MGF1_SHA256 = 2;
const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;
const ATTRIBUTE_ERRORS: readonly number[] = [0x11, 0x12];
const LONGEST_SIGNATURE = 512;
const MOST_OBJECTS = 256;

// The parent's first message starts everything; without a parent this module does nothing.
if (process.send !== undefined) {
  process.once('message', (message) => void start(message as HostStart));
  process.once('disconnect', () => process.exit(0));
}

async function start(options: HostStart): Promise<void> {
  let finalize: () => void;
  let functions: CryptokiFunctions;
  let library: Pkcs11Package | undefined;
  const fail = (started: HostStarted): void => void process.send!(started, () => process.exit(1));
  try {
    library = await importPkcs11js(options.pkcs11js);
  } catch (error) {
    return fail({
      problem: isInstalled(options.pkcs11js) ? 'pkcs11js-not-built' : 'pkcs11js-missing',
      detail: textOf(error),
    });
  }
  try {
    const module = new library.PKCS11();
    module.load(options.module);
    finalize = initialize(module);
    functions = functionsOf(module, library.CK_PARAMS_RSA_PSS);
  } catch (error) {
    return fail({ problem: 'module-unusable', detail: textOf(error) });
  }
  process.on('message', (message) => {
    const request = message as HostRequest;
    if ('stop' in request) {
      finalize();
      process.exit(0);
    }
    const answer: HostAnswer = { id: request.id, answer: answerOf(functions, request.name, request.parameters) };
    process.send!(answer);
  });
  process.send!({ problem: 'none' } satisfies HostStarted);
}

function specifierOf(pkcs11js: string): string {
  return isAbsolute(pkcs11js) ? pathToFileURL(pkcs11js).href : pkcs11js;
}

async function importPkcs11js(pkcs11js: string): Promise<Pkcs11Package> {
  const namespace = (await import(specifierOf(pkcs11js))) as { default?: Pkcs11Package } & Pkcs11Package;
  const library = namespace.default ?? namespace;
  if (typeof library.PKCS11 !== 'function') throw new TypeError('it exports no PKCS11');
  return library;
}

function isInstalled(pkcs11js: string): boolean {
  if (isAbsolute(pkcs11js)) return true;
  try {
    import.meta.resolve(pkcs11js);
    return true;
  } catch {
    return false;
  }
}

function initialize(module: Pkcs11): () => void {
  try {
    module.C_Initialize({ flags: CKF_OS_LOCKING_OK });
  } catch (error) {
    if (returnValueOf(error) !== CKR_CRYPTOKI_ALREADY_INITIALIZED) throw error;
    return () => undefined;
  }
  return () => {
    try {
      module.C_Finalize();
    } catch {
      // The process ends anyway.
    }
  };
}

function functionsOf(module: Pkcs11, pssParameters: number): CryptokiFunctions {
  const pss = { type: pssParameters, hashAlg: CKM_SHA256, mgf: CKG_MGF1_SHA256, saltLen: 32 };
  return {
    C_GetSlotList: () => module.C_GetSlotList(true),
    C_GetTokenInfo: (slot) => {
      const { label, manufacturerID, model, serialNumber, flags } = module.C_GetTokenInfo(buffer(slot));
      return { label, manufacturer: manufacturerID, model, serialNumber, flags };
    },
    C_GetMechanismList: (slot) => module.C_GetMechanismList(buffer(slot)),
    C_OpenSession: (slot) => module.C_OpenSession(buffer(slot), CKF_SERIAL_SESSION),
    C_CloseSession: (session) => module.C_CloseSession(buffer(session)),
    C_Login: (session, pin) => module.C_Login(buffer(session), CKU_USER, pin),
    C_Logout: (session) => module.C_Logout(buffer(session)),
    C_FindObjects: (session, objectClass) => findObjects(module, buffer(session), objectClass),
    C_GetAttributeValue: (session, object, attribute) => {
      try {
        return module.C_GetAttributeValue(buffer(session), buffer(object), [{ type: attribute }])[0]?.value;
      } catch (error) {
        if (ATTRIBUTE_ERRORS.includes(returnValueOf(error) ?? 0)) return undefined;
        throw error;
      }
    },
    C_Sign: (session, mechanism, key, data) => {
      const parameter = mechanism.isPss ? { parameter: pss } : {};
      module.C_SignInit(buffer(session), { mechanism: mechanism.type, ...parameter }, buffer(key));
      return module.C_Sign(buffer(session), buffer(data), Buffer.alloc(LONGEST_SIGNATURE));
    },
  };
}

function findObjects(module: Pkcs11, session: Buffer, objectClass: number): Buffer[] {
  const found: Buffer[] = [];
  module.C_FindObjectsInit(session, [{ type: CKA_CLASS, value: objectClass }]);
  try {
    while (found.length < MOST_OBJECTS) {
      const some = module.C_FindObjects(session, 32);
      if (some.length === 0) break;
      found.push(...some);
    }
  } finally {
    module.C_FindObjectsFinal(session);
  }
  return found.slice(0, MOST_OBJECTS);
}

function answerOf(functions: CryptokiFunctions, name: CryptokiName, parameters: readonly unknown[]): Answer<unknown> {
  try {
    const called = functions[name] as (...all: readonly unknown[]) => unknown;
    return { ok: true, value: called(...parameters) };
  } catch (error) {
    // pkcs11js's own failures have no return value: CKR_FUNCTION_FAILED stands for them.
    return { ok: false, returnValue: returnValueOf(error) ?? 0x06, during: name };
  }
}

function returnValueOf(error: unknown): number | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'number' && code > 0 ? code : undefined;
}

function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 300);
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
