/** ts-mls: a group of two (RFC 9420) in TypeScript, suite 1 (X25519, AES-128-GCM, Ed25519). */
import { expectSame } from '../content.ts';
import { loadPeer } from '../peers.ts';

const SUITE = 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519';

type Bytes = Uint8Array;
type Opaque = object;
interface KeyPackages {
  readonly publicPackage: Opaque;
  readonly privatePackage: Opaque;
}
interface Next {
  readonly newState: Opaque;
  readonly consumed?: readonly Bytes[];
}

/** The part of the module that is used. */
interface Mls {
  getCiphersuiteFromName(name: string): Opaque;
  getCiphersuiteImpl(suite: Opaque): Promise<Opaque>;
  generateKeyPackage(
    credential: Opaque,
    capabilities: Opaque,
    lifetime: Opaque,
    extensions: readonly Opaque[],
    suite: Opaque,
  ): Promise<KeyPackages>;
  defaultCapabilities(): Opaque;
  readonly defaultLifetime: Opaque;
  readonly emptyPskIndex: Opaque;
  createGroup(id: Bytes, own: Opaque, secret: Opaque, extensions: readonly Opaque[], suite: Opaque): Promise<Opaque>;
  createCommit(context: Opaque, options: Opaque): Promise<Next & { readonly welcome?: Opaque }>;
  joinGroup(welcome: Opaque, own: Opaque, secret: Opaque, keys: Opaque, suite: Opaque): Promise<Opaque>;
  createApplicationMessage(
    state: Opaque,
    content: Bytes,
    suite: Opaque,
  ): Promise<Next & { readonly privateMessage: Opaque }>;
  processPrivateMessage(
    state: Opaque,
    message: Opaque,
    keys: Opaque,
    suite: Opaque,
  ): Promise<Next & { readonly message: Bytes }>;
  encodeMlsMessage(message: Opaque): Bytes;
  decodeMlsMessage(
    bytes: Bytes,
    offset: number,
  ): readonly [{ readonly welcome: Opaque; readonly privateMessage: Opaque }];
  encodeGroupState?(state: Opaque): Bytes;
  readonly zeroOutUint8Array: (bytes: Bytes) => void;
}

/** A group of two. */
export interface MlsSession {
  /** One message from end to end; gives the bytes on the wire. */
  send(from: 0 | 1, content: Bytes): Promise<number>;
  readonly setUpLength: number;
}

/** How groups are set up. */
export async function mlsSessions(): Promise<() => Promise<MlsSession>> {
  const mls = await loadPeer<Mls>('ts-mls');
  const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(SUITE));
  const keyPackage = (name: string): Promise<KeyPackages> => {
    const credential = { credentialType: 'basic', identity: Buffer.from(name) };
    return mls.generateKeyPackage(credential, mls.defaultCapabilities(), mls.defaultLifetime, [], suite);
  };
  return async () => {
    const [one, other] = [await keyPackage('one'), await keyPackage('other')];
    const alone = await mls.createGroup(Buffer.from('group'), one.publicPackage, one.privatePackage, [], suite);
    const add = { proposalType: 'add', add: { keyPackage: other.publicPackage } };
    const options = { extraProposals: [add], ratchetTreeExtension: true };
    const commit = await mls.createCommit({ state: alone, cipherSuite: suite }, options);
    const message = { version: 'mls10', wireformat: 'mls_welcome', welcome: commit.welcome };
    const welcome = mls.encodeMlsMessage(message);
    const published = mls.encodeMlsMessage({
      version: 'mls10',
      wireformat: 'mls_key_package',
      keyPackage: other.publicPackage,
    });
    const joined = await mls.joinGroup(
      mls.decodeMlsMessage(welcome, 0)[0].welcome,
      other.publicPackage,
      other.privatePackage,
      mls.emptyPskIndex,
      suite,
    );
    const states: [Opaque, Opaque] = [commit.newState, joined];
    return {
      async send(from, content) {
        const to = from === 0 ? 1 : 0;
        const made = await mls.createApplicationMessage(states[from], content, suite);
        states[from] = made.newState;
        made.consumed?.forEach(mls.zeroOutUint8Array);
        const { privateMessage } = made;
        const wire = mls.encodeMlsMessage({ version: 'mls10', wireformat: 'mls_private_message', privateMessage });
        const received = mls.decodeMlsMessage(wire, 0)[0].privateMessage;
        const opened = await mls.processPrivateMessage(states[to], received, mls.emptyPskIndex, suite);
        states[to] = opened.newState;
        opened.consumed?.forEach(mls.zeroOutUint8Array);
        expectSame(opened.message, content);
        return wire.length;
      },
      setUpLength: published.length + welcome.length,
    };
  };
}
