/** Fernet of npm, the package that the reference's suites would be built on: static key, text in and out. */
import { randomBytes } from 'node:crypto';
import type { Operation } from '../harness.ts';
import { loadPeer } from '../peers.ts';

type Secret = object;
interface Fernet {
  readonly Secret: new (key: string) => Secret;
  readonly Token: new (options: { secret: Secret; ttl: number; token?: string }) => {
    encode(text: string): string;
    decode(): string;
  };
}

/** A token made and read. */
export async function npmFernet(content: Uint8Array): Promise<Operation> {
  const { default: fernet } = await loadPeer<{ readonly default: Fernet }>('fernet');
  const secret = new fernet.Secret(randomBytes(32).toString('base64'));
  const text = Buffer.from(content).toString('latin1');
  return () => {
    const token = new fernet.Token({ secret, ttl: 0 }).encode(text);
    if (new fernet.Token({ secret, ttl: 0, token }).decode().length !== text.length) throw new Error('a token changed');
  };
}
