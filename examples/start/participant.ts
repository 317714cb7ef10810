/**
 * One side of the scripted conversation, in a process of its own, over the public API. It tells what happens as lines
 * of JSON, and is told nothing but its arguments: URL, fingerprint of the relay, name, and what to say.
 */
import { connect, type Client, type Conversation } from '../../src/index.node.ts';

const [url = '', pin = '', name = '', ...says] = process.argv.slice(2);
const isFirst = says[0] === 'open';
const lines = says.slice(1);

await using client = await connect(url, { name, pin, accept: 'all' });
tell({ event: 'ready', address: client.address, suite: client.suite });
const conversation = isFirst ? await client.open(await somebody(client)) : await nextOf(client.incoming);
const { suite, safetyNumber, identity } = conversation;
tell({ event: 'opened', suite, safetyNumber, peer: identity.name, kind: identity.kind });
await talk(conversation);
// The first to have said everything ends it; the other waits for that.
if (isFirst) await conversation.close();
const { by, reason } = await conversation.closed;
tell({ event: 'closed', by, reason });

/** Says a line, hears one, and so on; whoever opened begins. */
async function talk(with_: Conversation): Promise<void> {
  const heard = with_[Symbol.asyncIterator]();
  for (const [index, text] of lines.entries()) {
    if (!isFirst || index > 0) await hear(heard);
    await say(with_, text);
  }
  if (isFirst) await hear(heard);
}

async function say(with_: Conversation, text: string): Promise<void> {
  const receipt = await with_.send(text);
  const { id } = receipt;
  tell({ event: 'state', id, text, state: 'pending' });
  const accepted = await receipt.accepted;
  if (accepted.ok) tell({ event: 'state', id, text, state: 'accepted' });
  const delivered = await receipt.delivered;
  tell({ event: 'state', id, text, state: delivered.ok ? 'delivered' : 'failed' });
  if (!delivered.ok) throw new Error(`not delivered: ${delivered.reason}`);
}

async function hear(from: AsyncIterator<{ readonly text: string }>): Promise<void> {
  const result = await from.next();
  if (result.done === true) throw new Error('the conversation ended early');
  tell({ event: 'heard', text: result.value.text });
}

/** The address of the first who is there beside oneself. */
async function somebody(self: Client): Promise<Client['address']> {
  const [first] = self.peers;
  if (first !== undefined) return first.address;
  return await new Promise((resolve) => {
    const stop = self.on('peers', ({ joined }) => {
      stop();
      resolve(joined[0]!.address);
    });
  });
}

async function nextOf<Item>(items: AsyncIterator<Item>): Promise<Item> {
  const result = await items.next();
  if (result.done === true) throw new Error('nobody came');
  return result.value;
}

function tell(event: object): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}
