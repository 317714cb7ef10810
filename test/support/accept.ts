/** A listener that hands out its connections one by one. */
import type { Transport } from '../../src/transport/index.ts';
import type { ConnectionInfo, Listener, ListenOptions } from '../../src/transport/node/index.ts';

export interface Accepting {
  readonly listener: Listener;
  /** The next connection that was taken. */
  next(): Promise<{ readonly transport: Transport; readonly info: ConnectionInfo }>;
}

export async function accepting<Options extends ListenOptions>(
  listen: (options: Options) => Promise<Listener>,
  options: Omit<Options, 'onConnection'>,
): Promise<Accepting> {
  const taken: { transport: Transport; info: ConnectionInfo }[] = [];
  const waiting: ((connection: { transport: Transport; info: ConnectionInfo }) => void)[] = [];
  const listener = await listen({
    ...options,
    onConnection: (transport: Transport, info: ConnectionInfo) => {
      const waiter = waiting.shift();
      if (waiter === undefined) taken.push({ transport, info });
      else waiter({ transport, info });
    },
  } as unknown as Options);
  return {
    listener,
    next: () =>
      new Promise((resolve) => {
        const first = taken.shift();
        if (first === undefined) waiting.push(resolve);
        else resolve(first);
      }),
  };
}
