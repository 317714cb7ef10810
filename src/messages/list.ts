import * as v from 'valibot';
import type { Address, MessageId } from './address.ts';
import {
  address,
  boolean,
  bytesOfLength,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  messageId,
  text,
  type Schema,
} from './schema.ts';

/** A client asks for the list of reachable clients and, from then on, its changes. */
export interface ListRequest {
  readonly type: 'list';
  /** Names the request. */
  readonly id: MessageId;
  readonly complete?: undefined;
  readonly data?: undefined;
}

/** The relay tells reachable clients, or changes. Told apart by `complete`, which a request lacks. */
export interface ListUpdate {
  readonly type: 'list';
  /** The request that this answers; absent in what follows. */
  readonly id?: MessageId;
  /** Whether this is the whole list; otherwise it is changes. */
  readonly complete: boolean;
  readonly data: readonly ListItem[];
}

/** Either direction of `list`. */
export type List = ListRequest | ListUpdate;

/** What the relay says of one client. Only its word: a handshake verifies. */
export type ListItem = OnlineItem | AwayItem | OfflineItem;

/** A client that is there. */
export interface OnlineItem {
  readonly address: Address;
  readonly online: true;
  /** At most 128 bytes; may be empty. */
  readonly name: string;
  /** The label of its session, at most 255 bytes. */
  readonly label: string;
  readonly kind: PersonKind;
  /** 32 bytes. */
  readonly fingerprint: Uint8Array;
}

/** A client that is not there, and for whom the relay keeps messages. */
export interface AwayItem extends Omit<OnlineItem, 'online'> {
  readonly online: false;
}

/** A client that is gone. */
export interface OfflineItem {
  readonly address: Address;
  readonly online: false;
  readonly fingerprint?: undefined;
}

/** Kinds of credential that a person can have. */
export type PersonKind = 'none' | 'key' | 'certificate';

const described = {
  address,
  name: text(MAX_NAME_BYTES),
  label: text(MAX_LABEL_BYTES),
  kind: v.picklist(['none', 'key', 'certificate']),
  fingerprint: bytesOfLength(32),
};

const onlineItem: Schema<OnlineItem> = v.object({ ...described, online: v.literal(true) });

const awayItem: Schema<AwayItem> = v.object({ ...described, online: v.literal(false) });

const offlineItem: Schema<OfflineItem> = v.object({ address, online: v.literal(false) });

const eitherItem: Schema<never> = v.pipe(v.object({ online: boolean }), v.never());

/** Validates a {@link ListItem}. */
export const listItemSchema: Schema<ListItem> = v.lazy((input): Schema<ListItem> => {
  const online = typeof input === 'object' && input !== null && 'online' in input ? input.online : undefined;
  if (typeof online !== 'boolean') return eitherItem;
  if (online) return onlineItem;
  return isDescribed(input) ? awayItem : offlineItem;
});

const request: Schema<ListRequest> = v.object({ type: v.literal('list'), id: messageId });

const update: Schema<ListUpdate> = v.object({
  type: v.literal('list'),
  id: v.exactOptional(messageId),
  complete: boolean,
  data: v.array(listItemSchema),
});

/** Validates a {@link List}. */
export const listSchema: Schema<List> = v.lazy((input): Schema<List> => (isUpdate(input) ? update : request));

/** Any of the fields makes it away, so that one that lacks others is refused and not taken for gone. */
function isDescribed(input: unknown): boolean {
  const fields = ['name', 'label', 'kind', 'fingerprint'];
  return fields.some((name) => Reflect.get(input as object, name) !== undefined);
}

function isUpdate(input: unknown): boolean {
  if (typeof input !== 'object' || input === null) return false;
  return ('complete' in input && input.complete !== undefined) || ('data' in input && input.data !== undefined);
}
