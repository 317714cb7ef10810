import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  all,
  bellLaPadula,
  biba,
  bottom,
  chooseLevel,
  createLattice,
  dominates,
  FLOW_KINDS,
  FLOWS,
  parseLabel,
  reach,
  sameLabel,
  type Decision,
  type Exemption,
  type FlowKind,
  type Label,
  type Lattice,
  type Policy,
  type Subject,
} from '../../src/ifc/index.ts';
import { clinic, everyLabel, latticeWith, names } from './lattices.ts';

const at = (text: string): Label => parseLabel(clinic, text);
const subjectAt = (current: string, clearance: string = current, id?: string): Subject => ({
  current: at(current),
  clearance: at(clearance),
  ...(id !== undefined && { id }),
});
const small = [
  createLattice({ levels: names('l', 4) }),
  createLattice({ levels: ['l'], compartments: names('c', 3) }),
  createLattice({ levels: ['low', 'high'], compartments: ['x', 'y'] }),
  clinic,
];

/** Where information can get to from each label, by permitted flows one after the other, of any kind and any clearance. */
function closure(policy: Policy): (from: Label, to: Label) => boolean {
  const labels = everyLabel(policy.lattice);
  const known = labels.map((_, row) => labels.map((__, column) => row === column));
  const learn = (from: Label, to: Label): void => {
    known[labels.indexOf(from)]![labels.indexOf(to)] = true;
  };
  for (const current of labels) {
    for (const clearance of labels.filter((label) => dominates(label, current))) {
      for (const object of labels) {
        for (const kind of FLOW_KINDS) {
          if (!policy.decide({ subject: { current, clearance }, object, kind }).permit) continue;
          if (FLOWS[kind].direction !== 'read') learn(current, object);
          if (FLOWS[kind].direction !== 'write') learn(object, current);
        }
      }
    }
  }
  for (const [middle] of labels.entries()) {
    for (const [from] of labels.entries()) {
      for (const [to] of labels.entries()) if (known[from]![middle] && known[middle]![to]) known[from]![to] = true;
    }
  }
  return (from, to) => known[labels.indexOf(from)]![labels.indexOf(to)]!;
}

function forEachPair(lattice: Lattice, check: (from: Label, to: Label) => void): void {
  for (const from of everyLabel(lattice)) for (const to of everyLabel(lattice)) check(from, to);
}

describe('Bell–LaPadula', () => {
  for (const lattice of small) {
    it(`moves information from a to b exactly if b dominates a, over any number of flows: ${lattice.id}`, () => {
      const reaches = closure(bellLaPadula(lattice));
      forEachPair(lattice, (from, to) => expect(reaches(from, to)).toBe(dominates(to, from)));
    });
  }

  it('with the strong *-property writes at equal labels alone, and reads down as before', () => {
    const policy = bellLaPadula(clinic, { strong: true });
    forEachPair(clinic, (current, object) => {
      const subject = { current, clearance: current };
      const write = policy.decide({ subject, object, kind: 'message' });
      expect(write.permit).toBe(sameLabel(current, object));
      expect(policy.decide({ subject, object, kind: 'list' }).permit).toBe(dominates(current, object));
      if (!write.permit) expect(write.rule).toBe(dominates(object, current) ? 'strong-star-property' : 'star-property');
    });
  });

  it('names the rule that denied, and says it to a person', () => {
    const policy = bellLaPadula(clinic);
    const down = policy.decide({ subject: subjectAt('secret'), object: at('open'), kind: 'message' });
    expect(down).toMatchObject({ permit: false, rule: 'star-property', audit: true, exemptions: [] });
    expect(down.sentence).toBe('A message may not go from secret to open: that would be writing down (no write down).');
    const up = policy.decide({ subject: subjectAt('open'), object: at('secret'), kind: 'list' });
    expect(up).toMatchObject({ permit: false, rule: 'simple-security', from: at('secret'), to: at('open') });
    expect(up.sentence).toContain('above the clearance');
    const within = policy.decide({ subject: subjectAt('open', 'secret'), object: at('secret'), kind: 'mailbox' });
    expect(within).toMatchObject({ permit: false, rule: 'simple-security' });
    expect(within.sentence).toContain('level of this session');
  });

  it('denies everything to a session above its clearance, even what its label would allow', () => {
    const policy = bellLaPadula(clinic, { exemptions: [exemption('desk', FLOW_KINDS)] });
    for (const kind of FLOW_KINDS) {
      // The same flow at the same label is permitted, and kept, for a session that is cleared for it.
      expect(policy.decide({ subject: subjectAt('secret'), object: at('secret'), kind }).permit).toBe(true);
      const decision = policy.decide({ subject: subjectAt('secret', 'staff', ID), object: at('secret'), kind });
      expect(decision).toMatchObject({ permit: false, rule: 'clearance', audit: true });
      const apart = policy.decide({ subject: subjectAt('open{oncology}', 'secret'), object: at('secret'), kind });
      expect(apart.rule).toBe('clearance');
    }
  });

  it('gives one and the same frozen value for a permitted flow', () => {
    const policy = bellLaPadula(clinic);
    const flow = { subject: subjectAt('open'), object: at('secret'), kind: 'message' } as const;
    const decision = policy.decide(flow);
    expect(policy.decide({ ...flow, subject: subjectAt('open', 'secret') })).toBe(decision);
    expect(Object.isFrozen(decision) && Object.isFrozen(decision.exemptions)).toBe(true);
    expect(decision).toMatchObject({ permit: true, rule: 'star-property', kind: 'message', audit: false });
    expect(policy.decide({ ...flow, kind: 'ack' })).toMatchObject({ kind: 'ack' });
  });

  it('refuses kinds that do not exist and labels of another lattice', () => {
    const policy = bellLaPadula(clinic);
    const subject = subjectAt('open');
    policy.decide({ subject, object: at('open'), kind: 'message' });
    for (const kind of ['', '__proto__', 'constructor', 'MESSAGE'] as string[] as FlowKind[]) {
      expect(() => policy.decide({ subject, object: at('open'), kind })).toThrow(
        expect.objectContaining({ code: 'ifc/policy-invalid' }),
      );
    }
    const other = bottom(createLattice({ levels: ['open'] }));
    const ask = (own: Label, object: Label): Decision =>
      policy.decide({ subject: { current: own, clearance: own }, object, kind: 'message' });
    for (const [own, object] of [
      [at('open'), other],
      [other, at('open')],
      [other, other],
    ] as const) {
      expect(() => ask(own, object)).toThrow(expect.objectContaining({ code: 'ifc/lattice-mismatch' }));
    }
  });
});

const ID = 'AAAAAAAAAAAAAAAAAAAAAAAAAAA';

function exemption(name: string, kinds: readonly FlowKind[], lowest = 'staff', highest = 'secret'): Exemption {
  return { name, subjects: [ID], kinds, lowest: at(lowest), highest: at(highest) };
}

describe('an exemption', () => {
  const policy = bellLaPadula(clinic, { exemptions: [exemption('desk', ['message', 'mailbox'])] });
  const decide = (subject: Subject, object: string, kind: FlowKind): Decision =>
    policy.decide({ subject, object: at(object), kind });

  it('lets its subject write down between its labels, named and for the audit log', () => {
    const decision = decide(subjectAt('secret', 'secret', ID), 'staff', 'message');
    expect(decision).toMatchObject({ permit: true, rule: 'exemption', exemptions: ['desk'], audit: true });
    expect(decision.sentence).toContain('by the exemption desk');
  });

  it('is used only where the rules alone deny', () => {
    expect(decide(subjectAt('staff', 'secret', ID), 'secret', 'message')).toMatchObject({
      rule: 'star-property',
      audit: false,
    });
  });

  it('is for no other subject, kind or label, and lasts no longer than the question', () => {
    const trusted = subjectAt('secret', 'secret', ID);
    expect(decide(trusted, 'staff', 'message').permit).toBe(true);
    expect(decide(subjectAt('secret'), 'staff', 'message').permit).toBe(false);
    expect(decide(subjectAt('secret', 'secret', `${ID.slice(1)}B`), 'staff', 'message').permit).toBe(false);
    expect(decide(trusted, 'staff', 'ack').permit).toBe(false);
    expect(decide(trusted, 'open', 'message').permit).toBe(false);
    expect(decide(subjectAt('secret{oncology}', 'secret{oncology}', ID), 'secret', 'message').permit).toBe(false);
  });

  it('lets its subject read above its level but never above its clearance', () => {
    expect(decide(subjectAt('staff', 'secret', ID), 'secret', 'mailbox').permit).toBe(true);
    expect(decide(subjectAt('staff', 'staff', ID), 'secret', 'mailbox')).toMatchObject({
      permit: false,
      rule: 'simple-security',
    });
  });

  it('is refused with ends that do not fit, with an unknown kind and without a proper name', () => {
    const wrong = [
      exemption('desk', ['message'], 'secret', 'staff'),
      exemption('desk', ['massage' as FlowKind]),
      exemption('The desk', ['message']),
      { ...exemption('desk', ['message']), lowest: bottom(small[0]!) },
    ];
    for (const each of wrong) {
      expect(() => bellLaPadula(clinic, { exemptions: [each] })).toThrow(
        expect.objectContaining({ code: 'ifc/policy-invalid' }),
      );
    }
  });

  it('moves information against the direction only between its labels', () => {
    const lattice = clinic;
    const free = bellLaPadula(lattice, { exemptions: [exemption('desk', FLOW_KINDS)] });
    const decided = (id: string | undefined, from: Label, to: Label): Decision =>
      free.decide({ subject: { current: from, clearance: from, ...(id && { id }) }, object: to, kind: 'message' });
    forEachPair(lattice, (from, to) => {
      const inside = [from, to].every((end) => dominates(at('secret'), end) && dominates(end, at('staff')));
      expect(decided(undefined, from, to).permit).toBe(dominates(to, from));
      expect(decided(ID, from, to).permit).toBe(dominates(to, from) || inside);
    });
  });
});

describe('Biba', () => {
  for (const lattice of small) {
    it(`moves information from a to b exactly if a dominates b: ${lattice.id}`, () => {
      const reaches = closure(biba(lattice));
      forEachPair(lattice, (from, to) => expect(reaches(from, to)).toBe(dominates(from, to)));
    });
  }

  it('is the dual: reads where Bell–LaPadula writes and writes where it reads', () => {
    const dual: Partial<Record<FlowKind, FlowKind>> = {
      message: 'list',
      list: 'message',
      mailbox: 'mark',
      mark: 'mailbox',
      takeover: 'takeover',
    };
    for (const strong of [false, true]) {
      const secrecy = bellLaPadula(clinic, { strong, exemptions: [exemption('desk', FLOW_KINDS)] });
      const integrity = biba(clinic, { strong, exemptions: [exemption('desk', FLOW_KINDS)] });
      for (const current of everyLabel(clinic)) {
        for (const clearance of everyLabel(clinic)) {
          for (const object of everyLabel(clinic)) {
            for (const [kind, other] of Object.entries(dual) as [FlowKind, FlowKind][]) {
              for (const id of [undefined, ID]) {
                const subject = { current, clearance, ...(id && { id }) };
                const own = secrecy.decide({ subject, object, kind });
                const turned = integrity.decide({ subject, object, kind: other });
                expect(turned.permit).toBe(own.permit);
                expect(turned.exemptions).toEqual(own.exemptions);
              }
            }
          }
        }
      }
    }
  });

  it('lets a trusted subject vouch, but never above its clearance', () => {
    const policy = biba(clinic, { exemptions: [exemption('desk', ['message'])] });
    const message = (subject: Subject): Decision => policy.decide({ subject, object: at('secret'), kind: 'message' });
    expect(message(subjectAt('staff', 'secret', ID))).toMatchObject({
      permit: true,
      exemptions: ['desk'],
      audit: true,
    });
    expect(message(subjectAt('staff', 'staff', ID))).toMatchObject({ permit: false, rule: 'integrity-star-property' });
    expect(policy.decide({ subject: subjectAt('secret'), object: at('staff'), kind: 'list' })).toMatchObject({
      rule: 'simple-integrity',
    });
  });
});

describe('all', () => {
  it('of both over the whole label leaves equals alone', () => {
    const reaches = closure(all([bellLaPadula(clinic), biba(clinic)]));
    forEachPair(clinic, (from, to) => expect(reaches(from, to)).toBe(sameLabel(from, to)));
  });

  it('gives each model its part of the label', () => {
    const policy = all([
      bellLaPadula(clinic, { compartments: ['oncology'] }),
      biba(clinic, { levels: false, compartments: ['cardiology'] }),
    ]);
    const reaches = closure(policy);
    const has = (label: Label, name: string): boolean => label.text.includes(name);
    forEachPair(clinic, (from, to) => {
      const secrecy = to.level >= from.level && (has(to, 'oncology') || !has(from, 'oncology'));
      const integrity = has(from, 'cardiology') || !has(to, 'cardiology');
      expect(reaches(from, to)).toBe(secrecy && integrity);
    });
    expect(policy.models.map((model) => model.compartments)).toEqual([['oncology'], ['cardiology']]);
  });

  it('permits what each permits, on any lattice', () => {
    fc.assert(
      fc.property(latticeWith(2), fc.constantFrom(...FLOW_KINDS), ({ lattice, labels: [a, b] }, kind) => {
        const members = [bellLaPadula(lattice), biba(lattice, { strong: true })];
        const flow = { subject: { current: a!, clearance: a! }, object: b!, kind };
        expect(all(members).decide(flow).permit).toBe(members.every((member) => member.decide(flow).permit));
      }),
      { numRuns: 100 },
    );
  });

  it('adds up exemptions, and one model’s exemption does not stand for the other’s', () => {
    const lattice = clinic;
    const secrecy = bellLaPadula(lattice, { exemptions: [exemption('release', ['message'])] });
    const integrity = biba(lattice, { strong: true, exemptions: [exemption('vouch', ['message'])] });
    const trusted = subjectAt('secret', 'secret', ID);
    const flow = { subject: trusted, object: at('staff'), kind: 'message' } as const;
    expect(all([secrecy, integrity]).decide(flow).exemptions).toEqual(['release']);
    expect(all([bellLaPadula(lattice), integrity]).decide(flow)).toMatchObject({
      permit: false,
      rule: 'star-property',
    });
    const twice = all([secrecy, bellLaPadula(lattice, { exemptions: [exemption('second', ['message'])] })]);
    expect(twice.decide(flow)).toMatchObject({ permit: true, exemptions: ['release', 'second'], audit: true });
  });

  it('is refused for nothing and for two lattices', () => {
    expect(() => all([])).toThrow(expect.objectContaining({ code: 'ifc/policy-invalid' }));
    expect(() => all([bellLaPadula(clinic), biba(small[0]!)])).toThrow(
      expect.objectContaining({ code: 'ifc/lattice-mismatch' }),
    );
  });
});

describe('reach', () => {
  it('tells conversation, one way and nothing', () => {
    const policy = bellLaPadula(clinic);
    const between = (own: string, peer: string): string =>
      reach(policy, subjectAt(own, 'secret{cardiology,oncology}'), subjectAt(peer));
    expect(between('staff', 'staff')).toBe('both');
    expect(between('open', 'staff')).toBe('forth');
    expect(between('staff', 'open')).toBe('back');
    expect(between('staff{oncology}', 'staff{cardiology}')).toBe('none');
  });
});

describe('the level of a session', () => {
  it('is its clearance, or what was asked for at or below it', () => {
    expect(chooseLevel(at('staff'), undefined)).toMatchObject({
      permit: true,
      from: at('staff'),
      audit: false,
      kind: 'login',
    });
    for (const clearance of everyLabel(clinic)) {
      for (const asked of everyLabel(clinic)) {
        const decision = chooseLevel(clearance, asked);
        expect(decision).toMatchObject({ permit: dominates(clearance, asked), from: asked, rule: 'clearance' });
        expect(decision.audit).toBe(!decision.permit);
      }
    }
    expect(chooseLevel(at('staff'), at('secret')).sentence).toBe(
      'A session may not start at secret: its clearance is only staff.',
    );
  });
});
