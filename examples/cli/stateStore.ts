/** Where `--state DIR` keeps what a client needs to go on later. */
import type { Store } from '../../src/index.node.ts';

export function stateStore(directory: string): Promise<Store> {
  return Promise.reject(new Error(`--state ${directory} is not there yet`));
}
