/**
 * The paved path: connect to a relay, hold conversations.
 *
 * @packageDocumentation
 */
import { createConnect, type Connect } from './client/index.ts';
import { nobleProvider } from './crypto/noble.ts';
import { defaultSuites, RSA_WITH_AES_128_CBC_SHA256 } from './crypto/suites.ts';
import { SimsError } from './errors.ts';
import { connectWebSocket } from './transport/webSocket.ts';

export * from './paved.ts';

/**
 * Connects to a relay with the default suites: by `ws:` or `wss:` URL, or over a transport of one's own. In Node this
 * name knows `tcp:` as well.
 */
export const connect: Connect = /* @__PURE__ */ createConnect({
  provider: nobleProvider,
  suites: defaultSuites,
  optionalSuites: [RSA_WITH_AES_128_CBC_SHA256],
  dial: (url, { signal }) =>
    /^wss?:/u.test(url)
      ? connectWebSocket(url, { signal })
      : Promise.reject(new SimsError('client/invalid-argument', 'here a relay is ws://… or wss://…')),
});
