/** The digest and its digits, computed again from section 7 with node:crypto alone. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nodeProvider } from '../../src/crypto/node/provider.ts';
import { ECDHE_WITH_AES_256_GCM_SHA384, X25519_WITH_CHACHA20_POLY1305_SHA256 } from '../../src/crypto/suites.ts';
import { conversationDigest, digestDigits } from '../../src/session/digest.ts';
import { pair, text, type End } from './pair.ts';

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
const lp = (...parts: readonly Uint8Array[]): Buffer =>
  Buffer.concat(parts.flatMap((part) => [u32(part.length), Buffer.from(part)]));
const digestOf = (end: End): string => Buffer.from(conversationDigest(nodeProvider, end.state)).toString('hex');

describe.each([[X25519_WITH_CHACHA20_POLY1305_SHA256], [ECDHE_WITH_AES_256_GCM_SHA384]] as const)(
  'the digest in $name',
  (suite) => {
    it('is the hash of section 7 over both directions, that of the initiator first', () => {
      const both = pair(suite);
      for (let index = 0; index < 3; index += 1) both.a.send(text(index));
      both.b.send(text(9));
      both.settle();
      const { send, receive, conversationId } = both.a.state;
      const bytes = lp(Buffer.from('SIMS 1 digest'), conversationId, u64(3), send.hash, u64(1), receive.history.hash);
      expect(digestOf(both.a)).toBe(createHash('sha256').update(bytes).digest('hex'));
      expect(digestOf(both.b)).toBe(digestOf(both.a));
    });

    it('differs while a message is on its way, and with every message', () => {
      const both = pair(suite);
      const seen = new Set([digestOf(both.a)]);
      expect(digestOf(both.b)).toBe(digestOf(both.a));
      both.a.send(text(1));
      expect(digestOf(both.b)).not.toBe(digestOf(both.a));
      both.settle();
      expect(digestOf(both.b)).toBe(digestOf(both.a));
      seen.add(digestOf(both.a));
      both.b.send(text(1));
      both.settle();
      expect(digestOf(both.b)).toBe(digestOf(both.a));
      seen.add(digestOf(both.a));
      expect(seen.size).toBe(3);
    });

    it('outlives the keys', () => {
      const both = pair(suite);
      both.a.send(text(1));
      both.settle();
      both.a.close();
      both.run(60_000);
      expect([both.a.state.at, both.b.state.at]).toEqual(['closed', 'closed']);
      expect(digestOf(both.b)).toBe(digestOf(both.a));
    });
  },
);

describe('its digits', () => {
  it('are twelve groups of five bytes of SHA-512, modulo 100,000', () => {
    const digest = Uint8Array.from({ length: 32 }, (_, index) => index);
    const hash = createHash('sha512').update(digest).digest();
    const groups = Array.from({ length: 12 }, (_, group) =>
      (BigInt(`0x${hash.subarray(group * 5, group * 5 + 5).toString('hex')}`) % 100_000n).toString().padStart(5, '0'),
    );
    expect(digestDigits(nodeProvider, digest)).toBe(groups.join(' '));
  });
});
