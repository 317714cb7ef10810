/**
 * Times in which a rule holds: all in UTC, so that they mean the same on every machine.
 *
 * @packageDocumentation
 */
import { asMap, asText, asTexts, quoted, type Issues } from './definition.ts';

/** A window; every part that is there must hold. */
export interface TimeWindow {
  /** First moment, in milliseconds since 1970. */
  readonly fromMs?: number;
  /** First moment after it. */
  readonly untilMs?: number;
  /** Days of the week, 0 is Sunday. */
  readonly days?: readonly number[];
  /** Minutes of the day, from the first to before the second; over midnight when the second is smaller. */
  readonly minutes?: readonly [from: number, until: number];
}

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
// An instant of a calendar that Date knows, to the second, in UTC.
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;
const HOURS = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/;

/** Whether a moment lies in the window. */
export function inWindow(window: TimeWindow, nowMs: number): boolean {
  if (window.fromMs !== undefined && nowMs < window.fromMs) return false;
  if (window.untilMs !== undefined && nowMs >= window.untilMs) return false;
  if (window.days !== undefined && !window.days.includes(dayOf(nowMs))) return false;
  if (window.minutes === undefined) return true;
  const [from, until] = window.minutes;
  const minute = Math.floor(sinceMidnight(nowMs) / MINUTE_MS);
  return from < until ? minute >= from && minute < until : minute >= from || minute < until;
}

/** The first moment after `nowMs` at which the answer of {@link inWindow} may be another; `undefined` if it stays. */
export function nextChangeMs(window: TimeWindow, nowMs: number): number | undefined {
  if (window.untilMs !== undefined && nowMs >= window.untilMs) return undefined;
  if (window.fromMs !== undefined && nowMs < window.fromMs) return window.fromMs;
  const midnight = nowMs - sinceMidnight(nowMs);
  const moments = [window.untilMs];
  if (window.days !== undefined) moments.push(midnight + DAY_MS);
  for (const minute of window.minutes ?? []) {
    const today = midnight + minute * MINUTE_MS;
    moments.push(today > nowMs ? today : today + DAY_MS);
  }
  const after = moments.filter((moment) => moment !== undefined && moment > nowMs) as number[];
  return after.length === 0 ? undefined : Math.min(...after);
}

/** A window from its definition, as in `{ "days": ["mon"], "hours": "08:00-18:00", "until": "2027-01-01T00:00:00Z" }`. */
export function checkTimeWindow(value: unknown, path: string, issues: Issues): TimeWindow | undefined {
  const map = asMap(value, path, ['from', 'until', 'days', 'hours'], issues);
  if (map === undefined) return undefined;
  if (Object.keys(map).length === 0) return issues.add(path, 'The window names no time.');
  const fromMs = asInstant(map['from'], `${path}.from`, issues);
  const untilMs = asInstant(map['until'], `${path}.until`, issues);
  if (fromMs !== undefined && untilMs !== undefined && fromMs >= untilMs)
    issues.add(`${path}.until`, 'It is not after "from".');
  const names = map['days'] === undefined ? undefined : asTexts(map['days'], `${path}.days`, 7, issues, dayFault);
  const minutes = asMinutes(map['hours'], `${path}.hours`, issues);
  return Object.freeze({
    ...(fromMs !== undefined && { fromMs }),
    ...(untilMs !== undefined && { untilMs }),
    ...(names && { days: Object.freeze(names.map((name) => DAYS.indexOf(name))) }),
    ...(minutes && { minutes }),
  });
}

function asInstant(value: unknown, path: string, issues: Issues): number | undefined {
  if (value === undefined) return undefined;
  const text = asText(value, path, issues);
  if (text === undefined) return undefined;
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  // Date.parse takes 30 February for 1 or 2 March.
  if (Number.isNaN(ms) || new Date(ms).toISOString().replace('.000Z', 'Z') !== text) {
    return issues.add(path, `${quoted(text)} is no time such as "2026-12-31T23:00:00Z".`);
  }
  return ms;
}

function asMinutes(value: unknown, path: string, issues: Issues): readonly [number, number] | undefined {
  if (value === undefined) return undefined;
  const text = asText(value, path, issues);
  if (text === undefined) return undefined;
  const parts = HOURS.exec(text)?.slice(1).map(Number);
  if (parts === undefined) return issues.add(path, `${quoted(text)} are no hours such as "08:00-18:00" (UTC).`);
  const from = parts[0]! * 60 + parts[1]!;
  const until = parts[2]! * 60 + parts[3]!;
  if (from === until) return issues.add(path, 'The hours begin and end at one time.');
  return Object.freeze([from, until] as const);
}

function dayFault(name: string): string | undefined {
  return DAYS.includes(name) ? undefined : `${quoted(name)} is no day; days are ${DAYS.join(', ')}.`;
}

function sinceMidnight(nowMs: number): number {
  return ((nowMs % DAY_MS) + DAY_MS) % DAY_MS;
}

function dayOf(nowMs: number): number {
  return new Date(nowMs).getUTCDay();
}
