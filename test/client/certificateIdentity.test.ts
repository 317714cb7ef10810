import { beforeAll, describe, expect, it } from 'vitest';
import { createTestPerson, createTestPki, decodeDelegation, type Signer } from '../../src/cc/index.ts';
import {
  certificateIdentity,
  type CertificateIdentityOptions,
  type Clock,
  type IdentityRequest,
  type OwnIdentity,
} from '../../src/client/index.ts';
import { nobleProvider as provider } from '../../src/crypto/noble.ts';
import { SimsError } from '../../src/errors.ts';
import { fingerprint } from '../../src/handshake/identity.ts';
import { codeOf, DEVICE, RELAY, signerOf } from '../cc/people.ts';

const HOUR = 3_600_000;
const START = 1_700_000_000_000;
let signer: Signer;
let spki: Uint8Array;

beforeAll(async () => {
  const pki = await createTestPki({ atMs: Date.now(), generations: ['v2'], authorityRsaBits: 2048 });
  const rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '2' });
  signer = await signerOf(rui);
  ({ spki } = rui.key);
}, 30_000);

/** One timer at a time is all that an identity needs. */
class TestClock implements Clock {
  nowMs = START;
  next: { readonly atMs: number; readonly callback: () => void } | undefined;

  now(): number {
    return this.nowMs;
  }

  setTimer(atMs: number, callback: () => void): () => void {
    const timer = { atMs, callback };
    this.next = timer;
    return () => {
      if (this.next === timer) this.next = undefined;
    };
  }

  /** Goes to the next timer, and lets the signer work. */
  async fire(): Promise<void> {
    const timer = this.next!;
    this.next = undefined;
    this.nowMs = timer.atMs;
    timer.callback();
    await new Promise((resolve) => {
      setTimeout(resolve, 30);
    });
  }
}

const clock = (): TestClock => new TestClock();

async function made(
  time: TestClock,
  options: Partial<CertificateIdentityOptions> = {},
  request: Partial<IdentityRequest> = {},
): Promise<OwnIdentity> {
  return await certificateIdentity({ signer, ...options })({
    provider,
    clock: time,
    relayIdentity: RELAY,
    relayFingerprint: 'sha256:07',
    relayTrust: 'pinned',
    device: DEVICE,
    ...request,
  });
}

function delegationOf({ credential }: OwnIdentity): ReturnType<typeof decodeDelegation> {
  if (credential.kind !== 'certificate') throw new Error(credential.kind);
  return decodeDelegation(credential.delegation);
}

describe('an identity from a signer', () => {
  it('has the leaf’s fingerprint, and signs with the session key that the card delegated to', async () => {
    const identity = await made(clock());
    expect(identity.fingerprint).toEqual(fingerprint(provider, 'certificate', spki));
    const { sessionSpki, relayIdentity, device, notAfterMs, highestLabel } = delegationOf(identity);
    expect({ relayIdentity, device, notAfterMs, highestLabel }).toEqual({
      relayIdentity: RELAY,
      device: DEVICE,
      notAfterMs: { hop: START + 12 * HOUR, conversation: START + 12 * HOUR },
      highestLabel: undefined,
    });
    const toBeSigned = Uint8Array.of(1, 2, 3);
    const signature = await identity.sign({ type: 'sign', purpose: 'phase 3', toBeSigned });
    expect(provider.verify(provider.parsePublicKey(sessionSpki)!, toBeSigned, signature)).toBe(true);
  });

  it('may have bundles exactly when its delegation is for purpose prekey', async () => {
    expect((await made(clock())).prekeyUntilMs).toBeUndefined();
    const lifetimesMs = { hop: HOUR, conversation: HOUR, prekey: 3 * HOUR };
    const identity = await made(clock(), { lifetimesMs });
    expect(identity.prekeyUntilMs).toBe(START + 3 * HOUR);
    expect(delegationOf(identity).notAfterMs.prekey).toBe(START + 3 * HOUR);
  });

  it('is renewed by the card before it ends; the session key stays', async () => {
    const time = clock();
    const seen: string[] = [];
    const identity = await made(time, { onEvent: ({ type }) => seen.push(type) });
    const before = delegationOf(identity);
    expect(time.next!.atMs).toBe(START + 12 * HOUR - 30 * 60_000);
    await time.fire();
    const after = delegationOf(identity);
    expect(seen).toEqual(['renewal-due', 'renewed']);
    expect(after.sessionSpki).toEqual(before.sessionSpki);
    expect(after.notAfterMs.hop).toBe(time.nowMs + 12 * HOUR);
  });

  it('leaves it to the application when to ask the card, and tells a failure and the end', async () => {
    const time = clock();
    const seen: string[] = [];
    let renew: (() => Promise<void>) | undefined;
    let fails = false;
    const moody: Signer = {
      ...signer,
      sign: (bytes, options) =>
        fails ? Promise.reject(new SimsError('card/cancelled', 'no')) : signer.sign(bytes, options),
    };
    const identity = await made(time, {
      signer: moody,
      lifetimesMs: { hop: 2 * HOUR, conversation: HOUR },
      renewBeforeMs: 50 * 60_000,
      onRenewalDue: (ask) => {
        renew = ask;
      },
      onEvent: ({ type }) => seen.push(type),
    });
    // Never before half of the lifetime.
    expect(time.next!.atMs).toBe(START + HOUR / 2);
    await time.fire();
    fails = true;
    expect(await codeOf(renew!())).toBe('card/cancelled');
    expect(time.next!.atMs).toBe(START + HOUR);
    await time.fire();
    expect(seen).toEqual(['renewal-due', 'renewal-failed', 'ended']);
    fails = false;
    await renew!();
    expect(seen.at(-1)).toBe('renewed');
    expect(delegationOf(identity).notAfterMs.conversation).toBe(time.nowMs + HOUR);
    identity.close!();
    expect(time.next).toBeUndefined();
    expect(await codeOf(renew!())).toBe('client/closed');
  });

  it('is not made for a relay that nobody vouches for, unless the application does', async () => {
    const relayTrust = 'first-use';
    expect(await codeOf(made(clock(), {}, { relayTrust }))).toBe('client/relay-untrusted');
    expect(await codeOf(made(clock(), { trustRelay: () => false }, { relayTrust }))).toBe('client/relay-untrusted');
    expect(await codeOf(made(clock(), { trustRelay: () => Promise.resolve(true) }, { relayTrust }))).toBe('no error');
    for (const trusted of ['pinned', 'remembered', 'verified'] as const) {
      expect(await codeOf(made(clock(), {}, { relayTrust: trusted }))).toBe('no error');
    }
  });

  it('shows certificates that a card lacks, at most eight in all', async () => {
    const { credential } = await made(clock(), {
      intermediates: Array.from({ length: 9 }, () => Uint8Array.of(0x30, 0)),
    });
    expect(credential).toMatchObject({ kind: 'certificate' });
    expect(credential.kind === 'certificate' && credential.chain).toHaveLength(8);
    expect(await codeOf(made(clock(), { signer: { ...signer, chain: [] } }))).toBe('cc/invalid-argument');
  });
});
