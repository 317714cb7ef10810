/** A store that fails for a while: what nobody else would bring again is tried again, and the application is told. */
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/client/clock.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { SessionActor, type Keeper } from '../../src/client/sessionActor.ts';
import { storedConversations, StoreKeeper } from '../../src/client/storedState.ts';
import { X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../src/crypto/suites.ts';
import { SimsError, type ErrorCode } from '../../src/errors.ts';
import { messageIdFromBytes, type MessageId } from '../../src/messages/address.ts';
import type { ConversationOutput, RecordMessage } from '../../src/session/conversation.ts';
import type { Store } from '../../src/session/store.ts';
import { pair, text, type Pair } from '../session/pair.ts';

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};
const id = (index: number): MessageId => messageIdFromBytes(Uint8Array.of(7, 0, 0, 0, 0, 0, 0, index));

/** One actor over a keeper that fails as told, and a peer that answers by hand. */
class World {
  nowMs = 1_000_000;
  fails: ErrorCode | undefined;
  commits = 0;
  readonly timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  readonly sent: RecordMessage[] = [];
  readonly outputs: ConversationOutput[] = [];
  readonly failures: {
    readonly error: SimsError;
    readonly retryAtMs: number | undefined;
    readonly isFinal: boolean;
  }[] = [];
  readonly pair: Pair = pair(X25519_WITH_CHACHA20_POLY1305_SHA256);
  readonly actor: SessionActor;

  constructor() {
    const clock: Clock = {
      now: () => this.nowMs,
      setTimer: (atMs, callback) => {
        const timer = { atMs, callback };
        this.timers.push(timer);
        return () => void (this.timers.includes(timer) && this.timers.splice(this.timers.indexOf(timer), 1));
      },
    };
    const keeper: Keeper = {
      commit: async () => {
        this.commits += 1;
        if (this.fails !== undefined) throw new SimsError(this.fails, 'as told');
      },
    };
    const release = (output: ConversationOutput): void => {
      this.outputs.push(output);
      if (output.type === 'send') this.sent.push(output.message);
    };
    const failed = (error: SimsError, retry: { retryAtMs: number | undefined; isFinal: boolean }): void => {
      this.failures.push({ error, ...retry });
    };
    this.actor = new SessionActor(this.pair.a.state, this.pair.a.context, keeper, clock, release, { failed });
  }

  async pass(forMs: number): Promise<void> {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      await turns();
      const due = this.timers.toSorted((left, right) => left.atMs - right.atMs)[0];
      if (due === undefined || due.atMs > untilMs) break;
      this.timers.splice(this.timers.indexOf(due), 1);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.callback();
    }
    this.nowMs = untilMs;
  }

  send(index: number): Promise<void> {
    return this.actor.submit({ type: 'send', id: id(index), kind: 'text', content: text(index), nowMs: this.nowMs });
  }
}

describe('a store that writes and then answers nothing, to reads neither', () => {
  it('goes on with the next state: what was written has not left', async () => {
    const inner = memoryStore();
    let isMute = false;
    const answer = async <T>(work: Promise<T>): Promise<T> => {
      const result = await work;
      if (isMute) throw new Error('no answer');
      return result;
    };
    const store: Store = {
      ...inner,
      read: (name) => answer(inner.read(name)),
      write: (name, value, version) => answer(inner.write(name, value, version)),
    };
    const { a } = pair(X25519_WITH_CHACHA20_POLY1305_SHA256);
    const keeper = new StoreKeeper(store, a.state, { kind: 'key', name: '', verified: false, fingerprint: '' });
    await keeper.commit(a.state);
    isMute = true;
    a.send(text(1));
    await expect(keeper.commit(a.state)).rejects.toThrow('no answer');
    isMute = false;
    a.send(text(2));
    await keeper.commit(a.state);
    const [stored] = await storedConversations(store, [X25519_WITH_CHACHA20_POLY1305_SHA256]);
    expect(stored?.state.send.m).toBe(2);
    // But for what another has written.
    isMute = true;
    await expect(keeper.commit(a.state)).rejects.toThrow('no answer');
    isMute = false;
    const [name] = await inner.names();
    const { value, version } = (await inner.read(name!))!;
    await inner.write(name!, value, version);
    await expect(keeper.commit(a.state)).rejects.toMatchObject({ code: 'store/conflict' });
  });
});

describe('a store that fails', () => {
  it('for a minute stops repeats for no longer than that', async () => {
    const world = new World();
    await world.send(1);
    expect(world.sent).toHaveLength(1);
    world.fails = 'store/failed';
    await world.pass(60_000);
    expect(world.sent).toHaveLength(1);
    world.fails = undefined;
    await world.pass(60_000);
    expect(world.sent.length).toBeGreaterThan(1);
    expect(world.sent.at(-1)).toEqual(world.sent[0]);
  });

  it('is asked again after longer and longer, at most 30 s, and the application is told when', async () => {
    const world = new World();
    await world.send(1);
    world.fails = 'store/failed';
    await world.pass(300_000);
    const { failures } = world;
    expect(failures.length).toBeGreaterThan(8);
    expect(failures.length).toBeLessThan(25);
    for (const { error } of failures) expect(error).toMatchObject({ code: 'store/failed' });
    const at = failures.map(({ retryAtMs }) => retryAtMs!);
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    expect(waits[0]).toBe(2_000);
    expect(Math.max(...waits)).toBe(30_000);
  });

  it('forgets its patience once a write succeeded', async () => {
    const world = new World();
    await world.send(1);
    world.fails = 'store/failed';
    await world.pass(100_000);
    world.fails = undefined;
    await world.pass(60_000);
    const before = world.failures.length;
    world.fails = 'store/failed';
    await world.pass(70_000);
    const [first] = world.failures.slice(before);
    const [, second] = world.failures.slice(before);
    expect(second!.retryAtMs! - first!.retryAtMs!).toBe(2_000);
  });

  it('keeps a close, a new hop and what was taken, but gives a send back to its caller', async () => {
    const world = new World();
    await world.send(1);
    const { b } = world.pair;
    for (const record of world.sent) b.receive(record);
    world.actor.offer({ type: 'receive', message: b.send(text(2)), nowMs: world.nowMs });
    await turns();
    expect(world.actor.state.inbox).toHaveLength(1);
    world.fails = 'store/failed';
    const sentBefore = world.sent.length;
    world.actor.offer({ type: 'taken', m: 1 });
    world.actor.offer({ type: 'reconnected', nowMs: world.nowMs });
    await expect(world.send(3)).rejects.toMatchObject({ code: 'store/failed' });
    world.actor.offer({ type: 'close', id: id(9), reason: 'closed', nowMs: world.nowMs });
    await turns();
    expect(world.actor.state.at).toBe('open');
    world.fails = undefined;
    await world.pass(2_000);
    expect(world.actor.state.at).toBe('closing');
    expect(world.actor.state.inbox).toHaveLength(0);
    const types = world.sent.slice(sentBefore).map(({ type }) => type);
    expect(types).toContain('ack');
    expect(types).toContain('client-disconnect');
    expect(world.actor.state.send.m).toBe(2);
  });

  it('leaves no more timers once stopped', async () => {
    const world = new World();
    await world.send(1);
    world.fails = 'store/failed';
    await world.pass(5_000);
    world.actor.stop();
    expect(world.timers).toEqual([]);
    const { commits } = world;
    await world.pass(100_000);
    expect(world.commits).toBe(commits);
  });

  it('since another wrote is not asked again', async () => {
    const world = new World();
    await world.send(1);
    world.fails = 'store/conflict';
    await world.pass(300_000);
    expect(world.failures).toHaveLength(1);
    expect(world.failures[0]).toMatchObject({ error: { code: 'store/conflict' }, retryAtMs: undefined, isFinal: true });
  });
});
