import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { messagePortTransport } from '../../src/transport/index.ts';

const ports: { close(): void }[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

function channel(): MessageChannel {
  const made = new MessageChannel();
  ports.push(made.port1, made.port2);
  return made;
}

describe('messagePortTransport', () => {
  it('sends the message alone, not the buffer behind it, and leaves the sender its bytes', async () => {
    const { port1, port2 } = channel();
    const sender = messagePortTransport(port1);
    const message = new Uint8Array(10_000).subarray(5, 8).fill(3);
    const posted = new Promise<Uint8Array>((resolve) => port2.once('message', resolve));
    sender.send(message);
    const received = await posted;
    expect(received).toEqual(Uint8Array.of(3, 3, 3));
    expect(received.buffer.byteLength).toBe(3);
    expect(message).toEqual(Uint8Array.of(3, 3, 3));
  });

  it('ends as malformed on anything that is not of its protocol', async () => {
    for (const strange of [null, {}, [1], 'hello', -1, Number.NaN, 1e9, new ArrayBuffer(4), new Uint16Array(2)]) {
      const { port1, port2 } = channel();
      const transport = messagePortTransport(port1);
      transport.start({ message: () => {} });
      port2.postMessage(strange);
      expect(await transport.closed).toMatchObject({ kind: 'malformed', error: { code: 'codec/malformed' } });
    }
  });

  it('ends as malformed on an empty message', async () => {
    const { port1, port2 } = channel();
    const transport = messagePortTransport(port1);
    transport.start({ message: () => {} });
    port2.postMessage(new Uint8Array(0));
    expect((await transport.closed).kind).toBe('malformed');
  });

  it('cuts off a peer that does not wait', async () => {
    const { port1, port2 } = channel();
    const transport = messagePortTransport(port1);
    let taken = 0;
    let release: (() => void) | undefined;
    transport.start({
      message: () => {
        taken += 1;
        return new Promise((resolve) => (release = resolve));
      },
    });
    for (let count = 0; count < 100; count += 1) port2.postMessage(new Uint8Array(60_000));
    await expect.poll(() => taken).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    release?.();
    expect(await transport.closed).toMatchObject({ kind: 'overrun', error: { code: 'transport/overrun' } });
  });

  it('ends as network when the port closes without a farewell', async () => {
    const { port1, port2 } = channel();
    const transport = messagePortTransport(port1);
    transport.start({ message: () => {} });
    port2.close();
    expect(await transport.closed).toMatchObject({ kind: 'network', error: { code: 'transport/lost' } });
  });
});
