import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat } from '../../src/bytes.ts';
import { encodeFrame, FrameReader, INITIAL_MESSAGE_LIMIT, MESSAGE_LIMIT } from '../../src/transport/index.ts';

const LIMIT = 1_000;

function readAll(reader: FrameReader, limit = LIMIT): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let message = reader.next(limit); message !== undefined; message = reader.next(limit)) messages.push(message);
  return messages;
}

describe('encodeFrame', () => {
  it('puts the length before the message, 32 bits big-endian', () => {
    expect(encodeFrame(Uint8Array.of(7, 8, 9))).toEqual(Uint8Array.of(0, 0, 0, 3, 7, 8, 9));
    expect(encodeFrame(new Uint8Array(0x01_02_03)).subarray(0, 4)).toEqual(Uint8Array.of(0, 1, 2, 3));
  });
});

describe('FrameReader', () => {
  it('gives back the messages however the stream is chopped', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 40 }),
        (messages, cuts) => {
          const stream = concat(...messages.map(encodeFrame));
          const reader = new FrameReader();
          const read: Uint8Array[] = [];
          for (let offset = 0, cut = 0; offset < stream.length; cut += 1) {
            const size = cuts[cut % cuts.length]!;
            reader.push(stream.subarray(offset, offset + size));
            offset += size;
            // Some readers take messages only after several chunks have come.
            if (size % 3 !== 0) read.push(...readAll(reader));
          }
          read.push(...readAll(reader));
          expect(read).toEqual(messages);
          expect(reader.isInsideFrame).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('says for every truncation that the stream would end inside a message', () => {
    const stream = encodeFrame(new Uint8Array(20).fill(1));
    for (let length = 1; length < stream.length; length += 1) {
      const reader = new FrameReader();
      reader.push(stream.subarray(0, length));
      expect(reader.next(LIMIT)).toBeUndefined();
      expect(reader.isInsideFrame).toBe(true);
    }
  });

  it('gives views of a chunk that holds whole messages, as plain arrays', () => {
    const chunk = Buffer.from(concat(encodeFrame(Uint8Array.of(1, 2)), encodeFrame(Uint8Array.of(3))));
    const reader = new FrameReader();
    reader.push(chunk);
    for (const message of readAll(reader)) {
      expect(message.buffer).toBe(chunk.buffer);
      expect(message.constructor).toBe(Uint8Array);
    }
  });

  it('reads a message of 1 MiB from chunks of one byte in linear time', () => {
    const stream = encodeFrame(new Uint8Array(MESSAGE_LIMIT).fill(5));
    const reader = new FrameReader();
    const started = performance.now();
    let message: Uint8Array | undefined;
    for (let offset = 0; offset < stream.length; offset += 1) {
      reader.push(stream.subarray(offset, offset + 1));
      message = reader.next(MESSAGE_LIMIT);
    }
    expect(message).toHaveLength(MESSAGE_LIMIT);
    // Quadratic time would take minutes.
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('reads many chunks that were pushed before any was taken', () => {
    const reader = new FrameReader();
    for (const byte of encodeFrame(new Uint8Array(200).fill(5))) {
      reader.push(Uint8Array.of(byte));
      reader.push(new Uint8Array(0));
    }
    expect(readAll(reader)).toEqual([new Uint8Array(200).fill(5)]);
  });

  it('refuses a length above the limit at the header, before a byte of the message came', () => {
    for (const header of [
      [0xff, 0xff, 0xff, 0xff],
      [0x80, 0, 0, 0],
      [0, 0, 0x03, 0xe9],
    ]) {
      const reader = new FrameReader();
      reader.push(Uint8Array.from(header));
      expect(() => reader.next(LIMIT)).toThrow(
        expect.objectContaining({ code: 'codec/length-over-limit', fault: 'peer' }),
      );
    }
  });

  it('accepts exactly the limit, and more after it was raised', () => {
    const reader = new FrameReader();
    reader.push(encodeFrame(new Uint8Array(INITIAL_MESSAGE_LIMIT)));
    reader.push(encodeFrame(new Uint8Array(INITIAL_MESSAGE_LIMIT + 1)));
    expect(reader.next(INITIAL_MESSAGE_LIMIT)).toHaveLength(INITIAL_MESSAGE_LIMIT);
    expect(reader.next(MESSAGE_LIMIT)).toHaveLength(INITIAL_MESSAGE_LIMIT + 1);
  });

  it('refuses an empty message', () => {
    const reader = new FrameReader();
    reader.push(new Uint8Array(4));
    expect(() => reader.next(LIMIT)).toThrow(expect.objectContaining({ code: 'codec/malformed' }));
  });

  it('throws only listed codes on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const reader = new FrameReader();
        reader.push(bytes);
        try {
          for (const message of readAll(reader, 16)) expect(message.length).toBeLessThanOrEqual(16);
        } catch (error) {
          expect(['codec/length-over-limit', 'codec/malformed']).toContain((error as { code?: string }).code);
        }
      }),
      { numRuns: 300 },
    );
  });
});
