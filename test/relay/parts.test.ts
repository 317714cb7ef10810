import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limitsFrom, MemoryMailbox } from '../../src/relay/index.ts';
import { addressFromBytes } from '../../src/messages/address.ts';
import { Timers } from '../../src/relay/timers.ts';
import { TokenBucket } from '../../src/relay/tokenBucket.ts';
import { messageId } from './world.ts';

const ALICE = addressFromBytes(new Uint8Array(28).fill(1));

const fail = (error: unknown): never => {
  throw error;
};

describe('timers', () => {
  it('run in the order of their times, once, unless they were cancelled', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.boolean()), { maxLength: 300 }), (entries) => {
        let wakeAt: number | undefined;
        const timers = new Timers((atMs) => {
          wakeAt = atMs;
        });
        const ran: number[] = [];
        const cancels = entries.map(([atMs]) => timers.set(atMs, () => ran.push(atMs)));
        for (const [index, [, isCancelled]] of entries.entries()) if (isCancelled) cancels[index]!();
        const expected = entries.filter(([, isCancelled]) => !isCancelled).map(([atMs]) => atMs);
        expect(timers.size).toBe(expected.length);
        while (wakeAt !== undefined) {
          const now = wakeAt;
          wakeAt = undefined;
          timers.run(now, fail);
        }
        expect(ran).toEqual(expected.sort((left, right) => left - right));
        expect(timers.size).toBe(0);
        for (const cancel of cancels) cancel();
        expect(timers.size).toBe(0);
      }),
    );
  });

  it('that fail do not keep the others from running', () => {
    const timers = new Timers(() => {});
    const ran: string[] = [];
    timers.set(1, () => {
      throw new Error('a fault');
    });
    timers.set(2, () => ran.push('second'));
    const errors: unknown[] = [];
    timers.run(5, (error) => errors.push(error));
    expect(errors).toHaveLength(1);
    expect(ran).toEqual(['second']);
  });
});

describe('a token bucket', () => {
  it('lets no more through than its burst and its rate, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { minLength: 1, maxLength: 100 }), (pauses) => {
        const bucket = new TokenBucket(10, 20, 0);
        let now = 0;
        let taken = 0;
        for (const pause of pauses) {
          now += pause + bucket.take(1, now);
          taken += 1;
          expect(taken).toBeLessThanOrEqual(20 + now / 100 + 1);
        }
      }),
    );
  });

  it('survives a clock that goes back', () => {
    const bucket = new TokenBucket(10, 1, 1_000);
    expect(bucket.take(1, 1_000)).toBe(0);
    expect(bucket.take(1, 500)).toBeGreaterThan(0);
    expect(bucket.take(0, 1_200)).toBe(0);
  });
});

describe('timers that are due at one time', () => {
  it('run in the order in which they were set, whatever else is set', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.boolean()), { maxLength: 60 }), (settings) => {
        const orders = [true, false].map((isAlone) => {
          const timers = new Timers(() => {});
          const ran: number[] = [];
          for (const [index, [atMs, isOurs]] of settings.entries()) {
            if (isOurs) timers.set(atMs, () => ran.push(index));
            else if (!isAlone) timers.set(atMs, () => {});
          }
          timers.run(10, () => {});
          return ran;
        });
        expect(orders[1]).toEqual(orders[0]);
        const inOrder = [...settings.entries()]
          .filter(([, [, isOurs]]) => isOurs)
          .sort((one, two) => one[1][0] - two[1][0]);
        expect(orders[0]).toEqual(inOrder.map(([index]) => index));
      }),
    );
  });
});

describe('the mailbox in memory', () => {
  const limits = limitsFrom({ mailboxMessages: 3, mailboxBytes: 5_000, totalMailboxBytes: 6_000, mailboxAgeMs: 1_000 });
  const entry = (key: string, length = 10, id: string | undefined = key) => ({
    key,
    src: ALICE,
    srcLabel: 'low',
    ...(id === undefined ? {} : { id: messageId(id) }),
    bytes: new Uint8Array(length).fill(1),
  });

  it('keeps messages in order until they are acknowledged', () => {
    const mailbox = new MemoryMailbox(limits);
    for (const key of ['a', 'b', 'c']) expect(mailbox.append('bob', entry(key), 0)).toBe('stored');
    expect(mailbox.append('bob', entry('b'), 0)).toBe('repeat');
    expect(mailbox.append('bob', entry('d'), 0)).toBe('full');
    expect(mailbox.read('bob', 0, 2, 0).map(({ key }) => key)).toEqual(['a', 'b']);
    expect(mailbox.ack('bob', 'a')).toBe(true);
    expect(mailbox.ack('bob', 'a')).toBe(false);
    expect(mailbox.ack('carol', 'b')).toBe(false);
    expect(mailbox.append('bob', entry('d'), 0)).toBe('stored');
    expect(mailbox.read('bob', 0, 9, 0).map(({ key }) => key)).toEqual(['b', 'c', 'd']);
    expect(mailbox.quota('bob')).toEqual({ messages: 3, bytes: 3 * 267, maxMessages: 3, maxBytes: 5_000 });
  });

  it('holds no more bytes than one owner, and all of a label, may have, and labels do not feel each other', () => {
    const mailbox = new MemoryMailbox(limits);
    const [bob, carol, dave] = ['bob|low', 'carol|low', 'dave|high'] as const;
    expect(mailbox.append(bob, entry('a', 4_000), 0)).toBe('stored');
    expect(mailbox.append(bob, entry('b', 1_000), 0)).toBe('full');
    expect(mailbox.append(carol, entry('a', 2_000), 0)).toBe('full');
    expect(mailbox.append(dave, entry('a', 4_000), 0)).toBe('stored');
    expect(mailbox.append(carol, entry('a', 1_000), 0)).toBe('stored');
    expect(mailbox.bytes).toBe(5_514 + 4_257);
    for (const owner of [bob, carol, dave]) mailbox.ack(owner, 'a');
    expect(mailbox.bytes).toBe(0);
    expect(mailbox.quota(bob).messages).toBe(0);
  });

  it('drops what is too old, when it is looked at or swept', () => {
    const mailbox = new MemoryMailbox(limits);
    mailbox.append('bob', entry('a'), 0);
    mailbox.append('bob', entry('b'), 500);
    expect(mailbox.read('bob', 0, 9, 1_000).map(({ key }) => key)).toEqual(['b']);
    expect(mailbox.sweep(1_500).map(({ key }) => key)).toEqual(['a', 'b']);
    expect(mailbox.bytes).toBe(0);
  });

  it('copies what it keeps', () => {
    const mailbox = new MemoryMailbox(limits);
    const bytes = new Uint8Array(4).fill(1);
    mailbox.append('bob', { ...entry('a'), bytes }, 0);
    bytes.fill(0);
    expect([...mailbox.read('bob', 0, 1, 0)[0]!.bytes]).toEqual([1, 1, 1, 1]);
  });
});
