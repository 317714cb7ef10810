/** The optional package ws, loaded when it is first needed. */
import { SimsError } from '../../errors.ts';

/** What the package exports. */
export type WsPackage = typeof import('ws');

/**
 * The package ws, version 8.
 *
 * @param load - for tests, which cannot uninstall it
 * @throws `transport/ws-missing`
 */
export async function loadWs(load: () => Promise<WsPackage> = () => import('ws')): Promise<WsPackage> {
  try {
    return await load();
  } catch (cause) {
    throw new SimsError('transport/ws-missing', 'WebSockets in Node need the package ws: npm install ws', { cause });
  }
}
