/** `sims relay`. */
import { allSuites } from '../../src/crypto/node/index.ts';
import { SimsError } from '../../src/index.node.ts';
import { startRelay, type RelayServer, type RelayServerOptions } from '../../src/relay/node/index.ts';
import type { RelayCommand } from './arguments.ts';
import { LineWriter } from './jsonLines.ts';
import { personVerifierOptions } from './people.ts';
import { stoppedBySignals } from './stop.ts';

/** Runs until SIGINT or SIGTERM; resolves to the exit code. */
export async function runRelay(command: RelayCommand): Promise<number> {
  const { listen, suites, stateDirectory, people, policyFile, auditFile, json } = command;
  const signal = stoppedBySignals();
  const relay = await startRelay({
    listen,
    ...(suites === undefined ? {} : { suites: suites.map((name) => allSuites.find((suite) => suite.name === name)!) }),
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
    ...(people === undefined ? {} : { people: await personVerifierOptions(people, say) }),
    ...(policyFile === undefined ? {} : { policyFile }),
    ...(auditFile === undefined ? {} : { auditFile }),
    log,
  });
  if (policyFile !== undefined) reloadOnSignal(relay);
  const { urls, fingerprint } = relay;
  if (json) new LineWriter(process.stdout).write({ event: 'listening', urls, fingerprint });
  for (const url of urls) say(`listening on ${url}`);
  say(`fingerprint ${fingerprint}`);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  say('stopping');
  await relay.close();
  return 0;
}

/** SIGHUP reads the policy again; one that is wrong changes nothing, and the log says where it is wrong. */
function reloadOnSignal(relay: RelayServer): void {
  process.on('SIGHUP', () => {
    relay.reloadPolicy().catch(() => {});
  });
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
