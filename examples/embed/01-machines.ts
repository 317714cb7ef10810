// A device and a server agree on keys and exchange two records. The network is an array: no client, no socket.
import { defaultSuites, nobleProvider as provider, type SignatureKeyPair } from 'sims-protocol/crypto';
import * as handshake from 'sims-protocol/handshake';
import { addressFromBytes } from 'sims-protocol/messages';
import { HopChannel } from 'sims-protocol/session';
const [suite, { random }, failed] = [defaultSuites[0]!, provider, console.error];
const fresh = () => ({ nonce: random(32), boxRandomness: random(16), nowMs: Date.now() });
const verifyCredential = handshake.createCredentialVerifier({ provider });
const hostOf = (key: SignatureKeyPair) => {
  const sign = ({ toBeSigned }: handshake.SignOutput) => provider.sign(key, toBeSigned);
  return { sign, verifyCredential, random, now: Date.now };
};
const [deviceKey, serverKey] = [0, 1].map(() => provider.generateSignatureKeyPair('Ed25519', random));
const device = { name: 'device', credential: { kind: 'key', spki: deviceKey!.spki } } as const;
const server = { name: 'server', credential: { kind: 'relay', spki: serverKey!.spki, chain: [random(9)] } } as const;
const [wire, keys]: [handshake.SendOutput[], handshake.EstablishedOutput[]] = [[], []];
const output = (asked: handshake.InitiatorOutput | handshake.ResponderOutput) => {
  if (asked.type === 'send') wire.push(asked);
  if (asked.type === 'established') keys.push(asked);
  if (asked.type === 'consent') return { type: 'accept', suites: asked.offer, ...server, ...fresh() } as const;
  if (asked.type !== 'authenticated') return undefined;
  return { type: 'finish', ...server, parameters: { label: 'everyone' }, ...fresh() } as const;
};
const context = { plane: 'hop', provider, suites: [suite] } as const;
const initiator = handshake.runInitiator(context, hostOf(deviceKey!), {
  output: (asked) => void output(asked),
  failed,
});
const responder = handshake.runResponder(context, hostOf(serverKey!), { output, failed });
initiator.feed({ type: 'start', offer: [suite.name], ...device, parameters: { device: random(8) }, ...fresh() });
for (const { phase, body } of wire) (phase % 2 === 0 ? initiator : responder).feed({ type: 'message', phase, body });

const client = { address: addressFromBytes(random(28)), fingerprint: keys[1]!.peer.fingerprint };
const relayIdentity = handshake.relayIdentityOf(provider, serverKey!.spki);
const [here, there] = keys.map(({ conversationId, finalTranscriptHash, secrets }, index) => {
  const role = index === 0 ? 'initiator' : 'responder';
  return new HopChannel({ suite, role, conversationId, finalTranscriptHash, secrets, client, relayIdentity });
});
console.log(String.fromCodePoint(...there!.open(here!.seal(new TextEncoder().encode('Hello?'), random, Date.now()))));
console.log(String.fromCodePoint(...here!.open(there!.seal(new TextEncoder().encode('Hello!'), random, Date.now()))));
