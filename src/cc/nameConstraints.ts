/**
 * Name constraints (RFC 5280 §4.2.1.10), for every form of name. A constraint or a name that has not its form's syntax is
 * a refusal, never a name that slips through; so is a name of a form that has no rules of comparison.
 *
 * @packageDocumentation
 */
import type { Certificate } from './certificate.ts';
import type { NameConstraints } from './certificateExtensions.ts';
import { ATTRIBUTE, isWithin, type Name } from './name.ts';
import {
  isHostName,
  isPresentedHostName,
  mailboxParts,
  uriHost,
  type GeneralName,
  type NameForm,
} from './nameGeneral.ts';
import type { Budget } from './pathLimits.ts';
import { refuse, type Refusal } from './pathReasons.ts';

/** A name, or the base of a constraint, made ready: texts in lower case and taken apart once, not at each comparison. */
type Ready =
  | { readonly form: 'dNSName'; readonly host: string; readonly isWildcard: boolean }
  | { readonly form: 'rfc822Name'; readonly local: string | undefined; readonly host: string }
  | { readonly form: 'uniformResourceIdentifier'; readonly host: string }
  | { readonly form: 'directoryName'; readonly name: Name }
  | { readonly form: 'iPAddress'; readonly bytes: Uint8Array }
  | { readonly form: 'x400Address' | 'ediPartyName' | 'otherName' | 'registeredID' };

/** Forms with rules of comparison. For others RFC 5280 says: process the constraint or reject the certificate. */
const COMPARABLE: ReadonlySet<NameForm> = /* @__PURE__ */ new Set([
  'dNSName',
  'rfc822Name',
  'uniformResourceIdentifier',
  'directoryName',
  'iPAddress',
] as const);

/**
 * The first breach of the constraints by the names of a certificate: its subject, subjectAltName, and the mail
 * addresses in its subject. Call it for every certificate below the one that holds the constraints, except
 * self-issued ones that are not the target.
 */
export function checkNameConstraints(
  constraints: NameConstraints,
  certificate: Certificate,
  budget: Budget,
): Refusal | undefined {
  const permitted = readyBases(constraints.permitted);
  const excluded = readyBases(constraints.excluded);
  if (permitted === undefined || excluded === undefined) return refuse('name-constraint-malformed');
  for (const name of namesOf(certificate)) {
    const inExcluded = excluded.get(name.form) ?? [];
    const inPermitted = permitted.get(name.form);
    if (inExcluded.length === 0 && inPermitted === undefined) continue;
    const ready = readyName(name);
    if (ready === undefined) return refuse('name-not-permitted', `${name.form} is not of its form`);
    if (!COMPARABLE.has(name.form)) return refuse('name-constraint-unsupported', name.form);
    budget.spend('nameComparisons', inExcluded.length + (inPermitted?.length ?? 0));
    if (inExcluded.some((base) => isInside(ready, base, 'excluded'))) return refuse('name-excluded', name.form);
    if (inPermitted?.some((base) => isInside(ready, base, 'permitted')) === false) {
      return refuse('name-not-permitted', name.form);
    }
  }
  return undefined;
}

function namesOf(certificate: Certificate): readonly GeneralName[] {
  const names: GeneralName[] = [...(certificate.extensions.subjectAltName ?? [])];
  const { subject } = certificate;
  if (subject.relativeNames.length > 0) names.push({ form: 'directoryName', name: subject, key: '' });
  for (const attribute of subject.relativeNames.flat()) {
    if (ATTRIBUTE[attribute.type] === 'emailAddress') {
      names.push({ form: 'rfc822Name', text: attribute.text ?? '', key: '' });
    }
  }
  return names;
}

/** Constraints by form; `undefined` if one has not its form's syntax. */
function readyBases(bases: readonly GeneralName[]): ReadonlyMap<NameForm, readonly Ready[]> | undefined {
  const byForm = new Map<NameForm, Ready[]>();
  for (const base of bases) {
    const ready = readyBase(base);
    if (ready === undefined) return undefined;
    const known = byForm.get(base.form);
    if (known === undefined) byForm.set(base.form, [ready]);
    else known.push(ready);
  }
  return byForm;
}

function readyBase(base: GeneralName): Ready | undefined {
  switch (base.form) {
    case 'dNSName': {
      // No leading period: that is for URIs and mail hosts. The empty constraint holds every name.
      const host = base.text.toLowerCase();
      return host === '' || isHostName(host) ? { form: base.form, host, isWildcard: false } : undefined;
    }
    case 'rfc822Name': {
      if (base.text.includes('@')) {
        const mailbox = mailboxParts(base.text);
        return mailbox === undefined ? undefined : { form: base.form, ...mailbox };
      }
      const host = base.text.toLowerCase();
      return isHostOrDomain(host) ? { form: base.form, local: undefined, host } : undefined;
    }
    case 'uniformResourceIdentifier': {
      const host = base.text.toLowerCase();
      return isHostOrDomain(host) ? { form: base.form, host } : undefined;
    }
    case 'iPAddress': {
      const isRange = (base.bytes.length === 8 || base.bytes.length === 32) && isPrefixMask(base.bytes);
      return isRange ? base : undefined;
    }
    default:
      return base;
  }
}

function readyName(name: GeneralName): Ready | undefined {
  switch (name.form) {
    case 'dNSName': {
      if (!isPresentedHostName(name.text)) return undefined;
      const host = name.text.toLowerCase();
      const isWildcard = host.startsWith('*.');
      return { form: name.form, host: isWildcard ? host.slice(2) : host, isWildcard };
    }
    case 'rfc822Name': {
      const mailbox = mailboxParts(name.text);
      return mailbox === undefined ? undefined : { form: name.form, ...mailbox };
    }
    case 'uniformResourceIdentifier': {
      const host = uriHost(name.text);
      return host === undefined ? undefined : { form: name.form, host };
    }
    default:
      return name;
  }
}

function isInside(name: Ready, base: Ready, kind: 'permitted' | 'excluded'): boolean {
  if (name.form === 'dNSName' && base.form === 'dNSName') {
    if (isAtOrBelow(name.host, base.host)) return true;
    // A wildcard stands for each of its names: one of them excluded is enough, all of them have to be permitted.
    const { host } = name;
    const isOneOfThem = base.host.endsWith(`.${host}`) && !base.host.slice(0, -host.length - 1).includes('.');
    return name.isWildcard && kind === 'excluded' && isOneOfThem;
  }
  if (name.form === 'rfc822Name' && base.form === 'rfc822Name') {
    if (base.local !== undefined) return name.local === base.local && name.host === base.host;
    return isInHostOrDomain(name.host, base.host);
  }
  if (name.form === 'uniformResourceIdentifier' && base.form === 'uniformResourceIdentifier') {
    return isInHostOrDomain(name.host, base.host);
  }
  if (name.form === 'directoryName' && base.form === 'directoryName') return isWithin(name.name, base.name);
  if (name.form === 'iPAddress' && base.form === 'iPAddress') return isInRange(name.bytes, base.bytes);
  return false;
}

function isAtOrBelow(host: string, base: string): boolean {
  return base === '' || host === base || (host.endsWith(base) && host[host.length - base.length - 1] === '.');
}

function isHostOrDomain(text: string): boolean {
  return text === '' || isHostName(text.replace(/^\./, ''));
}

/** A constraint with a leading period holds hosts below it; without one, this one host. */
function isInHostOrDomain(host: string, base: string): boolean {
  return base === '' || (base.startsWith('.') ? host.endsWith(base) : host === base);
}

function isInRange(address: Uint8Array, base: Uint8Array): boolean {
  if (base.length !== address.length * 2) return false;
  return address.every((octet, at) => ((octet ^ base[at]!) & base[address.length + at]!) === 0);
}

function isPrefixMask(range: Uint8Array): boolean {
  let isOver = false;
  for (const octet of range.subarray(range.length / 2)) {
    for (let bit = 0x80; bit > 0; bit >>= 1) {
      if ((octet & bit) === 0) isOver = true;
      else if (isOver) return false;
    }
  }
  return true;
}
