/**
 * Names of machines as certificates hold them: DNS names and IP addresses (RFC 5280 §4.2.1.6).
 *
 * @packageDocumentation
 */
import { utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { taggedPrimitive } from './createDer.ts';

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i;

/**
 * GeneralName of a DNS name (ASCII; internationalised names in their xn-- form; a leading `*.` is kept) or of an
 * IPv4 or IPv6 address in text, with or without brackets.
 *
 * @throws `cc/invalid-argument` for anything else
 */
export function generalName(name: string): Uint8Array {
  const address = ipAddress(name.replace(/^\[(.*)\]$/, '$1'));
  if (address !== undefined) return taggedPrimitive(7, address);
  const labels = name.replace(/^\*\./, '').split('.');
  if (name.length > 253 || !labels.every((label) => LABEL.test(label)) || /^\d+$/.test(labels.at(-1)!)) {
    throw new SimsError(
      'cc/invalid-argument',
      `neither a DNS name nor an IP address: ${JSON.stringify(name.slice(0, 80))}`,
    );
  }
  return taggedPrimitive(2, utf8(name));
}

/** 4 or 16 bytes of an address in text; `undefined` if it is none. Zones (`%eth0`) do not belong in certificates. */
export function ipAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? ipv6(text) : ipv4(text);
}

function ipv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

function groups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (mayEndInIpv4 && index === parts.length - 1 && part.includes('.')) {
      const address = ipv4(part);
      if (address === undefined) return undefined;
      octets.push(...address);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      const group = Number.parseInt(part, 16);
      octets.push(group >> 8, group & 255);
    } else {
      return undefined;
    }
  }
  return octets;
}
