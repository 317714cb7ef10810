/** The way out of a chat. */
import type { Client } from '../../src/index.node.ts';

/** How long leaving may take: for messages that are on their way, and for farewells. */
const LEAVE_MS = 5_000;
/** What is left for farewells when the messages took all of it. */
const FAREWELL_MS = 500;

/**
 * Waits for what is on its way, then ends conversations and hop, and lets those that read them finish: within 5 s, or
 * little more.
 */
export async function leave(client: Client, settled: Promise<void>, readers: Iterable<Promise<void>>): Promise<void> {
  const startedAtMs = Date.now();
  if (client.status !== 'closed') await atMost(LEAVE_MS, settled);
  const leftMs = LEAVE_MS - (Date.now() - startedAtMs);
  const farewell = async (): Promise<void> => {
    await client.close({ endConversations: true });
    await Promise.all(readers);
  };
  await atMost(Math.max(leftMs, FAREWELL_MS), farewell());
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
