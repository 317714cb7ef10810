/**
 * A relay on Node: TCP and WebSocket, a key that is kept, suites by node:crypto.
 *
 * @packageDocumentation
 */
export { createIdentity, keptIdentity, type IdentityOptions } from './identityFile.ts';
export {
  startRelay,
  type ListenAddress,
  type ListenFailure,
  type RelayServer,
  type RelayServerOptions,
} from './server.ts';
