import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, type Client, type ConversationEvents } from '../../src/index.node.ts';
import { decodeContent, encodeContent, type ContentSchema } from '../../src/client/content.ts';
import { messageIdFromBytes } from '../../src/messages/address.ts';
import type { RelayServer } from '../../src/relay/node/index.ts';
import type { InboxEntry } from '../../src/session/state.ts';
import { testRelay, until } from '../support/relay.ts';

const Move = v.tuple([v.picklist(['rook', 'king']), v.pipe(v.string(), v.length(2))]);
const SECRET = 'a1-is-what-nobody-should-read';

const entry = (kind: 'text' | 'data', ...content: number[]): InboxEntry => ({
  m: 4,
  id: messageIdFromBytes(new Uint8Array(8)),
  kind,
  content: Uint8Array.from(content),
  inSightOf: 0,
  receivedAtMs: 1,
  shown: true,
});
const answering = (validate: ContentSchema['~standard']['validate']): ContentSchema => ({
  '~standard': { version: 1, vendor: 'here', validate },
});

describe('content that a peer sent', () => {
  it('is refused with a clear error when it is not UTF-8, not CBOR, or more than one item', () => {
    for (const [bad, code] of [
      [entry('text', 0xff), 'codec/invalid-utf8'],
      [entry('data'), 'codec/truncated'],
      [entry('data', 0x18), 'codec/truncated'],
      [entry('data', 1, 1), 'codec/trailing-bytes'],
    ] as const) {
      expect(() => decodeContent(bad, undefined)).toThrow(expect.objectContaining({ code, fault: 'peer' }));
    }
  });

  it('is what the schema makes of it', () => {
    const upper = v.pipe(v.string(), v.toUpperCase());
    expect(decodeContent(entry('data', 0x61, 0x61), upper).data).toBe('A');
    expect(decodeContent(entry('text', 0x61), upper)).toMatchObject({ text: 'a', data: undefined });
  });
});

describe('a schema', () => {
  it('that answers by a promise, or throws, lets nothing through', () => {
    const late = answering((value) => Promise.resolve({ value }));
    expect(() => encodeContent({ data: 1 }, late)).toThrow(
      expect.objectContaining({ code: 'client/invalid-argument' }),
    );
    const failing = answering((value) => Promise.reject(new Error(String(value))));
    expect(() => encodeContent({ data: 1 }, failing)).toThrow('by a promise');
    const throwing = answering((value) => {
      throw new Error(String(value));
    });
    expect(() => encodeContent({ data: SECRET }, throwing)).toThrow(
      expect.objectContaining({ code: 'client/content-invalid', message: expect.not.stringContaining(SECRET) }),
    );
  });

  it('says nothing of texts', () => {
    expect(
      encodeContent(
        'x',
        answering(() => ({ issues: [] })),
      ).kind,
    ).toBe('text');
  });
});

describe('clients with a schema', () => {
  let relay: RelayServer;
  const clients: Client[] = [];
  beforeAll(async () => {
    relay = await testRelay();
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close({ endConversations: false })));
    await relay.close();
  });

  it('send nothing else, show nothing else, and acknowledge what they do not show', async () => {
    const [url] = relay.urls;
    const ana = await connect(url!, { name: 'Ana' });
    const rui = await connect(url!, { name: 'Rui', accept: 'all', content: Move });
    clients.push(ana, rui);
    await until(() => ana.peers.some(({ address }) => address === rui.address));
    const own = await ana.open(rui.address);
    const peer = rui.conversations[0]!;
    const dropped: ConversationEvents['dropped'][] = [];
    peer.on('dropped', (event) => dropped.push(event));

    await expect(peer.send({ data: ['queen', 'a1'] })).rejects.toMatchObject({
      code: 'client/content-invalid',
      fault: 'caller',
    });
    const refused = await own.send({ data: [SECRET, 'a1'] });
    const shown = await own.send({ data: ['rook', 'a1'] });
    for await (const message of peer) {
      // The type is that of the schema.
      const piece: 'rook' | 'king' | undefined = message.data?.[0];
      expect(piece).toBe('rook');
      expect(message.number).toBe(2);
      break;
    }
    expect(await Promise.all([refused.delivered, shown.delivered])).toEqual([{ ok: true }, { ok: true }]);
    expect(dropped).toEqual([{ code: 'client/content-refused', detail: expect.stringContaining('message 1') }]);
    expect(JSON.stringify(dropped)).not.toContain(SECRET);
    expect((await (await peer.send({ data: ['king', 'b2'] })).delivered).ok).toBe(true);
  });
});
