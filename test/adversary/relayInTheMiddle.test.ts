import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { connect, type Client, type Conversation, type ConversationEvents } from '../../src/index.node.ts';
import type { Message } from '../../src/messages/messages.ts';
import { HostileRelay, type Passing } from '../support/hostileRelay.ts';
import { until } from '../support/relay.ts';
import { seeded } from '../support/seeded.ts';

let relay: HostileRelay;
let ana: Client;
let rui: Client;

const quick = { repeatAfterMs: 30, repeatAtMostMs: 200, acknowledgeAfterMs: 2 };

beforeEach(async () => {
  relay = new HostileRelay();
  ana = await connect(relay.dial, { name: 'Ana', conversation: quick });
  rui = await connect(relay.dial, { name: 'Rui', accept: 'all', conversation: quick });
  await until(() => ana.peers.length === 1);
});

afterEach(async () => {
  relay.tamper = (passing) => [passing];
  await Promise.all([ana.close({ endConversations: false }), rui.close({ endConversations: false })]);
});

async function talk(): Promise<[Conversation, Conversation]> {
  const [own, peer] = await Promise.all([ana.open(rui.address), rui.incoming.next()]);
  return [own, peer.value as Conversation];
}

const CONSISTENT = ['consistent', 'consistent'];
const texts = Array.from({ length: 40 }, (_, index) => `${index}`);

/** Sends 40 texts each way; both have to arrive in order, each once. What the histories are then. */
async function exchange(own: Conversation, peer: Conversation): Promise<readonly string[]> {
  const read = async (conversation: Conversation): Promise<string[]> => {
    const got: string[] = [];
    for await (const { text } of conversation) {
      got.push(text);
      if (got.length === texts.length) break;
    }
    return got;
  };
  const sends = Promise.all(
    [own, peer].flatMap((end) => texts.map(async (text) => (await (await end.send(text)).delivered).ok)),
  );
  const [atOwn, atPeer] = await Promise.all([read(own), read(peer)]);
  expect(atPeer).toEqual(texts);
  expect(atOwn).toEqual(texts);
  expect((await sends).every(Boolean)).toBe(true);
  return [own.consistency, peer.consistency];
}

function isRecord(message: Message): message is Extract<Message, { type: 'client-com' }> {
  return message.type === 'client-com';
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = concat(bytes);
  copy[(bit >> 3) % copy.length]! ^= 1 << (bit & 7);
  return copy;
}

describe('a relay in the middle of a conversation', () => {
  it.each([1, 2, 3])(
    'that drops, repeats, delays and reorders at random (seed %i) loses and shows nothing twice',
    async (seed) => {
      const [own, peer] = await talk();
      const chance = seeded(seed);
      let kept: Passing[] = [];
      relay.tamper = (passing) => {
        const dice = chance();
        if (dice < 0.2) return [];
        if (dice < 0.35) return [passing, passing];
        if (dice < 0.6) {
          kept.push(passing);
          return [];
        }
        const out = [passing, ...kept.toReversed()];
        kept = [];
        return out;
      };
      expect(await exchange(own, peer)).toEqual(CONSISTENT);
    },
  );

  it('that flips bits of records is not believed, and the true ones come through', async () => {
    const [own, peer] = await talk();
    const chance = seeded(11);
    const dropped: ConversationEvents['dropped'][] = [];
    peer.on('dropped', (event) => dropped.push(event));
    relay.tamper = (passing) => {
      const { message } = passing;
      if (!isRecord(message) || chance() > 0.5) return [passing];
      const bit = Math.floor(chance() * 4_096);
      const field = chance() < 0.5 ? { data: flipped(message.data, bit) } : { saData: flipped(message.saData, bit) };
      return [{ ...passing, message: { ...message, ...field } }];
    };
    expect(await exchange(own, peer)).toEqual(CONSISTENT);
    expect(dropped.length).toBeGreaterThan(0);
  });

  it('that hands a record to its own sender, under another id or type, is not believed', async () => {
    const [own, peer] = await talk();
    relay.tamper = (passing) => {
      const { message, from, to } = passing;
      if (!isRecord(message)) return [passing];
      const { id: _id, ...rest } = message;
      return [
        { from: to, to: from, message },
        { from, to, message: { ...message, type: 'client-disconnect' } },
        { from, to, message: { ...rest, type: 'ack' } },
        passing,
      ];
    };
    expect(await exchange(own, peer)).toEqual(CONSISTENT);
  });

  it('that forges errors and ends touches no established conversation', async () => {
    const [own, peer] = await talk();
    relay.tamper = (passing) => {
      const { message, from, to } = passing;
      const id = 'id' in message ? message.id : undefined;
      if (id === undefined) return [passing];
      const codes = ['unknown-conversation', 'rejected', 'handshake-failed', 'internal'] as const;
      return [
        ...codes.map((code) => ({ from: to, to: from, message: { type: 'error', code, msgId: id } as Message })),
        passing,
      ];
    };
    expect(await exchange(own, peer)).toEqual(CONSISTENT);
  });

  it('that replays a whole conversation into a new one is not believed', async () => {
    const [first, firstPeer] = await talk();
    expect(await exchange(first, firstPeer)).toEqual(CONSISTENT);
    const old = relay.seen.filter(({ message }) => isRecord(message));
    await first.close();
    const [own, peer] = await talk();
    for (const passing of old) relay.hand(passing);
    expect(await exchange(own, peer)).toEqual(CONSISTENT);
  });
});

describe('a relay that is slow to tell who joins', () => {
  it('is asked again when a peer is to be reached that is not in the list yet', async () => {
    relay.tellsJoins = false;
    const eva = await connect(relay.dial, { name: 'Eva', accept: 'all' });
    expect(ana.peers.map(({ name }) => name)).toEqual(['Rui']);
    expect((await ana.open(eva.address)).identity.name).toBe('Eva');
    await eva.close();
  });
});

describe('a relay in the middle of a handshake', () => {
  it.each([1, 2, 3, 4] as const)(
    'that flips a bit of phase %i ends it or is outlasted, and no conversation is wrong',
    async (phase) => {
      const chance = seeded(phase);
      relay.tamper = (passing) => {
        const { message } = passing;
        if (message.type !== 'client-connect' || message.phase !== phase) return [passing];
        return [{ ...passing, message: { ...message, data: flipped(message.data, Math.floor(chance() * 8_000)) } }];
      };
      await expect(ana.open(rui.address, { timeoutMs: 1_500 })).rejects.toMatchObject({ name: 'SimsError' });
      relay.tamper = (passing) => [passing];
      expect((await ana.open(rui.address)).status).toBe('open');
    },
  );

  it('that drops each phase the first time only delays it', async () => {
    const lost = new Set<number>();
    relay.tamper = (passing) => {
      const { message } = passing;
      if (message.type !== 'client-connect' || lost.has(message.phase)) return [passing];
      lost.add(message.phase);
      return [];
    };
    expect((await ana.open(rui.address)).status).toBe('open');
    expect([...lost]).toEqual([1, 2, 3, 4]);
  }, 30_000);

  it('that takes stronger suites out of the offer is found out', async () => {
    const { decodeBody1, encodeBody1 } = await import('../../src/messages/handshakeBodies.ts');
    relay.tamper = (passing) => {
      const { message } = passing;
      if (message.type !== 'client-connect' || message.phase !== 1) return [passing];
      const body = decodeBody1(message.data);
      return [{ ...passing, message: { ...message, data: encodeBody1({ ...body, suites: [5] }) } }];
    };
    await expect(ana.open(rui.address, { timeoutMs: 1_500 })).rejects.toMatchObject({
      code: 'handshake/authentication-failed',
    });
  });

  it('that hands a third one’s answers to the opener is found out', async () => {
    const eve = await connect(relay.dial, { name: 'Eve', accept: 'all' });
    relay.tamper = (passing) => {
      if (passing.from === ana.address && passing.to === rui.address) return [{ ...passing, to: eve.address }];
      if (passing.from === eve.address) return [{ ...passing, from: rui.address }];
      return [passing];
    };
    await expect(ana.open(rui.address, { timeoutMs: 1_500 })).rejects.toMatchObject({
      code: 'handshake/identity-mismatch',
    });
    await eve.close();
  });
});
