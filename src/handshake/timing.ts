/**
 * Time-outs and repeats (docs/protocol.md §4.3). The machines hold no clock: hosts say what time it is.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import type { Plane, Role } from './context.ts';

/** How long a handshake may take, in milliseconds: at the initiator from its start, at the responder from its consent. */
export const TIMEOUT_MS: Readonly<Record<Plane, Readonly<Record<Role, number>>>> = {
  hop: { initiator: 10_000, responder: 10_000 },
  conversation: { initiator: 60_000, responder: 30_000 },
};

/** The first repeat comes after this, each later one after twice as long. */
export const FIRST_REPEAT_MS = 2_000;

/** When the handshake ends unless it is complete. */
export interface Deadline {
  readonly deadlineMs: number;
}

/** When the last message is sent again, and how long the wait was. */
export interface Repeats extends Deadline {
  readonly repeatAtMs: number;
  readonly repeatAfterMs: number;
}

/** Asks the host for a `timer` input at, or soon after, that time; replaces the request before. */
export interface TimerOutput {
  readonly type: 'timer';
  readonly atMs: number;
}

/** The deadline of a handshake that begins now. @throws `handshake/invalid-argument` */
export function deadlineFrom(nowMs: number, timeoutMs: number): number {
  checkTime(nowMs);
  if (!(timeoutMs > 0)) throw new SimsError('handshake/invalid-argument', `a time-out of ${timeoutMs} ms`);
  return nowMs + timeoutMs;
}

/** The schedule of a message that is sent now for the first time. */
export function firstRepeat(nowMs: number, deadlineMs: number): Repeats {
  checkTime(nowMs);
  return { deadlineMs, repeatAtMs: nowMs + FIRST_REPEAT_MS, repeatAfterMs: FIRST_REPEAT_MS };
}

/** The schedule after a repeat that is sent now. */
export function nextRepeat(repeats: Repeats, nowMs: number): Repeats {
  const repeatAfterMs = repeats.repeatAfterMs * 2;
  return { deadlineMs: repeats.deadlineMs, repeatAtMs: nowMs + repeatAfterMs, repeatAfterMs };
}

/** @throws `handshake/timeout` at the deadline, `handshake/invalid-argument` */
export function checkDeadline(deadline: Deadline, nowMs: number): void {
  checkTime(nowMs);
  if (nowMs >= deadline.deadlineMs) {
    throw new SimsError('handshake/timeout', `not complete ${nowMs - deadline.deadlineMs} ms after the deadline`);
  }
}

/** The request for the next thing that is due. */
export function timerFor(times: Deadline | Repeats): TimerOutput {
  const atMs = 'repeatAtMs' in times ? Math.min(times.repeatAtMs, times.deadlineMs) : times.deadlineMs;
  return { type: 'timer', atMs };
}

/** @throws `handshake/invalid-argument` for a time that is not a number */
export function checkTime(nowMs: number): void {
  if (!Number.isFinite(nowMs)) throw new SimsError('handshake/invalid-argument', `a time of ${nowMs} ms`);
}
