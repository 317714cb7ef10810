/** Bytes: of a message on the wire, a handshake, a stored conversation; and memory of an endpoint. */
import { contentOf } from './content.ts';
import { ConversationPair } from './conversation.ts';
import { handshakeBytes } from './handshakes.ts';
import { collectAll } from './harness.ts';
import { QUICK_SUITES } from './suites.ts';

/** What a suite takes. */
export interface SuiteSizes {
  readonly suite: number;
  /** A whole `client-com` in CBOR, with its destination, less its content; content of 5 bytes. */
  readonly shortOverhead: number;
  /** The same whole message. */
  readonly shortMessage: number;
  /** The same less content, for 64 bytes. */
  readonly overhead64: number;
  /** Four handshake messages, bodies alone and in CBOR. */
  readonly handshakeBodies: number;
  readonly handshakeWire: number;
  /** Stored state with nothing outstanding. */
  readonly state: number;
  /** Bytes of JavaScript's heap and buffers that one endpoint keeps. */
  readonly memory: number;
}

const PAIRS = 200;

/** Sizes of every suite but RSA's. */
export function suiteSizes(): SuiteSizes[] {
  return QUICK_SUITES.map(([number, suite]) => {
    const pair = new ConversationPair(suite);
    const settle = (): void => {
      for (let turn = 0; turn < 6; turn += 1) pair.send(turn % 2 === 0 ? 0 : 1, contentOf(5));
      pair.acknowledge(0);
      pair.acknowledge(1);
    };
    settle();
    // The smallest of some: now and then a record carries an announcement or a key.
    const least = (length: number): number => {
      const lengths = Array.from({ length: 12 }, () => {
        pair.send(0, contentOf(length));
        return pair.lastMessageLength;
      });
      return Math.min(...lengths);
    };
    const short = least(5);
    const longer = least(64);
    settle();
    const { bodies, wire } = handshakeBytes(suite);
    return {
      suite: number,
      shortMessage: short,
      shortOverhead: short - 5,
      overhead64: longer - 64,
      handshakeBodies: bodies,
      handshakeWire: wire,
      state: pair.stateLength(0),
      memory: memoryOf(() => {
        const kept = new ConversationPair(suite);
        for (let turn = 0; turn < 4; turn += 1) kept.send(turn % 2 === 0 ? 0 : 1, contentOf(5));
        return kept;
      }),
    };
  });
}

/** Memory that one end of what `make` gives keeps. */
function memoryOf(make: () => object): number {
  const used = (): number => {
    collectAll();
    collectAll();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  make();
  const before = used();
  const kept = Array.from({ length: PAIRS }, make);
  const after = used();
  return (after - before) / kept.length / 2;
}
