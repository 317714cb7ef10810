/** What a program asks of `sims chat`, one JSON object a line. */
import { parseAddress, SimsError, type Address } from '../../src/index.node.ts';

export type Request =
  | { readonly do: 'list' | 'quit' }
  | { readonly do: 'open' | 'close'; readonly peer: Address }
  /** `ref` is any JSON value; it comes back in the message's states. */
  | { readonly do: 'send'; readonly peer: Address; readonly text: string; readonly ref?: unknown };

/**
 * The request that a line holds. Fields that are not known are ignored.
 *
 * @throws SimsError `client/invalid-argument` or `messages/invalid-address`
 */
export function parseRequest(line: string | undefined): Request {
  if (line === undefined) throw refused('the line is too long or not UTF-8');
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new SimsError('client/invalid-argument', 'the line is not JSON', { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused('the line is not an object');
  const { do: verb, peer, text, ref } = value as Readonly<Record<string, unknown>>;
  switch (verb) {
    case 'list':
    case 'quit':
      return { do: verb };
    case 'open':
    case 'close':
      return { do: verb, peer: addressOf(peer) };
    case 'send':
      if (typeof text !== 'string') throw refused('"text" is not a string');
      return { do: verb, peer: addressOf(peer), text, ...(ref === undefined ? {} : { ref }) };
    default:
      throw refused('"do" is not list, open, send, close or quit');
  }
}

function addressOf(peer: unknown): Address {
  if (typeof peer !== 'string') throw refused('"peer" is not a string');
  return parseAddress(peer);
}

function refused(message: string): SimsError {
  return new SimsError('client/invalid-argument', message);
}
