/**
 * General names (RFC 5280 §4.2.1.6) and the syntax of the names of hosts and mailboxes inside them.
 *
 * @packageDocumentation
 */
import { type DerReader, context, contextConstructed, malformed } from './certificateDer.ts';
import { readName, type Name } from './name.ts';

/** One general name. Texts are ASCII; `x400Address`, `ediPartyName` and `otherName` keep their DER. */
export type GeneralName =
  | {
      readonly form: 'rfc822Name' | 'dNSName' | 'uniformResourceIdentifier';
      readonly text: string;
      readonly key: string;
    }
  | { readonly form: 'directoryName'; readonly name: Name; readonly key: string }
  /** 4 or 16 bytes; in a name constraint the mask follows: 8 or 32. */
  | { readonly form: 'iPAddress'; readonly bytes: Uint8Array; readonly key: string }
  | { readonly form: 'registeredID'; readonly oid: string; readonly key: string }
  | { readonly form: 'otherName' | 'x400Address' | 'ediPartyName'; readonly bytes: Uint8Array; readonly key: string };

/** The choice of a general name. */
export type NameForm = GeneralName['form'];

const OPAQUE: Readonly<Record<number, 'otherName' | 'x400Address' | 'ediPartyName'>> = {
  0xa0: 'otherName',
  0xa3: 'x400Address',
  0xa5: 'ediPartyName',
};
const TEXT: Readonly<Record<number, 'rfc822Name' | 'dNSName' | 'uniformResourceIdentifier'>> = {
  0x81: 'rfc822Name',
  0x82: 'dNSName',
  0x86: 'uniformResourceIdentifier',
};

/** Reads one GeneralName. @throws `cc/malformed` */
export function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.peek();
  const opaque = OPAQUE[tag];
  if (opaque !== undefined) {
    const bytes = reader.raw(tag);
    return { form: opaque, bytes, key: `${opaque}:${latin1(bytes)}` };
  }
  const textual = TEXT[tag];
  if (textual !== undefined) {
    const value = reader.take(tag);
    if (value.some((octet) => octet >= 0x80)) throw malformed(`${textual} is not ASCII`, reader.content);
    const text = latin1(value);
    return { form: textual, text, key: `${textual}:${textual === 'dNSName' ? text.toLowerCase() : text}` };
  }
  if (tag === contextConstructed(4)) {
    const inner = reader.enter(tag);
    const name = readName(inner);
    inner.finish();
    return { form: 'directoryName', name, key: `directoryName:${name.key}` };
  }
  if (tag === context(7)) {
    const bytes = reader.take(tag);
    return { form: 'iPAddress', bytes, key: `iPAddress:${latin1(bytes)}` };
  }
  if (tag === context(8)) {
    const oid = reader.objectIdentifier(tag);
    return { form: 'registeredID', oid, key: `registeredID:${oid}` };
  }
  throw malformed(`no general name has tag ${tag}`, reader.at);
}

/** Reads GeneralNames: the contents of a SEQUENCE of at least one. @throws `cc/malformed` */
export function readGeneralNames(sequence: DerReader): readonly GeneralName[] {
  const names: GeneralName[] = [];
  do names.push(readGeneralName(sequence));
  while (!sequence.done);
  return names;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** Whether a text is a host name in preferred syntax (RFC 1034 §3.5, RFC 1123 §2.1): no wildcard, no final dot. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && !looksLikeIpAddress(text) && text.split('.').every((label) => LABEL.test(label));
}

/** Whether a dNSName is a host name, or `*.` and a host name of at least two labels. */
export function isPresentedHostName(text: string): boolean {
  if (!text.startsWith('*.')) return isHostName(text);
  return isHostName(text.slice(2)) && text.slice(2).includes('.');
}

/** Local part and host of a mailbox of the form that certificates use; `undefined` if it is none. */
export function mailboxParts(text: string): { readonly local: string; readonly host: string } | undefined {
  const at = text.indexOf('@');
  if (at < 1 || text.includes('@', at + 1)) return undefined;
  const local = text.slice(0, at);
  const host = text.slice(at + 1);
  return /^[!#-'*+\-./0-9=?A-Z^-~]+$/.test(local) && isHostName(host) ? { local, host: host.toLowerCase() } : undefined;
}

/** Host of an absolute URI with an authority; `undefined` for other URIs and for hosts that are IP addresses. */
export function uriHost(text: string): string | undefined {
  const match = /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/?#[\]]*@)?([^:/?#@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(text);
  const host = match?.[1];
  return host !== undefined && isHostName(host) ? host.toLowerCase() : undefined;
}

function looksLikeIpAddress(text: string): boolean {
  return /(?:^|\.)\d+$/.test(text);
}

/** A text with one character per octet. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const octet of bytes) text += String.fromCharCode(octet);
  return text;
}
