import { describe, expect, it } from 'vitest';
import { fromUtf8, utf8 } from '../../src/bytes.ts';
import { allSuites } from '../../src/crypto/suites.ts';
import { pair, text } from './pair.ts';

describe.each(allSuites.map((suite) => [suite.name, suite] as const))('a conversation in %s', (_name, suite) => {
  it('delivers messages both ways, in order, each once', () => {
    const both = pair(suite);
    for (let index = 0; index < 30; index += 1) {
      both.a.send(text(index));
      if (index % 3 === 0) both.b.send(text(index + 1000));
      both.run(100);
    }
    expect(both.b.shown.map((m) => fromUtf8(m.content))).toEqual(Array.from({ length: 30 }, (_, index) => `${index}`));
    expect(both.a.shown.map((m) => fromUtf8(m.content))).toEqual(
      Array.from({ length: 10 }, (_, index) => `${index * 3 + 1000}`),
    );
    expect(both.a.states.filter((s) => s.state === 'delivered')).toHaveLength(30);
    expect(both.b.states.filter((s) => s.state === 'delivered')).toHaveLength(10);
    expect(both.a.dropped).toEqual([]);
    expect(both.b.dropped).toEqual([]);
    both.a.close();
    both.run(10_000);
    expect([both.a.state.at, both.b.state.at]).toEqual(['closed', 'peer-closed']);
  });

  it('rekeys by hand and heals, again and again', () => {
    const both = pair(suite);
    for (let index = 0; index < 12; index += 1) {
      both.a.step({ type: 'rekey' });
      both.b.step({ type: 'rekey' });
      both.a.send(text(index));
      both.run(100);
      both.b.send(text(index));
      both.run(100);
    }
    expect(both.a.state.send.current.epoch).toBeGreaterThan(8);
    expect(both.b.state.send.current.epoch).toBeGreaterThan(8);
    expect(both.b.shown).toHaveLength(12);
    expect(both.a.shown).toHaveLength(12);
    expect(both.a.state.send.ratchetKeys.length).toBeLessThanOrEqual(2);
  });

  it('survives loss, repetition and reordering', () => {
    const both = pair(suite, { seed: 7, drop: 0.25, repeat: 0.2, reorder: 0.3, options: { holdBackMs: 600_000 } });
    for (let index = 0; index < 40; index += 1) {
      both.a.send(utf8(`a${index}`));
      both.b.send(utf8(`b${index}`));
      both.run(50);
    }
    both.calm();
    both.run(600_000);
    expect(both.b.shown.map((m) => fromUtf8(m.content))).toEqual(Array.from({ length: 40 }, (_, index) => `a${index}`));
    expect(both.a.shown.map((m) => fromUtf8(m.content))).toEqual(Array.from({ length: 40 }, (_, index) => `b${index}`));
    expect(both.a.state.outbox).toEqual([]);
    expect(both.b.state.outbox).toEqual([]);
    expect([both.a.state.consistency, both.b.state.consistency]).toEqual(['consistent', 'consistent']);
  });
});
