/**
 * The relay: it carries sealed messages between clients, blind, and enforces who may send to whom. Its core has no I/O;
 * `sims-protocol/relay/node` runs it over TCP and WebSocket.
 *
 * @packageDocumentation
 */
export { MemoryBundles, type BundleStock, type BundleStore, type HeldBundle, type Publish } from './bundles.ts';
export type { RelayCounters, RelayGauges, RelayMetrics } from './counters.ts';
export { MemoryDirectory, type Directory, type PlaceItem, type Presence } from './directory.ts';
export type { RelayEffects, RelayEvent, SessionEnd } from './effects.ts';
export type { RelayIdentity } from './hopHandshake.ts';
export { DEFAULT_LIMITS, limitsFrom, type RelayLimits } from './limits.ts';
export { MemoryMailbox, type Mailbox, type MailboxEntry, type MailboxQuota, type WaitingEntry } from './mailbox.ts';
export { createRelay, type Relay, type RelayOptions } from './relay.ts';
export type { Session } from './sessions.ts';
