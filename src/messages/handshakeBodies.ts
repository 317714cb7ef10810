/**
 * Bodies of the four phases of a handshake, and what their boxes hold (docs/protocol.md section 4). Every encoder
 * gives deterministic CBOR and throws `messages/invalid-message` or `codec/lone-surrogate` for what cannot be sent.
 * Every decoder throws `codec/*` or `messages/field-*`, and gives byte strings that are views of its input.
 *
 * @packageDocumentation
 */
import * as v from 'valibot';
import { MAX_BODY_BYTES } from '../codec/limits.ts';
import { decodeBody, encodeBody, field, type Body } from './body.ts';
import {
  arrayUpTo,
  bytesOfLength,
  bytesUpTo,
  distinct,
  MAX_NAME_BYTES,
  text,
  unsigned,
  type Schema,
} from './schema.ts';

/** Bytes of each side's nonce. */
export const NONCE_BYTES = 32;
const MAX_VERSIONS = 16;
const MAX_SUITES = 32;
const MAX_SERVER_NAME_BYTES = 255;
const MAX_KEM_BYTES = 4_096;
const MAX_SIGNATURE_BYTES = 1_024;

/** Parameters of a box by number. The reader judges the values, and ignores numbers that it does not know. */
export type BoxParameters = ReadonlyMap<number, unknown>;

/** Phase 1, from the initiator. */
export interface Body1 {
  /** Versions that the initiator speaks, at most 16. */
  readonly versions: readonly number[];
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** Numbers of suites in the order of preference, at most 32, none twice. */
  readonly suites: readonly number[];
  /** On a hop: the host as the client asked for it, without a port; at most 255 bytes. */
  readonly serverName?: string;
}

/** What the responder signs in phase 2. */
export interface Core {
  readonly version: number;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** Number of the chosen suite. */
  readonly suite: number;
  /** At most 4,096 bytes; the suite knows the exact length. */
  readonly encapsulationKey: Uint8Array;
  /** For {@link decodeCredential}. */
  readonly credential: Uint8Array;
}

/** Phase 2, from the responder. */
export interface Body2 {
  /** For {@link decodeCore}; kept as bytes, since the transcript absorbs them. */
  readonly core: Uint8Array;
  /** At most 1,024 bytes. */
  readonly signature: Uint8Array;
}

/** Phase 3, from the initiator. */
export interface Body3 {
  /** Of the KEM, at most 4,096 bytes. */
  readonly ciphertext: Uint8Array;
  /** A sealed {@link BoxInitiator}. */
  readonly box: Uint8Array;
}

/** What the initiator seals in phase 3. */
export interface BoxInitiator {
  /** For {@link decodeInitiatorIntroduction}; kept as bytes, since the transcript absorbs them. */
  readonly introduction: Uint8Array;
  /** At most 1,024 bytes. */
  readonly signature: Uint8Array;
}

/** All that the initiator says of itself, under its signature. */
export interface InitiatorIntroduction {
  /** For {@link decodeCredential}. */
  readonly credential: Uint8Array;
  /** At most 128 bytes; may be empty. */
  readonly name: string;
  readonly parameters: BoxParameters;
}

/** Phase 4, from the responder. */
export interface Body4 {
  /** A sealed {@link BoxResponder}. */
  readonly box: Uint8Array;
}

/** What the responder seals in phase 4. */
export interface BoxResponder {
  /** At most 128 bytes; may be empty. */
  readonly name: string;
  readonly parameters: BoxParameters;
}

/** Bytes of body 1. */
export function encodeBody1(body: Body1): Uint8Array {
  return encodeBody(BODY_1, body);
}

/** Body 1 from its bytes. */
export function decodeBody1(bytes: Uint8Array): Body1 {
  return decodeBody(BODY_1, bytes);
}

/** Bytes of the core of body 2. */
export function encodeCore(core: Core): Uint8Array {
  return encodeBody(CORE, core);
}

/** The core of body 2 from its bytes. */
export function decodeCore(bytes: Uint8Array): Core {
  return decodeBody(CORE, bytes);
}

/** Bytes of body 2. */
export function encodeBody2(body: Body2): Uint8Array {
  return encodeBody(BODY_2, body);
}

/** Body 2 from its bytes. */
export function decodeBody2(bytes: Uint8Array): Body2 {
  return decodeBody(BODY_2, bytes);
}

/** Bytes of body 3. */
export function encodeBody3(body: Body3): Uint8Array {
  return encodeBody(BODY_3, body);
}

/** Body 3 from its bytes. */
export function decodeBody3(bytes: Uint8Array): Body3 {
  return decodeBody(BODY_3, bytes);
}

/** Bytes of the plaintext of the box in body 3. */
export function encodeBoxInitiator(box: BoxInitiator): Uint8Array {
  return encodeBody(BOX_INITIATOR, box);
}

/** The plaintext of the box in body 3 from its bytes. */
export function decodeBoxInitiator(bytes: Uint8Array): BoxInitiator {
  return decodeBody(BOX_INITIATOR, bytes);
}

/** Bytes of the introduction in the box of body 3. */
export function encodeInitiatorIntroduction(introduction: InitiatorIntroduction): Uint8Array {
  return encodeBody(INTRODUCTION, introduction);
}

/** The introduction in the box of body 3 from its bytes. */
export function decodeInitiatorIntroduction(bytes: Uint8Array): InitiatorIntroduction {
  return decodeBody(INTRODUCTION, bytes);
}

/** Bytes of body 4. */
export function encodeBody4(body: Body4): Uint8Array {
  return encodeBody(BODY_4, body);
}

/** Body 4 from its bytes. */
export function decodeBody4(bytes: Uint8Array): Body4 {
  return decodeBody(BODY_4, bytes);
}

/** Bytes of the plaintext of the box in body 4. */
export function encodeBoxResponder(box: BoxResponder): Uint8Array {
  return encodeBody(BOX_RESPONDER, box);
}

/** The plaintext of the box in body 4 from its bytes. */
export function decodeBoxResponder(bytes: Uint8Array): BoxResponder {
  return decodeBody(BOX_RESPONDER, bytes);
}

const parameters: Schema<BoxParameters> = v.custom<BoxParameters>(
  (value) => value instanceof Map && [...value.keys()].every((key) => Number.isSafeInteger(key)),
);
const nonce: Schema<Uint8Array> = bytesOfLength(NONCE_BYTES);
const signature: Schema<Uint8Array> = bytesUpTo(MAX_SIGNATURE_BYTES);
const anyBytes: Schema<Uint8Array> = bytesUpTo(MAX_BODY_BYTES);
const name: Schema<string> = text(MAX_NAME_BYTES);

const BODY_1: Body<Body1> = {
  what: 'body 1',
  schema: v.object({
    versions: arrayUpTo(unsigned, MAX_VERSIONS),
    nonce,
    suites: distinct(unsigned, MAX_SUITES),
    serverName: v.exactOptional(text(MAX_SERVER_NAME_BYTES)),
  }),
  fields: [field(0, 'versions'), field(1, 'nonce'), field(4, 'suites'), field(5, 'serverName')],
};

const CORE: Body<Core> = {
  what: 'core of body 2',
  schema: v.object({
    version: unsigned,
    nonce,
    suite: unsigned,
    encapsulationKey: bytesUpTo(MAX_KEM_BYTES),
    credential: anyBytes,
  }),
  fields: [
    field(0, 'version'),
    field(1, 'nonce'),
    field(2, 'suite'),
    field(3, 'encapsulationKey'),
    field(4, 'credential'),
  ],
};

const BODY_2: Body<Body2> = {
  what: 'body 2',
  schema: v.object({ core: anyBytes, signature }),
  fields: [field(0, 'core'), field(1, 'signature')],
};

const BODY_3: Body<Body3> = {
  what: 'body 3',
  schema: v.object({ ciphertext: bytesUpTo(MAX_KEM_BYTES), box: anyBytes }),
  fields: [field(0, 'ciphertext'), field(1, 'box')],
};

const BOX_INITIATOR: Body<BoxInitiator> = {
  what: 'box of body 3',
  schema: v.object({ introduction: anyBytes, signature }),
  fields: [field(0, 'introduction'), field(1, 'signature')],
};

const INTRODUCTION: Body<InitiatorIntroduction> = {
  what: 'introduction in the box of body 3',
  schema: v.object({ credential: anyBytes, name, parameters }),
  fields: [field(0, 'credential'), field(2, 'name'), field(3, 'parameters')],
};

const BODY_4: Body<Body4> = {
  what: 'body 4',
  schema: v.object({ box: anyBytes }),
  fields: [field(0, 'box')],
};

const BOX_RESPONDER: Body<BoxResponder> = {
  what: 'box of body 4',
  schema: v.object({ name, parameters }),
  fields: [field(2, 'name'), field(3, 'parameters')],
};
