import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  connect,
  type Client,
  type ConnectOptions,
  type Conversation,
  type ReceivedMessage,
} from '../../src/index.node.ts';
import type { RelayServer } from '../../src/relay/node/index.ts';
import { memoryPair } from '../../src/transport/index.ts';
import { testRelay, until, Wire } from '../support/relay.ts';

let relay: RelayServer;
const clients: Client[] = [];

beforeEach(async () => {
  relay = await testRelay();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close({ endConversations: false })));
  await relay.close();
});

async function client(
  name: string,
  options: ConnectOptions = {},
  target: Parameters<typeof connect>[0] = relay.urls[0]!,
): Promise<Client> {
  const connected = await connect(target, { name, ...options });
  clients.push(connected);
  return connected;
}

/** Both ends of a conversation that `a` opens. */
async function talk(a: Client, b: Client): Promise<[Conversation, Conversation]> {
  await until(() => a.peers.some((peer) => peer.address === b.address));
  const [own, peer] = await Promise.all([a.open(b.address), b.incoming.next()]);
  return [own, peer.value as Conversation];
}

async function read(conversation: Conversation, count: number): Promise<ReceivedMessage[]> {
  const messages: ReceivedMessage[] = [];
  if (count === 0) return messages;
  for await (const message of conversation) {
    messages.push(message);
    if (messages.length === count) break;
  }
  return messages;
}

describe('a conversation', () => {
  it('is the same to both: suite, safety number, who is who', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    expect(own.safetyNumber).toMatch(/^(\d{5} ){11}\d{5}$/);
    expect(peer.safetyNumber).toBe(own.safetyNumber);
    expect(peer.suite).toBe(own.suite);
    expect(own.identity).toMatchObject({
      name: 'Rui',
      kind: 'none',
      verified: false,
      fingerprint: rui.identity.fingerprint,
    });
    expect(peer.identity).toMatchObject({ name: 'Ana', fingerprint: ana.identity.fingerprint });
    expect([own.initiatedBy, peer.initiatedBy]).toEqual(['own', 'peer']);
    expect([own.confirmed, peer.confirmed]).toEqual([true, true]);
  });

  it('carries text and data both ways, with receipts that end as delivered', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    const states: string[] = [];
    own.on('state', ({ state }) => states.push(state));
    const receipt = await own.send('olá\u0000\u{1f600}');
    expect(await receipt.accepted).toEqual({ ok: true });
    expect(await receipt.delivered).toEqual({ ok: true });
    expect(receipt.state).toBe('delivered');
    expect(states[0]).toBe('pending');
    expect(states.at(-1)).toBe('delivered');
    await (
      await peer.send({ data: [1, 'x', Uint8Array.of(1, 2), true] })
    ).delivered;
    expect((await read(peer, 1))[0]).toMatchObject({ kind: 'text', text: 'olá\u0000\u{1f600}', number: 1 });
    expect((await read(own, 1))[0]).toMatchObject({
      kind: 'data',
      data: [1, 'x', Uint8Array.of(1, 2), true],
      inSightOf: 1,
    });
  });

  it('carries plain objects, and a hostile key changes no prototype', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    const data = { kind: 'vitals', pulse: 72, notes: ['a', { b: null }], at: new Map([[1, 'one']]) };
    await own.send({ data });
    await own.send({ data: JSON.parse('{"__proto__":{"admin":true}}') as unknown });
    await expect(own.send({ data: { value: 1.5 } })).rejects.toMatchObject({ code: 'codec/invalid-value' });
    await expect(own.send({ data: new Date() })).rejects.toMatchObject({ code: 'codec/invalid-value' });
    const [first, second] = await read(peer, 2);
    expect(first!.data).toEqual(data);
    expect((second!.data as { admin?: boolean }).admin).toBeUndefined();
    expect(Object.keys(second!.data as object)).toEqual(['__proto__']);
  });

  it('keeps the order of a thousand sends that do not wait for each other', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    const sent = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    const receipts = Promise.all(sent.map(async (text) => (await own.send(text)).delivered));
    expect((await read(peer, 1_000)).map(({ text }) => text)).toEqual(sent);
    expect((await receipts).every(({ ok }) => ok)).toBe(true);
  });

  it('ends for both, once, and what is sent later is refused', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    await (
      await own.send('last')
    ).delivered;
    await own.close();
    expect(await own.closed).toEqual({ by: 'own', reason: 'closed' });
    expect(await peer.closed).toEqual({ by: 'peer', reason: 'closed' });
    await expect(peer.send('x')).rejects.toMatchObject({ code: 'client/conversation-closed' });
    const texts: string[] = [];
    for await (const { text } of peer) texts.push(text);
    expect(texts).toEqual(['last']);
    expect(ana.conversations).toEqual([]);
    const [again] = await talk(ana, rui);
    expect(again.status).toBe('open');
  });

  it('that both open at once is one', async () => {
    const [ana, rui] = [await client('Ana', { accept: 'all' }), await client('Rui', { accept: 'all' })];
    await until(() => ana.peers.length === 1 && rui.peers.length === 1);
    const [own, peer] = await Promise.all([ana.open(rui.address), rui.open(ana.address)]);
    await Promise.all([own.send('a'), peer.send('b')]);
    expect((await read(own, 1))[0]!.text).toBe('b');
    expect((await read(peer, 1))[0]!.text).toBe('a');
    expect(ana.conversations).toHaveLength(1);
    expect(rui.conversations).toHaveLength(1);
  });

  it('that both open at once goes on in the same handshake’s session at both ends', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [ana, rui] = [await client('Ana', { accept: 'all' }), await client('Rui', { accept: 'all' })];
      await until(
        () =>
          ana.peers.some(({ address }) => address === rui.address) &&
          rui.peers.some(({ address }) => address === ana.address),
      );
      const [own, peer] = await Promise.all([ana.open(rui.address), rui.open(ana.address)]);
      await Promise.all([(await own.send('a')).delivered, (await peer.send('b')).delivered]);
      await expect.poll(() => own.digest === peer.digest).toBe(true);
      await Promise.all([ana.close(), rui.close()]);
    }
  });

  it('refuses what cannot be sent, and loses nothing by it', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    await expect(own.send('\ud800')).rejects.toMatchObject({ code: 'codec/lone-surrogate' });
    await expect(own.send('x'.repeat(524_289))).rejects.toMatchObject({ code: 'client/text-too-long' });
    await expect(own.send('x', { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'client/aborted' });
    await own.send('');
    await own.send('x'.repeat(524_288));
    expect((await read(peer, 2)).map(({ text }) => text.length)).toEqual([0, 524_288]);
  });

  it('holds sends back beyond its window, and an abort there sends nothing', async () => {
    const [ana, rui] = [await client('Ana', { reconnect: true }), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    const big = 'x'.repeat(500_000);
    const abort = new AbortController();
    const first = Array.from({ length: 17 }, () => own.send(big));
    const aborted = own.send('aborted', { signal: abort.signal });
    const last = own.send('last');
    abort.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'client/aborted' });
    const texts = (await read(peer, 18)).map(({ text }) => text);
    expect(texts.at(-1)).toBe('last');
    await Promise.all([...first, last].map(async (sent) => expect(await (await sent).delivered).toEqual({ ok: true })));
  });

  it('renews its keys by hand and goes on', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    for (let round = 0; round < 5; round += 1) {
      await own.rekey();
      expect(await (await own.send(`a${round}`)).delivered).toEqual({ ok: true });
      await peer.rekey();
      expect(await (await peer.send(`b${round}`)).delivered).toEqual({ ok: true });
    }
    expect((await read(peer, 5)).map(({ text }) => text)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4']);
    expect(own.consistency).toBe('consistent');
  });
});

describe('consent', () => {
  it('is asked for by default, and nothing of this side is shown before', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui')];
    await until(() => ana.peers.length === 1);
    const opening = ana.open(rui.address);
    const { value: offered } = (await rui.incoming.next()) as { value: Conversation };
    expect(offered).toMatchObject({ status: 'offered', peer: ana.address, relayedName: 'Ana' });
    expect(() => offered.identity).toThrow(expect.objectContaining({ code: 'client/not-open' }));
    const accepted = await offered.accept();
    expect((await opening).safetyNumber).toBe(accepted.safetyNumber);
  });

  it('can be declined: the opener is told, and both are free again', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui')];
    await until(() => ana.peers.length === 1);
    const opening = ana.open(rui.address);
    const { value: offered } = (await rui.incoming.next()) as { value: Conversation };
    offered.reject();
    await expect(opening).rejects.toMatchObject({ code: 'client/rejected' });
    expect(await offered.closed).toEqual({ by: 'own', reason: 'rejected' });
    expect(ana.conversations).toEqual([]);
    expect(rui.conversations).toEqual([]);
  });

  it('can be a policy', async () => {
    const ana = await client('Ana');
    const eva = await client('Eva');
    const rui = await client('Rui', {
      accept: ({ peer, relayedName }) => peer === ana.address && relayedName === 'Ana',
    });
    await until(() => ana.peers.length === 2 && eva.peers.length === 2);
    expect((await ana.open(rui.address)).status).toBe('open');
    await expect(eva.open(rui.address)).rejects.toMatchObject({ code: 'client/rejected' });
  });

  it('that does not come ends the opening at its time-out', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui')];
    await until(() => ana.peers.length === 1);
    await expect(ana.open(rui.address, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'handshake/timeout' });
  });
});

describe('a client', () => {
  it('knows who is there', async () => {
    const ana = await client('Ana');
    expect(ana.peers).toEqual([]);
    const events: string[] = [];
    ana.on('peers', ({ joined, left }) =>
      events.push(...joined.map(({ name }) => `+${name}`), ...left.map(({ name }) => `-${name}`)),
    );
    const rui = await client('R\u001b[31mui\u202e');
    await until(() => ana.peers.length === 1);
    expect(ana.peers[0]).toMatchObject({
      address: rui.address,
      name: 'R[31mui',
      kind: 'none',
      fingerprint: rui.identity.fingerprint,
    });
    await rui.close();
    await until(() => ana.peers.length === 0);
    expect(events).toEqual(['+R[31mui', '-R[31mui']);
  });

  it('tells an unknown peer from one that declines', async () => {
    const ana = await client('Ana');
    const gone = await client('Rui');
    const { address } = gone;
    await gone.close();
    await until(() => ana.peers.length === 0);
    await expect(ana.open(address)).rejects.toMatchObject({ code: 'client/unknown-peer' });
  });

  it('refuses a relay whose key is not the pinned one', async () => {
    await expect(connect(relay.urls[0]!, { pin: `sha256:${'00'.repeat(32)}` })).rejects.toMatchObject({
      code: 'handshake/identity-mismatch',
    });
    const pinned = await client('Ana', { pin: relay.fingerprint });
    expect(pinned.relayTrust).toBe('pinned');
    expect((await client('Eva')).relayTrust).toBe('first-use');
    await expect(connect(relay.urls[0]!, { pin: 'sha256:xyz' })).rejects.toMatchObject({
      code: 'client/invalid-argument',
    });
  });

  it('says what is wrong with an address or a relay that does not answer', async () => {
    await expect(connect('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'client/invalid-argument' });
    await expect(connect('tcp://127.0.0.1:1')).rejects.toMatchObject({ code: 'transport/connect-failed' });
    const [own, other] = memoryPair();
    other.start({ message: () => {} });
    const abort = new AbortController();
    const connecting = connect(own, { signal: abort.signal });
    abort.abort();
    await expect(connecting).rejects.toMatchObject({ code: 'client/aborted' });
    expect((await other.closed).kind).not.toBe('local');
  });

  it('speaks JSON to the relay and CBOR peers understand it', async () => {
    const [ana, rui] = [await client('Ana', { encoding: 'json' }), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    expect(await (await own.send('x')).delivered).toEqual({ ok: true });
    expect(await (await peer.send('y')).delivered).toEqual({ ok: true });
  });

  it('closes for good: conversations end, peers see it go, the second close waits for the first', async () => {
    const [ana, rui] = [await client('Ana'), await client('Rui', { accept: 'all' })];
    const [own, peer] = await talk(ana, rui);
    await Promise.all([ana.close(), ana.close()]);
    expect(ana.status).toBe('closed');
    expect(await own.closed).toEqual({ by: 'own', reason: 'client-ended' });
    expect(await peer.closed).toEqual({ by: 'peer', reason: 'client-ended' });
    await expect(ana.open(rui.address)).rejects.toMatchObject({ code: 'client/closed' });
    expect(await ana.incoming.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a lost connection', () => {
  const cutAt = Array.from({ length: 40 }, (_, index) => index + 3);

  it.each(cutAt)('after %i messages loses and repeats nothing', async (boundary) => {
    // Every further connection breaks later and later, until one holds.
    const wire = new Wire(relay.urls[0]!, [boundary, boundary + 1, boundary + 3]);
    const rui = await client('Rui', { accept: 'all', conversation: { repeatAfterMs: 200 } });
    let ana: Client;
    try {
      ana = await client('Ana', { conversation: { repeatAfterMs: 50, repeatAtMostMs: 400 } }, wire.dial);
    } catch (error) {
      // Cut before it was up: connecting is the caller's to repeat.
      expect(error).toMatchObject({ name: 'SimsError' });
      return;
    }
    const texts = Array.from({ length: 15 }, (_, index) => `${index}`);
    await until(() => ana.peers.some(({ address }) => address === rui.address));
    const own = await ana.open(rui.address);
    const { value: peer } = (await rui.incoming.next()) as { value: Conversation };
    const sending = Promise.all(texts.map(async (text) => (await own.send(text)).delivered));
    const answering = Promise.all(texts.map(async (text) => (await peer.send(`r${text}`)).delivered));
    expect((await read(peer, texts.length)).map(({ text }) => text)).toEqual(texts);
    expect((await read(own, texts.length)).map(({ text }) => text)).toEqual(texts.map((text) => `r${text}`));
    expect(await sending).toEqual(texts.map(() => ({ ok: true })));
    expect(await answering).toEqual(texts.map(() => ({ ok: true })));
    expect(own.consistency).toBe('consistent');
  });

  it('again and again in the middle of a stream loses and repeats nothing', async () => {
    const wire = new Wire(relay.urls[0]!);
    const ana = await client('Ana', { conversation: { repeatAfterMs: 100 } }, wire.dial);
    const rui = await client('Rui', { accept: 'all' });
    const [own, peer] = await talk(ana, rui);
    const sent = Array.from({ length: 400 }, (_, index) => `${index}`);
    const sending = (async () => {
      for (const [index, text] of sent.entries()) {
        await own.send(text);
        if (index % 80 === 79) wire.cut();
        if (index % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    expect((await read(peer, sent.length)).map(({ text }) => text)).toEqual(sent);
    await sending;
    expect(wire.connections).toBeGreaterThan(2);
  });

  it('to a relay that restarts with its key goes on', async () => {
    const { mkdtemp, rm } = await import('node:fs/promises');
    const stateDirectory = await mkdtemp('/tmp/sims-relay-');
    const first = await testRelay({ stateDirectory });
    const url = first.urls[0]!;
    const ana = await client('Ana', { conversation: { repeatAfterMs: 100 } }, url);
    const rui = await client('Rui', { accept: 'all' }, url);
    const [own, peer] = await talk(ana, rui);
    await (
      await own.send('before')
    ).delivered;
    await first.close();
    await until(() => ana.status === 'offline');
    const during = await own.send('during');
    const second = await testRelay({
      stateDirectory,
      listen: [{ scheme: 'tcp', port: Number(url.split(':').at(-1)) }],
    });
    expect(second.fingerprint).toBe(first.fingerprint);
    expect(await during.delivered).toEqual({ ok: true });
    expect((await read(peer, 2)).map(({ text }) => text)).toEqual(['before', 'during']);
    await second.close();
    await rm(stateDirectory, { recursive: true });
  });

  it('to a relay that comes back with another key ends the client', async () => {
    const first = await testRelay();
    const url = first.urls[0]!;
    const ana = await client('Ana', {}, url);
    const errors: string[] = [];
    ana.on('status', ({ error }) => error !== undefined && errors.push(error.code));
    await first.close();
    const second = await testRelay({ listen: [{ scheme: 'tcp', port: Number(url.split(':').at(-1)) }] });
    await until(() => ana.status === 'closed');
    expect(errors).toContain('client/relay-changed');
    await second.close();
  });

  it('fails what is under way, when the peer does not come back', async () => {
    const [ana, rui] = [
      await client('Ana', { conversation: { unreachableAfterMs: 200, repeatAfterMs: 50 } }),
      await client('Rui', { accept: 'all' }, new Wire(relay.urls[0]!).dial),
    ];
    const [own] = await talk(ana, rui);
    await rui.close({ endConversations: false });
    expect((await own.closed).by).not.toBe('own');
  });
});
