/**
 * The paved path in Node: connect to a relay, hold conversations.
 *
 * @packageDocumentation
 */
import { createConnect, type Connect } from './client/index.ts';
import { dial } from './client/node/index.ts';
import { defaultSuites, nodeProvider, RSA_WITH_AES_128_CBC_SHA256 } from './crypto/node/index.ts';

export * from './paved.ts';

/** Connects to a relay with the default suites: by `tcp:`, `ws:` or `wss:` URL, or over a transport of one's own. */
export const connect: Connect = /* @__PURE__ */ createConnect({
  provider: nodeProvider,
  suites: defaultSuites,
  optionalSuites: [RSA_WITH_AES_128_CBC_SHA256],
  dial,
});
