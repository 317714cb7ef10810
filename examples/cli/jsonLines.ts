/** Lines of JSON in and out. */
import type { Readable, Writable } from 'node:stream';

/** Longest line that is taken, in bytes: a text of 512 KiB whose every character is escaped fits. */
const MAX_LINE_BYTES = 4 * 1_048_576;
const NEW_LINE = 0x0a;

/**
 * The lines of a stream, ended by LF alone (JSON texts may hold U+2028 as it is), each decoded, or `undefined` when it
 * is too long or not UTF-8. What follows the last LF is a line when it is not empty.
 */
export async function* readLines(stream: Readable): AsyncGenerator<string | undefined> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (): string | undefined => {
    const line = length > MAX_LINE_BYTES ? undefined : decode(Buffer.concat(parts));
    parts = [];
    length = 0;
    return line;
  };
  const keep = (part: Buffer): void => {
    length += part.length;
    if (length <= MAX_LINE_BYTES) parts.push(part);
    else parts = [];
  };
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(NEW_LINE); end >= 0; end = chunk.indexOf(NEW_LINE, start)) {
      keep(chunk.subarray(start, end));
      start = end + 1;
      yield take();
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (length > 0) yield take();
}

/** Writes one object a line; resolves when the stream wants more. */
export class LineWriter {
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  write(value: object): void {
    // Some readers take these two for ends of lines.
    const line = JSON.stringify(value).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
    if (!this.#stream.writable) return;
    this.#stream.write(`${line}\n`);
  }

  /** Resolves when the reader has taken most of what was written, or is gone. */
  async drained(): Promise<void> {
    if (!this.#stream.writableNeedDrain || !this.#stream.writable) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done).off('close', done);
        resolve();
      };
      this.#stream.on('drain', done).on('close', done);
    });
  }
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
