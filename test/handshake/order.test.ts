/** Repeats, order and time: what a network does to a handshake without meaning harm. */
import { describe, expect, it } from 'vitest';
import { SimsError } from '../../src/errors.ts';
import type { SendOutput } from '../../src/handshake/states.ts';
import * as parties from './parties.ts';

const { NOW, pair, run, until } = parties;

function timer(party: parties.Party, afterMs: number): readonly { readonly type: string }[] {
  return party.step({ type: 'timer', nowMs: NOW + afterMs });
}

describe('the same bytes again', () => {
  it('get the same answer until the next phase', () => {
    const { own, peer, last: first } = until(1);
    const [second] = peer.message(first);
    expect(peer.message(first)).toEqual([second]);
    const [third] = own.message(second!);
    expect(own.message(second!)).toEqual([third]);
    const [fourth] = peer.message(third!);
    expect(peer.message(third!)).toEqual([fourth]);
    expect(own.message(fourth!)).toEqual([]);
    expect([own.state.at, peer.state.at]).toEqual(['confirmed', 'established']);
  });

  it('get none when they are late, and harm nothing', () => {
    const both = pair('conversation', [parties.QUICK]);
    const [first, second, third, fourth] = run(both);
    expect(both.peer.message(third!)).toEqual([fourth]);
    for (const late of [first!, second!, fourth!]) {
      expect(both.peer.message(late)).toEqual([]);
      expect(both.own.message(late)).toEqual([]);
    }
    expect(both.own.message({ type: 'send', phase: 3, body: Uint8Array.of(1) })).toEqual([]);
    expect([both.own.state.at, both.peer.state.at]).toEqual(['confirmed', 'established']);
  });

  it('are ignored while the host is busy', () => {
    const { own, peer, last: first } = until(1);
    for (const party of [own, peer]) party.answer = () => undefined;
    const deliver = (party: parties.Party, { phase, body }: SendOutput): readonly unknown[] =>
      party.step({ type: 'message', phase, body });
    const goOn = (party: parties.Party): void => {
      const answer = Object.getPrototypeOf(party) as parties.Party;
      const output = party.outputs.findLast(({ type }) => type !== 'timer' && type !== 'send');
      const input = answer.answer.call(party, output!);
      if (input === undefined || input instanceof Promise) throw new Error(`${output!.type} has no answer`);
      party.step(input);
    };
    deliver(peer, first);
    for (const at of ['deciding', 'generating', 'signing']) {
      expect(peer.state.at).toBe(at);
      expect(deliver(peer, first)).toEqual([]);
      goOn(peer);
    }
    const second = peer.output('send');
    deliver(own, second);
    for (const at of ['verifying', 'encapsulating', 'signing']) {
      expect(own.state.at).toBe(at);
      expect(deliver(own, second)).toEqual([]);
      goOn(own);
    }
    const third = own.output('send');
    deliver(peer, third);
    for (const at of ['decapsulating', 'verifying', 'authenticated']) {
      expect(peer.state.at).toBe(at);
      expect(deliver(peer, third)).toEqual([]);
      // A late repeat of the phase before, too.
      expect(deliver(peer, first)).toEqual([]);
      goOn(peer);
    }
    deliver(own, peer.output('send'));
    expect([own.state.at, peer.state.at]).toEqual(['confirmed', 'established']);
  });
});

describe('anything else out of turn ends the handshake', () => {
  const some = Uint8Array.of(0xa0);
  it.each([
    ['initiator', 1, [1, 3, 4]],
    ['responder', 2, [1, 2, 3, 4].filter((phase) => phase !== 3)],
    ['initiator', 3, [1, 2, 3]],
  ] as const)('at the %s after phase %i', (name, sent, phases) => {
    for (const phase of phases) {
      const both = until(sent);
      const party = name === 'initiator' ? both.own : both.peer;
      party.feed({ type: 'message', phase: phase as 1, body: some });
      expect(party.error).toMatchObject({ code: 'handshake/unexpected-message', fault: 'peer' });
      expect(parties.bytesWithin(party.state)).toEqual([]);
    }
  });

  it('at an idle responder', () => {
    for (const phase of [2, 3, 4] as const) {
      const { peer } = pair('hop');
      peer.feed({ type: 'message', phase, body: some });
      expect(peer.error?.code).toBe('handshake/unexpected-message');
    }
  });

  it('while the host is busy', () => {
    for (const phase of [1, 2, 3] as const) {
      const { own, peer, last } = until(phase);
      const party = phase === 2 ? own : peer;
      party.answer = () => undefined;
      party.feed({ type: 'message', phase, body: last.body });
      party.feed({ type: 'message', phase, body: some });
      expect(party.error?.code).toBe('handshake/unexpected-message');
    }
  });
});

describe('memory that the transport uses again', () => {
  it('is not what a machine goes on with, nor what it knows repeats by', () => {
    const { own, peer } = pair('conversation', [parties.QUICK]);
    const bodies: SendOutput[] = own.feed(own.start);
    for (const receiver of [peer, own, peer, own]) {
      const { phase, body } = bodies.at(-1)!;
      const buffer = body.slice();
      const answer = receiver.answer.bind(receiver);
      receiver.answer = (output) => {
        // Before the host has answered anything.
        buffer.fill(0xee);
        return answer(output);
      };
      bodies.push(...receiver.feed({ type: 'message', phase, body: buffer }));
      receiver.answer = answer;
      buffer.fill(0xee);
      const again = receiver.message({ type: 'send', phase, body });
      expect(again).toEqual(phase === 4 ? [] : bodies.slice(-1));
    }
    expect([own.state.at, peer.state.at]).toEqual(['confirmed', 'established']);
    expect(own.established.secrets.initiator).toEqual(peer.established.secrets.initiator);
  });
});

describe('time', () => {
  it('brings phase 1 again after 2, 4, 8 s …, the same bytes, until the deadline', () => {
    const { own, last } = until(1);
    const sent: number[] = [];
    for (let afterMs = 0; afterMs < 60_000; afterMs += 500) {
      for (const output of timer(own, afterMs)) {
        if (output.type === 'send') {
          sent.push(afterMs);
          expect(output).toEqual(last);
        } else expect((output as unknown as { atMs: number }).atMs).toBeGreaterThan(NOW + afterMs);
      }
    }
    expect(sent).toEqual([2_000, 6_000, 14_000, 30_000]);
    timer(own, 60_000);
    expect(own.error).toMatchObject({ code: 'handshake/timeout', action: 'retry' });
    expect(parties.bytesWithin(own.state)).toEqual([]);
  });

  it('brings phase 3 again until phase 4 comes', () => {
    const { own, peer, last } = until(3);
    expect(timer(own, 1_999).map(({ type }) => type)).toEqual(['timer']);
    expect(timer(own, 2_000)).toEqual([last, { type: 'timer', atMs: NOW + 6_000 }]);
    const [fourth] = peer.message(last);
    own.message(fourth!);
    expect(own.state.at).toBe('confirmed');
    expect(timer(own, 100_000)).toEqual([]);
    expect(timer(peer, 100_000)).toEqual([]);
  });

  it('recovers from the loss of each message once', () => {
    for (const lost of [1, 2, 3, 4]) {
      const { own, peer } = pair('conversation', [parties.QUICK]);
      let dropped = false;
      const keep = (messages: SendOutput[]): SendOutput[] =>
        messages.filter(({ phase }) => {
          const drop = phase === lost && !dropped;
          dropped ||= drop;
          return !drop;
        });
      let toPeer = keep(own.feed(own.start));
      for (let afterMs = 0; afterMs < 20_000 && own.at !== 'confirmed'; afterMs += 1_000) {
        const toOwn = keep(toPeer.flatMap((message) => peer.message(message)));
        toPeer = keep(toOwn.flatMap((message) => own.message(message)));
        if (own.at !== 'confirmed') toPeer.push(...keep(own.feed({ type: 'timer', nowMs: NOW + afterMs })));
      }
      expect([lost, own.state.at, peer.state.at]).toEqual([lost, 'confirmed', 'established']);
      expect(own.outputs.filter(({ type }) => type === 'established')).toHaveLength(1);
    }
  });

  it.each([
    ['hop', 'initiator', 10_000],
    ['hop', 'responder', 10_000],
    ['conversation', 'initiator', 60_000],
    ['conversation', 'responder', 30_000],
  ] as const)('on a %s ends the %s after %i ms, wherever it is', (plane, name, limitMs) => {
    const both = pair(plane, [parties.QUICK]);
    const party = name === 'initiator' ? both.own : both.peer;
    const states = new Map<string, unknown>();
    const step = party.step.bind(party);
    party.step = (input) => {
      const outputs = step(input);
      states.set(party.state.at, parties.copyOf(party.state));
      return outputs;
    };
    run(both);
    let seen = 0;
    for (const [at, state] of states) {
      if (['deciding', 'confirmed', 'established'].includes(at)) continue;
      seen += 1;
      for (const [afterMs, end] of [
        [limitMs - 1, at],
        [limitMs, 'failed'],
      ] as const) {
        const other = name === 'initiator' ? pair(plane).own : pair(plane).peer;
        other.state = parties.copyOf(state) as parties.Party['state'];
        timer(other, afterMs);
        expect(other.state.at).toBe(end);
      }
    }
    expect(seen).toBeGreaterThan(3);
  });

  it('may be limited by the host, and is not taken from nowhere', () => {
    const { own } = pair('hop', [parties.QUICK]);
    own.feed({ ...own.start, timeoutMs: 500 });
    timer(own, 500);
    expect(own.error?.code).toBe('handshake/timeout');
    for (const bad of [{ nowMs: Number.NaN }, { timeoutMs: 0 }, { timeoutMs: Number.NaN }]) {
      const fresh = pair('hop', [parties.QUICK]).own;
      expect(() => fresh.feed({ ...fresh.start, ...bad })).toThrow(
        expect.objectContaining({ code: 'handshake/invalid-argument' }),
      );
      expect(fresh.state.at).toBe('idle');
    }
    const { own: waiting } = until(1);
    expect(() => waiting.step({ type: 'timer', nowMs: Number.NaN })).toThrow(
      expect.objectContaining({ code: 'handshake/invalid-argument' }),
    );
    expect(waiting.state.at).toBe('awaiting-phase-2');
  });
});

describe('the host', () => {
  it('may give up for a reason of its own', () => {
    const { own } = until(1);
    const error = new SimsError('handshake/host-failed', 'the card was taken out');
    own.step({ type: 'abort', error });
    expect(own.error).toBe(error);
  });

  it('may reject before and after it knows who asks', () => {
    const { peer, last } = until(1);
    peer.consent = () => ({ type: 'reject', code: 'busy' });
    expect(peer.message(last)).toEqual([]);
    expect(peer.error).toMatchObject({
      code: 'handshake/rejected',
      message: expect.stringContaining('busy') as string,
    });
    const later = until(3);
    later.peer.finish = () => ({ type: 'reject', code: 'not-authorised' });
    expect(later.peer.message(later.last)).toEqual([]);
    expect(later.peer.error?.code).toBe('handshake/rejected');
    expect(parties.bytesWithin(later.peer.state)).toEqual([]);
  });

  it('fails a handshake, and never throws, when an answer cannot be had', () => {
    const failing = [
      {
        sign: () => {
          throw new SimsError('card/removed', 'gone');
        },
        code: 'card/removed',
      },
      {
        sign: () => {
          throw new TypeError('a defect');
        },
        code: 'handshake/host-failed',
      },
      {
        verifyCredential: () => {
          throw new TypeError('a defect');
        },
        code: 'handshake/host-failed',
      },
      {
        random: () => {
          throw new Error('no randomness');
        },
        code: 'handshake/host-failed',
      },
    ];
    for (const { code, ...host } of failing) {
      const both = until(2);
      Object.assign(both.own.host, host);
      both.own.message(both.last);
      expect(both.own.error?.code).toBe(code);
      expect(parties.bytesWithin(both.own.state)).toEqual([]);
    }
  });

  it('may answer later', async () => {
    const both = until(2);
    const { sign } = both.own.host;
    Object.assign(both.own.host, { sign: async (request: Parameters<typeof sign>[0]) => sign(request) });
    const sent = await both.own.feedLater({ type: 'message', phase: 2, body: both.last.body });
    expect(sent.map(({ phase }) => phase)).toEqual([3]);
    const rejecting = until(2);
    Object.assign(rejecting.own.host, { sign: async () => Promise.reject(new SimsError('card/cancelled', 'no')) });
    await rejecting.own.feedLater({ type: 'message', phase: 2, body: rejecting.last.body });
    expect(rejecting.own.error?.code).toBe('card/cancelled');
  });
});
