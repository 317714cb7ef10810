import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressBytes,
  addressFromBytes,
  clientIdOf,
  isAddress,
  isMessageId,
  messageIdBytes,
  messageIdFromBytes,
  parseAddress,
  parseMessageId,
  type Address,
  type MessageId,
} from '../../src/messages/address.ts';
import { codeOf } from '../codec/support.ts';

const twentyEight = fc.uint8Array({ minLength: 28, maxLength: 28 });
const ADDRESS = addressFromBytes(Uint8Array.from({ length: 28 }, (_, index) => index));

describe('address', () => {
  it('is the base64url of id, a point and the base64url of device', () => {
    fc.assert(
      fc.property(twentyEight, (bytes) => {
        const address = addressFromBytes(bytes);
        const id = Buffer.from(bytes.subarray(0, 20)).toString('base64url');
        expect(address).toBe(`${id}.${Buffer.from(bytes.subarray(20)).toString('base64url')}`);
        expect(address).toHaveLength(39);
        expect(clientIdOf(address)).toBe(id);
        expect(addressBytes(address)).toEqual(bytes);
        expect(parseAddress(address)).toBe(address);
        expect(isAddress(address)).toBe(true);
      }),
    );
  });

  it('gives bytes that are its own each time', () => {
    addressBytes(ADDRESS).fill(0);
    expect(addressBytes(ADDRESS)[1]).toBe(1);
  });

  it.each([0, 20, 27, 29])('is not made of %i bytes', (length) => {
    expect(codeOf(() => addressFromBytes(new Uint8Array(length)))).toBe('messages/invalid-address');
  });

  it.each([
    ['nothing', ''],
    ['a cut text', ADDRESS.slice(0, -1)],
    ['a longer text', `${ADDRESS}A`],
    ['a space behind', `${ADDRESS} `],
    ['another separator', ADDRESS.replace('.', ',')],
    ['the separator elsewhere', `${ADDRESS.slice(0, 26)}.${ADDRESS.slice(26).replace('.', 'A')}`],
    ['two separators', `.${ADDRESS.slice(1)}`],
    ['stray bits in the id', ADDRESS.replace(/.\./, 'B.')],
    ['stray bits in the device', ADDRESS.replace(/.$/, 'B')],
    ['padding', ADDRESS.replace(/.$/, '=')],
    ['the other alphabet', ADDRESS.replace(/^./, '+')],
    ['no ASCII', ADDRESS.replace(/^./, '\u0141')],
  ])('is not %s', (_name, text) => {
    expect(codeOf(() => parseAddress(text))).toBe('messages/invalid-address');
    expect(isAddress(text)).toBe(false);
    expect(codeOf(() => addressBytes(text as Address))).toBe('messages/invalid-address');
  });

  it('is a text and nothing else', () => {
    for (const value of [undefined, null, 1, {}, [ADDRESS], new Uint8Array(28)]) expect(isAddress(value)).toBe(false);
  });
});

describe('message id', () => {
  it('is the base64url of 8 bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
        const id = messageIdFromBytes(bytes);
        expect(id).toBe(Buffer.from(bytes).toString('base64url'));
        expect(messageIdBytes(id)).toEqual(bytes);
        expect(parseMessageId(id)).toBe(id);
      }),
    );
    expect(codeOf(() => messageIdFromBytes(new Uint8Array(7)))).toBe('messages/invalid-message-id');
    expect(codeOf(() => messageIdFromBytes(new Uint8Array(9)))).toBe('messages/invalid-message-id');
  });

  it.each(['', 'AAAAAAAAAA', 'AAAAAAAAAAAA', 'AAAAAAAAAAB', 'AAAAAAAAAA=', 'AAAAA.AAAAA'])('is not %j', (text) => {
    expect(codeOf(() => parseMessageId(text))).toBe('messages/invalid-message-id');
    expect(isMessageId(text)).toBe(false);
    expect(codeOf(() => messageIdBytes(text as MessageId))).toBe('messages/invalid-message-id');
  });
});
