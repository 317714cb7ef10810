/** The hostile relay as a scheduler; longer runs: `npm run simulate -- --steps 1000000 --seed 1`. */
import { describe, expect, it } from 'vitest';
import { simulate } from './run.ts';

const STEPS = Number(process.env.SIMS_SIMULATION_STEPS ?? 20_000);
const SEED = Number(process.env.SIMS_SIMULATION_SEED ?? 1);

/** What has to have happened for a run to mean anything. */
const HAPPENED = [
  'bundle forged',
  'bundle given again',
  'bundle swapped',
  'bundle withheld',
  'cloned',
  'conversations that agree at the end',
  'crashes after the commit',
  'crashes before the commit',
  'crashes between two outputs',
  'delivered out of order',
  'dropped',
  'events: fork',
  'events: rollback',
  'handshakes confirmed',
  'hops open',
  'hops refused',
  'injected',
  'messages delivered',
  'misrouted',
  'mutated',
  'offer downgraded',
  'other credential',
  'other label',
  'posed as initiator',
  'posed as responder',
  'rekeyed by hand',
  'replayed from the tape',
  'restored',
  'spliced between conversations',
  'spliced between planes',
  'starts answered',
  'views forked',
];

describe('a relay that does whatever it likes', () => {
  it(`breaks no invariant in ${STEPS} steps from seed ${SEED}`, () => {
    const { counters } = simulate(STEPS, SEED);
    if (STEPS < 20_000) return;
    for (const what of HAPPENED) expect(counters.get(what) ?? 0, what).toBeGreaterThan(0);
    expect(counters.get('messages shown')).toBeGreaterThan(STEPS / 50);
  }, 240_000);

  it('does the same again from the same seed', () => {
    const [once, again] = [simulate(1_000, 7), simulate(1_000, 7)];
    expect([...again.counters]).toEqual([...once.counters]);
  });
});
