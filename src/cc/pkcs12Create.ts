/**
 * PKCS #12 files as they should be written today: PBES2, PBKDF2-HMAC-SHA-256, AES-256-CBC, MAC with SHA-256.
 *
 * @packageDocumentation
 */
import { utf8, wipe } from '../bytes.ts';
import {
  element,
  integer,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  tagged,
  taggedPrimitive,
} from './createDer.ts';
import { bmpPassword, hmac, macKey, pbkdf2 } from './pkcs12Crypto.ts';

/** What goes into the file. */
export interface Pkcs12Contents {
  /** PKCS #8, unencrypted. */
  readonly privateKey: Uint8Array;
  /** DER certificates, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly password: string;
  /** Shown by key stores; default none. */
  readonly friendlyName?: string;
  /** PBKDF2 and MAC rounds; default 100,000 for the former and 2,048 for the latter, which only guards integrity. */
  readonly iterations?: number;
  readonly macIterations?: number;
}

const DATA = '1.2.840.113549.1.7.1';
const BAGS = '1.2.840.113549.1.12.10.1.';

/** PKCS #12 file (DER) with one key and its chain. */
export async function createPkcs12(contents: Pkcs12Contents): Promise<Uint8Array> {
  const { chain, password, friendlyName } = contents;
  const iterations = contents.iterations ?? 100_000;
  const attributes = setOf(
    sequence(objectIdentifier('1.2.840.113549.1.9.21'), setOf(octetString(Uint8Array.of(1)))),
    ...(friendlyName === undefined
      ? []
      : [
          sequence(
            objectIdentifier('1.2.840.113549.1.9.20'),
            setOf(element(0x1e, bmpPassword(friendlyName).slice(0, -2))),
          ),
        ]),
  );
  const key = await encrypt(contents.privateKey, password, iterations);
  const keyBag = sequence(
    objectIdentifier(`${BAGS}2`),
    tagged(0, sequence(key.algorithm, octetString(key.encrypted))),
    attributes,
  );
  const certificateBags = chain.map((der, index) =>
    sequence(
      objectIdentifier(`${BAGS}3`),
      tagged(0, sequence(objectIdentifier('1.2.840.113549.1.9.22.1'), tagged(0, octetString(der)))),
      ...(index === 0 ? [attributes] : []),
    ),
  );
  const certificates = await encrypt(sequence(...certificateBags), password, iterations);
  const authenticatedSafe = sequence(
    sequence(
      objectIdentifier('1.2.840.113549.1.7.6'),
      tagged(
        0,
        sequence(
          integer(0),
          sequence(objectIdentifier(DATA), certificates.algorithm, taggedPrimitive(0, certificates.encrypted)),
        ),
      ),
    ),
    sequence(objectIdentifier(DATA), tagged(0, octetString(sequence(keyBag)))),
  );
  return sequence(
    integer(3),
    sequence(objectIdentifier(DATA), tagged(0, octetString(authenticatedSafe))),
    await macData(authenticatedSafe, password, contents.macIterations ?? 2048),
  );
}

async function encrypt(
  plaintext: Uint8Array,
  password: string,
  iterations: number,
): Promise<{ algorithm: Uint8Array; encrypted: Uint8Array }> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(16));
  const rawKey = await pbkdf2('SHA-256', password, salt, iterations, 32);
  const key = await crypto.subtle.importKey('raw', rawKey, 'AES-CBC', false, ['encrypt']);
  wipe(rawKey);
  const encrypted = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-CBC', iv }, key, plaintext.slice()));
  const hmacSha256 = sequence(objectIdentifier('1.2.840.113549.2.9'), nullValue());
  const derivation = sequence(
    objectIdentifier('1.2.840.113549.1.5.12'),
    sequence(octetString(salt), integer(iterations), hmacSha256),
  );
  const cipher = sequence(objectIdentifier('2.16.840.1.101.3.4.1.42'), octetString(iv));
  return { algorithm: sequence(objectIdentifier('1.2.840.113549.1.5.13'), sequence(derivation, cipher)), encrypted };
}

async function macData(authenticatedSafe: Uint8Array, password: string, iterations: number): Promise<Uint8Array> {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const rawKey = await macKey({ name: 'SHA-256', blockLength: 64 }, bmpPassword(password), salt, iterations);
  const mac = await hmac('SHA-256', rawKey, authenticatedSafe);
  wipe(rawKey);
  const sha256 = sequence(objectIdentifier('2.16.840.1.101.3.4.2.1'), nullValue());
  return sequence(sequence(sha256, octetString(mac)), octetString(salt), integer(iterations));
}

/** UTF-8 bytes of a PEM file of these DER certificates, in order. */
export function pemOf(label: string, ...ders: readonly Uint8Array[]): Uint8Array {
  const blocks = ders.map((der) => {
    let binary = '';
    for (const byte of der) binary += String.fromCharCode(byte);
    const lines = btoa(binary).replace(/.{64}(?=.)/g, '$&\n');
    return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
  });
  return utf8(blocks.join(''));
}
