import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPolicy,
  clearanceOf,
  defaultPolicy,
  dominates,
  parseLabel,
  type ClearanceRules,
  type CredentialDescription,
} from '../../src/ifc/index.ts';
import { names } from './lattices.ts';

const ID = 'AAAAAAAAAAAAAAAAAAAAAAAAAAA';
const OTHER_ID = 'BBBBBBBBBBBBBBBBBBBBBBBBBBB';
const FINGERPRINT = 'ab'.repeat(32);
const AUTHENTICATION = '2.16.620.1.1.1.2.4.0.1.3';
const card: CredentialDescription = {
  kind: 'certificate',
  verified: true,
  id: ID,
  issuer: { fingerprint: FINGERPRINT, name: 'CN=EC de Autenticação,O=SCEE,C=PT' },
  policyOids: [AUTHENTICATION],
  subject: { C: ['PT'], OU: ['Cidadão Português', 'Autenticação'], serialNumber: ['BI12345678'] },
};
const key: CredentialDescription = { kind: 'key', verified: false, id: ID };
const nobody: CredentialDescription = { kind: 'none', verified: false, id: OTHER_ID };

const LATTICE = { levels: ['low', 'middle', 'high'], compartments: ['x', 'y'] };
const ELSE = { label: 'low' };

function rulesOf(clearance: unknown[], more: object = {}): ClearanceRules {
  const checked = checkPolicy({ ...LATTICE, clearance, ...more });
  if (!('policy' in checked)) throw new Error(JSON.stringify(checked.issues));
  return checked.policy.clearance;
}

function issuesOf(clearance: unknown, more: object = {}): string[] {
  const checked = checkPolicy({ ...LATTICE, clearance, ...more });
  return 'issues' in checked ? checked.issues.map(({ path, message }) => `${path}: ${message}`) : [];
}

const labelFor = (rule: object, credential: CredentialDescription, nowMs = 0): string =>
  clearanceOf(rulesOf([{ label: 'high', ...rule }, ELSE]), credential, nowMs).label.text;

describe('clearance by default', () => {
  it('puts who shows a verified certificate above, and everybody else below, a key included', () => {
    const { clearance } = defaultPolicy();
    const label = (credential: CredentialDescription): string => clearanceOf(clearance, credential, 0).label.text;
    expect(label(card)).toBe('card-holders');
    expect(label({ ...card, verified: false })).toBe('everyone');
    expect(label(key)).toBe('everyone');
    expect(label({ ...key, verified: true })).toBe('everyone');
    expect(label(nobody)).toBe('everyone');
  });
});

describe('a condition', () => {
  const cases: [string, object, CredentialDescription, boolean][] = [
    ['kind', { kind: 'key' }, key, true],
    ['another kind', { kind: 'key' }, card, false],
    ['one of the kinds', { kind: ['key', 'certificate'] }, card, true],
    ['verified', { verified: true }, card, true],
    ['not verified', { verified: true }, { ...card, verified: false }, false],
    ['the fingerprint of the issuer', { issuer: FINGERPRINT }, card, true],
    ['another fingerprint', { issuer: 'cd'.repeat(32) }, card, false],
    ['the name of the issuer', { issuer: ['CN=Other', card.issuer!.name] }, card, true],
    ['the issuer that an unverified certificate names', { issuer: FINGERPRINT }, { ...card, verified: false }, false],
    ['an issuer that a verified key should not have', { issuer: FINGERPRINT }, { ...card, kind: 'key' }, false],
    ['a subject that a verified key should not have', { subject: { C: 'PT' } }, { ...card, kind: 'key' }, false],
    ['a policy that a verified key should not have', { policyOid: AUTHENTICATION }, { ...card, kind: 'key' }, false],
    ['a policy', { policyOid: AUTHENTICATION }, card, true],
    ['the start of a policy', { policyOid: '2.16.620.1.1.1.2.4.0.1' }, card, false],
    ['the policy of an unverified certificate', { policyOid: AUTHENTICATION }, { ...card, verified: false }, false],
    ['a subject attribute', { subject: { C: 'PT' } }, card, true],
    ['one of several values', { subject: { OU: ['Medicina', 'Autenticação'] } }, card, true],
    ['two attributes, one of them wrong', { subject: { C: 'PT', OU: 'Medicina' } }, card, false],
    ['an attribute that is not there', { subject: { O: 'PT' } }, card, false],
    ['an attribute with an inherited name', { subject: { constructor: 'PT' } }, card, false],
    ['the subject of an unverified certificate', { subject: { C: 'PT' } }, { ...card, verified: false }, false],
    ['an id, with a key', { id: [OTHER_ID, ID] }, key, true],
    ['an id, with a certificate', { id: ID }, card, true],
    ['another id', { id: OTHER_ID }, key, false],
    ['the id of an unverified certificate', { id: ID }, { ...card, verified: false }, false],
    ['a verified none, which there is not', { verified: true }, { ...nobody, verified: true }, false],
    ['all of several', { kind: 'certificate', issuer: FINGERPRINT, policyOid: AUTHENTICATION, id: ID }, card, true],
    ['all of several but one', { kind: 'certificate', issuer: FINGERPRINT, policyOid: '1.2.3', id: ID }, card, false],
  ];
  for (const [what, rule, credential, matches] of cases) {
    it(`${matches ? 'matches' : 'does not match'} ${what}`, () => {
      expect(labelFor(rule, credential)).toBe(matches ? 'high' : 'low');
    });
  }
});

describe('a time window', () => {
  const ms = (text: string): number => Date.parse(text);
  const during = (time: object, text: string): boolean => labelFor({ time }, key, ms(text)) === 'high';
  const change = (time: object, text: string): string | undefined => {
    const { changesAtMs } = clearanceOf(rulesOf([{ label: 'high', time }, ELSE]), key, ms(text));
    return changesAtMs === undefined ? undefined : new Date(changesAtMs).toISOString().slice(0, 16);
  };

  it('begins at its first moment and ends before its last', () => {
    const time = { from: '2026-03-01T08:00:00Z', until: '2026-03-02T08:00:00Z' };
    expect(during(time, '2026-03-01T07:59:59.999Z')).toBe(false);
    expect(during(time, '2026-03-01T08:00:00Z')).toBe(true);
    expect(during(time, '2026-03-02T07:59:59.999Z')).toBe(true);
    expect(during(time, '2026-03-02T08:00:00Z')).toBe(false);
  });

  it('keeps hours and days in UTC, and hours may go over midnight', () => {
    expect(during({ hours: '08:00-18:00' }, '2026-03-01T17:59:00Z')).toBe(true);
    expect(during({ hours: '08:00-18:00' }, '2026-03-01T18:00:00Z')).toBe(false);
    expect(during({ hours: '22:00-06:00' }, '2026-03-01T05:59:00Z')).toBe(true);
    expect(during({ hours: '22:00-06:00' }, '2026-03-01T06:00:00Z')).toBe(false);
    expect(during({ days: ['sun'] }, '2026-03-01T00:00:00Z')).toBe(true);
    expect(during({ days: ['sun'] }, '2026-03-02T00:00:00Z')).toBe(false);
    expect(during({ hours: '22:00-06:00' }, '1969-12-31T23:00:00Z')).toBe(true);
  });

  it('tells when to ask again', () => {
    expect(change({ from: '2026-03-01T08:00:00Z' }, '2026-02-01T00:00:00Z')).toBe('2026-03-01T08:00');
    expect(change({ from: '2026-03-01T08:00:00Z' }, '2026-04-01T00:00:00Z')).toBeUndefined();
    expect(change({ until: '2026-03-01T08:00:00Z' }, '2026-03-01T08:00:00Z')).toBeUndefined();
    expect(change({ hours: '08:00-18:00' }, '2026-03-01T09:00:00Z')).toBe('2026-03-01T18:00');
    expect(change({ hours: '08:00-18:00' }, '2026-03-01T18:00:00Z')).toBe('2026-03-02T08:00');
    expect(change({ days: ['sun'] }, '2026-03-01T18:00:00Z')).toBe('2026-03-02T00:00');
  });

  it('never changes before the moment that it tells', () => {
    const window = fc.record(
      {
        hours: fc.constantFrom('08:00-18:00', '22:00-06:00', '00:00-12:30'),
        days: fc.subarray(['sun', 'mon', 'wed', 'sat'], { minLength: 1 }),
        from: fc.constantFrom('2026-03-01T08:10:00Z', '2026-02-27T23:00:00Z'),
        until: fc.constant('2026-03-04T12:00:00Z'),
      },
      { requiredKeys: ['hours'] },
    );
    const now = fc.integer({ min: ms('2026-02-26T00:00:00Z'), max: ms('2026-03-06T00:00:00Z') });
    fc.assert(
      fc.property(window, now, fc.double({ min: 0, max: 0.999, noNaN: true }), (time, nowMs, part) => {
        const rules = rulesOf([{ label: 'high', time }, ELSE]);
        const { label, changesAtMs } = clearanceOf(rules, key, nowMs);
        const until = changesAtMs ?? nowMs + 10 * 86_400_000;
        expect(until).toBeGreaterThan(nowMs);
        const later = nowMs + Math.floor((until - nowMs) * part);
        expect(clearanceOf(rules, key, later).label).toBe(label);
      }),
      { numRuns: 200 },
    );
  });
});

describe('rules together', () => {
  const three = [{ kind: 'certificate', verified: true, label: 'middle{x}' }, { id: ID, label: 'low{y}' }, ELSE];

  it('by first match give the first label', () => {
    expect(clearanceOf(rulesOf(three), card, 0)).toMatchObject({
      label: expect.objectContaining({ text: 'middle{x}' }),
      rules: [0],
    });
    expect(clearanceOf(rulesOf(three), key, 0).label.text).toBe('low{y}');
  });

  it('by join give the join of all that match', () => {
    const rules = rulesOf(three, { combine: 'join' });
    expect(clearanceOf(rules, card, 0)).toMatchObject({
      label: expect.objectContaining({ text: 'middle{x,y}' }),
      rules: [0, 1, 2],
    });
    expect(clearanceOf(rules, nobody, 0).rules).toEqual([2]);
  });

  it('never give more than the delegation covers', () => {
    const { lattice } = rulesOf(three);
    const highest = parseLabel(lattice, 'low{x}');
    for (const combine of ['first', 'join']) {
      const { label } = clearanceOf(
        rulesOf(three, { combine }),
        { ...card, highest: parseLabel(rulesOf(three).lattice, 'low{x}') },
        0,
      );
      expect(dominates(highest, label)).toBe(true);
    }
  });

  it('decide every credential, or are refused at load', () => {
    const kind = fc.constantFrom('none', 'key', 'certificate');
    const rule = fc.record(
      {
        kind: fc.oneof(kind, fc.uniqueArray(kind, { minLength: 1 })),
        verified: fc.boolean(),
        id: fc.constant(OTHER_ID),
        label: fc.constant('high'),
      },
      { requiredKeys: ['label'] },
    );
    let loaded = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 4 }),
        fc.constantFrom('first', 'join'),
        fc.boolean(),
        (some, combine, closed) => {
          const checked = checkPolicy({ ...LATTICE, clearance: closed ? [...some, ELSE] : some, combine });
          if (!('policy' in checked)) return;
          loaded += 1;
          for (const credential of [nobody, key, { ...key, verified: true }, card, { ...card, verified: false }]) {
            expect(clearanceOf(checked.policy.clearance, credential, 0).rules).not.toEqual([]);
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(loaded).toBeGreaterThan(5);
  });
});

describe('rules are refused', () => {
  const refused: [string, unknown, string][] = [
    [
      'that leave everything undecided',
      [],
      'No rule decides for certain: none, key (not verified), key (verified), certificate',
    ],
    [
      'that leave one case undecided',
      [
        { kind: ['none', 'key'], label: 'low' },
        { kind: 'certificate', verified: true, label: 'high' },
      ],
      'certificate (not verified). End',
    ],
    [
      'that decide a kind only for some',
      [
        { kind: 'certificate', id: ID, label: 'high' },
        { kind: ['none', 'key'], label: 'low' },
      ],
      'clearance: No rule decides',
    ],
    [
      'of which one is never reached',
      [ELSE, { kind: 'key', label: 'high' }],
      'clearance[1]: This rule is never reached',
    ],
    ['with an unknown label', [{ label: 'top' }], 'clearance[0].label: No level "top".'],
    ['with a label that is not canonical', [{ label: 'low{y,x}' }], 'clearance[0].label'],
    ['without a label', [{ kind: 'key' }], 'clearance[0].label: Expected a text, found nothing'],
    [
      'with an unknown kind',
      [{ kind: 'card', label: 'low' }],
      'clearance[0].kind: Expected one of none, key, certificate',
    ],
    ['with an unknown field', [{ kinds: 'key', label: 'low' }], 'clearance[0].kinds: Unknown field'],
    [
      'with text for a truth value',
      [{ verified: 'yes', label: 'low' }],
      'clearance[0].verified: Expected true or false',
    ],
    ['with a bad fingerprint', [{ issuer: 'AB:CD', label: 'low' }], 'clearance[0].issuer'],
    ['with a bad OID', [{ policyOid: ['1.2', '1..2'], label: 'low' }], 'clearance[0].policyOid[1]'],
    ['with a bad id', [{ id: 'ana', label: 'low' }], 'clearance[0].id'],
    ['with an empty list', [{ id: [], label: 'low' }], 'clearance[0].id: The list is empty'],
    ['with an empty subject', [{ subject: {}, label: 'low' }], 'clearance[0].subject: No attribute'],
    ['that ask a key for an issuer', [{ kind: 'key', issuer: 'CN=x', label: 'high' }, ELSE], 'clearance[0]: Issuer'],
    [
      'that ask an unverified certificate for a policy',
      [{ verified: false, policyOid: '1.2', label: 'high' }, ELSE],
      'clearance[0]: Issuer',
    ],
    [
      'that ask none to be verified',
      [{ kind: 'none', verified: true, label: 'high' }, ELSE],
      'clearance[0]: A credential',
    ],
    [
      'with a day that does not exist',
      [{ time: { from: '2026-02-30T00:00:00Z' }, label: 'low' }],
      'clearance[0].time.from',
    ],
    ['with a time of no zone', [{ time: { from: '2026-02-03T00:00:00' }, label: 'low' }], 'clearance[0].time.from'],
    [
      'with a window that ends before it begins',
      [{ time: { from: '2026-02-03T00:00:00Z', until: '2026-02-03T00:00:00Z' }, label: 'low' }],
      'clearance[0].time.until',
    ],
    ['with hours of a 25th', [{ time: { hours: '08:00-25:00' }, label: 'low' }], 'clearance[0].time.hours'],
    ['with a day of another language', [{ time: { days: ['seg'] }, label: 'low' }], 'clearance[0].time.days[0]'],
    ['with an empty window', [{ time: {}, label: 'low' }], 'clearance[0].time: The window'],
    ['that are no list', { label: 'low' }, 'clearance: Expected a list, found an object'],
    ['above the limit', Array.from({ length: 1001 }, () => ELSE), 'clearance: 1001 items'],
  ];
  for (const [what, clearance, message] of refused) {
    it(what, () => {
      expect(issuesOf(clearance).join('\n')).toContain(message);
    });
  }

  it('that never match, by join too', () => {
    const rule = { kind: 'certificate', verified: false, id: ID, label: 'high' };
    expect(issuesOf([rule, ELSE], { combine: 'join' }).join()).toContain('clearance[0]: This rule never matches');
  });

  it('that could bring a session to a label too long for the wire', () => {
    const compartments = names('a-compartment-with-a-long-name-', 9);
    const half = (from: number, until: number): string => `low{${compartments.slice(from, until).join(',')}}`;
    const more = { compartments };
    expect(issuesOf([{ label: half(0, 7) }], more)).toEqual([]);
    expect(issuesOf([{ label: half(0, 8) }], more).join()).toContain('Label of 268 characters, limit 255.');
    // The label itself fits, but the same compartments at a lower level with a longer name would not.
    const levels = [`low-${'x'.repeat(28)}`, 'middle', 'high'];
    expect(issuesOf([{ label: half(0, 7).replace('low', 'middle') }], { compartments, levels }).join()).toContain(
      'the wire takes 255',
    );
    const two = [{ id: ID, label: half(0, 5) }, { label: half(5, 9) }];
    expect(issuesOf(two, more)).toEqual([]);
    expect(issuesOf(two, { ...more, combine: 'join' }).join()).toContain('the wire takes 255');
  });
});
