/**
 * Non-interference on the real relay: what sessions see depends only on what sessions do that their label dominates.
 * `SIMS_LATTICES` sets on how many lattices this is tried, `SIMS_SEED` where their seeds begin.
 */
import { describe, expect, it } from 'vitest';
import { RUNS_OF_A_LATTICE, runsOf } from './interference.ts';

const LATTICES = Number(process.env['SIMS_LATTICES'] ?? 400);
const FIRST_SEED = Number(process.env['SIMS_SEED'] ?? 1);
/** With few lattices not everything happens. */
const ENOUGH = 200;

describe('what higher sessions do', () => {
  it(`shows in nothing that a lower one gets, nor when: ${LATTICES} lattices, ${RUNS_OF_A_LATTICE} runs of each`, () => {
    const seen = new Map<string, number>();
    const counted = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + LATTICES; seed += 1) {
      const runs = runsOf(seed);
      expect(runs.difference, `seed ${seed}`).toBeUndefined();
      for (const [kind, count] of runs.seen) seen.set(kind, (seen.get(kind) ?? 0) + count);
      for (const [name, count] of Object.entries(runs.counted)) counted.set(name, (counted.get(name) ?? 0) + count);
    }
    if (process.env['SIMS_SHOW'] !== undefined) console.log(seen, counted);
    if (LATTICES < ENOUGH) return;
    // Runs in which nothing happened would show nothing.
    for (const kind of SEEN) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(0);
    for (const name of COUNTED) expect(counted.get(name) ?? 0, name).toBeGreaterThan(0);
  }, 3_600_000);
});

const SEEN = [
  'client-com',
  'client-com of the mailbox',
  'client-connect',
  'client-disconnect',
  'ack',
  'list',
  'prekeys',
  'error unknown-peer',
  'error too-large',
  'error rejected',
  'error later',
  'error busy',
  'disconnect taken-over',
];
const COUNTED = [
  'denied',
  'spilled',
  'kept',
  'expired',
  'slowConsumers',
  'slowed',
  'takenOver',
  'malformed',
  'published',
  'bundlesGiven',
];
