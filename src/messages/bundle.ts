/**
 * Bundles, which are phase 2 made ahead, and the phase 3 that answers one (docs/protocol.md section 4.4). Encoders and
 * decoders are as those of `handshakeBodies.ts`.
 *
 * @packageDocumentation
 */
import * as v from 'valibot';
import { MAX_BODY_BYTES } from '../codec/limits.ts';
import { MESSAGE_ID_BYTES, type Address } from './address.ts';
import { decodeBody, encodeBody, field, type Body } from './body.ts';
import { address, bytesOfLength, bytesUpTo, distinct, MAX_LABEL_BYTES, text, unsigned, type Schema } from './schema.ts';

/** Bytes of the id of a bundle. */
export const BUNDLE_ID_BYTES: number = MESSAGE_ID_BYTES;
const MAX_SUITES = 32;
const MAX_KEM_BYTES = 4_096;
const MAX_SIGNATURE_BYTES = 1_024;

/** A bundle as it is published. */
export interface Bundle {
  /** For {@link decodeBundleCore}; kept as bytes, since they are signed. */
  readonly core: Uint8Array;
  /** At most 1,024 bytes. */
  readonly signature: Uint8Array;
}

/** What the owner of a bundle signs. */
export interface BundleCore {
  readonly version: number;
  /** 8 bytes. */
  readonly id: Uint8Array;
  /** SHA-256 of the relay's SPKI, 32 bytes. */
  readonly relayIdentity: Uint8Array;
  /** Whose bundle it is. */
  readonly address: Address;
  /** Label of the owner's session, at most 255 bytes. */
  readonly label: string;
  /** Numbers of all suites that the owner publishes bundles for, in its order; at most 32, none twice. */
  readonly suites: readonly number[];
  /** Number of this bundle's suite. */
  readonly suite: number;
  /** At most 4,096 bytes; the suite knows the exact length. */
  readonly encapsulationKey: Uint8Array;
  /** Seconds since 1970. */
  readonly notAfter: number;
  /** For `decodeCredential`. */
  readonly credential: Uint8Array;
}

/** Phase 3 of a start from a bundle. */
export interface BundleBody3 {
  /** Of the KEM, at most 4,096 bytes. */
  readonly ciphertext: Uint8Array;
  /** A sealed `BoxInitiator`. */
  readonly box: Uint8Array;
  /** Of the bundle, 8 bytes. */
  readonly bundleId: Uint8Array;
  /** Body 1 without a server name, for `decodeBody1`; kept as bytes, since the transcript absorbs them. */
  readonly hello: Uint8Array;
}

/** Bytes of a bundle, at most 65,536. */
export function encodeBundle(bundle: Bundle): Uint8Array {
  return encodeBody(BUNDLE, bundle);
}

/** A bundle from its bytes. */
export function decodeBundle(bytes: Uint8Array): Bundle {
  return decodeBody(BUNDLE, bytes);
}

/** Bytes of the core of a bundle. */
export function encodeBundleCore(core: BundleCore): Uint8Array {
  return encodeBody(CORE, core);
}

/** The core of a bundle from its bytes. */
export function decodeBundleCore(bytes: Uint8Array): BundleCore {
  return decodeBody(CORE, bytes);
}

/** Bytes of a phase 3 that answers a bundle. */
export function encodeBundleBody3(body: BundleBody3): Uint8Array {
  return encodeBody(BODY_3, body);
}

/** A phase 3 that answers a bundle, from its bytes. */
export function decodeBundleBody3(bytes: Uint8Array): BundleBody3 {
  return decodeBody(BODY_3, bytes);
}

const anyBytes: Schema<Uint8Array> = bytesUpTo(MAX_BODY_BYTES);
const id: Schema<Uint8Array> = bytesOfLength(BUNDLE_ID_BYTES);

const BUNDLE: Body<Bundle> = {
  what: 'bundle',
  schema: v.object({ core: anyBytes, signature: bytesUpTo(MAX_SIGNATURE_BYTES) }),
  fields: [field(0, 'core'), field(1, 'signature')],
};

const CORE: Body<BundleCore> = {
  what: 'core of a bundle',
  schema: v.object({
    version: unsigned,
    id,
    relayIdentity: bytesOfLength(32),
    address,
    label: text(MAX_LABEL_BYTES),
    suites: distinct(unsigned, MAX_SUITES),
    suite: unsigned,
    encapsulationKey: bytesUpTo(MAX_KEM_BYTES),
    notAfter: unsigned,
    credential: anyBytes,
  }),
  fields: [
    field(0, 'version'),
    field(1, 'id'),
    field(2, 'relayIdentity'),
    { property: 'address', number: 3, name: 'address', wire: 'address' },
    field(4, 'label'),
    field(5, 'suites'),
    field(6, 'suite'),
    field(7, 'encapsulationKey'),
    field(8, 'notAfter'),
    field(9, 'credential'),
  ],
};

const BODY_3: Body<BundleBody3> = {
  what: 'body 3 that answers a bundle',
  schema: v.object({ ciphertext: bytesUpTo(MAX_KEM_BYTES), box: anyBytes, bundleId: id, hello: anyBytes }),
  fields: [field(0, 'ciphertext'), field(1, 'box'), field(2, 'bundleId'), field(3, 'hello')],
};
