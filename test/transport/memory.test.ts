import { describe, expect, it } from 'vitest';
import { memoryPair } from '../../src/transport/index.ts';
import { MessageQueue } from '../../src/transport/messageQueue.ts';

describe('memoryPair', () => {
  it('counts what waits for the other end, and lets a sender go on at half of its mark', async () => {
    const [left, right] = memoryPair({ highWaterBytes: 1_000 });
    const order: string[] = [];
    expect(left.send(new Uint8Array(436))).toBe(true);
    expect(left.send(new Uint8Array(436))).toBe(true);
    expect(left.queuedBytes).toBe(1_000);
    expect(left.send(Uint8Array.of(1))).toBe(false);
    const drained = left.drained().then(() => order.push('drained'));
    let release: (() => void) | undefined;
    right.start({
      message: (message) => {
        order.push(`message ${message.length}`);
        return message.length === 1 ? undefined : new Promise((resolve) => (release = resolve));
      },
    });
    await Promise.resolve();
    expect(order).toEqual(['message 436']);
    expect(left.queuedBytes).toBe(565);
    release?.();
    await drained;
    expect(left.queuedBytes).toBe(65);
    expect(order).toEqual(['message 436', 'message 436', 'drained']);
  });

  it('gives up an orderly end whose messages nobody takes, as timeout', async () => {
    const [left, right] = memoryPair({ closeTimeoutMs: 20 });
    left.send(Uint8Array.of(1));
    left.close();
    expect((await left.closed).kind).toBe('timeout');
    right.start({ message: () => expect.unreachable() });
    expect((await right.closed).kind).toBe('peer');
  });

  it('tells the peer of a breach', async () => {
    const [left, right] = memoryPair();
    left.start({ message: () => {} });
    right.start({ message: () => {} });
    left.send(new Uint8Array(65_537));
    expect((await right.closed).kind).toBe('too-large');
    expect(await left.closed).toMatchObject({ kind: 'rejected', error: { code: 'transport/rejected', fault: 'peer' } });
  });
});

describe('MessageQueue', () => {
  it('keeps the order, and its count, over many pushes and shifts', () => {
    const queue = new MessageQueue();
    let next = 0;
    let taken = 0;
    for (let round = 0; round < 6_000; round += 1) {
      queue.push(Uint8Array.of(next & 0xff));
      queue.push(Uint8Array.of((next + 1) & 0xff));
      next += 2;
      expect(queue.shift()?.[0]).toBe(taken & 0xff);
      taken += 1;
    }
    expect(queue.bytes).toBe((next - taken) * 65);
    for (let message = queue.shift(); message !== undefined; message = queue.shift(), taken += 1) {
      expect(message[0]).toBe(taken & 0xff);
    }
    expect([taken, queue.bytes]).toEqual([next, 0]);
  });
});
