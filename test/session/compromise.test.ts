/** Games: a thief copies everything that one end has, and tries every key in it on what was sent before or after. */
import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { messageIdBytes } from '../../src/messages/address.ts';
import { associatedData, NO_ID } from '../../src/session/binding.ts';
import type { RecordMessage } from '../../src/session/conversation.ts';
import { stepChain } from '../../src/session/ratchet.ts';
import { decodeSaData } from '../../src/session/saData.ts';
import { eraseSuperseded } from '../../src/session/state.ts';
import { encodeState } from '../../src/session/stateCodec.ts';
import { pair, text, type End, type Pair } from './pair.ts';

const byHand = (suite: Suite): Suite => ({
  ...suite,
  rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false },
});
const X25519 = byHand(suites.X25519_WITH_CHACHA20_POLY1305_SHA256);
const X_WING = byHand(suites.X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256);
const P384 = byHand(suites.ECDHE_WITH_AES_256_GCM_SHA384);
const RSA = byHand(suites.RSA_WITH_AES_128_CBC_SHA256);
const named = (list: readonly Suite[]) => list.map((suite) => [suite.name, suite] as const);

/** Every run of 32 bytes in the serialised state: whatever a key is, it is among them. */
function keysIn(end: End): Uint8Array[] {
  const bytes = encodeState(end.state);
  const keys: Uint8Array[] = [];
  for (let start = 0; start + 32 <= bytes.length; start += 1) keys.push(bytes.subarray(start, start + 32));
  return keys;
}

/** Whether that key opens the record, itself or after up to `steps` of the ratchet. */
function opens(key: Uint8Array, record: RecordMessage, from: End, steps: number): boolean {
  const { suite } = from.context;
  const { state } = from;
  const { conversationId, epoch, nonce } = decodeSaData(record.saData!, suite.cipher.nonceLength);
  const id = record.type === 'ack' ? NO_ID : messageIdBytes(record.id);
  const bound = associatedData(state.ownBinding, record.type, id, record.saData!);
  if (suite.cipher.open(key, nonce, bound, record.data!) !== undefined) return true;
  let chainKey = key;
  const direction = state.role === 'initiator' ? 0 : 1;
  for (let number = 0; number < steps; number += 1) {
    const keys = stepChain(suite, chainKey, conversationId, direction, epoch, number);
    if (suite.cipher.open(keys.subarray(32), nonce, bound, record.data!) !== undefined) return true;
    chainKey = keys.subarray(0, 32);
  }
  return false;
}

/** Exchanges what is due, and remembers it. */
function exchange(both: Pair, tape: RecordMessage[] = []): RecordMessage[] {
  for (let round = 0; round < 6; round += 1) {
    const fromA = both.a.take();
    const fromB = both.b.take();
    tape.push(...fromA);
    for (const record of fromA) both.b.receive(record);
    for (const record of fromB) both.a.receive(record);
    both.wait(30);
    both.a.wake();
    both.b.wake();
  }
  return tape;
}

function begun(suite: Suite): Pair {
  const both = pair(suite);
  both.a.send(text(0));
  both.b.send(text(0));
  exchange(both);
  both.a.send(text(1));
  both.b.send(text(1));
  exchange(both);
  return both;
}

function rekeyAndSay(both: Pair, end: End): RecordMessage[] {
  end.step({ type: 'rekey' });
  end.send(text(9));
  return exchange(both);
}

describe('a state that is stolen after a record', () => {
  it.each(named([X25519, RSA]))('holds no key that opens an earlier one, at either end, in %s', (_name, suite) => {
    const both = begun(suite);
    const tape: RecordMessage[] = [];
    for (let index = 0; index < 4; index += 1) {
      both.a.send(text(index));
      exchange(both, tape);
    }
    tape.push(...rekeyAndSay(both, both.a));
    both.a.send(text(5));
    exchange(both, tape);
    expect(tape.length).toBeGreaterThan(5);
    for (const thief of [keysIn(both.a), keysIn(both.b)]) {
      for (const record of tape) {
        if (record.type === 'ack') continue;
        const { number } = decodeSaData(record.saData, suite.cipher.nonceLength);
        for (const key of thief) {
          if (opens(key, record, both.a, 0)) throw new Error(`record ${number} opens with ${hex(key)}`);
        }
      }
    }
  });

  it('holds the keys of what comes next: the game can be won', () => {
    const both = begun(X25519);
    const thief = keysIn(both.b);
    const { next } = both.a.state.send.current;
    const record = both.a.send(text(2));
    // The ratchet step names the number of its record.
    const { suite } = both.a.context;
    const { conversationId, nonce } = decodeSaData(record.saData!, suite.cipher.nonceLength);
    const bound = associatedData(
      both.a.state.ownBinding,
      'client-com',
      messageIdBytes(both.a.state.outbox.at(-1)!.id),
      record.saData!,
    );
    const won = thief.some((key) => {
      const keys = stepChain(suite, key, conversationId, 0, 0, next);
      return suite.cipher.open(keys.subarray(32), nonce, bound, record.data!) !== undefined;
    });
    expect(won).toBe(true);
  });

  it.each(named([X25519, X_WING, P384, RSA]))(
    'leaves its memory erased, once the next one is stored, in %s',
    (_name, suite) => {
      const both = begun(suite);
      const before = both.a.state;
      both.a.step({ type: 'rekey' });
      both.a.send(text(3));
      exchange(both);
      both.b.step({ type: 'rekey' });
      both.b.send(text(3));
      exchange(both);
      both.a.send(text(4));
      eraseSuperseded(before, both.a.state);
      const gone = [before.send.current.root, before.send.current.chainKey, before.send.current.announcementKey];
      for (const secret of [...gone, before.receive.epochs.at(-1)!.chainKey]) expect(hex(secret)).toBe('00'.repeat(32));
      both.a.send(text(5));
      exchange(both);
      expect(both.b.dropped).toEqual([]);
    },
  );
});

/** A thief has all of `victim` and hears everything; which records of both directions can it still read at the end? */
function hears(
  suite: Suite,
  heal: readonly ('victim' | 'peer')[],
): { readonly ofVictim: boolean; readonly ofPeer: boolean } {
  const both = begun(suite);
  const [victim, peer] = [both.a, both.b];
  const thief = victim.clone();
  // The thief follows as the victim does, and as its peer would, with the victim's keys.
  const follower = victim.clone();
  // Where the thief lacks a key it tries one that it has: were the key of no matter, it would be enough.
  const { ratchetKeys } = follower.state.send;
  const numbers = ratchetKeys.length === 0 ? [] : [0, 1, 2, 3];
  const stolenKeys = numbers.map(
    (number) => ratchetKeys.find((key) => key.number === number) ?? { number, pair: ratchetKeys.at(-1)!.pair },
  );
  const follow = (record: RecordMessage): void => {
    // A thief erases nothing, and what was said since can be counted and hashed by whoever hears the records.
    const { m, hash, seenM, seenHash } = victim.state.send;
    const send = { ...follower.state.send, ratchetKeys: stolenKeys, m, hash, seenM, seenHash };
    follower.state = { ...follower.state, outbox: victim.state.outbox, send };
    follower.receive(record);
  };
  for (const side of heal) {
    const end = side === 'victim' ? victim : peer;
    end.step({ type: 'rekey' });
    end.send(text(7));
    for (let round = 0; round < 4; round += 1) {
      const fromVictim = victim.take();
      const fromPeer = peer.take();
      for (const record of fromVictim) peer.receive(record);
      for (const record of fromPeer) {
        follow(record);
        victim.receive(record);
      }
      both.wait(30);
      victim.wake();
      peer.wake();
    }
  }
  follower.take();
  const shown = follower.shown.length;
  follow(peer.send(text(8)));
  const fromVictim = victim.send(text(8));
  return { ofPeer: follower.shown.length > shown, ofVictim: readsOwn(thief, fromVictim) };
}

/** Whether the sending keys of a stolen state, or those that follow from its bytes, open that record of its victim. */
function readsOwn(thief: End, record: RecordMessage): boolean {
  const { suite } = thief.context;
  const { epoch, number } = decodeSaData(record.saData!, suite.cipher.nonceLength);
  const { current } = thief.state.send;
  if (epoch !== current.epoch) return keysIn(thief).some((key) => opens(key, record, thief, number + 1));
  let { chainKey } = current;
  for (let index = current.next; index <= number; index += 1) {
    const keys = stepChain(suite, chainKey, thief.state.conversationId, 0, epoch, index);
    if (index === number) return opens(keys.subarray(32), record, thief, 0);
    chainKey = keys.subarray(0, 32);
  }
  return false;
}

describe.each(named([X25519, X_WING, P384]))('a thief of one end’s whole state, in %s', (_name, suite) => {
  it('reads both directions as long as nobody rekeys', () => {
    expect(hears(suite, [])).toEqual({ ofVictim: true, ofPeer: true });
  });

  it('still hears the peer when the victim alone has rekeyed', () => {
    expect(hears(suite, ['victim'])).toEqual({ ofVictim: false, ofPeer: true });
  });

  it('still hears the peer when the peer has rekeyed to a key that was stolen', () => {
    expect(hears(suite, ['peer'])).toMatchObject({ ofPeer: true });
  });

  it('reads nothing once the victim and then its peer have rekeyed', () => {
    expect(hears(suite, ['victim', 'peer'])).toEqual({ ofVictim: false, ofPeer: false });
  });
});

describe('the RSA suite', () => {
  it('heals nothing: its rekeys follow from the keys before, as documented', () => {
    expect(hears(RSA, ['victim', 'peer'])).toMatchObject({ ofPeer: true });
  });
});

describe('two writers with the keys of one end', () => {
  it('are found out when a restored old state sends', () => {
    const both = begun(X25519);
    const restored = both.a.clone();
    both.a.send(text(2));
    both.a.send(text(3));
    exchange(both);
    // The peer has had these numbers: its answer holds more than the restored state ever sent.
    both.b.receive(restored.send(text(4)));
    both.wait(30);
    both.b.wake();
    for (const record of both.b.take()) restored.receive(record);
    expect(restored.state.at).toBe('broken');
    expect(restored.consistency.at(-1)).toMatchObject({
      consistency: 'rollback',
      evidence: { direction: 'own', m: 4 },
    });
    expect(restored.states.at(-1)).toMatchObject({ state: 'failed', reason: 'inconsistent' });
    expect(() => restored.send(text(5))).toThrow('takes no send');
    expect(both.b.shown).toHaveLength(4);
  });

  it('are found out by what the peer has seen, also with as many messages', () => {
    const both = begun(X25519);
    const restored = both.a.clone();
    both.a.send(text(2));
    exchange(both);
    both.b.receive(restored.send(text(3)));
    both.wait(30);
    both.b.wake();
    for (const record of both.b.take()) restored.receive(record);
    const { evidence } = restored.consistency.at(-1)!;
    expect(evidence).toMatchObject({ consistency: 'rollback', m: 3 });
    expect(evidence!.expected).not.toEqual(evidence!.got);
  });

  it('are found out when both rekey', () => {
    const both = begun(X25519);
    const clone = both.a.clone();
    rekeyAndSay(both, both.a);
    clone.step({ type: 'rekey' });
    both.b.receive(clone.send(text(3)));
    expect(both.b.state.at).toBe('broken');
    expect(both.b.consistency.at(-1)).toMatchObject({ consistency: 'clone', evidence: { direction: 'peer' } });
    expect(() => both.b.send(text(5))).toThrow('takes no send');
    expect(both.b.state.send.current.chainKey).toHaveLength(0);
  });

  it('are found out also before a record of the first one’s epoch has opened', () => {
    const both = begun(X25519);
    const clone = both.a.clone();
    both.a.step({ type: 'rekey' });
    const record = both.a.send(text(2));
    both.b.receive({ ...record, data: new Uint8Array(record.data!.length) } as RecordMessage);
    expect(both.b.dropped).toEqual(['session/authentication-failed']);
    clone.step({ type: 'rekey' });
    both.b.receive(clone.send(text(3)));
    expect(both.b.consistency.at(-1)?.consistency).toBe('clone');
  });
});
