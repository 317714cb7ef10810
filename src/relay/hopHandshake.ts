/**
 * The relay's side of a hop's handshake: from a stranger's first message to who it is and at which label it comes in.
 *
 * @packageDocumentation
 */
import { concat, fromBase64url } from '../bytes.ts';
import type { CryptoProvider, KemKeyPair, RandomBytes } from '../crypto/provider.ts';
import type { Suite, SuiteName } from '../crypto/suite.ts';
import { SimsError } from '../errors.ts';
import {
  failureReason,
  runResponder,
  type AuthenticatedOutput,
  type ConsentOutput,
  type EstablishedOutput,
  type HandshakeRun,
  type MaybePromise,
  type ResponderInput,
  type ResponderOutput,
  type SignOutput,
  type VerifiedIdentity,
  type VerifyCredential,
} from '../handshake/index.ts';
import {
  auditEntry,
  chooseLevel,
  clearanceOf,
  dominates,
  parseLabel,
  type AuditEntry,
  type Clearance,
  type CredentialDescription,
  type Label,
  type PolicyFile,
  type Subject,
} from '../ifc/index.ts';
import { addressFromBytes, type Address, type MessageId } from '../messages/address.ts';
import type { Connect } from '../messages/connect.ts';
import type { RelayCredential } from '../messages/credential.ts';
import type { Message } from '../messages/messages.ts';
import type { ErrorReason } from '../messages/reason.ts';
import type { RelayLimits } from './limits.ts';

/** Who the relay is. */
export interface RelayIdentity {
  readonly credential: RelayCredential;
  /** Signs with the credential's key. */
  readonly sign: (request: SignOutput) => MaybePromise<Uint8Array>;
}

/** What all handshakes share. */
export interface HandshakeShared {
  readonly provider: CryptoProvider;
  /** In the relay's order. */
  readonly suites: readonly Suite[];
  readonly identity: RelayIdentity;
  /** SHA-256 of its SPKI, which delegations name. */
  readonly relayIdentity: Uint8Array;
  readonly name: string;
  /** May be another one in what it says at each look: see `LivePolicy`. */
  readonly policy: PolicyFile;
  readonly limits: RelayLimits;
  readonly random: RandomBytes;
  readonly now: () => number;
  readonly verifyCredential: VerifyCredential;
  readonly describeCredential: (identity: VerifiedIdentity) => CredentialDescription;
  /** Names that the relay answers to; absent for any. */
  readonly serverNames?: readonly string[];
  readonly rsaPool?: { readonly available?: number; take(): KemKeyPair | undefined };
  readonly audit: (entry: AuditEntry) => void;
  /** Handshakes in flight, oldest first. */
  readonly inFlight: { readonly all: Set<HopHandshake>; rsa: number };
}

/** A client that has come in. */
export interface Entrant {
  readonly established: EstablishedOutput;
  readonly address: Address;
  readonly subject: Subject;
  readonly name: string;
  /** Who it is under the policy that is in force now; `undefined` where that does not clear it for its level. */
  readonly assess: (nowMs: number) => Subject | undefined;
  /**
   * Whether it may stay at a time, and when to ask again (milliseconds since 1970, absent for never). `undefined`: its
   * verification has ended, or its clearance has sunk.
   */
  readonly stay: (nowMs: number) => { readonly untilMs: number | undefined } | undefined;
}

/** What a handshake tells its connection. */
export interface HandshakeHooks {
  readonly send: (message: Message) => void;
  readonly entered: (entrant: Entrant) => void;
  /** The handshake is over; `code` may be told to the client. */
  readonly failed: (error: SimsError, code: ErrorReason) => void;
  /** What was waited for has come: the next message can be taken. */
  readonly ready: () => void;
  /** A fault of the relay's own. */
  readonly crashed: (error: unknown) => void;
}

const RSA: SuiteName = 'RSA_WITH_AES_128_CBC_SHA256';
/** When all places are taken, a client that has kept the relay waiting for so long gives up its own, in milliseconds. */
const YIELD_AFTER_MS = 2_000;
/** Between these the machine takes no message but repeats. */
const READY: readonly string[] = ['idle', 'awaiting-phase-3', 'established', 'failed'];

/** One handshake. */
export class HopHandshake {
  readonly #shared: HandshakeShared;
  readonly #hooks: HandshakeHooks;
  readonly #run: HandshakeRun<ResponderInput>;
  #id: MessageId | undefined;
  #rejection: ErrorReason | undefined;
  #introduction: Omit<Entrant, 'established'> | undefined;
  #isRsa = false;
  #acceptedAtMs = 0;
  #isOver = false;

  constructor(shared: HandshakeShared, hooks: HandshakeHooks) {
    const { provider, suites, identity, relayIdentity, verifyCredential, random, now, rsaPool } = shared;
    this.#shared = shared;
    this.#hooks = hooks;
    this.#run = runResponder(
      { plane: 'hop', provider, suites, relayIdentity },
      { sign: identity.sign, verifyCredential, random, now, ...(rsaPool === undefined ? {} : { rsaPool }) },
      { output: (output) => this.#guarded(output), failed: (error) => this.#failed(error) },
    );
  }

  /** The first 8 bytes of the client's nonce, once it has said them. */
  get id(): MessageId | undefined {
    return this.#id;
  }

  /** Whether it waits for a key or a verification: the next message must wait too. */
  get isBusy(): boolean {
    return !READY.includes(this.#run.at);
  }

  /** Takes a message of the client. */
  take(message: Connect): void {
    if (this.#id !== undefined && message.id !== this.#id) {
      if (!this.#isOver)
        this.abort(new SimsError('handshake/unexpected-message', 'a second handshake on one connection'));
      return;
    }
    // A client's `id` in phase 1 is held against its nonce when the nonce has been read.
    this.#id = message.id;
    this.#run.feed({ type: 'message', phase: message.phase, body: message.data });
  }

  /** Gives up: the connection is gone, too slow, or misbehaves. */
  abort(error: SimsError): void {
    this.#run.feed({ type: 'abort', error });
  }

  /** Counts it out; called however it ends. */
  release(): void {
    this.#isOver = true;
    const { inFlight } = this.#shared;
    if (inFlight.all.delete(this) && this.#isRsa) inFlight.rsa -= 1;
  }

  #failed(error: SimsError): void {
    if (this.#isOver) return;
    this.release();
    this.#hooks.failed(error, this.#rejection ?? failureReason(error) ?? 'handshake-failed');
  }

  /** Answers may come from a promise, where nobody would catch. */
  #guarded(output: ResponderOutput): ResponderInput | undefined {
    try {
      return this.#output(output);
    } catch (error) {
      this.#hooks.crashed(error);
      return undefined;
    }
  }

  #output(output: ResponderOutput): ResponderInput | undefined {
    switch (output.type) {
      case 'consent':
        return this.#consent(output);
      case 'authenticated':
        return this.#admit(output);
      case 'send':
        this.#hooks.send({ type: 'connect', phase: output.phase, id: this.#id!, data: output.body });
        if (output.phase === 2) this.#hooks.ready();
        return undefined;
      case 'established':
        if (this.#isOver) return undefined;
        this.release();
        this.#hooks.entered({ established: output, ...this.#introduction! });
        this.#hooks.ready();
        return undefined;
      default:
        // The connection's own timer ends what takes too long.
        return undefined;
    }
  }

  #consent(output: ConsentOutput): ResponderInput {
    const { suites, limits, inFlight, serverNames, identity, random, now, rsaPool } = this.#shared;
    if (output.handshakeId !== this.#id) return this.#reject('malformed');
    if (serverNames !== undefined && !serverNames.includes(output.serverName ?? '')) return this.#reject('rejected');
    if (inFlight.all.size >= limits.handshakes && !this.#makeRoom()) return this.#reject('busy');
    const names = suites.map((suite) => suite.name);
    const withoutRsa = names.filter((name) => name !== RSA);
    const hasOther = withoutRsa.some((name) => output.offer.includes(name));
    const isPoolEmpty = rsaPool?.available === 0;
    const servesRsa = inFlight.rsa < limits.rsaHandshakes && !(isPoolEmpty && hasOther);
    const served = servesRsa ? names : withoutRsa;
    const chosen = served.find((name) => output.offer.includes(name));
    if (chosen === undefined && !servesRsa && names.some((name) => output.offer.includes(name))) {
      return this.#reject('busy');
    }
    this.#isRsa = chosen === RSA;
    this.#acceptedAtMs = now();
    inFlight.all.add(this);
    if (this.#isRsa) inFlight.rsa += 1;
    return {
      type: 'accept',
      suites: served,
      nonce: random(32),
      boxRandomness: random(16),
      credential: identity.credential,
      nowMs: now(),
      timeoutMs: limits.establishMs,
    };
  }

  /** Ends the oldest handshake whose client has had its time to answer, so that half-done ones cannot keep others out. */
  #makeRoom(): boolean {
    const { inFlight, now } = this.#shared;
    const latest = now() - YIELD_AFTER_MS;
    for (const other of inFlight.all) {
      if (other.#acceptedAtMs > latest) return false;
      if (other.#run.at !== 'awaiting-phase-3') continue;
      other.#rejection = 'busy';
      other.abort(new SimsError('handshake/aborted', 'its place was needed'));
      return true;
    }
    return false;
  }

  /** Clearance from the credential, then the level that was asked for, if it is not above. */
  #admit({ identity, name, parameters }: AuthenticatedOutput): ResponderInput {
    const { policy, describeCredential, now, audit } = this.#shared;
    const clearedAt = (nowMs: number): Clearance => clearanceOf(policy.clearance, describeCredential(identity), nowMs);
    let clearance = clearedAt(now()).label;
    const asked = parameters.label === undefined ? undefined : knownLabel(policy, parameters.label);
    if (parameters.label !== undefined && asked === undefined) return this.#reject('not-authorised');
    const decision = chooseLevel(clearance, asked);
    const entry = auditEntry(decision, { subject: identity.id });
    if (entry !== undefined) audit(entry);
    if (!decision.permit) return this.#reject('not-authorised');
    const level = decision.from.text;
    this.#introduction = {
      address: addressFromBytes(concat(fromBase64url(identity.id), parameters.device!)),
      subject: { current: decision.from, clearance, id: identity.id },
      name: identity.name ?? name,
      assess: (nowMs) => {
        const current = knownLabel(policy, level);
        const cleared = clearedAt(nowMs).label;
        if (current === undefined || !dominates(cleared, current)) return undefined;
        clearance = cleared;
        return { current, clearance, id: identity.id };
      },
      stay: (nowMs) => {
        const { verifiedUntilMs } = identity;
        if (verifiedUntilMs !== undefined && nowMs >= verifiedUntilMs) return undefined;
        const then = clearedAt(nowMs);
        if (!dominates(then.label, clearance)) return undefined;
        return { untilMs: earlier(then.changesAtMs, verifiedUntilMs) };
      },
    };
    return { type: 'finish', name: this.#shared.name, parameters: { label: level }, nowMs: now() };
  }

  #reject(code: ErrorReason): ResponderInput {
    this.#rejection = code;
    return { type: 'reject', code };
  }
}

/** A label that the lattice has; any other is refused as one that is too high. */
export function knownLabel(policy: PolicyFile, text: string): Label | undefined {
  try {
    return parseLabel(policy.lattice, text);
  } catch (error) {
    if (error instanceof SimsError) return undefined;
    throw error;
  }
}

/** The earlier of two times, either of which may be never. */
export function earlier(left: number | undefined, right: number | undefined): number | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Math.min(left, right);
}
