import * as v from 'valibot';
import { MAX_BODY_BYTES } from '../codec/limits.ts';
import type { Address, MessageId } from './address.ts';
import {
  address,
  arrayUpTo,
  boolean,
  bytesUpTo,
  distinct,
  MAX_LABEL_BYTES,
  messageId,
  text,
  unsigned,
  type Schema,
} from './schema.ts';

/** Bundles in one publish, at most. */
export const MAX_BUNDLES = 100;
/** Suites in one fetch, at most. */
const MAX_SUITES = 32;

/** A client hands bundles over, for others to begin conversations with it while it is away. */
export interface PrekeysPublish {
  readonly type: 'prekeys';
  /** Names the publish; `stock` says which one the relay took last. */
  readonly id: MessageId;
  /** For `decodeBundle`; at most 100. Empty, and not `complete`: it only asks for `stock`. */
  readonly data: readonly Uint8Array[];
  /** Whether these replace all that the relay holds of this client. */
  readonly complete?: boolean;
  readonly dst?: undefined;
  readonly src?: undefined;
  readonly count?: undefined;
}

/** A client asks for a bundle of someone who is away. */
export interface PrekeysFetch {
  readonly type: 'prekeys';
  readonly id: MessageId;
  readonly dst: Address;
  /** Numbers of the suites that the client would use, in the order of preference; at most 32, none twice. */
  readonly ciphers: readonly number[];
  readonly src?: undefined;
  readonly count?: undefined;
}

/** The relay answers a fetch. */
export interface PrekeysBundle {
  readonly type: 'prekeys';
  /** Of the fetch. */
  readonly id: MessageId;
  /** Whose bundle it is. */
  readonly src: Address;
  /** Label of the session that published it, at most 255 bytes. */
  readonly label: string;
  /** One bundle. */
  readonly data: readonly Uint8Array[];
  readonly dst?: undefined;
  readonly count?: undefined;
}

/** The relay says what it holds of this client. */
export interface PrekeysStock {
  readonly type: 'prekeys';
  /** Bundles that are left, of the suite that has fewest. */
  readonly count: number;
  /** The last publish that the relay took; absent when it holds nothing of this client. */
  readonly id?: MessageId;
  readonly dst?: undefined;
  readonly src?: undefined;
}

/** Every form of `prekeys`: with `count` it is stock, with `dst` a fetch, with `src` a bundle, else a publish. */
export type Prekeys = PrekeysPublish | PrekeysFetch | PrekeysBundle | PrekeysStock;

const type = v.literal('prekeys');
const bundle: Schema<Uint8Array> = bytesUpTo(MAX_BODY_BYTES);

const publish: Schema<PrekeysPublish> = v.object({
  type,
  id: messageId,
  data: arrayUpTo(bundle, MAX_BUNDLES),
  complete: v.exactOptional(boolean),
});

const fetch: Schema<PrekeysFetch> = v.object({
  type,
  id: messageId,
  dst: address,
  ciphers: distinct(unsigned, MAX_SUITES),
});

const answer: Schema<PrekeysBundle> = v.object({
  type,
  id: messageId,
  src: address,
  label: text(MAX_LABEL_BYTES),
  data: v.pipe(
    arrayUpTo(bundle, 1),
    v.check((bundles) => bundles.length === 1, 'no bundle'),
  ),
});

const stock: Schema<PrekeysStock> = v.object({ type, count: unsigned, id: v.exactOptional(messageId) });

/** Validates a {@link Prekeys}. */
export const prekeysSchema: Schema<Prekeys> = v.lazy((input): Schema<Prekeys> => {
  if (has(input, 'count')) return stock;
  if (has(input, 'dst')) return fetch;
  return has(input, 'src') ? answer : publish;
});

function has(input: unknown, name: 'count' | 'dst' | 'src'): boolean {
  return typeof input === 'object' && input !== null && name in input && Reflect.get(input, name) !== undefined;
}
