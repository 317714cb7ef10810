/**
 * Which version and which suite: the responder chooses, by its own order, from what the initiator offers
 * (docs/protocol.md §3).
 *
 * @packageDocumentation
 */
import type { Suite } from '../crypto/suite.ts';

/** The one version of the protocol so far. */
export const PROTOCOL_VERSION = 1;

/** The first of the responder's suites, in its order, that was offered; `undefined` when there is none. */
export function chooseSuite(offer: readonly number[], servable: readonly Suite[]): Suite | undefined {
  return servable.find((suite) => offer.includes(suite.number));
}
