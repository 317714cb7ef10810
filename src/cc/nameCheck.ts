/**
 * Whether a certificate names who was asked for, by subjectAltName alone (RFC 9525): common names count for nothing.
 *
 * @packageDocumentation
 */
import { same, type Certificate } from './certificate.ts';
import { ipAddress } from './createNames.ts';
import { isHostName, isPresentedHostName, mailboxParts } from './nameGeneral.ts';

/** A name that was asked for: a host name, an IP address in text, or a mail address. */
export interface ExpectedName {
  readonly kind: 'dns' | 'ip' | 'email';
  readonly value: string;
}

/** Whether the certificate holds the name. */
export function hasName(certificate: Certificate, expected: ExpectedName): boolean {
  const names = certificate.extensions.subjectAltName ?? [];
  switch (expected.kind) {
    case 'dns':
      return names.some((name) => name.form === 'dNSName' && isHost(name.text, expected.value));
    case 'ip': {
      const address = ipAddress(expected.value.replace(/^\[(.*)\]$/, '$1'));
      return names.some((name) => name.form === 'iPAddress' && address !== undefined && same(name.bytes, address));
    }
    case 'email':
      return names.some((name) => name.form === 'rfc822Name' && isMailbox(name.text, expected.value));
  }
}

/** The name of a host as an application has it: an IP address if it is one, else a DNS name. */
export function hostToName(host: string): ExpectedName {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  return ipAddress(bare) === undefined ? { kind: 'dns', value: host } : { kind: 'ip', value: bare };
}

/** A wildcard stands for one whole label, the leftmost, above at least two more. */
function isHost(presented: string, expected: string): boolean {
  const host = expected.toLowerCase().replace(/\.$/, '');
  const name = presented.toLowerCase();
  if (!isHostName(host) || !isPresentedHostName(name)) return false;
  return name.startsWith('*.')
    ? host.indexOf('.') > 0 && host.slice(host.indexOf('.')) === name.slice(1)
    : name === host;
}

function isMailbox(presented: string, expected: string): boolean {
  const left = mailboxParts(presented);
  const right = mailboxParts(expected);
  return left !== undefined && right !== undefined && left.local === right.local && left.host === right.host;
}
