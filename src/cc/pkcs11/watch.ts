/**
 * Tokens coming and going, by looking again and again: C_WaitForSlotEvent would block the module for all else.
 *
 * @packageDocumentation
 */
import type { SignerEvent } from '../signer.ts';
import { isSameToken, type Token } from './tokens.ts';

/** How tokens are watched. */
export interface WatchOptions {
  /** The tokens that are there; a failure counts as none. */
  readonly list: () => Promise<readonly Token[]>;
  readonly intervalMs: number;
  /** What is known to be there already. */
  readonly known: readonly Token[];
  readonly listener: (event: SignerEvent, token: Token) => void;
}

/** Looks at once and then every interval, until the function that it gives is called. Keeps no process alive. */
export function watch(options: WatchOptions): () => void {
  let present = options.known;
  let isStopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = async (): Promise<void> => {
    const now = await options.list().catch((): readonly Token[] => []);
    if (isStopped) return;
    const before = present;
    present = now;
    report('removed', before, now);
    report('inserted', now, before);
    if (isStopped) return;
    timer = setTimeout(() => void look(), options.intervalMs);
    timer.unref();
  };
  const report = (type: SignerEvent['type'], those: readonly Token[], others: readonly Token[]): void => {
    for (const token of those) {
      if (others.some((other) => isSameToken(other, token)) || isStopped) continue;
      options.listener({ type, tokenLabel: token.label }, token);
    }
  };
  void look();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
