import { describe, expect, it } from 'vitest';
import { allSuites } from '../../src/crypto/suites.ts';
import { decodeSaData } from '../../src/session/saData.ts';
import { pair, text, type End } from './pair.ts';

/** Epoch and number of the ACKs that an end puts out. */
function acksOf(end: End, nonceLength: number): readonly { epoch: number; number: number; announces: boolean }[] {
  return end.take().flatMap((record) => {
    if (record.type !== 'ack') return [];
    const { epoch, number, announcement } = decodeSaData(record.saData!, nonceLength);
    return [{ epoch, number, announces: announcement.length > 0 }];
  });
}

describe.each(allSuites.map((suite) => [suite.name, suite] as const))('%s', (_name, suite) => {
  it('goes on when the ACK that announces an epoch is lost, and the other side has nothing more to send', () => {
    const ends = pair(suite);
    const { a, b } = ends;
    // B only acknowledges; an answer now and then tells A that B has its keys, so that B may begin epochs.
    b.send(text(0));
    ends.settle();
    b.step({ type: 'rekey' });
    a.send(text(1));
    b.receive(a.take()[0]!);
    ends.wait(20);
    b.wake();
    // The ACK that begins the epoch is lost, and the next one is of a record without an announcement.
    expect(acksOf(b, suite.cipher.nonceLength)).toEqual([{ epoch: 1, number: 0, announces: true }]);
    a.send(text(2));
    b.receive(a.take()[0]!);
    ends.wait(20);
    b.wake();
    b.take();
    expect(a.state.outbox.length).toBe(2);
    // A repeats what it has; B has nothing new to say, but what it says must open.
    ends.run(10_000);
    expect(a.state.outbox.length).toBe(0);
    expect(a.state.receive.epochs.at(-1)!.epoch).toBe(1);
  });
});
