import { describe, expect, it } from 'vitest';
import type { SimsError } from '../../src/errors.ts';
import type { AnswerHost } from '../../src/handshake/answer.ts';
import type { InitiatorInput, InitiatorOutput } from '../../src/handshake/initiator.ts';
import type { ResponderInput, ResponderOutput } from '../../src/handshake/responder.ts';
import { runInitiator, runResponder, type HandshakeRun } from '../../src/handshake/run.ts';
import * as parties from './parties.ts';

interface Runs {
  readonly own: HandshakeRun<InitiatorInput>;
  readonly peer: HandshakeRun<ResponderInput>;
  readonly start: InitiatorInput;
  readonly failures: SimsError[];
  readonly outputs: string[];
  /** Outputs that were to be delivered and were not yet. */
  readonly wire: (() => void)[];
}

/** Two runs over an array; `host` changes what the initiator's host answers. */
function runs(host: Partial<AnswerHost> = {}): Runs {
  const both = parties.pair('conversation', [parties.QUICK]);
  const failures: SimsError[] = [];
  const outputs: string[] = [];
  const wire: (() => void)[] = [];
  const failed = (error: SimsError): void => void failures.push(error);
  const own: HandshakeRun<InitiatorInput> = runInitiator(
    both.own.context,
    { ...both.own.host, ...host },
    {
      failed,
      output(output: InitiatorOutput) {
        outputs.push(output.type);
        if (output.type === 'send') wire.push(() => peer.feed({ ...output, type: 'message' }));
        return undefined;
      },
    },
  );
  const peer: HandshakeRun<ResponderInput> = runResponder(both.peer.context, both.peer.host, {
    failed,
    output(output: ResponderOutput) {
      outputs.push(output.type);
      if (output.type === 'send') wire.push(() => own.feed({ ...output, type: 'message' }));
      if (output.type === 'consent') return both.peer.consent() as ResponderInput;
      return output.type === 'authenticated' ? (both.peer.finish() as ResponderInput) : undefined;
    },
  });
  return { own, peer, start: both.own.start, failures, outputs, wire };
}

function deliver(wire: (() => void)[]): void {
  for (let next = wire.shift(); next !== undefined; next = wire.shift()) next();
}

const turn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 0));

describe('a run', () => {
  it('brings both machines to the end', () => {
    const { own, peer, start, failures, outputs, wire } = runs();
    own.feed(start);
    deliver(wire);
    expect([own.at, peer.at, failures]).toEqual(['confirmed', 'established', []]);
    expect(outputs.filter((type) => type !== 'timer' && type !== 'send')).toEqual([
      'consent',
      'established',
      'authenticated',
      'established',
      'confirmed',
    ]);
  });

  it('waits for a host that answers later', async () => {
    const { sign } = parties.pair('conversation').own.host;
    const { own, peer, start, wire } = runs({ sign: async (request) => sign(request) });
    own.feed(start);
    deliver(wire);
    expect(own.at).toBe('signing');
    await turn();
    deliver(wire);
    expect([own.at, peer.at]).toEqual(['confirmed', 'established']);
  });

  it('drops an answer that comes after the end', async () => {
    const { sign } = parties.pair('conversation').own.host;
    const { own, start, failures, wire } = runs({ sign: async (request) => sign(request) });
    own.feed(start);
    deliver(wire);
    own.feed({ type: 'abort' });
    await turn();
    expect(own.at).toBe('failed');
    expect(failures.map(({ code }) => code)).toEqual(['handshake/aborted']);
    own.feed({ type: 'timer', nowMs: 0 });
    expect(failures).toHaveLength(1);
  });

  it.each([
    ['at once', (): Uint8Array => new Uint8Array(2_000)],
    ['later', async (): Promise<Uint8Array> => new Uint8Array(2_000)],
  ])('ends, and throws at nobody, when the host answers wrongly %s', async (_when, sign) => {
    const { own, start, failures, wire } = runs({ sign });
    own.feed(start);
    expect(() => deliver(wire)).not.toThrow();
    await turn();
    expect(own.at).toBe('failed');
    expect(failures.map(({ code }) => code)).toEqual(['messages/invalid-message']);
  });

  it('throws a caller’s own mistake at the caller', () => {
    const { own, start } = runs();
    expect(() => own.feed({ ...start, offer: [] } as InitiatorInput)).toThrow(
      expect.objectContaining({ code: 'handshake/invalid-argument' }),
    );
    expect(own.at).toBe('idle');
    own.feed(start);
    expect(own.at).toBe('awaiting-phase-2');
  });
});
