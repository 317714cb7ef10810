/**
 * From a credential to a clearance, by rules that are data.
 *
 * @packageDocumentation
 */
import { asBoolean, asList, asMap, asText, asTexts, asWord, quoted, type Issues } from './definition.ts';
import { join, longestTextBelow, MAX_LABEL_BYTES, meet, parseLabel, type Label, type Lattice } from './label.ts';
import { checkTimeWindow, inWindow, nextChangeMs, type TimeWindow } from './timeWindow.ts';

/** Kinds of credentials (a key that lives as long as the client; a long-lived key; an X.509 chain and a delegation). */
export type CredentialKind = 'none' | 'key' | 'certificate';
const KINDS: readonly CredentialKind[] = ['none', 'key', 'certificate'];

/** What a relay knows of the credential of a session. */
export interface CredentialDescription {
  readonly kind: CredentialKind;
  /** Client id. */
  readonly id: string;
  /**
   * Certificate: path, revocation and delegation were validated. Key: the operator knows it. What an unverified
   * certificate says of itself matches no rule.
   */
  readonly verified: boolean;
  /** Issuer of the person's certificate: SHA-256 of the issuing CA's certificate, 64 hex digits, and its name as RFC 4514 text. */
  readonly issuer?: { readonly fingerprint: string; readonly name: string };
  /** Policies for which the path is valid, dotted. */
  readonly policyOids?: readonly string[];
  /** Attributes of the subject's name: short name (`O`) or dotted OID to values. */
  readonly subject?: Readonly<Record<string, readonly string[]>>;
  /** Highest label that the delegation covers; the clearance is never above it. */
  readonly highest?: Label;
}

/** One rule; every condition that is there must hold, and one without conditions always holds. */
export interface ClearanceRule {
  readonly label: Label;
  readonly kinds?: readonly CredentialKind[];
  readonly verified?: boolean;
  /** One of these: fingerprint (64 hex digits) or name of the issuer. */
  readonly issuers?: readonly string[];
  /** One of these. */
  readonly policyOids?: readonly string[];
  /** For each attribute one of its values. */
  readonly subject?: Readonly<Record<string, readonly string[]>>;
  /** One of these client ids. */
  readonly ids?: readonly string[];
  readonly time?: TimeWindow;
}

/** Checked rules: whatever the credential, they give a label. */
export interface ClearanceRules {
  readonly lattice: Lattice;
  /** `first`: the first rule that matches decides. `join`: the join of the labels of all that match. */
  readonly combine: 'first' | 'join';
  readonly rules: readonly ClearanceRule[];
}

/** What the rules give. */
export interface Clearance {
  readonly label: Label;
  /** Which rules gave it, counted from 0. */
  readonly rules: readonly number[];
  /** When a time window that a rule names may change it: ask again then. `undefined` when none does. */
  readonly changesAtMs: number | undefined;
}

/** The clearance of a credential at a time. Total: `checkClearance` saw to it that some rule matches. */
export function clearanceOf(rules: ClearanceRules, credential: CredentialDescription, nowMs: number): Clearance {
  const matching: number[] = [];
  let label: Label | undefined;
  let changesAtMs: number | undefined;
  for (const [index, rule] of rules.rules.entries()) {
    if (!matchesCredential(rule, credential)) continue;
    if (rule.time !== undefined) {
      const change = nextChangeMs(rule.time, nowMs);
      if (change !== undefined) changesAtMs = Math.min(changesAtMs ?? change, change);
      if (!inWindow(rule.time, nowMs)) continue;
    }
    matching.push(index);
    label = label === undefined ? rule.label : join(label, rule.label);
    if (rules.combine === 'first') break;
  }
  // Unreachable with checked rules; a caller that made its own gets the least.
  label ??= parseLabel(rules.lattice, rules.lattice.levels[0]!);
  if (credential.highest !== undefined) label = meet(label, credential.highest);
  return { label, rules: matching, changesAtMs };
}

/**
 * Rules from the fields `clearance` and `combine` of a definition; `undefined`, with issues, if they are wrong, leave a
 * credential undecided, hold a rule that is never reached, or give a label that is too long for the wire.
 */
export function checkClearance(
  lattice: Lattice,
  definition: { readonly clearance?: unknown; readonly combine?: unknown },
  issues: Issues,
): ClearanceRules | undefined {
  const combine =
    definition.combine === undefined ? 'first' : asWord(definition.combine, 'combine', ['first', 'join'], issues);
  const list = asList(definition.clearance, 'clearance', 1000, issues);
  if (list === undefined) return undefined;
  const rules: ClearanceRule[] = [];
  for (const [index, item] of list.entries()) {
    const rule = checkRule(lattice, item, `clearance[${index}]`, issues);
    if (rule !== undefined) rules.push(rule);
  }
  if (combine === undefined || issues.any) return undefined;
  checkCoverage(rules, combine, issues);
  checkLengths(rules, combine, issues);
  return issues.any ? undefined : Object.freeze({ lattice, combine, rules: Object.freeze(rules) });
}

const RULE_FIELDS = ['label', 'kind', 'verified', 'issuer', 'policyOid', 'subject', 'id', 'time'];

function checkRule(lattice: Lattice, value: unknown, path: string, issues: Issues): ClearanceRule | undefined {
  const map = asMap(value, path, RULE_FIELDS, issues);
  if (map === undefined) return undefined;
  const label = asLabel(lattice, map['label'], `${path}.label`, issues);
  const texts = (key: string, check?: (text: string) => string | undefined): readonly string[] | undefined => {
    const given = map[key];
    if (given === undefined) return undefined;
    // One text stands for a list of one.
    if (typeof given !== 'string') return asTexts(given, `${path}.${key}`, 100_000, issues, check);
    const text = asText(given, `${path}.${key}`, issues);
    const fault = text === undefined ? undefined : check?.(text);
    if (fault !== undefined) issues.add(`${path}.${key}`, fault);
    return text === undefined ? undefined : [text];
  };
  const kinds = texts('kind', kindFault) as readonly CredentialKind[] | undefined;
  const verified =
    map['verified'] === undefined ? undefined : asBoolean(map['verified'], `${path}.verified`, false, issues);
  const issuers = texts('issuer', issuerFault);
  const policyOids = texts('policyOid', oidFault);
  const ids = texts('id', idFault);
  const subject = map['subject'] === undefined ? undefined : checkSubject(map['subject'], `${path}.subject`, issues);
  const time = map['time'] === undefined ? undefined : checkTimeWindow(map['time'], `${path}.time`, issues);
  const asksCertificate = issuers ?? policyOids ?? subject;
  if (
    asksCertificate !== undefined &&
    (verified === false || (kinds !== undefined && !kinds.includes('certificate')))
  ) {
    issues.add(path, 'Issuer, policyOid and subject match verified certificates only: this rule never matches.');
  }
  if (verified === true && kinds?.every((kind) => kind === 'none')) {
    issues.add(path, 'A credential of kind none is never verified: this rule never matches.');
  }
  if (label === undefined) return undefined;
  return Object.freeze({
    label,
    ...(kinds && { kinds }),
    ...(verified !== undefined && { verified }),
    ...(issuers && { issuers }),
    ...(policyOids && { policyOids }),
    ...(subject && { subject }),
    ...(ids && { ids }),
    ...(time && { time }),
  });
}

/** The label that a field names; `undefined`, with an issue, if it names none. */
export function asLabel(lattice: Lattice, value: unknown, path: string, issues: Issues): Label | undefined {
  const text = asText(value, path, issues);
  if (text === undefined) return undefined;
  try {
    return parseLabel(lattice, text);
  } catch (error) {
    return issues.add(path, error instanceof Error ? sentenceOf(error.message) : 'No label.');
  }
}

function matchesCredential(rule: ClearanceRule, credential: CredentialDescription): boolean {
  const verified = credential.verified && credential.kind !== 'none';
  const proven = verified && credential.kind === 'certificate';
  if (rule.kinds !== undefined && !rule.kinds.includes(credential.kind)) return false;
  if (rule.verified !== undefined && rule.verified !== verified) return false;
  if (rule.issuers !== undefined) {
    const { issuer } = credential;
    if (!proven || issuer === undefined) return false;
    if (!rule.issuers.includes(issuer.fingerprint) && !rule.issuers.includes(issuer.name)) return false;
  }
  if (rule.policyOids !== undefined) {
    if (!proven || !rule.policyOids.some((oid) => credential.policyOids?.includes(oid))) return false;
  }
  if (rule.subject !== undefined) {
    const { subject } = credential;
    if (!proven || subject === undefined) return false;
    for (const [attribute, wanted] of Object.entries(rule.subject)) {
      const values = Object.hasOwn(subject, attribute) ? subject[attribute]! : [];
      if (!values.some((value) => wanted.includes(value))) return false;
    }
  }
  // The id of a certificate's holder is proven by what was verified; a key's by the handshake itself.
  if (rule.ids !== undefined && !((proven || credential.kind !== 'certificate') && rule.ids.includes(credential.id)))
    return false;
  return true;
}

interface Case {
  readonly kind: CredentialKind;
  readonly verified: boolean;
}
const CASES: readonly Case[] = [
  { kind: 'none', verified: false },
  { kind: 'key', verified: false },
  { kind: 'key', verified: true },
  { kind: 'certificate', verified: false },
  { kind: 'certificate', verified: true },
];

/** Each case needs a rule that asks for nothing else; behind such a rule, by `first`, nothing is reached. */
function checkCoverage(rules: readonly ClearanceRule[], combine: 'first' | 'join', issues: Issues): void {
  let open = CASES;
  for (const [index, rule] of rules.entries()) {
    const able = CASES.filter((each) => fitsCase(rule, each));
    if (able.length === 0) {
      issues.add(`clearance[${index}]`, 'This rule never matches: no credential meets all its conditions.');
    } else if (combine === 'first' && !able.some((each) => open.includes(each))) {
      issues.add(
        `clearance[${index}]`,
        'This rule is never reached: rules before it decide every case that it matches.',
      );
    }
    const asksMore = rule.issuers ?? rule.policyOids ?? rule.subject ?? rule.ids ?? rule.time;
    if (asksMore === undefined) open = open.filter((each) => !able.includes(each));
  }
  if (open.length === 0) return;
  const names = open.map(({ kind, verified }) =>
    kind === 'none' ? kind : `${kind} (${verified ? 'verified' : 'not verified'})`,
  );
  issues.add('clearance', `No rule decides for certain: ${names.join(', ')}. End with a rule that has a label only.`);
}

function fitsCase(rule: ClearanceRule, { kind, verified }: Case): boolean {
  if (rule.kinds !== undefined && !rule.kinds.includes(kind)) return false;
  if (rule.verified !== undefined && rule.verified !== verified) return false;
  const asksCertificate = rule.issuers ?? rule.policyOids ?? rule.subject;
  if (asksCertificate !== undefined && !(kind === 'certificate' && verified)) return false;
  return rule.ids === undefined || kind !== 'certificate' || verified;
}

/** No session may come to a label that does not fit on the wire. */
function checkLengths(rules: readonly ClearanceRule[], combine: 'first' | 'join', issues: Issues): void {
  let joined: Label | undefined;
  for (const [index, { label }] of rules.entries()) {
    joined = joined === undefined || combine === 'first' ? label : join(joined, label);
    const length = longestTextBelow(joined);
    if (length <= MAX_LABEL_BYTES) continue;
    const message = `Labels up to ${quoted(joined.text)} can take ${length} bytes; the wire takes ${MAX_LABEL_BYTES}.`;
    issues.add(`clearance[${index}].label`, message);
    return;
  }
}

function checkSubject(
  value: unknown,
  path: string,
  issues: Issues,
): Readonly<Record<string, readonly string[]>> | undefined {
  const map = asMap(value, path, undefined, issues);
  if (map === undefined) return undefined;
  const subject = Object.create(null) as Record<string, readonly string[]>;
  const attributes = Object.keys(map);
  if (attributes.length === 0) return issues.add(path, 'No attribute is named.');
  for (const attribute of attributes) {
    const at = `${path}.${attribute}`;
    const known = /^[A-Za-z][A-Za-z-]{0,63}$/.test(attribute) || oidFault(attribute) === undefined;
    if (!known) issues.add(path, `${quoted(attribute)} is neither the short name nor the dotted OID of an attribute.`);
    else {
      const given = map[attribute];
      const values = asTexts(typeof given === 'string' ? [given] : given, at, 10_000, issues);
      if (values !== undefined) subject[attribute] = values;
    }
  }
  return Object.freeze(subject);
}

function kindFault(text: string): string | undefined {
  return KINDS.some((kind) => kind === text)
    ? undefined
    : `Expected one of ${KINDS.join(', ')}, found ${quoted(text)}.`;
}

function oidFault(text: string): string | undefined {
  return /^[0-2](\.(0|[1-9]\d{0,38})){1,32}$/.test(text)
    ? undefined
    : `${quoted(text)} is no dotted object identifier.`;
}

function issuerFault(text: string): string | undefined {
  if (/^[0-9a-f]{64}$/.test(text) || /^[A-Za-z0-9.]+=/.test(text)) return undefined;
  return `${quoted(text)} is neither a SHA-256 fingerprint (64 lower-case hex digits) nor a name such as "CN=…,C=PT".`;
}

function idFault(text: string): string | undefined {
  return /^[A-Za-z0-9_-]{27}$/.test(text) ? undefined : `${quoted(text)} is no client id: 27 characters of base64url.`;
}

function sentenceOf(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
}
