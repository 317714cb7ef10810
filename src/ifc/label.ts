/**
 * Labels and their lattice: ordered levels × sets of compartments.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';
import { asMap, asTexts, Issues, nameFault, quoted } from './definition.ts';

/** Longest text of a label on the wire, in bytes; names are ASCII, so also in characters. */
export const MAX_LABEL_BYTES = 255;
/** Most levels that a lattice may have. */
export const MAX_LEVELS = 64;
/** Most compartments that a lattice may have. */
export const MAX_COMPARTMENTS = 256;

/** What a lattice is made of. Names match `[a-z][a-z0-9-]{0,31}`; levels from the lowest to the highest. */
export interface LatticeDefinition {
  readonly levels: readonly string[];
  readonly compartments?: readonly string[];
}

/** A checked lattice. Two lattices of one definition are the same lattice. */
export interface Lattice {
  readonly levels: readonly string[];
  readonly compartments: readonly string[];
  /** Equal for equal definitions and for no others. */
  readonly id: string;
}

/** A point of a lattice; frozen. Two labels of one lattice are equal exactly when their texts are. */
export interface Label {
  readonly lattice: Lattice;
  /** Index in the lattice's levels, 0 the lowest. */
  readonly level: number;
  /** Set of compartments: bit `index % 32` of word `floor(index / 32)`, as signed 32-bit integers. */
  readonly bits: readonly number[];
  /** Canonical text, as in `secret{cardiology,oncology}` or `secret`. */
  readonly text: string;
  /** The canonical text. */
  toString(): string;
  /** The canonical text. */
  toJSON(): string;
}

/** How one label stands to another. */
export type Relation = 'equal' | 'above' | 'below' | 'apart';

/** The part of a label that a rule looks at: levels or not, and some of the compartments. */
export interface Scope {
  readonly levels: boolean;
  /** Mask in the form of {@link Label.bits}. */
  readonly bits: readonly number[];
}

// Labels met often are kept, so that decisions about them can be kept too; the bound holds against hostile logins.
const MAX_KEPT_LABELS = 4096;

interface Known {
  readonly levels: ReadonlyMap<string, number>;
  readonly compartments: ReadonlyMap<string, number>;
  readonly labels: Map<string, Label>;
}
const known = new WeakMap<Lattice, Known>();

/**
 * A lattice from its definition.
 *
 * @throws `ifc/policy-invalid` naming the field: no or more than 64 levels, more than 256 compartments, a name twice
 *   or not of the form
 */
export function createLattice(definition: LatticeDefinition): Lattice {
  const issues = new Issues();
  asMap(definition, '', ['levels', 'compartments'], issues);
  issues.throwIfAny();
  const lattice = checkLattice(definition, issues);
  issues.throwIfAny();
  if (lattice === undefined) throw new SimsError('ifc/policy-invalid', 'no lattice');
  return lattice;
}

/** The lattice in the fields `levels` and `compartments` of a definition; `undefined`, with issues, if they are wrong. */
export function checkLattice(
  definition: { readonly levels?: unknown; readonly compartments?: unknown },
  issues: Issues,
): Lattice | undefined {
  const levels = asTexts(definition.levels, 'levels', MAX_LEVELS, issues, nameFault);
  const none = definition.compartments === undefined || isEmptyList(definition.compartments);
  const compartments = none
    ? []
    : asTexts(definition.compartments, 'compartments', MAX_COMPARTMENTS, issues, nameFault);
  if (issues.any || levels === undefined || compartments === undefined) return undefined;
  const lattice: Lattice = Object.freeze({
    levels: Object.freeze([...levels]),
    compartments: Object.freeze([...compartments]),
    id: `${levels.join('<')}{${compartments.join(',')}}`,
  });
  known.set(lattice, {
    levels: new Map(levels.map((name, index) => [name, index])),
    compartments: new Map(compartments.map((name, index) => [name, index])),
    labels: new Map(),
  });
  return lattice;
}

/**
 * A label from the names of its level and compartments, these in any order.
 *
 * @throws `ifc/label-unknown` for a name that the lattice does not have
 */
export function labelOf(lattice: Lattice, level: string, compartments: Iterable<string> = []): Label {
  const { levels, compartments: indexes } = knownOf(lattice);
  const index = levels.get(level);
  if (index === undefined) throw new SimsError('ifc/label-unknown', `no level ${quoted(level)}`);
  const bits = noBits(lattice);
  for (const name of compartments) {
    const bit = indexes.get(name);
    if (bit === undefined) throw new SimsError('ifc/label-unknown', `no compartment ${quoted(name)}`);
    bits[bit >>> 5]! |= 1 << (bit & 31);
  }
  return makeLabel(lattice, index, bits);
}

/**
 * The label that a text names. Only the canonical text is taken: names in the lattice's order, no spaces, no empty
 * braces, at most {@link MAX_LABEL_BYTES}.
 *
 * @throws `ifc/label-over-limit`, `ifc/label-unknown` or `ifc/label-not-canonical`
 */
export function parseLabel(lattice: Lattice, text: string): Label {
  if (text.length > MAX_LABEL_BYTES) {
    throw new SimsError('ifc/label-over-limit', `label of ${text.length} characters, limit ${MAX_LABEL_BYTES}`);
  }
  const kept = knownOf(lattice).labels.get(text);
  if (kept !== undefined) return kept;
  const brace = text.indexOf('{');
  if (brace !== -1 && !text.endsWith('}')) {
    throw new SimsError('ifc/label-not-canonical', `${quoted(text)} does not end with the brace that it opens`);
  }
  const level = brace === -1 ? text : text.slice(0, brace);
  const names = brace === -1 ? [] : text.slice(brace + 1, -1).split(',');
  const label = labelOf(lattice, level, names);
  if (label.text !== text)
    throw new SimsError('ifc/label-not-canonical', `${quoted(text)} is written ${quoted(label.text)}`);
  return label;
}

/**
 * The text of a label for the wire.
 *
 * @throws `ifc/label-over-limit` above {@link MAX_LABEL_BYTES}
 */
export function formatLabel(label: Label): string {
  if (label.text.length > MAX_LABEL_BYTES) {
    throw new SimsError('ifc/label-over-limit', `label of ${label.text.length} bytes, limit ${MAX_LABEL_BYTES}`);
  }
  return label.text;
}

/**
 * Whether information labelled `lower` may be known at `upper`: its level is at or above, its compartments a superset.
 *
 * @throws `ifc/lattice-mismatch` for labels of two lattices, as do all functions of two labels
 */
export function dominates(upper: Label, lower: Label): boolean {
  if (upper === lower) return true;
  checkSameLattice(upper, lower);
  if (upper.level < lower.level) return false;
  const above = upper.bits;
  const below = lower.bits;
  for (let word = 0; word < below.length; word += 1) if ((below[word]! & ~above[word]!) !== 0) return false;
  return true;
}

/** {@link dominates}, looking only at the part of the labels within `scope`. */
export function dominatesWithin(scope: Scope, upper: Label, lower: Label): boolean {
  if (upper === lower) return true;
  checkSameLattice(upper, lower);
  if (scope.levels && upper.level < lower.level) return false;
  const { bits } = scope;
  for (let word = 0; word < bits.length; word += 1) {
    if ((lower.bits[word]! & bits[word]! & ~upper.bits[word]!) !== 0) return false;
  }
  return true;
}

/** Whether both are the same point of the same lattice. */
export function sameLabel(left: Label, right: Label): boolean {
  if (left === right) return true;
  checkSameLattice(left, right);
  return left.text === right.text;
}

/** How `left` stands to `right`: `above` means that it dominates and is not equal. */
export function compareLabels(left: Label, right: Label): Relation {
  const up = dominates(left, right);
  const down = dominates(right, left);
  if (up && down) return 'equal';
  if (up) return 'above';
  return down ? 'below' : 'apart';
}

/** The lowest label that dominates both: what a text labelled with either must carry when they are mixed. */
export function join(left: Label, right: Label): Label {
  checkSameLattice(left, right);
  const bits = left.bits.map((word, index) => word | right.bits[index]!);
  return makeLabel(left.lattice, Math.max(left.level, right.level), bits);
}

/** The highest label that both dominate. */
export function meet(left: Label, right: Label): Label {
  checkSameLattice(left, right);
  const bits = left.bits.map((word, index) => word & right.bits[index]!);
  return makeLabel(left.lattice, Math.min(left.level, right.level), bits);
}

/** The label that dominates all: the highest level with every compartment. Its text may be too long for the wire. */
export function top(lattice: Lattice): Label {
  return labelOf(lattice, lattice.levels.at(-1)!, lattice.compartments);
}

/** The label that all dominate: the lowest level without compartments. */
export function bottom(lattice: Lattice): Label {
  return labelOf(lattice, lattice.levels[0]!);
}

/** Names of a label's compartments, in the lattice's order. */
export function compartmentsOf(label: Label): readonly string[] {
  return namesOf(label.lattice, label.bits);
}

/** Longest text, in bytes, of any label that `label` dominates: what a session cleared for it could put on the wire. */
export function longestTextBelow(label: Label): number {
  let level = 0;
  for (let index = 0; index <= label.level; index += 1) level = Math.max(level, label.lattice.levels[index]!.length);
  return label.text.length - label.lattice.levels[label.level]!.length + level;
}

/** A scope from names; without compartments named, all of them. */
export function scopeOf(
  lattice: Lattice,
  levels: boolean,
  compartments: readonly string[] = lattice.compartments,
): Scope {
  const { bits } = labelOf(lattice, lattice.levels[0]!, compartments);
  return Object.freeze({ levels, bits });
}

class LabelValue implements Label {
  readonly lattice: Lattice;
  readonly level: number;
  readonly bits: readonly number[];
  readonly text: string;

  constructor(lattice: Lattice, level: number, bits: readonly number[], text: string) {
    this.lattice = lattice;
    this.level = level;
    this.bits = Object.freeze(bits);
    this.text = text;
    Object.freeze(this);
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

function makeLabel(lattice: Lattice, level: number, bits: readonly number[]): Label {
  const names = namesOf(lattice, bits);
  const text = lattice.levels[level]! + (names.length === 0 ? '' : `{${names.join(',')}}`);
  const { labels } = knownOf(lattice);
  const kept = labels.get(text);
  if (kept !== undefined) return kept;
  const label = new LabelValue(lattice, level, bits, text);
  if (labels.size < MAX_KEPT_LABELS) labels.set(text, label);
  return label;
}

function namesOf(lattice: Lattice, bits: readonly number[]): string[] {
  return lattice.compartments.filter((_name, index) => (bits[index >>> 5]! & (1 << (index & 31))) !== 0);
}

function noBits(lattice: Lattice): number[] {
  return new Array<number>(Math.ceil(lattice.compartments.length / 32)).fill(0);
}

function knownOf(lattice: Lattice): Known {
  const found = known.get(lattice);
  if (found === undefined) throw new SimsError('ifc/lattice-mismatch', 'a lattice that createLattice did not make');
  return found;
}

function checkSameLattice(left: Label, right: Label): void {
  if (left.lattice === right.lattice || left.lattice.id === right.lattice.id) return;
  throw new SimsError('ifc/lattice-mismatch', `${quoted(left.text)} and ${quoted(right.text)} are of two lattices`);
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
