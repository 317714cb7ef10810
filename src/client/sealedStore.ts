/**
 * A store whose values and names are encrypted under a caller's key before they reach another store.
 *
 * @packageDocumentation
 */
import { base64url, concat, equal, fromUtf8, lengthPrefixed, uint32, utf8, wipe } from '../bytes.ts';
import type { HashProvider, RandomBytes, RecordCipher } from '../crypto/provider.ts';
import { SimsError } from '../errors.ts';
import type { Store, Stored } from '../session/store.ts';

/** Bytes of a store's key. */
export const STORE_KEY_LENGTH = 32;

/** What {@link sealedStore} seals with. */
export interface SealedStoreParts {
  readonly provider: HashProvider & { readonly random: RandomBytes };
  /** ChaCha20-Poly1305 or AES-256-GCM. */
  readonly cipher: RecordCipher;
}

const FORMAT = 1;
const SALT_LENGTH = 32;
const CHECK_LENGTH = 8;
const HEADER_LENGTH = 1 + CHECK_LENGTH + SALT_LENGTH;

/**
 * The same store, encrypted. A value is `01 ‖ key check (8) ‖ salt (32) ‖ nonce ‖ sealed`: each write has a key of its
 * own, HKDF-SHA-256 of the store's key with a random salt, and both key and associated data hold the name and the
 * version. A value under another name or version does not open. A whole older store, versions and all, cannot be told
 * from a genuine one by itself: conversations find that out from their peers. Names are hidden by HMAC; `names` reads
 * every value to tell them.
 *
 * @param key - 32 bytes, random or from a password hash such as Argon2id; copied
 * @throws `crypto/invalid-argument` for another length of key
 */
export function sealedStore(store: Store, key: Uint8Array, parts: SealedStoreParts): Store {
  if (key.length !== STORE_KEY_LENGTH) {
    throw new SimsError('crypto/invalid-argument', `a store's key has ${STORE_KEY_LENGTH} bytes, not ${key.length}`);
  }
  const box = new Box(key, parts);
  return {
    async read(name) {
      const stored = await store.read(box.hide(name));
      return stored && box.open(name, stored);
    },
    write(name, value, expectedVersion) {
      const sealed = value && box.seal(name, value, expectedVersion + 1);
      return store.write(box.hide(name), sealed, expectedVersion);
    },
    async names() {
      const names: string[] = [];
      for (const hidden of await store.names()) {
        const stored = await store.read(hidden);
        if (stored !== undefined) names.push(box.nameOf(hidden, stored));
      }
      return names;
    },
    lock: () => store.lock(),
  };
}

class Box {
  readonly #parts: SealedStoreParts;
  readonly #nameKey: Uint8Array;
  readonly #valueKey: Uint8Array;
  readonly #check: Uint8Array;

  constructor(key: Uint8Array, parts: SealedStoreParts) {
    const expand = (label: string, length: number): Uint8Array =>
      parts.provider.hkdfExpand('SHA-256', key, utf8(label), length);
    this.#parts = parts;
    this.#nameKey = expand('SIMS 1 store names', 32);
    this.#valueKey = expand('SIMS 1 store values', 32);
    this.#check = expand('SIMS 1 store check', CHECK_LENGTH);
  }

  hide(name: string): string {
    return base64url(this.#parts.provider.hmac('SHA-256', this.#nameKey, utf8(name)));
  }

  /** What is sealed is the name and the value: the name cannot be had back from its HMAC. */
  seal(name: string, value: Uint8Array, version: number): Uint8Array {
    const { cipher, provider } = this.#parts;
    const salt = provider.random(SALT_LENGTH);
    const randomness = provider.random(cipher.randomnessLength);
    const hidden = this.hide(name);
    const key = this.#keyOf(salt, hidden, version);
    const header = concat(Uint8Array.of(FORMAT), this.#check, salt);
    const plaintext = concat(lengthPrefixed(name), value);
    const sealed = cipher.seal(key, randomness, bound(header, hidden, version), plaintext, 0);
    wipe(key, plaintext);
    return concat(header, randomness.subarray(0, cipher.nonceLength), sealed);
  }

  open(name: string, stored: Stored): Stored {
    const opened = this.#open(this.hide(name), stored);
    if (opened.name !== name) throw malformed('holds another name');
    return { version: stored.version, value: opened.value };
  }

  nameOf(hidden: string, stored: Stored): string {
    return this.#open(hidden, stored).name;
  }

  #open(hidden: string, { version, value }: Stored): { readonly name: string; readonly value: Uint8Array } {
    const { cipher } = this.#parts;
    if (value.length < HEADER_LENGTH + cipher.nonceLength || value[0] !== FORMAT) {
      throw malformed(`has ${value.length} bytes that are not a sealed value of format ${FORMAT}`);
    }
    const header = value.subarray(0, HEADER_LENGTH);
    if (!equal(header.subarray(1, 1 + CHECK_LENGTH), this.#check)) {
      throw new SimsError('store/wrong-key', 'this store was sealed under another key');
    }
    const start = HEADER_LENGTH + cipher.nonceLength;
    const key = this.#keyOf(header.subarray(1 + CHECK_LENGTH), hidden, version);
    const nonce = value.subarray(HEADER_LENGTH, start);
    const plaintext = cipher.open(key, nonce, bound(header, hidden, version), value.subarray(start));
    wipe(key);
    if (plaintext === undefined) throw malformed(`does not open as version ${version} of its name`);
    const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.length);
    const end = 4 + view.getUint32(0);
    return { name: fromUtf8(plaintext.subarray(4, end)), value: plaintext.slice(end) };
  }

  #keyOf(salt: Uint8Array, hidden: string, version: number): Uint8Array {
    const { provider } = this.#parts;
    const extracted = provider.hkdfExtract('SHA-256', salt, this.#valueKey);
    const key = provider.hkdfExpand(
      'SHA-256',
      extracted,
      lengthPrefixed('SIMS 1 store value', hidden, uint64(version)),
      32,
    );
    wipe(extracted);
    return key;
  }
}

function bound(header: Uint8Array, hidden: string, version: number): Uint8Array {
  return lengthPrefixed('SIMS 1 store', header, hidden, uint64(version));
}

function uint64(value: number): Uint8Array {
  return concat(uint32(Math.floor(value / 2 ** 32)), uint32(value));
}

function malformed(what: string): SimsError {
  return new SimsError('store/tampered', `a stored value ${what}: it was changed, moved or put back`);
}
