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
import type { AuditEntry, AuditHead, CredentialDescription, PolicyFile } from '../../ifc/index.ts';
import { listenTcp, listenWebSocket, type Listener } from '../../transport/node/index.ts';
import type { RelayMetrics } from '../counters.ts';
import type { RelayEvent } from '../effects.ts';
import type { RelayIdentity } from '../hopHandshake.ts';
import { limitsFrom, type RelayLimits } from '../limits.ts';
import type { BundleStore } from '../bundles.ts';
import type { Mailbox } from '../mailbox.ts';
import { createRelay } from '../relay.ts';
import { openAuditFile, type AuditFile } from './auditFile.ts';
import { RelayHost } from './host.ts';
import { createIdentity, keptIdentity } from './identityFile.ts';
import { readPolicy, type NamedPolicy } from './policySource.ts';

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
  /** File of the policy, in place of `policy`: it can be read again while the relay runs. */
  readonly policyFile?: string;
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
  /** Bundles that clients publish. Default: in memory. */
  readonly bundles?: BundleStore;
  /** Told what happens, without names or content. Default: nobody is. */
  readonly log?: (event: RelayEvent) => void;
  /** Told the decisions of the policy that are to be kept, every one of them. Default: nobody is. */
  readonly audit?: (entry: AuditEntry) => void;
  /**
   * File to which those decisions are appended, each line with the hash of the line before; one that exists is gone on
   * with. Repeats are counted, so that no client can fill the disk. Default: none.
   */
  readonly auditFile?: string;
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
  /**
   * Puts a policy in force: the one given, or `policyFile` as it is now. Sessions whose clearance does not cover their level
   * any more end as `not-authorised`.
   *
   * @throws `ifc/policy-invalid`, `relay/invalid-option`: the policy from before stays in force
   */
  reloadPolicy(policy?: PolicyFile): Promise<void>;
  /** Number and hash of the last line of the audit file, to be kept elsewhere; `undefined` without a file. */
  auditHead(): AuditHead | undefined;
  /** Takes nobody any more, tells all clients `shutting-down`, sends what is queued (at most 5 s), and resolves. */
  close(): Promise<void>;
  /** Resolves when the relay has closed. */
  readonly closed: Promise<void>;
}

/**
 * Starts a relay. Without the package ws only the WebSocket listeners are missing, as long as there is another.
 *
 * @throws `relay/invalid-option`, `relay/identity-unusable`, `relay/audit-unusable`, `ifc/policy-invalid`,
 * `transport/listen-failed`, `transport/ws-missing`, `transport/aborted`
 */
export async function startRelay(options: RelayServerOptions): Promise<RelayServer> {
  const { suites = allSuites, signal, log, now = Date.now } = options;
  const limits = limitsFrom(options.limits);
  if (options.listen.length === 0) throw new SimsError('relay/invalid-option', 'a relay has to listen somewhere');
  if (signal?.aborted === true) {
    throw new SimsError('transport/aborted', 'the relay was stopped before it began', { cause: signal.reason });
  }
  if (options.policy !== undefined && options.policyFile !== undefined) {
    throw new SimsError('relay/invalid-option', 'either policy or policyFile');
  }
  const identity = await identityOf(options, now());
  const named = options.policyFile === undefined ? undefined : await readPolicy(options.policyFile);
  const rsaPool = poolFor(suites, log);
  const { name, describeCredential, serverNames, mailbox, bundles } = options;
  const policy = named?.policy ?? options.policy;
  const verifyCredential = options.verifyCredential ?? (await verifierOf(options.people, now));
  const auditFile = await auditFileOf(options, now);
  const audit = (entry: AuditEntry): void => {
    auditFile?.write(entry);
    options.audit?.(entry);
  };
  audit({ event: 'policy', note: named?.note ?? (policy === undefined ? 'the default' : 'given by the program') });
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
          ...(bundles === undefined ? {} : { bundles }),
          ...(rsaPool === undefined ? {} : { rsaPool }),
        }),
      now,
      { ...(log === undefined ? {} : { log }), audit },
    );
    const { listeners, failures } = await listenAll(options, host, limits);
    const reloadPolicy = async (given?: PolicyFile): Promise<void> => {
      try {
        const next = await nextPolicy(options.policyFile, given);
        host.relay.setPolicy(next.policy);
        audit({ event: 'policy', note: next.note });
        log?.({ event: 'policy-loaded' });
      } catch (error) {
        const code = error instanceof SimsError ? error.code : 'internal';
        log?.({ event: 'policy-rejected', code, error });
        throw error;
      }
    };
    return running({ host, listeners, failures, rsaPool, auditFile, reloadPolicy }, signal);
  } catch (error) {
    rsaPool?.close();
    await auditFile?.close();
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

async function auditFileOf(options: RelayServerOptions, now: () => number): Promise<AuditFile | undefined> {
  const { auditFile, log } = options;
  if (auditFile === undefined) return undefined;
  return await openAuditFile(auditFile, {
    now,
    onError: (error) => log?.({ event: 'audit-failed', code: error.code, error }),
  });
}

async function nextPolicy(path: string | undefined, given: PolicyFile | undefined): Promise<NamedPolicy> {
  if (given !== undefined) return { policy: given, note: 'given by the program' };
  if (path === undefined) throw new SimsError('relay/invalid-option', 'there is no policyFile to read again');
  return await readPolicy(path);
}

interface Running {
  readonly host: RelayHost;
  readonly listeners: readonly Listener[];
  readonly failures: readonly ListenFailure[];
  readonly rsaPool: RsaPool | undefined;
  readonly auditFile: AuditFile | undefined;
  readonly reloadPolicy: (policy?: PolicyFile) => Promise<void>;
}

function running(parts: Running, signal: AbortSignal | undefined): RelayServer {
  const { host, listeners, failures, rsaPool, auditFile, reloadPolicy } = parts;
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
    await auditFile?.close();
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
    reloadPolicy,
    auditHead: () => auditFile?.head(),
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
