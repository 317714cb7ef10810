import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPolicy,
  checkPolicyText,
  DEFAULT_POLICY_TEXT,
  loadPolicy,
  parseLabel,
  type PolicyTextError,
} from '../../src/ifc/index.ts';
import { readPositionedJson } from '../../src/ifc/positionedJson.ts';

const GOOD = `// The ward's policy.
{
  "levels": ["open", "staff"], // lowest first
  "compartments": ["oncology", "reviewed"],
  "models": [
    { "model": "bell-lapadula", "compartments": ["oncology"], "exemptions": [
      { "name": "duty-desk", "subjects": ["AAAAAAAAAAAAAAAAAAAAAAAAAAA"], "kinds": ["message", "ack"],
        "lowest": "open", "highest": "staff{oncology}" }
    ] },
    { "model": "biba", "levels": false, "compartments": ["reviewed"] }
  ],
  "combine": "join",
  "clearance": [
    { "kind": "certificate", "verified": true, "label": "staff{oncology}" },
    { "label": "open" }
  ]
}
`;

function errorsOf(text: string): readonly PolicyTextError[] {
  const checked = checkPolicyText(text);
  return 'errors' in checked ? checked.errors : [];
}

/** The text with `part` replaced, and where the replacement, or `marked` within it, begins. */
function changed(
  part: string,
  replacement: string,
  marked = replacement,
): { text: string; line: number; column: number } {
  expect(GOOD.split(part)).toHaveLength(2);
  const text = GOOD.replace(part, () => replacement);
  const before = text.slice(0, text.indexOf(replacement) + replacement.indexOf(marked)).split('\n');
  return { text, line: before.length, column: before.at(-1)!.length + 1 };
}

describe('a policy text', () => {
  it('gives lattice, policy and clearance rules, comments and all', () => {
    const { lattice, policy, clearance } = loadPolicy(GOOD);
    expect(lattice.levels).toEqual(['open', 'staff']);
    expect(policy.models.map(({ model, levels, compartments }) => [model, levels, compartments])).toEqual([
      ['bell-lapadula', true, ['oncology']],
      ['biba', false, ['reviewed']],
    ]);
    const current = parseLabel(lattice, 'staff');
    const subject = { current, clearance: current, id: 'A'.repeat(27) };
    expect(policy.decide({ subject, object: parseLabel(lattice, 'open'), kind: 'message' }).exemptions).toEqual([
      'duty-desk',
    ]);
    expect(clearance.combine).toBe('join');
  });

  it('of the default takes at most five lines', () => {
    expect(DEFAULT_POLICY_TEXT.trimEnd().split('\n').length).toBeLessThanOrEqual(5);
    const { policy } = loadPolicy(DEFAULT_POLICY_TEXT);
    expect(policy.models).toMatchObject([{ model: 'bell-lapadula', strong: false, levels: true, exemptions: [] }]);
  });

  it('may begin with a byte order mark and have Windows line ends', () => {
    expect(errorsOf(`\ufeff${GOOD.replaceAll('\n', '\r\n')}`)).toEqual([]);
  });
});

describe('an error of a policy text', () => {
  const cases: [string, string, string, string | undefined, string, string][] = [
    ['an unknown field', '"combine"', '"combined"', undefined, 'combined', 'Unknown field'],
    ['a wrong word', '"join"', '"joins"', undefined, 'combine', 'first, join'],
    ['a misnamed level', '"open", "staff"]', '"open", "Staff"]', '"Staff"', 'levels[1]', 'no name'],
    ['an unknown label', '"label": "open"', '"label": "opem"', '"opem"', 'clearance[1].label', 'No level'],
    [
      'a compartment out of order',
      '"highest": "staff{oncology}"',
      '"highest": "staff{reviewed,oncology}"',
      '"staff{',
      'models[0].exemptions[0].highest',
      'is written "staff{oncology,reviewed}"',
    ],
    [
      'ends that do not fit',
      '"lowest": "open", "highest": "staff{oncology}"',
      '"lowest": "staff", "highest": "open"',
      '"open"',
      'models[0].exemptions[0].highest',
      'does not dominate',
    ],
    ['an unknown kind of flow', '"ack"', '"aack"', undefined, 'models[0].exemptions[0].kinds[1]', 'no kind of flow'],
    [
      'a subject that is no id',
      '"AAAAAAAAAAAAAAAAAAAAAAAAAAA"',
      '"ana"',
      undefined,
      'models[0].exemptions[0].subjects[0]',
      'no client id',
    ],
    ['a misnamed exemption', '"duty-desk"', '"Duty desk"', undefined, 'models[0].exemptions[0].name', 'no name'],
    [
      'an unknown compartment',
      '["reviewed"] }',
      '["revewed"] }',
      '"revewed"',
      'models[1].compartments[0]',
      'No compartment',
    ],
    [
      'a part of the label that no model rules',
      '"levels": false, "compartments": ["reviewed"]',
      '"levels": true, "compartments": []',
      undefined,
      'models',
      'reviewed: they would stop nothing',
    ],
    ['an unknown model', '"biba"', '"brewer-nash"', undefined, 'models[1].model', 'bell-lapadula, biba'],
    ['a missing comma', '"join",', '"join"\n  "x"', '"x"', '', 'Expected "," or "}", found "x"'],
    ['a comma too many', '"label": "open" }', '"label": "open" },', undefined, '', 'Expected a value, found ]'],
    ['a key twice', '"label": "open"', '"label": "open", "label": "staff"', '"label": "staff"', '', 'is there twice'],
    ['a text that does not end', '"join"', '"join', undefined, '', 'does not end on its line'],
    ['single quotes', '"join"', "'join'", undefined, '', 'no part of JSON'],
    ['a word', '"join"', 'join', undefined, '', 'no value of JSON'],
    ['a number of no JSON', '"join"', '0x10', undefined, '', 'no value of JSON'],
    ['a bad escape', '"join"', '"\\x"', undefined, '', 'no text of JSON'],
  ];
  for (const [what, part, replacement, marked, path, message] of cases) {
    it(`has line, column and field: ${what}`, () => {
      const { text, line, column } = changed(part, replacement, marked);
      const errors = errorsOf(text);
      const wanted = expect.objectContaining({ path, message: expect.stringContaining(message) });
      expect(errors).toContainEqual(wanted);
      if (path === 'models') return expect(errors[0]).toMatchObject({ line: 5, column: 13 });
      const error = errors.find((each) => each.path === path && each.message.includes(message));
      const at = what === 'a comma too many' ? { line: line + 1, column: 3 } : { line, column };
      expect(error).toMatchObject(at);
    });
  }

  it('comes with all others, in the order of the text', () => {
    const errors = errorsOf(
      GOOD.replace('"join"', '7').replace('"label": "open"', '"label": ""').replace('"biba"', '"bibo"'),
    );
    expect(errors.map(({ line, path }) => [line, path])).toEqual([
      [10, 'models[1].model'],
      [12, 'combine'],
      [15, 'clearance[1].label'],
    ]);
  });

  it('is a name that two exemptions have, in one model or in two', () => {
    const exemption = { name: 'desk', subjects: ['A'.repeat(27)], kinds: ['message'], lowest: 'a', highest: 'b' };
    const errorsFor = (models: object[]): readonly string[] =>
      errorsOf(JSON.stringify({ levels: ['a', 'b'], models, clearance: [{ label: 'a' }] })).map(({ path }) => path);
    const one = { model: 'biba', exemptions: [exemption] };
    expect(errorsFor([one])).toEqual([]);
    expect(errorsFor([one, one])).toEqual(['models[1].exemptions[0].name']);
    expect(errorsFor([{ ...one, exemptions: [exemption, exemption] }])).toEqual(['models[0].exemptions[1].name']);
  });

  it('points to the parent of what is missing', () => {
    expect(errorsOf('{ "levels": ["a"],\n "clearance": [\n  { "kind": "key" } ] }')).toMatchObject([
      { line: 3, column: 3, path: 'clearance[0].label' },
    ]);
    expect(errorsOf(' {}')).toMatchObject([{ line: 1, column: 2, path: 'levels' }]);
  });

  it('is thrown by loadPolicy with its place', () => {
    expect(() => loadPolicy('{ "levels": 3 }')).toThrow(
      expect.objectContaining({
        code: 'ifc/policy-invalid',
        message: expect.stringContaining('line 1, column 13: levels: Expected a list'),
      }),
    );
    expect(() => loadPolicy('')).toThrow(expect.objectContaining({ code: 'ifc/policy-invalid' }));
  });

  it('is found wherever the text is cut', () => {
    const end = GOOD.trimEnd().length;
    for (let length = 0; length < end; length += 1) {
      const errors = errorsOf(GOOD.slice(0, length));
      expect(errors.length).toBeGreaterThan(0);
      expect(errors[0]!.line).toBeLessThanOrEqual(GOOD.slice(0, length).split('\n').length);
    }
  });
});

describe('a hostile policy', () => {
  const texts: [string, string][] = [
    ['above 1 MiB', ' '.repeat((1 << 20) + 1)],
    ['of nothing but space', ' '.repeat(1 << 20)],
    ['of nothing but a comment', `//${'/'.repeat(1_000_000)}`],
    ['of one long text', `"${'\\n'.repeat(500_000)}"`],
    ['of one long text that does not end', `"${'\\n'.repeat(500_000)}`],
    ['nested deep', '['.repeat(1_000_000)],
    ['nested in maps', '{"a":'.repeat(200_000)],
    ['of a huge list', `{"levels":[${'"a",'.repeat(200_000)}"a"]}`],
    ['of many unknown fields', `{${Array.from({ length: 50_000 }, (_, index) => `"k${index}":1`).join(',')}}`],
    ['with inherited names', '{"__proto__": {"levels": ["a"]}, "constructor": 1, "clearance": []}'],
    ['of a long word', 'a'.repeat(1_000_000)],
    ['of nulls', '\u0000'.repeat(1000)],
  ];
  for (const [what, text] of texts) {
    it(`is an error in bounded time: ${what}`, () => {
      const start = performance.now();
      const errors = errorsOf(text);
      expect(errors.length).toBeGreaterThan(0);
      expect(errors.length).toBeLessThanOrEqual(100);
      for (const { message, path } of errors) expect(message.length + path.length).toBeLessThan(400);
      expect(performance.now() - start).toBeLessThan(2000);
    });
  }

  it('never throws, whatever the value', () => {
    const part = fc.constantFrom(
      'levels',
      'compartments',
      'models',
      'clearance',
      'combine',
      'label',
      'time',
      'exemptions',
      'model',
      'kind',
      'subject',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom<unknown>(null, 1, '', 'a', true, undefined, 'biba', 'key', ['a'], ['a', 'b']),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(part, tie('value'), { maxKeys: 5 }),
      ),
    }));
    const lattice = fc.record(
      { levels: fc.constant(['a', 'b']), models: value, clearance: value, compartments: value },
      { requiredKeys: ['levels'] },
    );
    fc.assert(
      fc.property(fc.oneof(value, lattice), (definition) => {
        const checked = checkPolicy(definition);
        if ('issues' in checked) expect(checked.issues.length).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, whatever the text', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"levels"',
      '"a"',
      '"',
      '\\',
      '//',
      '\n',
      '1',
      'true',
      '"clearance"',
      '"label"',
      '\ud800',
      '-',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const errors = errorsOf(pieces.join(''));
        for (const { line, column } of errors) expect(line > 0 && column > 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is read as JSON.parse would, or both refuse it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.integer({ min: -2, max: 2 }), (text, cut) => {
        const shorter = cut < 0 ? text.slice(-cut) : text.slice(0, text.length - cut);
        let expected: unknown;
        try {
          expected = JSON.parse(shorter);
        } catch {
          expected = 'refused';
        }
        const read = readPositionedJson(shorter);
        expect('fault' in read ? 'refused' : JSON.stringify(read.value)).toBe(
          expected === 'refused' ? expected : JSON.stringify(expected),
        );
      }),
      { numRuns: 500 },
    );
  });
});
