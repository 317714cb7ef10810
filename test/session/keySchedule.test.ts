/** Keys, bindings and hashes of sections 5 and 7, computed again from the text with node:crypto alone. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concat, uint32, utf8 } from '../../src/bytes.ts';
import * as suites from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { addressBytes, messageIdBytes, messageIdFromBytes } from '../../src/messages/address.ts';
import { associatedData, conversationBinding, hopBinding } from '../../src/session/binding.ts';
import { firstHash, nextHash } from '../../src/session/history.ts';
import { deriveEpoch, stepChain } from '../../src/session/ratchet.ts';
import { decodeSaData, encodeSaData } from '../../src/session/saData.ts';
import { pair, text, type Pair } from './pair.ts';

const byHand = (suite: Suite): Suite => ({
  ...suite,
  rekey: { records: 1e9, bytes: 1e12, milliseconds: 1e12, onTurn: false },
});
const X25519 = byHand(suites.X25519_WITH_CHACHA20_POLY1305_SHA256);
const lp = (...parts: readonly (string | Uint8Array)[]): Uint8Array =>
  concat(
    ...parts
      .map((part) => (typeof part === 'string' ? utf8(part) : part))
      .flatMap((part) => [uint32(part.length), part]),
  );
const hash = (name: string, bytes: Uint8Array): Uint8Array => Uint8Array.from(createHash(name).update(bytes).digest());
const hmac = (name: string, key: Uint8Array, bytes: Uint8Array): Uint8Array =>
  Uint8Array.from(createHmac(name, key).update(bytes).digest());
/** HKDF-Expand of at most one block (RFC 5869 §2.3). */
const expandOnce = (name: string, key: Uint8Array, info: Uint8Array): Uint8Array =>
  hmac(name, key, concat(info, Uint8Array.of(1))).subarray(0, 32);
const u64 = (value: number): Uint8Array => concat(uint32(0), uint32(value));
const ID = new Uint8Array(8).fill(9);
const plain = (bytes: Uint8Array): number[] => [...bytes];

function begun(suite: Suite = X25519): Pair {
  const both = pair(suite);
  both.a.send(text(0));
  both.b.send(text(0));
  both.settle();
  return both;
}

describe.each(suites.allSuites.map((suite) => [suite.name, byHand(suite)] as const))(
  'the keys of %s',
  (_name, suite) => {
    const hashName = suite.hash.toLowerCase().replace('-', '');

    it('of an epoch are three expansions of its secret, which is erased', () => {
      const x = new Uint8Array(48).fill(3);
      const bound = new Uint8Array(64).fill(8);
      const epoch = deriveEpoch(suite, Uint8Array.from(x), ID, 1, 5, bound);
      const keyOf = (label: string): Uint8Array =>
        expandOnce(hashName, x, lp(label, ID, Uint8Array.of(1), uint32(5), bound));
      expect(plain(epoch.root)).toEqual(plain(keyOf('SIMS 1 root')));
      expect(plain(epoch.announcementKey)).toEqual(plain(keyOf('SIMS 1 announcement key')));
      expect(plain(epoch.chainKey)).toEqual(plain(keyOf('SIMS 1 chain')));
      const given = Uint8Array.from(x);
      deriveEpoch(suite, given, ID, 1, 5, bound);
      expect(given.every((byte) => byte === 0)).toBe(true);
    });

    it('of a record are one block of SHA-512', () => {
      const chainKey = new Uint8Array(32).fill(6);
      const input = concat(uint32(1), chainKey, utf8('SIMS 1 record'), ID, Uint8Array.of(1), uint32(3), u64(70_000));
      expect(input.length).toBeLessThan(112);
      expect(plain(stepChain(suite, chainKey, ID, 1, 3, 70_000))).toEqual(plain(hash('sha512', input)));
    });

    it('of a rekey come from the old root and the KEM secret, under the salt and the announcement’s hash', () => {
      const both = begun(suite);
      const { root, announcementKey, next } = both.a.state.send.current;
      const oldRoot = Uint8Array.from(root);
      const peerKey = both.b.state.send.ratchetKeys.at(-1);
      both.a.step({ type: 'rekey' });
      const record = both.a.send(text(1));
      const { announcement } = decodeSaData(record.saData!, suite.cipher.nonceLength);
      const kem = suite.ratchetKem;
      const saltAt = kem === undefined ? 1 : 2;
      const salt = announcement.subarray(saltAt, saltAt + 16);
      const ciphertext = announcement.subarray(saltAt + 16, -32);
      expect(plain(announcement.subarray(0, saltAt))).toEqual(kem === undefined ? [next] : [0, next]);
      const fields = announcement.subarray(0, -32);
      const authenticated = lp('SIMS 1 announcement', both.a.state.conversationId, Uint8Array.of(0), uint32(1), fields);
      const mac = hmac(hashName, announcementKey, authenticated).subarray(0, 32);
      expect(plain(announcement.subarray(-32))).toEqual(plain(mac));
      const secret =
        kem === undefined
          ? new Uint8Array(0)
          : hash(
              'sha512',
              lp(
                'SIMS KEM',
                suite.name,
                kem.decapsulate(peerKey!.pair, ciphertext)!,
                ciphertext,
                peerKey!.pair.encapsulationKey,
              ),
            ).subarray(0, 32);
      const x = pbkdf2Sync(
        concat(oldRoot, secret),
        salt,
        suite.rekeyIterations,
        suite.hash === 'SHA-384' ? 48 : 32,
        hashName,
      );
      const bound = hash('sha256', concat(authenticated, mac));
      const expected = expandOnce(
        hashName,
        x,
        lp('SIMS 1 root', both.a.state.conversationId, Uint8Array.of(0), uint32(1), bound),
      );
      expect(plain(both.a.state.send.current.root)).toEqual(plain(expected));
      expect(suite.rekeyIterations).toBe(suite.cipher.name === 'Fernet' ? 1_000 : 1);
      if (suite.cipher.name === 'Fernet') expect(String.fromCharCode(...salt)).toMatch(/^\d{16}$/);
      both.settle();
      expect(plain(both.b.state.receive.epochs.at(-1)!.root)).toEqual(plain(expected));
    });
  },
);

describe('what a record is bound to', () => {
  it('is plane, conversation, direction, both ends, the sender’s label and the participants, then type, id and sa-data', () => {
    const { own, peer } = pair(X25519).a.state;
    const [sender, receiver] = [
      { ...own, label: 'strong' },
      { ...peer, label: 'weak' },
    ];
    const participants = (first: typeof own, second: typeof own): Uint8Array =>
      hash(
        'sha256',
        lp(
          'SIMS 1 participants',
          ...[first, second].flatMap((one) => [addressBytes(one.address), one.fingerprint, one.label]),
        ),
      );
    const expected = (direction: number, from: typeof own, to: typeof own): Uint8Array =>
      hash(
        'sha256',
        lp(
          'SIMS 1 associated data',
          'conversation',
          ID,
          Uint8Array.of(direction),
          addressBytes(from.address),
          addressBytes(to.address),
          from.label,
          participants(sender, receiver),
        ),
      );
    expect(conversationBinding(X25519, ID, 0, sender, receiver)).toEqual(expected(0, sender, receiver));
    expect(conversationBinding(X25519, ID, 1, receiver, sender)).toEqual(expected(1, receiver, sender));
    const id = messageIdBytes(messageIdFromBytes(new Uint8Array(8).fill(2)));
    const binding = new Uint8Array(32).fill(1);
    expect(associatedData(binding, 'client-com', id, Uint8Array.of(5))).toEqual(
      concat(binding, Uint8Array.of(7), id, Uint8Array.of(5)),
    );
  });

  it('on a hop is the client and then the relay', () => {
    const relay = new Uint8Array(32).fill(5);
    const { own } = pair(X25519).a.state;
    const address = addressBytes(own.address);
    const participants = hash('sha256', lp('SIMS 1 participants', address, own.fingerprint, '', relay, relay, ''));
    const expected = (direction: number, ...ends: Uint8Array[]): Uint8Array =>
      hash('sha256', lp('SIMS 1 associated data', 'hop', ID, Uint8Array.of(direction), ...ends, '', participants));
    expect(hopBinding(X25519, ID, 0, own, relay)).toEqual(expected(0, address, relay));
    expect(hopBinding(X25519, ID, 1, own, relay)).toEqual(expected(1, relay, address));
  });
});

describe('the history', () => {
  it('is a chain of SHA-256 from the transcript, over number, associated data and sealed bytes', () => {
    const tr4 = new Uint8Array(64).fill(8);
    const first = hash('sha256', lp('SIMS 1 history', tr4, Uint8Array.of(1))).subarray(0, 16);
    expect(firstHash(X25519, tr4, 1)).toEqual(first);
    const [bound, sealed] = [new Uint8Array(50).fill(1), new Uint8Array(70).fill(2)];
    const input = concat(utf8('SIMS 1 message'), first, u64(3), uint32(50), bound, sealed);
    expect(nextHash(X25519, first, 3, bound, sealed)).toEqual(hash('sha256', input).subarray(0, 16));
  });
});

describe('a rekey', () => {
  it('erases the older ratchet key once the peer has acknowledged a message that carried the newer', () => {
    const both = begun();
    both.a.step({ type: 'rekey' });
    both.a.send(text(1));
    expect(both.a.state.send.ratchetKeys.map((key) => key.number)).toEqual([0, 1]);
    both.settle();
    expect(both.a.state.send.ratchetKeys.map((key) => key.number)).toEqual([1]);
  });

  it('erases the older ratchet key once the peer has used the newer, though nothing was acknowledged', () => {
    const both = begun();
    both.a.step({ type: 'rekey' });
    const record = both.a.send(text(1));
    both.a.take();
    both.b.receive(record);
    both.b.step({ type: 'rekey' });
    const answer = both.b.send(text(1));
    // The announcement is authentic, the record was altered: no `seen` is read.
    both.a.receive({ ...answer, data: new Uint8Array(answer.data!.length) } as typeof answer);
    expect(both.a.state.outbox).toHaveLength(1);
    expect(both.a.state.send.ratchetKeys.map((key) => key.number)).toEqual([1]);
    expect(both.a.state.send.acknowledged).toBe(true);
  });

  it('waits until the peer has the last one, and until nothing of an older epoch is outstanding', () => {
    const both = begun();
    both.a.send(text(1));
    const [first] = both.a.take();
    const epochs: number[] = [];
    for (let index = 2; index < 5; index += 1) {
      both.a.step({ type: 'rekey' });
      both.a.send(text(index));
      epochs.push(both.a.state.send.current.epoch);
    }
    expect(epochs).toEqual([1, 1, 1]);
    // The peer acknowledges the announcement, but message 1 of epoch 0 is still missing.
    for (const record of both.a.take()) both.b.receive(record);
    both.wait(30);
    both.b.wake();
    for (const record of both.b.take()) both.a.receive(record);
    expect(both.a.state.send.acknowledged).toBe(true);
    expect(both.a.state.outbox).toHaveLength(1);
    both.a.send(text(5));
    expect(both.a.state.send.current.epoch).toBe(1);
    both.b.receive(first!);
    both.settle();
    both.a.send(text(6));
    expect(both.a.state.send.current.epoch).toBe(2);
  });

  it('closes the epoch before it with its announced length, and every conversation is its own', () => {
    const both = begun();
    both.a.step({ type: 'rekey' });
    both.a.send(text(1));
    both.settle();
    const [closed] = both.b.state.receive.epochs;
    const record = (conversationId: Uint8Array, number: number) => {
      const fields = { conversationId, epoch: 0, number, nonce: new Uint8Array(6), announcement: new Uint8Array(0) };
      const id = messageIdFromBytes(new Uint8Array(8));
      return { type: 'client-com', id, saData: encodeSaData(fields), data: new Uint8Array(64) } as const;
    };
    both.b.receive(record(both.b.state.conversationId, closed!.length!));
    both.b.receive(record(new Uint8Array(8), 1));
    expect(both.b.dropped).toEqual(['session/not-awaited', 'session/malformed-record']);
  });
});
