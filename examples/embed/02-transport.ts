// A transport of one's own under the client: any duplex stream of Node that carries bytes in order, such as a serial
// line, an SSH channel or, here, a socket. Usage: node 02-transport.ts PORT, of a relay's TCP listener.
import { connect as connectSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, SimsError } from 'sims-protocol';
import { encodeFrame, FrameReader, TransportBase, type Transport } from 'sims-protocol/transport';

/** Messages over a stream, each behind its length. The base class does what is the same for all transports. */
class StreamTransport extends TransportBase {
  readonly #stream: Duplex;
  readonly #frames = new FrameReader();

  constructor(stream: Duplex) {
    super();
    this.#stream = stream.pause();
    stream.on('data', (chunk: Buffer) => {
      this.#frames.push(chunk);
      this.arrived();
    });
    stream.on('drain', () => this.progressed());
    stream.on('end', () => this.ended({ kind: 'peer' }));
    stream.on('error', (cause) => {
      this.ended({ kind: 'network', error: new SimsError('transport/lost', 'the stream failed', { cause }) });
    });
    stream.on('close', () => this.ended({ kind: 'peer' }));
  }

  get queuedBytes(): number {
    return this.#stream.writableLength;
  }

  protected override next(): Uint8Array | undefined {
    return this.#frames.next(this.messageLimit);
  }

  protected override write(message: Uint8Array): void {
    this.#stream.write(encodeFrame(message));
  }

  protected override pauseReading(): void {
    this.#stream.pause();
  }

  protected override resumeReading(): void {
    this.#stream.resume();
  }

  protected override finishWriting(): void {
    this.#stream.end(() => this.ended({ kind: 'local' }));
  }

  protected override release(): void {
    this.#stream.destroy();
  }
}

/** A function and not a transport: the client calls it again whenever the connection is lost. */
const dial = (): Promise<Transport> =>
  Promise.resolve(new StreamTransport(connectSocket(Number(process.argv[2]), '127.0.0.1')));

await using ana = await connect(dial, { name: 'Ana' });
await using rui = await connect(dial, { name: 'Rui', accept: 'all' });
while (!ana.peers.some(({ address }) => address === rui.address)) {
  await new Promise<void>((resolve) => {
    const stop = ana.on('peers', () => resolve(stop()));
  });
}
const conversation = await ana.open(rui.address);
const receipt = await conversation.send('over my own wire');
for await (const incoming of rui.incoming) {
  for await (const message of incoming) {
    console.log(message.text);
    break;
  }
  break;
}
console.log(await receipt.delivered);
