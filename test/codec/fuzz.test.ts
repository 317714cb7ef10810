import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/cbor.ts';
import { SimsError, type ErrorCode } from '../../src/errors.ts';
import { decodeCredential, encodeCredential } from '../../src/messages/credential.ts';
import * as bodies from '../../src/messages/handshakeBodies.ts';
import { decodeMessage, encodeMessage, messageIdOf } from '../../src/messages/messages.ts';
import { fromHex } from './support.ts';

interface Seed {
  readonly note: string;
  readonly decoder: string;
  readonly hex: string;
}

/** Decodes, and encodes what came out again. */
type RoundTrip = (bytes: Uint8Array) => Uint8Array;

const ROUND_TRIPS: Readonly<Record<string, RoundTrip>> = {
  message: (bytes) => {
    const { message, encoding } = decodeMessage(bytes);
    return encodeMessage(message, encoding);
  },
  body1: (bytes) => bodies.encodeBody1(bodies.decodeBody1(bytes)),
  core: (bytes) => bodies.encodeCore(bodies.decodeCore(bytes)),
  body2: (bytes) => bodies.encodeBody2(bodies.decodeBody2(bytes)),
  body3: (bytes) => bodies.encodeBody3(bodies.decodeBody3(bytes)),
  boxInitiator: (bytes) => bodies.encodeBoxInitiator(bodies.decodeBoxInitiator(bytes)),
  initiatorIntroduction: (bytes) => bodies.encodeInitiatorIntroduction(bodies.decodeInitiatorIntroduction(bytes)),
  body4: (bytes) => bodies.encodeBody4(bodies.decodeBody4(bytes)),
  boxResponder: (bytes) => bodies.encodeBoxResponder(bodies.decodeBoxResponder(bytes)),
  credential: (bytes) => encodeCredential(decodeCredential(bytes)),
};

/** Every code that bytes of a peer may lead to here. */
const LISTED: ReadonlySet<ErrorCode> = new Set([
  'codec/depth-over-limit',
  'codec/duplicate-key',
  'codec/invalid-utf8',
  'codec/items-over-limit',
  'codec/length-over-limit',
  'codec/malformed',
  'codec/not-deterministic',
  'codec/number-over-limit',
  'codec/received-lone-surrogate',
  'codec/trailing-bytes',
  'codec/truncated',
  'codec/unsupported-item',
  'messages/field-invalid',
  'messages/field-missing',
  'messages/field-over-limit',
  'messages/unknown-type',
]);

const FOLDER = new URL('./seeds/', import.meta.url);
const SEEDS: readonly Seed[] = readdirSync(FOLDER)
  .sort()
  .flatMap((file) => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Seed[]);

/** Mulberry32: small, and the same everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Bytes that mean something to one of the parsers. */
const MEANINGFUL = fromHex(
  '00 17 18 19 1a 1b 1c 1f 20 3b 40 58 5b 5f 60 78 80 81 9b a0 a1 b8 bf c0 c2 ed f4 f6 f7 f9 ff 22 5c 7b 7d 5b 2c 3a',
);

function mutated(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  const list = [...bytes];
  for (let count = 1 + random(4); count > 0; count -= 1) {
    const at = random(list.length + 1);
    switch (random(7)) {
      case 0:
        if (at < list.length) list[at]! ^= 1 << random(8);
        break;
      case 1:
        if (at < list.length) list[at] = MEANINGFUL[random(MEANINGFUL.length)]!;
        break;
      case 2:
        list.splice(at, 0, MEANINGFUL[random(MEANINGFUL.length)]!);
        break;
      case 3:
        list.splice(at, 1 + random(4));
        break;
      case 4:
        list.splice(at, 0, ...list.slice(at, at + 1 + random(12)));
        break;
      case 5:
        list.splice(random(list.length + 1), 0, ...list.splice(at, 1 + random(12)));
        break;
      default:
        list.length = at;
    }
  }
  return Uint8Array.from(list);
}

/** Tries bytes; gives the code that refused them, or `undefined` if they were taken and round-trip. */
function attempt(roundTrip: RoundTrip, bytes: Uint8Array): ErrorCode | undefined {
  const before = bytes.slice();
  let again: Uint8Array;
  try {
    again = roundTrip(bytes);
  } catch (error) {
    if (!(error instanceof SimsError)) throw error;
    expect(error.fault).toBe('peer');
    expect([...LISTED]).toContain(error.code);
    return error.code;
  } finally {
    expect(bytes).toEqual(before);
  }
  // What was taken has a form that is stable: unknown fields and codes are gone after the first time.
  expect(roundTrip(again)).toEqual(again);
  return undefined;
}

describe('any bytes', () => {
  // Raise SIMS_FUZZ_RUNS for a longer hunt; SIMS_FUZZ_SEED repeats one. What it finds is kept in seeds/.
  const runs = Number(process.env['SIMS_FUZZ_RUNS'] ?? 150);
  const start = Number(process.env['SIMS_FUZZ_SEED'] ?? 1);

  it('has seeds for each decoder', () => {
    expect(new Set(SEEDS.map((seed) => seed.decoder))).toEqual(new Set(Object.keys(ROUND_TRIPS)));
  });

  it.each(SEEDS)('mutated from $note give a value or a listed error, and nothing else', ({ decoder, hex: text }) => {
    const roundTrip = ROUND_TRIPS[decoder]!;
    const seed = fromHex(text);
    expect([undefined, ...LISTED]).toContain(attempt(roundTrip, seed));
    for (let run = 0; run < runs; run += 1) {
      const bytes = mutated(seed, generator(start * 1_000_003 + run));
      try {
        attempt(roundTrip, bytes);
        messageIdOf(bytes);
      } catch (error) {
        throw new Error(`SIMS_FUZZ_SEED=${start}, run ${run}, ${decoder}: ${hex(bytes)}`, { cause: error });
      }
    }
  });

  it('lead to every listed class but the one that needs a large input', () => {
    const seen = new Set<ErrorCode | undefined>();
    for (const { decoder, hex: text } of SEEDS) {
      for (let run = 0; run < 400; run += 1) {
        seen.add(attempt(ROUND_TRIPS[decoder]!, mutated(fromHex(text), generator(run))));
      }
    }
    for (const code of LISTED) if (code !== 'codec/items-over-limit') expect([...seen]).toContain(code);
    expect([...seen]).toContain(undefined);
  });

  it('that decodeCbor takes are the bytes that encodeCbor gives', () => {
    let taken = 0;
    for (const { hex: text } of SEEDS) {
      for (let run = 0; run < runs; run += 1) {
        const bytes = mutated(fromHex(text), generator(start * 7_919 + run));
        let value;
        try {
          value = decodeCbor(bytes);
        } catch (error) {
          if (error instanceof SimsError) continue;
          throw error;
        }
        taken += 1;
        expect(hex(encodeCbor(value))).toBe(hex(bytes));
      }
    }
    expect(taken).toBeGreaterThan(20);
  });
});
