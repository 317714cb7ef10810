/** Handshakes: both machines over an array, with `key` credentials both ways, until both conversations are ready. */
import * as tls from 'node:tls';
import { createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createRelayCertificate } from '../src/cc/create.ts';
import { nodeProvider } from '../src/crypto/node/index.ts';
import type { SignatureKeyPair } from '../src/crypto/provider.ts';
import type { Suite } from '../src/crypto/suite.ts';
import {
  createCredentialVerifier,
  fingerprint,
  handshakeId,
  runInitiator,
  runResponder,
  type AnswerHost,
  type EstablishedOutput,
  type HandshakeContext,
  type SendOutput,
} from '../src/handshake/index.ts';
import { addressFromBytes, encodeMessage, type Address, type Credential } from '../src/messages/index.ts';
import { DEFAULT_OPTIONS, startConversation, type ConversationState } from '../src/session/index.ts';
import { signedAgreement } from './floors.ts';
import type { Candidate, Operation } from './harness.ts';
import { signalSessions } from './peers/libsignal.ts';
import { mlsSessions } from './peers/mls.ts';
import { olmSessions } from './peers/olm.ts';
import { QUICK_SUITES } from './suites.ts';

const NOW_MS = 1_700_000_000_000;
const { random } = nodeProvider;
const verifyCredential = createCredentialVerifier({ provider: nodeProvider });

/** Someone with an Ed25519 key. */
interface Person {
  readonly keyPair: SignatureKeyPair;
  readonly credential: Credential;
  readonly address: Address;
  readonly fingerprint: Uint8Array;
}

/** What a handshake gave: both conversations, and the bytes of its four messages as CBOR. */
interface Shaken {
  readonly states: readonly [ConversationState, ConversationState];
  readonly bodies: number;
  readonly wire: number;
}

/** Handshakes of every suite beside the peers' session set-up, TLS and floors. */
export function handshakes(): Candidate[] {
  return [
    ...QUICK_SUITES.map(([number, suite]): Candidate => ({
      name: `suite ${number}`,
      prepare: () => handshakeOf(suite),
    })),
    { name: 'floor: X25519 + mutual Ed25519', prepare: () => signedAgreement('x25519') },
    { name: 'floor: X25519 + ML-KEM-768 + mutual Ed25519', prepare: () => signedAgreement('x25519 + ml-kem-768') },
    { name: 'floor: P-384 + mutual Ed25519', prepare: () => signedAgreement('p384') },
    { name: 'node:tls X25519, mutual Ed25519', prepare: () => tlsHandshakes('X25519', true) },
    { name: 'node:tls X25519MLKEM768, mutual Ed25519', prepare: () => tlsHandshakes('X25519MLKEM768', true) },
    { name: 'node:tls P-384, mutual Ed25519', prepare: () => tlsHandshakes('P-384', true) },
    { name: 'node:tls X25519, server alone', prepare: () => tlsHandshakes('X25519', false) },
    {
      name: 'libsignal set-up',
      prepare: async () => {
        const establish = await signalSessions();
        return async () => {
          await establish();
        };
      },
    },
    {
      name: 'olm set-up',
      prepare: async () => {
        const establish = await olmSessions();
        return () => establish().free();
      },
    },
    {
      name: 'ts-mls set-up',
      prepare: async () => {
        const establish = await mlsSessions();
        return async () => {
          await establish();
        };
      },
    },
  ];
}

/** Bytes of one handshake of a suite, both ways: bodies alone, and whole messages in CBOR. */
export function handshakeBytes(suite: Suite): { readonly bodies: number; readonly wire: number } {
  const { bodies, wire } = shake(suite, newPerson(), newPerson());
  return { bodies, wire };
}

function handshakeOf(suite: Suite): Operation {
  const [one, other] = [newPerson(), newPerson()];
  return () => {
    shake(suite, one, other);
  };
}

function newPerson(): Person {
  const keyPair = nodeProvider.generateSignatureKeyPair('Ed25519', random);
  const print = fingerprint(nodeProvider, 'key', keyPair.spki);
  const address = addressFromBytes(Buffer.concat([print.subarray(0, 20), random(8)]));
  return { keyPair, credential: { kind: 'key', spki: keyPair.spki }, address, fingerprint: print };
}

function shake(suite: Suite, one: Person, other: Person): Shaken {
  const context: HandshakeContext = {
    plane: 'conversation',
    provider: nodeProvider,
    suites: [suite],
    initiator: one.address,
    responder: other.address,
    relayIdentity: RELAY,
    initiatorLabel: 'without-card',
    responderLabel: 'without-card',
  };
  const ready: ConversationState[] = [];
  const failed = (error: Error): never => {
    throw error;
  };
  const finished = (role: 'initiator' | 'responder', output: EstablishedOutput): void => {
    const { conversationId, finalTranscriptHash, secrets, peer } = output;
    const [own, far] = role === 'initiator' ? [one, other] : [other, one];
    const start = {
      role,
      conversationId,
      finalTranscriptHash,
      secrets,
      own: { address: own.address, fingerprint: own.fingerprint, label: 'without-card' },
      peer: { address: far.address, fingerprint: peer.fingerprint, label: 'without-card' },
      relayIdentity: RELAY,
      nowMs: NOW_MS,
    };
    ready.push(startConversation(start, { suite, random, options: DEFAULT_OPTIONS }));
  };
  const nonce = random(32);
  const id = handshakeId(nonce);
  let bodies = 0;
  let wire = 0;
  const travel = ({ phase, body }: SendOutput, to: Address): void => {
    bodies += body.length;
    wire += encodeMessage({ type: 'client-connect', phase, id, dst: to, data: body }, 'cbor').length;
    const input = { type: 'message', phase, body } as const;
    if (to === other.address) responder.feed(input);
    else initiator.feed(input);
  };
  const initiator = runInitiator(context, hostOf(one), {
    failed,
    output(output) {
      if (output.type === 'send') travel(output, other.address);
      if (output.type === 'established') finished('initiator', output);
      return undefined;
    },
  });
  const responder = runResponder(context, hostOf(other), {
    failed,
    output(output) {
      if (output.type === 'send') travel(output, one.address);
      if (output.type === 'established') finished('responder', output);
      if (output.type === 'consent') {
        const { credential } = other;
        const common = { nonce: random(32), boxRandomness: random(16), credential, nowMs: NOW_MS };
        return { type: 'accept', suites: [suite.name], ...common };
      }
      if (output.type === 'authenticated') return { type: 'finish', name: 'other', parameters: {}, nowMs: NOW_MS };
      return undefined;
    },
  });
  initiator.feed({
    type: 'start',
    nonce,
    boxRandomness: random(16),
    offer: [suite.name],
    credential: one.credential,
    name: 'one',
    parameters: {},
    nowMs: NOW_MS,
  });
  const [first, second] = ready;
  if (first === undefined || second === undefined)
    throw new Error(`the handshake stopped: ${initiator.at}, ${responder.at}`);
  return { states: [first, second], bodies, wire };
}

function hostOf(person: Person): AnswerHost {
  return {
    random,
    verifyCredential,
    sign: ({ toBeSigned }) => nodeProvider.sign(person.keyPair, toBeSigned),
    now: () => NOW_MS,
  };
}

const RELAY = new Uint8Array(32).fill(7);

/** Whole TLS 1.3 handshakes over loopback, both ends in this process, no resumption; Ed25519 certificates. */
async function tlsHandshakes(ecdhCurve: string, isMutual: boolean): Promise<Operation> {
  const [server, client] = [await selfSigned(), await selfSigned()];
  const common = { minVersion: 'TLSv1.3', ecdhCurve } as const;
  const listener = tls.createServer({
    ...server,
    ...common,
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
    ca: [client.cert],
  });
  listener.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    socket.end('.');
  });
  listener.listen(0, '127.0.0.1').unref();
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const secureContext = tls.createSecureContext({ ...(isMutual ? client : {}), ...common, ca: [server.cert] });
  return async () => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', secureContext, ...common });
    socket.resume();
    await once(socket, 'close');
    if (socket.authorizationError) throw new Error(String(socket.authorizationError));
  };
}

async function selfSigned(): Promise<{ readonly key: string; readonly cert: string }> {
  const keyPair = nodeProvider.generateSignatureKeyPair('Ed25519', random);
  const der = await createRelayCertificate({
    keyPair,
    names: ['localhost'],
    notBeforeMs: Date.now() - 86_400_000,
    notAfterMs: Date.now() + 86_400_000,
    sign: (toBeSigned) => nodeProvider.sign(keyPair, toBeSigned),
  });
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: Buffer.from(keyPair.privateKey).toString('base64url'),
    x: Buffer.from(keyPair.spki.subarray(-32)).toString('base64url'),
  };
  const key = createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' });
  const base64 = Buffer.from(der).toString('base64');
  return { key: String(key), cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n` };
}
