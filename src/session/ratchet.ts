/**
 * The per-message ratchet: one SHA-512 block gives the next chain key and one record's key (docs/protocol.md §5.1).
 *
 * @packageDocumentation
 */
import { lengthPrefixed, uint32, utf8, wipe } from '../bytes.ts';
import type { Suite } from '../crypto/suite.ts';
import { secretBytes } from './secretBytes.ts';

/** 0 is initiator to responder, 1 the other way. */
export type Direction = 0 | 1;

/** Keys of one epoch of one direction, and the number of the next record. */
export interface Epoch {
  readonly epoch: number;
  /** Serves the next rekey and nothing else. */
  readonly root: Uint8Array;
  readonly announcementKey: Uint8Array;
  readonly chainKey: Uint8Array;
  /** Number of the record whose key {@link Epoch.chainKey} gives. */
  readonly next: number;
}

const LABEL = utf8('SIMS 1 record');
const CHAIN_KEY_AT = 4;
const LABEL_AT = CHAIN_KEY_AT + 32;
const CONVERSATION_AT = LABEL_AT + 13;
const DIRECTION_AT = CONVERSATION_AT + 8;
const EPOCH_AT = DIRECTION_AT + 1;
const NUMBER_AT = EPOCH_AT + 4;
const INPUT_LENGTH = NUMBER_AT + 8;

/** The three keys of an epoch, from its secret `x`, which is erased. `bound`: tr4, or the announcement's hash. */
export function deriveEpoch(
  suite: Suite,
  x: Uint8Array,
  conversationId: Uint8Array,
  direction: Direction,
  epoch: number,
  bound: Uint8Array,
): Epoch {
  const expand = (label: string): Uint8Array => {
    const info = lengthPrefixed(label, conversationId, Uint8Array.of(direction), uint32(epoch), bound);
    return secretBytes(suite.provider.hkdfExpand(suite.hash, x, info, 32));
  };
  const keys = {
    epoch,
    root: expand('SIMS 1 root'),
    announcementKey: expand('SIMS 1 announcement key'),
    chainKey: expand('SIMS 1 chain'),
    next: 0,
  };
  wipe(x);
  return keys;
}

/** Chain key and record key of record `number`: 32 bytes each, in one array of 64. */
export function stepChain(
  suite: Suite,
  chainKey: Uint8Array,
  conversationId: Uint8Array,
  direction: Direction,
  epoch: number,
  number: number,
): Uint8Array {
  scratch ??= newInput();
  scratch.set(chainKey, CHAIN_KEY_AT);
  scratch.set(conversationId, CONVERSATION_AT);
  scratch[DIRECTION_AT] = direction;
  writeUint32(scratch, EPOCH_AT, epoch);
  writeUint32(scratch, NUMBER_AT + 4, number);
  const keys = suite.provider.hash('SHA-512', scratch);
  scratch.fill(0, CHAIN_KEY_AT, LABEL_AT);
  return keys;
}

/** Used for every step, and without its key between two: new memory for each costs more than the hash of it. */
let scratch: Uint8Array | undefined;

function newInput(): Uint8Array {
  const input = new Uint8Array(INPUT_LENGTH);
  input[3] = 1;
  input.set(LABEL, LABEL_AT);
  return input;
}

function writeUint32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}
