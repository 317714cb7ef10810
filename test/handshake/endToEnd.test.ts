import { createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { rsa4096 } from '../../src/crypto/kem/rsa.ts';
import type { KemKeyPair } from '../../src/crypto/provider.ts';
import type { SuiteName } from '../../src/crypto/suite.ts';
import type { Plane } from '../../src/handshake/context.ts';
import { contextBytes } from '../../src/handshake/context.ts';
import { addressBytes } from '../../src/messages/address.ts';
import { encodeCredential } from '../../src/messages/credential.ts';
import {
  decodeBody1,
  decodeBody2,
  decodeBody3,
  decodeBody4,
  decodeBoxInitiator,
  decodeInitiatorIntroduction,
  encodeInitiatorIntroduction,
  decodeBoxResponder,
  decodeCore,
} from '../../src/messages/handshakeBodies.ts';
import * as parties from './parties.ts';

const { alice, bob, pair, relay, run } = parties;
const RSA: SuiteName = 'RSA_WITH_AES_128_CBC_SHA256';

function expectAgreement({ own, peer }: parties.Pair, plane: Plane, suite: SuiteName): void {
  expect(own.error).toBeUndefined();
  expect(peer.error).toBeUndefined();
  expect([own.state.at, peer.state.at]).toEqual(['confirmed', 'established']);
  const [left, right] = [own.established, peer.established];
  expect(left.suite.name).toBe(suite);
  expect(right.suite).toBe(left.suite);
  expect(left.conversationId).toHaveLength(8);
  expect(left.conversationId).toEqual(right.conversationId);
  expect(left.finalTranscriptHash).toHaveLength(64);
  expect(left.finalTranscriptHash).toEqual(right.finalTranscriptHash);
  const length = left.suite.hash === 'SHA-384' ? 48 : 32;
  expect(left.secrets.initiator).toHaveLength(length);
  expect(left.secrets.initiator).toEqual(right.secrets.initiator);
  expect(left.secrets.responder).toEqual(right.secrets.responder);
  expect(left.secrets.initiator).not.toEqual(left.secrets.responder);
  expect(right.peer).toMatchObject({ kind: 'key', signatureKey: { spki: alice.keyPair.spki } });
  const shown = plane === 'hop' ? relay : bob;
  expect(left.peer).toMatchObject({ kind: shown.credential.kind, signatureKey: { spki: shown.keyPair.spki } });
  expect(left.peer.relayIdentity).toEqual(plane === 'hop' ? relay.relayIdentity : undefined);
  expect(own.output('confirmed')).toMatchObject({
    name: 'name of responder',
    parameters: plane === 'hop' ? { label: 'open' } : {},
  });
  expect(peer.output('authenticated')).toMatchObject({
    name: 'name of initiator',
    parameters: plane === 'hop' ? { device: alice.device, label: 'open' } : {},
  });
}

describe.each(['hop', 'conversation'] as const)('a handshake on a %s', (plane) => {
  it.each(parties.SYNCHRONOUS)('agrees on everything with %s', (suite) => {
    const both = pair(plane, [suite]);
    const sent = run(both);
    expect(sent.map(({ phase }) => phase)).toEqual([1, 2, 3, 4]);
    expectAgreement(both, plane, suite);
  });

  it('gives the same outputs for the same inputs', () => {
    for (const suite of ['X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE_WITH_AES_128_CBC_SHA256'] as const) {
      const [first, second] = [pair(plane, [suite]), pair(plane, [suite])];
      run(first);
      run(second);
      for (const side of ['own', 'peer'] as const) {
        expect(parties.bytesWithin(first[side].outputs)).toEqual(parties.bytesWithin(second[side].outputs));
        expect(first[side].outputs.map(({ type }) => type)).toEqual(second[side].outputs.map(({ type }) => type));
      }
    }
  });

  it('says who asks and what for, before anything is shown', () => {
    const { peer, last } = parties.until(1, plane);
    peer.consent = () => undefined;
    expect(peer.message(last)).toEqual([]);
    const consent = peer.output('consent');
    expect(consent).toMatchObject({ versions: [1], offer: [parties.QUICK] });
    expect(consent.handshakeId).toBe(Buffer.from(decodeBody1(last.body).nonce.subarray(0, 8)).toString('base64url'));
    expect(consent.serverName).toBe(plane === 'hop' ? 'relay.example' : undefined);
  });
});

describe('the RSA suite', () => {
  let keyPair: KemKeyPair;
  beforeAll(async () => {
    keyPair = await rsa4096.generateKeyPair();
  });

  it.each(['hop', 'conversation'] as const)('agrees on everything on a %s, with a pair from a pool', async (plane) => {
    const { own } = pair(plane, [RSA]);
    const used = parties.copyOf(keyPair);
    const peer = new parties.Party('responder', {
      context: parties.contextOf(plane),
      self: plane === 'hop' ? relay : bob,
      suites: [RSA],
      host: { rsaPool: { take: () => used } },
    });
    await parties.runLater({ own, peer });
    expectAgreement({ own, peer }, plane, RSA);
    expect(used.decapsulationKey.every((byte) => byte === 0)).toBe(true);
  });

  it('meets a ciphertext that does not decrypt with a box that does not open', async () => {
    const { own } = pair('conversation', [RSA]);
    const peer = new parties.Party('responder', {
      context: parties.conversationContext(),
      self: bob,
      suites: [RSA],
      host: { rsaPool: { take: () => parties.copyOf(keyPair) } },
    });
    const [first] = await own.feedLater(own.start);
    const [second] = await peer.feedLater({ type: 'message', phase: 1, body: first!.body });
    const [third] = await own.feedLater({ type: 'message', phase: 2, body: second!.body });
    const body = third!.body.slice();
    const at = body.length - decodeBody3(body).box.length - 40;
    body[at]! ^= 1;
    await peer.feedLater({ type: 'message', phase: 3, body });
    expect(peer.error).toMatchObject({ code: 'handshake/authentication-failed', message: 'the box does not open' });
  });
});

describe('bytes of the specification', () => {
  const lp = (...parts: (Uint8Array | string)[]): Buffer =>
    Buffer.concat(
      parts.flatMap((part) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(Buffer.byteLength(part));
        return [length, Buffer.from(part as string)];
      }),
    );
  const sha512 = (bytes: Uint8Array): Buffer => createHash('sha512').update(bytes).digest();
  const absorb = (transcript: Uint8Array, bytes: Uint8Array): Buffer => sha512(lp('SIMS 1 absorb', transcript, bytes));

  it('contexts are those of section 4.1', () => {
    expect(contextBytes(parties.hopContext())).toEqual(new Uint8Array(lp('hop')));
    expect(contextBytes(parties.conversationContext())).toEqual(
      new Uint8Array(
        lp(
          'conversation',
          addressBytes(alice.address),
          addressBytes(bob.address),
          relay.relayIdentity,
          'open',
          'verified',
        ),
      ),
    );
  });

  it.each(['X25519_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE_WITH_AES_256_GCM_SHA384'] as const)(
    'transcript, signatures and key schedule of %s are those of sections 4.1 and 4.2, computed by other means',
    (name) => {
      const both = pair('conversation', [name]);
      const sent = run(both).map(({ body }) => body);
      const { core, signature } = decodeBody2(sent[1]!);
      const { encapsulationKey } = decodeCore(core);
      const { ciphertext } = decodeBody3(sent[2]!);
      const tr1 = absorb(sha512(lp('SIMS 1 transcript', contextBytes(both.own.context))), sent[0]!);
      const trR = absorb(tr1, core);
      const tr3 = absorb(absorb(trR, sent[1]!), ciphertext);
      const introduction = encodeInitiatorIntroduction({
        credential: encodeCredential(alice.credential),
        name: 'name of initiator',
        parameters: new Map(),
      });
      const trI = absorb(tr3, introduction);
      const tr4 = absorb(trI, sent[2]!);
      const toVerify = Buffer.concat([Buffer.from('SIMS 1 phase 2\0'), trR]);
      const key = parties.provider.parsePublicKey(bob.keyPair.spki)!;
      expect(parties.provider.verify(key, toVerify, signature)).toBe(true);
      expect(both.own.output('sign').toBeSigned).toEqual(
        new Uint8Array(Buffer.concat([Buffer.from('SIMS 1 phase 3\0'), trI])),
      );
      const established = both.peer.established;
      expect(Buffer.from(established.finalTranscriptHash)).toEqual(tr4);

      // The raw secret, from the same seed as the initiator's host.
      const random = parties.seeded('host initiator');
      random(32);
      random(16);
      const { raw } = established.suite.kem.encapsulate(encapsulationKey, random) as { raw: Uint8Array };
      const secret = sha512(lp('SIMS KEM', name, raw, ciphertext, encapsulationKey)).subarray(0, 32);
      const hash = established.suite.hash === 'SHA-384' ? 'sha384' : 'sha256';
      const length = hash === 'sha384' ? 48 : 32;
      const expand = (label: string, bytes: number): Uint8Array =>
        new Uint8Array(hkdfSync(hash, secret, tr3, lp(`SIMS 1 ${label}`, tr4), bytes));
      expect(established.conversationId).toEqual(expand('conversation id', 8));
      expect(established.secrets.initiator).toEqual(expand('secret I', length));
      expect(established.secrets.responder).toEqual(expand('secret R', length));
    },
  );

  it('boxes of the AEADs have a nonce of zeros, the transcript as associated data, and the fields of section 4', () => {
    const both = pair('hop', ['ECDHE_WITH_AES_256_GCM_SHA384']);
    const boxes: [key: Uint8Array, tr: Uint8Array][] = [];
    for (const party of [both.own, both.peer]) {
      const { suites } = party.context;
      const spied = suites.map((suite) => ({
        ...suite,
        cipher: {
          ...suite.cipher,
          seal: (...given: Parameters<typeof suite.cipher.seal>) => {
            boxes.push([given[0].slice(), given[2]]);
            return suite.cipher.seal(...given);
          },
        },
      }));
      Object.assign(party, { context: { ...party.context, suites: spied } });
    }
    const sent = run(both);
    const opened = [decodeBody3(sent[2]!.body).box, decodeBody4(sent[3]!.body).box].map((box, index) => {
      const [key, transcript] = boxes[index]!;
      const decipher = createDecipheriv('aes-256-gcm', key, new Uint8Array(12));
      decipher.setAAD(transcript).setAuthTag(box.subarray(-16));
      return new Uint8Array(Buffer.concat([decipher.update(box.subarray(0, -16)), decipher.final()]));
    });
    expect(Buffer.from(boxes[1]![1])).toEqual(Buffer.from(both.own.established.finalTranscriptHash));
    const said = decodeInitiatorIntroduction(decodeBoxInitiator(opened[0]!).introduction);
    expect(said).toMatchObject({ credential: encodeCredential(alice.credential) });
    expect(said.parameters).toEqual(
      new Map<number, unknown>([
        [0, alice.device],
        [1, 'open'],
      ]),
    );
    expect(decodeBoxResponder(opened[1]!)).toEqual({ name: 'name of responder', parameters: new Map([[0, 'open']]) });
  });

  it('boxes of Fernet carry the randomness of their side as IV', () => {
    const both = pair('conversation', ['ECDHE_WITH_AES_128_CBC_SHA256']);
    const sent = run(both);
    const accept = both.peer.inputs.find(({ type }) => type === 'accept');
    expect(decodeBody3(sent[2]!.body).box.subarray(9, 25)).toEqual(both.own.start.boxRandomness);
    expect({ boxRandomness: decodeBody4(sent[3]!.body).box.subarray(9, 25) }).toEqual({
      boxRandomness: (accept as { boxRandomness: Uint8Array }).boxRandomness,
    });
  });
});
