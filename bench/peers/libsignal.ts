/** Signal's library (native): PQXDH to begin, X25519 and ML-KEM ratchets, stores in memory. */
import { expectSame } from '../content.ts';
import { loadPeer } from '../peers.ts';

type Bytes = Uint8Array;
interface Serializable {
  serialize(): Bytes;
}
interface PublicKey extends Serializable {
  readonly brand?: 'public';
}
interface PrivateKey {
  getPublicKey(): PublicKey;
  sign(message: Bytes): Bytes;
}
interface KemKeyPair {
  getPublicKey(): PublicKey;
}
type Address = { toString(): string };
type Store = object;

/** The part of the module that is used. */
interface Signal {
  readonly PrivateKey: { generate(): PrivateKey };
  readonly KEMKeyPair: { generate(): KemKeyPair };
  readonly ProtocolAddress: { new: (name: string, device: number) => Address };
  readonly PreKeyRecord: { new: (id: number, publicKey: PublicKey, privateKey: PrivateKey) => object };
  readonly SignedPreKeyRecord: {
    new: (id: number, timestamp: number, publicKey: PublicKey, privateKey: PrivateKey, signature: Bytes) => object;
  };
  readonly KyberPreKeyRecord: { new: (id: number, timestamp: number, pair: KemKeyPair, signature: Bytes) => object };
  readonly PreKeyBundle: { new: (...parts: readonly unknown[]) => object };
  readonly SignalMessage: { deserialize(bytes: Bytes): object };
  readonly PreKeySignalMessage: { deserialize(bytes: Bytes): object };
  readonly SessionStore: new () => Store;
  readonly IdentityKeyStore: new () => Store;
  readonly PreKeyStore: new () => Store;
  readonly SignedPreKeyStore: new () => Store;
  readonly KyberPreKeyStore: new () => Store;
  readonly IdentityChange: { readonly NewOrUnchanged: number };
  processPreKeyBundle(bundle: object, peer: Address, own: Address, sessions: Store, identities: Store): Promise<void>;
  signalEncrypt(content: Bytes, peer: Address, own: Address, sessions: Store, identities: Store): Promise<Serializable>;
  signalDecrypt(message: object, peer: Address, own: Address, sessions: Store, identities: Store): Promise<Bytes>;
  signalDecryptPreKey(message: object, peer: Address, own: Address, ...stores: readonly Store[]): Promise<Bytes>;
}

interface Party {
  readonly address: Address;
  readonly sessions: Store & { readonly records: Map<string, Serializable> };
  readonly identities: Store;
}

/** A session between two parties. */
export interface SignalSession {
  /** One message from end to end; gives the bytes on the wire. */
  send(from: 0 | 1, content: Bytes): Promise<number>;
  /** Bytes of the first two messages, which set the session up, without the bundle. */
  readonly setUpLength: number;
  /** Bytes of a party's session as it is stored. */
  stateLength(): number;
}

/** How sessions are set up; the parties' long-term keys are made once. */
export async function signalSessions(): Promise<() => Promise<SignalSession>> {
  const signal = await loadPeer<Signal>('@signalapp/libsignal-client');
  const stores = storesOf(signal);
  const [ownKey, peerKey] = [signal.PrivateKey.generate(), signal.PrivateKey.generate()];
  return async () => {
    const one: Party = {
      address: signal.ProtocolAddress.new('9d0652a3-dcc3-4d11-975f-74d61598733f', 1),
      sessions: stores.sessions(),
      identities: stores.identities(ownKey, 5),
    };
    const other: Party = {
      address: signal.ProtocolAddress.new('6838237d-02f6-4098-b110-698253d15961', 1),
      sessions: stores.sessions(),
      identities: stores.identities(peerKey, 6),
    };
    const published = publish(signal, peerKey, stores);
    await signal.processPreKeyBundle(published.bundle, other.address, one.address, one.sessions, one.identities);
    const first = await signal.signalEncrypt(
      Buffer.from('hi'),
      other.address,
      one.address,
      one.sessions,
      one.identities,
    );
    const opening = first.serialize();
    await signal.signalDecryptPreKey(
      signal.PreKeySignalMessage.deserialize(opening),
      one.address,
      other.address,
      other.sessions,
      other.identities,
      ...published.stores,
    );
    const send = async (from: 0 | 1, content: Bytes): Promise<number> => {
      const [sender, receiver] = from === 0 ? [one, other] : [other, one];
      const sealed = await signal.signalEncrypt(
        content,
        receiver.address,
        sender.address,
        sender.sessions,
        sender.identities,
      );
      const wire = sealed.serialize();
      const message = signal.SignalMessage.deserialize(wire);
      const opened = await signal.signalDecrypt(
        message,
        sender.address,
        receiver.address,
        receiver.sessions,
        receiver.identities,
      );
      expectSame(opened, content);
      return wire.length;
    };
    const answerLength = await send(1, Buffer.from('yo'));
    return {
      send,
      setUpLength: opening.length + answerLength,
      stateLength: () => [...one.sessions.records.values()][0]!.serialize().length,
    };
  };
}

function publish(
  signal: Signal,
  identity: PrivateKey,
  stores: ReturnType<typeof storesOf>,
): { readonly bundle: object; readonly stores: readonly Store[] } {
  const [once, signed, kem] = [
    signal.PrivateKey.generate(),
    signal.PrivateKey.generate(),
    signal.KEMKeyPair.generate(),
  ];
  const signature = identity.sign(signed.getPublicKey().serialize());
  const kemSignature = identity.sign(kem.getPublicKey().serialize());
  const bundle = signal.PreKeyBundle.new(
    6,
    1,
    1,
    once.getPublicKey(),
    1,
    signed.getPublicKey(),
    signature,
    identity.getPublicKey(),
    1,
    kem.getPublicKey(),
    kemSignature,
  );
  return {
    bundle,
    stores: [
      stores.preKeys(signal.PreKeyRecord.new(1, once.getPublicKey(), once)),
      stores.signedPreKeys(signal.SignedPreKeyRecord.new(1, 42, signed.getPublicKey(), signed, signature)),
      stores.kemPreKeys(signal.KyberPreKeyRecord.new(1, 42, kem, kemSignature)),
    ],
  };
}

/** Stores in memory. The library calls them by name and wants promises. */
function storesOf(signal: Signal) {
  class Sessions extends signal.SessionStore {
    readonly records = new Map<string, Serializable>();
    async saveSession(name: Address, record: Serializable): Promise<void> {
      this.records.set(name.toString(), record);
    }
    async getSession(name: Address): Promise<Serializable | null> {
      return this.records.get(name.toString()) ?? null;
    }
  }
  class Identities extends signal.IdentityKeyStore {
    readonly #key: PrivateKey;
    readonly #registration: number;
    readonly #known = new Map<string, PublicKey>();
    constructor(key: PrivateKey, registration: number) {
      super();
      this.#key = key;
      this.#registration = registration;
    }
    async getIdentityKey(): Promise<PrivateKey> {
      return this.#key;
    }
    async getLocalRegistrationId(): Promise<number> {
      return this.#registration;
    }
    async saveIdentity(name: Address, key: PublicKey): Promise<number> {
      this.#known.set(name.toString(), key);
      return signal.IdentityChange.NewOrUnchanged;
    }
    async isTrustedIdentity(): Promise<boolean> {
      return true;
    }
    async getIdentity(name: Address): Promise<PublicKey | null> {
      return this.#known.get(name.toString()) ?? null;
    }
  }
  class PreKeys extends signal.PreKeyStore {
    readonly #record: object;
    constructor(record: object) {
      super();
      this.#record = record;
    }
    async getPreKey(): Promise<object> {
      return this.#record;
    }
    async removePreKey(): Promise<void> {}
  }
  class SignedPreKeys extends signal.SignedPreKeyStore {
    readonly #record: object;
    constructor(record: object) {
      super();
      this.#record = record;
    }
    async getSignedPreKey(): Promise<object> {
      return this.#record;
    }
  }
  class KemPreKeys extends signal.KyberPreKeyStore {
    readonly #record: object;
    constructor(record: object) {
      super();
      this.#record = record;
    }
    async getKyberPreKey(): Promise<object> {
      return this.#record;
    }
    async markKyberPreKeyUsed(): Promise<void> {}
  }
  return {
    sessions: () => new Sessions(),
    identities: (key: PrivateKey, registration: number) => new Identities(key, registration),
    preKeys: (record: object) => new PreKeys(record),
    signedPreKeys: (record: object) => new SignedPreKeys(record),
    kemPreKeys: (record: object) => new KemPreKeys(record),
  };
}
