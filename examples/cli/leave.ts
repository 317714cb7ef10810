/** The way out of a chat. */
import type { Address, Client, Conversation } from '../../src/index.node.ts';

/** How long leaving may take: for messages that are on their way, and for farewells. */
const LEAVE_MS = 5_000;
/** What is left for farewells when the messages took all of it. */
const FAREWELL_MS = 500;

export interface Leaving {
  readonly client: Client;
  /** Resolves when nothing is on its way that is worth waiting for. */
  readonly settled: Promise<void>;
  readonly readers: Iterable<Promise<void>>;
  /** Whether the client has a store: then conversations with who is away go on another time. */
  readonly isKept: boolean;
  /** Called before conversations are kept: what ends or fails here from now on goes on in the next client. */
  readonly suspending: () => void;
}

/**
 * Waits for what is on its way, then ends conversations and hop, and lets those that read them finish: within 5 s, or
 * little more. Nobody who is away is told that this side left.
 */
export async function leave({ client, settled, readers, isKept, suspending }: Leaving): Promise<void> {
  const startedAtMs = Date.now();
  if (client.status !== 'closed') await atMost(LEAVE_MS, settled);
  const leftMs = LEAVE_MS - (Date.now() - startedAtMs);
  const farewell = async (): Promise<void> => {
    const { conversations } = client;
    if (isKept && conversations.some((each) => goesOn(client, each))) {
      await Promise.all(conversations.filter((each) => !goesOn(client, each)).map((each) => each.close()));
      suspending();
      await client.close({ endConversations: false });
    } else await client.close({ endConversations: true });
    await Promise.all(readers);
  };
  await atMost(Math.max(leftMs, FAREWELL_MS), farewell());
}

/** Whether a peer is away, as far as the relay says. */
export function isAway({ peers }: Client, peer: Address): boolean {
  return peers.some(({ address, online }) => address === peer && !online);
}

function goesOn(client: Client, { status, peer, confirmed }: Conversation): boolean {
  return status === 'open' && (!confirmed || isAway(client, peer));
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
