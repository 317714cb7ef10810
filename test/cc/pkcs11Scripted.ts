/** A module that plays a card's part, with what SoftHSM2 cannot show: dialogs, lockout, removal, access numbers. */
import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { utf8 } from '../../src/bytes.ts';
import type { Answer, Cryptoki, CryptokiFunctions, CryptokiName, StartCryptoki } from '../../src/cc/pkcs11/cryptoki.ts';
import type { TestPerson } from '../../src/cc/testPki.ts';

const CKO_CERTIFICATE = 1;
const CKO_PRIVATE_KEY = 3;

export interface ScriptedObject {
  readonly objectClass: number;
  readonly label: string;
  readonly id: Uint8Array;
  readonly value?: Uint8Array;
  readonly key?: KeyObject;
}

/** State of a scripted reader with one card; tests change it as things happen. */
export interface Script {
  isPresent: boolean;
  label: string;
  serialNumber: string;
  flags: number;
  mechanisms: number[];
  objects: ScriptedObject[];
  /** Answers a login; a return value, 0 for success. */
  onLogin: (secret: string) => number;
  /** What happens inside C_Sign before it signs: a return value, 0 to sign, or never for an open dialog. */
  onSign: () => number | Promise<number>;
  /** Answers C_Logout. */
  onLogout: () => number;
  /** Of these functions the next call fails. */
  readonly failing: Partial<Record<CryptokiName, number>>;
  /** Names of all calls, in order. */
  readonly calls: CryptokiName[];
  starts: number;
  stops: number;
  closes: number;
}

/** A contact card of the second generation: no login, P-256, no intermediates. CKA_ID is a native number. */
export function scriptCard(person: TestPerson, changes: Partial<Script> = {}): Script {
  return {
    isPresent: true,
    label: 'CARTAO DE CIDADAO',
    serialNumber: '0001',
    flags: 0x400,
    mechanisms: [0x1041],
    objects: objectsOf(person, nativeUlong(person.use === 'authentication' ? 0x45 : 0x46, 8)),
    onLogin: () => 0,
    onSign: () => 0,
    onLogout: () => 0x101,
    failing: {},
    calls: [],
    starts: 0,
    stops: 0,
    closes: 0,
    ...changes,
  };
}

/** Certificate and key of a person by the citizen card's labels. */
export function objectsOf(person: TestPerson, id: Uint8Array): ScriptedObject[] {
  const name = `CITIZEN ${person.use.toUpperCase()}`;
  const key = createPrivateKey({ key: Buffer.from(person.key.privateKey), format: 'der', type: 'pkcs8' });
  return [
    { objectClass: CKO_CERTIFICATE, label: `${name} CERTIFICATE`, id, value: person.certificate },
    { objectClass: CKO_PRIVATE_KEY, label: `${name} KEY`, id, key },
  ];
}

export function certificateObject(label: string, value: Uint8Array, id = 0x51): ScriptedObject {
  return { objectClass: CKO_CERTIFICATE, label, id: Uint8Array.of(id), value };
}

/** A CK_ULONG as a little-endian machine keeps it. */
export function nativeUlong(value: number, length: 1 | 4 | 8): Uint8Array {
  return new Uint8Array(length).with(0, value);
}

export function startScripted(script: Script): StartCryptoki {
  return () => {
    script.starts += 1;
    return Promise.resolve(new ScriptedCryptoki(script));
  };
}

class Refusal extends Error {
  readonly returnValue: number;
  constructor(returnValue: number) {
    super(`return value ${returnValue}`);
    this.returnValue = returnValue;
  }
}

class ScriptedCryptoki implements Cryptoki {
  readonly #script: Script;
  readonly #abandon: (error: Error) => void;
  readonly #stopped: Promise<never>;
  #isLoggedIn = false;
  isStopped = false;

  constructor(script: Script) {
    this.#script = script;
    let abandon: (error: Error) => void = () => undefined;
    this.#stopped = new Promise((_, reject) => (abandon = reject));
    this.#stopped.catch(() => undefined);
    this.#abandon = abandon;
  }

  async call<Name extends CryptokiName>(
    name: Name,
    ...parameters: Parameters<CryptokiFunctions[Name]>
  ): Promise<Answer<ReturnType<CryptokiFunctions[Name]>>> {
    if (this.isStopped) return this.#stopped;
    this.#script.calls.push(name);
    try {
      const work = (this.#functions[name] as (...all: unknown[]) => unknown)(...parameters);
      const value = (await Promise.race([work, this.#stopped])) as ReturnType<CryptokiFunctions[Name]>;
      return { ok: true, value };
    } catch (error) {
      if (error instanceof Refusal) return { ok: false, returnValue: error.returnValue, during: name };
      throw error;
    }
  }

  stop(error: Error): void {
    this.isStopped = true;
    this.#script.stops += 1;
    this.#abandon(error);
  }

  close(): Promise<void> {
    this.isStopped = true;
    this.#script.closes += 1;
    return Promise.resolve();
  }

  readonly #functions: { [Name in CryptokiName]: (...parameters: never[]) => unknown } = {
    C_GetSlotList: () => {
      this.#failIfScripted('C_GetSlotList');
      return this.#script.isPresent ? [Uint8Array.of(7)] : [];
    },
    C_GetTokenInfo: () => {
      this.#needCard(0xe0);
      const { label, serialNumber, flags } = this.#script;
      const padded = label.padEnd(32);
      return { label: padded, manufacturer: 'Scripted', model: 'Play', serialNumber, flags };
    },
    C_GetMechanismList: () => {
      this.#needCard(0xe0);
      return this.#script.mechanisms;
    },
    C_OpenSession: () => {
      this.#needCard(0xe0);
      this.#failIfScripted('C_OpenSession');
      return Uint8Array.of(9);
    },
    C_CloseSession: () => {
      this.#isLoggedIn = false;
    },
    C_Login: (_session: Uint8Array, secret: string) => {
      this.#needCard(0x32);
      this.#refuse(this.#script.onLogin(secret));
      this.#isLoggedIn = true;
    },
    C_Logout: () => this.#refuse(this.#script.onLogout()),
    C_FindObjects: (_session: Uint8Array, objectClass: number) => {
      this.#needCard(0x32);
      if ((this.#script.flags & 4) !== 0 && !this.#isLoggedIn) return [];
      const { objects } = this.#script;
      return objects.flatMap((object, index) => (object.objectClass === objectClass ? [Uint8Array.of(index)] : []));
    },
    C_GetAttributeValue: (_session: Uint8Array, handle: Uint8Array, attribute: number) => {
      const object = this.#script.objects[handle[0]!]!;
      if (attribute === 0x03) return utf8(object.label);
      if (attribute === 0x102) return object.id;
      if (attribute === 0x11) return object.value;
      return undefined;
    },
    C_Sign: async (_session: Uint8Array, mechanism: { type: number }, handle: Uint8Array, data: Uint8Array) => {
      this.#needCard(0x32);
      this.#refuse(await this.#script.onSign());
      const { key } = this.#script.objects[handle[0]!]!;
      if (mechanism.type === 0x40) return sign('sha256', data, key!);
      return signDigest(data, key!);
    },
  };

  #needCard(returnValue: number): void {
    if (!this.#script.isPresent) throw new Refusal(returnValue);
  }

  #failIfScripted(name: CryptokiName): void {
    const returnValue = this.#script.failing[name];
    if (returnValue !== undefined) throw new Refusal(returnValue);
  }

  #refuse(returnValue: number): void {
    if (returnValue !== 0) throw new Refusal(returnValue);
  }
}

function signDigest(digest: Uint8Array, key: KeyObject): Uint8Array {
  // Node signs messages only, so the curve of @noble/curves signs the hash.
  const { d } = key.export({ format: 'jwk' });
  return p256.sign(digest, Buffer.from(d!, 'base64url'), { prehash: false });
}
