/** Vectors of docs/protocol.md §1.3: delegations under fixed certificates. */
import { hex } from '../../src/bytes.ts';
import {
  createRelayCertificate,
  delegationToBeSigned,
  encodeDelegation,
  parseCertificate,
  verifyDelegation,
  type Delegation,
  type DelegationPurpose,
} from '../../src/cc/index.ts';
import { decodeCbor, encodeCbor } from '../../src/codec/index.ts';
import { nobleProvider, type SignatureKeyPair } from '../../src/crypto/index.ts';
import { alice, bob, mallory, relayIdentity } from './people.ts';
import { errorLater, NOW, refusal, seeded, type Json, type JsonObject, type RefusalClass } from './shared.ts';

const provider = nobleProvider;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Card {
  readonly keyPair: SignatureKeyPair;
  readonly leaf: Uint8Array;
  readonly algorithm: 'EdDSA' | 'ES256';
}

interface Signed {
  readonly card: Card;
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** The file's content. */
export async function delegations(): Promise<JsonObject> {
  return { time: NOW, accepted: await accepted(), refused: await refused() };
}

/** A certificate stands for the card's: what is verified here is all but its path. */
async function cardOf(algorithm: Card['algorithm']): Promise<Card> {
  const random = seeded(`card ${algorithm}`);
  const keyPair = provider.generateSignatureKeyPair(algorithm === 'EdDSA' ? 'Ed25519' : 'ECDSA-P256-SHA256', random);
  const leaf = await createRelayCertificate({
    keyPair,
    names: ['card.example'],
    notBeforeMs: NOW - DAY,
    notAfterMs: NOW + 300 * DAY,
    serial: Uint8Array.of(1, ...random(15)),
    sign: (toBeSigned) => provider.sign(keyPair, toBeSigned),
  });
  return { keyPair, leaf, algorithm };
}

async function contentOf(card: Card, changes: Partial<Delegation> = {}): Promise<Delegation> {
  return {
    sessionSpki: alice.keyPair.spki,
    device: alice.device,
    leafHash: new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(card.leaf))),
    relayIdentity,
    notAfterMs: { hop: NOW + 2 * HOUR, conversation: NOW + 20 * HOUR, prekey: NOW + 20 * DAY },
    notBeforeMs: NOW,
    algorithm: card.algorithm,
    random: seeded('delegation')(16),
    ...changes,
  };
}

function sign(card: Card, bytes: Uint8Array, signer: SignatureKeyPair = card.keyPair): Signed {
  return { card, bytes, signature: provider.sign(signer, delegationToBeSigned(bytes)) };
}

function verify(
  { card, bytes, signature }: Signed,
  purpose: DelegationPurpose,
  changes: object = {},
): Promise<{ untilMs: number }> {
  return verifyDelegation({
    delegation: bytes,
    signature,
    leaf: parseCertificate(card.leaf),
    purpose,
    device: alice.device,
    relayIdentity,
    nowMs: NOW,
    ...changes,
  });
}

function json({ card, bytes, signature }: Signed, purpose: DelegationPurpose): JsonObject {
  return { leaf: hex(card.leaf), delegation: hex(bytes), signature: hex(signature), purpose };
}

async function accepted(): Promise<Json> {
  const vectors: Json[] = [];
  for (const algorithm of ['EdDSA', 'ES256'] as const) {
    const card = await cardOf(algorithm);
    const signed = sign(card, encodeDelegation(await contentOf(card, { highestLabel: 'verified' })));
    for (const purpose of ['hop', 'conversation', 'prekey'] as const) {
      const { untilMs } = await verify(signed, purpose);
      vectors.push({
        ...json(signed, purpose),
        'to be signed': hex(delegationToBeSigned(signed.bytes)),
        device: hex(alice.device),
        'relay identity': hex(relayIdentity),
        // No later than 12 hours, or 30 days, after not-before.
        until: untilMs,
      });
    }
  }
  return vectors;
}

async function refused(): Promise<Json> {
  const card = await cardOf('ES256');
  const content = await contentOf(card);
  const bytes = encodeDelegation(content);
  const good = sign(card, bytes);
  const fields = decodeCbor(bytes) as ReadonlyMap<number, unknown>;
  const altered = (...entries: [number, unknown][]): Signed => {
    const map = new Map<unknown, unknown>(fields);
    for (const [key, value] of entries)
      if (value === undefined) map.delete(key);
      else map.set(key, value);
    return sign(card, encodeCbor(map));
  };
  const of = async (changes: Partial<Delegation>): Promise<Signed> =>
    sign(card, encodeDelegation(await contentOf(card, changes)));
  const eddsa = await cardOf('EdDSA');
  const cases: readonly (readonly [string, Signed, RefusalClass, { purpose?: DelegationPurpose; nowMs?: number }?])[] =
    [
      [
        'a bit of the signature',
        { ...good, signature: good.signature.map((byte, at) => (at === 9 ? byte ^ 1 : byte)) },
        'authentication',
      ],
      ['signed by another key', sign(card, bytes, bob.keyPair), 'authentication'],
      ['a signature of the session key itself', sign(card, bytes, alice.keyPair), 'authentication'],
      ['signed without its purpose', { ...good, signature: provider.sign(card.keyPair, bytes) }, 'authentication'],
      ['another algorithm than the key has', altered([7, 'EdDSA']), 'authentication'],
      ['another certificate than the delegation names', { ...good, card: eddsa }, 'delegation'],
      ['another relay', await of({ relayIdentity: seeded('other relay')(32) }), 'delegation'],
      ['another device', await of({ device: bob.device }), 'delegation'],
      [
        'not for this purpose',
        await of({ notAfterMs: { hop: NOW + HOUR } }),
        'delegation',
        { purpose: 'conversation' },
      ],
      ['it has ended', good, 'delegation', { nowMs: NOW + 2 * HOUR + 1 }],
      [
        '12 hours are over, though not-after is later',
        good,
        'delegation',
        { purpose: 'conversation', nowMs: NOW + 12 * HOUR + 1 },
      ],
      ['it begins in more than 300 s', good, 'delegation', { nowMs: NOW - 300_001 }],
      ['a field that nobody knows', altered([9, 1]), 'malformed'],
      ['no device', altered([2, undefined]), 'malformed'],
      ['a device of 7 bytes', altered([2, new Uint8Array(7)]), 'malformed'],
      ['no purposes', altered([5, new Map()]), 'malformed'],
      ['a not-after before not-before', altered([5, new Map([[0, NOW / 1000 - 1]])]), 'malformed'],
      ['a time beyond the year 9999', altered([5, new Map([[0, 253_402_300_800]])]), 'malformed'],
      ['an algorithm that is not there', altered([7, 'HS256']), 'malformed'],
      ['a label of 256 bytes', altered([0, 'l'.repeat(256)]), 'malformed'],
      ['a session key of no form', altered([1, mallory.keyPair.spki.subarray(1)]), 'key'],
      ['cut off', sign(card, bytes.subarray(0, -1)), 'malformed'],
      ['a trailing byte', sign(card, Uint8Array.of(...bytes, 0)), 'malformed'],
    ];
  const vectors: Json[] = [];
  for (const [why, signed, expected, options = {}] of cases) {
    const { purpose = 'hop', nowMs = NOW } = options;
    const error = await errorLater(() => verify(signed, purpose, { nowMs }));
    vectors.push({
      ...json(signed, purpose),
      device: hex(alice.device),
      'relay identity': hex(relayIdentity),
      time: nowMs,
      why,
      refused: refusal(expected, error, `delegation, ${why}`),
    });
  }
  return vectors;
}
