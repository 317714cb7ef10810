/** All vector files, in memory. */
import { conversations } from './conversations.ts';
import { delegations } from './delegations.ts';
import { handshakes } from './handshakes.ts';
import { histories } from './histories.ts';
import { hops } from './hops.ts';
import { identities } from './identities.ts';
import { messages } from './messages.ts';
import { prekeys } from './prekeys.ts';
import { rekeys } from './rekeys.ts';
import type { JsonObject } from './shared.ts';
import { writeJson } from './write.ts';

/** What each file holds, in docs/protocol.md's order. */
const FILES: Readonly<Record<string, () => JsonObject | Promise<JsonObject>>> = {
  'identities.json': identities,
  'messages.json': messages,
  'handshakes.json': handshakes,
  'delegations.json': delegations,
  'prekeys.json': prekeys,
  'hops.json': hops,
  'conversations.json': conversations,
  'rekeys.json': rekeys,
  'histories.json': histories,
};

/** The text of each file, by its name. */
export async function makeVectors(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const [name, make] of Object.entries(FILES)) texts.set(name, writeJson(await make()));
  return texts;
}
