/** Vectors of docs/protocol.md §1.2: keys, fingerprints, ids, addresses, credentials, signatures, safety numbers. */
import { hex, utf8 } from '../../src/bytes.ts';
import { encodeCbor } from '../../src/codec/index.ts';
import { nobleProvider, p384Spki, type SignatureKeyPair } from '../../src/crypto/index.ts';
import {
  clientId,
  fingerprint,
  safetyNumber,
  signedContent,
  type CredentialKind,
  type SigningPurpose,
} from '../../src/handshake/index.ts';
import {
  addressBytes,
  decodeCredential,
  encodeCredential,
  parseAddress,
  type Credential,
} from '../../src/messages/index.ts';
import { alice, bob, carol, describePerson, PEOPLE, relay, relayIdentity } from './people.ts';
import { errorOf, refusal, seeded, unhex, type Json, type JsonObject, type RefusalClass } from './shared.ts';

const provider = nobleProvider;
const PURPOSES: readonly SigningPurpose[] = ['delegation', 'bundle', 'phase 2', 'phase 3', 'renewal'];

/** The file's content. */
export function identities(): JsonObject {
  return {
    people: PEOPLE.map((one) => ({ ...describePerson(one), 'address bytes': hex(addressBytes(one.address)) })),
    'relay identity': { bytes: hex(relayIdentity), text: `sha256:${hex(relayIdentity)}` },
    fingerprints: fingerprints(),
    'safety numbers': [
      [alice, bob],
      [bob, carol],
    ].map(([one, other]) => ({
      fingerprints: [hex(one!.fingerprint), hex(other!.fingerprint)],
      text: safetyNumber(provider, one!.fingerprint, other!.fingerprint),
    })),
    signatures: signatures(),
    'refused addresses': refusedAddresses(),
    'refused credentials': refusedCredentials(),
    'refused public keys': refusedKeys(),
    'refused signatures': refusedSignatures(),
  };
}

function fingerprints(): Json {
  const p384 = p384Spki(
    unhex(
      '04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7' +
        '3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f',
    ),
  );
  const keys: readonly (readonly [CredentialKind, Uint8Array, string])[] = [
    ['none', alice.keyPair.spki, 'an Ed25519 key under kind 0'],
    ['key', alice.keyPair.spki, 'the same key under kind 1 is someone else'],
    ['key', bob.keyPair.spki, 'a P-256 key'],
    ['certificate', p384, 'the key of a leaf certificate: P-384, the generator of the curve'],
    ['relay', relay.keyPair.spki, 'a relay'],
  ];
  return keys.map(([kind, spki, about]) => {
    const print = fingerprint(provider, kind, spki);
    const id = clientId(print);
    return {
      about,
      kind,
      'long-term spki': hex(spki),
      fingerprint: hex(print),
      id: hex(print.subarray(0, 20)),
      text: id,
    };
  });
}

function signatures(): Json {
  return [alice, bob].flatMap(({ name, keyPair }) =>
    PURPOSES.map((purpose) => {
      const content = utf8(`what ${name} signs`);
      const signed = signedContent(purpose, content);
      return {
        signer: name,
        purpose,
        content: hex(content),
        'to be signed': hex(signed),
        // Ed25519 and, here, ECDSA (RFC 6979) draw nothing: other signers of ECDSA give other bytes that verify as well.
        signature: hex(provider.sign(keyPair, signed)),
      };
    }),
  );
}

function refusedAddresses(): Json {
  const { address } = alice;
  const cases: readonly (readonly [string, string])[] = [
    ['', 'empty'],
    [address.slice(0, -1), 'a character short'],
    [`${address}A`, 'a character long'],
    [address.replace('.', ':'), 'another separator'],
    [`${address.slice(0, 26)}B${address.slice(27)}`, 'spare bits that are not zero, in the id'],
    [`${address.slice(0, -1)}B`, 'spare bits that are not zero, in the device'],
    [`${address.slice(0, 3)}+${address.slice(4)}`, 'a character of the other base64 alphabet'],
    [`${address.slice(0, 27)}=.${address.slice(28)}`, 'padding'],
    [` ${address}`, 'white space'],
  ];
  return cases.map(([text, why]) => ({
    text,
    why,
    refused: refusal(
      'malformed',
      errorOf(() => parseAddress(text)),
      why,
    ),
  }));
}

function refusedCredentials(): Json {
  const map = (...entries: [number, unknown][]): Uint8Array => encodeCbor(new Map(entries));
  const { spki } = alice.keyPair;
  const good = encodeCredential(alice.credential);
  const cases: readonly (readonly [string, Uint8Array, RefusalClass])[] = [
    ['no bytes', new Uint8Array(0), 'malformed'],
    ['truncated', good.subarray(0, -1), 'malformed'],
    ['a trailing byte', Uint8Array.of(...good, 0), 'malformed'],
    ['keys not sorted', Uint8Array.of(0xa2, 0x01, 0x41, 0x00, 0x00, 0x01), 'malformed'],
    ['a key twice', Uint8Array.of(0xa2, 0x00, 0x01, 0x00, 0x01), 'malformed'],
    ['a map of indefinite length', Uint8Array.of(0xbf, ...good.subarray(1), 0xff), 'malformed'],
    ['a kind that is not there', map([0, 4], [1, spki]), 'malformed'],
    ['a kind that is text', map([0, 'key'], [1, spki]), 'malformed'],
    ['no kind', map([1, spki]), 'malformed'],
    ['no key', map([0, 1]), 'malformed'],
    ['a certificate without a chain', map([0, 2], [3, spki], [4, spki]), 'malformed'],
    ['a relay with an empty chain', map([0, 3], [1, spki], [2, []]), 'malformed'],
    ['nine certificates', map([0, 3], [1, spki], [2, Array.from({ length: 9 }, () => spki)]), 'over-limit'],
  ];
  return cases.map(([why, bytes, expected]) => ({
    bytes: hex(bytes),
    why,
    refused: refusal(
      expected,
      errorOf((): Credential => decodeCredential(bytes)),
      why,
    ),
  }));
}

function refusedKeys(): Json {
  const ed25519 = (raw: string): string => `302a300506032b6570032100${raw}`;
  const p256 = hex(bob.keyPair.spki);
  const cases: readonly (readonly [string, string])[] = [
    ['Ed25519: the neutral element, of order 1', ed25519(`01${'00'.repeat(31)}`)],
    ['Ed25519: a point of order 4', ed25519('00'.repeat(32))],
    ['Ed25519: y is not below the prime', ed25519(`f0${'ff'.repeat(30)}7f`)],
    ['Ed25519: a y without a point', ed25519(`02${'00'.repeat(31)}`)],
    ['Ed25519: 31 bytes', '3029300506032b6570032000'.concat('01'.repeat(30))],
    ['P-256: not on the curve', `${p256.slice(0, -2)}${p256.endsWith('00') ? '01' : '00'}`],
    ['P-256: a compressed point', `3039301306072a8648ce3d020106082a8648ce3d030107032200${'02'.padEnd(66, '6b')}`],
    ['a length in the long form of BER', `30812a300506032b6570032100${hex(alice.keyPair.spki.subarray(12))}`],
    ['a trailing byte', `${hex(alice.keyPair.spki)}00`],
    ['an unknown algorithm: X25519', `302a300506032b656e032100${hex(alice.keyPair.spki.subarray(12))}`],
  ];
  return cases.map(([why, spki]) => {
    if (provider.parsePublicKey(unhex(spki)) !== undefined) throw new Error(`taken, though ${why}`);
    return { spki, why, refused: 'key' };
  });
}

function refusedSignatures(): Json {
  const content = utf8('what alice signs');
  const signed = signedContent('phase 3', content);
  const sign = (keyPair: SignatureKeyPair): Uint8Array => provider.sign(keyPair, signed);
  const ed25519 = sign(alice.keyPair);
  const ecdsa = sign(bob.keyPair);
  const ofOther = seeded('no signature')(64);
  const zeros = new Uint8Array(64);
  const cases: readonly (readonly [string, string, Uint8Array, SigningPurpose])[] = [
    ['made for another purpose', 'alice', ed25519, 'phase 2'],
    ['Ed25519: S is the group order more', 'alice', plusOrder(ed25519), 'phase 3'],
    [
      'Ed25519: a bit changed',
      'alice',
      Uint8Array.from(ed25519, (byte, at) => (at === 0 ? byte ^ 1 : byte)),
      'phase 3',
    ],
    ['Ed25519: a byte short', 'alice', ed25519.subarray(0, 63), 'phase 3'],
    ['Ed25519: random bytes', 'alice', ofOther, 'phase 3'],
    ['ECDSA: r and s are zero', 'bob', zeros, 'phase 3'],
    ['ECDSA: made for another purpose', 'bob', ecdsa, 'bundle'],
    ['ECDSA: a byte long', 'bob', Uint8Array.of(...ecdsa, 0), 'phase 3'],
  ];
  return cases.map(([why, signer, signature, purpose]) => {
    const { spki } = PEOPLE.find(({ name }) => name === signer)!.keyPair;
    const verified = provider.verify(provider.parsePublicKey(spki)!, signedContent(purpose, content), signature);
    if (verified !== false) throw new Error(`verifies, though ${why}`);
    return { signer, purpose, content: hex(content), signature: hex(signature), why, refused: 'authentication' };
  });
}

/** An Ed25519 signature whose S is larger by the order of the group, and says the same modulo that. */
function plusOrder(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = order;
  for (let at = 63; at >= 32; at -= 1) s += BigInt(signature[at]!) << BigInt(8 * (at - 32));
  const changed = signature.slice();
  for (let at = 32; at < 64; at += 1) changed[at] = Number((s >> BigInt(8 * (at - 32))) & 0xffn);
  return changed;
}
