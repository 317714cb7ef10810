/** A store that goes wrong at each write in turn, under the real machine: nothing is lost, shown twice or sealed twice. */
import { describe, expect, it } from 'vitest';
import { equal, fromUtf8, hex } from '../../src/bytes.ts';
import type { Clock } from '../../src/client/clock.ts';
import { memoryStore } from '../../src/client/memoryStore.ts';
import { sealedStore } from '../../src/client/sealedStore.ts';
import { IN_MEMORY, SessionActor, type Keeper } from '../../src/client/sessionActor.ts';
import { storedConversations, StoreKeeper } from '../../src/client/storedState.ts';
import { nodeProvider } from '../../src/crypto/node/provider.ts';
import { chacha20Poly1305 } from '../../src/crypto/record/chacha20Poly1305.ts';
import { X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../src/crypto/suites.ts';
import type { SimsError } from '../../src/errors.ts';
import type { RecordMessage } from '../../src/session/conversation.ts';
import type { ConversationOutput } from '../../src/session/conversation.ts';
import type { ConversationState } from '../../src/session/state.ts';
import { FaultStore, type StoreFault } from '../support/faultStore.ts';
import { pair, text } from '../session/pair.ts';
import { witnessed } from '../session/simulator.ts';
import { messageIdFromBytes } from '../../src/messages/address.ts';

const IDENTITY = { kind: 'key', name: 'peer', verified: false, fingerprint: '' } as const;
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
};

/** Both ends over a wire in memory; only A's store goes wrong. */
class World {
  nowMs = 1_000_000;
  readonly timers: { readonly atMs: number; readonly callback: () => void }[] = [];
  readonly wire: { readonly to: 'a' | 'b'; readonly message: RecordMessage }[] = [];
  readonly shown: { readonly a: Map<number, string>; readonly b: Map<number, string> } = { a: new Map(), b: new Map() };
  readonly released: Map<string, Uint8Array> = new Map();
  readonly store: FaultStore;
  readonly #suite = witnessed(X25519_WITH_CHACHA20_POLY1305_SHA256);
  readonly #both = pair(this.#suite);
  readonly #clock: Clock;
  #life = 0;
  a: SessionActor;
  readonly b: SessionActor;

  constructor(fault: (write: number) => StoreFault) {
    const inner = sealedStore(memoryStore(), new Uint8Array(32), { provider: nodeProvider, cipher: chacha20Poly1305 });
    this.store = new FaultStore(inner, fault);
    this.#clock = {
      now: () => this.nowMs,
      setTimer: (atMs, callback) => {
        const timer = { atMs, callback };
        this.timers.push(timer);
        return () => void (this.timers.includes(timer) && this.timers.splice(this.timers.indexOf(timer), 1));
      },
    };
    const { a, b } = this.#both;
    this.a = this.#actor('a', a.state, new StoreKeeper(this.store, a.state, IDENTITY));
    this.b = this.#actor('b', b.state, IN_MEMORY);
  }

  #actor(end: 'a' | 'b', state: ConversationState, keeper: Keeper): SessionActor {
    const life = end === 'a' ? (this.#life += 1) : 0;
    const actor: SessionActor = new SessionActor(state, this.#both.a.context, keeper, this.#clock, (output) => {
      if (end === 'b' || life === this.#life) this.#release(end, actor, output);
    });
    return actor;
  }

  #release(end: 'a' | 'b', actor: SessionActor, output: ConversationOutput): void {
    if (output.type === 'send') {
      const { saData, data } = output.message as { saData: Uint8Array; data: Uint8Array };
      const place = `${end} ${hex(saData.subarray(0, saData.length > 16 ? 10 : undefined))}`;
      const before = this.released.get(place);
      if (before !== undefined && !equal(before, data)) throw new Error(`${place} left as two records`);
      this.released.set(place, data);
      this.wire.push({ to: end === 'a' ? 'b' : 'a', message: output.message });
    } else if (output.type === 'message') {
      const { m, content } = output.message;
      if (this.shown[end].has(m)) throw new Error(`message ${m} was shown twice`);
      this.shown[end].set(m, fromUtf8(content));
      actor.offer({ type: 'taken', m });
    } else if (output.type === 'consistency' && output.evidence !== undefined) {
      throw new Error(`histories parted: ${output.consistency}`);
    }
  }

  /** The process of A ends, and a new one reads what is stored. */
  async restart(): Promise<void> {
    this.a.stop();
    this.store.recover();
    const [stored] = await storedConversations(this.store, [this.#suite]);
    if (stored === undefined) {
      // Nothing was ever stored: the conversation begins with what the handshake gave.
      this.a = this.#actor('a', pair(this.#suite).a.state, new StoreKeeper(this.store, this.#both.a.state, IDENTITY));
      return;
    }
    this.a = this.#actor('a', stored.state, stored.keeper);
    for (const { m, content, shown } of stored.state.inbox) {
      if (!shown) continue;
      this.shown.a.set(m, fromUtf8(content));
      this.a.offer({ type: 'taken', m });
    }
    this.a.offer({ type: 'reconnected', nowMs: this.nowMs });
    await turns();
  }

  async pass(forMs: number): Promise<void> {
    const untilMs = this.nowMs + forMs;
    for (;;) {
      await turns();
      this.store.letThrough();
      const next = this.wire.shift();
      if (next !== undefined) {
        this[next.to].offer({ type: 'receive', message: next.message, nowMs: this.nowMs });
        continue;
      }
      await turns();
      if (this.wire.length > 0) continue;
      const due = this.timers.toSorted((left, right) => left.atMs - right.atMs)[0];
      if (due === undefined || due.atMs > untilMs) break;
      this.timers.splice(this.timers.indexOf(due), 1);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.callback();
    }
    this.nowMs = untilMs;
  }
}

const WRITES = 14;
const id = (end: number, index: number) => messageIdFromBytes(Uint8Array.of(end, 0, 0, 0, 0, 0, 0, index));

/** Four messages each way; what A could not send, it sends again. Which fault did each of its failures tell of? */
async function talk(world: World, isCrash: boolean): Promise<SimsError[]> {
  const failures: SimsError[] = [];
  for (let index = 0; index < 4; index += 1) {
    const send = { type: 'send', kind: 'text', content: text(index) } as const;
    for (let attempt = 0; ; attempt += 1) {
      const sentBefore = world.a.state.send.m;
      try {
        const sending = world.a.submit({ ...send, id: id(1, index * 9 + attempt), nowMs: world.nowMs });
        await turns();
        world.store.letThrough();
        await sending;
        break;
      } catch (error) {
        failures.push(error as SimsError);
        if (isCrash) await world.restart();
        // An application looks whether it was stored before it sends again.
        if (world.a.state.send.m > sentBefore) break;
        if (attempt > 5) throw error;
      }
    }
    await world.b.submit({ ...send, id: id(2, index), nowMs: world.nowMs });
    await world.pass(100);
    if (isCrash && world.store.writes > 0) await world.restart();
  }
  await world.restart();
  await world.pass(200_000);
  return failures;
}

describe.each(['lost', 'unheard', 'late', 'torn'] as const)('a store whose write is %s', (fault) => {
  it.each(Array.from({ length: WRITES }, (_, write) => [write] as const))(
    'at write %d loses, repeats and reuses nothing',
    async (at) => {
      const world = new World((write) => (write === at ? fault : 'none'));
      const failures = await talk(world, fault === 'torn');
      expect(world.store.writes).toBeGreaterThan(at);
      for (const failure of failures) expect(failure).toMatchObject({ code: 'store/failed' });
      const expected = ['0', '1', '2', '3'];
      expect([...world.shown.b.values()]).toEqual(expected);
      expect([...world.shown.a.values()]).toEqual(expected);
      expect(world.a.state.outbox).toEqual([]);
      expect(world.b.state.outbox).toEqual([]);
      expect(equal(world.a.state.send.hash, world.b.state.receive.history.hash)).toBe(true);
      expect(equal(world.b.state.send.hash, world.a.state.receive.history.hash)).toBe(true);
    },
  );
});
