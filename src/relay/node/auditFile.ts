/**
 * The audit log as a file: one line of JSON an entry, each with the hash of the line before it.
 *
 * @packageDocumentation
 */
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { nodeProvider } from '../../crypto/node/index.ts';
import { SimsError } from '../../errors.ts';
import {
  appendAudit,
  auditCheckpoint,
  verifyAudit,
  type AuditEntry,
  type AuditHead,
  type AuditState,
  type Sha256,
} from '../../ifc/index.ts';
import { AuditThrottle, DEFAULT_AUDIT_RATE, type AuditRate } from './auditThrottle.ts';

/** How the file is written. */
export interface AuditFileOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told when the file cannot be written, each time that it is tried. Default: nobody is. */
  readonly onError?: (error: SimsError) => void;
  readonly rate?: Partial<AuditRate>;
}

/** An audit file that a relay appends to. */
export interface AuditFile {
  /** Takes an entry; it is on disk soon after. Never throws. */
  readonly write: (entry: AuditEntry) => void;
  /** The last line that was taken: what to keep elsewhere. */
  readonly head: () => AuditHead | undefined;
  /** Resolves when all that was taken is on disk. @throws `relay/audit-unusable` */
  flush(): Promise<void>;
  /** Writes what is left, and closes. */
  close(): Promise<void>;
}

/** Entries are gathered so long, in milliseconds, and made durable together. */
const GATHER_MS = 50;
const RETRY_MS = 1_000;
/** Characters that wait while the disk refuses; what comes beyond is counted. */
const MAX_WAITING = 1_048_576;
/** The end of a long file that is read at the start, in bytes: more than a hundred of the longest lines. */
const TAIL_BYTES = 2 * 1_048_576;

/**
 * Opens the file at a path, made if there is none (readable by its owner alone), and goes on where it ends. Its last lines
 * are verified, all of a file below 2 MiB; a last line that was not written whole is cut off, and the log says so.
 *
 * @throws `relay/audit-unusable`: nothing was changed
 */
export async function openAuditFile(path: string, options: AuditFileOptions): Promise<AuditFile> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
    const { state, size, cut } = await resume(file, path);
    if (cut > 0) await file.truncate(size);
    const opened = new OpenAuditFile(file, path, state, size, options);
    opened.write({ event: 'started', ...(cut > 0 && { note: `${cut} bytes of an unfinished line were cut off` }) });
    await opened.flush();
    return opened;
  } catch (error) {
    await file?.close();
    if (error instanceof SimsError) throw error;
    throw unusable(`${path} cannot be read or written`, error);
  }
}

const sha256: Sha256 = (bytes) => nodeProvider.hash('SHA-256', bytes);

interface Resumed {
  readonly state: AuditState;
  /** Bytes up to the end of the last whole line. */
  readonly size: number;
  /** Bytes after it. */
  readonly cut: number;
}

async function resume(file: FileHandle, path: string): Promise<Resumed> {
  const { size: fileSize } = await file.stat();
  const start = Math.max(0, fileSize - TAIL_BYTES);
  const buffer = Buffer.alloc(fileSize - start);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  const whole = buffer.subarray(0, filled).lastIndexOf(0x0a) + 1;
  const lines = buffer.toString('utf8', 0, whole).split('\n').slice(0, -1);
  // The first of a tail may be the rest of a line.
  const { from, rest } = start === 0 ? { from: undefined, rest: lines } : lastCheckpoint(lines.slice(1), path);
  const report = verifyAudit(rest, { sha256, ...(from !== undefined && { from }) });
  if (!report.ok) throw unusable(`${path}: ${report.sentence} Keep it as evidence, and name another file`);
  return { state: report.state, size: start + whole, cut: filled - whole };
}

function lastCheckpoint(lines: readonly string[], path: string): { from: AuditState; rest: readonly string[] } {
  for (const [index, line] of lines.entries()) {
    const from = auditCheckpoint(line, sha256);
    if (from !== undefined) return { from, rest: lines.slice(index + 1) };
  }
  throw unusable(`${path} has no checkpoint in its last ${TAIL_BYTES} bytes`);
}

class OpenAuditFile implements AuditFile {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #options: AuditFileOptions;
  readonly #throttle: AuditThrottle;
  #state: AuditState;
  /** Bytes that the file has: another writer would show. */
  #size: number;
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #lost = 0;
  /** What a write that failed has left. */
  #unwritten: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(file: FileHandle, path: string, state: AuditState, size: number, options: AuditFileOptions) {
    this.#file = file;
    this.#path = path;
    this.#options = options;
    this.#state = state;
    this.#size = size;
    this.#throttle = new AuditThrottle({ ...DEFAULT_AUDIT_RATE, ...options.rate }, options.now());
  }

  readonly write = (entry: AuditEntry): void => {
    if (this.#isClosed) return;
    const now = this.#options.now();
    for (const repeats of this.#throttle.due(now)) this.#append(repeats, now);
    if (this.#throttle.take(entry, now)) this.#append(entry, now);
    this.#plan(GATHER_MS);
  };

  readonly head = (): AuditHead | undefined => this.#state.head;

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // One at a time, also after one that failed.
    const next = this.#writing.then(
      () => this.#write(),
      () => this.#write(),
    );
    this.#writing = next;
    next.catch(() => {});
    return next;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    const now = this.#options.now();
    for (const repeats of this.#throttle.due(Infinity)) this.#append(repeats, now);
    this.#appendLost(now);
    this.#isClosed = true;
    try {
      await this.flush();
    } catch (error) {
      this.#tell(error);
    } finally {
      clearTimeout(this.#timer);
      await this.#file.close();
    }
  }

  #append(entry: AuditEntry, now: number): void {
    if (this.#waitingCharacters > MAX_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#appendLost(now);
    this.#chain(entry, now);
  }

  #appendLost(now: number): void {
    if (this.#lost === 0) return;
    this.#chain({ event: 'lost', note: `${this.#lost} entries, while the file could not be written` }, now);
    this.#lost = 0;
  }

  #chain(entry: AuditEntry, now: number): void {
    const { state, line } = appendAudit(this.#state, entry, Math.floor(now));
    this.#state = state;
    this.#waiting.push(`${line}\n`);
    this.#waitingCharacters += line.length + 1;
  }

  /** Sees to it that what waits is written, and that repeats are told in time. */
  #plan(afterMs: number): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    const isWaiting = this.#waiting.length > 0 || this.#unwritten.length > 0;
    const dueMs = this.#throttle.nextMs;
    if (!isWaiting && dueMs === undefined) return;
    const waitMs = isWaiting ? afterMs : Math.max(GATHER_MS, (dueMs ?? 0) - this.#options.now());
    this.#timer = setTimeout(() => this.#wake(), waitMs);
    this.#timer.unref();
  }

  #wake(): void {
    this.#timer = undefined;
    const now = this.#options.now();
    for (const repeats of this.#throttle.due(now)) this.#append(repeats, now);
    void this.flush().then(
      () => this.#plan(GATHER_MS),
      (error: unknown) => {
        this.#tell(error);
        this.#plan(RETRY_MS);
      },
    );
  }

  async #write(): Promise<void> {
    if (this.#waiting.length > 0) {
      this.#unwritten = Buffer.concat([this.#unwritten, Buffer.from(this.#waiting.join(''))]);
      this.#waiting = [];
      // What is refused still waits.
      this.#waitingCharacters = this.#unwritten.length;
    }
    if (this.#unwritten.length === 0) return;
    const { size } = await this.#file.stat();
    if (size !== this.#size) {
      throw unusable(`${this.#path} has ${size} bytes in place of ${this.#size}: something else writes to it`);
    }
    while (this.#unwritten.length > 0) {
      const { bytesWritten } = await this.#file.write(this.#unwritten);
      this.#size += bytesWritten;
      this.#unwritten = this.#unwritten.subarray(bytesWritten);
    }
    await this.#file.datasync();
    this.#waitingCharacters = this.#waiting.reduce((sum, line) => sum + line.length, 0);
  }

  #tell(error: unknown): void {
    const { onError } = this.#options;
    onError?.(error instanceof SimsError ? error : unusable(`${this.#path} cannot be written`, error));
  }
}

function unusable(sentence: string, cause?: unknown): SimsError {
  return new SimsError('relay/audit-unusable', sentence, cause === undefined ? {} : { cause });
}
