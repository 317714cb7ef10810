import { sha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendAudit,
  auditEntry,
  bellLaPadula,
  chooseLevel,
  createAudit,
  parseLabel,
  verifyAudit,
  type AuditEntry,
  type AuditHead,
  type AuditReport,
  type AuditState,
  type VerifyOptions,
} from '../../src/ifc/index.ts';
import { clinic } from './lattices.ts';

const at = (text: string): ReturnType<typeof parseLabel> => parseLabel(clinic, text);
const secret = { current: at('secret'), clearance: at('secret') };
const DENIED = auditEntry(bellLaPadula(clinic).decide({ subject: secret, object: at('open'), kind: 'message' }), {
  subject: 'A'.repeat(27),
  object: 'B'.repeat(27),
  messageId: 'AAECAwQFBgc',
})!;
const EXEMPTED: AuditEntry = { ...DENIED, event: 'exempted', rule: 'exemption', exemptions: ['duty-desk'] };

interface Log {
  readonly lines: string[];
  readonly heads: AuditHead[];
  readonly state: AuditState;
}

function logOf(count: number, checkpointEvery = 5, from: AuditState = createAudit({ sha256, checkpointEvery })): Log {
  const lines: string[] = [];
  const heads: AuditHead[] = [];
  let state = from;
  for (let index = 0; index < count; index += 1) {
    const next = appendAudit(
      state,
      index % 3 === 0 ? EXEMPTED : { ...DENIED, note: `relay ${index}` },
      1_700_000_000_000 + index,
    );
    ({ state } = next);
    lines.push(next.line);
    heads.push(state.head!);
  }
  return { lines, heads, state };
}

const verify = (lines: readonly string[], more: Partial<VerifyOptions> = {}): AuditReport =>
  verifyAudit(lines, { sha256, checkpointEvery: 5, ...more });
const LOG = logOf(23);
const replaced = (index: number, line: string): string[] => LOG.lines.with(index, line);

describe('the audit log', () => {
  it('verifies as written, and goes on from where it stands', () => {
    const report = verify(LOG.lines, { heads: [LOG.heads[4]!, LOG.heads[22]!] });
    expect(report).toMatchObject({
      ok: true,
      state: { head: LOG.heads[22], counts: { entries: 23, denied: 15, exempted: 8 } },
    });
    const more = logOf(10, 5, report.state);
    expect(verify([...LOG.lines, ...more.lines])).toMatchObject({ ok: true, state: { counts: { entries: 33 } } });
  });

  it('is one JSON object a line, with a running count in every N-th', () => {
    const values = LOG.lines.map(
      (line) => JSON.parse(line) as { seq: number; previous: string; hash: string; checkpoint?: object },
    );
    for (const [index, value] of values.entries()) {
      expect(value.seq).toBe(index);
      expect(value.previous).toBe(index === 0 ? '0'.repeat(64) : values[index - 1]!.hash);
      expect(value.checkpoint !== undefined).toBe((index + 1) % 5 === 0);
    }
    expect(values[9]!.checkpoint).toEqual({ every: 5, entries: 10, denied: 6, exempted: 4 });
  });

  it('leaves the state before a line as it was', () => {
    const before = createAudit({ sha256 });
    const one = appendAudit(before, DENIED, 1);
    const two = appendAudit(before, DENIED, 1);
    expect(two).toEqual(one);
    expect(before.head).toBeUndefined();
  });

  it('of nothing verifies, unless there should be something', () => {
    expect(verify([]).ok).toBe(true);
    expect(verify([], { heads: [LOG.heads[0]!] })).toMatchObject({ ok: false, fault: 'cut', line: 1 });
  });
});

describe('tampering is found and its line told', () => {
  it('an edit, of any one character', () => {
    for (const [index, line] of LOG.lines.entries()) {
      for (let offset = 0; offset < line.length; offset += 7) {
        const other = line[offset] === '1' ? '2' : '1';
        const report = verify(replaced(index, line.slice(0, offset) + other + line.slice(offset + 1)));
        expect(report).toMatchObject({
          ok: false,
          line: index + 1,
          fault: expect.stringMatching(/^(edit|malformed)$/),
        });
      }
    }
  });

  it('an edit whose hash was computed anew, by the line after it', () => {
    const forged = appendAudit({ ...logOf(6).state }, { ...DENIED, to: 'staff' }, 1_700_000_000_006).line;
    expect(verify(replaced(6, forged))).toMatchObject({ ok: false, fault: 'edit', line: 8 });
  });

  it('an edit of the last line whose hash was computed anew, by the head that was kept', () => {
    const forged = appendAudit(logOf(22).state, { ...DENIED, to: 'staff' }, 1_700_000_000_022).line;
    expect(verify(replaced(22, forged)).ok).toBe(true);
    expect(verify(replaced(22, forged), { heads: [LOG.heads[22]!] })).toMatchObject({
      ok: false,
      fault: 'edit',
      line: 23,
    });
  });

  it('a log written anew as a whole, by any head that was kept', () => {
    const other = appendAudit(createAudit({ sha256, checkpointEvery: 5 }), DENIED, 5);
    const lines = [other.line, ...logOf(29, 5, other.state).lines];
    expect(verify(lines).ok).toBe(true);
    expect(verify(lines, { heads: [LOG.heads[12]!] })).toMatchObject({ ok: false, fault: 'edit', line: 13 });
  });

  it('a checkpoint that lies, though every hash fits', () => {
    const lying = logOf(4).state;
    const { line } = appendAudit({ ...lying, counts: { ...lying.counts, denied: 0 } }, DENIED, 1_700_000_000_004);
    expect(verify([...logOf(4).lines, line])).toMatchObject({ ok: false, fault: 'edit', line: 5 });
    const sparse = logOf(5, 6);
    expect(verify(sparse.lines)).toMatchObject({ ok: false, fault: 'edit', line: 5 });
    expect(verify(logOf(4, 4).lines)).toMatchObject({ ok: false, fault: 'edit', line: 4 });
  });

  it('a cut at the start or in the middle, of any length', () => {
    for (let from = 0; from < 22; from += 1) {
      for (const count of [1, 2, 7]) {
        if (from + count > 22) continue;
        const report = verify(LOG.lines.toSpliced(from, count));
        expect(report).toMatchObject({ ok: false, fault: 'cut', line: from + 1 });
        if (!report.ok) expect(report.sentence).toContain(`entries ${from} to ${from + count - 1} are missing`);
      }
    }
  });

  it('a cut at the end, by the head that was kept', () => {
    for (let length = 0; length < 23; length += 1) {
      expect(verify(LOG.lines.slice(0, length)).ok).toBe(true);
      expect(verify(LOG.lines.slice(0, length), { heads: [LOG.heads[22]!] })).toMatchObject({
        ok: false,
        fault: 'cut',
        line: length + 1,
      });
    }
  });

  it('two lines exchanged', () => {
    for (let first = 0; first < 22; first += 1) {
      for (const second of [first + 1, 22]) {
        const lines = LOG.lines.with(first, LOG.lines[second]!).with(second, LOG.lines[first]!);
        if (first === second) continue;
        expect(verify(lines)).toMatchObject({ ok: false, fault: 'reorder', line: first + 1 });
      }
    }
  });

  it('a line twice', () => {
    expect(verify(LOG.lines.toSpliced(8, 0, LOG.lines[3]!))).toMatchObject({ ok: false, fault: 'repeat', line: 9 });
    expect(verify([...LOG.lines, LOG.lines[22]!])).toMatchObject({ ok: false, fault: 'repeat', line: 24 });
  });

  it('a line put in that was never written', () => {
    const foreign = appendAudit({ ...LOG.state, head: { seq: 9, hash: 'f'.repeat(64) } }, DENIED, 1);
    expect(verify(LOG.lines.toSpliced(10, 0, foreign.line))).toMatchObject({ ok: false, fault: 'edit', line: 11 });
  });

  it('a last line that was not written whole, after which the log can go on', () => {
    const torn = [...LOG.lines.slice(0, 22), LOG.lines[22]!.slice(0, 100)];
    const report = verify(torn);
    expect(report).toMatchObject({ ok: false, fault: 'malformed', line: 23, state: { head: LOG.heads[21] } });
    expect(verify([...LOG.lines.slice(0, 22), ...logOf(3, 5, report.state).lines]).ok).toBe(true);
  });

  it('anything else, without ever throwing', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(...LOG.lines),
      fc.json(),
      fc.constantFrom('', '{}', 'null', 'x'.repeat(100_000)),
    );
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => {
        const good = lines.every((each, index) => each === LOG.lines[index]);
        expect(verify(lines).ok).toBe(good);
      }),
      { numRuns: 200 },
    );
  });
});

describe('an audit entry', () => {
  it('is made of denials, exemptions and refused logins alone', () => {
    const policy = bellLaPadula(clinic);
    expect(auditEntry(policy.decide({ subject: secret, object: at('secret'), kind: 'message' }))).toBeUndefined();
    expect(DENIED).toEqual({
      event: 'denied',
      kind: 'message',
      rule: 'star-property',
      from: 'secret',
      to: 'open',
      subject: 'A'.repeat(27),
      object: 'B'.repeat(27),
      messageId: 'AAECAwQFBgc',
    });
    expect(auditEntry(chooseLevel(at('open'), at('secret')))).toMatchObject({
      event: 'denied',
      kind: 'login',
      from: 'secret',
      to: 'open',
    });
  });

  const refused: [string, object | null][] = [
    ['a field for content', { ...DENIED, text: 'hello' }],
    ['a text above 255 characters', { ...DENIED, note: 'x'.repeat(256) }],
    ['a number for a text', { ...DENIED, note: 7 }],
    ['an unknown event', { event: 'permitted' }],
    ['no event', {}],
    ['no object', null],
    ['too many exemptions', { ...EXEMPTED, exemptions: Array.from({ length: 17 }, () => 'a') }],
    ['an exemption without a name', { ...EXEMPTED, exemptions: [1] }],
  ];
  for (const [what, entry] of refused) {
    it(`is refused with ${what}`, () => {
      expect(() => appendAudit(createAudit({ sha256 }), entry as AuditEntry, 1)).toThrow(
        expect.objectContaining({ code: 'ifc/audit-entry-invalid' }),
      );
    });
  }

  it('is refused at a time that is no integer, and a log without a sensible checkpoint', () => {
    for (const time of [Number.NaN, 1.5, Infinity]) {
      expect(() => appendAudit(createAudit({ sha256 }), DENIED, time)).toThrow(
        expect.objectContaining({ code: 'ifc/audit-entry-invalid' }),
      );
    }
    expect(() => createAudit({ sha256, checkpointEvery: 0 })).toThrow(
      expect.objectContaining({ code: 'ifc/audit-entry-invalid' }),
    );
  });

  it('stays one line that verifies, whatever its texts hold', () => {
    const wild = fc.string({ unit: 'binary', maxLength: 60 });
    const texts = fc.record({ note: wild, subject: wild, from: wild });
    fc.assert(
      fc.property(texts, (fields) => {
        const { line } = appendAudit(createAudit({ sha256 }), { ...EXEMPTED, ...fields }, 1);
        expect(line).not.toMatch(/[\n\r]/);
        expect(verifyAudit([line], { sha256 }).ok).toBe(true);
      }),
      { numRuns: 50 },
    );
    const longest: AuditEntry = {
      event: 'exempted',
      ...Object.fromEntries(
        ['kind', 'rule', 'from', 'to', 'subject', 'object', 'messageId', 'note'].map((key) => [
          key,
          '\u0001'.repeat(255),
        ]),
      ),
      exemptions: Array.from({ length: 16 }, () => '\u0001'.repeat(32)),
    };
    const { line } = appendAudit(createAudit({ sha256, checkpointEvery: 1 }), longest, Number.MAX_SAFE_INTEGER);
    expect(verifyAudit([line], { sha256, checkpointEvery: 1 }).ok).toBe(true);
  });
});
