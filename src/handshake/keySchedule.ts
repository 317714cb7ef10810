/**
 * From the KEM secret to the keys of both boxes, the conversation id and the secrets of both directions
 * (docs/protocol.md §4.2).
 *
 * @packageDocumentation
 */
import { lengthPrefixed, wipe } from '../bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { conceal } from './secrets.ts';

const BOX_KEY_LENGTH = 32;
const CONVERSATION_ID_LENGTH = 8;

/** `x` of each direction, as long as the suite's hash; the session derives epoch 0 from them and erases them. */
export interface DirectionSecrets {
  /** From initiator to responder. */
  readonly initiator: Uint8Array;
  /** From responder to initiator. */
  readonly responder: Uint8Array;
}

/** What both sides share once phase 3 is made or accepted. */
export interface FinalKeys {
  /** 8 bytes. */
  readonly conversationId: Uint8Array;
  /** Key of box_R, 32 bytes. */
  readonly boxKey: Uint8Array;
  /** Not enumerable, so that they do not print. */
  readonly secrets: DirectionSecrets;
}

/** hs, as long as the suite's hash. Wipes `raw` and the bound secret. */
export function extractHandshakeSecret(
  suite: Suite,
  tr3: Uint8Array,
  raw: Uint8Array,
  ciphertext: Uint8Array,
  encapsulationKey: Uint8Array,
): Uint8Array {
  const secret = suite.kemSecret(raw, ciphertext, encapsulationKey);
  const handshakeSecret = suite.provider.hkdfExtract(suite.hash, tr3, secret);
  wipe(raw, secret);
  return handshakeSecret;
}

/** Key of box_I, 32 bytes. */
export function boxKeyOfInitiator(suite: Suite, handshakeSecret: Uint8Array, tr3: Uint8Array): Uint8Array {
  return expand(suite, handshakeSecret, 'box I', tr3, BOX_KEY_LENGTH);
}

/** Everything that hangs on the final transcript. */
export function finalKeys(suite: Suite, handshakeSecret: Uint8Array, tr4: Uint8Array): FinalKeys {
  const length = handshakeSecret.length;
  return {
    conversationId: expand(suite, handshakeSecret, 'conversation id', tr4, CONVERSATION_ID_LENGTH),
    boxKey: expand(suite, handshakeSecret, 'box R', tr4, BOX_KEY_LENGTH),
    secrets: conceal({
      initiator: expand(suite, handshakeSecret, 'secret I', tr4, length),
      responder: expand(suite, handshakeSecret, 'secret R', tr4, length),
    }),
  };
}

/** A box: sealed once under a key of its own. `randomness`: 16 bytes, of which only Fernet takes its IV. */
export function sealBox(
  suite: Suite,
  key: Uint8Array,
  randomness: Uint8Array,
  transcript: Uint8Array,
  plaintext: Uint8Array,
  nowMs: number,
): Uint8Array {
  const cipher = suite.cipher;
  const own = cipher.nonceLength > 0 ? new Uint8Array(cipher.randomnessLength) : randomness;
  return cipher.seal(key, own, transcript, plaintext, nowMs);
}

/** What a box holds; `undefined` for every failure alike. */
export function openBox(
  suite: Suite,
  key: Uint8Array,
  transcript: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  return suite.cipher.open(key, new Uint8Array(suite.cipher.nonceLength), transcript, sealed);
}

function expand(
  suite: Suite,
  handshakeSecret: Uint8Array,
  label: string,
  transcript: Uint8Array,
  length: number,
): Uint8Array {
  const info = lengthPrefixed(`SIMS 1 ${label}`, transcript);
  return suite.provider.hkdfExpand(suite.hash, handshakeSecret, info, length);
}
