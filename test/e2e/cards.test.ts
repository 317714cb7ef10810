/** People with cards, a relay and each other: over real sockets, with certificates, lists and OCSP made here. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '../../src/bytes.ts';
import {
  CITIZEN_CARD_AUTHENTICATION,
  createPersonVerifier,
  createRelayVerifier,
  createTestOcspResponder,
  createTestPerson,
  createTestPki,
  createTestPkiCrl,
  createTrustStore,
  decodeDelegation,
  parseCertificate,
  pemOf,
  type Fetcher,
  type PersonVerifierOptions,
  type Signer,
  type TestPerson,
  type TestPki,
} from '../../src/cc/index.ts';
import { openCard } from '../../src/cc/pkcs11/index.ts';
import { testAuthorities } from '../../src/cc/testPki.ts';
import type { TestRevocation } from '../../src/cc/testPkiCertificate.ts';
import {
  certificateIdentity,
  memoryStore,
  type CertificateIdentityOptions,
  type MakeIdentity,
} from '../../src/client/index.ts';
import { nodeProvider } from '../../src/crypto/node/index.ts';
import { SimsError } from '../../src/errors.ts';
import { createCredentialVerifier } from '../../src/handshake/index.ts';
import { connect, type Client, type ConnectOptions, type Conversation } from '../../src/index.node.ts';
import { startRelay, type RelayServer, type RelayServerOptions } from '../../src/relay/node/index.ts';
import { connectTcp } from '../../src/transport/node/index.ts';
import { codeOf, signerOf } from '../cc/people.ts';
import { createSoftHsm, missingForCards, PIN, pkcs11js, type SoftHsm } from '../cc/softHsm.ts';

const NOW = Date.now();
const HOUR = 3_600_000;
const SUITE = 'X25519MLKEM768_WITH_CHACHA20_POLY1305_SHA256';
const needs = missingForCards === '' ? '' : ` (needs ${missingForCards})`;

let pki: TestPki;
let foreign: TestPki;
let ana: TestPerson;
let rui: TestPerson;
/** What the authorities say now. */
let crls: readonly Uint8Array[];

const open: { close(): Promise<void> }[] = [];
let events: { readonly event: string; readonly code?: string; readonly label?: string; readonly kind?: string }[];

beforeAll(async () => {
  pki = await createTestPki({ atMs: NOW, authorityRsaBits: 2048 });
  foreign = await createTestPki({ atMs: NOW, generations: ['v2'], authorityRsaBits: 2048 });
  ana = await createTestPerson(pki, { generation: 'v1', givenName: 'Ana', surname: 'Maia', civilNumber: '11111111' });
  rui = await createTestPerson(pki, { generation: 'v2', givenName: 'Rui', surname: 'Sá', civilNumber: '22222222' });
  crls = await listsOf();
}, 60_000);

afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

async function listsOf(revoked: readonly TestRevocation[] = []): Promise<readonly Uint8Array[]> {
  const authorities = [...testAuthorities(pki), ...testAuthorities(foreign)];
  return await Promise.all(
    authorities.map((authority) =>
      createTestPkiCrl(pki, authority, authority.slug.endsWith('authentication') ? revoked : []),
    ),
  );
}

const revocationOf = (person: TestPerson): TestRevocation => ({ serial: person.serial, atMs: NOW - HOUR, reason: 1 });

function people(changes: Partial<PersonVerifierOptions> = {}): PersonVerifierOptions {
  return {
    trust: createTrustStore({ purpose: 'person', anchors: pki.anchors, intermediates: pki.intermediates }),
    profile: CITIZEN_CARD_AUTHENTICATION,
    crls: () => crls,
    ...changes,
  };
}

async function relayWith(options: Partial<RelayServerOptions> = {}): Promise<RelayServer> {
  events = [];
  const seen = events;
  const relay = await startRelay({
    listen: [{ scheme: 'tcp' }],
    people: people(),
    log: (event) => seen.push(event),
    ...options,
  });
  open.push(relay);
  return relay;
}

async function joins(relay: RelayServer, identity: MakeIdentity, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(relay.urls[0]!, {
    pin: relay.fingerprint,
    accept: 'all',
    identity,
    suites: [SUITE],
    verifyCertificate: createPersonVerifier(people()),
    ...options,
  });
  // Peers may be gone: nobody waits for their farewells.
  open.push({ close: () => client.close({ endConversations: false }) });
  return client;
}

const being = (signer: Signer, options: Partial<CertificateIdentityOptions> = {}): MakeIdentity =>
  certificateIdentity({ signer, ...options });

/** Until the relay's list says that they see each other. */
async function meet(...clients: readonly Client[]): Promise<void> {
  await expect
    .poll(() => clients.every(({ peers }) => peers.length >= clients.length - 1), { timeout: 5_000 })
    .toBe(true);
}

describe.skipIf(missingForCards !== '')(`two people with cards in SoftHSM2${needs}`, () => {
  let hsm: SoftHsm;
  let pins: string[];
  const previous = process.env['SOFTHSM2_CONF'];

  beforeAll(() => {
    hsm = createSoftHsm();
    process.env['SOFTHSM2_CONF'] = hsm.configuration;
    hsm.initToken('ANA');
    hsm.put('ANA', ana);
    hsm.initToken('RUI');
    hsm.put('RUI', rui, '4500000000000000');
  });
  afterAll(() => {
    hsm.remove();
    if (previous === undefined) delete process.env['SOFTHSM2_CONF'];
    else process.env['SOFTHSM2_CONF'] = previous;
  });

  async function card(token: string): Promise<Signer> {
    const opened = await openCard({
      module: hsm.module,
      pkcs11js: pkcs11js!,
      token,
      pin: () => {
        pins.push(token);
        return PIN;
      },
    });
    open.push(opened);
    return opened;
  }

  it('talk through the relay, and each sees the other’s name from the certificate; each gives one PIN', async () => {
    pins = [];
    const relay = await relayWith();
    const first = await joins(relay, being(await card('ANA')), { name: 'nobody' });
    const second = await joins(relay, being(await card('RUI')), { name: 'nobody' });
    await meet(first, second);
    expect(first.identity.kind).toBe('certificate');
    // The relay gave what verified people get, and told their names by their certificates.
    expect(events.filter(({ event }) => event === 'session-opened')).toMatchObject([
      { kind: 'certificate', label: first.label },
      { kind: 'certificate', label: first.label },
    ]);
    expect(first.peers.map(({ name, kind }) => [name, kind])).toEqual([['RUI SÁ', 'certificate']]);

    const here = await first.open(second.address);
    const { value: there } = (await second.incoming.next()) as IteratorYieldResult<Conversation>;
    expect(here.identity).toMatchObject({ kind: 'certificate', verified: true, name: 'RUI SÁ' });
    expect(there.identity).toMatchObject({ kind: 'certificate', verified: true, name: 'ANA MAIA' });
    expect(here.identity.fingerprint).toBe(second.identity.fingerprint);
    expect(here.identity.verifiedUntilMs! - Date.now()).toBeGreaterThan(11.9 * HOUR);
    expect(here.safetyNumber).toBe(there.safetyNumber);

    await here.send('olá, Rui');
    await there.send('olá, Ana');
    const [left, right] = await Promise.all([nextText(here), nextText(there)]);
    expect([left, right]).toEqual(['olá, Ana', 'olá, Rui']);
    expect(pins).toEqual(['ANA', 'RUI']);
    // Who is there and what they say stays out of the log.
    expect(JSON.stringify(events)).not.toMatch(/MAIA|RUI|11111111|22222222|olá/u);
  });

  it('may let their cards delegate to RSA keys with PSS, as in the reference', async () => {
    const relay = await relayWith();
    const first = await joins(relay, being(await card('ANA'), { sessionKey: 'RSA-PSS-SHA256' }));
    const second = await joins(relay, being(await card('RUI'), { sessionKey: 'RSA-PSS-SHA256' }));
    await meet(first, second);
    const conversation = await first.open(second.address);
    expect(conversation.identity).toMatchObject({ kind: 'certificate', verified: true });
    expect(await (await conversation.send('x')).delivered).toEqual({ ok: true });
  });

  it('without a certificate have a lower label than with one', async () => {
    pins = [];
    const relay = await relayWith();
    const person = await joins(relay, being(await card('RUI')));
    const plain = await connect(relay.urls[0]!, { pin: relay.fingerprint, suites: [SUITE] });
    open.push({ close: () => plain.close() });
    expect(plain.label).not.toBe(person.label);
    // The highest label of a delegation bounds what the certificate would give.
    const bounded = await joins(relay, being(await card('ANA'), { highestLabel: plain.label }));
    expect(bounded.label).toBe(plain.label);
    const tooHigh = joins(relay, being(await card('ANA'), { highestLabel: plain.label }), { label: person.label });
    expect(await codeOf(tooHigh)).toBe('client/relay-refused');
  });
});

describe('a relay that nobody vouches for', () => {
  it('is shown no certificate, and no session, until the caller trusts it', async () => {
    const relay = await relayWith();
    const signer = await signerOf(rui);
    let signatures = 0;
    const counting: Signer = {
      ...signer,
      sign: (bytes, options) => {
        signatures += 1;
        return signer.sign(bytes, options);
      },
    };
    const url = relay.urls[0]!;
    expect(await codeOf(connect(url, { identity: being(counting) }))).toBe('client/relay-untrusted');
    expect(signatures).toBe(0);
    expect(events.filter(({ event }) => event === 'session-opened')).toEqual([]);
    const asked: string[] = [];
    const trustRelay: CertificateIdentityOptions['trustRelay'] = ({ relayFingerprint }) => {
      asked.push(relayFingerprint);
      return true;
    };
    const client = await connect(url, { identity: being(counting, { trustRelay }) });
    open.push({ close: () => client.close() });
    expect(asked).toEqual([relay.fingerprint]);
    expect(client.relayTrust).toBe('first-use');
    expect(signatures).toBe(1);
    expect(events.filter(({ event }) => event === 'session-opened')).toHaveLength(1);
  });

  it('is asked about once: a store remembers it, and the conversations of one person', async () => {
    const relay = await relayWith();
    const store = memoryStore();
    const asked: string[] = [];
    const options: Partial<CertificateIdentityOptions> = {
      trustRelay: ({ relayTrust }) => {
        asked.push(relayTrust);
        return true;
      },
    };
    const peer = await joins(relay, being(await signerOf(ana)));
    const again = async (identity: MakeIdentity): Promise<Client> => {
      const client = await connect(relay.urls[0]!, {
        identity,
        store,
        accept: 'all',
        verifyCertificate: createPersonVerifier(people()),
      });
      open.push({ close: () => client.close({ endConversations: false }) });
      return client;
    };
    const first = await again(being(await signerOf(rui), options));
    await meet(first, peer);
    const conversation = await first.open(peer.address);
    const { verifiedUntilMs } = conversation.identity;
    await conversation.send('olá');
    await first.close();
    const second = await again(being(await signerOf(rui), options));
    expect([asked, second.relayTrust, second.address]).toEqual([['first-use'], 'remembered', first.address]);
    expect(second.conversations.map(({ identity }) => identity)).toMatchObject([
      { kind: 'certificate', verified: true, name: 'ANA MAIA', verifiedUntilMs },
    ]);
    await second.close();
    // Another person has another address: what the store keeps of Rui's stays his.
    const other = await again(being(await signerOf(ana), options));
    expect(other.conversations).toEqual([]);
  });

  it('is taken by its certificate under an anchor for relays, whatever its key was before', async () => {
    const relay = await relayWith();
    const shown: Uint8Array[] = [];
    const look = connect(relay.urls[0]!, {
      verifyRelay: ({ chain }) => {
        shown.push(chain[0]!.slice());
        throw new SimsError('client/aborted', 'seen');
      },
    });
    expect(await codeOf(look)).toBe('client/aborted');
    const trust = createTrustStore({ purpose: 'relay', anchors: shown });
    const by = (host: string): Promise<Client> =>
      connect(relay.urls[0]!, { identity: being(signer), verifyRelay: createRelayVerifier({ trust, host }) });
    const signer = await signerOf(rui);
    const client = await by('127.0.0.1');
    open.push({ close: () => client.close() });
    expect([client.relayTrust, client.relayFingerprint]).toEqual(['verified', relay.fingerprint]);
    expect(await codeOf(by('relay.example'))).toBe('cc/name-mismatch');
  });

  it('needs a pin where there is but one connection', async () => {
    const relay = await relayWith();
    const { host, port } = new URL(relay.urls[0]!.replace('tcp:', 'ws:'));
    expect(host).toContain('127.0.0.1');
    const transport = await connectTcp({ host: '127.0.0.1', port: Number(port) });
    expect(await codeOf(connect(transport, { identity: being(await signerOf(rui)) }))).toBe('client/invalid-argument');
    transport.abort();
  });
});

describe('a credential that is not good', () => {
  let cases: Record<string, { readonly code: string; readonly identity: MakeIdentity }>;
  /** What only another's credential shows: it is good in itself. */
  let misbound: MakeIdentity;
  let isIn = false;
  let good: Signer;

  beforeAll(async () => {
    const make = async (changes: object, use: 'authentication' | 'signature' = 'authentication'): Promise<Signer> =>
      await signerOf(
        await createTestPerson(pki, {
          generation: 'v2',
          givenName: 'Eva',
          surname: 'Luz',
          civilNumber: '3',
          use,
          changes,
        }),
      );
    good = await signerOf(rui);
    const revoked = await createTestPerson(pki, {
      generation: 'v2',
      givenName: 'Eva',
      surname: 'Luz',
      civilNumber: '3',
    });
    crls = await listsOf([revocationOf(revoked)]);
    const stranger = await createTestPerson(foreign, {
      generation: 'v2',
      givenName: 'Eva',
      surname: 'Luz',
      civilNumber: '3',
    });
    const elsewhere: MakeIdentity = (request) => being(good)({ ...request, relayIdentity: new Uint8Array(32) });
    const otherDevice: MakeIdentity = (request) => being(good)({ ...request, device: new Uint8Array(8) });
    const forged: MakeIdentity = async (request) => {
      const own = await being(good)(request);
      const { credential } = own;
      if (credential.kind !== 'certificate') throw new Error('not a certificate');
      const delegationSignature = credential.delegationSignature.with(5, credential.delegationSignature[5]! ^ 1);
      return { ...own, credential: { ...credential, delegationSignature } };
    };
    cases = {
      revoked: { code: 'cc/revoked', identity: being(await signerOf(revoked)) },
      expired: { code: 'cc/expired', identity: being(await make({ notAfterMs: NOW - 1_000 })) },
      'for signatures': { code: 'cc/wrong-purpose', identity: being(await make({}, 'signature')) },
      'of another CA': { code: 'cc/untrusted', identity: being(await signerOf(stranger)) },
      'delegated to another relay': { code: 'cc/delegation-relay', identity: elsewhere },
      'delegated to another device': { code: 'cc/delegation-device', identity: otherDevice },
      'with a forged delegation': { code: 'cc/delegation-signature', identity: forged },
    };
    const eva = await make({});
    misbound = async (request) => {
      const shown = await being(eva)(request);
      const stolen = await being(good)(request);
      return {
        fingerprint: shown.fingerprint,
        // Eva to the relay, and Rui's credential, session key and all, in conversations from Eva's address.
        get credential() {
          return (isIn ? stolen : shown).credential;
        },
        // As client of a relay it signs phase 3, as responder of a conversation phase 2.
        sign: (asked) => (asked.purpose === 'phase 3' ? shown : stolen).sign(asked),
      };
    };
  });
  afterAll(async () => {
    crls = await listsOf();
  });

  it('is refused by the relay, each with its code', async () => {
    const relay = await relayWith();
    for (const [what, { code, identity }] of Object.entries(cases)) {
      expect([what, await codeOf(joins(relay, identity))]).toEqual([what, 'client/relay-refused']);
      expect(events.at(-1)).toMatchObject({ event: 'handshake-failed', code });
    }
    expect(events.filter(({ event }) => event === 'session-opened')).toEqual([]);
  });

  it('is refused by peers, each with its code, whatever the relay took it for', async () => {
    const relay = await relayWith({ verifyCredential: believing() });
    const victim = await joins(relay, being(await signerOf(ana)));
    for (const [what, { code, identity }] of Object.entries(cases)) {
      const client = await joins(relay, identity);
      await expect.poll(() => victim.peers.map(({ address }) => address)).toContain(client.address);
      expect([what, await codeOf(victim.open(client.address))]).toEqual([what, code]);
      await client.close();
    }
    isIn = false;
    const client = await joins(relay, misbound);
    isIn = true;
    await expect.poll(() => victim.peers.map(({ address }) => address)).toContain(client.address);
    expect(await codeOf(victim.open(client.address))).toBe('handshake/identity-mismatch');
    expect(victim.conversations).toEqual([]);
  });

  it('is refused by a client that was given no verifier', async () => {
    const relay = await relayWith();
    const person = await joins(relay, being(await signerOf(ana)));
    const naive = await connect(relay.urls[0]!, { pin: relay.fingerprint, identity: being(good) });
    open.push({ close: () => naive.close() });
    await expect.poll(() => naive.peers.length).toBeGreaterThan(0);
    expect(await codeOf(naive.open(person.address))).toBe('handshake/unsupported-credential');
  });
});

describe('during a session', () => {
  it('a peer’s verification ends with its delegation, as an event; the conversation goes on', async () => {
    const relay = await relayWith();
    const short = being(await signerOf(rui), { lifetimesMs: { hop: HOUR, conversation: 2_000 } });
    const [first, second] = [await joins(relay, being(await signerOf(ana))), await joins(relay, short)];
    await meet(first, second);
    const conversation = await first.open(second.address);
    expect(conversation.identity.verified).toBe(true);
    const event = await new Promise<object>((resolve) => conversation.on('unverified', resolve));
    expect(event).toMatchObject({ identity: { verified: false, name: 'RUI SÁ', kind: 'certificate' } });
    expect(event).not.toHaveProperty('error');
    expect(conversation.identity.verified).toBe(false);
    expect(conversation.status).toBe('open');
  });

  it('a peer that has renewed its delegation is verified anew by opening again; one that has not is not', async () => {
    const relay = await relayWith();
    const first = await joins(relay, being(await signerOf(ana)));
    for (const renews of [true, false]) {
      const identity = being(await signerOf(rui), {
        lifetimesMs: { hop: HOUR, conversation: 3_000 },
        ...(renews ? {} : { onRenewalDue: () => {} }),
      });
      const second = await joins(relay, identity);
      await expect.poll(() => first.peers.map(({ address }) => address)).toContain(second.address);
      const conversation = await first.open(second.address);
      await new Promise((resolve) => conversation.on('unverified', resolve));
      if (renews) {
        expect(await first.open(second.address)).toBe(conversation);
        expect(conversation.identity).toMatchObject({ verified: true, name: 'RUI SÁ' });
      } else {
        expect(await codeOf(first.open(second.address))).toBe('cc/delegation-expired');
        expect([conversation.status, conversation.identity.verified]).toEqual(['open', false]);
      }
      await second.close({ endConversations: true });
    }
  }, 15_000);

  it('a revocation is found at the next look: by peers with an event, by the relay with the end of the session', async () => {
    const relay = await relayWith({ limits: { recheckMs: 300 } });
    const first = await joins(relay, being(await signerOf(ana)), { recheckMs: 100 });
    const second = await joins(relay, being(await signerOf(rui)), { reconnect: false });
    await meet(first, second);
    const conversation = await first.open(second.address);
    const unverified = new Promise<{ error?: SimsError }>((resolve) => conversation.on('unverified', resolve));
    const ended = new Promise<object>((resolve) => second.on('status', resolve));
    crls = await listsOf([revocationOf(rui)]);
    try {
      expect((await unverified).error).toMatchObject({ code: 'cc/revoked' });
      expect(await ended).toMatchObject({ status: 'offline', reason: 'not-authorised' });
      await expect
        .poll(() => events)
        .toContainEqual(expect.objectContaining({ event: 'recheck-failed', code: 'cc/revoked' }));
      expect(first.status).toBe('online');
    } finally {
      crls = await listsOf();
    }
  });

  it('a delegation is renewed before it ends, and the relay takes the new one', async () => {
    const relay = await relayWith();
    const seen: string[] = [];
    const identity = being(await signerOf(rui), {
      lifetimesMs: { hop: 3_000, conversation: 3_000 },
      onEvent: ({ type }) => seen.push(type),
    });
    const client = await joins(relay, identity);
    const statuses: string[] = [];
    client.on('status', ({ status, reason }) => statuses.push(reason ?? status));
    await expect.poll(() => statuses, { timeout: 6_000 }).toEqual(['not-authorised', 'online']);
    expect(seen.slice(0, 2)).toEqual(['renewal-due', 'renewed']);
    expect(seen).not.toContain('ended');
  }, 10_000);
});

describe('revocation by OCSP', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sims-ocsp-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.skipIf(!canRun('openssl'))(
    'as openssl answers it lets people in, and keeps the revoked out (needs openssl)',
    async () => {
      const issuer = pki.hierarchies.get('v2')!.authentication;
      const responder = await createTestOcspResponder(pki, issuer);
      const file = (name: string, contents: Uint8Array | string): string => {
        writeFileSync(join(folder, name), contents);
        return join(folder, name);
      };
      const serial = hex(rui.serial).toUpperCase();
      const writeIndex = (isRevoked: boolean): void => {
        const state = isRevoked ? 'R\t491231235959Z\t200101000000Z' : 'V\t491231235959Z\t';
        file('index.txt', `${state}\t${serial}\tunknown\t/CN=test\n`);
      };
      const common = [
        '-index',
        join(folder, 'index.txt'),
        '-CA',
        file('ca.pem', pemOf('CERTIFICATE', issuer.certificate)),
      ];
      const signing = [
        '-rsigner',
        file('responder.pem', pemOf('CERTIFICATE', responder.certificate)),
        '-rkey',
        file('responder.key', pemOf('PRIVATE KEY', responder.key.privateKey)),
      ];
      let asked = 0;
      const fetch: Fetcher = ({ url, ocspRequest }) => {
        if (!url.endsWith(`/ocsp/${issuer.slug}`) || ocspRequest === undefined)
          return Promise.reject(new Error('no such'));
        asked += 1;
        const [request, response] = [file('request.der', ocspRequest), join(folder, 'response.der')];
        execFileSync(
          'openssl',
          ['ocsp', ...common, ...signing, '-reqin', request, '-respout', response, '-ndays', '1'],
          {
            stdio: 'ignore',
          },
        );
        return Promise.resolve(new Uint8Array(readFileSync(response)));
      };
      // Lists of the authorities above only: for people there is nothing but OCSP.
      const lists = await Promise.all(
        [pki.root, pki.hierarchies.get('v2')!.authority].map((authority) => createTestPkiCrl(pki, authority, [])),
      );
      writeIndex(false);
      const relay = await relayWith({ people: people({ crls: lists, fetch }) });
      const client = await joins(relay, being(await signerOf(rui)));
      expect(client.status).toBe('online');
      expect(asked).toBe(1);
      await client.close();
      writeIndex(true);
      const stricter = await relayWith({ people: people({ crls: lists, fetch }) });
      expect(await codeOf(joins(stricter, being(await signerOf(rui))))).toBe('client/relay-refused');
      expect(events.at(-1)).toMatchObject({ event: 'handshake-failed', code: 'cc/revoked' });
    },
  );
});

/** A relay that believes what it is shown. */
function believing(): NonNullable<RelayServerOptions['verifyCredential']> {
  return createCredentialVerifier({
    provider: nodeProvider,
    verifyCertificate: ({ chain, delegation }) => ({
      longTermSpki: parseCertificate(chain[0]!).spki,
      signatureSpki: decodeDelegation(delegation).sessionSpki,
    }),
  });
}

async function nextText(conversation: AsyncIterable<{ readonly text: string }>): Promise<string> {
  for await (const { text } of conversation) return text;
  throw new Error('the conversation ended');
}

function canRun(command: string): boolean {
  try {
    execFileSync(command, ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
