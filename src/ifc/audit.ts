/**
 * An append-only log of denials and exemptions in which every line vouches for all before it.
 *
 * A line is one JSON object: `seq`, `timeMs`, `previous`, `entry`, on every N-th line `checkpoint`, and last `hash`:
 * SHA-256 of the label "SIMS 1 audit" and of the bytes of the line before `,"hash"`. `previous` is the hash of the line
 * before. Who can write the file can also compute hashes: against that, keep a head (number and hash of the last line)
 * elsewhere, now and then, and verify with it.
 *
 * @packageDocumentation
 */
import { hex, lengthPrefixed } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { withoutPrototype } from './definition.ts';
import type { Decision } from './policy.ts';

/** SHA-256, as a provider of `crypto` gives it. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** What is recorded. Never content, names or addresses beyond ids. */
export interface AuditEntry {
  /** `started`: a log or a relay begins. `policy`: a policy was loaded. `lost`: entries could not be written. */
  readonly event: 'started' | 'policy' | 'denied' | 'exempted' | 'lost';
  /** Flow kind, or `login`. */
  readonly kind?: string;
  readonly rule?: string;
  /** Texts of labels. */
  readonly from?: string;
  readonly to?: string;
  /** Names of exemptions. */
  readonly exemptions?: readonly string[];
  /** Client id of who acted. */
  readonly subject?: string;
  /** Client id of the other, where there is one. */
  readonly object?: string;
  /** Id of the message that was decided on. */
  readonly messageId?: string;
  /** Hash of the policy, the name of the relay, or how many like it are not written singly. */
  readonly note?: string;
}

/** Number and hash of a line: what to keep elsewhere. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/** Counts since the log began. */
export interface AuditCounts {
  readonly entries: number;
  readonly denied: number;
  readonly exempted: number;
}

/** Where a log stands. A value: keep it until the line is on disk. */
export interface AuditState {
  readonly sha256: Sha256;
  /** Lines from checkpoint to checkpoint. */
  readonly checkpointEvery: number;
  /** Last line; `undefined` while there is none. */
  readonly head: AuditHead | undefined;
  readonly counts: AuditCounts;
}

/** What a text field of an entry may hold at most, in characters. A label takes 255. */
const MAX_TEXT = 255;
const MAX_EXEMPTIONS = 16;
const MAX_EXEMPTION_NAME = 32;
// Above what the limits of the fields can add up to, even if every character is escaped.
const MAX_AUDIT_LINE = 16_384;
const FIRST_PREVIOUS = '0'.repeat(64);
const TEXTS = ['kind', 'rule', 'from', 'to', 'subject', 'object', 'messageId', 'note'] as const;
const FIELDS: readonly string[] = ['event', 'exemptions', ...TEXTS];
const EVENTS: readonly unknown[] = ['started', 'policy', 'denied', 'exempted', 'lost'];

/** An empty log. A checkpoint, with counts, stands in every `checkpointEvery`-th line: by default in every 100th. */
export function createAudit(options: { readonly sha256: Sha256; readonly checkpointEvery?: number }): AuditState {
  const { sha256, checkpointEvery = 100 } = options;
  if (!Number.isSafeInteger(checkpointEvery) || checkpointEvery < 1) {
    throw new SimsError('ifc/audit-entry-invalid', `a checkpoint every ${checkpointEvery} lines`);
  }
  return { sha256, checkpointEvery, head: undefined, counts: { entries: 0, denied: 0, exempted: 0 } };
}

/**
 * The next line (without its newline) and the state after it.
 *
 * @throws `ifc/audit-entry-invalid` for an unknown field, a text above 255 characters, a time that is no integer
 */
export function appendAudit(
  state: AuditState,
  entry: AuditEntry,
  nowMs: number,
): { readonly state: AuditState; readonly line: string } {
  const fault = entryFault(entry);
  if (fault !== undefined) throw new SimsError('ifc/audit-entry-invalid', fault);
  if (!Number.isSafeInteger(nowMs)) throw new SimsError('ifc/audit-entry-invalid', `time ${nowMs}`);
  const seq = nextSeq(state);
  const counts = countIn(state.counts, entry);
  const isCheckpoint = counts.entries % state.checkpointEvery === 0;
  const previous = state.head?.hash ?? FIRST_PREVIOUS;
  const every = state.checkpointEvery;
  const body = JSON.stringify({
    seq,
    timeMs: nowMs,
    previous,
    entry,
    ...(isCheckpoint && { checkpoint: { every, ...counts } }),
  });
  const hash = hashOf(state.sha256, body.slice(0, -1));
  return { state: { ...state, head: { seq, hash }, counts }, line: `${body.slice(0, -1)},"hash":"${hash}"}` };
}

/** The entry of a decision that belongs in the log; `undefined` for one that does not. */
export function auditEntry(
  decision: Decision,
  who: { readonly subject?: string; readonly object?: string; readonly messageId?: string } = {},
): AuditEntry | undefined {
  if (!decision.audit) return undefined;
  const { subject, object, messageId } = who;
  return {
    event: decision.permit ? 'exempted' : 'denied',
    kind: decision.kind,
    rule: decision.rule,
    from: decision.from.text.slice(0, MAX_TEXT),
    to: decision.to.text.slice(0, MAX_TEXT),
    ...(decision.exemptions.length > 0 && { exemptions: decision.exemptions }),
    ...(subject !== undefined && { subject }),
    ...(object !== undefined && { object }),
    ...(messageId !== undefined && { messageId }),
  };
}

/** What was found wrong. `edit`: a line is not what was written. `cut`: lines are missing. `malformed`: no line of a log. */
export type AuditFault = 'malformed' | 'edit' | 'cut' | 'reorder' | 'repeat';

/** How a log was found. `state` is where it stands after its last good line: {@link appendAudit} goes on from there. */
export type AuditReport =
  | { readonly ok: true; readonly state: AuditState }
  | {
      readonly ok: false;
      readonly fault: AuditFault;
      /** From 1; one more than there are lines when the end is missing. */
      readonly line: number;
      readonly sentence: string;
      readonly state: AuditState;
    };

/** How to verify. */
export interface VerifyOptions {
  readonly sha256: Sha256;
  readonly checkpointEvery?: number;
  /** Heads kept elsewhere: the log must hold each of them. Without one, a cut at the end cannot be seen. */
  readonly heads?: readonly AuditHead[];
  /** Where the log stood before the first of the lines: see {@link auditCheckpoint}. Default: at its beginning. */
  readonly from?: AuditState;
}

/**
 * Where a log stands after a line with a checkpoint; `undefined` for any other line. The line agrees with its own hash;
 * whether the lines before it do is not looked at: this is for going on with a long log without reading all of it.
 */
export function auditCheckpoint(line: string, sha256: Sha256): AuditState | undefined {
  const read = readLine(line);
  if (read === undefined || hashOf(sha256, read.body) !== read.hash) return undefined;
  const { checkpoint, seq, hash } = read;
  if (typeof checkpoint !== 'object' || checkpoint === null) return undefined;
  const { every, entries, denied, exempted } = withoutPrototype(checkpoint);
  const numbers = [every, entries, denied, exempted];
  if (!numbers.every((value): value is number => Number.isSafeInteger(value))) return undefined;
  const [checkpointEvery, ...counted] = numbers as [number, number, number, number];
  if (checkpointEvery < 1) return undefined;
  return {
    sha256,
    checkpointEvery,
    head: { seq, hash },
    counts: { entries: counted[0], denied: counted[1], exempted: counted[2] },
  };
}

/** Verifies the lines of a log (without newlines), first to last. Bounded memory but for the numbers after a gap. */
export function verifyAudit(lines: Iterable<string>, options: VerifyOptions): AuditReport {
  let state = options.from ?? createAudit(options);
  const heads = new Map((options.heads ?? []).map((head) => [head.seq, head.hash]));
  let number = 0;
  const iterator = lines[Symbol.iterator]();
  const fail = (fault: AuditFault, line: number, sentence: string): AuditReport => ({
    ok: false,
    fault,
    line,
    sentence,
    state,
  });
  for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
    number += 1;
    const read = readLine(next.value);
    if (read === undefined)
      return fail(
        'malformed',
        number,
        `Line ${number} is no line of an audit log; if it is the last, it was not written whole.`,
      );
    if (hashOf(options.sha256, read.body) !== read.hash)
      return fail('edit', number, `Line ${number} was changed after it was written.`);
    const seq = nextSeq(state);
    if (read.seq < seq) return fail('repeat', number, `Line ${number} has the number ${read.seq}, which came before.`);
    if (read.seq > seq) {
      if (comesLater(iterator, seq))
        return fail('reorder', number, `Line ${number} is entry ${read.seq}; entry ${seq} comes later.`);
      return fail('cut', number, `Before line ${number} the entries ${seq} to ${read.seq - 1} are missing.`);
    }
    if (read.previous !== (state.head?.hash ?? FIRST_PREVIOUS)) {
      return fail('edit', number, `Line ${number} does not follow the line before it: one of the two was replaced.`);
    }
    const counts = countIn(state.counts, read.entry);
    if (!checkpointFits(read.checkpoint, counts, state.checkpointEvery)) {
      return fail('edit', number, `The checkpoint of line ${number} does not agree with the lines up to it.`);
    }
    const kept = heads.get(seq);
    if (kept !== undefined && kept !== read.hash)
      return fail('edit', number, `Line ${number} is not the line whose hash was kept: the log was written anew.`);
    state = { ...state, head: { seq, hash: read.hash }, counts };
  }
  const last = Math.max(...heads.keys(), -1);
  if (last >= nextSeq(state))
    return fail('cut', number + 1, `The log ends with line ${number}; the head that was kept is of line ${last + 1}.`);
  return { ok: true, state };
}

interface ReadLine {
  readonly body: string;
  readonly hash: string;
  readonly seq: number;
  readonly previous: string;
  readonly entry: AuditEntry;
  readonly checkpoint: unknown;
}

const END = /,"hash":"([0-9a-f]{64})"\}$/;

function readLine(line: string): ReadLine | undefined {
  if (line.length > MAX_AUDIT_LINE) return undefined;
  const hash = END.exec(line)?.[1];
  if (hash === undefined) return undefined;
  const body = line.slice(0, -`,"hash":"${hash}"}`.length);
  const value = parseMap(`${body}}`);
  const { seq, timeMs, previous, entry, checkpoint } = value ?? {};
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0 || !Number.isSafeInteger(timeMs))
    return undefined;
  if (typeof previous !== 'string' || entryFault(entry) !== undefined) return undefined;
  return { body, hash, seq, previous, entry: entry as AuditEntry, checkpoint };
}

/** Whether a later line claims the number; its hash is not looked at, since the order alone is in question. */
function comesLater(iterator: Iterator<string>, seq: number): boolean {
  for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
    if (readLine(next.value)?.seq === seq) return true;
  }
  return false;
}

function checkpointFits(checkpoint: unknown, counts: AuditCounts, every: number): boolean {
  const due = counts.entries % every === 0;
  if (!due) return checkpoint === undefined;
  return JSON.stringify(checkpoint) === JSON.stringify({ every, ...counts });
}

function countIn(counts: AuditCounts, entry: AuditEntry): AuditCounts {
  return {
    entries: counts.entries + 1,
    denied: counts.denied + (entry.event === 'denied' ? 1 : 0),
    exempted: counts.exempted + (entry.event === 'exempted' ? 1 : 0),
  };
}

function entryFault(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return 'the entry is no object';
  const fields = withoutPrototype(entry);
  const unknown = Object.keys(fields).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) return `a field of ${unknown.length} characters that is not of the list`;
  if (!EVENTS.includes(fields['event'])) return 'the event is not of the list';
  for (const key of TEXTS) {
    const text = fields[key];
    if (text === undefined) continue;
    if (typeof text !== 'string') return `${key} is no text`;
    if (text.length > MAX_TEXT) return `${key} has ${text.length} characters, limit ${MAX_TEXT}`;
  }
  const { exemptions } = fields;
  if (exemptions === undefined) return undefined;
  if (!Array.isArray(exemptions) || exemptions.length > MAX_EXEMPTIONS) return 'exemptions are no list, or too many';
  return exemptions.every((name) => typeof name === 'string' && name.length <= MAX_EXEMPTION_NAME)
    ? undefined
    : 'an exemption has no name';
}

function parseMap(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? withoutPrototype(value) : undefined;
  } catch {
    return undefined;
  }
}

function nextSeq(state: AuditState): number {
  return state.head === undefined ? 0 : state.head.seq + 1;
}

function hashOf(sha256: Sha256, body: string): string {
  return hex(sha256(lengthPrefixed('SIMS 1 audit', body)));
}
