/**
 * The policy that is in force now, behind a value that stays the same when the policy changes.
 *
 * @packageDocumentation
 */
import type { ClearanceRules, Decision, Flow, Lattice, ModelDescription, Policy, PolicyFile } from '../ifc/index.ts';

/** A policy that can be replaced. Labels of the one before are strange to the next where its lattice is another. */
export class LivePolicy implements PolicyFile {
  readonly policy: Policy;
  #file: PolicyFile;

  constructor(file: PolicyFile) {
    this.#file = file;
    const current = (): Policy => this.#file.policy;
    this.policy = {
      get lattice(): Lattice {
        return current().lattice;
      },
      get models(): readonly ModelDescription[] {
        return current().models;
      },
      decide: (flow: Flow): Decision => this.#file.policy.decide(flow),
    };
  }

  get lattice(): Lattice {
    return this.#file.lattice;
  }

  get clearance(): ClearanceRules {
    return this.#file.clearance;
  }

  /** From now on this one decides. */
  replace(file: PolicyFile): void {
    this.#file = file;
  }
}
