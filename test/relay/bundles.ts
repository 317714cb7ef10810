/** Bundles as a relay sees them: their signatures are nobody's. */
import { randomBytes } from 'node:crypto';
import { relayIdentityOf } from '../../src/handshake/index.ts';
import { encodeBundle, encodeBundleCore, type BundleCore } from '../../src/messages/bundle.ts';
import type { MessageId } from '../../src/messages/address.ts';
import type { PrekeysPublish } from '../../src/messages/prekeys.ts';
import { messageId, provider, RELAY_IDENTITY, type Client, type World } from './world.ts';

const RELAY = relayIdentityOf(provider, RELAY_IDENTITY.credential.spki);

/** A bundle of a client; ten days of life unless told. */
export function bundleOf(world: World, client: Client, changes: Partial<BundleCore> = {}): Uint8Array {
  const core = encodeBundleCore({
    version: 1,
    id: randomBytes(8),
    relayIdentity: RELAY,
    address: client.address,
    label: client.label ?? '',
    suites: [3],
    suite: 3,
    encapsulationKey: new Uint8Array(32).fill(7),
    notAfter: Math.floor(world.now / 1_000) + 10 * 86_400,
    credential: new Uint8Array(50).fill(9),
    ...changes,
  });
  return encodeBundle({ core, signature: new Uint8Array(64).fill(5) });
}

/** Puts a publish on its way. */
export function publish(
  client: Client,
  id: string,
  data: readonly Uint8Array[],
  more: Partial<PrekeysPublish> = {},
): MessageId {
  const named = messageId(id);
  client.send({ type: 'prekeys', id: named, data, ...more });
  return named;
}

/** Asks for a bundle; what comes. */
export function fetchOf(client: Client, of: Client, ciphers: readonly number[] = [3, 2], id = 'fetch'): unknown {
  client.take();
  client.send({ type: 'prekeys', id: messageId(id), dst: of.address, ciphers });
  return client.take().at(-1);
}
