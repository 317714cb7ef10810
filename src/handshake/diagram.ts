/**
 * Where each cell of the two tables leads, and the diagrams of docs/ that are drawn from it. A test holds it against
 * what the machines do.
 *
 * @packageDocumentation
 */
import type { InitiatorState } from './initiator.ts';
import type { ResponderState } from './responder.ts';

/** For each state and input that it takes, the state after. Every input may also lead to `failed`, which is not named. */
export type Arrows<Name extends string> = Readonly<Record<Name, Readonly<Record<string, readonly Name[]>>>>;

/** Arrows of the initiator. */
export const INITIATOR_ARROWS: Arrows<InitiatorState['at']> = {
  idle: { start: ['awaiting-phase-2'], abort: [] },
  'awaiting-phase-2': { message: ['verifying'], timer: ['awaiting-phase-2'], abort: [] },
  verifying: { verified: ['encapsulating'], refused: [], message: ['verifying'], timer: ['verifying'], abort: [] },
  encapsulating: { encapsulated: ['signing'], message: ['encapsulating'], timer: ['encapsulating'], abort: [] },
  signing: { signature: ['awaiting-phase-4'], message: ['signing'], timer: ['signing'], abort: [] },
  'awaiting-phase-4': { message: ['awaiting-phase-4', 'confirmed'], timer: ['awaiting-phase-4'], abort: [] },
  confirmed: { message: ['confirmed'], timer: ['confirmed'] },
  failed: {},
};

/** Arrows of the responder. */
export const RESPONDER_ARROWS: Arrows<ResponderState['at']> = {
  idle: { message: ['deciding'], abort: [] },
  deciding: { accept: ['generating'], reject: [], message: ['deciding'], abort: [] },
  generating: { 'key-pair': ['signing'], message: ['generating'], timer: ['generating'], abort: [] },
  signing: { signature: ['awaiting-phase-3'], message: ['signing'], timer: ['signing'], abort: [] },
  'awaiting-phase-3': { message: ['awaiting-phase-3', 'decapsulating'], timer: ['awaiting-phase-3'], abort: [] },
  decapsulating: { decapsulated: ['verifying'], message: ['decapsulating'], timer: ['decapsulating'], abort: [] },
  verifying: { verified: ['authenticated'], refused: [], message: ['verifying'], timer: ['verifying'], abort: [] },
  authenticated: {
    finish: ['established'],
    reject: [],
    message: ['authenticated'],
    timer: ['authenticated'],
    abort: [],
  },
  established: { message: ['established'], timer: ['established'] },
  failed: {},
};

/**
 * A Mermaid state diagram: the arrows that go on, and one to `failed` for each state that can fail. Repeats and timers
 * that change nothing are left out.
 */
export function stateDiagram(arrows: Arrows<string>): string {
  const lines = ['stateDiagram-v2', `  [*] --> ${nodeOf('idle')}`];
  for (const [from, row] of Object.entries(arrows)) {
    for (const [input, targets] of Object.entries(row)) {
      for (const to of targets.filter((target) => target !== from)) {
        lines.push(`  ${nodeOf(from)} --> ${nodeOf(to)}: ${input}`);
      }
    }
    if ('abort' in row) lines.push(`  ${nodeOf(from)} --> failed`);
    else lines.push(`  ${nodeOf(from)} --> [*]`);
  }
  return `${lines.join('\n')}\n`;
}

// Mermaid takes no hyphens in names of states.
function nodeOf(state: string): string {
  return state.replaceAll('-', '_');
}
