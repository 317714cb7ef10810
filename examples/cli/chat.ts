/** `sims chat`: joins a relay, as a person in a terminal or as a program over pipes. */
import { connect, type Client, type ConnectOptions } from '../../src/index.node.ts';
import { createPersonVerifier } from '../../src/cc/index.ts';
import { certificateIdentity, type MakeIdentity } from '../../src/client/index.ts';
import type { ChatCommand } from './arguments.ts';
import { errorEvent, jsonChat } from './jsonChat.ts';
import { LineWriter } from './jsonLines.ts';
import { personVerifierOptions } from './people.ts';
import { openSigner, type SigningOptions } from './signing.ts';
import { stateStore } from './stateStore.ts';
import { stoppedBySignals } from './stop.ts';
import { terminalChat } from './terminalChat.ts';

/** Resolves to the exit code. */
export async function runChat(command: ChatCommand): Promise<number> {
  const isTerminal = !command.json && process.stdin.isTTY && process.stdout.isTTY;
  const signal = stoppedBySignals();
  // A reader that is gone has had enough.
  process.stdout.on('error', () => process.exit(1));
  let client: Client;
  try {
    client = await connect(command.url, await connectOptions(command, signal));
  } catch (error) {
    if (!isTerminal) new LineWriter(process.stdout).write(errorEvent(error));
    throw error;
  }
  const warning = trustWarning(client);
  const isKept = command.stateDirectory !== undefined;
  if (isTerminal) return await terminalChat({ client, warning, signal, isKept });
  if (warning !== undefined) log(warning);
  return await jsonChat({ client, input: process.stdin, output: process.stdout, log, signal, isKept });
}

async function connectOptions(command: ChatCommand, signal: AbortSignal): Promise<ConnectOptions> {
  const { name, pin, suites, peerSuites, stateDirectory, signing, people, level } = command;
  return {
    name,
    accept: 'all',
    signal,
    ...(pin === undefined ? {} : { pin }),
    ...(level === undefined ? {} : { label: level }),
    ...(suites === undefined ? {} : { suites }),
    ...(peerSuites === undefined ? {} : { peerSuites }),
    ...(stateDirectory === undefined ? {} : { store: await stateStore(stateDirectory) }),
    ...(signing === undefined ? {} : { identity: await personIdentity(signing, signal) }),
    ...(people === undefined
      ? {}
      : { verifyCertificate: createPersonVerifier(await personVerifierOptions(people, log)) }),
  };
}

/** The holder of a card or file: asked once now, and again before the delegation ends. */
async function personIdentity(signing: SigningOptions, signal: AbortSignal): Promise<MakeIdentity> {
  const signer = await openSigner(signing, signal);
  return certificateIdentity({
    signer,
    onEvent: (event) => {
      if (event.type === 'renewal-failed') log(`the delegation was not renewed: ${String(event.error)}`);
      else if (event.type !== 'renewed')
        log(event.type === 'ended' ? 'the delegation has ended' : 'the delegation ends soon');
    },
  });
}

/** What is to be said of a relay that nobody vouches for. */
function trustWarning({ relayTrust, relayFingerprint }: Client): string | undefined {
  if (relayTrust !== 'first-use') return undefined;
  return (
    `warning: nothing says that this is the right relay. Its fingerprint is ${relayFingerprint}; ` +
    'compare it with what the relay prints, and pass it with --pin.'
  );
}

function log(text: string): void {
  process.stderr.write(`sims: ${text}\n`);
}
