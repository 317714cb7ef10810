/** The goals that the project set itself, beside what a run measured. */
import type { BundleSize, ImportCost } from './footprint.ts';
import { rateOf, ratioOf, type Comparison } from './harness.ts';
import type { SuiteSizes } from './sizes.ts';

/** All that a run measured. */
export interface Measured {
  readonly comparisons: readonly Comparison[];
  readonly sizes: readonly SuiteSizes[];
  readonly imports: readonly ImportCost[];
  readonly bundles: readonly BundleSize[];
}

/** One goal; `value` is missing where its group or peer did not run. */
export interface GoalResult {
  readonly goal: string;
  readonly wanted: string;
  readonly value: string;
  readonly isReached: boolean | undefined;
}

const CHACHA_FLOOR = 'floor: ratchet, ChaCha20-Poly1305';
const GCM_FLOOR = 'floor: ratchet, AES-256-GCM';

/** Every goal with its figure. */
export function goalsOf(measured: Measured): GoalResult[] {
  const ratio = (group: string, name: string, other: string): number | undefined => {
    const comparison = measured.comparisons.find((candidate) => candidate.group === group);
    return comparison && ratioOf(comparison, name, other);
  };
  const times = (goal: string, wanted: number, value: number | undefined): GoalResult => ({
    goal,
    wanted: `≥ ${wanted}×`,
    value: value === undefined ? '–' : `${value.toFixed(2)}×`,
    isReached: value === undefined ? undefined : value >= wanted,
  });
  const atMost = (goal: string, wanted: number, unit: string, value: number | undefined): GoalResult => ({
    goal,
    wanted: `≤ ${wanted} ${unit}`,
    value: value === undefined ? '–' : `${Math.round(value * 10) / 10} ${unit}`,
    isReached: value === undefined ? undefined : value <= wanted,
  });
  const size = (suite: number, key: keyof SuiteSizes): number | undefined =>
    measured.sizes.find((candidate) => candidate.suite === suite)?.[key];
  const bundle = (name: string): number | undefined => {
    const found = measured.bundles.find((candidate) => candidate.name === name);
    return found && found.gzip / 1000;
  };
  const streams = [
    ['64 B', 25, 10],
    ['1 KiB', 15, 18],
    ['16 KiB', 5, 28],
  ] as const;
  return [
    ...streams.flatMap(([length, libsignal, fernet]) => [
      times(
        `records alone, suite 3, ${length}, of libsignal`,
        libsignal,
        ratio(`stream ${length}`, 'suite 3, records alone', 'libsignal'),
      ),
      times(
        `records alone, suite 3, ${length}, of the floor`,
        0.8,
        ratio(`stream ${length}`, 'suite 3, records alone', CHACHA_FLOOR),
      ),
      times(
        `records alone, suite 2, ${length}, of the floor`,
        0.8,
        ratio(`stream ${length}`, 'suite 2, records alone', GCM_FLOOR),
      ),
      times(
        `records alone, suite 5, ${length}, of npm fernet`,
        fernet,
        ratio(`stream ${length}`, 'suite 5, records alone', 'npm fernet'),
      ),
    ]),
    times(
      'X25519 each turn, 64 B, of libsignal',
      1.4,
      ratio('ping-pong 64 B', 'suite 3, X25519 each turn', 'libsignal'),
    ),
    times('X25519 each turn, 64 B, of olm', 2.4, ratio('ping-pong 64 B', 'suite 3, X25519 each turn', 'olm')),
    times('X-Wing every 50, 64 B, of libsignal', 15, ratio('ping-pong 64 B', 'suite 1, X-Wing every 50', 'libsignal')),
    times('handshake X25519, of libsignal', 3.3, ratio('handshakes', 'suite 3', 'libsignal set-up')),
    times('handshake X25519, of node:tls', 1.2, ratio('handshakes', 'suite 3', 'node:tls X25519, mutual Ed25519')),
    times('handshake X-Wing, of libsignal', 2.5, ratio('handshakes', 'suite 1', 'libsignal set-up')),
    times(
      'handshake X-Wing, of node:tls',
      1.2,
      ratio('handshakes', 'suite 1', 'node:tls X25519MLKEM768, mutual Ed25519'),
    ),
    atMost('handshake X-Wing, both ways', 3000, 'B', size(1, 'handshakeWire')),
    times('handshake P-384, of node:tls', 1, ratio('handshakes', 'suite 4', 'node:tls P-384, mutual Ed25519')),
    times('handshake P-384, of the floor', 0.95, ratio('handshakes', 'suite 4', 'floor: P-384 + mutual Ed25519')),
    atMost('short message on the wire, suite 1', 130, 'B', size(1, 'shortMessage')),
    atMost('short message on the wire, suite 5', 220, 'B', size(5, 'shortMessage')),
    atMost('stored state, suite 3', 512, 'B', size(3, 'state')),
    atMost('stored state, suite 1', 2500, 'B', size(1, 'state')),
    atMost('memory of an endpoint, suite 1', 14_000, 'B', size(1, 'memory')),
    atMost('import to ready', 20, 'ms CPU', measured.imports.find(({ name }) => name === 'sims-protocol')?.cpuMs),
    atMost('bundle of client and default suite', 45, 'kB gzip', bundle('client with the default suite')),
    atMost('bundle of client and all suites but RSA', 56, 'kB gzip', bundle('client with every suite but RSA')),
    times('relay over ws, of plaintext socket.io', 1, ratio('relay 256 B', 'sims over ws', 'socket.io, plaintext')),
    times(
      'relay over ws, of bare plaintext ws',
      0.4,
      ratio('relay 256 B', 'sims over ws', 'bare ws forwarder, plaintext'),
    ),
  ];
}

/** Rates of a comparison as rows: name, operations per CPU-second. */
export function ratesOf(comparison: Comparison): { readonly name: string; readonly rate: number }[] {
  return comparison.series.map(({ name }) => ({ name, rate: rateOf(comparison, name) ?? Number.NaN }));
}
