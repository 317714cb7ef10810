/**
 * What both sides of a handshake know before it: never sent, always in the transcript (docs/protocol.md §4.1).
 *
 * @packageDocumentation
 */
import { lengthPrefixed } from '../bytes.ts';
import type { HashProvider } from '../crypto/provider.ts';
import type { Suite } from '../crypto/suite.ts';
import { addressBytes, clientIdOf, type Address, type ClientId } from '../messages/address.ts';

/** Hop: client and relay. Conversation: client and client. */
export type Plane = 'hop' | 'conversation';

/** Who a side is. On a hop the client is the initiator. */
export type Role = 'initiator' | 'responder';

interface Capabilities {
  /** SHA-512 of the transcript. */
  readonly provider: HashProvider;
  /** Every suite that this side can run; what it offers or accepts is said at `start` and `accept`. */
  readonly suites: readonly Suite[];
}

/** The context of a hop's handshake. */
export interface HopContext extends Capabilities {
  readonly plane: 'hop';
  /**
   * SHA-256 of the relay's SPKI, 32 bytes. At a client: the pin, absent where the relay is trusted on first use or by
   * anchors. At the relay: its own, for whoever verifies delegations. Not in the transcript.
   */
  readonly relayIdentity?: Uint8Array;
}

/** The context of a conversation's handshake. */
export interface ConversationContext extends Capabilities {
  readonly plane: 'conversation';
  readonly initiator: Address;
  readonly responder: Address;
  /** SHA-256 of the relay's SPKI, 32 bytes, of the hop that carries this handshake. */
  readonly relayIdentity: Uint8Array;
  /** Label of the initiator's hop session, as the relay told it. */
  readonly initiatorLabel: string;
  /** Label of the responder's, as the relay told it. The initiator may learn it as late as with phase 2. */
  readonly responderLabel: string;
}

/** Third argument of both machines; the same throughout a handshake, but for a label that is learnt with phase 2. */
export type HandshakeContext = HopContext | ConversationContext;

/** The context's bytes, which start the transcript. */
export function contextBytes(context: HandshakeContext): Uint8Array {
  if (context.plane === 'hop') return lengthPrefixed('hop');
  return partiesBytes('conversation', context);
}

function partiesBytes(kind: 'conversation' | 'prekey', context: ConversationContext): Uint8Array {
  return lengthPrefixed(
    kind,
    addressBytes(context.initiator),
    addressBytes(context.responder),
    context.relayIdentity,
    context.initiatorLabel,
    context.responderLabel,
  );
}

/** The bytes that start the transcript of a start from a bundle (docs/protocol.md §4.4). */
export function prekeyContextBytes(context: ConversationContext): Uint8Array {
  return partiesBytes('prekey', context);
}

/** Own and peer's addresses and the peer's label, in a conversation; `undefined` on a hop, which learns them. */
export function endsOf(
  context: HandshakeContext,
  role: Role,
): { readonly own: ClientId; readonly peer: Address; readonly peerLabel: string } | undefined {
  if (context.plane === 'hop') return undefined;
  return role === 'initiator'
    ? { own: clientIdOf(context.initiator), peer: context.responder, peerLabel: context.responderLabel }
    : { own: clientIdOf(context.responder), peer: context.initiator, peerLabel: context.initiatorLabel };
}
