/**
 * A relay over TCP and WebSocket.
 *
 * @packageDocumentation
 */
import { hex } from '../../bytes.ts';
import type { PersonVerifierOptions } from '../../cc/personVerifier.ts';
import { allSuites, nodeProvider } from '../../crypto/node/index.ts';
import { createRsaPool, type RsaPool } from '../../crypto/rsaPool.ts';
import type { Suite } from '../../crypto/suite.ts';
import { SimsError } from '../../errors.ts';
import { createCredentialVerifier, type VerifiedIdentity, type VerifyCredential } from '../../handshake/index.ts';
import type { AuditEntry, CredentialDescription, PolicyFile } from '../../ifc/index.ts';
import { listenTcp, listenWebSocket, type Listener } from '../../transport/node/index.ts';
import type { RelayMetrics } from '../counters.ts';
import type { RelayEvent } from '../effects.ts';
import type { RelayIdentity } from '../hopHandshake.ts';
import { limitsFrom, type RelayLimits } from '../limits.ts';
import type { Mailbox } from '../mailbox.ts';
import { createRelay } from '../relay.ts';
import { RelayHost } from './host.ts';
import { createIdentity, keptIdentity } from './identityFile.ts';

/** Where to listen. */
export interface ListenAddress {
  /** `ws` needs the package ws. */
  readonly scheme: 'tcp' | 'ws';
  /** Default `127.0.0.1`: reaching further is a decision. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
}

/** Options of {@link startRelay}. */
export interface RelayServerOptions {
  /** At least one. */
  readonly listen: readonly ListenAddress[];
  /** In the order of preference. Default: all six, by `sims-protocol/crypto/node`. */
  readonly suites?: readonly Suite[];
  /** The relay's own key and certificate; for one that is kept elsewhere. */
  readonly identity?: RelayIdentity;
  /** Directory in which key and certificate are kept. Without it and `identity` they live as long as the relay. */
  readonly stateDirectory?: string;
  /** Told to clients, at most 128 bytes. Default empty. */
  readonly name?: string;
  /** Takes a free port for one that is taken. Default false. */
  readonly fallbackToFreePort?: boolean;
  /** Whether web pages of this origin may connect; `undefined` is a client that is not a browser. Default: all. */
  readonly allowOrigin?: (origin: string | undefined) => boolean;
  /** Default: two levels, with a verified certificate and without. */
  readonly policy?: PolicyFile;
  /** What clients may cost; each limit has a default. */
  readonly limits?: Partial<RelayLimits>;
  /**
   * How people with certificates are verified: anchors, profile, lists, revocation. Without it, and without
   * `verifyCredential`, certificates are refused.
   */
  readonly people?: Omit<PersonVerifierOptions, 'now'>;
  /** In place of `people`. Default: keys are taken at their word, certificates refused. */
  readonly verifyCredential?: VerifyCredential;
  /** What the clearance rules are told of a verified identity. */
  readonly describeCredential?: (identity: VerifiedIdentity) => CredentialDescription;
  /** Names that the relay answers to. Default: any. */
  readonly serverNames?: readonly string[];
  /** Default: in memory. */
  readonly mailbox?: Mailbox;
  /** Told what happens, without names or content. Default: nobody is. */
  readonly log?: (event: RelayEvent) => void;
  /** Told the decisions of the policy that are to be kept. Default: nobody is. */
  readonly audit?: (entry: AuditEntry) => void;
  /** Closes the relay when aborted, as `close` does. */
  readonly signal?: AbortSignal;
  /** Milliseconds since 1970. Default the system's clock. */
  readonly now?: () => number;
}

/** A listener that could not be had. */
export interface ListenFailure {
  readonly address: ListenAddress;
  readonly error: SimsError;
}

/** A relay that runs. */
export interface RelayServer {
  /** With the real ports, in the order of `listen`. */
  readonly urls: readonly string[];
  /** What clients pin: `sha256:` and hexadecimal digits. */
  readonly fingerprint: string;
  /** Listeners that are missing because the package ws is not installed. */
  readonly failures: readonly ListenFailure[];
  /** Counts and gauges. */
  metrics(): RelayMetrics;
  /** Takes nobody any more, tells all clients `shutting-down`, sends what is queued (at most 5 s), and resolves. */
  close(): Promise<void>;
  /** Resolves when the relay has closed. */
  readonly closed: Promise<void>;
}

/**
 * Starts a relay. Without the package ws only the WebSocket listeners are missing, as long as there is another.
 *
 * @throws `relay/invalid-option`, `relay/identity-unusable`, `transport/listen-failed`, `transport/ws-missing`,
 * `transport/aborted`
 */
export async function startRelay(options: RelayServerOptions): Promise<RelayServer> {
  const { suites = allSuites, signal, log, audit, now = Date.now } = options;
  const limits = limitsFrom(options.limits);
  if (options.listen.length === 0) throw new SimsError('relay/invalid-option', 'a relay has to listen somewhere');
  if (signal?.aborted === true) {
    throw new SimsError('transport/aborted', 'the relay was stopped before it began', { cause: signal.reason });
  }
  const identity = await identityOf(options, now());
  const rsaPool = poolFor(suites, log);
  const { name, policy, describeCredential, serverNames, mailbox } = options;
  const verifyCredential = options.verifyCredential ?? (await verifierOf(options.people, now));
  try {
    const host = new RelayHost(
      (effects) =>
        createRelay({
          provider: nodeProvider,
          suites,
          identity,
          effects,
          limits,
          now,
          ...(name === undefined ? {} : { name }),
          ...(policy === undefined ? {} : { policy }),
          ...(verifyCredential === undefined ? {} : { verifyCredential }),
          ...(describeCredential === undefined ? {} : { describeCredential }),
          ...(serverNames === undefined ? {} : { serverNames }),
          ...(mailbox === undefined ? {} : { mailbox }),
          ...(rsaPool === undefined ? {} : { rsaPool }),
        }),
      now,
      { ...(log === undefined ? {} : { log }), ...(audit === undefined ? {} : { audit }) },
    );
    const { listeners, failures } = await listenAll(options, host, limits);
    return running(host, listeners, failures, rsaPool, signal);
  } catch (error) {
    rsaPool?.close();
    throw error;
  }
}

/** Loaded only where certificates are in use. */
async function verifierOf(
  people: RelayServerOptions['people'],
  now: () => number,
): Promise<VerifyCredential | undefined> {
  if (people === undefined) return undefined;
  const { createPersonVerifier } = await import('../../cc/personVerifier.ts');
  return createCredentialVerifier({
    provider: nodeProvider,
    verifyCertificate: createPersonVerifier({ ...people, now }),
  });
}

function running(
  host: RelayHost,
  listeners: readonly Listener[],
  failures: readonly ListenFailure[],
  rsaPool: RsaPool | undefined,
  signal: AbortSignal | undefined,
): RelayServer {
  let resolveClosed: () => void;
  const closed = new Promise<void>((resolve) => {
    resolveClosed = resolve;
  });
  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort);
    await Promise.all(listeners.map((listener) => listener.close()));
    await host.close();
    rsaPool?.close();
    resolveClosed();
  };
  const close = (): Promise<void> => (closing ??= end());
  const onAbort = (): void => {
    void close();
  };
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted === true) onAbort();
  return {
    urls: listeners.map((listener) => listener.url),
    fingerprint: `sha256:${hex(host.relay.relayIdentity)}`,
    failures,
    metrics: () => host.relay.metrics(),
    close,
    closed,
  };
}

async function identityOf(options: RelayServerOptions, nowMs: number): Promise<RelayIdentity> {
  const { identity, stateDirectory, listen } = options;
  if (identity !== undefined) return identity;
  const isAnywhere = (host: string): boolean => host === '0.0.0.0' || host === '::';
  const hosts = listen.map(({ host = '127.0.0.1' }) => host).filter((host) => !isAnywhere(host));
  const names = [...new Set(['localhost', ...hosts])];
  return stateDirectory === undefined
    ? createIdentity({ names, nowMs })
    : keptIdentity(stateDirectory, { names, nowMs });
}

function poolFor(suites: readonly Suite[], log: RelayServerOptions['log']): RsaPool | undefined {
  for (const { kem } of suites) {
    if (kem.name !== 'RSA-4096') continue;
    return createRsaPool({
      generate: () => kem.generateKeyPair(),
      onError: (error) => log?.({ event: 'key-pool-failed', error }),
    });
  }
  return undefined;
}

async function listenAll(
  options: RelayServerOptions,
  host: RelayHost,
  limits: RelayLimits,
): Promise<{ readonly listeners: readonly Listener[]; readonly failures: readonly ListenFailure[] }> {
  const listeners: Listener[] = [];
  const failures: ListenFailure[] = [];
  try {
    for (const address of options.listen) {
      try {
        // One after the other, so that the order of the URLs is that of the options.
        // oxlint-disable-next-line no-await-in-loop
        listeners.push(await listenOne(address, options, host, limits));
      } catch (error) {
        if (!(error instanceof SimsError) || error.code !== 'transport/ws-missing') throw error;
        options.log?.({ event: 'listener-failed', code: error.code, error });
        failures.push({ address, error });
      }
    }
    if (listeners.length === 0) throw failures[0]!.error;
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()));
    await host.close();
    throw error;
  }
  return { listeners, failures };
}

async function listenOne(
  address: ListenAddress,
  options: RelayServerOptions,
  host: RelayHost,
  limits: RelayLimits,
): Promise<Listener> {
  const { log, allowOrigin, fallbackToFreePort = false } = options;
  const { scheme, host: hostName, port = 0 } = address;
  const listen = (chosen: number): Promise<Listener> => {
    const common = {
      port: chosen,
      messageLimit: limits.frameBytesBeforeHop,
      highWaterBytes: limits.queueMarkBytes,
      onConnection: host.attach.bind(host),
      onError: (error: SimsError) => log?.({ event: 'listener-failed', code: error.code, error }),
      ...(hostName === undefined ? {} : { host: hostName }),
    };
    if (scheme === 'tcp') return listenTcp(common);
    return listenWebSocket({ ...common, ...(allowOrigin === undefined ? {} : { allowOrigin }) });
  };
  try {
    return await listen(port);
  } catch (error) {
    if (!fallbackToFreePort || port === 0 || !isPortTaken(error)) throw error;
    return listen(0);
  }
}

function isPortTaken(error: unknown): boolean {
  if (!(error instanceof SimsError) || error.code !== 'transport/listen-failed') return false;
  const { cause } = error;
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
}
