/**
 * Certificate policies (RFC 5280 §6.1.2 to §6.1.5) as a graph with one node for each policy of a level. The standard's
 * tree repeats a node for every way that leads to it, and so can be made to grow without bound; the graph gives the
 * same answers and grows with the certificates.
 *
 * @packageDocumentation
 */
import type { Budget } from './pathLimits.ts';

/** Stands for every policy. */
export const ANY_POLICY = '2.5.29.32.0';

interface PolicyNode {
  readonly policy: string;
  readonly parents: Set<PolicyNode>;
  expected: ReadonlySet<string>;
}

type Level = Map<string, PolicyNode>;

/** The valid_policy_tree of RFC 5280, as a graph. Feed it certificates from the anchor's side down. */
export class PolicyGraph {
  readonly #budget: Budget;
  /** Levels 0 to n; `undefined` once the tree is NULL. */
  #levels: Level[] | undefined;

  constructor(budget: Budget) {
    this.#budget = budget;
    this.#levels = [new Map([[ANY_POLICY, node(ANY_POLICY, [])]])];
  }

  /** Whether the tree is NULL: no policy is valid any more. */
  get isNull(): boolean {
    return this.#levels === undefined;
  }

  /** §6.1.3 (d) and (e): the policies of the next certificate; `undefined` where it has no such extension. */
  addLevel(policies: readonly string[] | undefined, isAnyPolicyAllowed: boolean): void {
    const levels = this.#levels;
    if (levels === undefined) return;
    if (policies === undefined) {
      this.#levels = undefined;
      return;
    }
    const above = levels.at(-1)!;
    const byExpected = this.#indexByExpected(above);
    const any = above.get(ANY_POLICY);
    const level: Level = new Map();
    for (const policy of policies) {
      if (policy === ANY_POLICY) continue;
      const parents = byExpected.get(policy) ?? (any === undefined ? [] : [any]);
      if (parents.length > 0) this.#put(level, policy, parents);
    }
    if (isAnyPolicyAllowed && policies.includes(ANY_POLICY)) {
      for (const [policy, parents] of byExpected) if (!level.has(policy)) this.#put(level, policy, parents);
    }
    levels.push(level);
    if (level.size === 0) this.#levels = undefined;
  }

  /** §6.1.4 (b): mappings of the certificate whose level was added last. Pairs with anyPolicy are refused before. */
  map(
    mappings: readonly { readonly issuerDomain: string; readonly subjectDomain: string }[],
    isMappingAllowed: boolean,
  ): void {
    const levels = this.#levels;
    if (levels === undefined) return;
    const level = levels.at(-1)!;
    const targets = new Map<string, Set<string>>();
    for (const { issuerDomain, subjectDomain } of mappings) {
      this.#budget.spend('policyNodes');
      const known = targets.get(issuerDomain);
      if (known === undefined) targets.set(issuerDomain, new Set([subjectDomain]));
      else known.add(subjectDomain);
    }
    for (const [policy, expected] of targets) {
      const found = level.get(policy);
      const any = level.get(ANY_POLICY);
      if (!isMappingAllowed) level.delete(policy);
      else if (found !== undefined) found.expected = expected;
      else if (any !== undefined) this.#put(level, policy, [...any.parents]).expected = expected;
    }
    if (level.size === 0) this.#levels = undefined;
  }

  /**
   * §6.1.5 (g): the policies, in the anchor's terms, that are valid for the path and in the user's set; empty where
   * the tree is NULL. `anyPolicy` stands in the result where every policy is valid.
   */
  userConstrained(initialPolicySet: ReadonlySet<string>): ReadonlySet<string> {
    const levels = this.#levels;
    if (levels === undefined) return new Set();
    const authority = this.#authorityPolicies(levels);
    if (initialPolicySet.has(ANY_POLICY)) return authority;
    if (authority.has(ANY_POLICY)) return initialPolicySet;
    return new Set([...authority].filter((policy) => initialPolicySet.has(policy)));
  }

  /** Policies whose parent is anyPolicy and that reach the last level; anyPolicy if that reaches it itself. */
  #authorityPolicies(levels: readonly Level[]): ReadonlySet<string> {
    const policies = new Set<string>();
    let reached = new Set(levels.at(-1)!.values());
    for (let depth = levels.length - 1; depth > 0; depth -= 1) {
      const next = new Set<PolicyNode>();
      for (const { policy, parents } of reached) {
        this.#budget.spend('policyNodes', 2);
        for (const parent of parents) {
          if (parent.policy !== ANY_POLICY) next.add(parent);
          else if (policy !== ANY_POLICY) policies.add(policy);
          else next.add(parent);
        }
      }
      if (depth === levels.length - 1 && levels.at(-1)!.has(ANY_POLICY)) policies.add(ANY_POLICY);
      reached = next;
    }
    if (levels.length === 1) policies.add(ANY_POLICY);
    return policies;
  }

  #indexByExpected(level: Level): Map<string, PolicyNode[]> {
    const index = new Map<string, PolicyNode[]>();
    for (const each of level.values()) {
      for (const policy of each.expected) {
        this.#budget.spend('policyNodes');
        const known = index.get(policy);
        if (known === undefined) index.set(policy, [each]);
        else known.push(each);
      }
    }
    return index;
  }

  #put(level: Level, policy: string, parents: readonly PolicyNode[]): PolicyNode {
    this.#budget.spend('policyNodes', 2 + parents.length);
    const made = node(policy, parents);
    level.set(policy, made);
    return made;
  }
}

function node(policy: string, parents: readonly PolicyNode[]): PolicyNode {
  return { policy, parents: new Set(parents), expected: new Set([policy]) };
}
