/**
 * The least that node:crypto could do for the same guarantees: no framing, no replay window, no history, no state to
 * store. Rows of these are the practical limit on this machine.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  hkdfSync,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
  type KeyObject,
} from 'node:crypto';
import * as crypto from 'node:crypto';
import { expectSame } from './content.ts';
import type { Operation } from './harness.ts';

const NONCE = Buffer.alloc(12);
const TAG = 16;

type Algorithm = 'chacha20-poly1305' | 'aes-256-gcm';

/** One hash a side and message for the next key, one AEAD under a fresh key. */
export function symmetricRatchet(algorithm: Algorithm, content: Uint8Array): Operation {
  let sending: Uint8Array = randomBytes(32);
  let receiving = sending;
  return () => {
    const one = stepOf(sending);
    sending = one.subarray(32);
    const sealed = seal(algorithm, one.subarray(0, 32), content);
    const other = stepOf(receiving);
    receiving = other.subarray(32);
    expectSame(open(algorithm, other.subarray(0, 32), sealed), content);
  };
}

/** A Diffie-Hellman step at each change of speaker, as the double ratchet takes it. */
export function x25519EachTurn(content: Uint8Array): Operation {
  const ends = [newEnd(), newEnd()] as const;
  let root: Uint8Array = randomBytes(32);
  let turn = 0;
  return () => {
    const [speaker, listener] = turn === 0 ? ends : [ends[1], ends[0]];
    turn = 1 - turn;
    const fresh = generateKeyPairSync('x25519');
    const travelling = rawPublic(fresh.publicKey);
    const keys = derive(
      diffieHellman({ privateKey: fresh.privateKey, publicKey: importX25519(listener.publicKey) }),
      root,
    );
    const sealed = seal('chacha20-poly1305', keys.subarray(0, 32), content);
    const shared = diffieHellman({ privateKey: listener.privateKey, publicKey: importX25519(travelling) });
    const same = derive(shared, root);
    expectSame(open('chacha20-poly1305', same.subarray(0, 32), sealed), content);
    root = same.subarray(32);
    speaker.privateKey = fresh.privateKey;
    speaker.publicKey = travelling;
  };
}

/** A Fernet token made and read with keys that are kept. */
export function fernetTokens(content: Uint8Array): Operation {
  const signing = createSecretKey(randomBytes(16));
  const encryption = createSecretKey(randomBytes(16));
  const macOf = (bytes: Uint8Array): Buffer => createHmac('sha256', signing).update(bytes).digest();
  return () => {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-128-cbc', encryption, iv);
    const head = Buffer.alloc(9);
    head[0] = 0x80;
    head.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000)), 1);
    const body = Buffer.concat([head, iv, cipher.update(content), cipher.final()]);
    const text = Buffer.concat([body, macOf(body)]).toString('base64url');
    const token = Buffer.from(text, 'base64url');
    const end = token.length - 32;
    if (!timingSafeEqual(macOf(token.subarray(0, end)), token.subarray(end))) throw new Error('token');
    const decipher = createDecipheriv('aes-128-cbc', encryption, token.subarray(9, 25));
    expectSame(Buffer.concat([decipher.update(token.subarray(25, end)), decipher.final()]), content);
  };
}

/** An ephemeral agreement and one Ed25519 signature each way: what a mutually authenticated handshake cannot do without. */
export function signedAgreement(kem: 'x25519' | 'p384' | 'x25519 + ml-kem-768'): Operation {
  const one = generateKeyPairSync('ed25519');
  const other = generateKeyPairSync('ed25519');
  const transcript = randomBytes(64);
  return () => {
    const agree = kem === 'p384' ? agreeP384 : agreeX25519;
    const secret = agree();
    if (kem === 'x25519 + ml-kem-768') Buffer.concat([secret, agreeMlKem()]);
    for (let side = 0; side < 2; side += 1) derive(secret, transcript.subarray(0, 32));
    for (const pair of [one, other]) {
      const signature = sign(null, transcript, pair.privateKey);
      if (!verify(null, transcript, pair.publicKey, signature)) throw new Error('signature');
    }
  };
}

interface FloorEnd {
  privateKey: KeyObject;
  publicKey: Uint8Array;
}

function newEnd(): FloorEnd {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { privateKey, publicKey: rawPublic(publicKey) };
}

function agreeX25519(): Buffer {
  const one = generateKeyPairSync('x25519');
  const other = generateKeyPairSync('x25519');
  const [raw, otherRaw] = [rawPublic(one.publicKey), rawPublic(other.publicKey)];
  const shared = diffieHellman({ privateKey: one.privateKey, publicKey: importX25519(otherRaw) });
  const same = diffieHellman({ privateKey: other.privateKey, publicKey: importX25519(raw) });
  if (!shared.equals(same)) throw new Error('agreement');
  return shared;
}

function agreeP384(): Buffer {
  const one = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const travel = (key: KeyObject): KeyObject =>
    createPublicKey({ key: key.export({ type: 'spki', format: 'der' }), format: 'der', type: 'spki' });
  const shared = diffieHellman({ privateKey: one.privateKey, publicKey: travel(other.publicKey) });
  const same = diffieHellman({ privateKey: other.privateKey, publicKey: travel(one.publicKey) });
  if (!shared.equals(same)) throw new Error('agreement');
  return shared;
}

/** Not in the types of every Node that runs this. */
interface MlKem {
  encapsulate?: (key: KeyObject) => { readonly sharedKey: Buffer; readonly ciphertext: Buffer };
  decapsulate?: (key: KeyObject, ciphertext: Buffer) => Buffer;
}

function agreeMlKem(): Buffer {
  const { encapsulate, decapsulate } = crypto as unknown as MlKem;
  if (encapsulate === undefined || decapsulate === undefined) throw new Error('this Node has no ML-KEM');
  const pair = generateKeyPairSync('ml-kem-768');
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  const { sharedKey, ciphertext } = encapsulate(createPublicKey({ key: spki, format: 'der', type: 'spki' }));
  if (!decapsulate(pair.privateKey, ciphertext).equals(sharedKey)) throw new Error('encapsulation');
  return sharedKey;
}

function stepOf(chainKey: Uint8Array): Buffer {
  const input = Buffer.alloc(33, 1);
  input.set(chainKey);
  return hash('sha512', input, 'buffer');
}

function seal(algorithm: Algorithm, key: Uint8Array, content: Uint8Array): Buffer {
  // Node's types overload on the literal; both take the same options.
  const name = algorithm as 'chacha20-poly1305';
  const cipher = createCipheriv(name, createSecretKey(key), NONCE, { authTagLength: TAG });
  const sealed = Buffer.allocUnsafe(content.length + TAG);
  cipher.update(content).copy(sealed);
  cipher.final();
  cipher.getAuthTag().copy(sealed, content.length);
  return sealed;
}

function open(algorithm: Algorithm, key: Uint8Array, sealed: Buffer): Buffer {
  const name = algorithm as 'chacha20-poly1305';
  const decipher = createDecipheriv(name, createSecretKey(key), NONCE, { authTagLength: TAG });
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  const content = decipher.update(sealed.subarray(0, sealed.length - TAG));
  decipher.final();
  return content;
}

function derive(secret: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', createSecretKey(secret), salt, 'floor', 64));
}

function rawPublic(key: KeyObject): Uint8Array {
  return key.export({ type: 'spki', format: 'der' }).subarray(-32);
}

const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');

function importX25519(raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([X25519_SPKI, raw]), format: 'der', type: 'spki' });
}
