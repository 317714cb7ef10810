/** What one decision of a policy costs, beside one SHA-256 of 64 bytes: the relay asks two of them for each message. */
import {
  createLattice,
  defaultPolicy,
  labelOf,
  loadPolicy,
  parseLabel,
  top,
  type Label,
  type Policy,
} from '../src/ifc/index.ts';
import { nodeProvider } from '../src/crypto/node/index.ts';
import type { Candidate } from './harness.ts';

const DECISIONS = 1_000;

/** The reference of the ratios. */
export const HASH = 'floor: SHA-256 of 64 B';

/** Decisions by the thousand; rates are of thousands. */
export function decisions(): Candidate[] {
  const { lattice, policy } = defaultPolicy();
  const [low, high] = [parseLabel(lattice, 'everyone'), parseLabel(lattice, 'card-holders')];
  return [
    candidate('two levels, permitted', policy, low, low),
    candidate('two levels, denied', policy, high, low),
    ...large(),
    {
      name: HASH,
      prepare: () => {
        const bytes = new Uint8Array(64);
        return () => {
          for (let index = 0; index < DECISIONS; index += 1) nodeProvider.hash('SHA-256', bytes);
        };
      },
    },
  ];
}

function large(): Candidate[] {
  const definition = {
    levels: Array.from({ length: 8 }, (_, index) => `level-${index}`),
    compartments: Array.from({ length: 16 }, (_, index) => `part-${index}`),
  };
  const lattice = createLattice(definition);
  const clearance = [{ label: top(lattice).text }];
  const models = [{ model: 'bell-lapadula' }, { model: 'biba', levels: false, compartments: ['part-0'] }];
  const { policy } = loadPolicy(JSON.stringify({ ...definition, models, clearance }));
  const own = labelOf(policy.lattice, 'level-3', definition.compartments.slice(0, 4));
  return [
    candidate('8 levels × 16 compartments, two models, permitted', policy, own, own),
    candidate(
      '8 levels × 16 compartments, two models, denied',
      policy,
      own,
      labelOf(policy.lattice, 'level-7', ['part-9']),
    ),
  ];
}

function candidate(name: string, policy: Policy, current: Label, object: Label): Candidate {
  const subject = { current, clearance: current };
  return {
    name,
    prepare: () => () => {
      for (let index = 0; index < DECISIONS; index += 1) policy.decide({ subject, object, kind: 'message' });
    },
  };
}
