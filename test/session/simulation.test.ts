import { describe, expect, it } from 'vitest';
import * as portable from '../../src/crypto/suites.ts';
import type { Suite } from '../../src/crypto/suite.ts';
import { NO_FAULTS, Simulation, type SimulationFaults } from './simulator.ts';

const ALL_FAULTS: SimulationFaults = { drop: 0.2, repeat: 0.2, delayMs: 3_000, crash: 0.04, expire: 0.15, flip: 0.05 };
const STEPS = Number(process.env.SIMS_SIMULATION_STEPS ?? 120);
const often = (suite: Suite): Suite => ({ ...suite, rekey: { ...suite.rekey, records: 4, onTurn: false } });

function simulate(suite: Suite, seed: number, faults: SimulationFaults, steps = STEPS): Simulation {
  const simulation = new Simulation(suite, seed, faults);
  simulation.run(steps);
  simulation.settle();
  return simulation;
}

describe('two ends over a wire that', () => {
  const cases: readonly (readonly [string, SimulationFaults])[] = [
    ['does nothing wrong', NO_FAULTS],
    ['drops', { ...NO_FAULTS, drop: 0.4 }],
    ['repeats', { ...NO_FAULTS, repeat: 0.6 }],
    ['delays and reorders', { ...NO_FAULTS, delayMs: 5_000 }],
    ['alters', { ...NO_FAULTS, flip: 0.3 }],
    ['stands while both crash', { ...NO_FAULTS, crash: 0.2 }],
    ['is slower than messages live', { ...NO_FAULTS, delayMs: 9_000, drop: 0.3, expire: 0.5 }],
    ['does everything at once', ALL_FAULTS],
  ];
  it.each(cases)('%s show each message once, in order, and agree at last', (_name, faults) => {
    for (const seed of [1, 2]) {
      const { a, b } = simulate(often(portable.X25519_WITH_CHACHA20_POLY1305_SHA256), seed, faults);
      expect(a.read.size + b.read.size).toBeGreaterThan(STEPS / 8);
      if (faults === NO_FAULTS) expect(a.state.send.current.epoch).toBeGreaterThan(3);
    }
  });

  it('does everything at once agree with a rekey at each turn', () => {
    expect(() => simulate(portable.X25519_WITH_CHACHA20_POLY1305_SHA256, 3, ALL_FAULTS)).not.toThrow();
  });

  it('does everything at once agree in the suite without a ratchet KEM', () => {
    const suite = often(portable.RSA_WITH_AES_128_CBC_SHA256);
    for (const seed of [4, 5, 6]) expect(() => simulate(suite, seed, ALL_FAULTS)).not.toThrow();
  });

  it.each(portable.allSuites.map((suite) => [suite.name, suite] as const))(
    'does everything at once agree in %s',
    (_name, suite) => {
      expect(() => simulate(suite, 7, ALL_FAULTS, 30)).not.toThrow();
    },
  );
});
