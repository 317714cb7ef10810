/**
 * Checking of definitions that people write: every fault is collected with the path to its field, so that a file
 * can be mended in one go. Used for lattices, models and clearance rules alike.
 *
 * @packageDocumentation
 */
import { SimsError } from '../errors.ts';

/** One fault of a definition. */
export interface DefinitionIssue {
  /** Where, as in `clearance[2].label`; empty for the whole definition. */
  readonly path: string;
  /** Whether the name of the field is at fault, or its value. */
  readonly part: 'key' | 'value';
  /** What is wrong and what would be right, in one sentence. */
  readonly message: string;
}

/** How many faults are collected before the rest is left out. */
export const MAX_ISSUES = 100;

/** Faults found so far; functions below add to it and go on. */
export class Issues {
  readonly found: DefinitionIssue[] = [];

  add(path: string, message: string, part: 'key' | 'value' = 'value'): undefined {
    if (this.found.length < MAX_ISSUES) this.found.push({ path, part, message });
    return undefined;
  }

  get any(): boolean {
    return this.found.length > 0;
  }

  /** @throws `ifc/policy-invalid` naming the faults, if there are any */
  throwIfAny(): void {
    if (this.any) throw this.toError();
  }

  /** `ifc/policy-invalid` naming the first five faults. */
  toError(): SimsError {
    const shown = this.found
      .slice(0, 5)
      .map((issue) => (issue.path === '' ? issue.message : `${issue.path}: ${issue.message}`));
    const more = this.found.length - shown.length;
    return new SimsError('ifc/policy-invalid', shown.join(' ') + (more > 0 ? ` And ${more} more.` : ''));
  }
}

/** Path of a member of the value at `path`. */
export function memberPath(path: string, key: string): string {
  if (!/^[A-Za-z_][\w-]{0,63}$/.test(key)) return `${path}[${JSON.stringify(key.slice(0, 64))}]`;
  return path === '' ? key : `${path}.${key}`;
}

/** The value as a map with no other keys than those known; `undefined`, with an issue, if it is not one. */
export function asMap(
  value: unknown,
  path: string,
  known: readonly string[] | undefined,
  issues: Issues,
): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return issues.add(path, `Expected an object, found ${describeValue(value)}.`);
  }
  // A copy without a prototype: a field that is not there must never be found further up.
  const map = withoutPrototype(value);
  for (const key of Object.keys(map)) {
    if (known !== undefined && !known.includes(key)) {
      issues.add(memberPath(path, key), `Unknown field; known here: ${known.join(', ')}.`, 'key');
    }
  }
  return map;
}

/** A copy of the own fields of a value, in which no inherited name is found. */
export function withoutPrototype(value: object): Record<string, unknown> {
  return Object.assign(Object.create(null) as Record<string, unknown>, value);
}

/** The value as a list of at most `limit` items. */
export function asList(value: unknown, path: string, limit: number, issues: Issues): readonly unknown[] | undefined {
  if (!Array.isArray(value)) return issues.add(path, `Expected a list, found ${describeValue(value)}.`);
  if (value.length > limit) return issues.add(path, `${value.length} items are above the limit of ${limit}.`);
  return value as readonly unknown[];
}

/** The value as a text of 1 to 1,024 characters. */
export function asText(value: unknown, path: string, issues: Issues): string | undefined {
  if (typeof value !== 'string') return issues.add(path, `Expected a text, found ${describeValue(value)}.`);
  if (value === '') return issues.add(path, 'The text is empty.');
  if (value.length > 1024) return issues.add(path, `${value.length} characters are above the limit of 1024.`);
  return value;
}

/** The value as a truth value; `fallback` when it is absent. */
export function asBoolean(value: unknown, path: string, fallback: boolean, issues: Issues): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') issues.add(path, `Expected true or false, found ${describeValue(value)}.`);
  return value === true;
}

/** A list of different texts, at least one; each checked by `check`, which says what is wrong with it. */
export function asTexts(
  value: unknown,
  path: string,
  limit: number,
  issues: Issues,
  check: (text: string) => string | undefined = () => undefined,
): readonly string[] | undefined {
  const list = asList(value, path, limit, issues);
  if (list === undefined) return undefined;
  if (list.length === 0) return issues.add(path, 'The list is empty.');
  const texts = new Set<string>();
  for (const [index, item] of list.entries()) {
    const at = `${path}[${index}]`;
    const text = asText(item, at, issues);
    if (text === undefined) continue;
    const fault = check(text);
    if (fault !== undefined) issues.add(at, fault);
    else if (texts.has(text)) issues.add(at, `${quoted(text)} is there twice.`);
    texts.add(text);
  }
  return [...texts];
}

/** What is wrong with a name of a level, a compartment or an exemption, if anything. */
export function nameFault(name: string): string | undefined {
  if (/^[a-z][a-z0-9-]{0,31}$/.test(name)) return undefined;
  return `${quoted(name)} is no name: a lower-case letter, then at most 31 of a-z, 0-9 and "-".`;
}

/** One of a closed set of words. */
export function asWord<const T extends string>(
  value: unknown,
  path: string,
  words: readonly T[],
  issues: Issues,
): T | undefined {
  const word = words.find((each) => each === value);
  return word ?? issues.add(path, `Expected one of ${words.join(', ')}, found ${describeValue(value)}.`);
}

/** A text in quotes and cut short, safe to show in a terminal. */
export function quoted(text: string): string {
  const shown = text.length > 64 ? `${text.slice(0, 63)}…` : text;
  // JSON leaves these as they are, and a terminal might act on them.
  return JSON.stringify(shown).replace(/[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
