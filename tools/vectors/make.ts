/** All vector files, in memory. */
import { conversations } from './conversations.ts';
import { handshakes } from './handshakes.ts';
import { identities } from './identities.ts';
import { messages } from './messages.ts';
import type { JsonObject } from './shared.ts';
import { writeJson } from './write.ts';

/** What each file holds, in docs/protocol.md's order. */
const FILES: Readonly<Record<string, () => JsonObject | Promise<JsonObject>>> = {
  'identities.json': identities,
  'messages.json': messages,
  'handshakes.json': handshakes,
  'conversations.json': conversations,
};

/** The text of each file, by its name. */
export async function makeVectors(): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (const [name, make] of Object.entries(FILES)) texts.set(name, writeJson(await make()));
  return texts;
}
