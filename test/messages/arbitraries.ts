import fc from 'fast-check';
import { addressFromBytes, messageIdFromBytes, type Address, type MessageId } from '../../src/messages/address.ts';
import type { Credential } from '../../src/messages/credential.ts';
import type { ListItem } from '../../src/messages/list.ts';
import type { Message } from '../../src/messages/messages.ts';
import { ERROR_REASONS } from '../../src/messages/reason.ts';
import type { MessageType } from '../../src/messages/registry.ts';

const bytes = fc.uint8Array({ maxLength: 60 });
const exactly = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
export const addresses: fc.Arbitrary<Address> = exactly(28).map(addressFromBytes);
export const messageIds: fc.Arbitrary<MessageId> = exactly(8).map(messageIdFromBytes);
const texts = fc.string({ unit: 'binary', maxLength: 30 });
const phases = fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const);
const reasons = fc.constantFrom(...ERROR_REASONS);

const items: fc.Arbitrary<ListItem> = fc.oneof(
  fc.record({
    address: addresses,
    online: fc.constant(true as const),
    name: texts,
    label: texts,
    kind: fc.constantFrom('none' as const, 'key' as const, 'certificate' as const),
    fingerprint: exactly(32),
  }),
  fc.record({
    address: addresses,
    online: fc.constant(false as const),
    name: texts,
    label: texts,
    kind: fc.constantFrom('none' as const, 'key' as const, 'certificate' as const),
    fingerprint: exactly(32),
  }),
  fc.record({ address: addresses, online: fc.constant(false as const) }),
);

/** Messages of each type in all their forms; optional fields come and go. */
export const messagesOf: { readonly [Type in MessageType]: fc.Arbitrary<Extract<Message, { type: Type }>> } = {
  connect: fc.record({ type: fc.constant('connect' as const), phase: phases, id: messageIds, data: bytes }),
  secure: fc.record({ type: fc.constant('secure' as const), saData: bytes, payload: bytes }),
  disconnect: fc.record({ type: fc.constant('disconnect' as const), code: reasons }, { requiredKeys: ['type'] }),
  list: fc.oneof(
    fc.record({ type: fc.constant('list' as const), id: messageIds }),
    fc.record(
      {
        type: fc.constant('list' as const),
        id: messageIds,
        complete: fc.boolean(),
        data: fc.array(items, { maxLength: 4 }),
      },
      { requiredKeys: ['type', 'complete', 'data'] },
    ),
  ),
  'client-connect': fc.record(
    {
      type: fc.constant('client-connect' as const),
      phase: phases,
      id: messageIds,
      dst: addresses,
      src: addresses,
      label: texts,
      data: bytes,
      stored: fc.boolean(),
    },
    { requiredKeys: ['type', 'phase', 'id', 'data'] },
  ),
  'client-disconnect': fc.record(
    {
      type: fc.constant('client-disconnect' as const),
      id: messageIds,
      dst: addresses,
      src: addresses,
      saData: bytes,
      data: bytes,
      stored: fc.boolean(),
    },
    { requiredKeys: ['type', 'id', 'saData', 'data'] },
  ),
  'client-com': fc.record(
    {
      type: fc.constant('client-com' as const),
      id: messageIds,
      dst: addresses,
      src: addresses,
      saData: bytes,
      data: bytes,
      stored: fc.boolean(),
    },
    { requiredKeys: ['type', 'id', 'saData', 'data'] },
  ),
  ack: fc.oneof(
    fc.record(
      {
        type: fc.constant('ack' as const),
        dst: addresses,
        src: addresses,
        saData: bytes,
        data: bytes,
        stored: fc.boolean(),
      },
      { requiredKeys: ['type', 'saData', 'data'] },
    ),
    fc.record(
      { type: fc.constant('ack' as const), src: addresses, msgId: messageIds },
      { requiredKeys: ['type', 'msgId'] },
    ),
  ),
  error: fc.record(
    { type: fc.constant('error' as const), code: reasons, msgId: messageIds, dst: addresses, src: addresses },
    { requiredKeys: ['type', 'code'] },
  ),
  prekeys: fc.oneof(
    fc.record(
      {
        type: fc.constant('prekeys' as const),
        id: messageIds,
        data: fc.array(bytes, { maxLength: 3 }),
        complete: fc.boolean(),
      },
      { requiredKeys: ['type', 'id', 'data'] },
    ),
    fc.record({
      type: fc.constant('prekeys' as const),
      id: messageIds,
      dst: addresses,
      ciphers: fc.uniqueArray(fc.nat(70_000), { maxLength: 6 }),
    }),
    fc.record({
      type: fc.constant('prekeys' as const),
      id: messageIds,
      src: addresses,
      label: texts,
      data: fc.array(bytes, { minLength: 1, maxLength: 1 }),
    }),
    fc.record(
      { type: fc.constant('prekeys' as const), count: fc.nat(), id: messageIds },
      { requiredKeys: ['type', 'count'] },
    ),
  ),
};

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...(Object.values(messagesOf) as fc.Arbitrary<Message>[]));

export const credentials: fc.Arbitrary<Credential> = fc.oneof(
  fc.record({ kind: fc.constantFrom('none' as const, 'key' as const), spki: bytes }),
  fc.record({
    kind: fc.constant('relay' as const),
    spki: bytes,
    chain: fc.array(bytes, { minLength: 1, maxLength: 8 }),
  }),
  fc.record({
    kind: fc.constant('certificate' as const),
    chain: fc.array(bytes, { minLength: 1, maxLength: 8 }),
    delegation: bytes,
    delegationSignature: bytes,
  }),
);
