/** How long a client may stay: its verification or its clearance may end while it is there. */
import { SimsError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { RelayEffects } from './effects.ts';
import { earlier, type Entrant } from './hopHandshake.ts';
import type { RelayLimits } from './limits.ts';
import type { Timers } from './timers.ts';

/** What limiting a stay needs. */
export interface StayParts {
  readonly effects: RelayEffects;
  readonly limits: RelayLimits;
  readonly timers: Timers;
  readonly now: () => number;
  readonly isThere: (connection: Connection) => boolean;
  readonly notAuthorised: (connection: Connection) => void;
  readonly crashed: (connection: Connection, error: unknown) => void;
}

/** Asks again when a verification or a rule of a clearance ends. */
export function limitStay(parts: StayParts, connection: Connection, entrant: Entrant): void {
  const { limits, timers, now } = parts;
  const stay = entrant.stay(now());
  if (stay === undefined) {
    parts.notAuthorised(connection);
    return;
  }
  const { recheck } = entrant.established.peer;
  const recheckAtMs = recheck === undefined ? undefined : now() + limits.recheckMs;
  const atMs = earlier(stay.untilMs, recheckAtMs);
  if (atMs === undefined) return;
  connection.cancelTimer = timers.set(atMs, () => {
    if (recheck === undefined || atMs !== recheckAtMs) limitStay(parts, connection, entrant);
    else void recheckStay(parts, connection, entrant, recheck);
  });
}

/** Whether a certificate was revoked meanwhile. What cannot be found out now is asked again. */
async function recheckStay(
  parts: StayParts,
  connection: Connection,
  entrant: Entrant,
  recheck: () => Promise<number>,
): Promise<void> {
  const log = (code: string): void => parts.effects.log?.({ event: 'recheck-failed', connection: connection.id, code });
  let refused: SimsError | undefined;
  try {
    await recheck();
  } catch (error) {
    if (!(error instanceof SimsError)) {
      parts.crashed(connection, error);
      return;
    }
    if (error.action !== 'retry' || error.code === 'cc/delegation-expired') refused = error;
    else log(error.code);
  }
  if (!parts.isThere(connection)) return;
  if (refused === undefined) {
    limitStay(parts, connection, entrant);
    return;
  }
  log(refused.code);
  parts.notAuthorised(connection);
}
