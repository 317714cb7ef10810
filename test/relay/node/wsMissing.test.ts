import { expect, it, vi } from 'vitest';
import { startRelay, type RelayServerOptions } from '../../../src/relay/node/index.ts';
import type * as ws from '../../../src/transport/node/ws.ts';
import { Person, QUICK } from './people.ts';

// The package cannot be uninstalled here; only its loading is made to fail.
vi.mock('../../../src/transport/node/ws.ts', async (importOriginal) => {
  const original = await importOriginal<typeof ws>();
  return { loadWs: () => original.loadWs(() => Promise.reject(new Error('Cannot find package'))) };
});

it('without the package ws only the WebSocket listener is missing, with an error that says what to install', async () => {
  const events: string[] = [];
  const options: RelayServerOptions = {
    listen: [{ scheme: 'ws' }, { scheme: 'tcp' }],
    suites: [QUICK],
    log: ({ event, code }) => events.push(`${event} ${code}`),
  };
  const relay = await startRelay(options);
  try {
    expect(relay.urls).toHaveLength(1);
    expect(relay.failures).toMatchObject([{ address: { scheme: 'ws' }, error: { code: 'transport/ws-missing' } }]);
    expect(relay.failures[0]!.error.message).toContain('npm install ws');
    expect(events).toEqual(['listener-failed transport/ws-missing']);
    expect((await Person.join(relay.urls[0]!, 'Alice')).hop.label).toBe('everyone');
  } finally {
    await relay.close();
  }
  await expect(startRelay({ ...options, listen: [{ scheme: 'ws' }] })).rejects.toMatchObject({
    code: 'transport/ws-missing',
  });
});
