import { describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import { platformRandom } from '../../src/crypto/platform.ts';

describe('platformRandom', () => {
  it('gives every short draw bytes of its own, also across the block that is drawn ahead', () => {
    const seen = new Set<string>();
    for (let draw = 0; draw < 1_000; draw += 1) seen.add(hex(platformRandom(8 + (draw % 9))));
    expect(seen.size).toBe(1_000);
  });

  it('gives lengths around both limits, none of it left zero', () => {
    for (const length of [0, 1, 15, 16, 17, 65_536, 65_537, 200_000]) {
      const bytes = platformRandom(length);
      expect(bytes.length).toBe(length);
      if (length >= 15) expect(bytes.subarray(-15).some((byte) => byte !== 0)).toBe(true);
    }
  });

  it('keeps nothing that a draw shares: what a caller wipes or writes changes no other', () => {
    const first = platformRandom(16);
    const second = platformRandom(16);
    const copy = second.slice();
    first.fill(0);
    expect(second).toEqual(copy);
    expect(second.buffer).not.toBe(first.buffer);
  });
});
