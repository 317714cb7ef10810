/**
 * The contract of `Transport` as checks for one's own implementation, for any test framework.
 *
 * @packageDocumentation
 */
import { SimsError, type ErrorCode } from '../errors.ts';
import { INITIAL_MESSAGE_LIMIT, MESSAGE_LIMIT } from '../transport/limits.ts';
import type { CloseReason, Transport } from '../transport/transport.ts';

/** Two connected, fresh transports, neither started. `slow`'s receiver is the one that back-pressure is tried on. */
export interface TransportPair {
  readonly quick: Transport;
  readonly slow: Transport;
  /** Frees what lies beneath, such as a listener. The transports are aborted before. */
  readonly dispose?: () => void | Promise<void>;
}

/** One check: resolves when the contract is kept and rejects, with what was seen, when it is not. */
export interface ConformanceCheck {
  readonly name: string;
  /** Runs the check. */
  run(): Promise<void>;
}

/**
 * Checks of the contract, each over a pair of its own. With vitest:
 * `for (const { name, run } of transportConformance(makePair)) it(name, run);`
 *
 * @param makePair - both ends should have `highWaterBytes` of at most 256 KiB
 */
export function transportConformance(makePair: () => Promise<TransportPair>): readonly ConformanceCheck[] {
  return CHECKS.map(([name, check]) => ({
    name,
    run: async () => {
      const pair = await makePair();
      try {
        await within(20_000, `"${name}" to end`, check(pair));
      } finally {
        pair.quick.abort();
        pair.slow.abort();
        await pair.dispose?.();
      }
    },
  }));
}

type Check = (pair: TransportPair) => Promise<void>;

const CHECKS: readonly (readonly [name: string, check: Check])[] = [
  ['carries messages of many sizes both ways, in order and whole', carriesMessages],
  ['carries many small messages sent in one turn', carriesManySmall],
  ['keeps messages for a receiver that starts late', keepsForLateReceiver],
  ['never calls the receiver from inside start or send', isAsynchronous],
  ['hands over plain arrays that are the receiver’s own', handsOverOwnedBytes],
  ['waits for the promise of a receiver before the next message', waitsForReceiver],
  ['slows a sender whose reader is slow, and loses nothing', slowsSender],
  ['refuses a second start', refusesSecondStart],
  ['refuses to send an empty or an oversized message', refusesBadSizes],
  ['ends as too-large on a message above the limit', endsOnTooLarge],
  ['takes a larger message once the limit is raised, even from inside the receiver', raisesLimit],
  ['sends what is queued before an orderly end', flushesOnClose],
  ['delivers what came before the end to a busy receiver', deliversBeforeEnd],
  ['resolves both ends when both close at once', closesFromBothEnds],
  ['refuses to send after close, and gives one reason for ever', staysClosed],
  ['hands over nothing after close or abort, also from inside the receiver', isSilentAfterClose],
  ['ends at once on abort, with the error given', aborts],
  ['releases who waits for the queue when it is aborted', releasesWaiters],
  ['ends as receiver-failed when the receiver throws or rejects', endsOnReceiverFailure],
];

async function carriesMessages(pair: TransportPair): Promise<void> {
  const sizes = [1, 2, 3, 4, 5, 125, 126, 255, 256, 4_095, 4_096, 16_383, 16_384, 65_535, 65_536, 1];
  const atSlow = collect(pair.slow, sizes.length);
  const atQuick = collect(pair.quick, sizes.length);
  await sendAll(pair.quick, sizes.map(sample));
  await sendAll(pair.slow, sizes.map(sample));
  for (const received of [await atSlow, await atQuick]) {
    received.forEach((message, index) => sameBytes(message, sample(sizes[index]!), `message ${index}`));
  }
}

async function carriesManySmall(pair: TransportPair): Promise<void> {
  const count = 5_000;
  const received = collect(pair.slow, count);
  for (let index = 0; index < count; index += 1) pair.quick.send(numbered(index));
  (await received).forEach((message, index) => same(numberOf(message), index, 'order'));
}

async function keepsForLateReceiver(pair: TransportPair): Promise<void> {
  pair.quick.send(numbered(0));
  pair.quick.send(numbered(1));
  await pause(30);
  const received = await collect(pair.slow, 2);
  same(received.map(numberOf).join(), '0,1', 'messages');
}

async function isAsynchronous(pair: TransportPair): Promise<void> {
  let inside = true;
  const called = new Promise<boolean>((resolve) => {
    pair.slow.start({ message: () => resolve(inside) });
  });
  pair.quick.send(numbered(0));
  inside = false;
  same(await called, false, 'the receiver was called from inside');
}

async function handsOverOwnedBytes(pair: TransportPair): Promise<void> {
  const message = sample(100);
  const received = collect(pair.slow, 2);
  pair.quick.send(message);
  pair.quick.send(message);
  const [first, second] = await received;
  same(first?.constructor, Uint8Array, 'constructor');
  first?.fill(0);
  sameBytes(message, sample(100), 'the sender’s bytes');
  sameBytes(second ?? new Uint8Array(0), sample(100), 'the next message');
}

async function waitsForReceiver(pair: TransportPair): Promise<void> {
  let running = 0;
  let most = 0;
  let count = 0;
  const done = new Promise<void>((resolve) => {
    pair.slow.start({
      message: async () => {
        running += 1;
        most = Math.max(most, running);
        await pause(1);
        running -= 1;
        count += 1;
        if (count === 20) resolve();
      },
    });
  });
  for (let index = 0; index < 20; index += 1) pair.quick.send(numbered(index));
  await done;
  same(most, 1, 'receivers running at once');
}

async function slowsSender({ quick, slow }: TransportPair): Promise<void> {
  const message = sample(10_000);
  const gate = promiseWithResolve();
  let count = 0;
  const total = 4_000;
  const done = promiseWithResolve();
  slow.start({
    message: (received) => {
      same(received.length, message.length, 'length');
      count += 1;
      if (count === total) done.resolve();
      return count === 1 ? gate.promise : undefined;
    },
  });
  let sent = 0;
  let most = 0;
  const sending = (async () => {
    while (sent < total) {
      sent += 1;
      if (!quick.send(message)) await quick.drained();
      most = Math.max(most, quick.queuedBytes);
    }
  })();
  await pause(300);
  const sentWhileStopped = sent;
  if (sentWhileStopped >= total)
    throw new Error(`the sender was not slowed: all ${total} messages were sent to a stopped reader`);
  gate.resolve();
  await sending;
  await done.promise;
  if (most > 1_048_576) throw new Error(`${most} bytes were queued by a sender that waited whenever it was told to`);
}

async function refusesSecondStart({ quick }: TransportPair): Promise<void> {
  quick.start({ message: () => {} });
  await throws('transport/started', () => quick.start({ message: () => {} }));
}

async function refusesBadSizes(pair: TransportPair): Promise<void> {
  await throws('transport/message-size', () => pair.quick.send(new Uint8Array(0)));
  await throws('transport/message-size', () => pair.quick.send(new Uint8Array(MESSAGE_LIMIT + 1)));
  const received = collect(pair.slow, 1);
  pair.quick.send(numbered(7));
  same(numberOf((await received)[0]!), 7, 'the next message');
}

async function endsOnTooLarge({ quick, slow }: TransportPair): Promise<void> {
  const received: number[] = [];
  quick.start({ message: () => {} });
  slow.start({ message: (message) => void received.push(message.length) });
  quick.send(sample(INITIAL_MESSAGE_LIMIT));
  quick.send(sample(INITIAL_MESSAGE_LIMIT + 1));
  if (quick.queuedBytes >= 0) quick.send(sample(5));
  const reason = await slow.closed;
  endedAs(reason, 'too-large', 'codec/length-over-limit');
  same(received.join(), String(INITIAL_MESSAGE_LIMIT), 'lengths received');
  const told = await quick.closed;
  if (told.kind === 'local' || told.kind === 'aborted') throw new Error(`the sender ended as ${told.kind}`);
}

async function raisesLimit({ quick, slow }: TransportPair): Promise<void> {
  const received: number[] = [];
  const done = promiseWithResolve();
  slow.start({
    message: async (message) => {
      received.push(message.length);
      await pause(5);
      slow.messageLimit = MESSAGE_LIMIT;
      if (received.length === 2) done.resolve();
    },
  });
  quick.send(sample(3));
  quick.send(sample(MESSAGE_LIMIT));
  await Promise.race([
    done.promise,
    slow.closed.then((reason) => Promise.reject(new Error(`ended as ${reason.kind}`))),
  ]);
  same(received.join(), `3,${MESSAGE_LIMIT}`, 'lengths received');
}

async function flushesOnClose({ quick, slow }: TransportPair): Promise<void> {
  let count = 0;
  slow.start({ message: (message) => same(numberOf(message), count++, 'order') });
  quick.start({ message: () => {} });
  for (let index = 0; index < 1_000; index += 1) quick.send(numbered(index));
  quick.close();
  same((await quick.closed).kind, 'local', 'reason of who closed');
  same((await slow.closed).kind, 'peer', 'reason of the other');
  same(count, 1_000, 'messages');
  same(quick.queuedBytes, 0, 'queued bytes once closed');
}

async function deliversBeforeEnd({ quick, slow }: TransportPair): Promise<void> {
  let count = 0;
  let running = false;
  slow.start({
    message: async () => {
      running = true;
      await pause(2);
      count += 1;
      running = false;
    },
  });
  quick.start({ message: () => {} });
  for (let index = 0; index < 50; index += 1) quick.send(numbered(index));
  quick.close();
  same((await slow.closed).kind, 'peer', 'reason');
  same(running, false, 'a receiver was running when closed resolved');
  same(count, 50, 'messages');
}

async function closesFromBothEnds({ quick, slow }: TransportPair): Promise<void> {
  quick.start({ message: () => {} });
  slow.start({ message: () => {} });
  quick.send(numbered(0));
  slow.send(numbered(0));
  quick.close();
  slow.close();
  for (const { kind } of await Promise.all([quick.closed, slow.closed])) {
    if (kind !== 'local' && kind !== 'peer') throw new Error(`ended as ${kind}`);
  }
}

async function staysClosed({ quick, slow }: TransportPair): Promise<void> {
  quick.start({ message: () => {} });
  slow.start({ message: () => {} });
  quick.close();
  await throws('transport/closed', () => quick.send(numbered(0)));
  quick.close();
  const reason = await quick.closed;
  await throws('transport/closed', () => quick.send(numbered(0)));
  quick.abort();
  quick.close();
  await quick.drained();
  same(await quick.closed, reason, 'the reason');
  await slow.closed;
  await throws('transport/closed', () => slow.send(numbered(0)));
}

async function isSilentAfterClose({ quick, slow }: TransportPair): Promise<void> {
  let atSlow = 0;
  let atQuick = 0;
  slow.start({
    message: () => {
      atSlow += 1;
      if (atSlow === 3) slow.close();
    },
  });
  quick.start({
    message: () => {
      atQuick += 1;
      quick.abort();
    },
  });
  for (let index = 0; index < 100; index += 1) quick.send(numbered(index));
  await slow.closed;
  await quick.closed;
  await pause(20);
  same(atSlow, 3, 'messages after which close was called');
  if (atQuick > 1) throw new Error(`${atQuick} messages after abort`);
}

async function aborts({ quick, slow }: TransportPair): Promise<void> {
  quick.start({ message: () => {} });
  slow.start({ message: () => {} });
  const error = new SimsError('transport/aborted', 'by the test');
  quick.abort(error);
  const reason = await quick.closed;
  endedAs(reason, 'aborted', 'transport/aborted');
  same('error' in reason && reason.error, error, 'the error');
  const told = await slow.closed;
  if (told.kind === 'local' || told.kind === 'aborted') throw new Error(`the other end ended as ${told.kind}`);
}

async function releasesWaiters({ quick }: TransportPair): Promise<void> {
  const message = sample(60_000);
  for (let count = 0; count < 2_000 && quick.send(message); count += 1) await pause(0);
  const waiting = quick.drained();
  quick.abort();
  await within(1_000, 'drained() to resolve after abort', waiting);
}

async function endsOnReceiverFailure({ quick, slow }: TransportPair): Promise<void> {
  const cause = new Error('by the test');
  slow.start({
    message: () => {
      throw cause;
    },
  });
  quick.start({ message: () => Promise.reject(cause) });
  slow.send(numbered(0));
  const atQuick = await quick.closed;
  endedAs(atQuick, 'receiver-failed', 'transport/receiver-failed');
  same('error' in atQuick && atQuick.error.cause, cause, 'the cause');
  await slow.closed;
}

function sample(length: number): Uint8Array {
  const message = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) message[index] = (index * 31 + length) & 0xff;
  return message;
}

function numbered(index: number): Uint8Array {
  return Uint8Array.of(index >>> 24, index >>> 16, index >>> 8, index);
}

function numberOf(message: Uint8Array): number {
  return message.reduce((number, byte) => number * 256 + byte, 0);
}

async function sendAll(transport: Transport, messages: readonly Uint8Array[]): Promise<void> {
  for (const message of messages) if (!transport.send(message)) await transport.drained();
}

/** Starts a transport and gives its first messages; fails when it ends before. */
function collect(transport: Transport, count: number): Promise<Uint8Array[]> {
  return new Promise((resolve, reject) => {
    const received: Uint8Array[] = [];
    transport.start({
      message: (message) => {
        received.push(message);
        if (received.length === count) resolve(received);
      },
    });
    void transport.closed.then((reason) =>
      reject(new Error(`ended as ${reason.kind} after ${received.length} of ${count}`)),
    );
  });
}

function same(seen: unknown, expected: unknown, what: string): void {
  if (!Object.is(seen, expected)) throw new Error(`${what}: ${String(seen)} instead of ${String(expected)}`);
}

function sameBytes(seen: Uint8Array, expected: Uint8Array, what: string): void {
  same(seen.length, expected.length, `${what}: length`);
  for (let index = 0; index < seen.length; index += 1) {
    if (seen[index] !== expected[index]) throw new Error(`${what}: byte ${index} differs`);
  }
}

function endedAs(reason: CloseReason, kind: CloseReason['kind'], code: ErrorCode): void {
  same(reason.kind, kind, 'reason');
  same('error' in reason ? reason.error.code : undefined, code, 'code');
}

async function throws(code: ErrorCode, act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    return same(error instanceof SimsError ? error.code : error, code, 'error');
  }
  throw new Error(`nothing was thrown instead of ${code}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function promiseWithResolve(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void;
  const promise = new Promise<void>((resolvePromise) => {
    resolve = resolvePromise;
  });
  return { promise, resolve: resolve! };
}

async function within<Value>(limitMs: number, what: string, promise: Promise<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
