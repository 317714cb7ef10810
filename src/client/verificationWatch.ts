/**
 * How long a peer's verification holds: to its end, and no longer than its certificate is not revoked.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import type { Clock } from './clock.ts';

/** What is watched. */
export interface Watched {
  /** Milliseconds since 1970. */
  readonly verifiedUntilMs?: number | undefined;
  /** Verifies once more; gives the new end. Absent where the credential is not at hand any more. */
  readonly recheck?: (() => Promise<number>) | undefined;
}

/** Between two looks where nothing else is said. */
export const DEFAULT_RECHECK_MS: number = 15 * 60_000;

/**
 * Tells once that the verification has ended: its time is over, or a look at it gave a refusal. What cannot be found out
 * now (no revocation data, say) is asked again. The returned function ends the watch.
 */
export function watchVerification(
  { verifiedUntilMs, recheck }: Watched,
  clock: Clock,
  recheckMs: number,
  ended: (error: SimsError | undefined) => void,
): () => void {
  let isOver = false;
  let cancel = (): void => {};
  const end = (error: SimsError | undefined): void => {
    if (isOver) return;
    isOver = true;
    ended(error);
  };
  const look = async (): Promise<void> => {
    try {
      await recheck?.();
    } catch (error) {
      const refused = error instanceof SimsError ? error : undefined;
      if (refused !== undefined && refused.action !== 'retry') {
        end(refused);
        return;
      }
    }
    wait();
  };
  const wait = (): void => {
    if (isOver) return;
    const nowMs = clock.now();
    if (verifiedUntilMs !== undefined && nowMs >= verifiedUntilMs) {
      end(undefined);
      return;
    }
    const lookAtMs = recheck === undefined ? Infinity : nowMs + recheckMs;
    const endAtMs = verifiedUntilMs ?? Infinity;
    const atMs = Math.min(lookAtMs, endAtMs);
    if (atMs === Infinity) return;
    cancel = clock.setTimer(atMs, () => {
      if (isOver) return;
      if (lookAtMs < endAtMs) void look();
      else wait();
    });
  };
  wait();
  return () => {
    isOver = true;
    cancel();
  };
}
