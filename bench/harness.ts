/**
 * Measures candidates beside one another: short slices in turn, each round in another order, rates per CPU-second of
 * this process (all threads, both parties). What else runs on the machine slows a whole round, so ratios are taken
 * within a round and their median counts.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One thing to measure: how to make it ready, and what one operation is. */
export interface Candidate {
  readonly name: string;
  /** Gives the operation; called once, before any slice. */
  readonly prepare: () => Operation | Promise<Operation>;
}

/** One operation; asynchronous where it has to be. */
export type Operation = () => void | Promise<void>;

/** How long and how often. */
export interface Effort {
  readonly rounds: number;
  readonly sliceMs: number;
}

/** Rates of one candidate, in operations per CPU-second, one a round. */
export interface Series {
  readonly name: string;
  readonly rates: readonly number[];
}

/** What a group of candidates gave. */
export interface Comparison {
  readonly group: string;
  readonly series: readonly Series[];
  /** Candidates that could not run, and why. */
  readonly missing: readonly { readonly name: string; readonly why: string }[];
}

/** Until most of it is compiled: a slow operation gets few calls. */
const WARM_UP_MS = 600;
const CHUNK_MS = 0.5;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

/** Collects all garbage. */
export const collectAll: () => void = () => collect();

/** Runs all candidates in interleaved rounds. */
export async function compare(group: string, candidates: readonly Candidate[], effort: Effort): Promise<Comparison> {
  const missing: { name: string; why: string }[] = [];
  const running: { readonly name: string; readonly operation: Operation; readonly rates: number[] }[] = [];
  for (const { name, prepare } of candidates) {
    try {
      const operation = await prepare();
      await slice(operation, WARM_UP_MS);
      running.push({ name, operation, rates: [] });
    } catch (error) {
      missing.push({ name, why: error instanceof Error ? error.message : String(error) });
    }
  }
  for (let round = 0; round < effort.rounds; round += 1) {
    for (let place = 0; place < running.length; place += 1) {
      const candidate = running[(place + round) % running.length]!;
      candidate.rates.push(await slice(candidate.operation, effort.sliceMs));
    }
  }
  return { group, series: running.map(({ name, rates }) => ({ name, rates })), missing };
}

/** Median rate of a candidate, in operations per CPU-second; `undefined` when it did not run. */
export function rateOf(comparison: Comparison, name: string): number | undefined {
  const series = comparison.series.find((candidate) => candidate.name === name);
  return series && median(series.rates);
}

/** How many times as fast `name` is as `other`: the median of the rounds' ratios. */
export function ratioOf(comparison: Comparison, name: string, other: string): number | undefined {
  const one = comparison.series.find((candidate) => candidate.name === name);
  const two = comparison.series.find((candidate) => candidate.name === other);
  if (one === undefined || two === undefined) return undefined;
  return median(one.rates.map((rate, round) => rate / two.rates[round]!));
}

/** Half the distance of the quartiles, as a part of the median: how noisy a series is. */
export function spreadOf(rates: readonly number[]): number {
  return (quantile(rates, 0.75) - quantile(rates, 0.25)) / 2 / median(rates);
}

/** The middle value; the mean of both for an even number. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  const place = part * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? Number.NaN;
  const above = sorted[Math.ceil(place)] ?? Number.NaN;
  return below + (above - below) * (place - Math.floor(place));
}

/** Operations per CPU-second over about `forMs`. */
async function slice(operation: Operation, forMs: number): Promise<number> {
  // A full collection would drop compiled code as well.
  collect({ type: 'minor' });
  const cpuBefore = process.cpuUsage();
  const endsAt = performance.now() + forMs;
  let operations = 0;
  let chunk = 1;
  for (let now = performance.now(); now < endsAt;) {
    for (let index = 0; index < chunk; index += 1) {
      const pending = operation();
      if (pending !== undefined) await pending;
    }
    operations += chunk;
    const after = performance.now();
    if (after - now < CHUNK_MS) chunk *= 2;
    else if (after - now > 4 * CHUNK_MS && chunk > 1) chunk /= 2;
    now = after;
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return operations / ((user + system) / 1e6);
}
