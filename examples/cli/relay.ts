/** `sims relay`. */
import { allSuites } from '../../src/crypto/node/index.ts';
import { SimsError } from '../../src/index.node.ts';
import { startRelay, type RelayServerOptions } from '../../src/relay/node/index.ts';
import type { RelayCommand } from './arguments.ts';
import { LineWriter } from './jsonLines.ts';
import { personVerifierOptions } from './people.ts';
import { stoppedBySignals } from './stop.ts';

/** Runs until SIGINT or SIGTERM; resolves to the exit code. */
export async function runRelay({ listen, suites, stateDirectory, people, json }: RelayCommand): Promise<number> {
  const signal = stoppedBySignals();
  const relay = await startRelay({
    listen,
    ...(suites === undefined ? {} : { suites: suites.map((name) => allSuites.find((suite) => suite.name === name)!) }),
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
    ...(people === undefined ? {} : { people: await personVerifierOptions(people, say) }),
    log,
  });
  const { urls, fingerprint } = relay;
  if (json) new LineWriter(process.stdout).write({ event: 'listening', urls, fingerprint });
  for (const url of urls) say(`listening on ${url}`);
  say(`fingerprint ${fingerprint}`);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  say('stopping');
  await relay.close();
  return 0;
}

/** One line for what the relay tells: no names and no addresses are in it. */
const log: NonNullable<RelayServerOptions['log']> = ({ error, ...event }) => {
  const why = error instanceof SimsError ? { error: `${error.code}: ${error.message}` } : {};
  const what =
    error === undefined || error instanceof SimsError
      ? why
      : { error: error instanceof Error ? error.message : 'unknown' };
  say(JSON.stringify({ ...event, ...what }));
};

function say(text: string): void {
  process.stderr.write(`sims: ${text}\n`);
}
