/**
 * `npm start`: a relay, and a conversation of two processes over it, for everybody to see. Afterwards the relay runs on,
 * unless it is called with `--once`: then it exits 0, or 1 when anything went wrong.
 */
import { parseArgs } from 'node:util';
import { startRelay, type RelayServer } from '../src/relay/node/index.ts';
import { holdConversation } from './start/conversation.ts';
import { line } from './start/show.ts';

const TCP_PORT = 4600;
const WEB_SOCKET_PORT = 4601;

const { values: options } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
const stop = new AbortController();
process.on('SIGINT', () => stop.abort()).on('SIGTERM', () => stop.abort());
process.exitCode = await main();

async function main(): Promise<number> {
  let relay: RelayServer | undefined;
  try {
    relay = await startRelay({
      listen: [
        { scheme: 'tcp', port: TCP_PORT },
        { scheme: 'ws', port: WEB_SOCKET_PORT },
      ],
      fallbackToFreePort: true,
      signal: stop.signal,
    });
    const [tcp, webSocket] = relay.urls as [string, string];
    line('A relay, which carries messages that it cannot read:', 'bold');
    line(`  ${tcp}\n  ${webSocket}\n  ${relay.fingerprint}\n`);
    await holdConversation({ urls: { ana: tcp, rui: webSocket }, fingerprint: relay.fingerprint, signal: stop.signal });
    if (options.once) return 0;
    line('The relay goes on. Join it, from as many terminals as you like:', 'bold');
    line(`  npm run -s sims -- chat ${webSocket} --name YOU --pin ${relay.fingerprint}`);
    line('\nCtrl-C ends it.', 'dim');
    await relay.closed;
    return 0;
  } catch (error) {
    if (stop.signal.aborted && !options.once) return 0;
    line(`\nIt went wrong: ${error instanceof Error ? error.message : String(error)}`, 'red');
    return 1;
  } finally {
    await relay?.close();
  }
}
