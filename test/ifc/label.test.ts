import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bottom,
  compareLabels,
  compartmentsOf,
  createLattice,
  dominates,
  formatLabel,
  join,
  labelOf,
  meet,
  parseLabel,
  sameLabel,
  top,
  type Label,
  type LatticeDefinition,
} from '../../src/ifc/index.ts';
import { dominatesWithin, longestTextBelow, scopeOf } from '../../src/ifc/label.ts';
import { anyLattice, clinic, everyLabel, latticeWith, names } from './lattices.ts';

/** What dominating means, said with sets instead of bits. */
function dominatesBySets(upper: Label, lower: Label): boolean {
  const own = new Set(compartmentsOf(upper));
  return upper.level >= lower.level && compartmentsOf(lower).every((name) => own.has(name));
}

describe('a lattice', () => {
  const three = latticeWith(3);
  const check = (predicate: (a: Label, b: Label, c: Label) => void): void => {
    fc.assert(
      fc.property(three, ({ labels: [a, b, c] }) => predicate(a!, b!, c!)),
      { numRuns: 200 },
    );
  };

  it('orders labels as level and set of compartments say', () => {
    check((a, b) => {
      expect(dominates(a, b)).toBe(dominatesBySets(a, b));
      expect(dominates(join(a, b), a)).toBe(true);
    });
  });

  it('has a partial order: reflexive, antisymmetric, transitive', () => {
    check((a, b, c) => {
      expect(dominates(a, a)).toBe(true);
      expect(dominates(a, b) && dominates(b, a)).toBe(sameLabel(a, b));
      const low = meet(meet(a, b), c);
      const middle = meet(a, b);
      expect(dominates(a, middle) && dominates(middle, low) && dominates(a, low)).toBe(true);
      if (dominates(a, b) && dominates(b, c)) expect(dominates(a, c)).toBe(true);
    });
  });

  it('has least upper and greatest lower bounds', () => {
    check((a, b, c) => {
      const upper = join(a, b);
      const lower = meet(a, b);
      expect(dominates(upper, a) && dominates(upper, b)).toBe(true);
      expect(dominates(a, lower) && dominates(b, lower)).toBe(true);
      expect(dominates(c, upper)).toBe(dominates(c, a) && dominates(c, b));
      expect(dominates(lower, c)).toBe(dominates(a, c) && dominates(b, c));
    });
  });

  it('obeys idempotence, commutativity, associativity, absorption and distributivity', () => {
    check((a, b, c) => {
      expect(join(a, a).text).toBe(a.text);
      expect(meet(a, a).text).toBe(a.text);
      expect(join(a, b).text).toBe(join(b, a).text);
      expect(meet(a, b).text).toBe(meet(b, a).text);
      expect(join(a, join(b, c)).text).toBe(join(join(a, b), c).text);
      expect(meet(a, meet(b, c)).text).toBe(meet(meet(a, b), c).text);
      expect(join(a, meet(a, b)).text).toBe(a.text);
      expect(meet(a, join(a, b)).text).toBe(a.text);
      expect(meet(a, join(b, c)).text).toBe(join(meet(a, b), meet(a, c)).text);
    });
  });

  it('lies between bottom and top', () => {
    fc.assert(
      fc.property(latticeWith(1), ({ lattice, labels: [label] }) => {
        expect(dominates(top(lattice), label!)).toBe(true);
        expect(dominates(label!, bottom(lattice))).toBe(true);
      }),
    );
  });

  it('says equal, above, below or apart', () => {
    const label = (text: string): Label => parseLabel(clinic, text);
    expect(compareLabels(label('staff'), label('staff'))).toBe('equal');
    expect(compareLabels(label('staff{oncology}'), label('staff'))).toBe('above');
    expect(compareLabels(label('open'), label('staff{oncology}'))).toBe('below');
    expect(compareLabels(label('secret'), label('open{oncology}'))).toBe('apart');
  });

  it('takes its full size: 64 levels and 256 compartments', () => {
    const lattice = createLattice({ levels: names('l', 64), compartments: names('c', 256) });
    const last = labelOf(lattice, 'l63', ['c255', 'c31', 'c32']);
    expect(last.text).toBe('l63{c31,c32,c255}');
    expect(dominates(last, labelOf(lattice, 'l0', ['c255']))).toBe(true);
    expect(dominates(last, labelOf(lattice, 'l0', ['c254']))).toBe(false);
    expect(dominates(top(lattice), last)).toBe(true);
    expect(() => formatLabel(top(lattice))).toThrow(expect.objectContaining({ code: 'ifc/label-over-limit' }));
  });

  it('looks at its part of a label only, within a scope', () => {
    const levels = scopeOf(clinic, true, []);
    const oncology = scopeOf(clinic, false, ['oncology']);
    for (const a of everyLabel(clinic)) {
      for (const b of everyLabel(clinic)) {
        expect(dominatesWithin(scopeOf(clinic, true), a, b)).toBe(dominates(a, b));
        expect(dominatesWithin(levels, a, b)).toBe(a.level >= b.level);
        const lacks = compartmentsOf(b).includes('oncology') && !compartmentsOf(a).includes('oncology');
        expect(dominatesWithin(oncology, a, b)).toBe(!lacks);
      }
    }
  });
});

describe('the definition of a lattice', () => {
  const refused: [string, unknown, string][] = [
    ['no levels', { levels: [] }, 'levels: The list is empty'],
    ['levels that are missing', {}, 'levels: Expected a list, found nothing'],
    ['no object', null, 'Expected an object, found null'],
    ['a level twice', { levels: ['a', 'b', 'a'] }, 'levels[2]: "a" is there twice'],
    ['a compartment twice', { levels: ['a'], compartments: ['x', 'x'] }, 'compartments[1]: "x" is there twice'],
    ['an upper-case name', { levels: ['Secret'] }, 'levels[0]: "Secret" is no name'],
    ['a name with a brace', { levels: ['a{'] }, 'levels[0]'],
    ['a name with a newline', { levels: ['a\n'] }, 'levels[0]: "a\\n" is no name'],
    ['an empty name', { levels: [''] }, 'levels[0]: The text is empty'],
    ['a number as name', { levels: ['a', 7] }, 'levels[1]: Expected a text, found 7'],
    ['a name of 33 characters', { levels: ['a'.repeat(33)] }, 'levels[0]'],
    ['65 levels', { levels: names('l', 65) }, 'levels: 65 items are above the limit of 64'],
    ['257 compartments', { levels: ['a'], compartments: names('c', 257) }, 'compartments: 257 items'],
    ['a field that it does not know', { levels: ['a'], compartment: [] }, 'compartment: Unknown field'],
  ];
  for (const [what, definition, message] of refused) {
    it(`is refused for ${what}`, () => {
      expect(() => createLattice(definition as LatticeDefinition)).toThrow(
        expect.objectContaining({ code: 'ifc/policy-invalid', message: expect.stringContaining(message) }),
      );
    });
  }

  it('takes a name of 32 characters', () => {
    expect(createLattice({ levels: ['a'.repeat(32)] }).levels).toHaveLength(1);
  });
});

describe('the text of a label', () => {
  it('comes back as the same label', () => {
    fc.assert(
      fc.property(latticeWith(1), ({ lattice, labels: [label] }) => {
        fc.pre(label!.text.length <= 255);
        const back = parseLabel(lattice, formatLabel(label!));
        expect([back.level, back.bits, back.text]).toEqual([label!.level, label!.bits, label!.text]);
      }),
    );
  });

  it('is one for each point, in the order of the lattice', () => {
    expect(labelOf(clinic, 'secret', ['oncology', 'cardiology', 'oncology']).text).toBe('secret{cardiology,oncology}');
    expect(labelOf(clinic, 'secret').text).toBe('secret');
    expect(new Set(everyLabel(clinic).map(String)).size).toBe(12);
  });

  const refused: [string, string][] = [
    ['secret{oncology,cardiology}', 'ifc/label-not-canonical'],
    ['secret{oncology,oncology}', 'ifc/label-not-canonical'],
    ['secret{oncology', 'ifc/label-not-canonical'],
    ['secret{oncology} ', 'ifc/label-not-canonical'],
    ['secret{}', 'ifc/label-unknown'],
    ['secret{oncology,}', 'ifc/label-unknown'],
    ['secret{ oncology}', 'ifc/label-unknown'],
    ['secret{oncology}}', 'ifc/label-unknown'],
    ['secret{{oncology}', 'ifc/label-unknown'],
    ['{oncology}', 'ifc/label-unknown'],
    ['Secret', 'ifc/label-unknown'],
    ['secret}', 'ifc/label-unknown'],
    ['', 'ifc/label-unknown'],
    ['__proto__', 'ifc/label-unknown'],
    ['s\u0435cret', 'ifc/label-unknown'],
    [`secret{${'x'.repeat(300)}}`, 'ifc/label-over-limit'],
  ];
  for (const [text, code] of refused) {
    it(`is refused as ${code}: ${JSON.stringify(text.slice(0, 30))}`, () => {
      expect(() => parseLabel(clinic, text)).toThrow(expect.objectContaining({ code }));
    });
  }

  it('is the canonical text or refused, whatever the text', () => {
    const pieces = fc.constantFrom('open', 'staff', 'secret', '{', '}', ',', 'cardiology', 'oncology', ' ', '\u0000');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 7 }), (parts) => {
        const text = parts.join('');
        const expected = everyLabel(clinic).some((label) => label.text === text);
        let label: Label | undefined;
        try {
          label = parseLabel(clinic, text);
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ifc\/label-/) });
        }
        expect(label?.text).toBe(expected ? text : undefined);
      }),
      { numRuns: 300 },
    );
  });

  it('bounds the texts of all labels below', () => {
    const lattice = createLattice({ levels: ['a-long-name', 'b'], compartments: ['x', 'y'] });
    for (const label of everyLabel(lattice)) {
      const below = everyLabel(lattice).filter((each) => dominates(label, each));
      expect(longestTextBelow(label)).toBe(Math.max(...below.map((each) => each.text.length)));
    }
  });
});

describe('a label', () => {
  it('is frozen, and prints as its text', () => {
    const label = labelOf(clinic, 'staff', ['oncology']);
    expect(Object.isFrozen(label) && Object.isFrozen(label.bits) && Object.isFrozen(label.lattice)).toBe(true);
    expect(`${String(label)} ${JSON.stringify({ label })}`).toBe('staff{oncology} {"label":"staff{oncology}"}');
  });

  it('is the same object each time, so that decisions about it can be kept', () => {
    expect(parseLabel(clinic, 'staff{oncology}')).toBe(labelOf(clinic, 'staff', ['oncology']));
  });

  it('cannot be compared with one of another lattice', () => {
    const other = bottom(createLattice({ levels: ['open'] }));
    const own = bottom(clinic);
    for (const compare of [dominates, sameLabel, join, meet, compareLabels]) {
      expect(() => compare(own, other)).toThrow(expect.objectContaining({ code: 'ifc/lattice-mismatch' }));
    }
    expect(() => labelOf({ ...clinic }, 'open')).toThrow(expect.objectContaining({ code: 'ifc/lattice-mismatch' }));
  });

  it('can be compared across two lattices of one definition, as after a reload', () => {
    fc.assert(
      fc.property(anyLattice, (lattice) => {
        const again = createLattice({ levels: lattice.levels, compartments: lattice.compartments });
        expect(sameLabel(top(lattice), top(again)) && dominates(top(again), bottom(lattice))).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});
