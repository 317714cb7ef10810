/**
 * Messages on a byte stream: each behind its length, 32 bits, big-endian. Pure, without I/O.
 *
 * @packageDocumentation
 */
import { checkLength } from './limits.ts';

/** Bytes of the length before each message. */
export const FRAME_HEADER_BYTES = 4;

const FIRST_ALLOCATION_BYTES = 65_536;
const EMPTY = new Uint8Array(0);

/** One message behind its length, in new memory. Its size is for the caller to check. */
export function encodeFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + message.length);
  writeFrameHeader(frame, 0, message.length);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}

/** Writes the length of a message at an offset. */
export function writeFrameHeader(target: Uint8Array, offset: number, length: number): void {
  target[offset] = length >>> 24;
  target[offset + 1] = length >>> 16;
  target[offset + 2] = length >>> 8;
  target[offset + 3] = length;
}

/**
 * Cuts a byte stream into messages, in time linear in the bytes however they are chopped. Put chunks in with
 * `push`, take messages out with `next` until it gives `undefined`.
 *
 * A message that lies whole in one chunk is a view of that chunk, without a copy. One that does not is collected in memory that grows
 * with what has really come, so that a length alone makes nobody allocate.
 */
export class FrameReader {
  #chunk: Uint8Array = EMPTY;
  #offset = 0;
  #waiting: Uint8Array[] = [];
  #header = 0;
  #headerBytes = 0;
  #body: Uint8Array | undefined;
  #bodyLength = 0;
  #bodyBytes = 0;

  /** Adds the next bytes of the stream; the reader reads from them and hands out views of them. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#offset === this.#chunk.length && this.#waiting.length === 0) {
      this.#chunk = chunk;
      this.#offset = 0;
    } else {
      this.#waiting.push(chunk);
    }
  }

  /** Whether the stream, were it to end after what `next` has read, would end inside a message. */
  get isInsideFrame(): boolean {
    return (
      this.#headerBytes > 0 || this.#body !== undefined || this.#offset < this.#chunk.length || this.#waiting.length > 0
    );
  }

  /**
   * The next whole message, or `undefined` when more bytes are needed.
   *
   * @param limit - largest length accepted, in bytes; judged when the header is read, before any byte of the message is kept.
   *   It may differ from call to call. The length of a message that has begun was judged by the limit of that time.
   * @throws `codec/length-over-limit`, or `codec/malformed` for a length of 0; the stream cannot be read on after either
   */
  next(limit: number): Uint8Array | undefined {
    for (;;) {
      if (this.#offset === this.#chunk.length && !this.#nextChunk()) return undefined;
      if (this.#body !== undefined) {
        const whole = this.#collect(this.#body);
        if (whole !== undefined) return whole;
      } else if (this.#readHeader()) {
        const length = this.#header;
        checkLength(length, limit);
        this.#header = 0;
        this.#headerBytes = 0;
        if (this.#chunk.length - this.#offset >= length) {
          // Never a subclass of Uint8Array: Buffer's slice does not copy.
          const message = new Uint8Array(this.#chunk.buffer, this.#chunk.byteOffset + this.#offset, length);
          this.#offset += length;
          if (this.#offset === this.#chunk.length) this.#nextChunk();
          return message;
        }
        this.#bodyLength = length;
        this.#bodyBytes = 0;
        this.#body = new Uint8Array(Math.min(length, FIRST_ALLOCATION_BYTES));
      }
    }
  }

  #nextChunk(): boolean {
    this.#chunk = this.#waiting.shift() ?? EMPTY;
    this.#offset = 0;
    return this.#chunk.length > 0;
  }

  /** Reads towards a whole header; whether it is whole now. */
  #readHeader(): boolean {
    while (this.#headerBytes < FRAME_HEADER_BYTES && this.#offset < this.#chunk.length) {
      this.#header = this.#header * 256 + this.#chunk[this.#offset]!;
      this.#headerBytes += 1;
      this.#offset += 1;
    }
    return this.#headerBytes === FRAME_HEADER_BYTES;
  }

  #collect(body: Uint8Array): Uint8Array | undefined {
    const take = Math.min(this.#bodyLength - this.#bodyBytes, this.#chunk.length - this.#offset);
    const filled = this.#bodyBytes + take;
    let target = body;
    if (filled > target.length) {
      target = new Uint8Array(Math.min(this.#bodyLength, Math.max(filled, target.length * 2)));
      target.set(body.subarray(0, this.#bodyBytes));
      this.#body = target;
    }
    target.set(
      take === this.#chunk.length ? this.#chunk : this.#chunk.subarray(this.#offset, this.#offset + take),
      this.#bodyBytes,
    );
    this.#offset += take;
    this.#bodyBytes = filled;
    if (filled < this.#bodyLength) return undefined;
    this.#body = undefined;
    return target;
  }
}
