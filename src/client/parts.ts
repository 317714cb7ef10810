/**
 * Everything that a client is made of, as {@link createConnect} puts it together.
 *
 * @packageDocumentation
 */
import type { CryptoProvider } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import type {
  AnswerHost,
  ConversationContext,
  VerifyCertificate,
  VerifyCredential,
  VerifyRelay,
} from '../handshake/index.ts';
import { createCredentialVerifier } from '../handshake/index.ts';
import type { Address } from '../messages/address.ts';
import type { Encoding } from '../messages/wire.ts';
import type { ConversationOptions, ConversationState } from '../session/state.ts';
import type { Transport } from '../transport/transport.ts';
import type { Clock } from './clock.ts';
import type { ContentSchema } from './content.ts';
import type { OwnIdentity, RelayTrust } from './identity.ts';
import type { KnownPeers } from './knownPeers.ts';
import type { PeerIdentity } from './peers.ts';
import type { Prekeys } from './prekeys.ts';
import type { Keeper } from './sessionActor.ts';
import type { Start } from './start.ts';

/** Someone who wants a conversation, before anything is known of them but their address. */
export interface Request {
  readonly peer: Address;
  /** What the relay calls them. */
  readonly relayedName: string;
}

/** What to do with conversations that peers open: ask the application by `client.incoming`, accept, decline. */
export type AcceptPolicy = 'ask' | 'all' | 'none' | ((request: Request) => 'ask' | boolean);

/** Everything that a client is made of. */
export interface ClientParts {
  readonly provider: CryptoProvider;
  /** Suites that this client can run at all. */
  readonly suites: readonly Suite[];
  readonly clock: Clock;
  readonly identity: OwnIdentity;
  readonly address: Address;
  readonly device: Uint8Array;
  readonly name: string;
  readonly label?: string;
  /** Suites offered on the hop, in the order of preference. */
  readonly hopSuites: readonly SuiteName[];
  /** Suites offered in conversations, in the order of preference. */
  readonly peerSuites: readonly SuiteName[];
  /** Suites accepted from peers, in the order of preference. */
  readonly acceptSuites: readonly SuiteName[];
  readonly encoding: Encoding;
  readonly serverName: string;
  readonly accept: AcceptPolicy;
  readonly dial: (signal: AbortSignal) => Promise<Transport>;
  readonly reconnect: boolean;
  readonly conversation?: Partial<ConversationOptions>;
  readonly relayIdentity?: Uint8Array;
  readonly verifyCertificate?: VerifyCertificate;
  readonly verifyRelay?: VerifyRelay;
  /** Between two looks at a peer's certificate. */
  readonly recheckMs: number;
  readonly rsaPool?: AnswerHost['rsaPool'];
  /** Own bundles, where this client can be written to while it is away. */
  readonly prekeys?: Prekeys;
  readonly relayTrust: RelayTrust;
  /** Whether closing the client ends its conversations; otherwise they are kept and go on in the next one. */
  readonly endsConversations: boolean;
  readonly keeperOf?: (state: ConversationState, identity: PeerIdentity, start: Start | undefined) => Keeper;
  /** A conversation has ended for good: what was kept of it may go. */
  readonly forget?: (state: ConversationState) => void;
  /** Whom this client has met. */
  readonly known: KnownPeers;
  /** Checks the application's data. */
  readonly content?: ContentSchema;
  /** Called once, when the client has closed. */
  readonly cleanUp: () => Promise<void>;
}

/** The verifier of credentials that the parts make. */
export function verifierOf(
  parts: Pick<ClientParts, 'provider' | 'verifyCertificate' | 'verifyRelay'>,
): VerifyCredential {
  const { provider, verifyCertificate, verifyRelay } = parts;
  return createCredentialVerifier({
    provider,
    ...(verifyCertificate === undefined ? {} : { verifyCertificate }),
    ...(verifyRelay === undefined ? {} : { verifyRelay }),
  });
}

/** The context of a conversation's handshake over the present hop. */
export function handshakeContext(
  host: { readonly parts: ClientParts; readonly relayIdentity: Uint8Array },
  initiator: Address,
  responder: Address,
  initiatorLabel: string,
  responderLabel: string,
): ConversationContext {
  const { provider, suites } = host.parts;
  const { relayIdentity } = host;
  return {
    plane: 'conversation',
    provider,
    suites,
    initiator,
    responder,
    relayIdentity,
    initiatorLabel,
    responderLabel,
  };
}

/** What answers the machines of this client's conversations. */
export function answerHost(parts: ClientParts): AnswerHost {
  const { identity, provider, rsaPool, clock } = parts;
  return {
    sign: identity.sign,
    verifyCredential: verifierOf(parts),
    random: provider.random,
    now: () => clock.now(),
    ...(rsaPool === undefined ? {} : { rsaPool }),
  };
}
