/**
 * Name constraints (RFC 5280 §4.2.1.10), for every form of name. A constraint or a name that has not its form's syntax is
 * a refusal, never a name that slips through; so is a name of a form that has no rules of comparison.
 *
 * @packageDocumentation
 */
import type { Certificate } from './certificate.ts';
import type { NameConstraints } from './certificateExtensions.ts';
import { ATTRIBUTE, isWithin } from './name.ts';
import { isHostName, isPresentedHostName, mailboxParts, uriHost, type GeneralName } from './nameGeneral.ts';
import type { Budget } from './pathLimits.ts';
import { refuse, type Refusal } from './pathReasons.ts';

type Match = 'inside' | 'outside' | Refusal;

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
  for (const base of [...constraints.permitted, ...constraints.excluded]) {
    const fault = checkConstraint(base);
    if (fault !== undefined) return fault;
  }
  for (const name of namesOf(certificate)) {
    const breach = checkName(constraints, name, budget);
    if (breach !== undefined) return breach;
  }
  return undefined;
}

function checkName(constraints: NameConstraints, name: GeneralName, budget: Budget): Refusal | undefined {
  for (const base of constraints.excluded) {
    if (base.form !== name.form) continue;
    budget.spend('nameComparisons');
    const match = compare(name, base, 'excluded');
    if (match === 'inside') return refuse('name-excluded', name.form);
    if (match !== 'outside') return match;
  }
  let isConstrained = false;
  for (const base of constraints.permitted) {
    if (base.form !== name.form) continue;
    isConstrained = true;
    budget.spend('nameComparisons');
    const match = compare(name, base, 'permitted');
    if (match === 'inside') return undefined;
    if (match !== 'outside') return match;
  }
  return isConstrained ? refuse('name-not-permitted', name.form) : undefined;
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

/** Whether a constraint has its form's syntax. */
function checkConstraint(base: GeneralName): Refusal | undefined {
  const isFine = (): boolean => {
    switch (base.form) {
      case 'dNSName':
        // No leading period: that is for URIs alone. The empty constraint holds every name.
        return base.text === '' || isHostName(base.text);
      case 'rfc822Name':
        return base.text.includes('@')
          ? mailboxParts(base.text) !== undefined
          : base.text === '' || isHostName(base.text.replace(/^\./, ''));
      case 'uniformResourceIdentifier':
        return base.text === '' || isHostName(base.text.replace(/^\./, ''));
      case 'iPAddress':
        return (base.bytes.length === 8 || base.bytes.length === 32) && isPrefixMask(base.bytes);
      default:
        return true;
    }
  };
  return isFine() ? undefined : refuse('name-constraint-malformed', base.form);
}

function compare(name: GeneralName, base: GeneralName, kind: 'permitted' | 'excluded'): Match {
  if (name.form === 'dNSName' && base.form === 'dNSName') {
    return compareHost(name.text.toLowerCase(), base.text.toLowerCase(), kind);
  }
  if (name.form === 'rfc822Name' && base.form === 'rfc822Name') return compareMailbox(name.text, base.text);
  if (name.form === 'uniformResourceIdentifier' && base.form === 'uniformResourceIdentifier') {
    return compareUri(name.text, base.text.toLowerCase());
  }
  if (name.form === 'directoryName' && base.form === 'directoryName') {
    return isWithin(name.name, base.name) ? 'inside' : 'outside';
  }
  if (name.form === 'iPAddress' && base.form === 'iPAddress') return compareAddress(name.bytes, base.bytes);
  // RFC 5280 gives the other forms no rules: process the constraint or reject the certificate.
  return refuse('name-constraint-unsupported', name.form);
}

function compareHost(name: string, base: string, kind: 'permitted' | 'excluded'): Match {
  if (!isPresentedHostName(name)) return refuse('name-not-permitted', 'dNSName is not a host name');
  if (!name.startsWith('*.')) return isAtOrBelow(name, base) ? 'inside' : 'outside';
  const parent = name.slice(2);
  if (isAtOrBelow(parent, base)) return 'inside';
  // A wildcard stands for each of its names: one of them excluded is enough, all of them have to be permitted.
  const standsForBase = base.endsWith(`.${parent}`) && !base.slice(0, -parent.length - 1).includes('.');
  return kind === 'excluded' && standsForBase ? 'inside' : 'outside';
}

function isAtOrBelow(host: string, base: string): boolean {
  return base === '' || host === base || host.endsWith(`.${base}`);
}

function compareMailbox(name: string, base: string): Match {
  const mailbox = mailboxParts(name);
  if (mailbox === undefined) return refuse('name-not-permitted', 'rfc822Name is not a mailbox');
  const whole = mailboxParts(base);
  if (whole !== undefined) return whole.local === mailbox.local && whole.host === mailbox.host ? 'inside' : 'outside';
  return compareHostOrDomain(mailbox.host, base.toLowerCase());
}

function compareUri(name: string, base: string): Match {
  const host = uriHost(name);
  return host === undefined ? refuse('name-not-permitted', 'URI without a host name') : compareHostOrDomain(host, base);
}

/** A constraint with a leading period holds hosts below it; without one, this one host. */
function compareHostOrDomain(host: string, base: string): Match {
  if (base === '') return 'inside';
  return (base.startsWith('.') ? host.endsWith(base) : host === base) ? 'inside' : 'outside';
}

function compareAddress(address: Uint8Array, base: Uint8Array): Match {
  if (base.length !== address.length * 2) return 'outside';
  return address.every((octet, at) => ((octet ^ base[at]!) & base[address.length + at]!) === 0) ? 'inside' : 'outside';
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
