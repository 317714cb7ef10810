/**
 * What each side says, asks for or grants inside its box (docs/protocol.md §4).
 *
 * @packageDocumentation
 */
import { utf8 } from '../bytes.ts';
import { SimsError } from '../errors.ts';
import { DEVICE_BYTES } from '../messages/address.ts';
import { MAX_LABEL_BYTES } from '../messages/schema.ts';
import type { Plane, Role } from './context.ts';

/** Parameters of a box. */
export interface HandshakeParameters {
  /** On a hop, of the client: 8 bytes made with its store. Required there. */
  readonly device?: Uint8Array;
  /** On a hop. Of the client: the label that it asks for, absent for the relay's choice. Of the relay: the session's. */
  readonly label?: string;
  /** In a conversation, of either side: what it knows of the one before (docs/protocol.md §7), 42 to 56 bytes. */
  readonly previous?: Uint8Array;
}

const DEVICE = 0;
const LABEL_ASKED = 1;
const LABEL_GRANTED = 0;
const PREVIOUS = 0;
const MIN_PREVIOUS_BYTES = 42;
const MAX_PREVIOUS_BYTES = 56;

/**
 * Parameters as a box holds them.
 *
 * @throws `handshake/invalid-argument` when one is missing, malformed, or has no place in that plane and role
 */
export function encodeParameters(
  parameters: HandshakeParameters,
  plane: Plane,
  role: Role,
): ReadonlyMap<number, unknown> {
  const problem = problemOf(parameters, plane, role);
  if (problem !== undefined) throw new SimsError('handshake/invalid-argument', `parameters of the ${role}: ${problem}`);
  const { device, label, previous } = parameters;
  const map = new Map<number, unknown>();
  if (previous !== undefined) map.set(PREVIOUS, previous);
  if (device !== undefined) map.set(DEVICE, device);
  if (label !== undefined) map.set(role === 'initiator' ? LABEL_ASKED : LABEL_GRANTED, label);
  return map;
}

/**
 * Parameters of a peer's box; numbers that are not known are ignored.
 *
 * @throws `messages/field-invalid`
 */
export function decodeParameters(map: ReadonlyMap<number, unknown>, plane: Plane, role: Role): HandshakeParameters {
  if (plane === 'conversation') return decodeConversation(map, role);
  const device = role === 'initiator' ? map.get(DEVICE) : undefined;
  const label = map.get(role === 'initiator' ? LABEL_ASKED : LABEL_GRANTED);
  const parameters = {
    ...(device === undefined ? {} : { device: device as Uint8Array }),
    ...(label === undefined ? {} : { label: label as string }),
  };
  const problem = problemOf(parameters, plane, role);
  if (problem !== undefined) throw new SimsError('messages/field-invalid', `parameters of the ${role}: ${problem}`);
  return parameters;
}

function decodeConversation(map: ReadonlyMap<number, unknown>, role: Role): HandshakeParameters {
  const previous = map.get(PREVIOUS);
  const parameters = previous === undefined ? {} : { previous: previous as Uint8Array };
  const problem = problemOf(parameters, 'conversation', role);
  if (problem !== undefined) throw new SimsError('messages/field-invalid', `parameters of the ${role}: ${problem}`);
  return parameters;
}

function problemOf({ device, label, previous }: HandshakeParameters, plane: Plane, role: Role): string | undefined {
  if (plane === 'conversation') {
    if (device !== undefined || label !== undefined) return 'a conversation has neither device nor label';
    return previous === undefined ? undefined : problemOfPrevious(previous);
  }
  if (previous !== undefined) return 'a hop has nothing before it';
  if (role === 'responder' && device !== undefined) return 'a relay has no device';
  if (role === 'initiator' && !(device instanceof Uint8Array && device.length === DEVICE_BYTES)) {
    return `the device is not ${DEVICE_BYTES} bytes`;
  }
  if (label === undefined) return role === 'responder' ? 'the label is missing' : undefined;
  if (typeof label !== 'string') return 'the label is not text';
  return utf8(label).length <= MAX_LABEL_BYTES ? undefined : `the label is over ${MAX_LABEL_BYTES} bytes`;
}

function problemOfPrevious(previous: unknown): string | undefined {
  if (!(previous instanceof Uint8Array)) return 'what was before is not bytes';
  const { length } = previous;
  return length >= MIN_PREVIOUS_BYTES && length <= MAX_PREVIOUS_BYTES
    ? undefined
    : `${length} bytes of what was before`;
}
