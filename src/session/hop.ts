/**
 * The record layer of a hop: strictly in order, never resumed (docs/protocol.md §5.6).
 *
 * @packageDocumentation
 */
import { equal, wipe } from '../bytes.ts';
import type { RandomBytes } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import type { Address } from '../messages/address.ts';
import type { Secure } from '../messages/secure.ts';
import { associatedData, hopBinding, NO_ID } from './binding.ts';
import { deriveEpoch, stepChain, type Direction, type Epoch } from './ratchet.ts';
import { decodeSaData, encodeSaData, NUMBER_LIMIT } from './saData.ts';

/** What a hop starts from: the handshake's result and both ends. The secrets are erased. */
export interface HopStart {
  readonly suite: Suite;
  readonly role: 'initiator' | 'responder';
  readonly conversationId: Uint8Array;
  readonly finalTranscriptHash: Uint8Array;
  readonly secrets: { readonly initiator: Uint8Array; readonly responder: Uint8Array };
  readonly client: { readonly address: Address; readonly fingerprint: Uint8Array };
  readonly relayIdentity: Uint8Array;
}

/**
 * Seals and opens the messages of one hop. It lives as long as the connection; a record that does not open ends it,
 * and it then refuses everything.
 */
export class HopChannel {
  readonly #suite: Suite;
  readonly #conversationId: Uint8Array;
  readonly #sending: Half;
  readonly #receiving: Half;
  #ended = false;

  constructor(start: HopStart) {
    const { suite, conversationId, role } = start;
    const half = (direction: Direction, x: Uint8Array): Half => {
      const { root, announcementKey, chainKey } = deriveEpoch(
        suite,
        x,
        conversationId,
        direction,
        0,
        start.finalTranscriptHash,
      ) satisfies Epoch;
      wipe(root, announcementKey);
      const binding = hopBinding(suite, conversationId, direction, start.client, start.relayIdentity);
      return { direction, binding, chainKey, next: 0 };
    };
    const toRelay = half(0, start.secrets.initiator);
    const toClient = half(1, start.secrets.responder);
    this.#suite = suite;
    this.#conversationId = conversationId;
    this.#sending = role === 'initiator' ? toRelay : toClient;
    this.#receiving = role === 'initiator' ? toClient : toRelay;
  }

  /**
   * One message, sealed.
   *
   * @throws `session/ended` after {@link HopChannel.end}, `session/exhausted` after 2^32 records: connect again
   */
  seal(message: Uint8Array, random: RandomBytes, nowMs: number): Secure {
    this.#check();
    const half = this.#sending;
    if (half.next >= NUMBER_LIMIT) throw new SimsError('session/exhausted', `${half.next} records on one hop`);
    const { cipher } = this.#suite;
    const randomness = random(cipher.randomnessLength);
    const nonce = randomness.subarray(0, cipher.nonceLength);
    const saData = encodeSaData({
      conversationId: this.#conversationId,
      epoch: 0,
      number: half.next,
      nonce,
      announcement: NOTHING,
    });
    const key = this.#step(half);
    const payload = cipher.seal(key, randomness, associatedData(half.binding, 'secure', NO_ID, saData), message, nowMs);
    wipe(key);
    return { type: 'secure', saData, payload };
  }

  /**
   * The message in a record. Any failure ends the hop.
   *
   * @throws `session/out-of-order`, `session/authentication-failed`, `session/malformed-record`, `session/ended`
   */
  open(record: Secure): Uint8Array {
    this.#check();
    try {
      return this.#open(record);
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** Erases the keys. */
  end(): void {
    this.#ended = true;
    wipe(this.#sending.chainKey, this.#receiving.chainKey);
  }

  #open(record: Secure): Uint8Array {
    const half = this.#receiving;
    const { cipher } = this.#suite;
    const { conversationId, epoch, number, nonce, announcement } = decodeSaData(record.saData, cipher.nonceLength);
    if (!equal(conversationId, this.#conversationId) || epoch !== 0 || announcement.length > 0) {
      throw new SimsError('session/malformed-record', 'not a record of this hop');
    }
    if (number !== half.next) throw new SimsError('session/out-of-order', `record ${number}, expected ${half.next}`);
    const key = this.#step(half);
    const plaintext = cipher.open(
      key,
      nonce,
      associatedData(half.binding, 'secure', NO_ID, record.saData),
      record.payload,
    );
    wipe(key);
    if (plaintext === undefined) throw new SimsError('session/authentication-failed', `record ${number} does not open`);
    return plaintext;
  }

  /** The key of the half's next record; the chain moves on and forgets. */
  #step(half: Half): Uint8Array {
    const keys = stepChain(this.#suite, half.chainKey, this.#conversationId, half.direction, 0, half.next);
    wipe(half.chainKey);
    half.chainKey = keys.subarray(0, 32);
    half.next += 1;
    return keys.subarray(32);
  }

  #check(): void {
    if (this.#ended) throw new SimsError('session/ended', 'the hop has ended');
  }
}

interface Half {
  readonly direction: Direction;
  readonly binding: Uint8Array;
  chainKey: Uint8Array;
  next: number;
}

const NOTHING = new Uint8Array(0);
