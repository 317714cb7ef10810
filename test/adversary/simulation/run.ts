/**
 * Runs worlds, and makes the trace of a violated invariant small.
 *
 *     npm run simulate -- --steps 1000000 --seed 1
 *
 * A world has {@link WORLD_STEPS} steps and a seed of its own, from `--seed` up. A violation prints the world's seed: it
 * alone, as `--seed`, with as many `--steps` as a world has, gives the same again.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { World } from './world.ts';

/** Steps of one world, after which it has to come to rest. */
export const WORLD_STEPS = 1_000;
const SHRINK_MS = 20_000;

/** What a run gave. */
export interface Outcome {
  readonly steps: number;
  readonly worlds: number;
  readonly seconds: number;
  readonly counters: ReadonlyMap<string, number>;
}

/** Runs `steps` steps from that seed on. @throws an Error with seed, step and a small trace */
export function simulate(steps: number, seed: number, progress?: (done: number) => void): Outcome {
  const startedAtMs = performance.now();
  const counters = new Map<string, number>();
  let done = 0;
  let worlds = 0;
  while (done < steps) {
    const count = Math.min(WORLD_STEPS, steps - done);
    const worldSeed = seed + worlds;
    const failure = attempt(worldSeed, count, undefined, counters);
    if (failure !== undefined) throw new Error(traceOf(worldSeed, failure));
    done += count;
    worlds += 1;
    progress?.(done);
  }
  return { steps: done, worlds, seconds: (performance.now() - startedAtMs) / 1_000, counters };
}

interface Failure {
  readonly error: Error;
  readonly step: number;
  /** Steps that were done. */
  readonly steps: number;
  readonly log: readonly string[];
}

function attempt(
  seed: number,
  steps: number,
  skipped?: ReadonlySet<number>,
  counters?: Map<string, number>,
): Failure | undefined {
  const world = new World(seed);
  try {
    world.run(steps, skipped);
    world.settle();
  } catch (error) {
    const step = Number.parseInt(world.log.at(-1) ?? '', 10);
    const failure = error instanceof Error ? error : new Error(String(error));
    return { error: failure, step, steps: Number.isNaN(step) ? steps : step, log: world.log };
  } finally {
    for (const [name, count] of world.counters) counters?.set(name, (counters.get(name) ?? 0) + count);
  }
  return undefined;
}

/** Leaves out all steps that are not needed for the same violation. */
function traceOf(seed: number, first: Failure): string {
  const { steps } = first;
  const same = ({ error }: Failure): boolean => kindOf(error) === kindOf(first.error);
  let smallest = first;
  let skipped = new Set<number>();
  const untilMs = performance.now() + SHRINK_MS;
  for (let size = steps >> 1; size >= 1 && performance.now() < untilMs; size >>= 1) {
    for (let from = 1; from <= steps && performance.now() < untilMs; from += size) {
      const more = new Set(skipped);
      for (let step = from; step < from + size && step <= steps; step += 1) more.add(step);
      if (more.size === skipped.size) continue;
      const failure = attempt(seed, steps, more);
      if (failure === undefined || !same(failure)) continue;
      skipped = more;
      smallest = failure;
    }
  }
  const where = Number.isNaN(first.step) ? `settling after step ${steps}` : `step ${first.step}`;
  const log = smallest.log.slice(-120).map((line) => `  ${line}`);
  const stack = first.error.stack?.split('\n').slice(1, 5).join('\n') ?? '';
  return `seed ${seed}, ${where}: ${first.error.message}\n${stack}\nminimal trace:\n${log.join('\n')}`;
}

/** The message without its numbers and names. */
function kindOf(error: Error): string {
  return error.message.replaceAll(/[\w-]{10,}\.?[\w-]*|\d+/g, '#');
}

function main(): void {
  const { values } = parseArgs({ options: { steps: { type: 'string' }, seed: { type: 'string' } } });
  const steps = Number(values.steps ?? 20_000);
  const seed = Number(values.seed ?? 1);
  console.log(`npm run simulate -- --steps ${steps} --seed ${seed}`);
  try {
    const { counters, seconds, worlds } = simulate(steps, seed, (done) => {
      if (done % 100_000 === 0) console.log(`${done} steps`);
    });
    console.log(`${steps} steps in ${worlds} worlds, seed ${seed}, ${seconds.toFixed(1)} s: every invariant held`);
    for (const [name, count] of [...counters].sort(([a], [b]) => (a < b ? -1 : 1))) {
      console.log(`  ${String(count).padStart(9)}  ${name}`);
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
