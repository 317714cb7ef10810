/** Signals of the system as an AbortSignal. */

/** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once. */
export function stoppedBySignals(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
