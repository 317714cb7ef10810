/**
 * Benchmarks beside peers and floors: `npm run bench -- [--quick | --full] [--only REGEX]`.
 *
 * Groups: stream, ping-pong, hop, handshakes, policy (thousands of decisions), sizes, footprint, relay. Prints Markdown and writes results/latest.json.
 * Rates are operations per CPU-second, of both parties together; ratios are medians of interleaved rounds.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { SIZES } from './content.ts';
import { bundleSizes, importCosts, type BundleSize, type ImportCost } from './footprint.ts';
import { goalsOf, ratesOf } from './goals.ts';
import { handshakes } from './handshakes.ts';
import { compare, ratioOf, spreadOf, type Comparison, type Effort } from './harness.ts';
import { installPeers } from './peers.ts';
import { hops, pingPongs, streams } from './records.ts';
import { decisions, HASH } from './policy.ts';
import { relays, type RelayResult } from './relay.ts';
import { suiteSizes, type SuiteSizes } from './sizes.ts';

const EFFORTS: Readonly<Record<'quick' | 'usual' | 'full', Effort>> = {
  quick: { rounds: 3, sliceMs: 40 },
  usual: { rounds: 5, sliceMs: 80 },
  full: { rounds: 9, sliceMs: 150 },
};

const { values } = parseArgs({
  options: { quick: { type: 'boolean' }, full: { type: 'boolean' }, only: { type: 'string' } },
});
const effort = EFFORTS[values.quick === true ? 'quick' : values.full === true ? 'full' : 'usual'];
const only = new RegExp(values.only ?? '');
const wants = (name: string): boolean => only.test(name);

installPeers();
const machine = {
  at: new Date().toISOString(),
  node: process.version,
  openssl: process.versions.openssl,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  load: loadavg().map((load) => Math.round(load * 100) / 100),
  effort,
};
console.log(
  `Node ${machine.node}, OpenSSL ${machine.openssl}, ${machine.cores} × ${machine.cpu}, load ${machine.load.join(' ')}`,
);
console.log(`${effort.rounds} rounds of ${effort.sliceMs} ms; operations per CPU-second\n`);

const comparisons: Comparison[] = [];
for (const size of SIZES) {
  await group(`stream ${size.name}`, () => streams(size), 'libsignal', 'floor: ratchet, ChaCha20-Poly1305');
  await group(`ping-pong ${size.name}`, () => pingPongs(size), 'libsignal', 'floor: X25519 each turn');
  await group(`hop ${size.name}`, () => hops(size), 'floor: ratchet, ChaCha20-Poly1305');
}
await group('handshakes', handshakes, 'libsignal set-up', 'floor: X25519 + mutual Ed25519');
await group('policy', decisions, HASH);

let sizes: SuiteSizes[] = [];
if (wants('sizes')) {
  sizes = suiteSizes();
  table('sizes, bytes', sizes);
}
let imports: ImportCost[] = [];
let bundles: BundleSize[] = [];
if (wants('footprint')) {
  imports = await importCosts(effort.rounds * 2 + 1);
  table('import, CPU ms', imports);
  bundles = await bundleSizes();
  table('browser bundles, bytes', bundles);
}
let relayed: RelayResult[] = [];
if (wants('relay')) {
  const { comparison, results } = await relays({ rounds: effort.rounds, sliceMs: effort.sliceMs * 5 });
  comparisons.push(comparison);
  relayed = results;
  table('relay 256 B, messages', relayed);
  const cost = ratioOf(comparison, 'sims over tcp', 'sims over tcp, policy off');
  console.log(`policy on, of off: ${cost?.toFixed(2) ?? '–'}\n`);
  tellMissing(comparison);
}

const goals = goalsOf({ comparisons, sizes, imports, bundles });
table(
  'goals',
  goals.map(({ goal, wanted, value, isReached }) => ({
    goal,
    wanted,
    value,
    reached: isReached === undefined ? 'not measured' : isReached ? 'yes' : 'no',
  })),
);
const results = fileURLToPath(new URL('results', import.meta.url));
mkdirSync(results, { recursive: true });
const everything = { machine, comparisons, sizes, imports, bundles, relayed, goals };
writeFileSync(`${results}/latest.json`, `${JSON.stringify(everything, undefined, 2)}\n`);
// Peers keep timers and threads.
process.exit();

/** Runs one group and prints it, each row with its ratio to the references. */
async function group(
  name: string,
  candidates: () => Parameters<typeof compare>[1],
  ...references: string[]
): Promise<void> {
  if (!wants(name)) return;
  const comparison = await compare(name, candidates(), effort);
  comparisons.push(comparison);
  table(
    name,
    ratesOf(comparison).map(({ name: row, rate }, index) => ({
      '': row,
      'a CPU-second': Math.round(rate),
      spread: `${Math.round(spreadOf(comparison.series[index]!.rates) * 100)} %`,
      ...Object.fromEntries(
        references.map((reference) => [`of ${reference}`, ratioOf(comparison, row, reference)?.toFixed(2) ?? '–']),
      ),
    })),
  );
  tellMissing(comparison);
}

function tellMissing(comparison: Comparison): void {
  for (const { name, why } of comparison.missing) console.log(`not measured: ${name} (${why})`);
  if (comparison.missing.length > 0) console.log();
}

/** A Markdown table of alike rows. */
function table(title: string, rows: readonly object[]): void {
  const [first] = rows;
  if (first === undefined) return;
  const heads = Object.keys(first);
  const cell = (value: unknown): string =>
    typeof value === 'number'
      ? String(Math.abs(value) < 100 ? Math.round(value * 10) / 10 : Math.round(value))
      : String(value);
  console.log(`### ${title}\n`);
  console.log(`| ${heads.join(' | ')} |`);
  console.log(`|${heads.map(() => '---').join('|')}|`);
  for (const row of rows) console.log(`| ${Object.values(row).map(cell).join(' | ')} |`);
  console.log();
}
