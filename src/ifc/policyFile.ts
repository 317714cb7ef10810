/**
 * The policy file: lattice, models and clearance rules in one JSON text with `//` comments.
 *
 * @packageDocumentation
 */
import { all } from './all.ts';
import { bellLaPadula } from './bellLaPadula.ts';
import { biba } from './biba.ts';
import { asLabel, checkClearance, type ClearanceRules } from './clearance.ts';
import {
  asBoolean,
  asList,
  asMap,
  asText,
  asTexts,
  asWord,
  Issues,
  nameFault,
  quoted,
  type DefinitionIssue,
} from './definition.ts';
import { checkLattice, dominates, type Lattice } from './label.ts';
import type { ModelOptions } from './model.ts';
import { isFlowKind, type Exemption, type FlowKind, type Policy } from './policy.ts';
import { readPositionedJson } from './positionedJson.ts';

/** All that a relay needs to decide. */
export interface PolicyFile {
  readonly lattice: Lattice;
  readonly policy: Policy;
  readonly clearance: ClearanceRules;
}

/** One fault of a policy text. */
export interface PolicyTextError {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** Field, as in `clearance[2].label`; empty for the whole text. */
  readonly path: string;
  readonly message: string;
}

/**
 * The default: the two levels of a relay that knows cards. Who shows a valid certificate may speak among card holders;
 * everyone else, a bare key included, is at the level that everyone can read.
 */
export const DEFAULT_POLICY_TEXT: string = `{ "levels": ["everyone", "card-holders"],
  "clearance": [
    { "kind": "certificate", "verified": true, "label": "card-holders" },
    { "label": "everyone" } ] }
`;

/**
 * Reads and checks a policy text (at most 1 MiB). The first fault of syntax ends it; of the rest up to 100 are given,
 * in the order of the text. Never throws.
 */
export function checkPolicyText(
  text: string,
): { readonly policy: PolicyFile } | { readonly errors: readonly PolicyTextError[] } {
  const json = readPositionedJson(text);
  if ('fault' in json) return { errors: [{ ...json.fault, path: '' }] };
  const checked = checkPolicy(json.value);
  if ('policy' in checked) return checked;
  const errors = checked.issues.map(({ path, part, message }) => ({ ...json.placeOf(path, part), path, message }));
  return { errors: errors.sort((left, right) => left.line - right.line || left.column - right.column) };
}

/** {@link checkPolicyText} for a definition that is a value already. Never throws. */
export function checkPolicy(
  definition: unknown,
): { readonly policy: PolicyFile } | { readonly issues: readonly DefinitionIssue[] } {
  const issues = new Issues();
  const policy = checkDefinition(definition, issues);
  return policy === undefined || issues.any ? { issues: issues.found } : { policy };
}

/**
 * The policy of a text.
 *
 * @throws `ifc/policy-invalid` with line, column and field of each fault
 */
export function loadPolicy(text: string): PolicyFile {
  const checked = checkPolicyText(text);
  if ('policy' in checked) return checked.policy;
  const issues = new Issues();
  for (const { line, column, path, message } of checked.errors) {
    issues.add(`line ${line}, column ${column}`, path === '' ? message : `${path}: ${message}`);
  }
  throw issues.toError();
}

/** The policy of {@link DEFAULT_POLICY_TEXT}. */
export function defaultPolicy(): PolicyFile {
  return loadPolicy(DEFAULT_POLICY_TEXT);
}

const FIELDS = ['levels', 'compartments', 'models', 'combine', 'clearance'];
const MODEL_FIELDS = ['model', 'strong', 'levels', 'compartments', 'exemptions'];
const EXEMPTION_FIELDS = ['name', 'subjects', 'kinds', 'lowest', 'highest'];

function checkDefinition(definition: unknown, issues: Issues): PolicyFile | undefined {
  const map = asMap(definition, '', FIELDS, issues);
  if (map === undefined) return undefined;
  const lattice = checkLattice(map, issues);
  // Without a lattice no label can be judged, and every further fault would follow from its faults.
  if (lattice === undefined) return undefined;
  const policy = checkModels(lattice, map['models'], issues);
  const clearance = checkClearance(lattice, map, issues);
  if (policy === undefined || clearance === undefined) return undefined;
  return Object.freeze({ lattice, policy, clearance });
}

function checkModels(lattice: Lattice, value: unknown, issues: Issues): Policy | undefined {
  if (value === undefined) return bellLaPadula(lattice);
  const list = asList(value, 'models', 16, issues);
  if (list === undefined) return undefined;
  if (list.length === 0)
    return issues.add('models', 'The list is empty; leave it out for Bell–LaPadula over the whole label.');
  const names = new Set<string>();
  const policies = list.map((item, index) => checkModel(lattice, item, `models[${index}]`, names, issues));
  const known = policies.filter((policy) => policy !== undefined);
  if (known.length < policies.length) return undefined;
  const policy = all(known);
  checkGoverned(policy, issues);
  return policy;
}

function checkModel(
  lattice: Lattice,
  value: unknown,
  path: string,
  names: Set<string>,
  issues: Issues,
): Policy | undefined {
  const map = asMap(value, path, MODEL_FIELDS, issues);
  if (map === undefined) return undefined;
  const model = asWord(map['model'], `${path}.model`, ['bell-lapadula', 'biba'], issues);
  const strong = asBoolean(map['strong'], `${path}.strong`, false, issues);
  const levels = asBoolean(map['levels'], `${path}.levels`, true, issues);
  const compartments = checkCompartments(lattice, map['compartments'], `${path}.compartments`, issues);
  const list = map['exemptions'] === undefined ? [] : asList(map['exemptions'], `${path}.exemptions`, 1000, issues);
  const exemptions = (list ?? []).map((item, index) => {
    return checkExemption(lattice, item, `${path}.exemptions[${index}]`, names, issues);
  });
  const known = exemptions.filter((exemption) => exemption !== undefined);
  if (model === undefined || compartments === undefined || known.length < exemptions.length) return undefined;
  const options: ModelOptions = { strong, levels, compartments, exemptions: known };
  return model === 'biba' ? biba(lattice, options) : bellLaPadula(lattice, options);
}

/** The compartments that a model rules over, all if none are named; an empty list is none. */
function checkCompartments(
  lattice: Lattice,
  value: unknown,
  path: string,
  issues: Issues,
): readonly string[] | undefined {
  if (value === undefined) return lattice.compartments;
  if (Array.isArray(value) && value.length === 0) return [];
  const faultOf = (name: string): string | undefined => {
    return lattice.compartments.includes(name) ? undefined : `No compartment ${quoted(name)}.`;
  };
  const names = asTexts(value, path, lattice.compartments.length, issues, faultOf);
  // What is unknown has been told; the model itself is made of the rest.
  return names?.filter((name) => lattice.compartments.includes(name));
}

function checkExemption(
  lattice: Lattice,
  value: unknown,
  path: string,
  names: Set<string>,
  issues: Issues,
): Exemption | undefined {
  const map = asMap(value, path, EXEMPTION_FIELDS, issues);
  if (map === undefined) return undefined;
  const name = asText(map['name'], `${path}.name`, issues);
  const misnamed = name === undefined ? undefined : nameFault(name);
  if (misnamed !== undefined) issues.add(`${path}.name`, misnamed);
  if (name !== undefined && names.has(name))
    issues.add(`${path}.name`, `${quoted(name)} is the name of another exemption.`);
  if (name !== undefined) names.add(name);
  const subjects = asTexts(map['subjects'], `${path}.subjects`, 10_000, issues, subjectFault);
  const kinds = asTexts(map['kinds'], `${path}.kinds`, 64, issues, kindFault);
  const lowest = asLabel(lattice, map['lowest'], `${path}.lowest`, issues);
  const highest = asLabel(lattice, map['highest'], `${path}.highest`, issues);
  if (lowest === undefined || highest === undefined) return undefined;
  if (!dominates(highest, lowest))
    return issues.add(`${path}.highest`, `It does not dominate "lowest", ${lowest.text}.`);
  if (name === undefined || misnamed !== undefined || subjects === undefined || kinds === undefined) return undefined;
  return { name, subjects, kinds: kinds.filter((kind): kind is FlowKind => isFlowKind(kind)), lowest, highest };
}

/** A part of the label that no model looks at would stop nothing. */
function checkGoverned(policy: Policy, issues: Issues): void {
  const { levels, compartments } = policy.lattice;
  if (levels.length > 1 && !policy.models.some((model) => model.levels)) {
    issues.add('models', 'No model rules over levels: they would stop nothing.');
  }
  const free = compartments.filter((name) => !policy.models.some((model) => model.compartments.includes(name)));
  if (free.length > 0)
    issues.add('models', `No model rules over ${free.slice(0, 8).join(', ')}: they would stop nothing.`);
}

function subjectFault(id: string): string | undefined {
  return /^[A-Za-z0-9_-]{27}$/.test(id) ? undefined : `${quoted(id)} is no client id: 27 characters of base64url.`;
}

function kindFault(kind: string): string | undefined {
  return isFlowKind(kind) ? undefined : `${quoted(kind)} is no kind of flow.`;
}
