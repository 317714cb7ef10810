/**
 * Keeps whoever causes denials from filling the disk: repeats are counted instead of written, and told in one line.
 *
 * @packageDocumentation
 */
import type { AuditEntry } from '../../ifc/index.ts';

/** How much is written singly. */
export interface AuditRate {
  /** Repeats of one entry (all the same but message and receiver) within so long are one more line. Default 60,000. */
  readonly windowMs: number;
  /** Different entries of one client that are written singly in a window. Default 32. */
  readonly perClient: number;
  /** Lines of denials a second, of all clients together. Default 2. */
  readonly perSecond: number;
  /** Lines of denials after a quiet time. Default 1,000. */
  readonly burst: number;
  /** Entries whose repeats are counted singly; beyond it they are counted in one. Default 4,096. */
  readonly keys: number;
}

/** The defaults: at most about 80 MB a day. */
export const DEFAULT_AUDIT_RATE: AuditRate = {
  windowMs: 60_000,
  perClient: 32,
  perSecond: 2,
  burst: 1_000,
  keys: 4_096,
};

interface Repeats {
  readonly entry: AuditEntry;
  readonly untilMs: number;
  count: number;
}

/** Which entries are written, and what is said of the others. */
export class AuditThrottle {
  readonly #rate: AuditRate;
  #tokens: number;
  #tokensAtMs: number;
  /** Oldest window first. */
  readonly #repeats = new Map<string, Repeats>();
  readonly #perClient = new Map<string, number>();
  /** Entries that nothing else counts. */
  readonly #others = { denied: 0, exempted: 0 };
  #clientsUntilMs = 0;
  #othersUntilMs: number | undefined;

  constructor(rate: AuditRate, nowMs: number) {
    this.#rate = rate;
    this.#tokens = rate.burst;
    this.#tokensAtMs = nowMs;
  }

  /** Whether an entry is to be written; otherwise it is counted. What is neither denial nor exemption always is. */
  take(entry: AuditEntry, nowMs: number): boolean {
    const { event } = entry;
    if (event !== 'denied' && event !== 'exempted') return true;
    const key = keyOf(entry);
    const repeats = this.#repeats.get(key);
    if (repeats !== undefined && nowMs < repeats.untilMs) {
      repeats.count += 1;
      return false;
    }
    if (repeats !== undefined || this.#repeats.size >= this.#rate.keys || !this.#mayWrite(entry, nowMs)) {
      this.#others[event] += 1;
      this.#othersUntilMs ??= nowMs + this.#rate.windowMs;
      return false;
    }
    const { object: _object, messageId: _messageId, ...common } = entry;
    this.#repeats.set(key, { entry: common, untilMs: nowMs + this.#rate.windowMs, count: 0 });
    return true;
  }

  /** Entries that tell of repeats whose window is over; of all of them with `Infinity`. */
  due(nowMs: number): readonly AuditEntry[] {
    const entries: AuditEntry[] = [];
    for (const [key, { entry, untilMs, count }] of this.#repeats) {
      if (untilMs > nowMs) break;
      this.#repeats.delete(key);
      if (count === 0) continue;
      const isRoom = nowMs === Infinity || entry.event === 'exempted' || this.#spend(nowMs);
      if (isRoom) entries.push({ ...entry, note: `and ${count} more` });
      else {
        this.#others[entry.event as 'denied'] += count;
        this.#othersUntilMs ??= nowMs;
      }
    }
    if (this.#othersUntilMs !== undefined && this.#othersUntilMs <= nowMs) {
      this.#othersUntilMs = undefined;
      for (const event of ['denied', 'exempted'] as const) {
        if (this.#others[event] > 0) entries.push({ event, note: `and ${this.#others[event]} more, of any client` });
        this.#others[event] = 0;
      }
    }
    return entries;
  }

  /** When {@link AuditThrottle.due} has something to say, at the earliest; `undefined` for never. */
  get nextMs(): number | undefined {
    const [first] = this.#repeats.values();
    if (first === undefined || this.#othersUntilMs === undefined) return first?.untilMs ?? this.#othersUntilMs;
    return Math.min(first.untilMs, this.#othersUntilMs);
  }

  /** Trusted subjects are few and named in the policy: what they do is never crowded out by denials. */
  #mayWrite({ event, subject = '' }: AuditEntry, nowMs: number): boolean {
    if (event === 'exempted') return true;
    if (nowMs >= this.#clientsUntilMs) {
      this.#perClient.clear();
      this.#clientsUntilMs = nowMs + this.#rate.windowMs;
    }
    const written = this.#perClient.get(subject) ?? 0;
    if (written >= this.#rate.perClient || !this.#spend(nowMs)) return false;
    this.#perClient.set(subject, written + 1);
    return true;
  }

  #spend(nowMs: number): boolean {
    const { perSecond, burst } = this.#rate;
    const passedMs = Math.max(0, nowMs - this.#tokensAtMs);
    this.#tokens = Math.min(burst, this.#tokens + (passedMs * perSecond) / 1000);
    this.#tokensAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

function keyOf({ event, kind, rule, from, to, subject, exemptions }: AuditEntry): string {
  return JSON.stringify([event, kind, rule, from, to, subject, exemptions]);
}
